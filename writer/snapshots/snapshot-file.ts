/**
 * Writes and reads snapshot files (snapshot-format.ts). A file is written aside, synced and renamed, so that under its own
 * name it is whole or damaged later, never half written.
 */
import { createHash, type Hash } from 'node:crypto'
import path from 'node:path'
import { isAbsent, writeAll, type Disk, type DiskFile } from '../../eventlog/disk/disk.ts'
import { HASH_BYTES, sameBytes } from '../../schemas/frames.ts'
import type { CoreSection, SectionLength } from '../core/core.ts'
import {
  SNAPSHOT_CHUNK_BYTES,
  SNAPSHOT_HEADER_BYTES,
  decodeSnapshotHeader,
  decodeSnapshotTable,
  encodeSnapshotHead,
  snapshotLayout,
  type SnapshotLayout,
  type SnapshotPosition,
} from './snapshot-format.ts'

/** What is appended to the name of a file until it is whole. */
export const ASIDE_SUFFIX = '.aside'

/** Written between two syncs: the disk is never left with much at once, which the log's next sync would wait behind. */
const SYNCED_BYTES = 4 * 1024 * 1024

export interface Snapshot extends SnapshotPosition {
  readonly sections: readonly CoreSection[]
}

/** What a file turned out to be. `reason` is for people. */
export type SnapshotReading =
  | { readonly kind: 'snapshot'; readonly snapshot: Snapshot; readonly fileBytes: number }
  | { readonly kind: 'unusable'; readonly reason: string }

/** A file on its way: the sections' bytes are appended in order, in pieces of any size. Any method may throw the disk's error. */
export class SnapshotFileWriter {
  /** Bytes of the whole file. */
  readonly fileBytes: number
  private readonly disk: Disk
  private readonly name: string
  private readonly open: DiskFile
  private readonly layout: SnapshotLayout
  private readonly chunkHashes: Uint8Array[] = []
  private hash: Hash = createHash('sha256')
  private isOpen = true
  private at = 0
  private syncedTo = 0
  private section = 0

  /**
   * Begins to write aside of `file`.
   * @throws the disk's error; RangeError for section names that are not ASCII or too long
   */
  constructor(disk: Disk, file: string, position: SnapshotPosition, sections: readonly SectionLength[]) {
    this.disk = disk
    this.name = file
    this.layout = snapshotLayout(sections)
    this.fileBytes = this.layout.fileBytes
    const head = encodeSnapshotHead(position, this.layout)
    removeIfThere(disk, file + ASIDE_SUFFIX)
    this.open = disk.open(file + ASIDE_SUFFIX, 'create')
    try {
      this.write(head)
    } catch (error) {
      tryTo(() => {
        this.abandon()
      })
      throw error
    }
  }

  /** Appends bytes of the section at hand. They must not reach beyond it. */
  append(bytes: Uint8Array): void {
    const section = this.layout.sections[this.section]
    if (section === undefined || this.at + bytes.length > section.at + section.length)
      throw new Error('a snapshot is given more than its sections hold')
    this.write(bytes)
  }

  /** Makes the file durable under its own name, replacing what stands there. */
  finish(): void {
    if (this.at !== this.layout.bodyBytes) throw new Error('a snapshot is finished before its sections')
    if (this.at % SNAPSHOT_CHUNK_BYTES !== 0) this.endChunk()
    const hashes = Buffer.concat(this.chunkHashes)
    writeAll(this.open, [hashes, createHash('sha256').update(hashes).digest()], this.at)
    this.open.sync()
    this.close()
    this.disk.rename(this.name + ASIDE_SUFFIX, this.name)
    this.disk.syncFolder(path.dirname(this.name))
  }

  /** Lets go of a file that will not be finished. What is aside is removed, if the disk lets it. */
  abandon(): void {
    this.close()
    removeIfThere(this.disk, this.name + ASIDE_SUFFIX)
  }

  private close(): void {
    if (this.isOpen) this.open.close()
    this.isOpen = false
  }

  /** Goes on to the section that comes behind byte `at`. Returns where its bytes begin: there are zeros until then. */
  private endSections(at: number): number {
    const { sections, bodyBytes } = this.layout
    for (;;) {
      const section = sections[this.section]
      if (section === undefined) return bodyBytes
      if (section.length > 0 && at < section.at + section.length) return Math.max(at, section.at)
      this.section += 1
    }
  }

  /** Writes bytes, and the zeros behind them if they end a section, in one. */
  private write(bytes: Uint8Array): void {
    const end = this.at + bytes.length
    const zeros = new Uint8Array(this.endSections(end) - end)
    writeAll(this.open, [bytes, zeros], this.at)
    this.add(bytes)
    this.add(zeros)
    if (this.at - this.syncedTo < SYNCED_BYTES) return
    this.open.sync()
    this.syncedTo = this.at
  }

  /** Adds what is written to the hashes. */
  private add(bytes: Uint8Array): void {
    for (let from = 0; from < bytes.length;) {
      const room = SNAPSHOT_CHUNK_BYTES - (this.at % SNAPSHOT_CHUNK_BYTES)
      const piece = bytes.subarray(from, from + room)
      this.hash.update(piece)
      this.at += piece.length
      from += piece.length
      if (this.at % SNAPSHOT_CHUNK_BYTES === 0) this.endChunk()
    }
  }

