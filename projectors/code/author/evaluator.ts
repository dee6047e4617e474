/** Runs the functions of a code projection over a range: events in order, states folded, rows checked and encoded. */
import type { CodeProjection, CodeTables, ProjectionEvent, StateValue } from '../../code-projection.ts'
import { EventRows, type EventRow } from '../values/event-row.ts'
import { RowBytes } from '../values/row-bytes.ts'
import { StateError } from '../values/state-text.ts'
import { RowError, TablesRows, told, type MadeRows } from '../values/table-rows.ts'
import { PartitionStates, type Entry, type StatesLimits } from './partition-states.ts'
import { AuthorFault, type Made, type StoredStates, type Work } from './port.ts'
import { thrownBy } from './thrown.ts'

/** Keys that one event changes, at most, and characters of a key. */
const KEYS_PER_EVENT_MAX = 64
const KEY_CHARACTERS_MAX = 512
/** Bytes of one state, at most. */
const STATE_BYTES_MAX = 1 << 20
/** Bytes of the rows and states that one range makes, at most. */
const MADE_BYTES_MAX = 512 * 1024 * 1024

/** What an evaluator tells while an author's functions run. */
export interface Watch {
  /** The functions are about to be called for this event. */
  at(sequence: bigint): void
  /** No function of the author's runs until the next `at`. */
  idle(): void
  /** Waits a turn behind each event, so that what its functions left behind comes to light before the next one. */
  readonly turn?: (() => Promise<void>) | undefined
}

type AnyCode = CodeProjection<CodeTables>

const NO_STATES: ReadonlyMap<string, StateValue> = new Map()

/** Events whose states are looked up before the first of them is folded: few enough to be in the processor's caches still. */
const BATCH_EVENTS = 512

/** Events, and which states they change, in one list for all of them. */
interface Batch {
  readonly events: EventRow[]
  readonly entries: Entry[]
  /** For each event, where its own states end in the list: they begin where those of the event before end. */
  readonly ends: number[]
}

export class Evaluator {
  readonly #projection: AnyCode
  readonly #limits: StatesLimits
  readonly #watch: Watch
  readonly #tables: TablesRows
  readonly #states = new Map<number, PartitionStates>()

  constructor(projection: AnyCode, limits: StatesLimits, watch: Watch) {
    this.#projection = projection
    this.#limits = limits
    this.#watch = watch
    this.#tables = new TablesRows(projection.tables)
  }

  /** As `Author.run`. */
  async run(work: Work, load: (keys: readonly string[]) => Promise<StoredStates>): Promise<Made> {
    const { partition } = work
    if (work.states !== undefined)
      this.#states.set(partition, new PartitionStates(work.states === 'none are stored'))
    const states = this.#statesOf(partition)
    this.#tables.clear()
    try {
      const rows = new EventRows(work.bytes)
      const places = rows.placesBehind(work.after)
      for (let done = 0; done < places.length;) {
        const batch: Batch = { events: [], entries: [], ends: [] }
        let end = Math.min(done + BATCH_EVENTS, places.length)
        await this.#gather(batch, rows, places, done, end, states)
        if (states.areUnknown) {
          // What all that is left of the range needs is asked for in one go.
          if (end < places.length) await this.#gather(batch, rows, places, end, places.length, states)
          end = places.length
          this.#watch.idle()
          for (const [key, bytes] of await load(states.takeUnknown())) states.load(key, bytes)
        }
        await this.#take(work, batch, rows, places.slice(done, end), states)
        done = end
      }
      const stored = this.#projection.keysOf === undefined ? undefined : this.#encode(work, states, rows)
      return { rows: this.#tables.take(), states: stored }
    } catch (error) {
      this.#states.set(partition, new PartitionStates(false))
      throw error
    } finally {
      this.#watch.idle()
    }
  }

  /** As `Author.keep`. */
  keep(partition: number): void {
    const share = this.#states.size
    this.#states.get(partition)?.keep({
      statesMax: Math.ceil(this.#limits.statesMax / share),
      stateBytesMax: Math.ceil(this.#limits.stateBytesMax / share),
    })
  }

  /** Those of the partition that are stored, as far as they are known; nothing of a run whose states were not. */
  #statesOf(partition: number): PartitionStates {
    const known = this.#states.get(partition)
    if (known?.changed.length === 0) return known
    // An author who changes a state in place has changed those in memory: what is stored is as it was.
    const states = new PartitionStates(false)
    this.#states.set(partition, states)
    return states
  }

