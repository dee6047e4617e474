/**
 * Moves segments that lie wholly in the past to an archive folder: oldest first, each one copied aside, synced, verified
 * and renamed there before it is removed here. So at whatever step this is killed, and wherever the archive is mounted,
 * every segment stands in one of the two places, whole; the next run goes on. Segments in question never change, so readers
 * and a running writer do not mind.
 */
import path from 'node:path'
import { sameBytes } from '../../schemas/frames.ts'
import { LogArchiveUnfitError, LogCorruptError } from '../errors.ts'
import { createReaderRule } from '../reader-rule.ts'
import { isAbsent, readUpTo, writeAll, type Disk, type DiskFile } from '../disk/disk.ts'
import { readArchivePointer, removeIfThere, writeArchivePointer } from './layout/segment-locations.ts'
import {
  BLOCK_BYTES,
  decodeSegmentHeader,
  listSegments,
  logFolder,
  segmentName,
  segmentsFrom,
  type ChainEnd,
} from './layout/segments.ts'
import { unitsSync } from './layout/units.ts'

/** Copied and compared at a time. */
const PIECE_BYTES = 4 * 1024 * 1024

/** A segment that is, or would be, moved. */
export interface SegmentMove {
  readonly firstSequence: bigint
  readonly lastSequence: bigint
  /** Of its file. */
  readonly bytes: number
}

/**
 * The live segments that nobody who starts at `neededFrom` opens, oldest first: what `archiveSegments` would move.
 * @param neededFrom the lowest sequence from which a snapshot or a view reads on; 0: everything is needed
 */
export function planArchive(disk: Disk, dir: string, partition: number, neededFrom: bigint): SegmentMove[] {
  const live = listSegments(disk, dir, partition)
  const moved = live.length - segmentsFrom(live, neededFrom).length
  return live.slice(0, moved).map((firstSequence, index) => ({
    firstSequence,
    lastSequence: live[index + 1]! - 1n,
    bytes: withFile(disk, pathOf(dir, partition, firstSequence), (file) => file.size()),
  }))
}

/**
 * Moves what `planArchive` says to `archive`, and writes down where that is. An archive that was moved by hand is given by
 * its new path, also where nothing is left to move. The caller sees to it that only one process does this at a time.
 * @param archive absolute path, not the data folder's
 * @throws LogCorruptError if a segment is bad: nothing more is moved then; LogArchiveUnfitError if the folder holds
 *   anything but this log's past; the disk's error where it fails
 */
export function archiveSegments(
  disk: Disk,
  dir: string,
  partition: number,
  archive: string,
  neededFrom: bigint,
): SegmentMove[] {
  if (path.resolve(archive) === path.resolve(dir))
    throw new LogArchiveUnfitError(archive, 'it is the data folder itself')
  const moves = planArchive(disk, dir, partition, neededFrom)
  refuseUnfit(disk, dir, partition, archive)
  const folder = path.join(archive, logFolder(partition))
  disk.makeFolder(folder)
  if (readArchivePointer(disk, dir, partition) !== archive) writeArchivePointer(disk, dir, partition, archive)
  for (const { firstSequence, lastSequence } of moves) {
    const from = pathOf(dir, partition, firstSequence)
    const next = startOf(disk, dir, partition, lastSequence + 1n)
    verifySegment(disk, from, partition, firstSequence, next)
    copy(disk, from, path.join(folder, segmentName(firstSequence)), (aside) => {
      verifySegment(disk, aside, partition, firstSequence, next)
    })
    disk.remove(from)
    disk.syncFolder(path.dirname(from))
  }
  return moves
}

/** The archive must hold what is missing here, and nothing that contradicts it. */
function refuseUnfit(disk: Disk, dir: string, partition: number, archive: string): void {
  const first = listSegments(disk, dir, partition)[0]
  if (first === undefined || first === 1n) return
  const archived = listSegments(disk, archive, partition).filter((segment) => segment < first)
  const last = archived.at(-1)
  if (last === undefined || archived[0] !== 1n)
    throw new LogArchiveUnfitError(
      archive,
      `it does not hold the events before ${first}, which were archived`,
    )
  const file = pathOf(archive, partition, last)
  verifySegment(disk, file, partition, last, startOf(disk, dir, partition, first))
}

