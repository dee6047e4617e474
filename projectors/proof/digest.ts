/**
 * Digests of views at a position: what two sets of views must have in common to be the same, whatever the ranges, repeats
 * and merges were by which they came about. Computed over rows without repeats, in no particular order.
 */
import type { Position } from '../../schemas/positions.ts'
import { tableNameAmong, type ProjectionTable, type SqlProjection } from '../projection.ts'
import { whole, within } from '../sql.ts'
import type { ViewStore } from '../clickhouse/view-store.ts'

export interface ViewDigest {
  readonly projection: string
  readonly version: number
  readonly table: string
  readonly rows: bigint
  /** Two 64-bit sums over the rows' hashes (CityHash, plain and salted), hexadecimal. It proves equality against accidents, not against forgers: the log's SHA-256 chain does that. */
  readonly digest: string
}

interface StoredDigest {
  readonly row_count: string
  readonly digest: string
  readonly newer: number
}

/** All rows are read. */
const TIMEOUT_SECONDS = 1_800

/** The name in the store of the table that a projection calls so. @throws RangeError if there is none */
export type NameOf = (table: string) => string

/**
 * Digests of the views of these projections, bounded by `upTo`.
 * @param nameOf says where tables stand; by default those of the versions as declared
 * @throws RangeError if a table is not there, or one that it leans on (`past`)
 */
export async function digestViews(
  store: ViewStore,
  projections: readonly SqlProjection[],
  upTo: Position,
  nameOf: NameOf = (table) => tableNameAmong(projections, table),
): Promise<ViewDigest[]> {
  const digests: ViewDigest[] = []
  for (const projection of projections)
    for (const table of projection.tables) {
      const { row_count, digest } = await digestTable(store, table, upTo, nameOf)
      const { name, version } = projection
      digests.push({ projection: name, version, table: table.name, rows: BigInt(row_count), digest })
    }
  return digests
}

async function digestTable(
  store: ViewStore,
  table: ProjectionTable,
  upTo: Position,
  nameOf: NameOf,
): Promise<StoredDigest> {
  const name = nameOf(table.name)
  if (table.highest === undefined)
    return digestRows(store, table, `SELECT * FROM ${name} FINAL WHERE ${within(upTo)}`, upTo)
  const partitions = [...upTo.keys()].map(whole).join(', ')
  const latest = `SELECT * FROM ${name} FINAL WHERE ${partitions === '' ? '0' : `partition IN (${partitions})`}`
  const digest = await digestRows(store, table, latest, upTo)
  if (digest.newer === 0) return digest
  // It has moved on meanwhile: its rows at the position are those that the table of all entries has as the highest.
  const rest = table.columns.map(([column]) => column).filter((column) => !isKey(table, column))
  const { column, past } = table.highest
  const rowsThen = `SELECT partition, ${table.key.join(', ')},
    ${rest.map((other) => `argMax(entries.${other}, entries.${column}) AS ${other}`).join(', ')}
    FROM (SELECT * FROM ${nameOf(past)} WHERE ${within(upTo)}) AS entries
    GROUP BY partition, ${table.key.join(', ')}`
  return digestRows(store, table, rowsThen, upTo)
}

function isKey(table: ProjectionTable, column: string): boolean {
  return column === 'partition' || table.key.includes(column)
}

async function digestRows(
  store: ViewStore,
  table: ProjectionTable,
  rows: string,
  upTo: Position,
): Promise<StoredDigest> {
  const columns = table.columns.map(([column]) => column).join(', ')
  const [digest] = await store.query<StoredDigest>(
    `SELECT count() AS row_count, hex(sum(cityHash64(${columns}))) || hex(sum(cityHash64('again', ${columns}))) AS digest,
       max(NOT ${within(upTo)}) AS newer
     FROM (${rows}) SETTINGS do_not_merge_across_partitions_select_final = 1`,
    {},
    { timeoutSeconds: TIMEOUT_SECONDS },
  )
  return digest!
}
