/**
 * A writer in another process, as a gateway sees it: commands go into its queue, and events come out of its log. The
 * gateway does not know which process holds the partition, or whether any does. Commands wait in the queue until they
 * are consumed.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf } from '../../schemas/errors.ts'
import type { Consumed } from '../../eventlog/queue/offer-offsets.ts'
import type { CommandQueue, EventLog } from '../../eventlog/ports.ts'
import type { Writer, WriterStatus } from '../../writer/writer.ts'

/** A queue whose consumer is another process. */
export interface RemoteQueue extends CommandQueue {
  /** Frees the memory of commands that a frame, or the head of the log, has consumed. */
  consumed(frame: Consumed): void
  /** Checks which topic is there now. */
  look(): Promise<void>
  /** Why nothing is taken now, as a sentence; undefined: commands are taken. */
  outage(): string | undefined
  stop(): void
  /** Resolves when every offer that was taken knows where it is stored, or that this is not known. */
  settled(): Promise<void>
  close(): void
}

/** A log that another process writes. */
export interface RemoteLog extends EventLog {
  /** Calls the listener once if the log can no longer be followed. */
  onFailure(listener: (failure: Error) => void): void
  close(): void
}

/** How long a stop waits for offers on their way, in ms. */
const SETTLE_MS_MAX = 5_000
/** Interval between checks of the commands topic, in ms. */
const LOOK_EVERY_MS = 1_000

export class RemoteWriter implements Writer {
  readonly queue: RemoteQueue
  readonly log: RemoteLog
  readonly #outages: () => readonly string[]
  readonly #over = new AbortController()
  #failure: string | undefined
  #stopping: Promise<void> | undefined
  #listeners: ((reason: string) => void)[] = []

  /**
   * Takes over queue and log, and closes them at the end.
   * @param outages sentences about what does not answer the queue or the log now
   */
  constructor(queue: RemoteQueue, log: RemoteLog, outages: () => readonly string[]) {
    this.queue = queue
    this.log = log
    this.#outages = outages
    log.onFailure((failure) => this.#fail(failure.message))
    void this.#keepLooking()
    // A log that ends or breaks rejects.
    this.#follow().catch((error: unknown) => this.#fail(messageOf(error)))
  }

  /** Accounts, holds and snapshots are known to the writer's own process only. */
  status(): WriterStatus {
    const outage = this.queue.outage() ?? this.#outages()[0]
    const failure = this.#failure ?? (outage === undefined ? undefined : withoutStop(outage))
    return {
      state: this.#state(outage !== undefined),
      failure,
      epoch: this.log.head().epoch,
      accounts: 0,
      holdsOpen: 0,
      snapshot: undefined,
    }
  }

  onFailure(listener: (reason: string) => void): void {
    if (this.#failure === undefined) this.#listeners.push(listener)
    else listener(this.#failure)
  }

  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop())
  }

  #state(isAway: boolean): WriterStatus['state'] {
    if (this.#failure !== undefined) return 'failed'
    if (this.#stopping !== undefined) return 'stopped'
    return isAway ? 'unreachable' : 'ready'
  }

  async #stop(): Promise<void> {
    this.queue.stop()
    let timer: NodeJS.Timeout | undefined
    await Promise.race([
      this.queue.settled(),
      new Promise((resolve) => (timer = setTimeout(resolve, SETTLE_MS_MAX))),
    ])
    clearTimeout(timer)
    this.#over.abort()
    this.queue.close()
    this.log.close()
  }

  /** Frees the queue's memory as its commands come back in the log. */
  async #follow(): Promise<void> {
    const { log, queue } = this
    const head = log.head()
    queue.consumed({ ...head, commandsTopic: head.commandsTopic ?? 0 })
    for await (const frame of log.tail(head.sequence + 1n, this.#over.signal)) queue.consumed(frame)
  }

  /** Keeps readiness true even if no command is sent. */
  async #keepLooking(): Promise<void> {
    const { signal } = this.#over
    while (!signal.aborted) {
      // Its errors are watched elsewhere, as an outage.
      await this.queue.look().catch(() => undefined)
      await sleep(LOOK_EVERY_MS, undefined, { signal, ref: false }).catch(() => undefined)
    }
  }

  #fail(reason: string): void {
    if (this.#failure !== undefined || this.#stopping !== undefined) return
    this.#failure = reason
    this.queue.stop()
    for (const listener of this.#listeners) listener(reason)
    this.#listeners = []
  }
}

/** For use within another sentence. */
function withoutStop(sentence: string): string {
  return sentence.replace(/\.$/, '')
}
