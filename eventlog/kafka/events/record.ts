/**
 * The value of a record on the events topic: one frame, as it is or compressed. A frame begins with its own magic "PRSR"
 * (schemas/frames.ts). Compressed, little-endian:
 *
 *  0 magic "PRSZ" · 4 codec u8 (1: LZ4) · 5 zero, 3 bytes · 8 bytes of the frame u32 · 12 one LZ4 block, to the end
 *
 * The frame's hash covers the frame, not how it travelled: the same frame may stand in the topic in both ways. Keys and
 * headers of records mean nothing and are not set.
 */
import { compressSync, uncompressSync } from 'lz4-napi'
import { messageOf } from '../../../schemas/errors.ts'
import { FRAME_MAGIC, readFrame, type Frame } from '../../../schemas/frames.ts'
import { FRAME_BYTES_MAX } from '../../../schemas/limits.ts'
import { nodeDigests } from '../../hashing.ts'
import type { TopicRecord } from '../wire/record-batches.ts'

const COMPRESSED_MAGIC = 0x5a535250
const CODEC_LZ4 = 1
const HEADER_BYTES = 8
const LENGTH_BYTES = 4
/** Shorter frames are sent as they are: there is nothing to gain. */
const COMPRESSED_BYTES_MIN = 512
const WORD_BYTES = 8

/** What a record's value turned out to be. */
export type FrameRecord =
  { readonly kind: 'frame'; readonly frame: Frame } | { readonly kind: 'bad'; readonly reason: string }

/** The record's value for a sealed frame: a copy, unless it is sent as it is. */
export function encodeFrameRecord(frame: Uint8Array): Buffer {
  const whole = Buffer.from(frame.buffer, frame.byteOffset, frame.length)
  if (frame.length < COMPRESSED_BYTES_MIN) return whole
  // The length stands in front of the block already: that is how the library writes it.
  const block = compressSync(whole)
  if (HEADER_BYTES + block.length >= frame.length) return whole
  const value = Buffer.allocUnsafe(HEADER_BYTES + block.length)
  value.writeUInt32LE(COMPRESSED_MAGIC, 0)
  value.writeUInt32LE(CODEC_LZ4, 4)
  value.set(block, HEADER_BYTES)
  return value
}

/**
 * Reads a record's value. Never throws, and allocates no more than the longest frame. The frame is verified (CRC and hash)
 * and stands in memory of its own, which begins at a multiple of 8 bytes.
 */
export function decodeFrameRecord(value: Uint8Array): FrameRecord {
  const unpacked = unpack(value)
  if (typeof unpacked === 'string') return { kind: 'bad', reason: unpacked }
  const reading = readFrame(unpacked, 0, nodeDigests)
  switch (reading.kind) {
    case 'bad':
      return reading
    case 'short':
      return {
        kind: 'bad',
        reason: `a frame of ${reading.bytesNeeded} bytes is cut off at ${unpacked.length}`,
      }
    case 'frame':
      if (reading.frame.bytes.length !== unpacked.length)
        return {
          kind: 'bad',
          reason: `${unpacked.length - reading.frame.bytes.length} bytes behind the frame`,
        }
      return reading
  }
}

/** As `decodeFrameRecord`, of a record as it was read: its whole batch may be unreadable. */
export function decodeTopicRecord({ value, unreadable }: TopicRecord): FrameRecord {
  return unreadable === undefined ? decodeFrameRecord(value) : { kind: 'bad', reason: unreadable.reason }
}

/** The frame's bytes, or a sentence on what is wrong. */
function unpack(value: Uint8Array): Uint8Array | string {
  const view = new DataView(value.buffer, value.byteOffset, value.length)
  if (value.length < HEADER_BYTES + LENGTH_BYTES) return `only ${value.length} bytes`
  const magic = view.getUint32(0, true)
  if (magic === FRAME_MAGIC) return aligned(value)
  if (magic !== COMPRESSED_MAGIC) return 'neither a frame nor a compressed one begins here (magic)'
  const codec = view.getUint32(4, true)
  if (codec !== CODEC_LZ4) return `unknown codec ${codec}`
  const bytes = view.getUint32(HEADER_BYTES, true)
  if (bytes > FRAME_BYTES_MAX) return `a compressed frame longer than ${FRAME_BYTES_MAX} bytes`
  try {
    const frame = uncompressSync(value.subarray(HEADER_BYTES))
    if (frame.length !== bytes) return `a compressed frame of ${frame.length} bytes that says ${bytes}`
    return frame.byteOffset % WORD_BYTES === 0 ? frame : aligned(frame)
  } catch (error) {
    return `LZ4: ${messageOf(error)}`
  }
}

/** A copy in an ArrayBuffer of its own: so a frame kept keeps nothing else alive. */
function aligned(bytes: Uint8Array): Uint8Array {
  if (bytes.length > FRAME_BYTES_MAX) return bytes
  const copy = new Uint8Array(Buffer.allocUnsafeSlow(bytes.length).buffer)
  copy.set(bytes)
  return copy
}
