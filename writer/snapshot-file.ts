/**
 * One snapshot in one file, little-endian:
 *
 *   0 magic "PRSN" · 4 format version u16 · 6 partition u16 · 8 sections u32 · 12 next command index u32
 *  16 sequence u64 · 24 epoch u64 · 32 next command offset u64 · 40 file length u64
 *  48 hash of the chain's last frame, 32 bytes · 80 zero to 96
 *  96 for each section: name (ASCII, zero-padded to 32 bytes), length u64
 *     the sections one behind the other, then SHA-256, 32 bytes, of all before it
 *
 * What the sections mean is the core's business. A file is written aside, synced and renamed, so that under its own name
 * it is whole or damaged later, never half written.
 */
import { createHash, type Hash } from 'node:crypto'
import path from 'node:path'
import { isAbsent, writeAll, type Disk, type DiskFile } from '../eventlog/file/disk.ts'
import { HASH_BYTES } from '../schemas/frames.ts'

const MAGIC = 0x4e535250
const FORMAT_VERSION = 1
const HEADER_BYTES = 96
const NAME_BYTES = 32
const TABLE_ENTRY_BYTES = NAME_BYTES + 8
const SECTIONS_MAX = 256
/** Read, written and hashed at a time. */
const CHUNK_BYTES = 4 * 1024 * 1024

/** A named part of the core's state. */
export interface Section {
  readonly name: string
  readonly bytes: Uint8Array
}

/** Where in the log's history a snapshot stands. */
export interface SnapshotPosition {
  readonly partition: number
  /** Last sequence whose effect is in the state. */
  readonly sequence: bigint
  readonly epoch: bigint
  /** Hash of the last frame whose effect is in the state: 32 bytes. */
  readonly chainHash: Uint8Array
  readonly nextCommandOffset: bigint
  readonly nextCommandIndex: number
}

export interface Snapshot extends SnapshotPosition {
  readonly sections: readonly Section[]
}

/** What a file turned out to be. `reason` is for people. */
export type SnapshotReading =
  | { readonly kind: 'snapshot'; readonly snapshot: Snapshot }
  | { readonly kind: 'unusable'; readonly reason: string }

/**
 * Writes a snapshot durably under `file`, replacing what stands there.
 * @throws the system's error of a failed write, sync or rename; RangeError for section names that are not ASCII or too long
 */
export function writeSnapshotFile(disk: Disk, file: string, snapshot: Snapshot): void {
  const head = encodeHead(snapshot)
  const aside = `${file}.aside`
  removeIfThere(disk, aside)
  const open = disk.open(aside, 'create')
  try {
    const hash = createHash('sha256')
    let at = 0
    function append(bytes: Uint8Array): void {
      writeAll(open, [bytes], at)
      at += bytes.length
    }
    for (const bytes of [head, ...snapshot.sections.map((section) => section.bytes)])
      for (let from = 0; from < bytes.length; from += CHUNK_BYTES) {
        const chunk = bytes.subarray(from, from + CHUNK_BYTES)
        hash.update(chunk)
        append(chunk)
      }
    append(hash.digest())
    open.sync()
  } finally {
    open.close()
  }
  disk.rename(aside, file)
  disk.syncFolder(path.dirname(file))
}

/** What a predecessor that was killed left half written. */
function removeIfThere(disk: Disk, file: string): void {
  try {
    disk.remove(file)
  } catch (error) {
    if (!isAbsent(error)) throw error
  }
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
  } finally {
    open.close()
  }
}

