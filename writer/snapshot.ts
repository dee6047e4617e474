/** The snapshots of a partition: `snapshots/<partition>/<sequence>.snap`, the newest few, and which of them to start from. */
import path from 'node:path'
import type { Disk } from '../eventlog/file/disk.ts'
import { readSnapshotFile, writeSnapshotFile, type Snapshot, type SnapshotPosition } from './snapshot-file.ts'

/** Snapshots kept: the newest, and the one before in case it is damaged. */
export const SNAPSHOTS_KEPT = 2

const FILE_NAME = /^(\d{20})\.snap$/

export function snapshotsFolder(dataDir: string, partition: number): string {
  return path.join(dataDir, 'snapshots', String(partition))
}

/** A snapshot that could not be used. */
export interface PassedOver {
  /** Path relative to the data folder. */
  readonly file: string
  readonly reason: string
}

/** What to start from: the state that `load` made of the newest usable snapshot, if any was. */
export interface NewestSnapshot<State> {
  readonly usable:
    { readonly file: string; readonly position: SnapshotPosition; readonly state: State } | undefined
  /** Newer ones that were not, newest first. */
  readonly passedOver: readonly PassedOver[]
}

/**
 * Writes a snapshot durably and removes all but the newest. What a killed predecessor left half written is removed too.
 * @returns the file's path
 * @throws the system's error of a failed write, sync or rename
 */
export function saveSnapshot(disk: Disk, dataDir: string, snapshot: Snapshot): string {
  const folder = snapshotsFolder(dataDir, snapshot.partition)
  disk.makeFolder(folder)
  const file = path.join(folder, `${String(snapshot.sequence).padStart(20, '0')}.snap`)
  writeSnapshotFile(disk, file, snapshot)
  const asides = disk.list(folder).filter((name) => name.endsWith('.aside'))
  for (const name of [...asides, ...listSnapshots(disk, folder).slice(SNAPSHOTS_KEPT)])
    disk.remove(path.join(folder, name))
  disk.syncFolder(folder)
  return file
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
): NewestSnapshot<State> {
  const folder = snapshotsFolder(dataDir, partition)
  const passedOver: PassedOver[] = []
  for (const name of listSnapshots(disk, folder)) {
    const file = path.relative(dataDir, path.join(folder, name))
    try {
      const reading = readSnapshotFile(disk, path.join(folder, name), partition)
      if (reading.kind === 'unusable') throw new RangeError(reading.reason)
      const { snapshot } = reading
      if (snapshot.sequence !== BigInt(name.slice(0, 20)))
        throw new RangeError(`it is of sequence ${snapshot.sequence}, not the one it is named after`)
      const { sections: _, ...position } = snapshot
      return { usable: { file, position, state: load(snapshot) }, passedOver }
    } catch (error) {
      if (!(error instanceof RangeError) && !isSystemError(error)) throw error
      passedOver.push({ file, reason: error.message })
    }
  }
  return { usable: undefined, passedOver }
}

/** Sequence of the oldest snapshot kept: a start may read the log from there on. 0 if there is none. */
export function oldestSnapshotSequence(disk: Disk, dataDir: string, partition: number): bigint {
  const oldest = listSnapshots(disk, snapshotsFolder(dataDir, partition)).at(-1)
  return oldest === undefined ? 0n : BigInt(oldest.slice(0, 20))
}

/** File names, newest first. */
function listSnapshots(disk: Disk, folder: string): string[] {
  return disk
    .list(folder)
    .filter((name) => FILE_NAME.test(name))
    .reverse()
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error
}
