/** The state of a transfer, from its events. Pure, and the same for events of the views and of the feed. */
import type { PublicEvent } from '../../projectors/views/audit/events.ts'
import type { CommandKind } from '../../schemas/commands.ts'
import { isReversal, leftOf } from '../../schemas/event-left.ts'
import type { EventKind } from '../../schemas/events.ts'
import type { Life } from '../outcomes/crossings/life.ts'

export type TransferKind = 'TRANSFER' | 'HOLD' | 'HOLD_POST' | 'HOLD_VOID' | 'REVERSAL'
export type TransferState = 'PENDING' | 'POSTED' | 'VOIDED' | 'EXPIRED' | 'REFUSED' | 'REVERSED'

const KIND_OF_COMMAND: Readonly<Partial<Record<CommandKind, TransferKind>>> = {
  Transfer: 'TRANSFER',
  PlaceHold: 'HOLD',
  PostHold: 'HOLD_POST',
  VoidHold: 'HOLD_VOID',
  ReverseTransfer: 'REVERSAL',
}

/** The state after an event of the transfer's own id. Undefined: the event is about an account. */
const STATE_OF_OWN: Readonly<Record<EventKind, TransferState | undefined>> = {
  AccountOpened: undefined,
  AccountFrozen: undefined,
  AccountUnfrozen: undefined,
  AccountClosed: undefined,
  AccountRefused: undefined,
  AccountChanged: undefined,
  TransferPosted: 'POSTED',
  HoldPlaced: 'PENDING',
  HoldPosted: 'POSTED',
  HoldPostedInPart: 'POSTED',
  HoldVoided: 'VOIDED',
  HoldExpired: 'EXPIRED',
  TransferReversed: 'POSTED',
  TransferReversedInPart: 'POSTED',
  TransferReversedByForce: 'POSTED',
  TransferRefused: 'REFUSED',
  // Of a transfer across partitions, on both sides.
  TransferReserved: 'PENDING',
  TransferConfirmed: 'PENDING',
  TransferCancelled: 'REFUSED',
  TransferDebited: 'PENDING',
  TransferRecalled: 'PENDING',
  TransferCompensated: 'REFUSED',
  TransferCompleted: 'POSTED',
  CancelAcknowledged: undefined,
  TransferReminded: undefined,
  CreditReserved: undefined,
  CreditRefused: undefined,
  TransferCredited: 'PENDING',
  CreditCancelled: undefined,
  StepAnswered: undefined,
  // Of a hold across partitions: the hold's own id, a post's, and that of the command that voids it.
  HoldReserved: 'PENDING',
  HoldConfirmed: 'PENDING',
  HoldDrawn: 'PENDING',
  CreditDrawn: 'PENDING',
  HoldReleased: 'PENDING',
  ReleaseCompleted: 'VOIDED',
  IdsForgotten: undefined,
  IdClaimed: undefined,
}

/** The state after another command's event that names the transfer. Undefined: it does not change. */
const STATE_OF_RELATED: Readonly<Partial<Record<EventKind, TransferState>>> = {
  HoldPosted: 'POSTED',
  HoldVoided: 'VOIDED',
  TransferReversed: 'REVERSED',
}

/** The kind of transfer whose outcome an event is. Undefined: the event is about an account. */
export function transferKindOf(event: PublicEvent): TransferKind | undefined {
  return KIND_OF_COMMAND[event.command]
}

/** The state of the transfer with this id after the event. Undefined: the event does not change it. */
export function stateAfter(id: string, event: PublicEvent): TransferState | undefined {
  if (event.kind === 'HoldReleased') return stateAfterRelease(id, event)
  // Under the hold's own id it says what was known before.
  if (event.kind === 'ReleaseCompleted' && event.transferId === event.relatedId) return undefined
  if (event.transferId !== id && isReversal(event))
    return (leftOf(event) ?? 0n) === 0n ? 'REVERSED' : undefined
  return event.transferId === id ? STATE_OF_OWN[event.kind] : STATE_OF_RELATED[event.kind]
}

/** A hold across partitions ends with its release, and the command that voids it when both sides have let go. */
function stateAfterRelease(id: string, { command, transferId, relatedId }: PublicEvent): TransferState {
  if (command === 'ExpireHold') return 'EXPIRED'
  if (command === 'PostHold') return 'POSTED'
  return id === transferId && id !== relatedId ? 'PENDING' : 'VOIDED'
}

/** The kind of what an event of a crossing is about; undefined: the event alone does not say it. */
export function crossingKindOf({ kind, transferId, relatedId }: PublicEvent): TransferKind | undefined {
  switch (kind) {
    case 'HoldReserved':
    case 'HoldConfirmed':
      return 'HOLD'
    case 'HoldReleased':
    case 'ReleaseCompleted':
      return transferId === relatedId ? 'HOLD' : 'HOLD_VOID'
    case 'TransferCancelled':
      return undefined
    default:
      return relatedId === undefined ? 'TRANSFER' : 'HOLD_POST'
  }
}

/**
 * The state of a transfer after all its events.
 * @param life of the events under its id
 * @param related events of other commands that name it
 */
export function stateOf({ own }: Life, related: readonly PublicEvent[]): TransferState {
  const id = own[0]!.transferId
  // By time: what came of it may stand in another partition.
  const events = [...own, ...related].sort((left, right) => Number(left.recordedAtNs - right.recordedAtNs))
  let state: TransferState = 'PENDING'
  for (const event of events) state = stateAfter(id, event) ?? state
  return state
}

/** True if the transfer is decided in this state. A posted one may still be reversed, by another transfer. */
export function isTerminal(state: TransferState): boolean {
  return state !== 'PENDING'
}