function encodeHead(snapshot: Snapshot): Uint8Array {
  const { sections } = snapshot
  if (sections.length > SECTIONS_MAX) throw new RangeError(`a snapshot has at most ${SECTIONS_MAX} sections`)
  if (snapshot.chainHash.length !== HASH_BYTES) throw new RangeError('a chain hash has 32 bytes')
  const head = new Uint8Array(HEADER_BYTES + sections.length * TABLE_ENTRY_BYTES)
  const view = new DataView(head.buffer)
  const sectionBytes = sections.reduce((sum, section) => sum + section.bytes.length, 0)
  view.setUint32(0, MAGIC, true)
  view.setUint16(4, FORMAT_VERSION, true)
  view.setUint16(6, snapshot.partition, true)
  view.setUint32(8, sections.length, true)
  view.setUint32(12, snapshot.nextCommandIndex, true)
  view.setBigUint64(16, snapshot.sequence, true)
  view.setBigUint64(24, snapshot.epoch, true)
  view.setBigUint64(32, snapshot.nextCommandOffset, true)
  view.setBigUint64(40, BigInt(head.length + sectionBytes + HASH_BYTES), true)
  head.set(snapshot.chainHash, 48)
  sections.forEach(({ name, bytes }, index) => {
    if (!SECTION_NAME.test(name)) throw new RangeError(`not a section name: ${JSON.stringify(name)}`)
    const at = HEADER_BYTES + index * TABLE_ENTRY_BYTES
    head.set(Buffer.from(name, 'ascii'), at)
    view.setBigUint64(at + NAME_BYTES, BigInt(bytes.length), true)
  })
  return head
}

const SECTION_NAME = /^[\x21-\x7e]{1,32}$/

function readOpen(file: DiskFile, partition: number): SnapshotReading {
  const fileBytes = file.size()
  const unusable = (reason: string): SnapshotReading => ({ kind: 'unusable', reason })
  if (fileBytes < HEADER_BYTES + HASH_BYTES) return unusable('the file is cut off')
  const hash = createHash('sha256')
  let at = 0
  function read(length: number, isHashed = true): Uint8Array<ArrayBuffer> {
    const bytes = readHashed(file, at, length, isHashed ? hash : undefined)
    at += length
    return bytes
  }
  const header = read(HEADER_BYTES)
  const view = new DataView(header.buffer)
  if (view.getUint32(0, true) !== MAGIC) return unusable('the file is not a snapshot (magic)')
  const version = view.getUint16(4, true)
  if (version !== FORMAT_VERSION) return unusable(`unknown snapshot format version ${version}`)
  if (view.getUint16(6, true) !== partition)
    return unusable(`it is of partition ${view.getUint16(6, true)}, not of ${partition}`)
  if (view.getBigUint64(40, true) !== BigInt(fileBytes)) return unusable('the file is cut off or has grown')
  const count = view.getUint32(8, true)
  const sectionsAt = HEADER_BYTES + count * TABLE_ENTRY_BYTES
  if (count > SECTIONS_MAX || sectionsAt + HASH_BYTES > fileBytes) return unusable('it has too many sections')
  const table = readTable(read(count * TABLE_ENTRY_BYTES), count)
  const sectionBytes = table.reduce((sum, { length }) => sum + length, 0n)
  if (BigInt(sectionsAt + HASH_BYTES) + sectionBytes !== BigInt(fileBytes))
    return unusable('its section lengths contradict its size')

  const sections = table.map(({ name, length }) => ({
    name,
    bytes: read(Number(length)),
  }))
  const stored = read(HASH_BYTES, false)
  if (!hash.digest().equals(stored)) return unusable('its hash differs (SHA-256)')
  return {
    kind: 'snapshot',
    snapshot: {
      partition,
      sequence: view.getBigUint64(16, true),
      epoch: view.getBigUint64(24, true),
      chainHash: header.slice(48, 48 + HASH_BYTES),
      nextCommandOffset: view.getBigUint64(32, true),
      nextCommandIndex: view.getUint32(12, true),
      sections,
    },
  }
}

function readTable(table: Uint8Array, count: number): { name: string; length: bigint }[] {
  const view = new DataView(table.buffer)
  return Array.from({ length: count }, (_, index) => {
    const at = index * TABLE_ENTRY_BYTES
    const name = Buffer.from(table.subarray(at, at + NAME_BYTES)).toString('latin1')
    return { name: name.replace(/\0+$/, ''), length: view.getBigUint64(at + NAME_BYTES, true) }
  })
}

/** Reads bytes of a file into a buffer of their own. A file that ends early leaves zeros: the hash tells. */
function readHashed(
  file: DiskFile,
  from: number,
  length: number,
  hash: Hash | undefined,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length;) {
    const chunk = bytes.subarray(at, at + CHUNK_BYTES)
    const read = file.read(chunk, from + at)
    if (read === 0) break
    hash?.update(chunk.subarray(0, read))
    at += read
  }
  return bytes
}
