/** Snapshots in a folder that all writers see: a shared volume, a mounted file system, or for trying things out. */
import { open, readdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { unlessAborted } from '../../eventlog/abort.ts'
import { makeFolders } from '../../eventlog/disk/make-folders.ts'
import { hasCode } from '../../eventlog/system-error.ts'
import { ASIDE_SUFFIX } from '../snapshots/snapshot-file.ts'
import { encodeWitness, nameOfWitness, WITNESS_BYTES_MAX, type HeadWitness } from './head-witness.ts'
import { readPiece, writeAside, writePiece } from './local-file.ts'
import {
  SnapshotStoreError,
  nameOfSnapshot,
  newestFirst,
  parseSnapshotName,
  superfluous,
  witnessIn,
  type SnapshotStore,
  type StoredSnapshot,
} from './snapshot-store.ts'

/** Writers of several users share it, as the umask lets them. */
const SHARED = 0o777
/** Copied at a time. */
const PIECE_BYTES = 4 * 1024 * 1024
/** What stays aside for so long was left by a writer that was killed. */
const ABANDONED_MS = 24 * 3_600_000

/** @param folder made with the first snapshot */
export function openFolderStore(folder: string): SnapshotStore {
  const location = `in folder ${folder}`
  const pathOf = (partition: number, sequence: bigint): string =>
    path.join(folder, nameOfSnapshot(partition, sequence))

  async function list(partition: number): Promise<StoredSnapshot[]> {
    const found: StoredSnapshot[] = []
    for (const name of await namesIn(path.join(folder, String(partition)))) {
      const named = parseSnapshotName(`${partition}/${name}`)
      const bytes = named && (await sizeOf(pathOf(partition, named.sequence)))
      if (bytes !== undefined) found.push({ ...named!, bytes })
    }
    return newestFirst(found)
  }

  /** What fails on the store's side is the store's error; what fails on the local side stays as it is. */
  async function inStore<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw new SnapshotStoreError('snapshot_store_refused', location, error)
    }
  }

  async function removeAbandoned(partition: number): Promise<void> {
    const within = path.join(folder, String(partition))
    for (const name of await namesIn(within)) {
      if (!name.endsWith(ASIDE_SUFFIX)) continue
      const file = path.join(within, name)
      const isAbandoned = await stat(file).then(
        ({ mtimeMs }) => Date.now() - mtimeMs > ABANDONED_MS,
        () => false,
      )
      if (isAbandoned) await rm(file, { force: true })
    }
  }

  async function publish(partition: number, sequence: bigint, file: string, kept: number): Promise<void> {
    const from = await open(file, 'r')
    try {
      const { size } = await from.stat()
      await inStore(async () => {
        makeFolders(path.join(folder, String(partition)), SHARED)
        await writeAside(pathOf(partition, sequence), (aside) => copy(from, aside, size))
      })
    } finally {
      await from.close()
    }
    await inStore(async () => {
      const old = superfluous(await list(partition), sequence, kept)
      for (const { sequence: one } of old) await rm(pathOf(partition, one), { force: true })
      await removeAbandoned(partition)
    })
  }

  async function fetch(partition: number, sequence: bigint, file: string): Promise<'fetched' | 'absent'> {
    const from = await openIfThere(pathOf(partition, sequence), location)
    if (from === undefined) return 'absent'
    try {
      const { size } = await from.stat()
      await writeAside(file, (aside) => copy(from, aside, size))
      return 'fetched'
    } finally {
      await from.close()
    }
  }

  async function readWitness(partition: number): Promise<HeadWitness | undefined> {
    const file = await openIfThere(path.join(folder, nameOfWitness(partition)), location)
    if (file === undefined) return undefined
    try {
      const text = await inStore(() => readAtMost(file, WITNESS_BYTES_MAX))
      return witnessIn(location, text, partition)
    } finally {
      await file.close()
    }
  }

  function writeWitness(witness: HeadWitness): Promise<void> {
    const file = path.join(folder, nameOfWitness(witness.partition))
    return inStore(async () => {
      makeFolders(path.dirname(file), SHARED)
      await writeAside(file, (aside) => writePiece(aside, Buffer.from(encodeWitness(witness)), 0))
    })
  }

  return {
    location,
    // A file system cannot be told to end what it does: it is left alone with it, and what it makes is whole or not there.
    list: (partition, signal) => unlessAborted(signal, () => inStore(() => list(partition))),
    publish: (partition, sequence, file, kept, signal) =>
      unlessAborted(signal, () => publish(partition, sequence, file, kept)),
    fetch: (partition, sequence, file, signal) =>
      unlessAborted(signal, () => fetch(partition, sequence, file)),
    readWitness: (partition, signal) => unlessAborted(signal, () => readWitness(partition)),
    writeWitness: (witness, signal) => unlessAborted(signal, () => writeWitness(witness)),
    close: () => undefined,
  }
}

async function copy(from: OpenFile, to: OpenFile, bytes: number): Promise<void> {
  for (let at = 0; at < bytes; at += PIECE_BYTES)
    await writePiece(to, await readPiece(from, at, Math.min(PIECE_BYTES, bytes - at)), at)
}

/** The text of a file, up to so many bytes of it. */
async function readAtMost(file: OpenFile, bytes: number): Promise<string> {
  const { size } = await file.stat()
  return Buffer.from(await readPiece(file, 0, Math.min(size, bytes))).toString('latin1')
}

type OpenFile = Awaited<ReturnType<typeof open>>

async function openIfThere(file: string, location: string): Promise<OpenFile | undefined> {
  try {
    return await open(file, 'r')
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw new SnapshotStoreError('snapshot_store_refused', location, error)
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return []
    throw error
  }
}

/** Undefined if another writer removed it meanwhile. */
async function sizeOf(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).size
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}
