/**
 * The event log of one partition on files, as the main thread sees it. The log thread delivers each frame when it is
 * durable; the newest stay in memory, so that live readers touch no file. A reader that falls out of that window reads the
 * files up to the head and comes back: frames are chained by hash, so there is no gap and no repeat at the seam.
 */
import { sameBytes, type Frame } from '../../schemas/frames.ts'
import type { EventLog, LogHead } from '../ports.ts'
import { createReaderRule, emptyHead, headAfter, type ReaderRule } from '../reader-rule.ts'
import type { Disk } from './disk.ts'
import { holdsOrFollows, readFramesLater } from './reader.ts'

/** Bytes of frames kept in memory, unless said otherwise. */
export const WINDOW_BYTES_DEFAULT = 64 * 1024 * 1024
/** What a frame costs beside its bytes: so many small ones do not add up unseen. */
const FRAME_OVERHEAD_BYTES = 1024

export interface FileEventLogOptions {
  readonly disk: Disk
  /** The data folder. */
  readonly dir: string
  readonly partition: number
  /** Where the log ended when it was opened. */
  readonly head: LogHead
  /** Default: WINDOW_BYTES_DEFAULT. */
  readonly windowBytesMax?: number
}

/** The head at which a bounded read ends, and the ordinal of the first frame beyond it. */
interface End {
  readonly head: LogHead
  readonly ordinal: number
}

export class FileEventLog implements EventLog {
  readonly partition: number
  readonly #disk: Disk
  readonly #dir: string
  readonly #windowBytesMax: number
  readonly #rule: ReaderRule
  /** The newest frames, oldest first; those before `#windowStart` are forgotten. */
  #window: (Frame | undefined)[] = []
  #windowStart = 0
  #windowBytes = 0
  /** Head before the first frame of the window. */
  #beforeWindow: LogHead
  /** Frames delivered, and so the ordinal of the next; the window's first is `#delivered − frames in it`. */
  #delivered = 0
  #isClosed = false
  readonly #waiting = new Set<() => void>()

  constructor(options: FileEventLogOptions) {
    this.partition = options.partition
    this.#disk = options.disk
    this.#dir = options.dir
    this.#windowBytesMax = options.windowBytesMax ?? WINDOW_BYTES_DEFAULT
    this.#rule = createReaderRule(options.partition, options.head)
    this.#beforeWindow = options.head
  }

  head(): LogHead {
    return this.#rule.head()
  }

  /** Files are found by sequence. */
  placeOf(): undefined {
    return undefined
  }

  /** Takes the next durable frame. Throws if it does not continue the log: that is broken logic. */
  deliver(frame: Frame): void {
    const judgement = this.#rule.judge(frame)
    if (judgement.kind === 'void')
      throw new Error(`a frame was delivered that does not continue the log (${judgement.reason})`)
    this.#window.push(frame)
    this.#windowBytes += costOf(frame)
    this.#delivered++
    this.#forget()
    for (const wake of [...this.#waiting]) wake()
  }

  /** Ends every tail. Reading what is on file stays possible. */
  close(): void {
    this.#isClosed = true
    for (const wake of [...this.#waiting]) wake()
  }

  async *read(fromSequence: bigint): AsyncIterable<Frame> {
    yield* this.#follow(fromSequence, { head: this.head(), ordinal: this.#delivered }, undefined)
  }

  async *tail(fromSequence: bigint, signal: AbortSignal): AsyncIterable<Frame> {
    yield* this.#follow(fromSequence, undefined, signal)
  }

  /** Frames from `from` on: to `end`, or until `signal` aborts or the log is closed. */
  async *#follow(
    from: bigint,
    end: End | undefined,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Frame, void, undefined> {
    let after: LogHead | undefined
    const isOver = (): boolean => signal?.aborted === true || (end !== undefined && isAt(after, end.head))
    while (!isOver()) {
      let ordinal = this.#ordinalAfter(from, after)
      if (ordinal === undefined) {
        const head = this.head()
        for await (const frame of this.#readFiles(from, after, head)) {
          after = headAfter(frame)
          yield frame
          if (isOver()) return
        }
        // Also where the files held nothing that was wanted: up to here they have been looked through.
        after = head
        continue
      }
      // Served from memory for as long as the reader keeps up with the window.
      for (;;) {
        if (isOver() || (end !== undefined && ordinal >= end.ordinal)) return
        const frame = this.#frameAt(ordinal)
        if (frame === 'forgotten') break
        if (frame === 'to come') {
          if (this.#isClosed) return
          await this.#news(signal)
          continue
        }
        ordinal++
        after = headAfter(frame)
        if (holdsOrFollows(frame, from)) yield frame
      }
    }
  }

  /** Frames on file that a reader wants who has got those up to `after`, up to `head`. */
  async *#readFiles(
    from: bigint,
    after: LogHead | undefined,
    head: LogHead,
  ): AsyncGenerator<Frame, void, undefined> {
    // A reader that has got frames finds its last one again, and goes on behind it.
    const start = after === undefined ? from : after.sequence
    if (start > head.sequence + 1n || isAt(after, head)) return
    let isBehind = after === undefined
    for await (const frame of readFramesLater(this.#disk, this.#dir, this.partition, start, head)) {
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
        this.#beforeWindow.sequence + 1n < from || isAt(this.#beforeWindow, emptyHead(this.partition))
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
    }
    // Moved together once in a while, not at each frame.
    if (this.#windowStart > 64 && this.#windowStart * 2 > this.#window.length) {
      this.#window = this.#window.slice(this.#windowStart)
      this.#windowStart = 0
    }
  }

  /** Resolves at the next delivery, at the end of the log's service, or when `signal` aborts. */
  #news(signal: AbortSignal | undefined): Promise<void> {
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
