/**
 * Group commit: whatever frames wait are sealed and written together, one fdatasync covers them, and only then is anyone
 * told. Knows neither threads nor timers: the log thread calls it, and so do tests.
 */
import type { Frame } from '../../schemas/frames.ts'
import type { LogAppender } from './appender.ts'
import { ownMemory, type TakeFrameMemory } from '../handoff/frame-memory.ts'
import type { CoreToLog, FrameReceipt, LogToCore, LogToMain } from '../handoff/log-messages.ts'
import { sealFromSlab, sealIdleFrame } from '../handoff/seal.ts'
import type { SlabPool } from '../handoff/slabs.ts'

/** Frames and bytes that one fdatasync covers at most: more would make the first of them wait too long. */
const GROUP_FRAMES_MAX = 64
const GROUP_BYTES_MAX = 16 * 1024 * 1024

export interface GroupCommit {
  /**
   * Commits the group that begins with `first`.
   * @param next takes the next message that waits, if one does
   * @returns true if the group ended in `stop`: the log is closed then
   */
  commit(first: CoreToLog, next: () => CoreToLog | undefined): boolean
  /** For when no frame has come for a while: writes the frame that testifies to the last ones, and the durable mark. */
  rest(): void
}

/** Who is told of frames that are durable, in order. */
export interface DurableListeners {
  tellCore(message: LogToCore): void
  tellMain(message: LogToMain): void
}

/**
 * @param take makes memory for what readers get of each frame
 */
export function createGroupCommit(
  appender: LogAppender,
  slabs: SlabPool,
  listeners: DurableListeners,
  take: TakeFrameMemory = ownMemory,
): GroupCommit {
  /** The last frame holds events, and no frame behind it says that they are durable. */
  let isTestimonyDue = false
  let isIdleFrameDue = false

  function makeDurable(frames: readonly Frame[], isIdleFrame: boolean): void {
    if (frames.length === 0) return
    appender.sync()
    isIdleFrameDue = true
    isTestimonyDue = frames.at(-1)!.count > 0
    const receipts = frames.map((frame): FrameReceipt => ({
      isIdleFrame,
      sequence: frame.firstSequence + BigInt(frame.count) - 1n,
      hash: frame.hash.slice(),
      nextCommandOffset: frame.nextCommandOffset,
      nextCommandIndex: frame.nextCommandIndex,
      logOffset: 0n,
    }))
    // The core first: it waits to go on.
    listeners.tellCore({ kind: 'durable', frames: receipts })
    listeners.tellMain({ kind: 'frames', frames })
  }

  function rest(): void {
    if (isTestimonyDue) {
      const frame = sealIdleFrame(appender.head(), appender.durable().sequence)
      appender.append(frame)
      makeDurable([frame], true)
    }
    if (isIdleFrameDue) appender.syncMark()
    isIdleFrameDue = false
  }

  return {
    commit(first, next) {
      const frames: Frame[] = []
      let bytes = 0
      let message: CoreToLog | undefined = first
      while (message?.kind === 'frame') {
        const durableSequence = appender.durable().sequence
        const { frame, unit } = sealFromSlab(slabs, message, appender.head(), durableSequence, take)
        appender.append(frame, unit)
        // Written, and copied out for readers: the core may build its next frame there.
        slabs.release(message.slab)
        frames.push(frame)
        bytes += frame.bytes.length
        message = frames.length < GROUP_FRAMES_MAX && bytes < GROUP_BYTES_MAX ? next() : undefined
      }
      makeDurable(frames, false)
      if (message?.kind !== 'stop') return false
      rest()
      appender.close()
      return true
    },
    rest,
  }
}
