/**
 * What an SQL projection is: data. Tables, and for each the SELECT that ClickHouse runs over every range of events as it
 * comes in. The runtime makes the tables, feeds them, keeps the checkpoint and compares digests; an author writes none of it.
 *
 * Rules that make a repeated range harmless, whatever deduplication or merges did: a row is a function of one event alone
 * (and of which of its sides); `key` together with the partition names it for ever; and readers drop repeats by the key
 * (`LIMIT 1 BY`, the highest version), never by waiting for a merge. Every table has the columns partition and sequence.
 */

/** One table of a projection. */
export interface ProjectionTable {
  /** `history`; in ClickHouse it is called `history_v1`. */
  readonly name: string
  /** Names and ClickHouse types, in the order of the SELECT. The first is `partition UInt16`. */
  readonly columns: readonly (readonly [name: string, type: string])[]
  /** Columns that name a row within its partition; also the sorting key. */
  readonly key: readonly string[]
  /**
   * The column whose highest value wins among rows of one key, for tables that keep only the latest; such rows must also
   * stand in another table that keeps them all (`past`), or the view could not be pinned to a moment that has gone by.
   */
  readonly highest?: { readonly column: string; readonly past: string }
  /** What stands between SELECT and FROM; names the columns in their order. */
  readonly select: string
  readonly where?: string
  /** Further `INDEX …` clauses. */
  readonly indexes?: readonly string[]
  /** Largest part that merges make, in bytes; default: ClickHouse's own. For tables whose rows come in the key's order. */
  readonly mergedPartBytesMax?: number
}

export interface SqlProjection {
  readonly name: string
  /** A new number means new tables, built beside the old ones. */
  readonly version: number
  readonly tables: readonly ProjectionTable[]
}

/**
 * Where a projection's tables stand: the live ones in the database that the store uses, a replay's in one of its own.
 * Empty: the store's own.
 */
export type Database = string

/** How tables are laid out: on one server, or over a cluster. */
export interface Layout {
  readonly database?: Database
  /**
   * The cluster, as the servers' configuration names it: tables are then replicated within each of its shards, a partition
   * lives in one shard, and reads and inserts go through Distributed tables of the same names. Needs `database`.
   */
  readonly cluster?: string
}

/** A table's name in ClickHouse. */
export function tableName(
  projection: Pick<SqlProjection, 'version'>,
  table: string,
  database: Database = '',
): string {
  return `${database === '' ? '' : `${database}.`}${table}_v${projection.version}`
}
