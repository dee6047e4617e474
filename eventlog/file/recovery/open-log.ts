/**
 * Opens a partition's log for appending and repairs its tail.
 *
 * A crash may leave any part of the frames that had not been synced, in any order. The first bad place, where sequence s
 * should stand, is corruption if anything proves that s (or the place itself) had been durable: a later frame whose
 * durable sequence is at least s, the mark, a later segment, or what the caller knows. Then nothing is touched. Otherwise
 * it is debris that nobody was told of, and is cut off.
 */
import path from 'node:path'
import { readFrame, sameBytes } from '../../../schemas/frames.ts'
import { LogCorruptError, LogRegressedError } from '../../errors.ts'
import { nodeDigests } from '../../hashing.ts'
import { createReaderRule } from '../../reader-rule.ts'
import { createAppender, createSegment, type LogAppender, type OpenSegment } from '../appender.ts'
import { PAST_THE_CACHE, readUpTo, writeAll, type Disk, type DiskFile } from '../../disk/disk.ts'
import { openDurableMark, type DurableMark, type DurableMarkFile } from '../layout/durable-mark.ts'
import {
  BLOCK_BYTES,
  chainAfter,
  decodeSegmentHeader,
  emptyChain,
  listSegments,
  logFolder,
  SEGMENT_BYTES_MAX_DEFAULT,
  segmentName,
  type ChainEnd,
} from '../layout/segments.ts'
import { unitsSync } from '../layout/units.ts'

/** What opening a log found at its end, and what it did about it. */
export interface RecoveryReport {
  /** Frames read and verified while opening: those of the last segment. */
  readonly framesRead: number
  /** Debris of a crash that was cut off, if there was any: never anything that was acknowledged. */
  readonly cut: CutDebris | undefined
}

export interface CutDebris {
  /** Path of the segment file, relative to the data folder. */
  readonly file: string
  /** Where the log ends now within that file; 0 if the file itself was debris and is gone. */
  readonly byte: number
  readonly bytesCut: number
  /** The sequence that would have come next. */
  readonly sequence: bigint
  /** What was wrong with the first bad bytes. */
  readonly reason: string
}

export interface OpenLogOptions {
  readonly partition: number
  /** Default: SEGMENT_BYTES_MAX_DEFAULT. */
  readonly segmentBytesMax?: number
  /** A sequence that a snapshot or a view knows to have been durable. */
  readonly durableAtLeast?: bigint
}

export interface OpenedLog {
  readonly appender: LogAppender
  readonly report: RecoveryReport
}

/**
 * Opens the log of a partition under `dir`, making it if there is none. The caller holds the folder's lock.
 * Throws LogCorruptError or LogRegressedError, having changed nothing.
 */
export function openLog(disk: Disk, dir: string, options: OpenLogOptions): OpenedLog {
  const { partition, segmentBytesMax = SEGMENT_BYTES_MAX_DEFAULT, durableAtLeast = 0n } = options
  disk.makeFolder(path.join(dir, logFolder(partition)))
  const mark = openDurableMark(disk, dir, partition)
  try {
    const witness: Witness = { mark: mark.found, durableAtLeast, isClosed: false }
    const found = findEnd(disk, dir, partition, witness)
    const end = found?.end ?? emptyChain(partition)
    refuseRegression(dir, end, witness)
    const segment =
      found === undefined ? createSegment(disk, dir, end) : reopen(disk, dir, partition, found, witness)
    keepDurableMark(mark, end, segment)
    return {
      appender: createAppender(disk, dir, end, segment, mark, segmentBytesMax),
      report: { framesRead: found?.framesRead ?? 0, cut: found?.cut },
    }
  } catch (error) {
    mark.close()
    throw error
  }
}

/** What is known of the log's durable part from outside the bytes in question. */
interface Witness {
  readonly mark: DurableMark | undefined
  readonly durableAtLeast: bigint
  /** A later segment exists, so all of this one was durable. */
  readonly isClosed: boolean
}

interface FoundEnd {
  readonly segment: bigint
  readonly byte: number
  readonly end: ChainEnd
  readonly framesRead: number
  readonly cut: CutDebris | undefined
}

