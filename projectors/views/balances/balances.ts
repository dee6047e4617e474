/**
 * Balances at a position, and as of an earlier moment.
 *
 * By position or recorded time an account has what its last entry up to then says. By effective time it has what the
 * entries say that count by then (effective.ts), in whatever order they were recorded: the sum of what each of them changed.
 */
import type { Position } from '../../../schemas/positions.ts'
import type { QueryParameters, ViewStore } from '../../clickhouse/view-store.ts'
import {
  ACCOUNTS_PER_QUERY_MAX,
  amongAccounts,
  nanoseconds,
  timeParameter,
  whole,
  within,
  type AccountKey,
} from '../../sql.ts'
import { countsAt } from './effective.ts'
import { balanceOf, TOTALS_COLUMNS, type BalanceRow, type StoredBalance } from '../totals.ts'

/** The moment as of which to answer; nothing recorded after `upTo` counts in any case. */
export type Moment =
  | { readonly kind: 'position'; readonly position: Position }
  | { readonly kind: 'recorded'; readonly atNs: bigint }
  | { readonly kind: 'effective'; readonly atNs: bigint }

/** The narrower of two positions, partition by partition. */
export function earlier(left: Position, right: Position): Position {
  return new Map(
    [...left].map(([partition, sequence]) => {
      const other = right.get(partition) ?? 0n
      return [partition, sequence < other ? sequence : other]
    }),
  )
}

/**
 * The balances of at most 1,000 accounts at `upTo`, or as of a moment before it. An account without an entry by then is
 * missing. By effective time, version and sequence are those of the last entry that counts, in recorded order.
 */
export async function balancesOf(
  store: ViewStore,
  keys: readonly AccountKey[],
  upTo: Position,
  moment?: Moment,
): Promise<BalanceRow[]> {
  if (keys.length > ACCOUNTS_PER_QUERY_MAX) throw new RangeError(`${keys.length} accounts in one query`)
  if (keys.length === 0) return []
  if (moment?.kind === 'position') return balancesAtPosition(store, keys, earlier(upTo, moment.position))
  if (moment?.kind === 'recorded') return balancesByRecordedTime(store, keys, upTo, moment.atNs)
  if (moment?.kind === 'effective') return balancesByEffectiveTime(store, keys, upTo, moment.atNs)
  return balancesAtPosition(store, keys, upTo)
}

/** From the view of latest totals where its row is not too new, from history where it is. */
async function balancesAtPosition(
  store: ViewStore,
  keys: readonly AccountKey[],
  upTo: Position,
): Promise<BalanceRow[]> {
  const newest = await readBalances(
    store,
    `SELECT partition, account, version, sequence, ${nanoseconds('recorded_at')}, ${TOTALS_COLUMNS}
     FROM {balances:Identifier} WHERE ${amongAccounts(keys)}
     ORDER BY partition, account, version DESC LIMIT 1 BY partition, account`,
  )
  const isTooNew = (row: BalanceRow): boolean => row.sequence > (upTo.get(row.partition) ?? 0n)
  const tooNew = newest.filter(isTooNew)
  if (tooNew.length === 0) return newest
  // An event moves an account by one version at most, so the entry sought is no more versions back than sequences.
  const conditions = tooNew.map((row) => {
    const back = row.sequence - (upTo.get(row.partition) ?? 0n)
    const lowest = row.version > back ? row.version - back : 0n
    return `(partition = ${whole(row.partition)} AND account = ${whole(row.account)} AND version >= ${whole(lowest)})`
  })
  const past = await latestInHistory(store, `(${conditions.join(' OR ')})`, upTo)
  return [...newest.filter((row) => !isTooNew(row)), ...past].sort(byAccount)
}

async function balancesByRecordedTime(
  store: ViewStore,
  keys: readonly AccountKey[],
  upTo: Position,
  atNs: bigint,
): Promise<BalanceRow[]> {
  const condition = `${amongAccounts(keys)} AND recorded_at <= ${timeParameter('at')}`
  return latestInHistory(store, condition, upTo, { at: String(atNs) })
}

async function latestInHistory(
  store: ViewStore,
  condition: string,
  upTo: Position,
  parameters?: QueryParameters,
): Promise<BalanceRow[]> {
  return readBalances(
    store,
    `SELECT partition, account, version, sequence, ${nanoseconds('recorded_at')}, ${TOTALS_COLUMNS}
     FROM {history:Identifier} WHERE ${condition} AND ${within(upTo)}
     ORDER BY partition, account, version DESC LIMIT 1 BY partition, account`,
    parameters,
  )
}

/**
 * What each entry changed is its totals less those of the version before. A repeated row stands beside its twin and
 * changes nothing.
 */
async function balancesByEffectiveTime(
  store: ViewStore,
  keys: readonly AccountKey[],
  upTo: Position,
  atNs: bigint,
): Promise<BalanceRow[]> {
  const among = `${amongAccounts(keys)} AND ${within(upTo)}`
  return readBalances(
    store,
    `SELECT partition, account, max(version) AS version, max(sequence) AS sequence,
       ${nanoseconds('max(recorded_at)', 'recorded_at')}, ${changeSums()}
     FROM (${changes(among)})
     WHERE ${countsAt(timeParameter('at'), among)}
     GROUP BY partition, account ORDER BY partition, account`,
    { at: String(atNs) },
  )
}

const TOTALS = ['debits_posted', 'debits_pending', 'credits_posted', 'credits_pending'] as const

/** Entries with what each changed, in columns `…_change`, beside the columns that `countsAt` goes by. */
export function changes(condition: string): string {
  const lags = TOTALS.map(
    (column) => `${column} - lagInFrame(${column}, 1, toInt64(0)) OVER entries AS ${column}_change`,
  )
  return `SELECT partition, account, version, sequence, recorded_at, effective_at, kind, related_id, ${lags.join(', ')}
    FROM {history:Identifier} WHERE ${condition}
    WINDOW entries AS (PARTITION BY partition, account ORDER BY version ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)`
}

/** Sums of what entries changed, under the totals' own names. */
export function changeSums(): string {
  return TOTALS.map((column) => `sum(${column}_change) AS ${column}`).join(', ')
}

async function readBalances(
  store: ViewStore,
  sql: string,
  parameters?: QueryParameters,
): Promise<BalanceRow[]> {
  return (await store.query<StoredBalance>(sql, parameters)).map(balanceOf)
}

function byAccount(left: AccountKey, right: AccountKey): number {
  return left.partition - right.partition || left.account - right.account
}
