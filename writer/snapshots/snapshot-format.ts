/**
 * One snapshot in one file, format version 2, little-endian:
 *
 *   0 magic "PRSN" · 4 format version u16 · 6 partition u16 · 8 sections u32 · 12 next command index u32
 *  16 sequence u64 · 24 epoch u64 · 32 next command offset u64 · 40 file length u64
 *  48 hash of the chain's last frame, 32 bytes · 80 taken at u64, nanoseconds since 1970
 *  88 where that frame stands in the log’s storage u64, 0: unknown
 *  96 for each section: name (ASCII, zero-padded to 32 bytes), length u64
 *     each section from the next multiple of 64 bytes on, zeros between and behind up to the next multiple: the body
 *     SHA-256, 32 bytes each, of the body's chunks: of every 1 MiB from byte 0 on, the last one shorter
 *     SHA-256 of those hashes, 32 bytes
 *
 * What the sections mean is the core's business. Chunks have hashes of their own so that a large file can be verified in
 * parts, each by a thread of its own, and a damaged place has an address.
 */
import { HASH_BYTES } from '../../schemas/frames.ts'
import type { SectionLength } from '../core/core.ts'

export const SNAPSHOT_HEADER_BYTES = 96
/** Bytes of the body under one hash. */
export const SNAPSHOT_CHUNK_BYTES = 1024 * 1024

const MAGIC = 0x4e535250
const FORMAT_VERSION = 2
const NAME_BYTES = 32
const TABLE_ENTRY_BYTES = NAME_BYTES + 8
const SECTIONS_MAX = 256
const ALIGNMENT_BYTES = 64
const SECTION_NAME = /^[\x21-\x7e]{1,32}$/

/** Where in the log's history a snapshot stands, and when it was taken. */
export interface SnapshotPosition {
  readonly partition: number
  /** Last sequence whose effect is in the state. */
  readonly sequence: bigint
  readonly epoch: bigint
  /** Hash of the last frame whose effect is in the state: 32 bytes. */
  readonly chainHash: Uint8Array
  readonly nextCommandOffset: bigint
  readonly nextCommandIndex: number
  /** Wall time when the state was what it says, nanoseconds since 1970. */
  readonly takenAtNs: bigint
  /** Where in the log's storage the last frame stands, so that a reader begins there: in Kafka its record's offset; 0: unknown. */
  readonly logOffset: bigint
}

/** A section and the byte of the file at which it begins. */
export interface SectionExtent extends SectionLength {
  readonly at: number
}

/** Which bytes of a file are what. */
export interface SnapshotLayout {
  readonly sections: readonly SectionExtent[]
  /** Where the hashes begin. */
  readonly bodyBytes: number
  readonly chunks: number
  readonly fileBytes: number
}

/** The layout of a file with these sections. Throws RangeError on what no file can hold. */
export function snapshotLayout(sections: readonly SectionLength[]): SnapshotLayout {
  if (sections.length > SECTIONS_MAX) throw new RangeError(`a snapshot has at most ${SECTIONS_MAX} sections`)
  let at = aligned(SNAPSHOT_HEADER_BYTES + sections.length * TABLE_ENTRY_BYTES)
  const places = sections.map(({ name, length }) => {
    if (!SECTION_NAME.test(name)) throw new RangeError(`not a section name: ${JSON.stringify(name)}`)
    const place = { name, length, at }
    at = aligned(at + length)
    return place
  })
  const chunks = Math.ceil(at / SNAPSHOT_CHUNK_BYTES)
  return { sections: places, bodyBytes: at, chunks, fileBytes: at + (chunks + 1) * HASH_BYTES }
}

