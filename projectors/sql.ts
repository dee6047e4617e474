/** SQL that the queries of all views share: how a position bounds a SELECT, and how columns become values. */
import type { Position } from '../schemas/positions.ts'

/** Names of several accounts in one query, at most. */
export const ACCOUNTS_PER_QUERY_MAX = 1_000
/** Rows of one page, at most. */
export const PAGE_ROWS_MAX = 10_000

/**
 * The condition that keeps a query to what `upTo` includes; whatever a range under way has written already stays unseen.
 * Numbers of our own only, so they are written into the text.
 */
export function within(upTo: Position): string {
  const parts = [...upTo].map(
    ([partition, sequence]) => `(partition = ${whole(partition)} AND sequence <= ${whole(sequence)})`,
  )
  return parts.length === 0 ? '0' : `(${parts.join(' OR ')})`
}

/** The same for one partition. */
export function withinPartition(partition: number, upTo: Position): string {
  return `(partition = ${whole(partition)} AND sequence <= ${whole(upTo.get(partition) ?? 0n)})`
}

/** A whole number, not negative, as it may stand in a query's text. Throws RangeError for any other. */
export function whole(value: number | bigint): string {
  if (typeof value === 'number' ? !Number.isSafeInteger(value) || value < 0 : value < 0n)
    throw new RangeError(`not a whole number: ${value}`)
  return String(value)
}

/** A bounded count of rows. Throws RangeError beyond the bound: doors check what strangers ask for. */
export function rowsOf(limit: number, max = PAGE_ROWS_MAX): string {
  if (limit < 1 || limit > max) throw new RangeError(`a page has 1 to ${max} rows, not ${limit}`)
  return whole(limit)
}

/** A time column as nanoseconds since 1970. */
export function nanoseconds(column: string, name = column): string {
  return `toUnixTimestamp64Nano(${column}) AS ${name}_ns`
}

/** A point in time as ClickHouse takes it: `{name:Int64}` nanoseconds since 1970. */
export function timeParameter(name: string): string {
  return `fromUnixTimestamp64Nano({${name}:Int64}, 'UTC')`
}

/** An id, or undefined where the column holds the nil id. */
export function idOrNone(id: string): string | undefined {
  return id === '00000000-0000-0000-0000-000000000000' ? undefined : id
}

/** An account as rows name it. */
export interface AccountKey {
  readonly partition: number
  readonly account: number
}

/** The keys grouped by partition, repeats dropped; throws RangeError for more than fit one query. */
export function byPartition(keys: readonly AccountKey[]): Map<number, number[]> {
  if (keys.length > ACCOUNTS_PER_QUERY_MAX)
    throw new RangeError(`${keys.length} accounts in one query; at most ${ACCOUNTS_PER_QUERY_MAX}`)
  const groups = new Map<number, Set<number>>()
  for (const { partition, account } of keys) {
    const group = groups.get(partition)
    if (group === undefined) groups.set(partition, new Set([account]))
    else group.add(account)
  }
  return new Map([...groups].map(([partition, accounts]) => [partition, [...accounts]]))
}

/** `(partition = 0 AND account IN (1, 2)) OR …`; `0` for no accounts. */
export function amongAccounts(keys: readonly AccountKey[]): string {
  const parts = [...byPartition(keys)].map(
    ([partition, accounts]) =>
      `(partition = ${whole(partition)} AND account IN (${accounts.map(whole).join(', ')}))`,
  )
  return parts.length === 0 ? '0' : `(${parts.join(' OR ')})`
}
