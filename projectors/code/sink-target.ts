/**
 * The target of a sink projection: at least once, in order. What the sink has taken of a range is not handed over again while
 * this process lives; after a crash everything behind the checkpoint is.
 */
import { OutageError } from '../clickhouse/view-store.ts'
import type { Range } from '../runtime/lanes/range.ts'
import { EventFault, type Target } from '../runtime/lanes/target.ts'
import { SinkDown, type AuthorHandle } from './author/author-handle.ts'
import { AuthorFault } from './author/port.ts'

export class SinkTarget implements Target {
  /** A sink has no tables here. */
  readonly parts: readonly string[] = []
  readonly #author: AuthorHandle
  readonly #deadlineMs: number
  /** Up to where the sink has taken everything of the range under way, by partition. */
  readonly #taken = new Map<number, bigint>()

  /** @param deadlineMs time in which the sink has to take a delivery */
  constructor(author: AuthorHandle, deadlineMs: number) {
    this.#author = author
    this.#deadlineMs = deadlineMs
  }

  /** @throws ProjectionLoadError */
  prepare(): Promise<void> {
    return this.#author.start()
  }

  async write({ first, last, payloads, checkpoint: { partition } }: Range): Promise<void> {
    const taken = this.#taken.get(partition) ?? 0n
    if (taken >= last) return
    const after = taken >= first ? taken : first - 1n
    try {
      await this.#author.deliver(
        { partition, bytes: Buffer.concat(payloads), after, last },
        (upTo) => this.#taken.set(partition, upTo),
        this.#deadlineMs,
      )
    } catch (error) {
      if (error instanceof AuthorFault)
        throw new EventFault(partition, error.sequence, error.message, { cause: error })
      if (error instanceof SinkDown) throw new OutageError(error.message, { cause: error })
      throw error
    }
  }

  stop(): Promise<void> {
    return this.#author.stop()
  }
}
