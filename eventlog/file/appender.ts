/** The one writer of a partition's segments: appends sealed frames, makes them durable, rolls to the next segment. */
import path from 'node:path'
import type { Frame } from '../../schemas/frames.ts'
import { LogError, LogWriteFailedError } from '../errors.ts'
import { createReaderRule } from '../reader-rule.ts'
import { PAST_THE_CACHE, writeAll, type Disk, type DiskFile } from '../disk/disk.ts'
import type { DurableMarkFile } from './layout/durable-mark.ts'
import {
  BLOCK_BYTES,
  chainAfter,
  encodeSegmentHeader,
  logFolder,
  segmentName,
  wholeBlocks,
  type ChainEnd,
} from './layout/segments.ts'

const ZEROS = new Uint8Array(BLOCK_BYTES)

/**
 * Every method but `head` and `durable` may throw: LogWriteFailedError if the disk failed, LogError `log_broken` if a frame
 * does not continue the chain. After that the appender is unusable for ever, and the process has to end.
 */
export interface LogAppender {
  /** The last frame appended. */
  head(): ChainEnd
  /** The last frame known durable. */
  durable(): ChainEnd
  /**
   * Appends a sealed frame that continues the chain. Durable only after `sync`.
   * @param unit the frame's bytes and the zeros that fill its last block, in one piece, where they stand so already
   */
  append(frame: Frame, unit?: Uint8Array): void
  /** One fdatasync for every frame appended so far; then moves the mark. */
  sync(): void
  /** Makes the mark itself durable: for when the log is quiet. */
  syncMark(): void
  /** Closes the files, as they are. Does nothing if done before. */
  close(): void
}

/** An open segment and where its next frame goes. */
export interface OpenSegment {
  readonly file: DiskFile
  readonly firstSequence: bigint
  readonly byte: number
}

/** Makes the segment that begins where the chain stands, durably. */
export function createSegment(disk: Disk, dir: string, start: ChainEnd): OpenSegment {
  const folder = path.join(dir, logFolder(start.partition))
  const firstSequence = start.sequence + 1n
  const file = disk.open(path.join(folder, segmentName(firstSequence)), 'create', PAST_THE_CACHE)
  writeAll(file, [encodeSegmentHeader(start)], 0)
  file.sync()
  disk.syncFolder(folder)
  return { file, firstSequence, byte: BLOCK_BYTES }
}

/** @param start what is on disk, all of it durable: `openLog` sees to that */
export function createAppender(
  disk: Disk,
  dir: string,
  start: ChainEnd,
  startSegment: OpenSegment,
  mark: DurableMarkFile,
  segmentBytesMax: number,
): LogAppender {
  const rule = createReaderRule(start.partition, start)
  let segment = startSegment
  let byte = startSegment.byte
  let head = start
  let durable = start
  let stopped: LogError | undefined
  let isClosed = false

  function attempt<T>(what: string, work: () => T): T {
    if (stopped !== undefined) throw stopped
    try {
      return work()
    } catch (error) {
      stopped =
        error instanceof LogError
          ? error
          : new LogWriteFailedError(what, path.join(dir, logFolder(start.partition)), error)
      throw stopped
    }
  }

  function sync(): void {
    if (durable === head) return
    segment.file.sync()
    durable = head
    mark.write({ sequence: head.sequence, segment: segment.firstSequence, endByte: byte, hash: head.hash })
  }

  /** What is in a segment that has a successor is durable: recovery relies on it. */
  function roll(): void {
    sync()
    segment.file.close()
    segment = createSegment(disk, dir, head)
    byte = segment.byte
  }

  return {
    head: () => head,
    durable: () => durable,
    append(frame, unit) {
      attempt('append', () => {
        const judgement = rule.judge(frame)
        if (judgement.kind === 'void' || frame.durableSequence > durable.sequence)
          throw new LogError(
            'log_broken',
            `A frame from sequence ${frame.firstSequence} does not continue the log at ${head.sequence}: ` +
              (judgement.kind === 'void' ? judgement.reason : 'it claims more durable than is') +
              '. This is a fault of the program; nothing of the frame was written.',
          )
        const unitBytes = wholeBlocks(frame.bytes.length)
        // Named by its first sequence, so frames without events alone never fill a segment.
        if (byte + unitBytes > segmentBytesMax && frame.firstSequence > segment.firstSequence) roll()
        const parts =
          unit === undefined ? [frame.bytes, ZEROS.subarray(0, unitBytes - frame.bytes.length)] : [unit]
        writeAll(segment.file, parts, byte)
        byte += unitBytes
        head = chainAfter(frame)
      })
    },
    sync: () => {
      attempt('fdatasync', sync)
    },
    syncMark: () => {
      attempt('fdatasync of the mark', () => {
        mark.sync()
      })
    },
    close() {
      if (isClosed) return
      isClosed = true
      stopped ??= new LogError('log_closed', 'The log was closed: nothing can be appended any more.')
      segment.file.close()
      mark.close()
    },
  }
}
