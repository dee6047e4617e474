/**
 * The input table: one Null table with the columns of an event row, and behind it one materialized view per table of every
 * projection. One INSERT of payload bytes thus writes all views in one pass, and nothing of it is decoded here. Projections
 * that run by themselves, apart from the others, have an input table of their own; what two of them write twice changes nothing.
 */
import { EVENT_COLUMNS } from '../../schemas/events.ts'
import { createTables, dropTable, type TableShape } from './layout.ts'
import {
  isWhole,
  tableName,
  type Database,
  type Layout,
  type ProjectionSet,
  type ProjectionTable,
  type SqlProjection,
} from '../projection.ts'

/** Newest inserts whose tokens a table remembers: repeats within it cost no row. Correctness does not rest on it. */
const TOKENS_REMEMBERED = 1_000
/**
 * Fewer, larger merges. One merge of every table costs as much CPU as writing the rows did, so parts of full ranges wait
 * until there are this many; reads are quick over them (a dozen parts cost a point read a few milliseconds).
 */
const MERGED_PARTS_MIN = 16
/** A checkpoint may be written once the rows would survive a power cut; so must the checkpoint. */
const DURABLE = { fsync_after_insert: 1, fsync_part_directory: 1 } as const

/**
 * What the input table of a set of projections is called: of all that the deployment has, the plain name. One that comes to a
 * deployment comes behind the feed that is there; what stands behind it already need not be made anew.
 */
export function inputTableName(projections: ProjectionSet, database: Database = ''): string {
  const names = projections.running.map(({ name }) => name).sort()
  return `${database === '' ? '' : `${database}.`}${isWhole(projections) ? 'feed' : `feed_${names.join('_')}`}_v1`
}

/** Where a set of views keeps how far it is: per projection and partition the row with the highest sequence counts. */
export function checkpointsName(database: Database = ''): string {
  return `${database === '' ? '' : `${database}.`}checkpoints_v2`
}

/** Where checkpoints stood before they had a projection and a place: no more is written there. */
export function formerCheckpointsName(database: Database = ''): string {
  return `${database === '' ? '' : `${database}.`}checkpoints_v1`
}

/** Statements that make everything that is not there yet, in order. Safe to repeat. */
export function createStatements(projections: ProjectionSet, layout: Layout = {}): string[] {
  const { database = '' } = layout
  return [
    ...createTables(inputTableShape(projections, database), layout),
    ...createTables(checkpointsShape(database), layout),
    ...projections.running.flatMap((projection) =>
      projection.tables.flatMap((table) => [
        ...createTables(viewShape(projection, table, database), layout),
        createView(projections, projection, table, layout),
      ]),
    ),
  ]
}

function inputTableShape(projections: ProjectionSet, database: Database): TableShape {
  return { name: inputTableName(projections, database), columns: EVENT_COLUMNS, engine: { kind: 'null' } }
}

function checkpointsShape(database: Database): TableShape {
  return {
    name: checkpointsName(database),
    columns: [
      ['projection_name', 'LowCardinality(String)'],
      ['partition', 'UInt16'],
      ['sequence', 'UInt64'],
      ['hash', 'FixedString(32)'],
      ['recorded_at', 'Int64'],
      ['place', 'UInt64'],
    ],
    engine: {
      kind: 'replacing',
      highest: 'sequence',
      key: ['projection_name', 'partition'],
      settings: DURABLE,
      tokensRemembered: 0,
    },
  }
}

function viewShape(projection: SqlProjection, table: ProjectionTable, database: Database): TableShape {
  const { mergedPartBytesMax } = table
  return {
    name: tableName(projection, table.name, database),
    columns: table.columns,
    indexes: table.indexes ?? [],
    engine: {
      kind: 'replacing',
      highest: table.highest?.column,
      partitionBy: 'partition',
      key: table.key,
      tokensRemembered: TOKENS_REMEMBERED,
      settings: {
        ...DURABLE,
        min_parts_to_merge_at_once: MERGED_PARTS_MIN,
        ...(mergedPartBytesMax === undefined
          ? {}
          : { max_bytes_to_merge_at_max_space_in_pool: mergedPartBytesMax }),
      },
    },
  }
}

