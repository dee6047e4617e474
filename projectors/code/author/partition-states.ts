/**
 * The states of one partition in memory, as they are after the event that the mark names, and those that a range under way
 * has changed, apart from them until they are stored.
 */
import type { StateValue } from '../../code-projection.ts'

/** A state after the event of that sequence. */
export interface Changed {
  readonly sequence: bigint
  readonly state: StateValue
}

interface Kept {
  readonly state: StateValue
  /** Length of its text. */
  readonly length: number
}

/** How many states are kept in memory, and how long their texts are together. Others are asked for anew. */
export interface StatesLimits {
  readonly statesMax: number
  readonly stateCharactersMax: number
}

export class PartitionStates {
  /** Every state that is not here is the initial one: nothing has ever been stored that is not in memory. */
  #isComplete: boolean
  /** Those used last stand last. */
  readonly #kept = new Map<string, Kept>()
  readonly #changed = new Map<string, Changed>()
  #characters = 0

  /** @param isComplete no state of the partition has been stored yet */
  constructor(isComplete: boolean) {
    this.#isComplete = isComplete
  }

  get size(): number {
    return this.#kept.size
  }

  /** True if the state has to be asked for before it can be read. */
  isUnknown(key: string): boolean {
    return !this.#isComplete && !this.#kept.has(key)
  }

  /** Takes in a state that has been asked for; `undefined`: there is none. */
  load(key: string, state: StateValue | undefined, length: number): void {
    if (state !== undefined) this.#put(key, { state, length })
  }

  /** The state of a key after what has been done so far; undefined: no event has changed it. */
  get(key: string): StateValue | undefined {
    const changed = this.#changed.get(key)
    return changed === undefined ? this.#kept.get(key)?.state : changed.state
  }

  change(key: string, changed: Changed): void {
    this.#changed.set(key, changed)
  }

  /** What the range has changed, in the order in which it did so first. */
  get changed(): ReadonlyMap<string, Changed> {
    return this.#changed
  }

  /** What the range has changed is stored. @param lengths of their texts, in the order of `changed` */
  keep(lengths: readonly number[], { statesMax, stateCharactersMax }: StatesLimits): void {
    let index = 0
    for (const [key, { state }] of this.#changed) this.#put(key, { state, length: lengths[index++]! })
    this.#changed.clear()
    for (const key of this.#kept.keys()) {
      if (this.#kept.size <= statesMax && this.#characters <= stateCharactersMax) return
      this.#drop(key)
      this.#isComplete = false
    }
  }

  #put(key: string, kept: Kept): void {
    this.#drop(key)
    this.#kept.set(key, kept)
    this.#characters += kept.length
  }

  #drop(key: string): void {
    const kept = this.#kept.get(key)
    if (kept === undefined) return
    this.#characters -= kept.length
    this.#kept.delete(key)
  }
}
