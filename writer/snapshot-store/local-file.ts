/** The local side of a snapshot on its way: read in pieces, or written aside, synced and renamed. */
import { randomUUID } from 'node:crypto'
import { open, rename, rm, type FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { ASIDE_SUFFIX } from '../snapshots/snapshot-file.ts'

/** Reads exactly `bytes` bytes from byte `at`. Throws RangeError if the file is shorter. */
export async function readPiece(file: FileHandle, at: number, bytes: number): Promise<Uint8Array> {
  const piece = Buffer.allocUnsafe(bytes)
  for (let got = 0; got < bytes;) {
    const { bytesRead } = await file.read(piece, got, bytes - got, at + got)
    if (bytesRead === 0) throw new RangeError('the snapshot file became shorter while it was copied')
    got += bytesRead
  }
  return piece
}

/**
 * Makes a file whole or not at all: `fill` writes it aside under a name of its own, so that several may try at once. What
 * `fill` throws leaves nothing behind.
 */
export async function writeAside<T>(file: string, fill: (aside: FileHandle) => Promise<T>): Promise<T> {
  const name = `${file}.${randomUUID()}${ASIDE_SUFFIX}`
  const aside = await open(name, 'wx')
  try {
    const result = await fill(aside)
    await aside.sync()
    await aside.close()
    await rename(name, file)
    await syncFolder(path.dirname(file))
    return result
  } catch (error) {
    await aside.close().catch(() => undefined)
    await rm(name, { force: true }).catch(() => undefined)
    throw error
  }
}

/** Writes a piece at byte `at`, all of it. */
export async function writePiece(file: FileHandle, piece: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < piece.length;) {
    const { bytesWritten } = await file.write(piece, done, piece.length - done, at + done)
    done += bytesWritten
  }
}

/** Names made or renamed in a folder are durable when it returns. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
