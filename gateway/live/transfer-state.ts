/** What the events of a transfer say about it: pure, the same for events from the views and from the feed. */
import type { EventRow } from '../../projectors/views/audit/events.ts'
import type { CommandKind } from '../../schemas/commands.ts'
import type { EventKind } from '../../schemas/events.ts'

export type TransferKind = 'TRANSFER' | 'HOLD' | 'HOLD_POST' | 'HOLD_VOID' | 'REVERSAL'
export type TransferState = 'PENDING' | 'POSTED' | 'VOIDED' | 'EXPIRED' | 'REFUSED' | 'REVERSED'

const KIND_OF_COMMAND: Readonly<Partial<Record<CommandKind, TransferKind>>> = {
  Transfer: 'TRANSFER',
  PlaceHold: 'HOLD',
  PostHold: 'HOLD_POST',
  VoidHold: 'HOLD_VOID',
  ReverseTransfer: 'REVERSAL',
}

/** The state in which an event leaves the transfer whose own event it is. Undefined: the event is about an account. */
const STATE_OF_OWN: Readonly<Record<EventKind, TransferState | undefined>> = {
  AccountOpened: undefined,
  AccountFrozen: undefined,
  AccountUnfrozen: undefined,
  AccountClosed: undefined,
  AccountRefused: undefined,
  TransferPosted: 'POSTED',
  HoldPlaced: 'PENDING',
  HoldPosted: 'POSTED',
  HoldVoided: 'VOIDED',
  HoldExpired: 'EXPIRED',
  TransferReversed: 'POSTED',
  TransferRefused: 'REFUSED',
}

/** The state in which another command's event leaves the transfer that it names. Undefined: as it was. */
const STATE_OF_RELATED: Readonly<Partial<Record<EventKind, TransferState>>> = {
  HoldPosted: 'POSTED',
  HoldVoided: 'VOIDED',
  TransferReversed: 'REVERSED',
}

/** What kind of transfer an event is the outcome of. Undefined: it is about an account. */
export function transferKindOf(event: EventRow): TransferKind | undefined {
  return KIND_OF_COMMAND[event.command]
}

/** The state of the transfer with this id right after the event. Undefined: the event does not change it. */
export function stateAfter(id: string, event: EventRow): TransferState | undefined {
  return event.transferId === id ? STATE_OF_OWN[event.kind] : STATE_OF_RELATED[event.kind]
}

/**
 * The state that the events of an id leave it in.
 * @param own events under the id, in order; the first is its outcome
 * @param related what came of it through other commands
 */
export function stateOf(own: readonly EventRow[], related: readonly EventRow[]): TransferState {
  const id = own[0]!.transferId
  const events = [...own, ...related].sort((left, right) => Number(left.sequence - right.sequence))
  let state: TransferState = 'PENDING'
  for (const event of events) state = stateAfter(id, event) ?? state
  return state
}

/** True if a transfer in this state is decided. What was posted may still be reversed, by another transfer. */
export function isTerminal(state: TransferState): boolean {
  return state !== 'PENDING'
}
