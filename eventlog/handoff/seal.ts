/** Sealing frames in the log thread: the chain's hash, what is known durable, CRC and hash. */
import { EVENT_SCHEMA_VERSION } from '../../schemas/events.ts'
import { HASH_BYTES, sealFrame, type Frame, type FrameHeader } from '../../schemas/frames.ts'
import { FRAME_BYTES_MAX, FRAME_HEADER_BYTES } from '../../schemas/limits.ts'
import { LogError } from '../errors.ts'
import { nodeDigests } from '../hashing.ts'
import type { TakeFrameMemory } from './frame-memory.ts'
import type { FrameToSeal } from './log-messages.ts'
import { wholeBlocks, type ChainEnd } from '../file/layout/segments.ts'
import type { SlabPool } from './slabs.ts'

/** What a frame says of itself; the rest follows from where it goes. */
export type FrameContent = Omit<
  FrameHeader,
  'partition' | 'partitions' | 'commandsTopic' | 'durableSequence' | 'previousHash' | 'payloadBytes'
> & {
  /** Default: 0, not said. */
  readonly partitions?: number
  /** Default: 0, not said. */
  readonly commandsTopic?: number
  readonly payload: Uint8Array
}

const NOTHING = new Uint8Array(0)
const PREVIOUS_HASH_BYTE = 64

/** Seals in place, in front of a payload that already stands in `bytes`. The frame is a view of `bytes`. */
function sealInPlace(
  bytes: Uint8Array,
  described: Omit<FrameContent, 'payload'>,
  head: ChainEnd,
  durableSequence: bigint,
): FrameHeader {
  const header: FrameHeader = {
    ...described,
    partition: head.partition,
    partitions: described.partitions ?? 0,
    commandsTopic: described.commandsTopic ?? 0,
    durableSequence,
    payloadBytes: bytes.length - FRAME_HEADER_BYTES,
    previousHash: head.hash,
  }
  sealFrame(bytes, header, nodeDigests)
  return header
}

/** A sealed frame over its bytes: views of the one buffer, wherever that stands. */
export function frameOver(bytes: Uint8Array, header: Omit<FrameHeader, 'previousHash'>): Frame {
  return {
    ...header,
    previousHash: bytes.subarray(PREVIOUS_HASH_BYTE, PREVIOUS_HASH_BYTE + HASH_BYTES),
    hash: bytes.subarray(FRAME_HEADER_BYTES - HASH_BYTES, FRAME_HEADER_BYTES),
    bytes,
    payload: bytes.subarray(FRAME_HEADER_BYTES),
  }
}

/**
 * Seals a frame that continues `head`, in an ArrayBuffer of its own; `payload` is copied.
 * @param durableSequence last sequence known durable now
 */
export function seal(content: FrameContent, head: ChainEnd, durableSequence: bigint): Frame {
  const { payload, ...described } = content
  const bytes = new Uint8Array(FRAME_HEADER_BYTES + payload.length)
  bytes.set(payload, FRAME_HEADER_BYTES)
  return frameOver(bytes, sealInPlace(bytes, described, head, durableSequence))
}

/** A frame in memory of its own, and the same frame where it was sealed, with the zeros that fill its last block. */
export interface SealedSlab {
  readonly frame: Frame
  /** To be written; good until the slab is released. */
  readonly unit: Uint8Array
}

/**
 * Seals what stands in a slab, in place: the disk takes it from there, readers get a copy.
 * Throws LogError `log_broken` if the message contradicts the log or the slab.
 * @param take makes the memory of the copy
 */
export function sealFromSlab(
  slabs: SlabPool,
  message: FrameToSeal & Pick<FrameContent, 'partitions' | 'commandsTopic'>,
  head: ChainEnd,
  durableSequence: bigint,
  take: TakeFrameMemory,
): SealedSlab {
  const { kind: _kind, slab, payloadBytes, isSkip: _isMark, ...described } = message
  if (payloadBytes < 0 || payloadBytes > FRAME_BYTES_MAX - FRAME_HEADER_BYTES)
    throw new LogError('log_broken', `A frame of ${payloadBytes} bytes of events does not fit a slab.`)
  const frameBytes = FRAME_HEADER_BYTES + payloadBytes
  const unit = slabs.whole(slab).subarray(0, wholeBlocks(frameBytes))
  unit.fill(0, frameBytes)
  const header = sealInPlace(unit.subarray(0, frameBytes), described, head, durableSequence)
  const copy = take(frameBytes)
  copy.set(unit.subarray(0, frameBytes))
  return { frame: frameOver(copy, header), unit }
}

/** Seals the frame without events that testifies to all before it. It repeats what the last frame said. */
export function sealIdleFrame(head: ChainEnd, durableSequence: bigint): Frame {
  return seal(
    {
      schemaVersion: EVENT_SCHEMA_VERSION,
      epoch: head.epoch,
      firstSequence: head.sequence + 1n,
      count: 0,
      timeNs: head.timeNs,
      nextCommandOffset: head.nextCommandOffset,
      nextCommandIndex: head.nextCommandIndex,
      payload: NOTHING,
    },
    head,
    durableSequence,
  )
}
