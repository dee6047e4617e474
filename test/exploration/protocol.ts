/**
 * The two protocols as they are explored: the very tables of the core and the coordinator, and beside them the few rules
 * that tables do not say. A mutant is a protocol with one of them changed (mutants.ts).
 */
import type { CommandKind, Coordination } from '../../schemas/commands.ts'
import type {
  DestinationRule,
  DestinationState,
  DestinationStep,
  SourceRule,
  SourceState,
  SourceStep,
} from '../../writer/core/crossing/rules.ts'
import { SAGA_DESTINATION, SAGA_SOURCE } from '../../writer/core/crossing/saga.ts'
import { TCC_DESTINATION, TCC_SOURCE } from '../../writer/core/crossing/tcc.ts'
import {
  nextStepOf,
  OF_ANOTHER,
  type CrossingEventKind,
  type NextStep,
} from '../../writer/coordinator/next-step.ts'
import { EFFECTS, type Effects } from './books.ts'

export interface Protocol {
  readonly source: Readonly<Record<Coordination, (state: SourceState, step: SourceStep) => SourceRule>>
  readonly destination: Readonly<
    Record<Coordination, (state: DestinationState, step: DestinationStep) => DestinationRule>
  >
  readonly nextStep: (event: CrossingEventKind, command: CommandKind) => NextStep | undefined
  readonly effects: Effects
  /** Each side compares the turn of a step with that of its channel. */
  readonly checksTurn: { readonly source: boolean; readonly destination: boolean }
  /** The destination keeps channels of different sources apart. */
  readonly keepsSourcesApart: boolean
  /** A coordinator sees an event only once it cannot be lost. */
  readonly waitsForDurable: boolean
}

export const PROTOCOL: Protocol = {
  source: {
    tcc: (state, step) => rowOf(TCC_SOURCE, state)[step],
    saga: (state, step) => rowOf(SAGA_SOURCE, state)[step],
  },
  destination: {
    tcc: (state, step) => TCC_DESTINATION[state][step],
    saga: (state, step) => SAGA_DESTINATION[state][step],
  },
  nextStep: (event, command) => {
    const next = nextStepOf(event, command)
    return next === OF_ANOTHER ? undefined : next
  },
  effects: EFFECTS,
  checksTurn: { source: true, destination: true },
  keepsSourcesApart: true,
  waitsForDurable: true,
}

/** A state that a table does not have is one that its protocol never comes to. */
function rowOf<Row>(table: Readonly<Record<string, Row>>, state: SourceState): Row {
  const row = table[state]
  if (row === undefined) throw new Error(`a source came to ${state}, which its protocol does not know`)
  return row
}
