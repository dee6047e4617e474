/**
 * Decompresses record batches. We never compress whole batches, but a mirror or a stranger may. So it allocates nothing that a
 * length or a window only claims, and nothing beyond a bound.
 */
import { gunzipSync } from 'node:zlib'
import { Decompress } from 'fzstd'
import { decompressFrameSync } from 'lz4-napi'
import { uncompressSync } from 'snappy'
import { messageOf } from '../../../schemas/errors.ts'
import { RECORD_BATCH_BYTES_MAX } from '../settings.ts'

/** Most bytes that a batch may decompress to. Brokers that recompress take no longer ones, with room to spare. */
export const UNPACKED_BYTES_MAX = 2 * RECORD_BATCH_BYTES_MAX

/** Kafka's numbers for codecs. */
export const CODEC = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const

type Unpack = (packed: Buffer) => Uint8Array

const CODECS: ReadonlyMap<number, { readonly name: string; readonly unpack: Unpack }> = new Map([
  [CODEC.none, { name: 'none', unpack: (packed: Buffer) => packed }],
  [CODEC.gzip, { name: 'gzip', unpack: unpackGzip }],
  [CODEC.snappy, { name: 'snappy', unpack: unpackSnappy }],
  [CODEC.lz4, { name: 'lz4', unpack: unpackLz4 }],
  [CODEC.zstd, { name: 'zstd', unpack: unpackZstd }],
])

/**
 * The records of a batch.
 * @throws Error with a sentence if they cannot be decompressed, or are more than UNPACKED_BYTES_MAX
 */