/** Finds the end of the accepted chain in the last segment; changes nothing but a last segment that never came to be. */
function findEnd(disk: Disk, dir: string, partition: number, witness: Witness): FoundEnd | undefined {
  const segments = listSegments(disk, dir, partition)
  const last = segments.at(-1)
  if (last === undefined) return undefined
  const scanned = scanSegment(disk, dir, partition, last, witness)
  if (scanned !== undefined) return scanned
  const before = segments.at(-2)
  if (before === undefined && last !== 1n)
    throw new LogCorruptError(
      { file: relative(partition, last), byte: 0, sequence: last },
      'the segment header is bad and no segment stands before it',
    )
  // The process died while it made this segment: no frame was ever in it.
  const found =
    before === undefined
      ? undefined
      : scanSegment(disk, dir, partition, before, { ...witness, isClosed: true })
  if (found !== undefined && found.end.sequence + 1n !== last)
    throw new LogCorruptError(
      { file: relative(partition, before!), byte: found.byte, sequence: found.end.sequence + 1n },
      `the segment ends here, but the next one begins with sequence ${last}`,
      last - 1n,
    )
  const folder = path.join(dir, logFolder(partition))
  const file = path.join(folder, segmentName(last))
  const bytesCut = sizeOf(disk, file)
  disk.remove(file)
  disk.syncFolder(folder)
  const cut: CutDebris = {
    file: relative(partition, last),
    byte: 0,
    bytesCut,
    sequence: last,
    reason: 'the segment was never finished',
  }
  return found === undefined ? undefined : { ...found, cut }
}

/** Reads a segment to its end. Undefined if its header never became durable, so that nothing can be in it. */
function scanSegment(
  disk: Disk,
  dir: string,
  partition: number,
  segment: bigint,
  witness: Witness,
): FoundEnd | undefined {
  const file = disk.open(path.join(dir, relative(partition, segment)), 'read')
  try {
    const start = decodeSegmentHeader(readUpTo(file, 0, BLOCK_BYTES), partition, segment)
    if (typeof start === 'string') {
      const durable = durableProof(file, partition, { byte: 0, sequence: segment }, segment, witness)
      // Frames are written only when the header is durable: any whole frame proves that it was.
      if (durable !== undefined || newestFrameBehind(file, 0, partition) !== undefined)
        throw new LogCorruptError(
          { file: relative(partition, segment), byte: 0, sequence: segment },
          start,
          durable,
        )
      return undefined
    }
    const rule = createReaderRule(partition, start)
    let end = start
    let byte = BLOCK_BYTES
    let framesRead = 0
    const units = unitsSync(file, BLOCK_BYTES)
    let step = units.next()
    let reason: string | undefined
    for (; step.done !== true; step = units.next()) {
      const { frame } = step.value
      const judgement = rule.judge(frame)
      // In a file of one writer nothing void can stand: such a frame was put there by a fault.
      if (judgement.kind === 'void') {
        reason = `a frame does not continue the chain (${judgement.reason})`
        break
      }
      end = chainAfter(frame)
      byte = step.value.byte + step.value.bytes
      framesRead++
      if (isDurableMarkAt(witness.mark, segment, byte)) refuseOtherHistory(dir, end, witness.mark)
    }
    if (step.done === true && step.value.kind === 'bad') reason = step.value.reason
    if (reason === undefined) return { segment, byte, end, framesRead, cut: undefined }
    const sequence = end.sequence + 1n
    const durable = durableProof(file, partition, { byte, sequence }, segment, witness)
    if (durable !== undefined)
      throw new LogCorruptError({ file: relative(partition, segment), byte, sequence }, reason, durable)
    const cut: CutDebris = {
      file: relative(partition, segment),
      byte,
      bytesCut: file.size() - byte,
      sequence,
      reason,
    }
    return { segment, byte, end, framesRead, cut }
  } finally {
    file.close()
  }
}

