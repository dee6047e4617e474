/**
 * The protocols' tables by number: how the state keeps states, and how a side looks a rule up without a text. The
 * numbers of states stand in snapshots, so they are stable.
 */
import { COMMAND_KINDS } from '../../../schemas/commands.ts'
import { EVENT_KINDS } from '../../../schemas/events.ts'
import {
  IGNORED,
  REMINDED,
  type DestinationRule,
  type DestinationState,
  type DestinationStep,
  type SourceRule,
  type SourceState,
  type SourceStep,
} from './rules.ts'
import { HOLD_SOURCE } from './hold.ts'
import { SAGA_DESTINATION, SAGA_SOURCE } from './saga.ts'
import { TCC_DESTINATION, TCC_SOURCE } from './tcc.ts'

export const SOURCE_STATES = {
  free: 0, reserved: 1, confirmed: 2, cancelled: 3, debited: 4, recalled: 5, holding: 6, held: 7, released: 8, drawn: 9,
} as const satisfies Readonly<Record<SourceState, number>> // prettier-ignore
export const SOURCE_STATES_COUNT = Object.keys(SOURCE_STATES).length

export const DESTINATION_STATES = {
  none: 0, reserved: 1, credited: 2, refused: 3, cancelled: 4,
} as const satisfies Readonly<Record<DestinationState, number>> // prettier-ignore
export const DESTINATION_STATES_COUNT = Object.keys(DESTINATION_STATES).length

/** Numbers of the steps to a source: the commands' own, two for what the timer makes, and one for the end of a hold. */
export const SOURCE_STEPS = {
  ConfirmTransfer: COMMAND_KINDS.ConfirmTransfer,
  CancelTransfer: COMMAND_KINDS.CancelTransfer,
  CompleteTransfer: COMMAND_KINDS.CompleteTransfer,
  reminder: 0,
  deadline: 1,
  release: 2,
} as const satisfies Readonly<Record<SourceStep, number>>

const DESTINATION_STEPS = {
  TryCredit: COMMAND_KINDS.TryCredit,
  CreditTransfer: COMMAND_KINDS.CreditTransfer,
  CancelCredit: COMMAND_KINDS.CancelCredit,
  DrawCredit: COMMAND_KINDS.DrawCredit,
} as const satisfies Readonly<Record<DestinationStep, number>>

/** What a rule does: nothing; an event and another state; the last event again; the event again, to a reminder or to all. */
export type Doing = 'nothing' | 'moves' | 'reminds' | 'answers reminders' | 'answers all'

export interface NumberedRule {
  readonly doing: Doing
  /** Numbers of the event and of the state behind it; of an answer, of the event that is said again. */
  readonly event: number
  readonly to: number
  /** Only once all posts of the hold have been credited. */
  readonly onceDrawn: boolean
  /** The same where the account, its currency or a total speaks against it; 0: nothing can. */
  readonly unlessEvent: number
  readonly unlessTo: number
}

const NOTHING: NumberedRule = {
  doing: 'nothing',
  event: 0,
  to: 0,
  onceDrawn: false,
  unlessEvent: 0,
  unlessTo: 0,
}
const STEPS_SHIFT = 5

/** The rule of a source whose channel is in `state`, for the step with this number. */
export function sourceRule(state: number, step: number): NumberedRule {
  return SOURCE_RULES[(state << STEPS_SHIFT) | step] ?? NOTHING
}

/** The rule of a destination, by Saga or by TCC. */
export function destinationRule(isSaga: boolean, state: number, step: number): NumberedRule {
  return (isSaga ? SAGA_RULES : TCC_RULES)[(state << STEPS_SHIFT) | step] ?? NOTHING
}

const SOURCE_RULES = numbered<SourceState, SourceStep, SourceRule>(
  // A free channel's crossing is over: whatever comes is of an earlier turn.
  { ...TCC_SOURCE, ...SAGA_SOURCE, ...HOLD_SOURCE, free: undefined },
  SOURCE_STATES,
  SOURCE_STEPS,
)
const TCC_RULES = numbered<DestinationState, DestinationStep, DestinationRule>(
  TCC_DESTINATION,
  DESTINATION_STATES,
  DESTINATION_STEPS,
)
const SAGA_RULES = numbered<DestinationState, DestinationStep, DestinationRule>(
  SAGA_DESTINATION,
  DESTINATION_STATES,
  DESTINATION_STEPS,
)

function numbered<State extends string, Step extends string, Rule extends SourceRule | DestinationRule>(
  table: Readonly<Record<State, Readonly<Record<Step, Rule>> | undefined>>,
  states: Readonly<Record<State, number>>,
  steps: Readonly<Record<Step, number>>,
): NumberedRule[] {
  const rules: NumberedRule[] = new Array<NumberedRule>(Object.keys(states).length << STEPS_SHIFT).fill(
    NOTHING,
  )
  for (const state in states)
    for (const step in steps) {
      const rule = table[state]?.[step]
      if (rule !== undefined) rules[(states[state] << STEPS_SHIFT) | steps[step]] = numberedRule(rule, states)
    }
  return rules
}

function numberedRule(
  rule: SourceRule | DestinationRule,
  states: Readonly<Record<string, number>>,
): NumberedRule {
  if (rule === IGNORED) return NOTHING
  if (rule === REMINDED) return { ...NOTHING, doing: 'reminds', event: EVENT_KINDS.TransferReminded }
  if ('again' in rule) {
    const doing = rule.to === 'all' ? 'answers all' : 'answers reminders'
    return { ...NOTHING, doing, event: EVENT_KINDS[rule.again] }
  }
  return {
    doing: 'moves',
    event: EVENT_KINDS[rule.event],
    to: states[rule.to]!,
    onceDrawn: rule.onceDrawn === true,
    unlessEvent: rule.unless === undefined ? 0 : EVENT_KINDS[rule.unless.event],
    unlessTo: rule.unless === undefined ? 0 : states[rule.unless.to]!,
  }
}