export function unpackRecords(codec: number, packed: Buffer): Buffer {
  const found = CODECS.get(codec)
  if (found === undefined) throw new Error(`unknown codec ${codec}`)
  try {
    const bytes = found.unpack(packed)
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  } catch (error) {
    throw new Error(`${found.name}: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

function claim(bytes: number): void {
  if (bytes > UNPACKED_BYTES_MAX) throw new Error(`may come to more than ${UNPACKED_BYTES_MAX} bytes`)
}

function unpackGzip(packed: Buffer): Buffer {
  return gunzipSync(packed, { maxOutputLength: UNPACKED_BYTES_MAX })
}

/** Snappy for Java writes a header, then blocks with lengths; other producers send one bare block. */
const XERIAL_MAGIC = Buffer.from('\x82SNAPPY\0', 'latin1')
const XERIAL_HEADER_BYTES = 16

function unpackSnappy(packed: Buffer): Buffer {
  if (!packed.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)) return unpackSnappyBlock(packed, 0)
  const blocks: Buffer[] = []
  let bytes = 0
  for (let at = XERIAL_HEADER_BYTES; at < packed.length;) {
    const end = at + 4 + packed.readInt32BE(at)
    const block = unpackSnappyBlock(packed.subarray(at + 4, end), bytes)
    blocks.push(block)
    bytes += block.length
    at = Math.max(end, at + 4)
  }
  return Buffer.concat(blocks)
}

/** @param before bytes unpacked so far */
function unpackSnappyBlock(block: Buffer, before: number): Buffer {
  // Its length comes first: seven bits a byte, the lowest first.
  let length = 0
  for (let at = 0, more = true; more; at++) {
    const byte = block.readUInt8(at)
    length += (byte & 0x7f) * 2 ** (7 * at)
    more = byte > 0x7f
  }
  claim(before + length)
  const bytes = uncompressSync(block)
  if (typeof bytes === 'string') throw new Error('text where bytes were asked for')
  return bytes
}

const LZ4_MAGIC = 0x184d2204
const LZ4_HAS_BLOCK_CHECKSUM = 0x10
const LZ4_HAS_CONTENT_SIZE = 0x08
const LZ4_HAS_DICTIONARY = 0x01
/** A block with this bit is not compressed. */
const LZ4_BLOCK_AS_IT_IS = 0x80000000
/** By so much a block may be shorter than what it holds. */
const LZ4_RATIO_MAX = 255

/** Bounds the content by the number of blocks and the largest block: its length is not stated. */
function unpackLz4(packed: Buffer): Buffer {
  if (packed.readUInt32LE(0) !== LZ4_MAGIC) throw new Error('no frame begins here (magic)')
  const flags = packed.readUInt8(4)
  const blockBytesMax = 2 ** (8 + 2 * ((packed.readUInt8(5) >> 4) & 7))
  let at = 7
  if (flags & LZ4_HAS_CONTENT_SIZE) at += 8
  if (flags & LZ4_HAS_DICTIONARY) at += 4
  let bytesMax = 0
  for (;;) {
    const word = packed.readUInt32LE(at)
    if (word === 0) break
    const blockBytes = word & ~LZ4_BLOCK_AS_IT_IS
    bytesMax += Math.min(blockBytesMax, blockBytes * LZ4_RATIO_MAX)
    at += 4 + blockBytes + (flags & LZ4_HAS_BLOCK_CHECKSUM ? 4 : 0)
  }
  claim(bytesMax)
  return decompressFrameSync(packed)
}

const ZSTD_MAGIC = 0xfd2fb528
const ZSTD_CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const
const ZSTD_DICTIONARY_BYTES = [0, 1, 2, 4] as const
const ZSTD_BLOCK_HEADER_BYTES = 3
/** A block of one byte, repeated. */
const ZSTD_BLOCK_RLE = 1

function unpackZstd(packed: Buffer): Buffer {
  const { windowBytes, end } = zstdFrame(packed)
  // Check first: the library allocates a frame's window before it reads the frame.
  claim(windowBytes)
  if (end !== packed.length) throw new Error('more than one frame')
  const blocks: Uint8Array[] = []
  let bytes = 0
  const stream = new Decompress((block) => {
    bytes += block.length
    claim(bytes)
    blocks.push(block)
  })
  stream.push(packed, true)
  return Buffer.concat(blocks)
}

/** The window of the first frame (how far back its content may refer), and where the frame ends. */
function zstdFrame(packed: Buffer): { readonly windowBytes: number; readonly end: number } {
  if (packed.readUInt32LE(0) !== ZSTD_MAGIC) throw new Error('no frame begins here (magic)')
  const descriptor = packed.readUInt8(4)
  const isSingleSegment = (descriptor & 0x20) !== 0
  const hasChecksum = (descriptor & 0x04) !== 0
  const contentSizeBytes = ZSTD_CONTENT_SIZE_BYTES[descriptor >> 6]!
  const window = packed.readUInt8(5)
  let at = (isSingleSegment ? 5 : 6) + ZSTD_DICTIONARY_BYTES[descriptor & 3]!
  const windowBytes = isSingleSegment
    ? zstdContentBytes(packed, at, contentSizeBytes)
    : 2 ** (10 + (window >> 3)) * (1 + (window & 7) / 8)
  at += isSingleSegment ? Math.max(1, contentSizeBytes) : contentSizeBytes
  for (let isLast = false; !isLast;) {
    const header = packed.readUIntLE(at, ZSTD_BLOCK_HEADER_BYTES)
    isLast = (header & 1) !== 0
    at += ZSTD_BLOCK_HEADER_BYTES + (((header >> 1) & 3) === ZSTD_BLOCK_RLE ? 1 : header >> 3)
  }
  return { windowBytes, end: at + (hasChecksum ? 4 : 0) }
}

/** The content's length as a header of a single segment says it, in so many bytes; 0: in one. */
function zstdContentBytes(packed: Buffer, at: number, bytes: 0 | 2 | 4 | 8): number {
  switch (bytes) {
    case 0:
      return packed.readUInt8(at)
    case 2:
      return packed.readUInt16LE(at) + 256
    case 4:
      return packed.readUInt32LE(at)
    case 8:
      return Number(packed.readBigUInt64LE(at))
  }
}
