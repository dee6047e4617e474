/**
 * The tables of one version of an SQL projection, and what fills them: a Null table with the columns of an event row (its
 * feed), and behind it one materialized view per table (a filler). One INSERT of payload bytes thus writes all tables in one
 * pass, and nothing of it is decoded here. Versions that are at the same checkpoint share the pass: a Null table of theirs
 * hands each block on to the feed of each (a link).
 */
import { EVENT_COLUMNS } from '../../schemas/events.ts'
import type { VersionKey } from '../runtime/checkpoints.ts'
import { createTables, dropTable, OF_VIEWS, type TableShape } from './layout.ts'
import { tableName, type Database, type Layout, type ProjectionTable } from '../projection.ts'

/** Newest inserts whose tokens a table remembers: repeats within it cost no row. Correctness does not rest on it. */
const TOKENS_REMEMBERED = 1_000

/** A version of an SQL projection, as its tables are made. */
export interface SqlVersion extends VersionKey {
  readonly tables: readonly ProjectionTable[]
  readonly partitioning?: 'account' | 'whole'
}

/** What takes the payload of one version. */
export function feedName({ name, version }: VersionKey, database: Database = ''): string {
  return `${prefix(database)}feed_${name}_v${version}`
}

/** What takes the payload of several versions at once; their order does not matter. */
export function sharedFeedName(versions: readonly VersionKey[], database: Database = ''): string {
  const names = versions.map((one) => feedName(one)).sort()
  return `${prefix(database)}shared_${shortHash(names.join())}`
}

/** Statements that make everything of a version that is not there yet, in order. Safe to repeat. */
export function createVersion(version: SqlVersion, layout: Layout = {}): string[] {
  const { database = '' } = layout
  return [
    ...createTables(nullShape(feedName(version, database)), layout),
    ...version.tables.flatMap((table) => [
      ...createTables(viewShape(version, table, database), layout),
      createFiller(version, table, layout),
    ]),
  ]
}

/** Statements that make the feed that these versions share, and its links. Their own feeds have to be there. */
export function createSharedFeed(versions: readonly VersionKey[], layout: Layout = {}): string[] {
  const { database = '' } = layout
  const shared = sharedFeedName(versions, database)
  return [
    ...createTables(nullShape(shared), layout),
    ...versions.map(
      (one) =>
        `${createMaterializedView(linkName(versions, one, database), feedName(one, database), layout)} AS SELECT * FROM ${local(shared, layout)}`,
    ),
  ]
}

/** Statements that remove a feed that versions shared, and its links. */
export function dropSharedFeed(shared: string, links: readonly string[], layout: Layout = {}): string[] {
  const { database = '' } = layout
  return [
    ...links.map((link) => dropView(`${prefix(database)}${link}`, layout)),
    ...dropTable(`${prefix(database)}${shared}`, layout),
  ]
}

/** Of these names in the store, the feeds that this version shares with others, and all their links. */
export function sharedFeedsOf(
  version: VersionKey,
  names: readonly string[],
): readonly { readonly shared: string; readonly links: readonly string[] }[] {
  const own = `_to_${feedName(version)}`
  return names
    .filter((name) => name.startsWith('shared_') && name.endsWith(own))
    .map((link) => link.slice(0, -own.length))
    .map((shared) => ({ shared, links: names.filter((name) => name.startsWith(`${shared}_to_`)) }))
}

/** Statements that remove what `createVersion` makes: first what fills the tables, or rows would go on to tables that are gone. */
export function dropVersion(version: SqlVersion, layout: Layout = {}): string[] {
  const { database = '' } = layout
  return [
    ...version.tables.map((table) => dropView(fillerName(tableName(version, table.name, database)), layout)),
    ...dropTable(feedName(version, database), layout),
    ...version.tables.flatMap((table) => dropTable(tableName(version, table.name, database), layout)),
  ]
}

