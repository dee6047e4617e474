/**
 * Where frames stand in the topic, for readers that begin in the middle of it: not each frame's place, but every so manieth
 * one, with the head of the chain before it. Bounded: when it is full, every second entry goes and half as many come.
 */
import type { LogHead } from '../../ports.ts'

/** A place in the topic, and what the chain comes to before the frame that stands there. */
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

  /** Told of a place right behind a frame with events: all that follow its last event are behind it. */
  begin(start: IndexedFrame): void {
    this.start = start
  }

  /** Told of each accepted frame, in order: what stood before it, and its place. */
  add(before: LogHead, logOffset: bigint): void {
    if (this.frames++ % this.everyFrames !== 0) return
    this.entries.push({ before, logOffset })
    if (this.entries.length < this.entriesMax) return
    this.entries = this.entries.filter((_, index) => index % 2 === 0)
    this.everyFrames *= 2
  }

  /** The last known place behind which are all frames that hold `sequence` or follow it, those without events too. */
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
