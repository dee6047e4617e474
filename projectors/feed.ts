/**
 * The feed: one Null table with the columns of an event row, and behind it one materialized view per table of every
 * projection. One INSERT of payload bytes thus writes all views in one pass, and nothing of it is decoded here.
 */
import { EVENT_COLUMNS } from '../schemas/events.ts'
import { tableName, type Database, type ProjectionTable, type SqlProjection } from './projection.ts'
import { TABLES } from './tables.ts'

/** Newest inserts whose tokens a table remembers: repeats within it cost no row. Correctness does not rest on it. */
const TOKENS_REMEMBERED = 1_000
/**
 * Fewer, larger merges. One merge of every table costs as much CPU as writing the rows did, so parts of full ranges wait
 * until there are this many; reads are quick over them (a dozen parts cost a point read a few milliseconds).
 */
const MERGED_PARTS_MIN = 16

function feedName(database: Database): string {
  return `${database === '' ? '' : `${database}.`}feed_v1`
}

function columnList(columns: readonly (readonly [string, string])[]): string {
  return columns.map(([name, type]) => `${name} ${type}`).join(', ')
}

/** Statements that make everything that is not there yet, in order. Safe to repeat. */
export function createStatements(projections: readonly SqlProjection[], database: Database = ''): string[] {
  return [
    `CREATE TABLE IF NOT EXISTS ${feedName(database)} (${columnList(EVENT_COLUMNS)}) ENGINE = Null`,
    `CREATE TABLE IF NOT EXISTS ${checkpointsName(database)}
     (partition UInt16, sequence UInt64, hash FixedString(32), recorded_at Int64)
     ENGINE = ReplacingMergeTree(sequence) ORDER BY partition SETTINGS fsync_after_insert = 1, fsync_part_directory = 1`,
    ...projections.flatMap((projection) =>
      projection.tables.flatMap((table) => [
        createTable(projection, table, database),
        createView(projection, table, database),
      ]),
    ),
  ]
}

/** Where a set of views keeps how far it is: per partition the row with the highest sequence counts. */
export function checkpointsName(database: Database): string {
  return `${database === '' ? '' : `${database}.`}${TABLES.checkpoints}`
}

function createTable(projection: SqlProjection, table: ProjectionTable, database: Database): string {
  const settings: Record<string, number> = {
    non_replicated_deduplication_window: TOKENS_REMEMBERED,
    // A checkpoint may be written once the rows would survive a power cut.
    fsync_after_insert: 1,
    fsync_part_directory: 1,
    min_parts_to_merge_at_once: MERGED_PARTS_MIN,
  }
  if (table.mergedPartBytesMax !== undefined)
    settings['max_bytes_to_merge_at_max_space_in_pool'] = table.mergedPartBytesMax
  const parts = [columnList(table.columns), ...(table.indexes ?? [])]
  return `CREATE TABLE IF NOT EXISTS ${tableName(projection, table.name, database)} (${parts.join(', ')})
    ENGINE = ReplacingMergeTree(${table.highest?.column ?? ''})
    PARTITION BY partition ORDER BY (${table.key.join(', ')})
    SETTINGS ${Object.entries(settings)
      .map(([name, value]) => `${name} = ${value}`)
      .join(', ')}`
}

function createView(projection: SqlProjection, table: ProjectionTable, database: Database): string {
  const target = tableName(projection, table.name, database)
  const where = table.where === undefined ? '' : `WHERE ${table.where}`
  return `CREATE MATERIALIZED VIEW IF NOT EXISTS ${target}_from_feed TO ${target}
    AS SELECT ${table.select} FROM ${feedName(database)} ${where}`
}

/** Names of every projection's tables, and of what fills them. */
export function viewTableNames(projections: readonly SqlProjection[]): string[] {
  return projections.flatMap((projection) =>
    projection.tables.flatMap((table) => {
      const name = tableName(projection, table.name)
      return [name, `${name}_from_feed`]
    }),
  )
}

/** Statements that remove what `createStatements` makes; views first, or rows would go on to tables that are gone. */
export function dropStatements(projections: readonly SqlProjection[], database: Database = ''): string[] {
  const names = projections.flatMap((projection) =>
    projection.tables.map((table) => tableName(projection, table.name, database)),
  )
  return [
    `DROP TABLE IF EXISTS ${checkpointsName(database)} SYNC`,
    ...names.map((name) => `DROP VIEW IF EXISTS ${name}_from_feed SYNC`),
    ...names.map((name) => `DROP TABLE IF EXISTS ${name} SYNC`),
    `DROP TABLE IF EXISTS ${feedName(database)} SYNC`,
  ]
}

/** The statement that takes payload bytes. */
export function insertStatement(database: Database = ''): string {
  return `INSERT INTO ${feedName(database)} FORMAT RowBinary`
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
