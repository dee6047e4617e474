/**
 * What the events of a crossing do to the totals of their two sides, by the state that they come from. Each adds as much to
 * the debits of one side as to the credits of the other, so every partition's own trial balance is zero at any moment.
 */
import { EVENT_KINDS, TOTAL, type EventKind } from '../../../schemas/events.ts'
import type { DestinationState, SourceState } from './rules.ts'
import { DESTINATION_STATES, SOURCE_STATES } from './table-numbers.ts'

/** +1: the amount is added; −1: taken away again. */
type Moved = Readonly<Partial<Record<keyof typeof TOTAL, 1 | -1>>>
interface Sides {
  readonly debit: Moved
  readonly credit: Moved
}
type Table<State extends string> = Readonly<
  Partial<Record<State, Readonly<Partial<Record<EventKind, Sides>>>>>
>

/** How a Saga ends at its source, asked back or not. */
const SAGA_ENDS = {
  TransferCompleted: { debit: { creditsPending: -1 }, credit: { debitsPending: -1 } },
  TransferCompensated: {
    debit: { creditsPending: -1, creditsPosted: 1 },
    credit: { debitsPending: -1, debitsPosted: 1 },
  },
} as const

const RESERVED = { debit: { debitsPending: 1 }, credit: { creditsPending: 1 } } as const
const RELEASED = { debit: { debitsPending: -1 }, credit: { creditsPending: -1 } } as const
const POSTED = {
  debit: { debitsPending: -1, debitsPosted: 1 },
  credit: { creditsPending: -1, creditsPosted: 1 },
} as const

/** The debit side is the account's, the credit side the transit account's. */
const AT_SOURCE: Table<SourceState> = {
  free: {
    TransferReserved: RESERVED,
    HoldReserved: RESERVED,
    // Out of what the hold has reserved.
    HoldDrawn: POSTED,
    // The way back stays open: what may come back is pending, so nothing can fill its place, and close is refused.
    TransferDebited: {
      debit: { debitsPosted: 1, creditsPending: 1 },
      credit: { creditsPosted: 1, debitsPending: 1 },
    },
  },
  reserved: {
    TransferConfirmed: POSTED,
    TransferCancelled: RELEASED,
  },
  holding: { TransferCancelled: RELEASED },
  held: { HoldReleased: RELEASED },
  debited: SAGA_ENDS,
  recalled: SAGA_ENDS,
}

/** The debit side is the transit account's, the credit side the account's. */
const AT_DESTINATION: Table<DestinationState> = {
  none: {
    CreditReserved: RESERVED,
    CreditDrawn: POSTED,
    TransferCredited: { debit: { debitsPosted: 1 }, credit: { creditsPosted: 1 } },
  },
  reserved: {
    TransferCredited: POSTED,
    CreditCancelled: RELEASED,
  },
}

/** By word of a side's totals: 1, −1, or 0 where it stays. */
export interface MovedTotals {
  readonly debit: Int8Array
  readonly credit: Int8Array
}

/** What an event of a source does that finds its channel in `state`. Undefined: no total changes. */
export function movedAtSource(state: number, event: number): MovedTotals | undefined {
  return SOURCE_MOVES[(state << EVENTS_SHIFT) | event]
}

export function movedAtDestination(state: number, event: number): MovedTotals | undefined {
  return DESTINATION_MOVES[(state << EVENTS_SHIFT) | event]
}

const EVENTS_SHIFT = 6
const SOURCE_MOVES = compiled(AT_SOURCE, SOURCE_STATES)
const DESTINATION_MOVES = compiled(AT_DESTINATION, DESTINATION_STATES)

function compiled<State extends string>(
  table: Table<State>,
  states: Readonly<Record<State, number>>,
): (MovedTotals | undefined)[] {
  const moves = new Array<MovedTotals | undefined>(Object.keys(states).length << EVENTS_SHIFT).fill(undefined)
  for (const state in states)
    for (const [event, { debit, credit }] of Object.entries(table[state] ?? {}) as [EventKind, Sides][])
      moves[(states[state] << EVENTS_SHIFT) | EVENT_KINDS[event]] = {
        debit: signs(debit),
        credit: signs(credit),
      }
  return moves
}

function signs(moved: Moved): Int8Array {
  const by = new Int8Array(4)
  for (const [total, sign] of Object.entries(moved) as [keyof typeof TOTAL, 1 | -1][]) by[TOTAL[total]] = sign
  return by
}
