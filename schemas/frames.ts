/**
 * Frames: the events of one group commit behind a header of 136 bytes, little-endian:
 *
 *   0 magic "PRSR" · 4 format version u16 · 6 payload schema version u8 · 7 mark u8 · 8 partition u16 · 10 partitions u16
 *  12 count u32
 *  16 epoch u64 · 24 first sequence u64 · 32 durable sequence u64 · 40 time i64 ns
 *  48 next command offset u64 · 56 next command index u16 · 58 id horizon u16 · 60 payload length u32
 *  64 previous frame's hash, 32 bytes
 *  96 CRC-32 u32 (IEEE, of bytes 0 to 95 and the payload) · 100 commands topic u32 (commands-topic.ts)
 * 104 SHA-256, 32 bytes, of bytes 0 to 103 and the payload: the frame's hash
 *
 * The CRC answers "torn?", the hash answers "same history?". An opening frame and an idle mark carry no events: count 0,
 * first sequence = the next one to come. What mark and id horizon mean stands in frame-notes.ts.
 */
import { FRAME_BYTES_MAX, FRAME_HEADER_BYTES } from './limits.ts'

export const FRAME_MAGIC = 0x52535250
export const FRAME_FORMAT_VERSION = 1
export const HASH_BYTES = 32
const CRC_BYTE = 96
const COMMANDS_TOPIC_BYTE = 100
const HASH_BYTE = 104

/** The two digests, handed in because this folder is pure. Each covers the parts one behind the other. */
export interface Digests {
  crc32(first: Uint8Array, second: Uint8Array): number
  sha256(first: Uint8Array, second: Uint8Array): Uint8Array
}

/** A frame's header, decoded. Offsets, sequences and epoch count from 0; times are nanoseconds since 1970. */
export interface FrameHeader {
  readonly schemaVersion: number
  readonly partition: number
  /** How many partitions there are; 0: not said here (the data folder says it, or an earlier version wrote the frame). */
  readonly partitions: number
  readonly epoch: bigint
  readonly firstSequence: bigint
  /** Events in the payload. */
  readonly count: number
  /** Last sequence known durable when this frame was written: what the torn-tail rule goes by. */
  readonly durableSequence: bigint
  readonly timeNs: bigint
  /** Commands consumed up to here, exclusive: the next offset of the command queue, and the index within it. */
  readonly nextCommandOffset: bigint
  readonly nextCommandIndex: number
  /** Which topic that place is in, and how often another was taken up (commands-topic.ts); 0: not said. */
  readonly commandsTopic: number
  readonly payloadBytes: number
  readonly previousHash: Uint8Array
  /** Why it passes over commands (frame-notes.ts); 0, or left out when a frame is made: it does not. */
  readonly skip?: number
  /** How it says up to when ids are expired (frame-notes.ts); 0, or left out when a frame is made: it does not. */
  readonly idHorizon?: number
}

/** A whole frame: header, hash and the bytes it was read from. */
export interface Frame extends FrameHeader {
  readonly hash: Uint8Array
  /** Header and payload, as stored. */
  readonly bytes: Uint8Array
  /** Event rows. */
  readonly payload: Uint8Array
}

/** The last sequence of a frame; the one before its first if it has no events. */
export function lastSequence(frame: FrameHeader): bigint {
  return frame.firstSequence + BigInt(frame.count) - 1n
}

/** True if the frame holds `sequence` or stands behind it: what a reader from `sequence` on gets. */
export function holdsOrFollows(frame: FrameHeader, sequence: bigint): boolean {
  return frame.firstSequence >= sequence || frame.firstSequence + BigInt(frame.count) > sequence
}

/**
 * Writes header, CRC and hash in front of a payload that already stands at `bytes[136…]`.
 * @returns the frame's hash
 */
export function sealFrame(bytes: Uint8Array, header: FrameHeader, digests: Digests): Uint8Array {
  if (FRAME_HEADER_BYTES + header.payloadBytes !== bytes.length)
    throw new RangeError('frame length is not header + payload')
  const view = new DataView(bytes.buffer, bytes.byteOffset, FRAME_HEADER_BYTES)
  view.setUint32(0, FRAME_MAGIC, true)
  view.setUint16(4, FRAME_FORMAT_VERSION, true)
  view.setUint8(6, header.schemaVersion)
  view.setUint8(7, header.skip ?? 0)
  view.setUint16(8, header.partition, true)
  view.setUint16(10, header.partitions, true)
  view.setUint32(12, header.count, true)
  view.setBigUint64(16, header.epoch, true)
  view.setBigUint64(24, header.firstSequence, true)
  view.setBigUint64(32, header.durableSequence, true)
  view.setBigInt64(40, header.timeNs, true)
  view.setBigUint64(48, header.nextCommandOffset, true)
  view.setUint16(56, header.nextCommandIndex, true)
  view.setUint16(58, header.idHorizon ?? 0, true)
  view.setUint32(60, header.payloadBytes, true)
  bytes.set(header.previousHash, 64)
  const payload = bytes.subarray(FRAME_HEADER_BYTES)
  view.setUint32(CRC_BYTE, digests.crc32(bytes.subarray(0, CRC_BYTE), payload), true)
  view.setUint32(COMMANDS_TOPIC_BYTE, header.commandsTopic, true)
  const hash = digests.sha256(bytes.subarray(0, HASH_BYTE), payload)
  bytes.set(hash, HASH_BYTE)
  return hash
}

