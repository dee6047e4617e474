/** What the machine does with the same bytes when nothing else is done to them. */
import { createHash } from 'node:crypto'
import {
  closeSync,
  fdatasyncSync,
  openSync,
  readSync,
  readdirSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import path from 'node:path'

const CHUNK_BYTES = 4 * 1024 * 1024

/** Bytes a second that SHA-256 takes, in pieces of a full frame's size. */
export function measureSha256(seconds: number): number {
  const bytes = new Uint8Array(1_800_000).fill(7)
  const startMs = performance.now()
  let elapsedMs = 0
  let hashed = 0
  while (elapsedMs < seconds * 1_000) {
    createHash('sha256').update(bytes).digest()
    hashed += bytes.length
    elapsedMs = performance.now() - startMs
  }
  return (hashed / elapsedMs) * 1_000
}

/**
 * Bytes a second that are written and synced in pieces of this size, one after the other, into a file in `folder`. As a log
 * does, it goes on into the same file, and removes it at the end.
 */
export function measureWriteSync(folder: string, pieceBytes: number, seconds: number): number {
  const file = path.join(folder, 'write-sync')
  const bytes = new Uint8Array(Math.ceil(pieceBytes / 4_096) * 4_096).fill(7)
  const handle = openSync(file, 'w')
  try {
    const startMs = performance.now()
    let elapsedMs = 0
    let written = 0
    while (elapsedMs < seconds * 1_000) {
      written += writeSync(handle, bytes, 0, bytes.length, written)
      fdatasyncSync(handle)
      elapsedMs = performance.now() - startMs
    }
    return (written / elapsedMs) * 1_000
  } finally {
    closeSync(handle)
    rmSync(file)
  }
}

/** Seconds that reading and hashing these files takes, from the page cache where they lie in it. */
export function measureReadAndHash(files: readonly string[]): {
  readonly bytes: number
  readonly seconds: number
} {
  const chunk = new Uint8Array(CHUNK_BYTES)
  const startMs = performance.now()
  let bytes = 0
  for (const file of files) {
    const hash = createHash('sha256')
    const handle = openSync(file, 'r')
    try {
      for (let read = -1; read !== 0; bytes += read) {
        read = readSync(handle, chunk, 0, CHUNK_BYTES, null)
        hash.update(chunk.subarray(0, read))
      }
    } finally {
      closeSync(handle)
    }
    hash.digest()
  }
  return { bytes, seconds: (performance.now() - startMs) / 1_000 }
}

/** Files below a folder, in order of their paths; none if there is no such folder. */
export function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .map((name) => path.join(folder, name))
      .filter((file) => statSync(file).isFile())
      .sort()
  } catch {
    return []
  }
}

export function bytesOf(files: readonly string[]): number {
  return files.reduce((sum, file) => sum + statSync(file).size, 0)
}
