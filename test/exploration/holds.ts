/**
 * A hold across partitions in every way in which it can go: placed, posted in two parts, of which either may close it, voided
 * or left to expire. As with transfers (explore.ts), whatever was ever sent may come at any later moment, often or never.
 * The tables are those of the core and the coordinator; the few rules beside them are `HoldRules`.
 */
import { nextStepOf, OF_ANOTHER, type CrossingEventKind } from '../../writer/coordinator/next-step.ts'
import { HOLD_SOURCE } from '../../writer/core/crossing/hold.ts'
import { IGNORED, REMINDED, type DestinationStep, type SourceRule, type SourceState, type SourceStep } from '../../writer/core/crossing/rules.ts' // prettier-ignore
import { TCC_DESTINATION, TCC_SOURCE } from '../../writer/core/crossing/tcc.ts'
import { search, type Move, type Searched } from './search.ts'

export interface HoldRules {
  readonly source: (state: SourceState, step: SourceStep) => SourceRule
  readonly destination: typeof TCC_DESTINATION
  /** What a release lets go of, by what it says and what is expected. */
  readonly lessBy: (said: number, expected: number) => number
  /** A channel of a hold is handed on only once its posts have arrived. */
  readonly waitsForPosts: boolean
}
export const HOLD_RULES: HoldRules = {
  source: (state, step) => {
    const table: Readonly<Partial<Record<SourceState, Readonly<Record<SourceStep, SourceRule>>>>> = { ...TCC_SOURCE, ...HOLD_SOURCE } // prettier-ignore
    return table[state]?.[step] ?? IGNORED
  },
  destination: TCC_DESTINATION,
  lessBy: (said) => said,
  waitsForPosts: true,
}

export const HOLD_LAWS = {
  balance:
    'what is held and expected is never less than nothing, and in transit is what was posted and has not arrived',
  decided: 'a post that is decided finds its amount reserved',
  once: 'nothing happens twice',
  handedOn: 'a channel is handed on only when both sides are done with its turn, and its posts have arrived',
  end: 'once nothing goes wrong any more, everything ends',
} as const
export type HoldLaw = keyof typeof HOLD_LAWS

/** Minor units: a hold of three, and two posts of one each. */
const HELD = 3
const POSTS = [1, 2] as const
type Party = 0 | 1 | 2
/** Of the hold and of each post: its state at the source, its turn's at the destination, and what has happened to it. */
interface Way {
  readonly source: SourceState | 'not begun' | 'over'
  readonly destination: keyof typeof TCC_DESTINATION
  readonly happened: readonly CrossingEventKind[]
}
interface HoldState {
  readonly ways: readonly [Way, Way, Way]
  /** What is still held at the source, what the release said, and what is still expected at the destination. */
  readonly held: number
  readonly released: number
  readonly expected: number
  /** `party step reminded`, sorted. */
  readonly sent: readonly string[]
}
type Next = Move<HoldState, HoldLaw>

const NEW: Way = { source: 'not begun', destination: 'none', happened: [] }
const BEGINNING: HoldState = { ways: [NEW, NEW, NEW], held: 0, released: 0, expected: 0, sent: [] }
const LAST: Readonly<Partial<Record<SourceState, CrossingEventKind>>> = {
  holding: 'HoldReserved', cancelled: 'TransferCancelled', released: 'HoldReleased', drawn: 'HoldDrawn',
} // prettier-ignore

export function exploreHold(rules: HoldRules = HOLD_RULES): Searched<HoldLaw> {
  return search(
    BEGINNING,
    (state) => movesOf(state, rules),
    (state) => doesEnd(state, rules),
  )
}

/** All that can happen next. */
function movesOf(state: HoldState, rules: HoldRules): Next[] {
  const { ways, held } = state
  const moves: Next[] = []
  if (ways[0].source === 'not begun')
    moves.push(made({ ...state, held: HELD }, 0, 'HoldReserved', { source: 'holding' }))
  if (ways[0].source === 'held') {
    moves.push(...release(state, rules, 'voided'))
    for (const post of POSTS)
      if (ways[post].source === 'not begun' && held > 0) {
        const drawn = made({ ...state, held: held - 1 }, post, 'HoldDrawn', { source: 'drawn' })
        moves.push(drawn, ...release(drawn.state, rules, `${drawn.what}, and closed`))
      }
  }
  for (const party of [0, 1, 2] as const)
    for (const strikes of ['reminder', 'deadline'] as const)
      moves.push(...atSource(state, party, strikes, rules))
  for (const message of state.sent) moves.push(...arrive(state, message, rules))
  return moves
}

function release(state: HoldState, rules: HoldRules, what: string): Next[] {
  const rule = rules.source('held', 'release')
  if (typeof rule === 'string') return []
  const next = { ...state, held: 0, released: state.held }
  const event = rule.event as CrossingEventKind
  if (rule.to === 'free') return [{ ...made(next, 0, event, { source: 'over' }), what, broken: 'handedOn' }]
  return [{ ...made(next, 0, event, { source: rule.to }), what }]
}

function arrive(state: HoldState, message: string, rules: HoldRules): Next[] {
  const [party, step, reminded] = message.split(' ') as [string, DestinationStep & SourceStep, string]
  const who = Number(party) as Party
  return step in rules.destination.none
    ? atDestination(state, who, step, reminded === '1', rules)
    : atSource(state, who, step, rules)
}

