/** An account's totals as a query gives them. */
import type { Totals } from '../../schemas/events.ts'
import type { AccountKey } from '../sql.ts'

/** Totals of one account after one of its entries, and which entry that was. */
export interface BalanceRow extends AccountKey, Totals {
  readonly version: bigint
  readonly sequence: bigint
  readonly recordedAtNs: bigint
}

export interface StoredTotals {
  readonly debits_posted: string
  readonly debits_pending: string
  readonly credits_posted: string
  readonly credits_pending: string
}

export interface StoredBalance extends StoredTotals {
  readonly partition: number
  readonly account: number
  readonly version: string
  readonly sequence: string
  readonly recorded_at_ns: string
}

export const TOTALS_COLUMNS = 'debits_posted, debits_pending, credits_posted, credits_pending'

export function totalsOf(row: StoredTotals): Totals {
  return {
    debitsPosted: BigInt(row.debits_posted),
    debitsPending: BigInt(row.debits_pending),
    creditsPosted: BigInt(row.credits_posted),
    creditsPending: BigInt(row.credits_pending),
  }
}

export function balanceOf(row: StoredBalance): BalanceRow {
  return {
    partition: row.partition,
    account: row.account,
    version: BigInt(row.version),
    sequence: BigInt(row.sequence),
    recordedAtNs: BigInt(row.recorded_at_ns),
    ...totalsOf(row),
  }
}
