/**
 * The one way in which log code touches a disk, small enough to be simulated: `nodeDisk` here, `memoryDisk` with faults
 * beside it. Errors are thrown as they come; callers give them meaning.
 */
import * as fs from 'node:fs'
import path from 'node:path'
import { hasCode } from '../system-error.ts'
import { openDirect } from './direct-write.ts'
import { makeFolders } from './make-folders.ts'

export interface DiskFile {
  /** Writes the parts one behind the other from byte `at`. Returns how many bytes were written: maybe fewer than asked. */
  write(parts: readonly Uint8Array[], at: number): number
  /** Reads into `into` from byte `at`. Returns how many bytes came: fewer than asked, 0 at the end. */
  read(into: Uint8Array, at: number): number
  /** As `read`, without blocking the thread. */
  readLater(into: Uint8Array, at: number): Promise<number>
  /** Size in bytes. */
  size(): number
  /** Cuts to `bytes`. */
  truncate(bytes: number): void
  /** fdatasync: what was written and the size are durable when it returns. */
  sync(): void
  close(): void
}

/** How a file is written; what is durable when is the same either way. */
export interface WriteWay {
  /** Asks that whole blocks from page-aligned memory go to the disk past the page cache, where the disk can. */
  readonly pastTheCache: boolean
}
export const PAST_THE_CACHE: WriteWay = { pastTheCache: true }

export interface Disk {
  /** `read`: must exist, `write`: must exist, `create`: must not exist. */
  open(file: string, mode: 'read' | 'write' | 'create', way?: WriteWay): DiskFile
  /** Names in a folder, sorted; none if there is no such folder. */
  list(folder: string): string[]
  /** Makes a folder and those above it. */
  makeFolder(folder: string): void
  /** fsync of a folder: names made, renamed or removed in it are durable when it returns. */
  syncFolder(folder: string): void
  rename(from: string, to: string): void
  remove(file: string): void
}

/** Writes everything, however short the single writes are. */
export function writeAll(file: DiskFile, parts: readonly Uint8Array[], at: number): void {
  let left = parts.filter((part) => part.length > 0)
  let byte = at
  while (left.length > 0) {
    let written = file.write(left, byte)
    if (written <= 0) throw new Error('the disk took no bytes')
    byte += written
    while (left.length > 0 && written >= left[0]!.length) {
      written -= left[0]!.length
      left = left.slice(1)
    }
    if (written > 0) left = [left[0]!.subarray(written), ...left.slice(1)]
  }
}

/** Reads `bytes` bytes from `at`, or as many as there are. */
export function readUpTo(file: DiskFile, at: number, bytes: number): Uint8Array<ArrayBuffer> {
  const into = new Uint8Array(new ArrayBuffer(Math.max(0, Math.min(bytes, file.size() - at))))
  let got = 0
  while (got < into.length) {
    const more = file.read(into.subarray(got), at + got)
    if (more === 0) break
    got += more
  }
  return into.subarray(0, got)
}

/** As `readUpTo`, without blocking the thread. */
export async function readUpToLater(
  file: DiskFile,
  at: number,
  bytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const into = new Uint8Array(new ArrayBuffer(Math.max(0, Math.min(bytes, file.size() - at))))
  let got = 0
  while (got < into.length) {
    const more = await file.readLater(into.subarray(got), at + got)
    if (more === 0) break
    got += more
  }
  return into.subarray(0, got)
}

/** True if a disk error says that the file or folder is not there. */
export function isAbsent(error: unknown): boolean {
  return hasCode(error, 'ENOENT')
}

const FLAGS = {
  read: fs.constants.O_RDONLY,
  write: fs.constants.O_RDWR,
  create: fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_EXCL,
}

/** The disk of this machine. */
export const nodeDisk: Disk = {
  open(file, mode, way) {
    const fd = fs.openSync(file, FLAGS[mode], 0o600)
    const direct = way?.pastTheCache === true ? openDirect(file) : undefined
    return {
      write: (parts, at) =>
        direct?.write(parts, at) ??
        (parts.length === 1
          ? fs.writeSync(fd, parts[0]!, 0, parts[0]!.length, at)
          : fs.writevSync(fd, parts, at)),
      read: (into, at) => fs.readSync(fd, into, 0, into.length, at),
      readLater: (into, at) =>
        new Promise((resolve, reject) => {
          fs.read(fd, into, 0, into.length, at, (error, bytes) => {
            if (error === null) resolve(bytes)
            else reject(error)
          })
        }),
      size: () => fs.fstatSync(fd).size,
      truncate: (bytes) => {
        fs.ftruncateSync(fd, bytes)
      },
      sync: () => {
        fs.fdatasyncSync(fd)
      },
      close: () => {
        direct?.close()
        fs.closeSync(fd)
      },
    }
  },
  list(folder) {
    try {
      return fs.readdirSync(folder).sort()
    } catch (error) {
      if (isAbsent(error)) return []
      throw error
    }
  },
  makeFolder(folder) {
    const first = makeFolders(folder)
    if (first === undefined) return
    // Each new name stands in the folder above it.
    for (let made = folder; made.length >= first.length; made = path.dirname(made))
      nodeDisk.syncFolder(path.dirname(made))
  },
  syncFolder(folder) {
    const fd = fs.openSync(folder, fs.constants.O_RDONLY)
    try {
      fs.fsyncSync(fd)
    } finally {
      fs.closeSync(fd)
    }
  },
  rename: (from, to) => {
    fs.renameSync(from, to)
  },
  remove: (file) => {
    fs.unlinkSync(file)
  },
}