/** Names of what must be there for the rows of a version to be whole: its tables, and what fills them. */
export function partsOf(version: SqlVersion): readonly string[] {
  const tables = version.tables.map(({ name }) => tableName(version, name))
  return [feedName(version), ...tables, ...tables.map(fillerName)]
}

/** Names of what must be there for a shared feed to reach all of these versions. */
export function sharedPartsOf(versions: readonly VersionKey[]): readonly string[] {
  return [sharedFeedName(versions), ...versions.map((one) => linkName(versions, one))]
}

/** FNV-1a of 64 bits, hexadecimal: names of many versions would make one that is too long for a file. */
function shortHash(text: string): string {
  let hash = 0xcbf29ce484222325n
  for (const character of text)
    hash = BigInt.asUintN(64, (hash ^ BigInt(character.codePointAt(0)!)) * 0x100000001b3n)
  return hash.toString(16).padStart(16, '0')
}

function prefix(database: Database): string {
  return database === '' ? '' : `${database}.`
}

function local(name: string, { cluster }: Layout): string {
  return cluster === undefined ? name : `${name}_local`
}

function nullShape(name: string): TableShape {
  return { name, columns: EVENT_COLUMNS, engine: { kind: 'null' } }
}

function viewShape(version: SqlVersion, table: ProjectionTable, database: Database): TableShape {
  const { mergedPartBytesMax } = table
  const isWhole = version.partitioning === 'whole'
  return {
    name: tableName(version, table.name, database),
    columns: table.columns,
    indexes: table.indexes ?? [],
    engine: {
      kind: 'replacing',
      highest: table.highest?.column,
      ...(isWhole ? {} : { partitionBy: 'partition' }),
      key: isWhole ? ['partition', ...table.key] : table.key,
      tokensRemembered: TOKENS_REMEMBERED,
      settings: {
        ...OF_VIEWS,
        ...(mergedPartBytesMax === undefined
          ? {}
          : { max_bytes_to_merge_at_max_space_in_pool: mergedPartBytesMax }),
      },
    },
  }
}

function createFiller(version: SqlVersion, table: ProjectionTable, layout: Layout): string {
  const { database = '' } = layout
  const target = tableName(version, table.name, database)
  const where = table.where === undefined ? '' : ` WHERE ${table.where}`
  return `${createMaterializedView(fillerName(target), target, layout)}
    AS SELECT ${table.select} FROM ${local(feedName(version, database), layout)}${where}`
}

function createMaterializedView(name: string, target: string, layout: Layout): string {
  const on = layout.cluster === undefined ? '' : ` ON CLUSTER '${layout.cluster}'`
  return `CREATE MATERIALIZED VIEW IF NOT EXISTS ${name}${on} TO ${local(target, layout)}`
}

function dropView(name: string, { cluster }: Layout): string {
  return `DROP VIEW IF EXISTS ${name}${cluster === undefined ? '' : ` ON CLUSTER '${cluster}'`} SYNC`
}

/** What fills a table from the feed of its version. */
function fillerName(table: string): string {
  return `${table}_filler`
}

function linkName(versions: readonly VersionKey[], one: VersionKey, database: Database = ''): string {
  return `${sharedFeedName(versions, database)}_to_${feedName(one)}`
}

/** The statement that takes payload bytes. */
export function insertStatement(feed: string): string {
  return `INSERT INTO ${feed} FORMAT RowBinary`
}

/**
 * Settings of one range's insert. The token says which events these are, so that a repeat is recognised; the same range
 * always has the same bytes.
 * @param without sequences of events within it that are left out
 */
export function insertSettings(
  partition: number,
  first: bigint,
  last: bigint,
  without: readonly bigint[] = [],
): Readonly<Record<string, string | number>> {
  const left = without.length === 0 ? '' : ` without ${without.join()}`
  return {
    insert_deduplication_token: `feed-v1:${partition}:${first}-${last}${left}`,
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
