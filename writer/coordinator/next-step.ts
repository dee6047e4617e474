/**
 * Which step follows from which event of a crossing: all that a coordinator knows. It keeps nothing, so it may die
 * anywhere, and several may run at once; what was lost on the way, the source reminds of.
 */
import type { CommandKind, Coordination } from '../../schemas/commands.ts'
import type { EventKind } from '../../schemas/events.ts'

/** A step, and to which of the two partitions it goes. */
export interface NextStep {
  readonly to: 'source' | 'destination'
  readonly step: CommandKind
  readonly by: Coordination
}

/** The events of a crossing: kinds 20 to 39, and 41. */
export type CrossingEventKind = Extract<
  EventKind,
  | 'TransferReserved'
  | 'TransferConfirmed'
  | 'TransferCancelled'
  | 'TransferDebited'
  | 'TransferRecalled'
  | 'TransferCompensated'
  | 'TransferCompleted'
  | 'CancelAcknowledged'
  | 'TransferReminded'
  | 'CreditReserved'
  | 'CreditRefused'
  | 'TransferCredited'
  | 'CreditCancelled'
  | 'StepAnswered'
  | 'HoldReserved'
  | 'HoldConfirmed'
  | 'HoldDrawn'
  | 'HoldReleased'
  | 'ReleaseCompleted'
  | 'CreditDrawn'
>

/** Nothing follows: the crossing is over, or somebody else acts. */
const NOTHING = undefined
/** The step that follows from another event, which this one names: `TransferReminded` its sequence, `StepAnswered` its kind. */
export const OF_ANOTHER = 'of another'

export const NEXT_STEP: Readonly<Record<CrossingEventKind, NextStep | typeof NOTHING | typeof OF_ANOTHER>> = {
  TransferReserved: { to: 'destination', step: 'TryCredit', by: 'tcc' },
  CreditReserved: { to: 'source', step: 'ConfirmTransfer', by: 'tcc' },
  TransferConfirmed: { to: 'destination', step: 'CreditTransfer', by: 'tcc' },
  TransferDebited: { to: 'destination', step: 'CreditTransfer', by: 'saga' },
  TransferCredited: { to: 'source', step: 'CompleteTransfer', by: 'tcc' },
  CreditRefused: { to: 'source', step: 'CancelTransfer', by: 'tcc' },
  // Only where the deadline has cancelled: a destination that refused knows, and needs no step (see `nextStepOf`).
  TransferCancelled: { to: 'destination', step: 'CancelCredit', by: 'tcc' },
  TransferRecalled: { to: 'destination', step: 'CancelCredit', by: 'saga' },
  CreditCancelled: { to: 'source', step: 'CancelTransfer', by: 'tcc' },
  TransferCompensated: NOTHING,
  TransferCompleted: NOTHING,
  CancelAcknowledged: NOTHING,
  // A hold is tried like a transfer. Once both sides hold it, its client acts: each post and the release go their own ways.
  HoldReserved: { to: 'destination', step: 'TryCredit', by: 'tcc' },
  HoldConfirmed: NOTHING,
  HoldDrawn: { to: 'destination', step: 'DrawCredit', by: 'tcc' },
  CreditDrawn: { to: 'source', step: 'CompleteTransfer', by: 'tcc' },
  HoldReleased: { to: 'destination', step: 'CancelCredit', by: 'tcc' },
  ReleaseCompleted: NOTHING,
  TransferReminded: OF_ANOTHER,
  StepAnswered: OF_ANOTHER,
}

/**
 * The step that follows from an event.
 * @param command of the event: a TransferCancelled by TimeStep is one by the deadline
 */
export function nextStepOf(
  kind: CrossingEventKind,
  command: CommandKind,
): NextStep | typeof NOTHING | typeof OF_ANOTHER {
  if (kind === 'TransferCancelled' && command !== 'TimeStep') return NOTHING
  return NEXT_STEP[kind]
}
