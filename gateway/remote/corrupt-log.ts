/** Stands for the log of a partition that is corrupt and cannot be followed. Every reader gets the error at once. */
import type { EventLog, LogHead } from '../../eventlog/ports.ts'
import { emptyHead } from '../../eventlog/reader-rule.ts'
import type { Frame } from '../../schemas/frames.ts'
import type { RemoteLog } from './remote-writer.ts'

export class CorruptLog implements RemoteLog {
  readonly partition: number
  readonly #failure: Error

  constructor(partition: number, failure: Error) {
    this.partition = partition
    this.#failure = failure
  }

  head(): LogHead {
    return emptyHead(this.partition)
  }

  currentHead(): Promise<LogHead> {
    return Promise.reject(this.#failure)
  }

  endSequence(): bigint {
    return this.head().sequence
  }

  read(): AsyncIterable<Frame> {
    return this.#failing()
  }

  tail(): AsyncIterable<Frame> {
    return this.#failing()
  }

  logOffsetOf(): ReturnType<EventLog['logOffsetOf']> {
    return undefined
  }

  onFailure(listener: (failure: Error) => void): void {
    listener(this.#failure)
  }

  close(): void {
    // Nothing is open.
  }

  #failing(): AsyncIterable<Frame> {
    const failure = this.#failure
    return { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(failure) }) }
  }
}
