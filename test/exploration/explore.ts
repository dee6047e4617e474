/** Visits every state that a world can come to, and asks of each whether all laws held on the way and whether it ends. */
import { isAtRest, LAWS, type Law } from './laws.ts'
import { Moves, type Next } from './moves.ts'
import { PROTOCOL, type Protocol } from './protocol.ts'
import { Layout, type State, type World } from './state.ts'

export interface Exploration {
  /** States that differ, and moves between them. */
  readonly states: number
  readonly moves: number
  /** Rounds of reminders, with nothing lost, within which every state has ended. */
  readonly roundsMax: number
  /** False: it stopped at `statesMax` states, or at a broken law. */
  readonly isWhole: boolean
  /** The first law found broken, and the shortest way there. */
  readonly broken: { readonly law: Law; readonly says: string; readonly way: readonly string[] } | undefined
}

/** Rounds of reminders in which everything ends, at most: no crossing needs more answers than that. */
const ROUNDS_MAX = 12
/** How the world goes on once nothing goes wrong: whether credits are refused, and whether deadlines have passed. */
const CALMS = [
  { isRefused: false, timer: 'reminder' },
  { isRefused: true, timer: 'reminder' },
  { isRefused: false, timer: 'deadline' },
  { isRefused: true, timer: 'deadline' },
] as const
type Calm = (typeof CALMS)[number]

/** @param statesMax beyond which it stops */
export function explore(
  world: World,
  protocol: Protocol = PROTOCOL,
  statesMax = Number.POSITIVE_INFINITY,
): Exploration {
  return new Explorer(world, protocol).explore(statesMax)
}

class Explorer {
  readonly #layout: Layout
  readonly #moves: Moves
  readonly #protocol: Protocol
  readonly #states: State[] = []
  readonly #known = new Set<string>()
  /** Of each state: the one before it, and what happened in between. */
  readonly #parents: number[] = []
  readonly #names: string[] = []
  /** States that were found to end, with nothing in flight. */
  readonly #ending = new Set<string>()
  #roundsMax = 0

  constructor(world: World, protocol: Protocol) {
    this.#layout = new Layout(world)
    this.#moves = new Moves(protocol, this.#layout)
    this.#protocol = protocol
  }

  explore(statesMax: number): Exploration {
    let moves = 0
    this.#visit(this.#layout.begin(), -1, 'the beginning')
    for (let at = 0; at < this.#states.length; at++) {
      if (this.#states.length > statesMax)
        return { ...this.#result(moves, undefined, undefined, []), isWhole: false }
      const state = this.#states[at]!
      for (const next of this.#moves.all(state)) {
        moves++
        if (next.broken !== undefined) return this.#result(moves, at, next.broken, [next.what])
        this.#visit(next.state, at, next.what)
      }
    }
    const endless = this.#states.findIndex((state) => !this.#doesEnd(state))
    if (endless >= 0) return this.#result(moves, endless, 'end', [])
    return this.#result(moves, undefined, undefined, [])
  }

  #visit(state: State, parent: number, what: string): void {
    const key = this.#layout.keyOf(state)
    if (this.#known.has(key)) return
    this.#known.add(key)
    this.#states.push(state)
    this.#parents.push(parent)
    this.#names.push(what)
  }

  /** All in flight is lost; from then on nothing is, and sources remind. */
  #doesEnd(state: State): boolean {
    const calm = state.slice()
    this.#layout.forgetSent(calm)
    const key = this.#layout.keyOf(calm)
    if (this.#ending.has(key)) return true
    const ends = CALMS.every((how) => this.#endsIn(calm, how))
    if (ends) this.#ending.add(key)
    return ends
  }

  #endsIn(state: State, how: Calm): boolean {
    let now = state
    for (let round = 0; round <= ROUNDS_MAX; round++) {
      if (this.#isOver(now)) {
        this.#roundsMax = Math.max(this.#roundsMax, round)
        return true
      }
      now = this.#round(now, how)
    }
    return false
  }

  /** Every transfer is begun, every timer strikes once, and whatever is sent comes once, until nothing is under way. */
  #round(state: State, { isRefused, timer }: Calm): State {
    const layout = this.#layout
    const moves = this.#moves
    const pick = (nexts: readonly Next[]): State | undefined => nexts.at(isRefused ? -1 : 0)?.state
    let now = state
    layout.world.transfers.forEach((_, transfer) => {
      now = pick(moves.begin(now, transfer)) ?? now
      now = pick(moves.timer(now, transfer, timer)) ?? now
      for (;;) {
        const [sent] = layout.sent(now, transfer)
        if (sent === undefined) break
        const without = now.slice()
        layout.forgetSent(without)
        now = pick(moves.arrive(without, transfer, sent.step, sent.isReminded)) ?? without
      }
    })
    return now
  }

  #isOver(state: State): boolean {
    const layout = this.#layout
    const protocol = this.#protocol
    return layout.world.transfers.every(
      ({ by }, transfer) =>
        layout.channel(state, transfer) > 0 &&
        layout.sourceState(state, transfer) === 'free' &&
        isAtRest(layout.happenedBits(state, transfer), by, protocol.effects),
    )
  }

  #result(moves: number, at: number | undefined, law: Law | undefined, last: readonly string[]): Exploration {
    const way = [...last]
    for (let index = at ?? -1; index > 0; index = this.#parents[index]!) way.unshift(this.#names[index]!)
    return {
      states: this.#states.length,
      moves,
      roundsMax: this.#roundsMax,
      isWhole: law === undefined,
      broken: law === undefined ? undefined : { law, says: LAWS[law], way },
    }
  }
}
