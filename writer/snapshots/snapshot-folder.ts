/** The snapshots of a partition: `snapshots/<partition>/<sequence>.snap`, the newest few, and which of them to start from. */
import path from 'node:path'
import { messageOf } from '../../schemas/errors.ts'
import type { Disk } from '../../eventlog/disk/disk.ts'
import {
  ASIDE_SUFFIX,
  SnapshotFileWriter,
  readSnapshotFile,
  writeSnapshotFile,
  type Snapshot,
} from './snapshot-file.ts'
import type { SectionLength } from '../core/core.ts'
import type { SnapshotPosition } from './snapshot-format.ts'

/** Snapshots kept unless said otherwise: the newest, and the one before in case it is damaged. */
export const SNAPSHOTS_KEPT_DEFAULT = 2

const FILE_NAME = /^(\d{20})\.snap$/

export function snapshotsFolder(dataDir: string, partition: number): string {
  return path.join(dataDir, 'snapshots', String(partition))
}

/** Where the snapshot of this sequence stands. */
export function snapshotFile(dataDir: string, partition: number, sequence: bigint): string {
  return path.join(snapshotsFolder(dataDir, partition), `${String(sequence).padStart(20, '0')}.snap`)
}

/** A snapshot that could not be used. */
export interface UnusableSnapshot {
  /** Path relative to the data folder. */
  readonly file: string
  /** The sequence that it is named after. */
  readonly sequence: bigint
  readonly reason: string
}

/** What to start from: the state that `load` made of the newest usable snapshot, if any was. */
export interface SnapshotToStartFrom<State> {
  readonly usable:
    | {
        /** Path relative to the data folder. */
        readonly file: string
        readonly fileBytes: number
        readonly position: SnapshotPosition
        readonly state: State
      }
    | undefined
  /** Newer ones that were not, newest first. */
  readonly unusable: readonly UnusableSnapshot[]
}

/** A snapshot on disk, by its name: whether it is whole is known when it has been read. */
export interface SnapshotFile {
  /** Path. */
  readonly file: string
  /** The sequence that it says it stands behind. */
  readonly sequence: bigint
}

/** Begins the file of a snapshot at this position. To be ended by `finish` or `abandon`. */
export function beginSnapshot(
  disk: Disk,
  dataDir: string,
  position: SnapshotPosition,
  sections: readonly SectionLength[],
): SnapshotFileWriter {
  disk.makeFolder(snapshotsFolder(dataDir, position.partition))
  return new SnapshotFileWriter(
    disk,
    snapshotFile(dataDir, position.partition, position.sequence),
    position,
    sections,
  )
}

/**
 * Writes a snapshot whose sections are at hand durably.
 * @returns the file's path
 * @throws the system's error of a failed write, sync or rename
 */
export function saveSnapshot(disk: Disk, dataDir: string, snapshot: Snapshot): string {
  const file = snapshotFile(dataDir, snapshot.partition, snapshot.sequence)
  disk.makeFolder(path.dirname(file))
  writeSnapshotFile(disk, file, snapshot)
  return file
}

/**
 * Removes what the snapshot at `newest`, which is durable and whole, has made superfluous: those known to be unusable,
 * and all older ones but the newest `kept` − 1. What has a later name is left alone.
 * @param kept snapshots to keep, at least 1
 * @param unusable sequences of snapshots that a start passed over
 */
export function removeOldSnapshots(
  disk: Disk,
  dataDir: string,
  partition: number,
  newest: bigint,
  kept: number,
  unusable: ReadonlySet<bigint>,
): void {
  const others = listSnapshots(disk, dataDir, partition).filter(({ sequence }) => sequence !== newest)
  const older = others.filter(({ sequence }) => sequence < newest && !unusable.has(sequence))
  const useless = others.filter(({ sequence }) => unusable.has(sequence))
  removeAll(disk, [...useless, ...older.slice(kept - 1)].map(({ file }) => file)) // prettier-ignore
}

/**
 * Removes what a writer that was killed left half written. To be called when no snapshot is under way.
 * @returns a line for the operator if the disk did not let it; nothing depends on it
 */
export function removeUnfinishedSnapshots(
  disk: Disk,
  dataDir: string,
  partition: number,
): string | undefined {
  const folder = snapshotsFolder(dataDir, partition)
  try {
    const unfinished = disk.list(folder).filter((name) => name.endsWith(ASIDE_SUFFIX))
    removeAll(disk, unfinished.map((name) => path.join(folder, name))) // prettier-ignore
    return undefined
  } catch (error) {
    const reason = messageOf(error)
    return `Unfinished snapshots could not be removed: ${reason}. They take room, nothing else.`
  }
}

function removeAll(disk: Disk, files: readonly string[]): void {
  for (const file of files) disk.remove(file)
  for (const folder of new Set(files.map((file) => path.dirname(file)))) disk.syncFolder(folder)
}

/** The snapshots of a partition, newest first. */
export function listSnapshots(disk: Disk, dataDir: string, partition: number): SnapshotFile[] {
  const folder = snapshotsFolder(dataDir, partition)
  return disk
    .list(folder)
    .filter((name) => FILE_NAME.test(name))
    .reverse()
    .map((name) => ({ file: path.join(folder, name), sequence: BigInt(name.slice(0, 20)) }))
}

/** Sequence of the oldest snapshot kept: a start may read the log from there on. 0 if there is none. */
export function oldestSnapshotSequence(disk: Disk, dataDir: string, partition: number): bigint {
  return listSnapshots(disk, dataDir, partition).at(-1)?.sequence ?? 0n
}

/**
 * Reads the newest snapshot that is whole, of this partition, and that `load` makes a state of. Every newer one that is
 * not is passed over, with the reason.
 * @param load makes a state of a snapshot's sections; a RangeError says that they are none it understands
 */
export function loadNewestSnapshot<State>(
  disk: Disk,
  dataDir: string,
  partition: number,
  load: (snapshot: Snapshot) => State,
): SnapshotToStartFrom<State> {
  const unusable: UnusableSnapshot[] = []
  for (const { file: name, sequence } of listSnapshots(disk, dataDir, partition)) {
    const file = path.relative(dataDir, name)
    try {
      const reading = readSnapshotFile(disk, name, partition)
      if (reading.kind === 'unusable') throw new RangeError(reading.reason)
      const { snapshot, fileBytes } = reading
      if (snapshot.sequence !== sequence)
        throw new RangeError(`it is of sequence ${snapshot.sequence}, not the one it is named after`)
      const { sections: _, ...position } = snapshot
      return { usable: { file, fileBytes, position, state: load(snapshot) }, unusable }
    } catch (error) {
      if (!(error instanceof RangeError) && !isSystemError(error)) throw error
      unusable.push({ file, sequence, reason: error.message })
    }
  }
  return { usable: undefined, unusable }
}

/** An error of the disk, such as EIO; Node's own codes have an underscore. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && /^E[A-Z0-9]+$/.test(String(error.code))
}