function atSource(state: HoldState, party: Party, step: SourceStep, rules: HoldRules): Next[] {
  const way = state.ways[party]
  if (way.source === 'not begun' || way.source === 'over') return []
  const rule = rules.source(way.source, step)
  if (rule === IGNORED) return []
  if (rule === REMINDED)
    return [{ state: sending(state, party, LAST[way.source]!, 'TimeStep', true), what: `${party} reminds` }]
  const isDrawing = POSTS.some((post) => state.ways[post].source === 'drawn')
  if (rule.onceDrawn === true && isDrawing && rules.waitsForPosts) return []
  const isOver = rule.to === 'free'
  const event = rule.event as CrossingEventKind
  const left = event === 'TransferCancelled' ? { ...state, held: 0, released: HELD } : state
  const command = step === 'deadline' ? 'TimeStep' : 'CancelTransfer'
  const next = made(left, party, event, { source: isOver ? 'over' : rule.to }, command)
  // Whoever has the channel next begins anew at the destination.
  const isLeftBehind = party === 0 ? state.expected > 0 || isDrawing || way.destination === 'reserved' : way.destination !== 'credited' // prettier-ignore
  return [isOver && isLeftBehind ? { ...next, broken: 'handedOn' } : next]
}

function atDestination(state: HoldState, party: Party, step: DestinationStep, isReminded: boolean, rules: HoldRules): Next[] {
  const way = state.ways[party]
  // The channel has been handed on: the step is of an earlier turn.
  if (way.source === 'over') return []
  const rule = rules.destination[way.destination][step]
  if (rule === IGNORED) return []
  if ('again' in rule) {
    if (rule.to === 'reminded' && !isReminded) return []
    return [{ state: sending(state, party, rule.again as CrossingEventKind, step), what: `${party} ${rule.again} again` }]
  }
  const outcomes = rule.unless === undefined ? [rule] : [rule, rule.unless]
  return outcomes.map(({ event, to }) => {
    const isReserved = way.destination === 'reserved'
    const less = rules.lessBy(state.released, state.expected)
    const expected = {
      CreditReserved: HELD,
      CreditDrawn: state.expected - 1,
      CreditCancelled: isReserved ? state.expected - less : 0,
    }[event as string] ?? state.expected
    const next = made({ ...state, expected }, party, event as CrossingEventKind, { destination: to }, step)
    return event === 'CreditDrawn' && expected < 0 ? { ...next, broken: 'decided' } : next
  })
} // prettier-ignore

/** The state behind an event, with the step that follows from it under way; and the law that it breaks. */
function made(
  state: HoldState,
  party: Party,
  event: CrossingEventKind,
  to: Partial<Way>,
  command: Parameters<typeof nextStepOf>[1] = 'PostHold',
): Next {
  const way = state.ways[party]
  const ways = state.ways.map((each, at) =>
    at === party ? { ...each, ...to, happened: [...each.happened, event].toSorted() } : each,
  ) as unknown as HoldState['ways']
  const next = sending({ ...state, ways }, party, event, command)
  const what = `${party} ${event}`
  if (way.happened.includes(event)) return { state: next, what, broken: 'once' }
  return isBalanced(next) ? { state: next, what } : { state: next, what, broken: 'balance' }
}

function sending(
  state: HoldState,
  party: Party,
  event: CrossingEventKind,
  command: Parameters<typeof nextStepOf>[1],
  isReminded = false,
): HoldState {
  const next = nextStepOf(event, command)
  if (next === undefined || next === OF_ANOTHER) return state
  const message = `${party} ${next.step} ${isReminded ? 1 : 0}`
  return { ...state, sent: [...new Set([...state.sent, message])].toSorted() }
}

/** What was posted at the source has arrived, is on its way, or still stands among what the destination expects. */
function isBalanced({ ways, held, expected }: HoldState): boolean {
  const drawn = POSTS.filter((post) => ways[post].happened.includes('HoldDrawn')).length
  const arrived = POSTS.filter((post) => ways[post].happened.includes('CreditDrawn')).length
  const isExpecting = ways[0].destination === 'reserved' || ways[0].destination === 'cancelled'
  return held >= 0 && arrived <= drawn && (!isExpecting || expected >= 0)
}

/** All in flight is lost, posts and the release are asked for, and from then on whatever is sent comes: it ends. */
function doesEnd(state: HoldState, rules: HoldRules): boolean {
  let now: HoldState = { ...state, sent: [] }
  for (let round = 0; round < 12; round++) {
    if (isOver(now)) return true
    if (now.ways[0].source === 'not begun') now = movesOf(now, rules)[0]!.state
    if (now.ways[0].source === 'held') now = release(now, rules, 'voided')[0]?.state ?? now
    for (const party of [0, 1, 2] as const) now = atSource(now, party, 'reminder', rules)[0]?.state ?? now
    for (let message = now.sent[0]; message !== undefined; [message] = now.sent) {
      const rest = { ...now, sent: now.sent.slice(1) }
      now = arrive(rest, message, rules)[0]?.state ?? rest
    }
  }
  return false
}

function isOver({ ways, held, expected }: HoldState): boolean {
  const isRest = ways.every(({ source }, at) => source === 'over' || (at > 0 && source === 'not begun'))
  return isRest && held === 0 && expected === 0
}
