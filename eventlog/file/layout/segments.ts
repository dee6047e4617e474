/**
 * Segment files: `log/<partition>/<first sequence, 20 digits>.seg`. A header of one block (4,096 bytes), then frames, each
 * padded with zeros to whole blocks, so that direct I/O can come without a change of format. The header tells where the
 * chain stood when the segment began, so that opening a log reads its last segment only. Little-endian:
 *
 *  0 magic "PSEG" · 4 format version u16 · 6 partition u16 · 8 block bytes u32 · 12 next command index u32
 * 16 first sequence u64 · 24 epoch u64 · 32 next command offset u64 · 40 time i64 ns · 48 previous frame's hash, 32 bytes
 * 80 CRC-32 u32 of bytes 0 to 79 · 84 zero to the end of the block
 */
import path from 'node:path'
import { HASH_BYTES, type Frame } from '../../../schemas/frames.ts'
import { nodeDigests } from '../../hashing.ts'
import type { LogHead } from '../../ports.ts'
import { emptyHead, headAfter } from '../../reader-rule.ts'
import type { Disk } from '../../disk/disk.ts'

/** Everything in a segment begins at a multiple of this. */
export const BLOCK_BYTES = 4096
/**
 * Size at which a segment is closed, unless said otherwise. Each new one is made durable while commits wait, for some 20 ms:
 * at 140 MB/s of 256 MiB that was the p99 of commits. A start verifies the last segment, so it is not larger still.
 */
export const SEGMENT_BYTES_MAX_DEFAULT = 1024 * 1024 * 1024

const MAGIC = 0x47455350
const FORMAT_VERSION = 1
const CRC_BYTE = 80
const NOTHING = new Uint8Array(0)

/** Where the chain ends, with all that a frame without events has to repeat. */
export interface ChainEnd extends LogHead {
  /** The last frame's time. */
  readonly timeNs: bigint
}

export function emptyChain(partition: number): ChainEnd {
  return { ...emptyHead(partition), timeNs: 0n }
}

export function chainAfter(frame: Frame): ChainEnd {
  return { ...headAfter(frame), timeNs: frame.timeNs }
}

/** Bytes rounded up to whole blocks. */
export function wholeBlocks(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES
}

/** The folder of a partition's segments, relative to the data folder. */
export function logFolder(partition: number): string {
  return path.join('log', String(partition))
}

export function segmentName(firstSequence: bigint): string {
  return `${String(firstSequence).padStart(20, '0')}.seg`
}

/** A partition's segments as their names say, in order: first sequence of each. */
export function listSegments(disk: Disk, dir: string, partition: number): bigint[] {
  return disk
    .list(path.join(dir, logFolder(partition)))
    .filter((name) => /^[0-9]{20}\.seg$/.test(name))
    .map((name) => BigInt(name.slice(0, 20)))
    .sort((left, right) => (left < right ? -1 : 1))
}

/**
 * The segments that a reader from `fromSequence` on needs, of those listed: from the last one that begins before it, because
 * frames without events may stand at the very sequence with which the next segment begins.
 */
export function segmentsFrom(segments: readonly bigint[], fromSequence: bigint): readonly bigint[] {
  const last = segments.findLastIndex((segment) => segment < fromSequence)
  return segments.slice(Math.max(0, last))
}

/** The segment header for a chain that stands at `start`: one block. */
export function encodeSegmentHeader(start: ChainEnd): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(BLOCK_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, MAGIC, true)
  view.setUint16(4, FORMAT_VERSION, true)
  view.setUint16(6, start.partition, true)
  view.setUint32(8, BLOCK_BYTES, true)
  view.setUint32(12, start.nextCommandIndex, true)
  view.setBigUint64(16, start.sequence + 1n, true)
  view.setBigUint64(24, start.epoch, true)
  view.setBigUint64(32, start.nextCommandOffset, true)
  view.setBigInt64(40, start.timeNs, true)
  bytes.set(start.hash, 48)
  view.setUint32(CRC_BYTE, nodeDigests.crc32(bytes.subarray(0, CRC_BYTE), NOTHING), true)
  return bytes
}

/** Where the chain stood when the segment began, or a sentence on what is wrong with the header. */
export function decodeSegmentHeader(
  bytes: Uint8Array,
  partition: number,
  firstSequence: bigint,
): ChainEnd | string {
  if (bytes.length < BLOCK_BYTES) return 'the segment header is cut off'
  const view = new DataView(bytes.buffer, bytes.byteOffset, BLOCK_BYTES)
  if (view.getUint32(0, true) !== MAGIC) return 'no segment begins here (magic)'
  if (view.getUint32(CRC_BYTE, true) !== nodeDigests.crc32(bytes.subarray(0, CRC_BYTE), NOTHING))
    return 'the segment header has a wrong checksum'
  for (let byte = CRC_BYTE + 4; byte < BLOCK_BYTES; byte++)
    if (bytes[byte] !== 0) return 'the segment header is not zero to its end'
  if (view.getUint16(4, true) !== FORMAT_VERSION)
    return `unknown segment format version ${view.getUint16(4, true)}`
  if (view.getUint32(8, true) !== BLOCK_BYTES) return `unknown block size ${view.getUint32(8, true)}`
  if (view.getUint16(6, true) !== partition) return `the segment is partition ${view.getUint16(6, true)}'s`
  if (view.getBigUint64(16, true) !== firstSequence) return "the segment's name and header differ"
  return {
    partition,
    epoch: view.getBigUint64(24, true),
    sequence: firstSequence - 1n,
    hash: bytes.slice(48, 48 + HASH_BYTES),
    nextCommandOffset: view.getBigUint64(32, true),
    nextCommandIndex: view.getUint32(12, true),
    timeNs: view.getBigInt64(40, true),
  }
}
