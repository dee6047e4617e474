/** Reading frames off the segment files: verified, in order, from any sequence; blocking or not, by one set of rules. */
import { holdsOrFollows, sameBytes, type Frame } from '../../../schemas/frames.ts'
import { LogCorruptError, LogRegressedError } from '../../errors.ts'
import type { LogHead } from '../../ports.ts'
import { createReaderRule, emptyHead, type ReaderRule } from '../../reader-rule.ts'
import { readUpTo, type Disk, type DiskFile } from '../../disk/disk.ts'
import { openSegmentAt, locateSegments } from '../layout/segment-locations.ts'
import { BLOCK_BYTES, decodeSegmentHeader } from '../layout/segments.ts'
import { unitsLater, unitsSync, type ReadBytes, type ScanEnd, type Unit } from '../layout/units.ts'

/**
 * Frames from the one that holds `fromSequence` (or the next behind it) to the end of the files, for threads that may
 * block. Every frame from the beginning of its segment on is verified; one that is bad, void or missing throws
 * LogCorruptError.
 * @param upTo reads no further than this head, so that a log can be read while it is written; missing it throws
 *   LogRegressedError
 * @param read how bytes are read; frames are views of them. By default frames stay valid while referenced
 * @returns the head reached
 */
export function* readFramesSync(
  disk: Disk,
  dir: string,
  partition: number,
  fromSequence: bigint,
  upTo?: LogHead,
  read?: ReadBytes,
): Generator<Frame, LogHead, undefined> {
  const walk = createWalk(disk, dir, partition, fromSequence, 'verify-all', upTo)
  for (let file = walk.nextSegment(); file !== undefined; file = walk.nextSegment()) {
    try {
      const units = unitsSync(file, BLOCK_BYTES, 0n, read)
      let step = units.next()
      for (; step.done !== true; step = units.next()) {
        if (walk.accept(step.value)) yield step.value.frame
        if (walk.isDone()) return walk.head()
      }
      walk.segmentEnded(step.value)
    } finally {
      file.close()
    }
  }
  return walk.finish()
}

/**
 * As `readFramesSync`, without blocking the thread on reads, and quick to begin: frames of the first segment that end
 * before `fromSequence` are passed over by their headers alone.
 */
export async function* readFramesLater(
  disk: Disk,
  dir: string,
  partition: number,
  fromSequence: bigint,
  upTo: LogHead,
): AsyncGenerator<Frame, LogHead, undefined> {
  const walk = createWalk(disk, dir, partition, fromSequence, 'verify-read', upTo)
  for (let file = walk.nextSegment(); file !== undefined; file = walk.nextSegment()) {
    try {
      const units = unitsLater(file, BLOCK_BYTES, walk.isFirstSegment() ? fromSequence : 0n)
      let step = await units.next()
      for (; step.done !== true; step = await units.next()) {
        if (walk.accept(step.value)) yield step.value.frame
        if (walk.isDone()) return walk.head()
      }
      walk.segmentEnded(step.value)
    } finally {
      file.close()
    }
  }
  return walk.finish()
}

interface Walk {
  /** Opens the next segment, or undefined if there is none or nothing more is wanted. The caller closes it. */
  nextSegment(): DiskFile | undefined
  isFirstSegment(): boolean
  /** Takes the next unit into the chain; true if the reader wants it. */
  accept(unit: Unit): boolean
  segmentEnded(end: ScanEnd): void
  isDone(): boolean
  head(): LogHead
  /** After the last segment: the head, if it is the one that was to be reached. */
  finish(): LogHead
}

function createWalk(
  disk: Disk,
  dir: string,
  partition: number,
  fromSequence: bigint,
  verify: 'verify-all' | 'verify-read',
  upTo: LogHead | undefined,
): Walk {
  const locations = locateSegments(disk, dir, partition, fromSequence)
  let opened = 0
  let rule: ReaderRule | undefined
  let isMidway = false

  const head = (): LogHead => rule?.head() ?? emptyHead(partition)
  const isDone = (): boolean => upTo !== undefined && sameBytes(head().hash, upTo.hash)
  const corrupt = (byte: number, reason: string): LogCorruptError =>
    new LogCorruptError({ file: locations[opened - 1]!.shown, byte, sequence: head().sequence + 1n }, reason)

  return {
    nextSegment() {
      const location = locations[opened]
      if (location === undefined || isDone()) return undefined
      opened++
      const segment = location.firstSequence
      const file = openSegmentAt(disk, location, dir, partition)
      const start = decodeSegmentHeader(readUpTo(file, 0, BLOCK_BYTES), partition, segment)
      let wrong = typeof start === 'string' ? start : undefined
      if (opened === 1 && fromSequence < segment && segment !== 1n)
        wrong = `the segment with sequence ${fromSequence} is missing`
      if (typeof start !== 'string' && rule !== undefined) {
        const { sequence, hash } = rule.head()
        if (start.sequence !== sequence)
          wrong = `the segment that begins with sequence ${sequence + 1n} is missing`
        else if (!sameBytes(start.hash, hash)) wrong = 'the segment continues another history'
      }
      if (wrong !== undefined) {
        file.close()
        throw corrupt(0, wrong)
      }
      if (rule === undefined && typeof start !== 'string') {
        rule = createReaderRule(partition, start)
        isMidway = verify === 'verify-read' && opened === 1
      }
      if (!isDone()) return file
      file.close()
      return undefined
    },
    isFirstSegment: () => opened === 1,
    accept({ frame, byte }) {
      if (isMidway) {
        // What came before was passed over: the chain is taken up at this frame, on its own word.
        isMidway = false
        rule = createReaderRule(partition, {
          partition,
          epoch: frame.epoch,
          sequence: frame.firstSequence - 1n,
          hash: frame.previousHash.slice(),
          nextCommandOffset: frame.nextCommandOffset,
          nextCommandIndex: frame.nextCommandIndex,
        })
      }
      const judgement = rule!.judge(frame)
      if (judgement.kind === 'void')
        throw corrupt(byte, `a frame does not continue the chain (${judgement.reason})`)
      return holdsOrFollows(frame, fromSequence)
    },
    segmentEnded(end) {
      if (end.kind === 'bad') throw corrupt(end.byte, end.reason)
      if (isMidway) {
        // Every frame ended before the sequence: nothing of this segment is wanted, and the next one says where it begins.
        isMidway = false
        rule = undefined
      }
    },
    isDone,
    head,
    finish() {
      if (upTo !== undefined && !isDone())
        throw new LogRegressedError(dir, head().sequence, upTo.sequence, 'its reader')
      return head()
    },
  }
}
