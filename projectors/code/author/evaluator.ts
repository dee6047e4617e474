/** Runs the functions of a code projection over a range: events in order, states folded, rows checked and encoded. */
import type { CodeProjection, CodeTables, ProjectionEvent, StateValue } from '../../code-projection.ts'
import { EventRows, type EventRow } from '../values/event-row.ts'
import { RowBytes } from '../values/row-bytes.ts'
import { parseState, StateError, stateText } from '../values/state-text.ts'
import { RowError, TablesRows, told, type MadeRows } from '../values/table-rows.ts'
import { PartitionStates, type StatesLimits } from './partition-states.ts'
import { AuthorFault, type Made, type StoredStates, type Work } from './port.ts'
import { thrownBy } from './thrown.ts'

/** Keys that one event changes, at most, and characters of a key. */
const KEYS_PER_EVENT_MAX = 64
const KEY_CHARACTERS_MAX = 512
/** Characters of one state's text, at most. */
const STATE_CHARACTERS_MAX = 1 << 20
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

const NO_KEYS: readonly string[] = []
const NO_STATES: ReadonlyMap<string, StateValue> = new Map()

export class Evaluator {
  readonly #projection: AnyCode
  readonly #limits: StatesLimits
  readonly #watch: Watch
  readonly #tables: TablesRows
  readonly #states = new Map<number, PartitionStates>()
  /** Lengths of the texts of the states that the last run of a partition changed. */
  readonly #lengths = new Map<number, readonly number[]>()

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
      const events = new EventRows(work.bytes).behind(work.after)
      const keys = await this.#keysOf(events)
      await this.#load(states, keys, load)
      const { turn } = this.#watch
      for (let index = 0; index < events.length; index++) {
        this.#take(work, states, events[index]!, keys[index] ?? NO_KEYS)
        if (turn !== undefined) await turn()
      }
      const stored = this.#projection.keysOf === undefined ? undefined : this.#encode(work, states)
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
    this.#states.get(partition)?.keep(this.#lengths.get(partition) ?? [], {
      statesMax: Math.ceil(this.#limits.statesMax / share),
      stateCharactersMax: Math.ceil(this.#limits.stateCharactersMax / share),
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

  /** The keys of each event; none at all where the projection keeps no states. */
  async #keysOf(events: readonly EventRow[]): Promise<readonly (readonly string[])[]> {
    const projection = this.#projection
    const { turn } = this.#watch
    const all: (readonly string[])[] = []
    if (projection.keysOf === undefined) return all
    for (const event of events) {
      this.#watch.at(event.sequence)
      const keys = calling(event, 'keysOf', () => projection.keysOf!(event))
      const wrong = wrongKeys(keys)
      if (wrong !== undefined) throw new AuthorFault(event.sequence, `keysOf gave ${wrong}`)
      all.push(keys)
      if (turn !== undefined) await turn()
    }
    return all
  }

  async #load(
    states: PartitionStates,
    keysOfEvents: readonly (readonly string[])[],
    load: (keys: readonly string[]) => Promise<StoredStates>,
  ): Promise<void> {
    const unknown = new Set<string>()
    for (const keys of keysOfEvents) for (const key of keys) if (states.isUnknown(key)) unknown.add(key)
    if (unknown.size === 0) return
    this.#watch.idle()
    const stored = await load([...unknown])
    for (const [key, text] of stored) states.load(key, parseState(text), text.length)
  }

  #take(work: Work, states: PartitionStates, event: EventRow, keys: readonly string[]): void {
    const { sequence } = event
    this.#watch.at(sequence)
    const after = keys.length === 0 ? NO_STATES : this.#fold(states, event, keys)
    const made: unknown = calling(event, 'project', () => this.#projection.project(event, after))
    try {
      this.#tables.add(work.partition, sequence, made)
    } catch (error) {
      if (error instanceof RowError) throw new AuthorFault(sequence, error.message)
      throw new AuthorFault(sequence, `the rows that project gave: ${thrownBy(error)}`)
    }
    if (this.#tables.bytes > MADE_BYTES_MAX)
      throw new AuthorFault(sequence, `the rows of its range take more than ${MADE_BYTES_MAX >> 20} MiB`)
  }

  #fold(states: PartitionStates, event: EventRow, keys: readonly string[]): ReadonlyMap<string, StateValue> {
    const { sequence } = event
    const projection = this.#projection
    const after = new Map<string, StateValue>()
    for (const key of keys) {
      const entry = states.get(key)
      const before =
        entry.state === undefined ? calling(event, 'initial', () => projection.initial!(key)) : entry.state
      const state = calling(event, 'fold', () => projection.fold!(before, event, key))
      if (state === undefined) throw new AuthorFault(sequence, `fold gave no state for the key ${told(key)}`)
      states.change(entry, state, sequence)
      after.set(key, state)
    }
    return after
  }

  /** Rows of the state table: what the range has changed, and the mark behind it. */
  #encode({ partition, last }: Work, states: PartitionStates): MadeRows {
    const out = new RowBytes()
    const lengths: number[] = []
    const put = (key: string, sequence: bigint, text: string): void => {
      out.whole(partition, 2)
      out.text(key)
      out.u64(sequence)
      out.text(text)
    }
    for (const { key, sequence, state } of states.changed) {
      this.#watch.at(sequence)
      const text = textOf(key, sequence, state!)
      lengths.push(text.length)
      put(key, sequence, text)
      if (out.length > MADE_BYTES_MAX)
        throw new AuthorFault(
          sequence,
          `the states that its range changes take more than ${MADE_BYTES_MAX >> 20} MiB`,
        )
    }
    put(MARK_KEY, last, '')
    this.#lengths.set(partition, lengths)
    return { table: '', count: lengths.length + 1, bytes: out.take() }
  }
}

/** The key of the mark. No state has it. */
export const MARK_KEY = ''

function textOf(key: string, sequence: bigint, state: StateValue): string {
  let text: string
  try {
    text = stateText(state)
  } catch (error) {
    const why = error instanceof StateError ? error.message : thrownBy(error)
    throw new AuthorFault(sequence, `the state of the key ${told(key)}: ${why}`)
  }
  if (text.length > STATE_CHARACTERS_MAX)
    throw new AuthorFault(
      sequence,
      `the state of the key ${told(key)} has ${text.length} characters: ${STATE_CHARACTERS_MAX} at most`,
    )
  return text
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
