/** The rows in which two versions of a table differ, the first by key: found and picked by the engine. */
import type { ViewStore } from '../clickhouse/view-store.ts'
import { whole } from '../sql.ts'
import { bucketOf } from './digest.ts'
import {
  keyHash,
  keyOf,
  rowsAt,
  STREAMED,
  WHOLE_TABLE_SECONDS,
  type ComparedColumn,
  type Place,
  type StoredTable,
} from './rows-at.ts'

/** A row as the store tells it: 64-bit numbers as text. */
export type StoredRow = Readonly<Record<string, unknown>>

/** A key under which two versions hold different rows. */
export interface RowDifference {
  /** The partition, and the columns that name the row in it. */
  readonly key: StoredRow
  /** None: it is missing there. Several: rows of one key contradict each other there. */
  readonly left: readonly StoredRow[]
  readonly right: readonly StoredRow[]
}

/** Rows that are named of one table, at most. */
export const NAMED_MAX = 64
/** Buckets in which is looked at once; beyond, they only say how far the first differing keys reach. */
const BUCKETS_AT_ONCE = 96
/** Rows of one key that are shown, at most. */
const CONTRADICTING_MAX = 4

export interface TablePair {
  readonly left: StoredTable
  readonly right: StoredTable
  /** The columns that are compared. */
  readonly columns: readonly ComparedColumn[]
}

interface KeyRow extends StoredRow {
  readonly key_hash: string
}

/**
 * The first differing rows of one partition, ordered by key.
 * @param buckets all that differ (digest.ts)
 * @param limit 1 to 64
 * @returns as many as there are up to the limit, and whether there are more
 */
export async function differingRows(
  store: ViewStore,
  pair: TablePair,
  place: Place,
  buckets: readonly number[],
  limit: number,
): Promise<{ readonly rows: readonly RowDifference[]; readonly hasMore: boolean }> {
  if (limit < 1 || limit > NAMED_MAX) throw new RangeError(`1 to ${NAMED_MAX} rows are named, not ${limit}`)
  const keys = keyOf(pair.left)
  const order = keys.join(', ')
  const some = `${bucketOf(pair.left)} IN (${buckets.slice(0, BUCKETS_AT_ONCE).map(whole).join(', ')})`
  // Each bucket has one differing key at least, so these have more than are named: no key behind the last of them is.
  const bound =
    buckets.length <= BUCKETS_AT_ONCE
      ? ''
      : `(SELECT tuple(${order}) FROM (${differingKeys(pair, place, some)}) ORDER BY ${order} LIMIT 1 OFFSET ${limit})`
  const condition = bound === '' ? some : `tuple(${order}) <= ${bound}`
  const found = await store.query<KeyRow>(
    `SELECT ${order}, toString(${keyHash(pair.left)}) AS key_hash FROM (${differingKeys(pair, place, condition)})
     ORDER BY ${order} LIMIT ${limit + 1} SETTINGS ${STREAMED}`,
    {},
    { timeoutSeconds: WHOLE_TABLE_SECONDS },
  )
  const named = found.slice(0, limit)
  const [left, right] = [
    await rowsOf(store, pair.left, place, named),
    await rowsOf(store, pair.right, place, named),
  ]
  const rows = named.map(({ key_hash, ...key }) => ({
    key: { partition: place.partition, ...key },
    left: left.get(key_hash) ?? [],
    right: right.get(key_hash) ?? [],
  }))
  return { rows, hasMore: found.length > limit }
}

/** A SELECT of the keys whose rows are not the same on both sides. */
function differingKeys({ left, right, columns }: TablePair, place: Place, condition: string): string {
  const keys = keyOf(left).join(', ')
  const side = (table: StoredTable): string =>
    `SELECT ${keys}, least__, most__ FROM (${rowsAt(table, place, columns, { condition })})`
  return `SELECT ${keys} FROM (${side(left)} UNION ALL ${side(right)}) GROUP BY ${keys}
    HAVING NOT (count() = 2 AND min(least__) = max(least__) AND min(most__) = max(most__))`
}

/** The rows of these keys at the place, by the hash of their key. */
async function rowsOf(
  store: ViewStore,
  table: StoredTable,
  place: Place,
  keys: readonly KeyRow[],
): Promise<ReadonlyMap<string, readonly StoredRow[]>> {
  if (keys.length === 0) return new Map()
  const own = await readRows(store, table, table.name, place, keys, table.highest === undefined)
  const { highest, past } = table
  if (highest === undefined) return own
  const isHeld = (row: StoredRow): boolean => BigInt(String(row['sequence'])) <= place.sequence
  const held = new Map([...own].filter(([, rows]) => rows.every(isHeld)))
  const moved = keys.filter(({ key_hash }) => own.has(key_hash) && !held.has(key_hash))
  if (past === undefined || moved.length === 0) return held
  return new Map([...held, ...(await readRows(store, table, past, place, moved, true))])
}

/** Rows of one key that are alike are told once; of those that only the highest counts of, the highest. */
async function readRows(
  store: ViewStore,
  table: StoredTable,
  name: string,
  { partition, sequence }: Place,
  keys: readonly KeyRow[],
  isBounded: boolean,
): Promise<ReadonlyMap<string, readonly StoredRow[]>> {
  const columns = table.columns.map(([column]) => column).join(', ')
  const hashes = keys.map(({ key_hash }) => whole(BigInt(key_hash))).join(', ')
  const rank = table.highest === undefined ? '1' : `dense_rank() OVER (PARTITION BY key_hash ORDER BY ${table.highest} DESC)` // prettier-ignore
  const rows = await store.query<KeyRow>(
    `SELECT DISTINCT key_hash, ${columns} FROM (
       SELECT ${columns}, toString(${keyHash(table)}) AS key_hash, ${rank} AS place_of_row FROM ${name}
       WHERE partition = ${whole(partition)} AND ${keyHash(table)} IN (${hashes})
         ${isBounded ? `AND sequence <= ${whole(sequence)}` : ''})
     WHERE place_of_row = 1 ORDER BY ${columns} LIMIT ${CONTRADICTING_MAX} BY key_hash SETTINGS ${STREAMED}`,
    {},
    { timeoutSeconds: WHOLE_TABLE_SECONDS },
  )
  const byKey = new Map<string, StoredRow[]>()
  for (const { key_hash, ...row } of rows) {
    const same = byKey.get(key_hash) ?? []
    byKey.set(key_hash, same)
    same.push(row)
  }
  return byKey
}
