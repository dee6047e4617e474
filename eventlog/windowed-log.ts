/**
 * The event log of one partition as a process that reads it sees it, whatever it is stored on. Frames come in when they are
 * durable; the newest stay in memory, so that live readers touch no storage. A reader that falls out of that window reads
 * what is stored up to the head and comes back: frames are chained by hash, so there is no gap and no repeat at the seam.
 */
import { holdsOrFollows, sameBytes, type Frame } from '../schemas/frames.ts'
import { frameBytesOf } from './frame-budget.ts'
import type { LogHead } from './ports.ts'
import { createReaderRule, emptyHead, headAfter, type Judgement, type ReaderRule } from './reader-rule.ts'

/** What a frame costs beside its bytes: so many small ones do not add up unseen. */
const FRAME_OVERHEAD_BYTES = 1024

export interface WindowedLogOptions {
  readonly partition: number
  /** Where the log ended when it was opened. */
  readonly head: LogHead
  /** True if the frame with which it ended there is known to have events: then none without stands behind its sequence. */
  readonly headHasEvents?: boolean
  /** Bytes of frames kept in memory. Default: as of a process's only partition. */
  readonly windowBytesMax?: number
  readonly readStored: ReadStored
}

/**
 * Reads stored frames up to and with the one that `head` is the head after, which is stored. At least those from the one
 * that holds `from` (or the next that has it behind it); frames before them may come too. May end early once the signal
 * aborts: nobody wants the rest.
 */
export type ReadStored = (
  from: bigint,
  head: LogHead,
  signal: AbortSignal | undefined,
) => AsyncIterable<Frame>

/** The head at which a bounded read ends, and the ordinal of the first frame beyond it. */
interface End {
  readonly head: LogHead
  readonly ordinal: number
}

/** A reader that follows the log. */
interface Tail {
  /** Bytes of the frames that it has not been given yet; Infinity while it reads what is stored. */
  behindBytes: number
}

export class WindowedLog {
  readonly partition: number
  readonly #readStored: ReadStored
  readonly #windowBytesMax: number
  readonly #rule: ReaderRule
  /** The newest frames, oldest first; those before `#windowStart` are forgotten. */
  #window: (Frame | undefined)[] = []
  #windowStart = 0
  #windowBytes = 0
  /** Head before the first frame of the window. */
  #beforeWindow: LogHead
  /** True if the frame before the window has events. */
  #hasEventsBefore: boolean
  /** Frames delivered, and so the ordinal of the next; the window's first is `#delivered − frames in it`. */
  #delivered = 0
  #isClosed = false
  #failure: Error | undefined
  readonly #waiting = new Set<() => void>()
  readonly #tails = new Set<Tail>()
  /** Wakes who waits for tails to take what there is. */
  #onTaken: () => void = () => undefined

  constructor(options: WindowedLogOptions) {
    this.partition = options.partition
    this.#readStored = options.readStored
    this.#windowBytesMax = options.windowBytesMax ?? frameBytesOf(1)
    this.#rule = createReaderRule(options.partition, options.head)
    this.#beforeWindow = options.head
    this.#hasEventsBefore = options.headHasEvents === true
  }

  head(): LogHead {
    return this.#rule.head()
  }

  /** As of EventLog: what is stored is known here first, unless others write as well. */
  async currentHead(): Promise<LogHead> {
    return this.head()
  }

  /** As of EventLog. */
  endSequence(): bigint {
    return this.head().sequence
  }

  /** Frames found void so far. */
  voids(): number {
    return this.#rule.voids()
  }