function createView(
  projections: ProjectionSet,
  projection: SqlProjection,
  table: ProjectionTable,
  { database = '', cluster }: Layout,
): string {
  const target = tableName(projection, table.name, database)
  const where = table.where === undefined ? '' : `WHERE ${table.where}`
  const suffix = cluster === undefined ? '' : '_local'
  const onCluster = cluster === undefined ? '' : ` ON CLUSTER '${cluster}'`
  return `CREATE MATERIALIZED VIEW IF NOT EXISTS ${viewName(projections, target)}${onCluster} TO ${target}${suffix}
    AS SELECT ${table.select} FROM ${inputTableName(projections, database)}${suffix} ${where}`
}

/** What fills a table from the input table of these projections. */
function viewName(projections: ProjectionSet, table: string): string {
  return `${table}_from_${inputTableName(projections).replace(/_v1$/, '')}`
}

/** Names of a projection's tables, and of what fills them from the input table. */
export function viewTableNames(
  projections: ProjectionSet,
  projection: SqlProjection,
): { readonly tables: readonly string[]; readonly views: readonly string[] } {
  const tables = projection.tables.map(({ name }) => tableName(projection, name))
  return { tables, views: tables.map((name) => viewName(projections, name)) }
}

/**
 * Statements that remove what `createStatements` makes, and what these projections' checkpoints say: that first, then what
 * fills the tables, or rows would go on to tables that are gone.
 */
export function dropStatements(projections: ProjectionSet, layout: Layout = {}): string[] {
  const { database = '', cluster } = layout
  const names = projections.running.flatMap((projection) =>
    projection.tables.map((table) => tableName(projection, table.name, database)),
  )
  const onCluster = cluster === undefined ? '' : ` ON CLUSTER '${cluster}'`
  return [
    ...(cluster === undefined ? [`DROP TABLE IF EXISTS ${formerCheckpointsName(database)} SYNC`] : []),
    ...forgetCheckpoints(projections, layout),
    ...names.map((name) => `DROP VIEW IF EXISTS ${viewName(projections, name)}${onCluster} SYNC`),
    ...names.flatMap((name) => dropTable(name, layout)),
    ...dropTable(inputTableName(projections, database), layout),
  ]
}

/** Checkpoints of other projections stay. */
function forgetCheckpoints(projections: ProjectionSet, layout: Layout): string[] {
  const { database = '', cluster } = layout
  if (isWhole(projections)) return dropTable(checkpointsName(database), layout)
  const names = projections.running.map(({ name }) => `'${name}'`).join(', ')
  const table = cluster === undefined ? checkpointsName(database) : `${checkpointsName(database)}_local ON CLUSTER '${cluster}'`
  return [`ALTER TABLE ${table} DELETE WHERE projection_name IN (${names}) SETTINGS mutations_sync = 2`]
} // prettier-ignore

/** The statement that takes payload bytes. */
export function insertStatement(projections: ProjectionSet, database: Database = ''): string {
  return `INSERT INTO ${inputTableName(projections, database)} FORMAT RowBinary`
}

/**
 * Settings of one range's insert. The token says which events these are, so that a repeat is recognised; the same range
 * always has the same bytes.
 */
export function insertSettings(
  partition: number,
  first: bigint,
  last: bigint,
): Readonly<Record<string, string | number>> {
  return {
    insert_deduplication_token: `feed-v1:${partition}:${first}-${last}`,
    deduplicate_blocks_in_dependent_materialized_views: 1,
    // A range is one block, hence one part per table: all of it appears at once.
    min_insert_block_size_rows: 1_048_576,
    min_insert_block_size_bytes: 1_073_741_824,
    max_insert_block_size: 1_048_576,
    optimize_on_insert: 0,
    parallel_view_processing: 1,
    input_format_parallel_parsing: 0,
    materialized_views_ignore_errors: 0,
  }
}
