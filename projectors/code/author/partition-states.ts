/**
 * The states of one partition in memory: as they are after the event that the mark names, and further where a range under way
 * has changed them. What is not stored in the end is forgotten together with all the rest.
 */
import type { StateValue } from '../../code-projection.ts'

/** A state, as the range under way has made it so far. */
export interface Entry {
  readonly key: string
  /** Undefined: no event has changed it yet. */
  state: StateValue | undefined
  /** The last event of the range that changed it. */
  sequence: bigint
  /** Length of its text as it is stored. */
  length: number
  isChanged: boolean
}

/** How many states are kept in memory, and how long their texts are together. Others are asked for anew. */
export interface StatesLimits {
  readonly statesMax: number
  readonly stateCharactersMax: number
}

export class PartitionStates {
  /** Every state that is not here is the initial one: nothing has ever been stored that is not in memory. */
  #isComplete: boolean
  /** By key; those used last stand last. */
  readonly #entries = new Map<string, Entry>()
  #changed: Entry[] = []
  #characters = 0

  /** @param isComplete no state of the partition has been stored yet */
  constructor(isComplete: boolean) {
    this.#isComplete = isComplete
  }

  /** True if the state has to be asked for before it can be read. */
  isUnknown(key: string): boolean {
    return !this.#isComplete && !this.#entries.has(key)
  }

  /** Takes in a state that has been asked for. @param length of its text */
  load(key: string, state: StateValue, length: number): void {
    this.#entries.set(key, { key, state, sequence: 0n, length, isChanged: false })
    this.#characters += length
  }

  /** The state of a key after what has been done so far. */
  get(key: string): Entry {
    let entry = this.#entries.get(key)
    if (entry === undefined) {
      entry = { key, state: undefined, sequence: 0n, length: 0, isChanged: false }
      this.#entries.set(key, entry)
    }
    return entry
  }

  change(entry: Entry, state: StateValue, sequence: bigint): void {
    entry.state = state
    entry.sequence = sequence
    if (entry.isChanged) return
    entry.isChanged = true
    this.#changed.push(entry)
  }

  /** What the range has changed, in the order in which it did so first. If it cannot be stored, all of this is forgotten. */
  get changed(): readonly Entry[] {
    return this.#changed
  }

  /** What the range has changed is stored. @param lengths of their texts, in the order of `changed` */
  keep(lengths: readonly number[], { statesMax, stateCharactersMax }: StatesLimits): void {
    for (const [index, entry] of this.#changed.entries()) {
      this.#characters += lengths[index]! - entry.length
      entry.length = lengths[index]!
      entry.isChanged = false
      this.#entries.delete(entry.key)
      this.#entries.set(entry.key, entry)
    }
    this.#changed = []
    for (const [key, { length }] of this.#entries) {
      if (this.#entries.size <= statesMax && this.#characters <= stateCharactersMax) return
      this.#entries.delete(key)
      this.#characters -= length
      this.#isComplete = false
    }
  }
}
