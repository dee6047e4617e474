/**
 * The trial balance: per currency, what all accounts have together. It must be zero at every position. Amounts of different
 * scales are never added up: should a currency have two, each has a line of its own.
 */
import { TRANSIT_ACCOUNT_PREFIX } from '../../../schemas/crossing.ts'
import { EVENT_KINDS } from '../../../schemas/events.ts'
import type { Position } from '../../../schemas/positions.ts'
import type { QueryParameters, ViewStore } from '../../clickhouse/view-store.ts'
import { changes, changeSums, earlier, type Moment } from './balances.ts'
import { timeParameter, whole, within } from '../../sql.ts'
import { countsAt } from './effective.ts'
import { TOTALS_COLUMNS } from '../totals.ts'

/** Sums over all accounts of one currency, minor units; they may exceed 64 bits. */
export interface TrialBalanceRow {
  readonly currency: string
  readonly scale: number
  readonly accounts: bigint
  readonly debitsPosted: bigint
  readonly creditsPosted: bigint
  /** Credits posted − debits posted: zero, or money came from nowhere. */
  readonly sum: bigint
  /** Debits pending, all accounts. */
  readonly held: bigint
  /** Credits pending, all accounts: as much as is held. */
  readonly incoming: bigint
  /** What the transit accounts have: money that has left one partition and not reached another yet. */
  readonly inTransit: bigint
}

interface StoredSums {
  readonly partition: number
  readonly currency_code: string
  readonly currency_scale: number
  readonly accounts: string
  readonly sum_debits_posted: string
  readonly sum_debits_pending: string
  readonly sum_credits_posted: string
  readonly sum_credits_pending: string
  readonly in_transit: string
  readonly newest: string
}

/** Every account is read, for a past moment every entry. */
const TIMEOUT_SECONDS = 120

/** The trial balance at `upTo`, or as of a moment before it; currencies in alphabetical order. */
export async function trialBalance(
  store: ViewStore,
  upTo: Position,
  moment?: Moment,
): Promise<TrialBalanceRow[]> {
  if (moment?.kind === 'effective')
    return joined(await sums(store, changedBy(within(upTo)), { at: String(moment.atNs) }))
  if (moment?.kind === 'recorded') {
    const condition = `${within(upTo)} AND recorded_at <= ${timeParameter('at')}`
    return joined(await sums(store, lastEntries(condition), { at: String(moment.atNs) }))
  }
  const position = moment === undefined ? upTo : earlier(upTo, moment.position)
  const newest = await sums(store, latest(position))
  // One read of the latest totals says by itself whether it saw anything newer; only then is all of history needed.
  if (newest.every((row) => BigInt(row.newest) <= (position.get(row.partition) ?? 0n))) return joined(newest)
  return joined(await sums(store, lastEntries(within(position))))
}

const TOTALS = TOTALS_COLUMNS.split(', ')
const argMaxima = TOTALS.map((column) => `argMax(${column}, version) AS ${column}`).join(', ')

function latest(position: Position): string {
  const partitions = [...position.keys()].map(whole).join(', ')
  return `SELECT partition, account, max(sequence) AS newest_sequence, ${argMaxima}
    FROM {balances:Identifier} WHERE ${partitions === '' ? '0' : `partition IN (${partitions})`}
    GROUP BY partition, account`
}

function lastEntries(condition: string): string {
  return `SELECT partition, account, max(sequence) AS newest_sequence, ${argMaxima}
    FROM (SELECT * FROM {history:Identifier} WHERE ${condition}) GROUP BY partition, account`
}

function changedBy(condition: string): string {
  return `SELECT partition, account, max(sequence) AS newest_sequence, ${changeSums()} FROM (${changes(condition)})
    WHERE ${countsAt(timeParameter('at'), condition)} GROUP BY partition, account`
}

async function sums(store: ViewStore, balances: string, parameters?: QueryParameters): Promise<StoredSums[]> {
  return store.query<StoredSums>(
    `SELECT partition, currency_code, currency_scale, count() AS accounts,
       ${TOTALS.map((column) => `toString(sum(toInt128(${column}))) AS sum_${column}`).join(', ')},
       toString(sumIf(toInt128(credits_posted) - toInt128(debits_posted), is_transit)) AS in_transit,
       max(newest_sequence) AS newest
     FROM (${balances}) AS balances
     INNER JOIN (
       SELECT partition, account, any(currency) AS currency_code, any(scale) AS currency_scale,
         any(startsWith(toString(account_id), '${TRANSIT_ACCOUNT_PREFIX}')) AS is_transit FROM {accounts:Identifier}
       WHERE kind = ${EVENT_KINDS.AccountOpened} GROUP BY partition, account
     ) AS accounts USING (partition, account)
     GROUP BY partition, currency_code, currency_scale ORDER BY currency_code, currency_scale, partition`,
    parameters,
    { timeoutSeconds: TIMEOUT_SECONDS },
  )
}

/** The partitions' sums, added up by currency and scale. */
function joined(rows: readonly StoredSums[]): TrialBalanceRow[] {
  const currencies = new Map<string, TrialBalanceRow>()
  for (const row of rows) {
    const key = `${row.currency_code}:${row.currency_scale}`
    const before = currencies.get(key)
    const debitsPosted = BigInt(row.sum_debits_posted) + (before?.debitsPosted ?? 0n)
    const creditsPosted = BigInt(row.sum_credits_posted) + (before?.creditsPosted ?? 0n)
    currencies.set(key, {
      currency: row.currency_code,
      scale: row.currency_scale,
      accounts: BigInt(row.accounts) + (before?.accounts ?? 0n),
      debitsPosted,
      creditsPosted,
      sum: creditsPosted - debitsPosted,
      held: BigInt(row.sum_debits_pending) + (before?.held ?? 0n),
      incoming: BigInt(row.sum_credits_pending) + (before?.incoming ?? 0n),
      inTransit: BigInt(row.in_transit) + (before?.inTransit ?? 0n),
    })
  }
  return [...currencies.values()]
}