/** Header and table, up to where the first section begins. */
export function encodeSnapshotHead(position: SnapshotPosition, layout: SnapshotLayout): Uint8Array {
  if (position.chainHash.length !== HASH_BYTES) throw new RangeError(`a chain hash has ${HASH_BYTES} bytes`)
  const { sections } = layout
  const head = new Uint8Array(aligned(SNAPSHOT_HEADER_BYTES + sections.length * TABLE_ENTRY_BYTES))
  const view = new DataView(head.buffer)
  view.setUint32(0, MAGIC, true)
  view.setUint16(4, FORMAT_VERSION, true)
  view.setUint16(6, position.partition, true)
  view.setUint32(8, sections.length, true)
  view.setUint32(12, position.nextCommandIndex, true)
  view.setBigUint64(16, position.sequence, true)
  view.setBigUint64(24, position.epoch, true)
  view.setBigUint64(32, position.nextCommandOffset, true)
  view.setBigUint64(40, BigInt(layout.fileBytes), true)
  head.set(position.chainHash, 48)
  view.setBigUint64(80, position.takenAtNs, true)
  view.setBigUint64(88, position.logOffset, true)
  sections.forEach(({ name, length }, index) => {
    const at = SNAPSHOT_HEADER_BYTES + index * TABLE_ENTRY_BYTES
    head.set(
      Uint8Array.from(name, (character) => character.charCodeAt(0)),
      at,
    )
    view.setBigUint64(at + NAME_BYTES, BigInt(length), true)
  })
  return head
}

export interface SnapshotHeader {
  readonly position: SnapshotPosition
  /** Bytes of the table behind the header. */
  readonly tableBytes: number
}

/**
 * Reads a header of SNAPSHOT_HEADER_BYTES.
 * @param fileBytes the file's real size
 * @throws RangeError saying why the file cannot be used
 */
export function decodeSnapshotHeader(
  header: Uint8Array,
  fileBytes: number,
  partition: number,
): SnapshotHeader {
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength)
  if (view.getUint32(0, true) !== MAGIC) throw new RangeError('the file is not a snapshot (magic)')
  const version = view.getUint16(4, true)
  if (version !== FORMAT_VERSION) throw new RangeError(`unknown snapshot format version ${version}`)
  if (view.getUint16(6, true) !== partition)
    throw new RangeError(`it is of partition ${view.getUint16(6, true)}, not of ${partition}`)
  if (view.getBigUint64(40, true) !== BigInt(fileBytes))
    throw new RangeError('the file is cut off or has grown')
  const sections = view.getUint32(8, true)
  const tableBytes = sections * TABLE_ENTRY_BYTES
  if (sections > SECTIONS_MAX || SNAPSHOT_HEADER_BYTES + tableBytes > fileBytes)
    throw new RangeError('it has too many sections')
  return {
    position: {
      partition,
      sequence: view.getBigUint64(16, true),
      epoch: view.getBigUint64(24, true),
      chainHash: header.slice(48, 48 + HASH_BYTES),
      nextCommandOffset: view.getBigUint64(32, true),
      nextCommandIndex: view.getUint32(12, true),
      takenAtNs: view.getBigUint64(80, true),
      logOffset: view.getBigUint64(88, true),
    },
    tableBytes,
  }
}

/**
 * Reads the table and lays the file out.
 * @throws RangeError if the sections' lengths are not those of a file of `fileBytes`
 */
export function decodeSnapshotTable(table: Uint8Array, fileBytes: number): SnapshotLayout {
  const view = new DataView(table.buffer, table.byteOffset, table.byteLength)
  const sections: SectionLength[] = []
  for (let at = 0; at < table.length; at += TABLE_ENTRY_BYTES) {
    const name = String.fromCharCode(...table.subarray(at, at + NAME_BYTES)).replace(/\0+$/, '')
    const length = view.getBigUint64(at + NAME_BYTES, true)
    if (length > BigInt(fileBytes)) throw new RangeError(CONTRADICTION)
    sections.push({ name, length: Number(length) })
  }
  const layout = snapshotLayout(sections)
  if (layout.fileBytes !== fileBytes) throw new RangeError(CONTRADICTION)
  return layout
}

const CONTRADICTION = 'its section lengths contradict its size'

function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES
}
