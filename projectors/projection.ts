/**
 * What an SQL projection is: data. Tables, and for each the SELECT that ClickHouse runs over every range of events as it
 * comes in. The runtime makes the tables, feeds them, keeps the checkpoint and compares digests; an author writes none of it.
 *
 * Rules that make a repeated range harmless, whatever deduplication or merges did: a row is a function of one event alone
 * (and of which of its sides); `key` together with the partition names it for ever; and readers drop repeats by the key
 * (`LIMIT 1 BY`, the highest version), never by waiting for a merge. Every table has the columns partition and sequence.
 */

import type { CodeProjection } from './code-projection.ts'
import type { SinkProjection } from './sink-projection.ts'

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
  readonly kind: 'sql'
  /** Lower-case letters, digits and underscores; it names the view everywhere. */
  readonly name: string
  /** The author's own count. A new number means new tables, built beside the old ones. */
  readonly version: number
  /**
   * `account` (default): a row belongs to the partition of its event, and tables are divided by it. `whole`: tables are not
   * divided, for views that are few rows however many partitions there are.
   */
  readonly partitioning?: 'account' | 'whole'
  readonly tables: readonly ProjectionTable[]
}

/** Any projection: what the runtime fills, whatever fills it. */
export type Projection = SqlProjection | CodeProjection | SinkProjection

/** Logical names of the tables that a projection has in the store. A sink has none. */
export function tablesOf(projection: Projection): readonly string[] {
  if (projection.kind === 'sink') return []
  return projection.kind === 'sql'
    ? projection.tables.map(({ name }) => name)
    : Object.keys(projection.tables)
}

/**
 * The projections of a deployment, and those of them that run together: these share one pass over the events. Whoever starts
 * a process chooses; nothing below knows a list of its own.
 */
export interface ProjectionSet {
  readonly all: readonly Projection[]
  readonly running: readonly Projection[]
}

/**
 * All of them, together.
 * @throws RangeError if a name stands for two of them, or for two of their tables; or if no table of theirs is what a
 *   `past` names
 */
export function allTogether(all: readonly Projection[]): ProjectionSet {
  refuseTwice(all.map(({ name }) => `projection ${name}`))
  refuseTwice(all.flatMap((one) => tablesOf(one).map((table) => `table ${table}`)))
  const tables = new Set(all.flatMap(tablesOf))
  for (const one of all)
    for (const { highest } of one.kind === 'sql' ? one.tables : [])
      if (highest !== undefined && !tables.has(highest.past))
        throw new RangeError(`no projection has a table ${highest.past}`)
  return { all, running: all }
}

/**
 * Those of these names, apart from the others.
 * @throws RangeError, fit for an operator, for a name that none of them has, or that is given twice; as `allTogether`
 */
export function someTogether(all: readonly Projection[], names: readonly string[]): ProjectionSet {
  const known = all.map(({ name }) => name)
  for (const [index, name] of names.entries())
    if (!known.includes(name) || names.indexOf(name) !== index)
      throw new RangeError(
        `There is no projection ${name}, or it is named twice. There are: ${known.join(', ')}.`,
      )
  return { ...allTogether(all), running: all.filter(({ name }) => names.includes(name)) }
}

function refuseTwice(names: readonly string[]): void {
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw new RangeError(`${twice} is there twice`)
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

/** The name in ClickHouse of the table that one of these projections has under `table`. @throws RangeError if none has it */
export function tableNameAmong(
  projections: readonly SqlProjection[],
  table: string,
  database: Database = '',
): string {
  const owner = projections.find(({ tables }) => tables.some(({ name }) => name === table))
  if (owner === undefined) throw new RangeError(`no projection has a table ${table}`)
  return tableName(owner, table, database)
}

/** The names in ClickHouse of all tables of a projection: `history` → `history_v1`. Queries do not write them. */
export function tableNames<Projection extends SqlProjection>(
  projection: Projection,
): Readonly<Record<Projection['tables'][number]['name'], string>> {
  return Object.fromEntries(
    projection.tables.map(({ name }) => [name, tableName(projection, name)]),
  ) as Record<Projection['tables'][number]['name'], string>
}
