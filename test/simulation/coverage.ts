/** What has to happen in a run of some length, or the run says nothing: each mark with what makes it. */
import { VIEWS_COVERAGE } from './views/views.ts'

/** Seeds from which on a run has to reach everything. */
export const SEEDS_FOR_COVERAGE = 300

export const REQUIRED: readonly string[] = [
  // Lives and deaths
  'serving', 'restart', 'crash', 'clean stop', 'writer died of its disk', 'write failed', 'sync failed', 'disk full',
  'torn tail cut', 'unacknowledged frame kept', 'corruption refused', 'older copy refused', 'segment rolled',
  'recovered from a snapshot', 'recovered from the log alone', 'snapshot kept', 'snapshot not written', 'snapshot given up',
  'snapshot passed over', 'idle mark', 'read back', 'outcome unknown', 'unknown sent again', 'busy',
  // Writers on a shared log
  'takeover', 'void frame', 'writer saw its successor', 'writer saw a void frame of its own',
  // Ids
  'repeated id', 'repeated id after a restart', 'id_reused', 'id_expired', 'id_in_future', 'id generations dropped',
  // Every event and every refusal
  'AccountOpened', 'AccountFrozen', 'AccountUnfrozen', 'AccountClosed', 'TransferPosted', 'HoldPlaced', 'HoldPosted',
  'HoldVoided', 'hold expired', 'TransferReversed', 'linked group done', 'linked group refused', 'linked_failed',
  'linked_too_long', 'amount_invalid', 'account_exists', 'accounts_full', 'currency_scale_mismatch',
  'account_not_found', 'account_already_closed', 'account_already_frozen', 'account_not_frozen', 'account_not_empty',
  'hold_not_open', 'same_account', 'debit_account_not_found', 'credit_account_not_found', 'debit_account_closed',
  'credit_account_closed', 'debit_account_frozen', 'credit_account_frozen', 'currency_mismatch', 'amount_exceeds_hold',
  'already_reversed', 'reversal_unchecked', 'insufficient_funds', 'balance_overflow', 'too_many_holds',
  ...VIEWS_COVERAGE,
] // prettier-ignore

/** Required marks that a run did not reach. */
export function missingMarks(coverage: ReadonlyMap<string, number>): string[] {
  return REQUIRED.filter((mark) => (coverage.get(mark) ?? 0) === 0)
}