  private endChunk(): void {
    this.chunkHashes.push(this.hash.digest())
    this.hash = createHash('sha256')
  }
}

/** Writes a snapshot whose sections are at hand, as `SnapshotFileWriter` does. Returns the file's bytes. */
export function writeSnapshotFile(disk: Disk, file: string, snapshot: Snapshot): number {
  const sections = snapshot.sections.map(({ name, bytes }) => ({ name, length: bytes.length }))
  const writer = new SnapshotFileWriter(disk, file, snapshot, sections)
  try {
    for (const { bytes } of snapshot.sections)
      for (let from = 0; from < bytes.length; from += SNAPSHOT_CHUNK_BYTES)
        writer.append(bytes.subarray(from, from + SNAPSHOT_CHUNK_BYTES))
    writer.finish()
  } catch (error) {
    tryTo(() => {
      writer.abandon()
    })
    throw error
  }
  return writer.fileBytes
}

/**
 * Reads a snapshot. Damage of any kind is an answer, not an error; nothing is allocated from a length that the file's
 * real size does not bear out.
 * @throws the system's error if the file cannot be opened or read
 */
export function readSnapshotFile(disk: Disk, file: string, partition: number): SnapshotReading {
  const open = disk.open(file, 'read')
  try {
    return readOpen(open, partition)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    return { kind: 'unusable', reason: error.message }
  } finally {
    open.close()
  }
}

function readOpen(file: DiskFile, partition: number): SnapshotReading {
  const fileBytes = file.size()
  if (fileBytes < SNAPSHOT_HEADER_BYTES + HASH_BYTES) throw new RangeError('the file is cut off')
  const header = readExactly(file, 0, SNAPSHOT_HEADER_BYTES)
  const { position, tableBytes } = decodeSnapshotHeader(header, fileBytes, partition)
  const table = readExactly(file, SNAPSHOT_HEADER_BYTES, tableBytes)
  const layout = decodeSnapshotTable(table, fileBytes)
  const hashes = readExactly(file, layout.bodyBytes, layout.chunks * HASH_BYTES)
  const hashOfHashes = readExactly(file, fileBytes - HASH_BYTES, HASH_BYTES)
  if (!sameBytes(createHash('sha256').update(hashes).digest(), hashOfHashes))
    throw new RangeError('its hash differs (SHA-256)')
  const body = new BodyReader(file, hashes)
  const sections = layout.sections.map(({ name, length, at }) => {
    body.skipTo(at)
    const bytes = new Uint8Array(length)
    body.read(bytes)
    return { name, bytes }
  })
  body.skipTo(layout.bodyBytes)
  body.end()
  return { kind: 'snapshot', snapshot: { ...position, sections }, fileBytes }
}

/** Reads the body from its first byte on and holds each chunk against its hash. */
class BodyReader {
  private at = 0
  private readonly file: DiskFile
  private readonly hashes: Uint8Array
  private hash: Hash = createHash('sha256')

  constructor(file: DiskFile, hashes: Uint8Array) {
    this.file = file
    this.hashes = hashes
  }

  read(into: Uint8Array): void {
    for (let from = 0; from < into.length;) {
      const room = SNAPSHOT_CHUNK_BYTES - (this.at % SNAPSHOT_CHUNK_BYTES)
      const piece = into.subarray(from, from + room)
      readInto(this.file, this.at, piece)
      this.hash.update(piece)
      this.at += piece.length
      from += piece.length
      if (this.at % SNAPSHOT_CHUNK_BYTES === 0) this.endChunk()
    }
  }

  /** Reads what stands before byte `at`: the header and the table, or a few zeros. */
  skipTo(at: number): void {
    this.read(new Uint8Array(at - this.at))
  }

  end(): void {
    if (this.at % SNAPSHOT_CHUNK_BYTES !== 0) this.endChunk()
  }

  private endChunk(): void {
    const chunk = Math.ceil(this.at / SNAPSHOT_CHUNK_BYTES) - 1
    const expected = this.hashes.subarray(chunk * HASH_BYTES, (chunk + 1) * HASH_BYTES)
    if (!sameBytes(this.hash.digest(), expected))
      throw new RangeError(
        `it is damaged between bytes ${chunk * SNAPSHOT_CHUNK_BYTES} and ${this.at} (SHA-256)`,
      )
    this.hash = createHash('sha256')
  }
}

/** Reads bytes that the file's size bears out. */
function readExactly(file: DiskFile, at: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  readInto(file, at, bytes)
  return bytes
}

function readInto(file: DiskFile, at: number, into: Uint8Array): void {
  for (let got = 0; got < into.length;) {
    const more = file.read(into.subarray(got), at + got)
    if (more === 0) throw new RangeError('the file is cut off')
    got += more
  }
}

/** What a predecessor that was killed left half written. */
function removeIfThere(disk: Disk, file: string): void {
  try {
    disk.remove(file)
  } catch (error) {
    if (!isAbsent(error)) throw error
  }
}

/** What fails behind a failure that is told already adds nothing to it. */
function tryTo(action: () => void): void {
  try {
    action()
  } catch {
    // The first error says why.
  }
}
