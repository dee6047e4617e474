/**
 * Sparse index of the topic, for readers that begin in the middle of it: the offset of every Nth frame, and the head of the
 * chain before it. When it is full, it drops every second entry and doubles N.
 */
import type { LogHead } from '../../ports.ts'

/** The offset of a frame's record, and the head of the chain before that frame. */
export interface IndexedFrame {
  readonly before: LogHead
  readonly logOffset: bigint
}

const ENTRIES_MAX_DEFAULT = 4_096
const EVERY_FRAMES = 64

export class FrameIndex {
  private readonly entriesMax: number
  private entries: IndexedFrame[] = []
  private everyFrames: number
  private frames = 0
  private start: IndexedFrame | undefined

  constructor(entriesMax = ENTRIES_MAX_DEFAULT, everyFrames = EVERY_FRAMES) {
    this.entriesMax = entriesMax
    this.everyFrames = everyFrames
  }

  /** Sets the entry before all others. `start` has to be right behind a frame with events. */
  begin(start: IndexedFrame): void {
    this.start = start
  }

  /** Adds an accepted frame: the head before it, and its offset. Frames come in order. */
  add(before: LogHead, logOffset: bigint): void {
    if (this.frames++ % this.everyFrames !== 0) return
    this.entries.push({ before, logOffset })
    if (this.entries.length < this.entriesMax) return
    this.entries = this.entries.filter((_, index) => index % 2 === 0)
    this.everyFrames *= 2
  }

  /** The last entry before every frame that holds or follows `sequence`, frames without events included. */
  entryBefore(sequence: bigint): IndexedFrame | undefined {
    let low = 0
    let high = this.entries.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.entries[middle]!.before.sequence + 1n < sequence) low = middle + 1
      else high = middle
    }
    const { start } = this
    const isBehindStart = start !== undefined && start.before.sequence < sequence
    return this.entries[low - 1] ?? (isBehindStart ? start : undefined)
  }
}
