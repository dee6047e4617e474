/**
 * The states of one partition in memory: as they are after the event that the mark names, and further where a range under way
 * has changed them. What is not stored in the end is forgotten together with all the rest.
 *
 * A state lives until its key's next event, which may be a hundred thousand others later: as an object it would be copied
 * twice by the collector, and be let go among old ones. So a state that rests is the bytes that are stored of it, one
 * behind the other in memory that the collector does not look into; it is an object while events in turn change it.
 */
import type { StateValue } from '../../code-projection.ts'
import { RowBytes } from '../values/row-bytes.ts'
import { putState, StateReader } from '../values/state-bytes.ts'

/** A state, as the range under way has made it so far. */
export interface Entry {
  readonly key: string
  /** Undefined: its bytes say it, or no event has changed it yet. */
  state: StateValue | undefined
  /** Where its bytes begin; -1: they are not kept. */
  at: number
  /** Bytes that are its own there. */
  room: number
  /** Bytes that it takes as it is stored, when they were last made. */
  bytes: number
  /** Where the event stands in its range that changed it last. */
  place: number
  /** The higher, the later a range changed it last. */
  changedLast: number
  isChanged: boolean
}

/** How many states are kept in memory, and how many bytes they take together as they are stored. Others are asked for anew. */
export interface StatesLimits {
  readonly statesMax: number
  readonly stateBytesMax: number
}

/** A larger state stays an object: to make its bytes again and again would cost more than the collector does. */
const RESTING_BYTES_MAX = 4_096
/** Bytes that are no state's any more, beyond as many as are: then all states move to new memory. */
const LEFT_BYTES_MAX = 1 << 20
/** The room of a state is a multiple of this, and half as much again as it takes: most grow a little, and stay where they are. */
const ROOM_BYTES = 16

export class PartitionStates {
  /** Every state that is not here is the initial one: nothing has ever been stored that is not in memory. */
  #isComplete: boolean
  readonly #entries = new Map<string, Entry>()
  #changed: Entry[] = []
  /** Keys that this range needs, and whose states have to be asked for. */
  #unknown: string[] = []
  /** Of all states, as they are stored. */
  #bytes = 0
  /** Rooms of those that rest. */
  #roomBytes = 0
  #resting = new RowBytes()
  #reader = new StateReader(this.#resting.bytes)
  #changes = 0

  /** @param isComplete no state of the partition has been stored yet */
  constructor(isComplete: boolean) {
    this.#isComplete = isComplete
  }

  /** What is kept of a key, after what has been done so far; before its `load`, where that is still to come, nothing. */
  get(key: string): Entry {
    let entry = this.#entries.get(key)
    if (entry === undefined) {
      entry = { key, state: undefined, at: -1, room: 0, bytes: 0, place: 0, changedLast: 0, isChanged: false }
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

  /** Takes in a state that has been asked for, as it is stored. */
  load(key: string, bytes: Uint8Array): void {
    const start = this.#resting.length
    this.#resting.copy(bytes, 0, bytes.length)
    this.#rests(this.get(key), start, start)
  }

  /** The state of an entry; undefined: no event has changed it yet. @throws StateError if what was stored is none */
  stateOf({ state, at, bytes }: Entry): StateValue | undefined {
    if (state !== undefined || at < 0) return state
    if (this.#reader.bytes !== this.#resting.bytes) this.#reader = new StateReader(this.#resting.bytes)
    return this.#reader.state(at, at + bytes)
  }

  change(entry: Entry, state: StateValue, place: number): void {
    entry.state = state
    entry.place = place
    if (entry.isChanged) return
    entry.isChanged = true
    entry.changedLast = ++this.#changes
    this.#changed.push(entry)
  }

  /** Puts a changed state to rest, if it is small. @returns bytes that it takes @throws StateError if it is no state */
  rest(entry: Entry): number {
    if (entry.state === undefined || entry.bytes > RESTING_BYTES_MAX) return entry.bytes
    const resting = this.#resting
    const before = resting.length
    const bytes = putState(resting, entry.state)
    if (bytes <= RESTING_BYTES_MAX) {
      this.#rests(entry, before, resting.length - bytes)
      entry.state = undefined
    } else {
      resting.cutTo(before)
      this.#leaves(entry)
      this.#takes(entry, bytes)
    }
    return bytes
  }

  /** Writes a state behind the length of its bytes. @returns their number @throws StateError if it is none */
  put(out: RowBytes, entry: Entry): number {
    if (entry.state === undefined) out.sized(this.#resting.bytes, entry.at, entry.at + entry.bytes)
    else this.#takes(entry, putState(out, entry.state))
    return entry.bytes
  }

  /** Gives an entry the bytes that have been written last, from `start` on; what was written since `before` is all its own. */
  #rests(entry: Entry, before: number, start: number): void {
    const resting = this.#resting
    const bytes = resting.length - start
    this.#takes(entry, bytes)
    if (bytes <= entry.room) {
      resting.move(start, entry.at)
      return resting.cutTo(before)
    }
    this.#leaves(entry)
    entry.at = start
    entry.room = Math.ceil((bytes * 1.5) / ROOM_BYTES) * ROOM_BYTES
    resting.leave(entry.room - bytes)
    this.#roomBytes += entry.room
    if (resting.length > 2 * this.#roomBytes + LEFT_BYTES_MAX) this.#moveAll()
  }

  #takes(entry: Entry, bytes: number): void {
    this.#bytes += bytes - entry.bytes
    entry.bytes = bytes
  }

  #leaves(entry: Entry): void {
    this.#roomBytes -= entry.room
    entry.at = -1
    entry.room = 0
  }

  /** Moves what rests to new memory, without what states have left behind. */
  #moveAll(): void {
    const { bytes } = this.#resting
    const moved = new RowBytes(2 * this.#roomBytes + LEFT_BYTES_MAX)
    for (const entry of this.#entries.values()) {
      if (entry.at < 0) continue
      const start = entry.at
      entry.at = moved.length
      moved.copy(bytes, start, start + entry.room)
    }
    this.#resting = moved
  }

  /** What the range has changed, in the order in which it did so first. If it cannot be stored, all of this is forgotten. */
  get changed(): readonly Entry[] {
    return this.#changed
  }

  /** What the range has changed is stored. */
  keep(limits: StatesLimits): void {
    for (const entry of this.#changed) entry.isChanged = false
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
    for (const entry of oldestFirst) {
      if (!this.#isOver(limits)) return
      this.#entries.delete(entry.key)
      this.#leaves(entry)
      this.#takes(entry, 0)
      this.#isComplete = false
    }
  }
}
