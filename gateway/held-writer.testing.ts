/** A writer of which nothing is heard while a test holds it: what it has taken stays under way. */
import type { EventLog } from '../eventlog/ports.ts'
import type { Frame } from '../schemas/frames.ts'
import type { Writer } from '../writer/writer.ts'

export class HeldWriter {
  /** For a gateway; the one behind it goes on. */
  readonly writer: Writer
  #going: Promise<void> = Promise.resolve()
  #goOn: () => void = () => undefined

  constructor(writer: Writer) {
    const { log } = writer
    const tail = (from: bigint, signal: AbortSignal): AsyncIterable<Frame> => this.#tail(log, from, signal)
    this.writer = {
      queue: writer.queue,
      log: {
        partition: log.partition,
        head: () => log.head(),
        currentHead: (signal) => log.currentHead(signal),
        endSequence: () => log.endSequence(),
        read: (from) => log.read(from),
        logOffsetOf: (...asked) => log.logOffsetOf(...asked),
        tail,
      },
      status: () => writer.status(),
      onFailure: (listener) => {
        writer.onFailure(listener)
      },
      stop: () => writer.stop(),
    }
  }

  /** From now on its frames wait, until `letGo`. */
  hold(): void {
    this.letGo()
    this.#going = new Promise((resolve) => (this.#goOn = resolve))
  }

  letGo(): void {
    this.#goOn()
  }

  async *#tail(log: EventLog, from: bigint, signal: AbortSignal): AsyncGenerator<Frame> {
    const aborted = new Promise((resolve) => {
      signal.addEventListener('abort', resolve, { once: true })
    })
    for await (const frame of log.tail(from, signal)) {
      await Promise.race([this.#going, aborted])
      if (signal.aborted) return
      yield frame
    }
  }
}
