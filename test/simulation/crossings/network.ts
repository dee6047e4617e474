/** Steps on their way from coordinators to partitions: late, out of order, twice, never; and some a day later. */
import type { World } from '../world.ts'
import type { NetworkOptions } from './options.ts'

/** Steps for one partition, as a coordinator offers them. */
export interface Steps {
  readonly slots: Uint8Array
  readonly count: number
}

export interface Addressee {
  isReady(): boolean
  readonly writer: { offer(slots: Uint8Array, count: number, stored: () => void): { readonly kind: string } }
}

/** How long a step takes where nothing is wrong. */
const USUAL_NS = 2_000_000
/** A step that finds its queue full or its door closed comes again so much later, so often. */
const AGAIN_NS = 3_000_000n
const AGAIN_MAX = 3

export class Network {
  readonly #world: World
  readonly #options: NetworkOptions
  readonly #addressees: readonly Addressee[]
  readonly #kept: { readonly to: number; readonly steps: Steps }[] = []
  #isHealed = false
  #underWay = 0

  constructor(world: World, options: NetworkOptions, addressees: readonly Addressee[]) {
    this.#world = world
    this.#options = options
    this.#addressees = addressees
  }

  /** @returns false if they are lost, as far as the sender hears */
  send(to: number, steps: Steps): boolean {
    const { random } = this.#world
    const { lost, repeated, late, lateNsMax, kept } = this.#options
    if (random.chance(kept)) this.#kept.push({ to, steps })
    if (this.#isHealed) {
      this.#post(to, steps, USUAL_NS)
      return true
    }
    const isLost = random.chance(lost)
    if (isLost) this.#world.fault('steps lost')
    else if (random.chance(late)) {
      this.#world.fault('steps late')
      this.#post(to, steps, lateNsMax)
    } else this.#post(to, steps, USUAL_NS)
    while (random.chance(repeated)) {
      this.#world.fault('steps repeated')
      this.#post(to, steps, random.chance(0.5) ? lateNsMax : USUAL_NS)
    }
    return !isLost || random.chance(0.5)
  }

  /** Nothing is lost or repeated from here on; what is under way still comes as late as it was going to. */
  heal(): void {
    this.#isHealed = true
  }

  isQuiet(): boolean {
    return this.#underWay === 0
  }

  /** Brings again what was kept: all of it, in any order. */
  bringKept(): void {
    for (const { to, steps } of this.#kept.splice(0)) this.#post(to, steps, USUAL_NS)
  }

  #post(to: number, steps: Steps, nsMax: number, again = AGAIN_MAX): void {
    this.#underWay++
    this.#world.schedule(BigInt(1 + this.#world.random.below(nsMax)), 'steps arrive', () => {
      this.#underWay--
      this.#arrive(to, steps, again)
    })
  }

  #arrive(to: number, steps: Steps, again: number): void {
    const addressee = this.#addressees[to]!
    const isTaken =
      addressee.isReady() &&
      addressee.writer.offer(steps.slots, steps.count, () => undefined).kind === 'taken'
    if (isTaken) return
    this.#world.cover('steps at a closed door')
    if (again > 0 && this.#world.random.chance(0.5)) this.#post(to, steps, Number(AGAIN_NS), again - 1)
  }
}