  /** Judges the next durable frame in storage order; an accepted one is the new head, and readers get it. */
  protected take(frame: Frame): Judgement {
    const judgement = this.#rule.judge(frame)
    if (judgement.kind === 'void') return judgement
    this.#window.push(frame)
    this.#windowBytes += costOf(frame)
    for (const tail of this.#tails) tail.behindBytes += costOf(frame)
    this.#delivered++
    this.#forget()
    this.wake()
    return judgement
  }

  /** Ends every tail; with a failure, tails that have got everything reject with it. What is stored can still be read. */
  protected end(failure?: Error): void {
    this.#isClosed = true
    this.#failure ??= failure
    this.wake()
    this.#onTaken()
  }

  async *read(fromSequence: bigint): AsyncIterable<Frame> {
    const end = { head: this.head(), ordinal: this.#delivered }
    yield* this.#follow(fromSequence, end, undefined, { behindBytes: 0 })
  }

  async *tail(fromSequence: bigint, signal: AbortSignal): AsyncIterable<Frame> {
    const tail: Tail = { behindBytes: Infinity }
    this.#tails.add(tail)
    try {
      yield* this.#follow(fromSequence, undefined, signal, tail)
    } finally {
      this.#tails.delete(tail)
      this.#onTaken()
    }
  }

  /**
   * For who reads storage: resolves when no tail is further behind than half the window. Who goes on sooner pushes frames
   * out of memory that have not been taken yet, and they have to be read twice.
   */
  protected async pace(): Promise<void> {
    const bytesMax = this.#windowBytesMax / 2
    while (!this.#isClosed && [...this.#tails].some(({ behindBytes }) => behindBytes > bytesMax))
      await new Promise<void>((resolve) => (this.#onTaken = resolve))
  }

  /** Frames from `from` on: to `end`, or until `signal` aborts or the log is closed. */
  async *#follow(
    from: bigint,
    end: End | undefined,
    signal: AbortSignal | undefined,
    tail: Tail,
  ): AsyncGenerator<Frame, void, undefined> {
    let after: LogHead | undefined
    const isOver = (): boolean => signal?.aborted === true || (end !== undefined && isAt(after, end.head))
    while (!isOver()) {
      let ordinal = this.#ordinalAfter(from, after)
      if (ordinal === undefined) {
        const head = this.head()
        tail.behindBytes = Infinity
        for await (const frame of this.#stored(from, after, head, signal)) {
          after = headAfter(frame)
          yield frame
          if (isOver()) return
        }
        // Also where nothing that was wanted is stored: up to here they have been looked through.
        after = head
        continue
      }
      tail.behindBytes = this.#bytesFrom(ordinal)
      // Served from memory for as long as the reader keeps up with the window.
      for (;;) {
        if (isOver() || (end !== undefined && ordinal >= end.ordinal)) return
        const frame = this.#frameAt(ordinal)
        if (frame === 'forgotten') break
        if (frame === 'to come') {
          if (this.#failure !== undefined) throw this.#failure
          if (this.#isClosed) return
          await this.news(signal)
          continue
        }
        ordinal++
        after = headAfter(frame)
        tail.behindBytes -= costOf(frame)
        this.#onTaken()
        if (holdsOrFollows(frame, from)) yield frame
      }
    }
  }

  /** Stored frames that a reader wants who has got those up to `after`, up to `head`. */
  async *#stored(
    from: bigint,
    after: LogHead | undefined,
    head: LogHead,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Frame, void, undefined> {
    // A reader that has got frames finds its last one again, and goes on behind it.
    const start = after === undefined ? from : after.sequence
    if (start > head.sequence + 1n || isAt(after, head)) return
    let isBehind = after === undefined
    for await (const frame of this.#readStored(start, head, signal)) {
      isBehind ||= sameBytes(frame.previousHash, after!.hash)
      if (isBehind && holdsOrFollows(frame, from)) yield frame
    }
  }

  /** Ordinal of the frame behind `after`, if that is in the window or the next to be delivered. */
  #ordinalAfter(from: bigint, after: LogHead | undefined): number | undefined {
    const first = this.#firstOrdinal()
    if (after === undefined) {
      // Frames without events may stand before the window at the very sequence with which it begins.
      const isAllHere =
        this.#beforeWindow.sequence + (this.#hasEventsBefore ? 0n : 1n) < from ||
        isAt(this.#beforeWindow, emptyHead(this.partition))
      return isAllHere ? first + this.#indexOf(from) : undefined
    }
    if (isAt(after, this.#beforeWindow)) return first
    for (let index = this.#indexOf(after.sequence); ; index++) {
      const frame = this.#window[this.#windowStart + index]
      if (frame === undefined || frame.firstSequence > after.sequence + 1n) return undefined
      if (sameBytes(frame.hash, after.hash)) return first + index + 1
    }
  }

  #firstOrdinal(): number {
    return this.#delivered - (this.#window.length - this.#windowStart)
  }

  /** Index within the window of the first frame that holds `sequence` or stands behind it. */
  #indexOf(sequence: bigint): number {
    let low = this.#windowStart
    let high = this.#window.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (holdsOrFollows(this.#window[middle]!, sequence)) high = middle
      else low = middle + 1
    }
    return low - this.#windowStart
  }

  #bytesFrom(ordinal: number): number {
    let bytes = 0
    for (const frame of this.#window.slice(this.#windowStart + ordinal - this.#firstOrdinal()))
      if (frame !== undefined) bytes += costOf(frame)
    return bytes
  }

  #frameAt(ordinal: number): Frame | 'forgotten' | 'to come' {
    const index = ordinal - this.#firstOrdinal()
    if (index < 0) return 'forgotten'
    return this.#window[this.#windowStart + index] ?? 'to come'
  }

  /** Lets go of the oldest frames beyond the bound; the newest one stays, whatever its size. */
  #forget(): void {
    while (this.#windowBytes > this.#windowBytesMax && this.#windowStart < this.#window.length - 1) {
      const oldest = this.#window[this.#windowStart]!
      this.#window[this.#windowStart++] = undefined
      this.#windowBytes -= costOf(oldest)
      this.#beforeWindow = headAfter(oldest)
      this.#hasEventsBefore = oldest.count > 0
    }
    // Moved together once in a while, not at each frame.
    if (this.#windowStart > 64 && this.#windowStart * 2 > this.#window.length) {
      this.#window = this.#window.slice(this.#windowStart)
      this.#windowStart = 0
    }
  }

  /** Something is new for who waits for that. */
  protected wake(): void {
    for (const wake of [...this.#waiting]) wake()
  }

  /** Resolves at the next delivery, at the end of the log's service, or when `signal` aborts. */
  protected news(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake)
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      this.#waiting.add(wake)
      signal?.addEventListener('abort', wake)
    })
  }
}

function costOf(frame: Frame): number {
  return frame.bytes.length + FRAME_OVERHEAD_BYTES
}

function isAt(head: LogHead | undefined, other: LogHead): boolean {
  return head !== undefined && sameBytes(head.hash, other.hash)
}