/** The sequence up to which the log is proven to have been durable, if that covers the bad place. */
function durableProof(
  file: DiskFile,
  partition: number,
  bad: { byte: number; sequence: bigint },
  segment: bigint,
  witness: Witness,
): bigint | undefined {
  const { mark, durableAtLeast, isClosed } = witness
  if (isClosed) return bad.sequence
  if (mark !== undefined) {
    const isPlaceDurable = mark.segment > segment || (mark.segment === segment && mark.endByte > bad.byte)
    if (isPlaceDurable || mark.sequence >= bad.sequence) return mark.sequence
  }
  if (durableAtLeast >= bad.sequence) return durableAtLeast
  const testified = newestFrameBehind(file, bad.byte, partition)
  return testified !== undefined && testified >= bad.sequence ? testified : undefined
}

/** The highest durable sequence that any whole frame from `byte` on testifies to; undefined if there is no whole frame. */
function newestFrameBehind(file: DiskFile, byte: number, partition: number): bigint | undefined {
  let durable: bigint | undefined
  for (let at = byte; at < file.size(); at += BLOCK_BYTES) {
    const first = readFrame(readUpTo(file, at, BLOCK_BYTES), 0, nodeDigests)
    const reading =
      first.kind === 'short' ? readFrame(readUpTo(file, at, first.bytesNeeded), 0, nodeDigests) : first
    if (reading.kind !== 'frame' || reading.frame.partition !== partition) continue
    if (durable === undefined || reading.frame.durableSequence > durable)
      durable = reading.frame.durableSequence
  }
  return durable
}

function isDurableMarkAt(mark: DurableMark | undefined, segment: bigint, byte: number): mark is DurableMark {
  return mark?.segment === segment && mark.endByte === byte
}

function refuseOtherHistory(dir: string, end: ChainEnd, mark: DurableMark): void {
  if (end.sequence !== mark.sequence || !sameBytes(end.hash, mark.hash))
    throw new LogRegressedError(dir, end.sequence, mark.sequence, 'its own mark, by another hash,')
}

function refuseRegression(dir: string, end: ChainEnd, witness: Witness): void {
  const { mark, durableAtLeast } = witness
  if (mark !== undefined && end.sequence < mark.sequence)
    throw new LogRegressedError(dir, end.sequence, mark.sequence, 'its own mark')
  if (end.sequence < durableAtLeast)
    throw new LogRegressedError(dir, end.sequence, durableAtLeast, 'a snapshot or a view')
}

/** Cuts debris and makes what is left durable, whatever became of the syncs before. */
function reopen(disk: Disk, dir: string, partition: number, found: FoundEnd, witness: Witness): OpenSegment {
  const { mark } = witness
  if (mark?.segment === found.segment && mark.endByte > found.byte)
    throw new LogRegressedError(
      dir,
      found.end.sequence,
      mark.sequence,
      'its own mark, by a frame without events behind that,',
    )
  const file = disk.open(path.join(dir, relative(partition, found.segment)), 'write', PAST_THE_CACHE)
  if (file.size() > found.byte) file.truncate(found.byte)
  // After a failed fsync the system may take unwritten pages for clean: writing them again makes the next sync honest.
  const from = mark?.segment === found.segment ? mark.endByte : 0
  const pieceBytes = 1024 * BLOCK_BYTES
  for (let at = from; at < found.byte; at += pieceBytes)
    writeAll(file, [readUpTo(file, at, Math.min(pieceBytes, found.byte - at))], at)
  file.sync()
  // A process that died while it made the segment may never have made its name durable.
  disk.syncFolder(path.join(dir, logFolder(partition)))
  return { file, firstSequence: found.segment, byte: found.byte }
}

function keepDurableMark(mark: DurableMarkFile, end: ChainEnd, segment: OpenSegment): void {
  mark.write({
    sequence: end.sequence,
    segment: segment.firstSequence,
    endByte: segment.byte,
    hash: end.hash,
  })
  mark.sync()
}

function relative(partition: number, segment: bigint): string {
  return path.join(logFolder(partition), segmentName(segment))
}

function sizeOf(disk: Disk, name: string): number {
  const file = disk.open(name, 'read')
  const size = file.size()
  file.close()
  return size
}
