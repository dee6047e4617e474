/** Sealing frames in the log thread: memory of their own, the chain's hash, what is known durable, CRC and hash. */
import { EVENT_SCHEMA_VERSION } from '../../schemas/events.ts'
import { HASH_BYTES, sealFrame, type Frame, type FrameHeader } from '../../schemas/frames.ts'
import { FRAME_BYTES_MAX, FRAME_HEADER_BYTES } from '../../schemas/limits.ts'
import { LogError } from '../errors.ts'
import { nodeDigests } from '../hashing.ts'
import type { FrameToSeal } from './log-messages.ts'
import type { ChainEnd } from './segments.ts'
import type { SlabPool } from './slabs.ts'

/** What a frame says of itself; the rest follows from where it goes. */
export type FrameContent = Omit<
  FrameHeader,
  'partition' | 'durableSequence' | 'previousHash' | 'payloadBytes'
> & {
  readonly payload: Uint8Array
}

const NOTHING = new Uint8Array(0)
const PREVIOUS_HASH_BYTE = 64

/**
 * Seals a frame that continues `head`, in an ArrayBuffer of its own; `payload` is copied.
 * @param durableSequence last sequence known durable now
 */
export function seal(content: FrameContent, head: ChainEnd, durableSequence: bigint): Frame {
  const { payload, ...described } = content
  const bytes = new Uint8Array(FRAME_HEADER_BYTES + payload.length)
  bytes.set(payload, FRAME_HEADER_BYTES)
  const header: FrameHeader = {
    ...described,
    partition: head.partition,
    durableSequence,
    payloadBytes: payload.length,
    previousHash: head.hash,
  }
  sealFrame(bytes, header, nodeDigests)
  return {
    ...header,
    // Views of the one buffer, so that a frame can be transferred to another thread as it stands.
    previousHash: bytes.subarray(PREVIOUS_HASH_BYTE, PREVIOUS_HASH_BYTE + HASH_BYTES),
    hash: bytes.subarray(FRAME_HEADER_BYTES - HASH_BYTES, FRAME_HEADER_BYTES),
    bytes,
    payload: bytes.subarray(FRAME_HEADER_BYTES),
  }
}

/** Seals what stands in a slab. Throws LogError `log_broken` if the message contradicts the log or the slab. */
export function sealFromSlab(
  slabs: SlabPool,
  message: FrameToSeal,
  head: ChainEnd,
  durableSequence: bigint,
): Frame {
  const { kind: _kind, slab, payloadBytes, ...described } = message
  if (payloadBytes < 0 || payloadBytes > FRAME_BYTES_MAX - FRAME_HEADER_BYTES)
    throw new LogError('log_broken', `A frame of ${payloadBytes} bytes of events does not fit a slab.`)
  return seal({ ...described, payload: slabs.payload(slab).subarray(0, payloadBytes) }, head, durableSequence)
}

/** Seals the frame without events that testifies to all before it. It repeats what the last frame said. */
export function sealIdleMark(head: ChainEnd, durableSequence: bigint): Frame {
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
