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
  if (event.transferId !== id && isReversal(event))
    return (leftOf(event) ?? 0n) === 0n ? 'REVERSED' : undefined
  return event.transferId === id ? STATE_OF_OWN[event.kind] : STATE_OF_RELATED[event.kind]
}

/**
 * The state of a transfer after all its events.
 * @param life of the events under its id
 * @param related events of other commands that name it
 */
export function stateOf({ own }: Life, related: readonly PublicEvent[]): TransferState {
  const id = own[0]!.transferId
  const events = [...own, ...related].sort((left, right) => Number(left.sequence - right.sequence))
  let state: TransferState = 'PENDING'
  for (const event of events) state = stateAfter(id, event) ?? state
  return state
}

/** True if the transfer is decided in this state. A posted one may still be reversed, by another transfer. */
export function isTerminal(state: TransferState): boolean {
  return state !== 'PENDING'
}
