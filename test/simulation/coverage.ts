/** What has to happen in a run of some length, or the run says nothing: each mark with what makes it. */
import { CROSSING_COVERAGE, CROSSING_FAULTS } from './crossings/run.ts'
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
  'AccountOpened', 'AccountFrozen', 'AccountUnfrozen', 'AccountClosed', 'AccountChanged', 'TransferPosted', 'HoldPlaced', 'HoldPosted', 'HoldPostedInPart',
  'HoldVoided', 'hold expired', 'TransferReversed', 'TransferReversedInPart', 'TransferReversedByForce', 'linked group done', 'linked group refused', 'linked_failed',
  'linked_too_long', 'amount_invalid', 'transfer_not_found', 'transfer_not_reversible', 'amount_exceeds_transfer', 'account_exists', 'accounts_full', 'currency_scale_mismatch',
  'account_not_found', 'account_already_closed', 'account_already_frozen', 'account_not_frozen', 'account_not_empty', 'account_is_system', 'overdraft_in_use',
  'hold_not_open', 'same_account', 'debit_account_not_found', 'credit_account_not_found', 'debit_account_closed',
  'credit_account_closed', 'debit_account_frozen', 'credit_account_frozen', 'currency_mismatch', 'amount_exceeds_hold',
  'already_reversed', 'reversal_unchecked', 'insufficient_funds', 'balance_overflow', 'too_many_holds', 'condition_failed',
  ...VIEWS_COVERAGE,
] // prettier-ignore

/** Kinds of faults that have to have been made to happen; views' faults show in what they cause, in `REQUIRED`. */
export const REQUIRED_FAULTS: readonly string[] = [
  // The machine
  'kill', 'power loss', 'power loss in the middle of an operation', 'clock set forward', 'clock set back',
  'clock stands still',
  // The disk
  'short write', 'write failed', 'sync failed', 'syncFolder failed', 'create failed', 'read failed', 'disk full', 'write-back',
  // The data folder
  'bit flip', 'older copy put back', 'snapshot damaged', 'snapshot removed',
  // Writers on a shared log
  'takeover', 'writer paused', 'append repeated', 'hostile frame: epoch', 'hostile frame: hash', 'hostile frame: sequence',
  'hostile frame: partition', 'hostile frame: repeat',
  // The views
  'views killed', 'views store killed', 'views reset', 'views refused', 'views partial', 'views replyLost', 'views twice',
  'views late', 'views clock jumps',
] // prettier-ignore

type Counts = Readonly<Record<string, number>>
interface Reached {
  readonly coverage: Counts
  readonly faults: Counts
}

/** Required marks that a run did not reach, and required faults that it did not make. */
export function missingMarks(run: Reached): string[] {
  return missingOf(run, REQUIRED, REQUIRED_FAULTS)
}

/** The same of a run of transfers across partitions. */
export function missingOfCrossings(run: Reached): string[] {
  return missingOf(run, CROSSING_COVERAGE, CROSSING_FAULTS)
}

function missingOf(run: Reached, marks: readonly string[], faults: readonly string[]): string[] {
  const isMissing = (counts: Counts) => (name: string) => (counts[name] ?? 0) === 0
  return [
    ...marks.filter(isMissing(run.coverage)),
    ...faults.filter(isMissing(run.faults)).map((kind) => `fault: ${kind}`),
  ]
}