/** What bytes turned out to be: a frame, more bytes needed, or not a frame and why. */
export type FrameReading =
  | { readonly kind: 'frame'; readonly frame: Frame }
  | { readonly kind: 'short'; readonly bytesNeeded: number }
  | { readonly kind: 'bad'; readonly reason: string }

/** What a frame's header says of its place and length, before anything is verified. */
export type FramePeek =
  | {
      readonly kind: 'frame'
      readonly firstSequence: bigint
      readonly count: number
      readonly frameBytes: number
    }
  | { readonly kind: 'short'; readonly bytesNeeded: number }
  | { readonly kind: 'bad'; readonly reason: string }

/**
 * Reads as much of the header at `bytes[at]` as it takes to pass over the frame. Verifies neither CRC nor hash: only for
 * readers that look for the frame from which they go on.
 */
export function peekFrame(bytes: Uint8Array, at: number): FramePeek {
  if (bytes.length - at < FRAME_HEADER_BYTES) return { kind: 'short', bytesNeeded: FRAME_HEADER_BYTES }
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, FRAME_HEADER_BYTES)
  if (view.getUint32(0, true) !== FRAME_MAGIC) return { kind: 'bad', reason: 'no frame begins here (magic)' }
  const version = view.getUint16(4, true)
  if (version !== FRAME_FORMAT_VERSION)
    return { kind: 'bad', reason: `unknown frame format version ${version}` }
  const frameBytes = FRAME_HEADER_BYTES + view.getUint32(60, true)
  if (frameBytes > FRAME_BYTES_MAX)
    return { kind: 'bad', reason: `frame longer than ${FRAME_BYTES_MAX} bytes` }
  return {
    kind: 'frame',
    firstSequence: view.getBigUint64(24, true),
    count: view.getUint32(12, true),
    frameBytes,
  }
}

/**
 * Reads the frame that begins at `bytes[at]`. Never throws, never allocates from a length it has not checked; the frame
 * is a view of `bytes`, not a copy.
 */
export function readFrame(bytes: Uint8Array, at: number, digests: Digests): FrameReading {
  const peeked = peekFrame(bytes, at)
  if (peeked.kind !== 'frame') return peeked
  const { frameBytes } = peeked
  if (bytes.length - at < frameBytes) return { kind: 'short', bytesNeeded: frameBytes }
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, FRAME_HEADER_BYTES)
  const whole = bytes.subarray(at, at + frameBytes)
  const payload = whole.subarray(FRAME_HEADER_BYTES)
  if (view.getUint32(CRC_BYTE, true) !== digests.crc32(whole.subarray(0, CRC_BYTE), payload))
    return { kind: 'bad', reason: 'checksum differs (CRC-32)' }
  const hash = whole.subarray(HASH_BYTE, HASH_BYTE + HASH_BYTES)
  if (!sameBytes(hash, digests.sha256(whole.subarray(0, HASH_BYTE), payload)))
    return { kind: 'bad', reason: 'hash differs (SHA-256)' }
  return { kind: 'frame', frame: viewFrame(bytes, at, frameBytes) }
}

/**
 * The frame of `frameBytes` bytes at `bytes[at]`, as a view of them. Verifies nothing: only for bytes that `readFrame` has
 * taken for a frame before.
 */
export function viewFrame(bytes: Uint8Array, at: number, frameBytes: number): Frame {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, FRAME_HEADER_BYTES)
  const whole = bytes.subarray(at, at + frameBytes)
  const payload = whole.subarray(FRAME_HEADER_BYTES)
  return {
    schemaVersion: view.getUint8(6),
    skip: view.getUint8(7),
    partition: view.getUint16(8, true),
    partitions: view.getUint16(10, true),
    count: view.getUint32(12, true),
    epoch: view.getBigUint64(16, true),
    firstSequence: view.getBigUint64(24, true),
    durableSequence: view.getBigUint64(32, true),
    timeNs: view.getBigInt64(40, true),
    nextCommandOffset: view.getBigUint64(48, true),
    nextCommandIndex: view.getUint16(56, true),
    idHorizon: view.getUint16(58, true),
    commandsTopic: view.getUint32(COMMANDS_TOPIC_BYTE, true),
    payloadBytes: payload.length,
    previousHash: whole.subarray(64, 64 + HASH_BYTES),
    hash: whole.subarray(HASH_BYTE, HASH_BYTE + HASH_BYTES),
    bytes: whole,
    payload,
  }
}

export function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false
  for (let index = 0; index < left.length; index++) if (left[index] !== right[index]) return false
  return true
}