/**
 * Verifies every frame of a segment, and that the chain goes on as the next one says.
 * @throws LogCorruptError with the first bad place
 */
function verifySegment(disk: Disk, name: string, partition: number, segment: bigint, next: ChainEnd): void {
  withFile(disk, name, (file) => {
    const bad = (byte: number, sequence: bigint, reason: string): LogCorruptError =>
      new LogCorruptError({ file: name, byte, sequence }, reason)
    const start = decodeSegmentHeader(readUpTo(file, 0, BLOCK_BYTES), partition, segment)
    if (typeof start === 'string') throw bad(0, segment, start)
    const rule = createReaderRule(partition, start)
    const units = unitsSync(file, BLOCK_BYTES)
    let step = units.next()
    for (; step.done !== true; step = units.next()) {
      const judgement = rule.judge(step.value.frame)
      if (judgement.kind === 'void')
        throw bad(step.value.byte, rule.head().sequence + 1n, `a frame does not continue the chain (${judgement.reason})`)
    }
    const { sequence, hash } = rule.head()
    const end = step.value
    if (end.kind === 'bad') throw bad(end.byte, sequence + 1n, end.reason)
    if (sequence !== next.sequence || !sameBytes(hash, next.hash))
      throw bad(end.byte, sequence + 1n, `the segment with sequence ${next.sequence + 1n} does not continue it`)
  })
} // prettier-ignore

/** Where the chain stands before a live segment. */
function startOf(disk: Disk, dir: string, partition: number, segment: bigint): ChainEnd {
  const name = pathOf(dir, partition, segment)
  const start = withFile(disk, name, (file) =>
    decodeSegmentHeader(readUpTo(file, 0, BLOCK_BYTES), partition, segment),
  )
  if (typeof start === 'string') throw new LogCorruptError({ file: name, byte: 0, sequence: segment }, start)
  return start
}

/** Copies a file durably to where there is none, or finds the same bytes there. `check` throws if the copy is bad. */
function copy(disk: Disk, from: string, to: string, check: (aside: string) => void): void {
  const folder = path.dirname(to)
  if (isThere(disk, to)) {
    if (!isSame(disk, from, to))
      throw new LogArchiveUnfitError(path.dirname(path.dirname(folder)), `${to} differs from ${from}`)
    // It may have been renamed, but not durably, when a predecessor was killed.
    disk.syncFolder(folder)
    return
  }
  const aside = `${to}.aside`
  removeIfThere(disk, aside)
  withFile(disk, from, (source) => {
    const target = disk.open(aside, 'create')
    try {
      for (let at = 0; at < source.size(); at += PIECE_BYTES)
        writeAll(target, [readUpTo(source, at, PIECE_BYTES)], at)
      target.sync()
    } finally {
      target.close()
    }
  })
  check(aside)
  disk.rename(aside, to)
  disk.syncFolder(folder)
}

function isSame(disk: Disk, left: string, right: string): boolean {
  return withFile(disk, left, (one) =>
    withFile(disk, right, (other) => {
      if (one.size() !== other.size()) return false
      for (let at = 0; at < one.size(); at += PIECE_BYTES)
        if (Buffer.compare(readUpTo(one, at, PIECE_BYTES), readUpTo(other, at, PIECE_BYTES)) !== 0)
          return false
      return true
    }),
  )
}

function isThere(disk: Disk, name: string): boolean {
  try {
    disk.open(name, 'read').close()
    return true
  } catch (error) {
    if (isAbsent(error)) return false
    throw error
  }
}

function withFile<Value>(disk: Disk, name: string, work: (file: DiskFile) => Value): Value {
  const file = disk.open(name, 'read')
  try {
    return work(file)
  } finally {
    file.close()
  }
}

function pathOf(base: string, partition: number, segment: bigint): string {
  return path.join(base, logFolder(partition), segmentName(segment))
}
