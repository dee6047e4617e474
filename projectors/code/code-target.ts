/**
 * The target of a code projection: an author's functions over each range, their rows and states stored exactly once.
 *
 * **The law.** A range is stored in three steps, each durable before the next: its rows, its states, its checkpoint (by the
 * pump). The states of a range, with the *mark* that names its last event, are one insert of one block into one part: all of
 * them are there, or none. So at any moment the state table of a partition holds the states as they were after one event,
 * the one that the mark names; and every row of the events up to there is stored, because rows come first. Hence:
 *
 * - An event up to the mark is done with. It is neither folded nor projected again, however it comes again.
 * - An event behind the mark is folded from the states at the mark. Its rows may be there already, from a range that ended
 *   before its states did; they are made again from the same states, hence are equal, and replace themselves.
 * - A range may begin anywhere up to the mark + 1, and may be cut in other places than before: only what is behind the mark
 *   counts. A range that begins later means that states are lost, and stops the projection.
 * - A second runtime, forgotten and slow, stores states of its own cut. Each of its inserts takes the states from one event to
 *   a later one, and the newest of each key counts; so the table is at the highest mark that anybody has stored, and what a
 *   third reads there is right. Who finds the table beyond his own mark forgets his states and goes on from the table's.
 *
 * A projection without states has no mark: its rows follow from each event alone.
 */
import { OutageError } from '../clickhouse/view-store.ts'
import type { Range } from '../runtime/lanes/range.ts'
import { EventFault, type Target } from '../runtime/lanes/target.ts'
import { AuthorFault, type Author, type Made, type StoredStates } from './author/port.ts'
import type { Rows } from './rows-store.ts'
import type { DeclaredCode } from './tables.ts'

export interface CodeTargetOptions {
  readonly projection: DeclaredCode
  readonly rows: Rows
  readonly author: Author
}

/** Somebody else has stored states of a later event. */
class MovedOnError extends Error {
  override readonly name = 'MovedOnError'
}

/** Times that a range is begun anew because somebody else goes on with the same states; then he is left to it. */
const MOVES_MAX = 10

export class CodeTarget implements Target {
  readonly #options: CodeTargetOptions
  /** Of each partition the mark that the author's states are at; missing: it has to be read. */
  readonly #marks = new Map<number, bigint>()
  /** What was made of a range that could not be stored yet, by partition: it is asked for again with the same bytes. */
  readonly #made = new Map<number, { readonly range: Range; readonly made: Made }>()

  constructor(options: CodeTargetOptions) {
    this.#options = options
  }

  get parts(): readonly string[] {
    return this.#options.rows.tables
  }

  /** @throws OutageError; ProjectionLoadError */
  async prepare(): Promise<void> {
    await this.#options.rows.prepare()
    await this.#options.author.start()
  }

  async write(range: Range): Promise<void> {
    const { partition } = range.checkpoint
    try {
      await this.#write(partition, range)
    } catch (error) {
      // Another range may come next, or a process that has stored more: the mark is asked for anew.
      if (!(error instanceof OutageError)) this.#forget(partition)
      if (error instanceof AuthorFault)
        throw new EventFault(partition, error.sequence, error.message, { cause: error })
      throw error
    }
  }

  async stop(): Promise<void> {
    await this.#options.author.stop()
  }

  async #write(partition: number, range: Range): Promise<void> {
    const { rows, author } = this.#options
    const made = await this.#madeOf(partition, range)
    if (made === undefined) return
    this.#made.set(partition, { range, made })
    await rows.insertRows(made.rows)
    if (made.states !== undefined) {
      await rows.insertStates(made.states)
      this.#marks.set(partition, range.last)
    }
    this.#made.delete(partition)
    author.keep(partition)
  }

  /** What the range makes behind the mark; undefined if it is done with. */
  async #madeOf(partition: number, range: Range): Promise<Made | undefined> {
    const before = this.#made.get(partition)
    if (before?.range === range) return before.made
    this.#made.delete(partition)
    for (let moves = 0; ; moves++) {
      try {
        return await this.#run(partition, range)
      } catch (error) {
        if (!(error instanceof MovedOnError) || moves === MOVES_MAX) throw error
        this.#forget(partition)
      }
    }
  }

  async #run(partition: number, range: Range): Promise<Made | undefined> {
    const { author, projection, rows } = this.#options
    const bytes = joined(range.payloads)
    if (!projection.isStateful)
      return author.run({ partition, bytes, after: range.first - 1n, last: range.last }, noStates)
    const known = this.#marks.get(partition)
    const mark = known ?? (await rows.mark(partition))
    if (mark >= range.last) return undefined
    if (mark + 1n < range.first)
      throw new Error(
        `the states of ${projection.name} end at ${partition}:${mark}, the range begins at ${range.first}: what lies between is lost, and only a rebuild brings it back`,
      )
    this.#marks.set(partition, mark)
    const work = { partition, bytes, after: mark, last: range.last }
    const load = (keys: readonly string[]): Promise<StoredStates> => this.#load(partition, mark, keys)
    if (known !== undefined) return author.run(work, load)
    return author.run({ ...work, states: mark === 0n ? 'none are stored' : 'some are stored' }, load)
  }

  async #load(partition: number, mark: bigint, keys: readonly string[]): Promise<StoredStates> {
    const stored = await this.#options.rows.states(partition, keys)
    if (stored.mark > mark || stored.newest > mark)
      throw new MovedOnError(
        `somebody else has stored states of partition ${partition} up to ${stored.mark}, beyond ${mark}`,
      )
    if (stored.mark < mark)
      throw new Error(
        `the states of partition ${partition} were stored up to ${mark}, and are there up to ${stored.mark}: they have been lost`,
      )
    return stored.states
  }

  #forget(partition: number): void {
    this.#marks.delete(partition)
    this.#made.delete(partition)
  }
}

const noStates = (): Promise<StoredStates> => Promise.resolve(new Map())

/** The rows of all frames, one behind the other. */
function joined(payloads: readonly Uint8Array[]): Uint8Array {
  return payloads.length === 1 ? payloads[0]! : Buffer.concat(payloads)
}
