/**
 * What the tables of the two protocols (tcc.ts, saga.ts) are made of: states, steps, and rules that say which event a step
 * makes in a state. A side looks its rule up by state and step, and does nothing else but what the rule says.
 */
import type { EventKind } from '../../../schemas/events.ts'

/** What has become of an open crossing at its source. `free`: its channel is free again. */
export type SourceState =
  | 'free' | 'reserved' | 'confirmed' | 'cancelled' | 'debited' | 'recalled'
  /** Of a hold: not answered for yet; open, and nobody waits; let go of here, and to be let go of there. */
  | 'holding' | 'held' | 'released'
  /** Of a post: taken out of the hold here, and to be credited there. */
  | 'drawn' // prettier-ignore

/** What can come to a source: steps of the coordinator, and the two that its own timer makes. */
export type SourceStep =
  | 'ConfirmTransfer'
  | 'CancelTransfer'
  | 'CompleteTransfer'
  /** The other side has been silent for as long as the next reminder waits. */
  | 'reminder'
  /** It has been silent up to the deadline: comes right then where it decides something, else in place of reminders behind it. */
  | 'deadline'
  /** What is left of a hold is let go of: its client voids it, a post closes it, or it expires. */
  | 'release'

/** What has become of a channel's turn at the destination. `none`: nothing of this turn has come yet. */
export type DestinationState = 'none' | 'reserved' | 'credited' | 'refused' | 'cancelled'

export type DestinationStep = 'TryCredit' | 'CreditTransfer' | 'CancelCredit' | 'DrawCredit'

/** A step that makes an event, and the state behind it. */
export interface Move<State> {
  readonly event: EventKind
  readonly to: State
  /** Only once all posts of the hold have been credited; until then it changes nothing, and is reminded of. */
  readonly onceDrawn?: true
  /** What happens in its place where the account, its currency or a total speaks against it. Without it nothing can. */
  readonly unless?: { readonly event: EventKind; readonly to: State }
}

/** The step was done before: its event is said again, without effect. */
export interface Answer {
  readonly again: EventKind
  /** `reminded`: only to a step with an attempt above 0, so that repeats by other coordinators cost no event. */
  readonly to: 'reminded' | 'all'
}

/** The step changes nothing and makes no event. */
export const IGNORED = 'ignored'
/** The source says its last event again (TransferReminded), and waits anew. */
export const REMINDED = 'reminded'

export type SourceRule = Move<SourceState> | typeof IGNORED | typeof REMINDED
export type DestinationRule = Move<DestinationState> | Answer | typeof IGNORED

export type SourceTable<State extends SourceState> = Readonly<
  Record<State, Readonly<Record<SourceStep, SourceRule>>>
>
export type DestinationTable = Readonly<
  Record<DestinationState, Readonly<Record<DestinationStep, DestinationRule>>>
>
