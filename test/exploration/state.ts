/**
 * A state of the world that is explored: a few small numbers in a row, so that millions of states can be told apart.
 *
 * What was ever sent stays sent: any of it may come at any later moment, once, often, or never. So one state stands for all
 * ways in which messages are delayed, repeated, reordered and lost, and a coordinator that dies with all that it had in
 * flight is one of them. A partition that dies keeps its state, for only what is durable counts.
 */
import type { CommandKind, Coordination } from '../../schemas/commands.ts'
import type { CrossingEventKind } from '../../writer/coordinator/next-step.ts'
import type { DestinationState, SourceState } from '../../writer/core/crossing/rules.ts'

/** A transfer that may be asked for at any moment: between which partitions, and how. */
export interface Asked {
  readonly source: number
  readonly destination: number
  readonly by: Coordination
}

export interface World {
  readonly transfers: readonly Asked[]
  /** Channels of each source; as many transfers as it has can be under way there. */
  readonly channels: number
}

export type State = Uint16Array

export const SOURCE_STATES: readonly SourceState[] = [
  'free',
  'reserved',
  'confirmed',
  'cancelled',
  'debited',
  'recalled',
]
export const DESTINATION_STATES: readonly DestinationState[] = [
  'none',
  'reserved',
  'credited',
  'refused',
  'cancelled',
]
/** Events that are remembered of a transfer, in a bit each. */
export const EVENTS = [
  'TransferReserved',
  'TransferConfirmed',
  'TransferCancelled',
  'TransferDebited',
  'TransferRecalled',
  'TransferCompensated',
  'TransferCompleted',
  'CancelAcknowledged',
  'CreditReserved',
  'CreditRefused',
  'TransferCredited',
  'CreditCancelled',
] as const satisfies readonly CrossingEventKind[]
export type Happening = (typeof EVENTS)[number]

/** Steps that may be under way, in two bits each: the first time, and reminded of. */
export const STEPS = [
  'TryCredit',
  'ConfirmTransfer',
  'CancelTransfer',
  'CreditTransfer',
  'CancelCredit',
  'CompleteTransfer',
] as const satisfies readonly CommandKind[]
export type CrossingStep = (typeof STEPS)[number]

const FIELDS = 5
const STATE = 0
const CHANNEL = 1
const TURN = 2
const SENT = 3
const HAPPENED = 4
const ENTRY_FIELDS = 2

/** Where a world's states keep what; reads and changes them. */
export class Layout {
  readonly world: World
  readonly #partitions: number
  readonly #entries: number

  constructor(world: World) {
    this.world = world
    this.#partitions =
      1 + Math.max(...world.transfers.flatMap(({ source, destination }) => [source, destination]))
    this.#entries = world.transfers.length * FIELDS
  }

  begin(): State {
    return new Uint16Array(this.#entries + this.#partitions ** 2 * this.world.channels * ENTRY_FIELDS)
  }

  /** Equal for equal states alone. */
  keyOf(state: State): string {
    return String.fromCharCode(...state)
  }

  sourceState(state: State, transfer: number): SourceState {
    return SOURCE_STATES[state[transfer * FIELDS + STATE]!]!
  }

  setSourceState(state: State, transfer: number, to: SourceState): void {
    state[transfer * FIELDS + STATE] = SOURCE_STATES.indexOf(to)
  }

  /** 0: the transfer was not begun yet. */
  channel(state: State, transfer: number): number {
    return state[transfer * FIELDS + CHANNEL]!
  }

  turn(state: State, transfer: number): number {
    return state[transfer * FIELDS + TURN]!
  }

  setPlace(state: State, transfer: number, channel: number, turn: number): void {
    state[transfer * FIELDS + CHANNEL] = channel
    state[transfer * FIELDS + TURN] = turn
  }

  sent(
    state: State,
    transfer: number,
  ): readonly { readonly step: CrossingStep; readonly isReminded: boolean }[] {
    const bits = state[transfer * FIELDS + SENT]!
    return STEPS.flatMap((step, at) =>
      [false, true]
        .filter((isReminded) => (bits & bitOf(at, isReminded)) !== 0)
        .map((isReminded) => ({ step, isReminded })),
    )
  }

  send(state: State, transfer: number, step: CrossingStep, isReminded: boolean): void {
    state[transfer * FIELDS + SENT]! |= bitOf(STEPS.indexOf(step), isReminded)
  }

  forgetSent(state: State): void {
    for (let transfer = 0; transfer < this.world.transfers.length; transfer++)
      state[transfer * FIELDS + SENT] = 0
  }

  /** Bits of EVENTS. */
  happenedBits(state: State, transfer: number): number {
    return state[transfer * FIELDS + HAPPENED]!
  }

  happen(state: State, transfer: number, event: Happening): void {
    state[transfer * FIELDS + HAPPENED]! |= 1 << EVENTS.indexOf(event)
  }

  /** Index of what a destination keeps of a source's channel. */
  entry(destination: number, source: number, channel: number): number {
    return (
      ((destination * this.#partitions + source) * this.world.channels + channel - 1) * ENTRY_FIELDS +
      this.#entries
    )
  }

  entryTurn(state: State, entry: number): number {
    return state[entry]!
  }

  entryState(state: State, entry: number): DestinationState {
    return DESTINATION_STATES[state[entry + 1]!]!
  }

  setEntry(state: State, entry: number, turn: number, to: DestinationState): void {
    state[entry] = turn
    state[entry + 1] = DESTINATION_STATES.indexOf(to)
  }
}

function bitOf(step: number, isReminded: boolean): number {
  return 1 << (step * 2 + (isReminded ? 1 : 0))
}

export function eventsOf(bits: number): readonly Happening[] {
  return EVENTS.filter((_, at) => (bits & (1 << at)) !== 0)
}