  /** Adds events to a batch, and the states that they change: none where the projection keeps none. */
  async #gather(
    { events, entries, ends }: Batch,
    rows: EventRows,
    places: readonly number[],
    from: number,
    end: number,
    states: PartitionStates,
  ): Promise<void> {
    const projection = this.#projection
    const { turn } = this.#watch
    for (let index = from; index < end; index++) {
      const event = rows.at(places[index]!)
      events.push(event)
      if (projection.keysOf === undefined) continue
      this.#watch.at(event.sequence)
      const keys = calling(event, 'keysOf', () => projection.keysOf!(event))
      const wrong = wrongKeys(keys)
      if (wrong !== undefined) throw new AuthorFault(event.sequence, `keysOf gave ${wrong}`)
      for (const key of keys) entries.push(states.get(key))
      ends.push(entries.length)
      if (turn !== undefined) await turn()
    }
  }

  /** Folds and projects a batch. */
  async #take(
    { partition }: Work,
    { events, entries, ends }: Batch,
    rows: EventRows,
    places: readonly number[],
    states: PartitionStates,
  ): Promise<void> {
    const { turn } = this.#watch
    const tables = this.#tables
    let from = 0
    let rested = 0
    for (let index = 0; index < events.length; index++) {
      const event = events[index]!
      const { sequence } = event
      const end = ends[index] ?? 0
      this.#watch.at(sequence)
      const after = from === end ? NO_STATES : this.#fold(states, event, places[index]!, entries, from, end)
      from = end
      const made: unknown = calling(event, 'project', () => this.#projection.project(event, after))
      try {
        tables.add(partition, sequence, made)
      } catch (error) {
        if (error instanceof RowError) throw new AuthorFault(sequence, error.message)
        throw new AuthorFault(sequence, `the rows that project gave: ${thrownBy(error)}`)
      }
      if (tables.bytes > MADE_BYTES_MAX)
        throw new AuthorFault(sequence, `the rows of its range take more than ${MADE_BYTES_MAX >> 20} MiB`)
      if (turn !== undefined) await turn()
      if ((index + 1) % BATCH_EVENTS !== 0 && index + 1 !== events.length) continue
      for (; rested < end; rested++) this.#rest(states, entries[rested]!, rows)
    }
  }

  /** A state that is none, or is too large, is told at the event that made it. */
  #rest(states: PartitionStates, entry: Entry, rows: EventRows): void {
    if (entry.state === undefined) return
    const sequence = rows.sequenceAt(entry.place)
    this.#watch.at(sequence)
    sized(entry.key, sequence, () => states.rest(entry))
  }

  #fold(
    states: PartitionStates,
    event: EventRow,
    place: number,
    entries: readonly Entry[],
    from: number,
    end: number,
  ): ReadonlyMap<string, StateValue> {
    const projection = this.#projection
    const after = new Map<string, StateValue>()
    for (let at = from; at < end; at++) {
      const entry = entries[at]!
      const { key } = entry
      const before = states.stateOf(entry) ?? calling(event, 'initial', () => projection.initial!(key))
      const state = calling(event, 'fold', () => projection.fold!(before, event, key))
      if (state === undefined) throw new AuthorFault(event.sequence, `fold gave no state for the key ${told(key)}`)
      states.change(entry, state, place)
      after.set(key, state)
    }
    return after
  } // prettier-ignore

  /** Rows of the state table: what the range has changed, and the mark behind it. */
  #encode({ partition, last }: Work, states: PartitionStates, rows: EventRows): MadeRows {
    const out = new RowBytes()
    const { changed } = states
    for (const entry of changed) {
      const { key } = entry
      const sequence = rows.sequenceAt(entry.place)
      if (entry.state !== undefined) this.#watch.at(sequence)
      putPlace(out, partition, key, sequence)
      sized(key, sequence, () => states.put(out, entry))
      if (out.length > MADE_BYTES_MAX)
        throw new AuthorFault(
          sequence,
          `the states that its range changes take more than ${MADE_BYTES_MAX >> 20} MiB`,
        )
    }
    putPlace(out, partition, MARK_KEY, last)
    out.text('')
    return { table: '', count: changed.length + 1, bytes: out.take() }
  }
}

/** The key of the mark. No state has it. */
export const MARK_KEY = ''

/** What stands in front of a state in its row. */
function putPlace(out: RowBytes, partition: number, key: string, sequence: bigint): void {
  out.whole(partition, 2)
  out.text(key)
  out.u64(sequence)
}

/** Makes the bytes of a state. @param make returns their number @throws AuthorFault if it is none, or takes too many */
function sized(key: string, sequence: bigint, make: () => number): void {
  let bytes: number
  try {
    bytes = make()
  } catch (error) {
    const why = error instanceof StateError ? error.message : thrownBy(error)
    throw new AuthorFault(sequence, `the state of the key ${told(key)}: ${why}`)
  }
  if (bytes > STATE_BYTES_MAX)
    throw new AuthorFault(
      sequence,
      `the state of the key ${told(key)} takes ${bytes} bytes: ${STATE_BYTES_MAX} at most`,
    )
}

/** Calls a function of the author's for an event. @throws AuthorFault with what it threw, and where */
export function calling<Result>(event: ProjectionEvent, name: string, call: () => Result): Result {
  try {
    return call()
  } catch (error) {
    throw new AuthorFault(event.sequence, `${name} threw: ${thrownBy(error)}`)
  }
}

/** What is wrong with the keys of an event, if anything is. */
function wrongKeys(keys: unknown): string | undefined {
  if (!Array.isArray(keys)) return `${told(keys)}, not a list of keys`
  if (keys.length > KEYS_PER_EVENT_MAX)
    return `${keys.length} keys for one event: ${KEYS_PER_EVENT_MAX} at most`
  for (let index = 0; index < keys.length; index++) {
    const key: unknown = keys[index]
    if (typeof key !== 'string' || key === '' || key.length > KEY_CHARACTERS_MAX || !key.isWellFormed())
      return `${told(key)}: a key is a well-formed text of 1 to ${KEY_CHARACTERS_MAX} characters`
    if (keys.indexOf(key) !== index) return `the key ${told(key)} twice`
  }
  return undefined
}
