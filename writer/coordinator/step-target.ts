/**
 * One partition that a coordinator sends steps to: what waits to be offered to its queue, in bounded memory.
 *
 * While its queue is busy, steps wait, and if more come than may wait, whoever brings them waits as well. But a partition
 * that has taken nothing for long must not keep steps from the others: what comes beyond the bound is dropped then, and the
 * source reminds of it. So it is where a queue has stopped.
 */
import type { CommandQueue } from '../../eventlog/ports.ts'
import { StepBatch } from './step-batch.ts'

/** Where steps for one partition go. */
export type StepQueue = Pick<CommandQueue, 'offer'>

/** What it is given of time. A task never runs before the call returns; the result calls it off. */
export interface StepClock {
  monotonicMs(): number
  after(delayMs: number, task: () => void): () => void
}

/** Pause before a busy queue is asked again, in ms. */
const BUSY_MS = 2
/** A queue that has been busy for so long holds up nobody any more, in ms. */
const BUSY_MS_MAX = 1_000

export class StepTarget {
  readonly batch: StepBatch
  /** Steps that the queue has taken. */
  sent = 0
  /** Steps let go of: the queue was away, or did not keep what it had taken. The source reminds of them. */
  dropped = 0
  readonly #queue: StepQueue
  readonly #clock: StepClock
  /** Since when the queue has been busy, by the monotonic clock; undefined: it is not. */
  #busySinceMs: number | undefined
  /** Calls off that a busy queue is asked again; undefined: none was. */
  #callOff: (() => void) | undefined
  #onOffered: () => void = () => undefined

  /** @param stepsMax steps that may wait */
  constructor(queue: StepQueue, stepsMax: number | undefined, clock: StepClock) {
    this.#queue = queue
    this.#clock = clock
    this.batch = new StepBatch(stepsMax)
  }

  /** True if the queue is away by now, so that a step may as well not be made. */
  get isAway(): boolean {
    return this.#busySinceMs !== undefined && this.#clock.monotonicMs() - this.#busySinceMs > BUSY_MS_MAX
  }

  /** Offers what has gathered. What is not taken waits, and is offered again before long. */
  offer(): void {
    const { batch } = this
    const { count } = batch
    if (count === 0 || this.#callOff !== undefined) return
    const { kind } = this.#queue.offer(batch.slots(), count, (offsets) => {
      if (offsets !== undefined) return
      this.sent -= count
      this.dropped += count
    })
    if (kind === 'busy') {
      this.#busySinceMs ??= this.#clock.monotonicMs()
      this.#callOff = this.#clock.after(BUSY_MS, () => {
        this.#callOff = undefined
        this.offer()
      })
      if (this.isAway) this.#onOffered()
      return
    }
    this.#busySinceMs = undefined
    if (kind === 'taken') this.sent += count
    else this.dropped += count
    batch.clear()
    this.#onOffered()
  }

  /** Makes room in a full batch: resolves when there is some. */
  async room(): Promise<void> {
    this.offer()
    while (this.batch.isFull && !this.isAway)
      await new Promise<void>((resolve) => {
        this.#onOffered = resolve
      })
    if (!this.batch.isFull) return
    this.dropped += this.batch.count
    this.batch.clear()
  }

  /** Drops what waits, and offers nothing again by itself. */
  stop(): void {
    this.#callOff?.()
    this.#callOff = undefined
    this.batch.clear()
    this.#onOffered()
  }
}
