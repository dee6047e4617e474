/**
 * Tables as ClickHouse makes them, on one server or over a cluster. Over a cluster each table is two: `NAME_local`, which
 * holds the rows, replicated within its shard, and `NAME`, which is what reads and inserts name: it is distributed, and
 * sends each partition of the log to one shard, so that a partition's rows and its checkpoint always stand together.
 */
import type { Database, Layout } from '../projection.ts'

/** Settings of a table whose rows have to outlive a power cut once their insert is answered. */
export const DURABLE = { fsync_after_insert: 1, fsync_part_directory: 1 } as const
/**
 * Fewer, larger merges. One merge of every table costs as much CPU as writing the rows did, so parts of full ranges wait
 * until there are this many; reads are quick over them (a dozen parts cost a point read a few milliseconds).
 */
const MERGED_PARTS_MIN = 16
/** Settings of the tables of views: a checkpoint may be written once the rows would survive a power cut. */
export const OF_VIEWS = { ...DURABLE, min_parts_to_merge_at_once: MERGED_PARTS_MIN } as const

/** A table, wherever it stands. Every one has a column `partition`. */
export interface TableShape {
  /** With its database, if it is not the connection's own. */
  readonly name: string
  readonly columns: readonly (readonly [name: string, type: string])[]
  /** Further `INDEX …` clauses. */
  readonly indexes?: readonly string[]
  readonly engine: { readonly kind: 'null' } | ReplacingEngine
}

/** Rows of one key replace each other. */
export interface ReplacingEngine {
  readonly kind: 'replacing'
  /** The column whose highest value stays; undefined: any of them, because they are the same. */
  readonly highest: string | undefined
  readonly partitionBy?: string
  readonly key: readonly string[]
  /** Inserts whose tokens are remembered. */
  readonly tokensRemembered: number
  readonly settings: Readonly<Record<string, number>>
}

/** Replicas forget tokens by age as well. */
const TOKEN_SECONDS = 7 * 24 * 60 * 60
const REPLICA_PATH = "'/clickhouse/tables/{uuid}/{shard}', '{replica}'"

/** Statements that make a table where it is not there yet. */
export function createTables(shape: TableShape, { database = '', cluster }: Layout): string[] {
  if (cluster === undefined) return [`CREATE TABLE IF NOT EXISTS ${shape.name} ${body(shape, false)}`]
  refuseUnfit(database, cluster)
  const local = `${shape.name}_local`
  const bare = local.slice(database.length + 1)
  return [
    `CREATE TABLE IF NOT EXISTS ${local} ON CLUSTER '${cluster}' ${body(shape, true)}`,
    `CREATE TABLE IF NOT EXISTS ${shape.name} ON CLUSTER '${cluster}' (${columnList(shape.columns)})
    ENGINE = Distributed('${cluster}', '${database}', '${bare}', partition)`,
  ]
}

/** Statements that remove a table where it is there: first what leads to it. */
export function dropTable(name: string, { cluster }: Layout): string[] {
  if (cluster === undefined) return [`DROP TABLE IF EXISTS ${name} SYNC`]
  return [name, `${name}_local`].map((one) => `DROP TABLE IF EXISTS ${one} ON CLUSTER '${cluster}' SYNC`)
}

function body(shape: TableShape, isReplicated: boolean): string {
  const { engine } = shape
  const parts = [columnList(shape.columns), ...(shape.indexes ?? [])].join(', ')
  if (engine.kind === 'null') return `(${parts}) ENGINE = Null`
  const { highest, partitionBy, key, tokensRemembered } = engine
  const versions = highest === undefined ? [] : [highest]
  const name = isReplicated
    ? `ReplicatedReplacingMergeTree(${[REPLICA_PATH, ...versions].join(', ')})`
    : `ReplacingMergeTree(${versions.join('')})`
  const tokens = isReplicated
    ? {
        replicated_deduplication_window: tokensRemembered,
        replicated_deduplication_window_seconds: TOKEN_SECONDS,
      }
    : { non_replicated_deduplication_window: tokensRemembered }
  const settings = Object.entries({ ...tokens, ...engine.settings }).map(
    ([one, value]) => `${one} = ${value}`,
  )
  return `(${parts})
    ENGINE = ${name}
    ${partitionBy === undefined ? '' : `PARTITION BY ${partitionBy} `}ORDER BY (${key.join(', ')})
    SETTINGS ${settings.join(', ')}`
}

function columnList(columns: readonly (readonly [string, string])[]): string {
  return columns.map(([name, type]) => `${name} ${type}`).join(', ')
}

/** Names come from the configuration, which has checked them; they are spliced here, so they are checked again. */
function refuseUnfit(database: Database, cluster: string): void {
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,63}$/.test(database)) throw new RangeError(`no database name: ${database}`)
  if (!/^[A-Za-z0-9_.-]{1,64}$/.test(cluster)) throw new RangeError(`no cluster name: ${cluster}`)
}
