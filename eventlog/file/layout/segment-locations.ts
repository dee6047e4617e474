/**
 * Where a partition's segments are: in the data folder, or, once they lie wholly in the past, in an archive. The archive's
 * path stands in `log/<partition>/archive`, one line of JSON; within it the tree is that of a data folder. Segments are
 * archived oldest first, so the live ones are always the newest.
 */
import path from 'node:path'
import { LogArchiveMissingError } from '../../errors.ts'
import { isAbsent, readUpTo, writeAll, type Disk, type DiskFile } from '../../disk/disk.ts'
import { listSegments, logFolder, segmentName, segmentsFrom } from './segments.ts'

const POINTER_NAME = 'archive'
/** Longer than any path that a system takes. */
const POINTER_BYTES_MAX = 64 * 1024

/** A segment and where it stands. */
export interface SegmentLocation {
  readonly firstSequence: bigint
  /** The data folder, or the archive. */
  readonly base: string
  /** As messages name it: relative to the data folder, or the whole path where it is archived. */
  readonly shown: string
}

/**
 * The segments that a reader from `fromSequence` on needs. The archive is looked at only if they begin in it.
 * @throws LogArchiveMissingError if they do, and it is not there
 */
export function locateSegments(
  disk: Disk,
  dir: string,
  partition: number,
  fromSequence: bigint,
): readonly SegmentLocation[] {
  const live = listSegments(disk, dir, partition)
  const first = live[0]
  const needed = segmentsFrom(live, fromSequence).map((segment) => locationIn(dir, partition, segment, true))
  if (first === undefined || first === 1n || first < fromSequence) return needed
  const archive = readArchivePointer(disk, dir, partition)
  if (archive === undefined) return needed
  const archived = listSegments(disk, archive, partition).filter((segment) => segment < first)
  const [oldest, ...others] = segmentsFrom(archived, fromSequence)
  if (oldest === undefined || (oldest !== 1n && oldest >= fromSequence))
    throw new LogArchiveMissingError(archive, fromSequence)
  return [
    ...[oldest, ...others].map((segment) => locationIn(archive, partition, segment, false)),
    ...live.map((segment) => locationIn(dir, partition, segment, true)),
  ]
}

/** Opens a segment for reading; one that was archived since it was listed is found there. */
export function openSegmentAt(
  disk: Disk,
  location: SegmentLocation,
  dir: string,
  partition: number,
): DiskFile {
  const name = path.join(logFolder(partition), segmentName(location.firstSequence))
  try {
    return disk.open(path.join(location.base, name), 'read')
  } catch (error) {
    const archive =
      isAbsent(error) && location.base === dir ? readArchivePointer(disk, dir, partition) : undefined
    if (archive === undefined) throw error
    return disk.open(path.join(archive, name), 'read')
  }
}

function locationIn(base: string, partition: number, segment: bigint, isLive: boolean): SegmentLocation {
  const name = path.join(logFolder(partition), segmentName(segment))
  return { firstSequence: segment, base, shown: isLive ? name : path.join(base, name) }
}

/**
 * The archive of a partition's log, undefined if it never had one.
 * @throws LogArchiveMissingError if the file that says it cannot be understood
 */
export function readArchivePointer(disk: Disk, dir: string, partition: number): string | undefined {
  const name = path.join(dir, logFolder(partition), POINTER_NAME)
  let file: DiskFile
  try {
    file = disk.open(name, 'read')
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
  try {
    const told = JSON.parse(Buffer.from(readUpTo(file, 0, POINTER_BYTES_MAX)).toString('utf8')) as { folder?: unknown } | null
    if (typeof told?.folder === 'string' && path.isAbsolute(told.folder)) return told.folder
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  } finally {
    file.close()
  }
  throw new LogArchiveMissingError(`(which ${name} should name)`, 1n)
} // prettier-ignore

/** Writes down, durably, where the archive is. */
export function writeArchivePointer(disk: Disk, dir: string, partition: number, archive: string): void {
  const folder = path.join(dir, logFolder(partition))
  const aside = path.join(folder, `${POINTER_NAME}.aside`)
  removeIfThere(disk, aside)
  const file = disk.open(aside, 'create')
  try {
    writeAll(file, [Buffer.from(`${JSON.stringify({ folder: archive })}\n`)], 0)
    file.sync()
  } finally {
    file.close()
  }
  disk.rename(aside, path.join(folder, POINTER_NAME))
  disk.syncFolder(folder)
}

/** Removes what a killed predecessor may have left half written. */
export function removeIfThere(disk: Disk, file: string): void {
  try {
    disk.remove(file)
  } catch (error) {
    if (!isAbsent(error)) throw error
  }
}
