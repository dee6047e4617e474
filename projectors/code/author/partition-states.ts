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
  /** Where the event stands in its range that changed it last. */
  place: number
  /** Bytes that it takes as it is stored. */
  bytes: number
  /** The higher, the later a range changed it last. */
  changedLast: number
  isChanged: boolean
}

/** How many states are kept in memory, and how many bytes they take together as they are stored. Others are asked for anew. */
export interface StatesLimits {
  readonly statesMax: number
  readonly stateBytesMax: number
}

export class PartitionStates {
  /** Every state that is not here is the initial one: nothing has ever been stored that is not in memory. */
  #isComplete: boolean
  readonly #entries = new Map<string, Entry>()
  #changed: Entry[] = []
  /** Keys that this range needs, and whose states have to be asked for. */
  #unknown: string[] = []
  #bytes = 0
  #changes = 0

  /** @param isComplete no state of the partition has been stored yet */
  constructor(isComplete: boolean) {
    this.#isComplete = isComplete
  }

  /** The state of a key after what has been done so far; before its `load`, where that is still to come, none. */
  get(key: string): Entry {
    let entry = this.#entries.get(key)
    if (entry === undefined) {
      entry = { key, state: undefined, place: 0, bytes: 0, changedLast: 0, isChanged: false }
      this.#entries.set(key, entry)
      if (!this.#isComplete) this.#unknown.push(key)
    }
    return entry
  }

  get areUnknown(): boolean {
    return this.#unknown.length > 0
  }

  /** Keys that were got and whose states have to be asked for: each is told once. */
  takeUnknown(): readonly string[] {
    const unknown = this.#unknown
    this.#unknown = []
    return unknown
  }

  /** Takes in a state that has been asked for. @param bytes that it takes as it is stored */
  load(key: string, state: StateValue, bytes: number): void {
    const entry = this.get(key)
    entry.state = state
    entry.bytes = bytes
    this.#bytes += bytes
  }

  change(entry: Entry, state: StateValue, place: number): void {
    entry.state = state
    entry.place = place
    if (entry.isChanged) return
    entry.isChanged = true
    entry.changedLast = ++this.#changes
    this.#changed.push(entry)
  }

  /** What the range has changed, in the order in which it did so first. If it cannot be stored, all of this is forgotten. */
  get changed(): readonly Entry[] {
    return this.#changed
  }

  /** What the range has changed is stored. @param bytes that each of them takes, in the order of `changed` */
  keep(bytes: readonly number[], limits: StatesLimits): void {
    for (const [index, entry] of this.#changed.entries()) {
      this.#bytes += bytes[index]! - entry.bytes
      entry.bytes = bytes[index]!
      entry.isChanged = false
    }
    this.#changed = []
    if (this.#isOver(limits)) this.#forgetOldest(limits)
  }

  #isOver({ statesMax, stateBytesMax }: StatesLimits): boolean {
    return this.#entries.size > statesMax || this.#bytes > stateBytesMax
  }

  /** Forgets those that were not changed for the longest, until the others fit. Their order is made up now: mostly all fit. */
  #forgetOldest(limits: StatesLimits): void {
    const oldestFirst = [...this.#entries.values()].sort(
      (left, right) => left.changedLast - right.changedLast,
    )
    for (const { key, bytes } of oldestFirst) {
      if (!this.#isOver(limits)) return
      this.#entries.delete(key)
      this.#bytes -= bytes
      this.#isComplete = false
    }
  }
}
