/**
 * Slabs: shared memory in which the core thread builds frames and from which the log thread takes them, so that no event
 * is copied or cloned on its way. A slab holds one frame of any allowed size; its payload begins at byte 136, where the
 * header will go in front of it. A slab belongs to the core from `claim` until the frame message that names it is posted,
 * then to the log thread until `release`. Posting hands the bytes over: a message orders what was written before it.
 */
import { FRAME_BYTES_MAX, FRAME_HEADER_BYTES } from '../../schemas/limits.ts'

/** Slabs in a pool unless said otherwise: frames the core may run ahead of the log thread. */
export const SLABS_DEFAULT = 8

/** What threads hand each other (structured clone shares it): build a `SlabPool` over it on each side. */
export interface SlabShare {
  /** Slab i begins at byte i × FRAME_BYTES_MAX. Memory that no frame has reached is never resident. */
  readonly bytes: SharedArrayBuffer
  /** One 32-bit word a slab: 0 free, 1 in use. */
  readonly states: SharedArrayBuffer
}

export interface SlabPool {
  readonly share: SlabShare
  /** How many there are. */
  readonly slabs: number
  /** Takes a free slab: its index, or undefined if all are in use. */
  claim(): number | undefined
  /** Gives a slab back. Throws if it is not in use. */
  release(slab: number): void
  /** First byte of a slab within `share.bytes`: for typed arrays of one's own. A multiple of FRAME_BYTES_MAX. */
  byteOffset(slab: number): number
  /** A whole slab: room for a frame, its header in front, and the zeros behind it. */
  whole(slab: number): Uint8Array<SharedArrayBuffer>
  /** A slab's payload area, where event rows go: everything behind the header. */
  payload(slab: number): Uint8Array<SharedArrayBuffer>
}

/**
 * Allocates the shared memory of a pool.
 * @param allocate zeroed memory of so many bytes; from `pageAlignedMemory`, so that the disk can take frames from it directly
 */
export function createSlabShare(
  slabs: number = SLABS_DEFAULT,
  allocate: (bytes: number) => SharedArrayBuffer = (bytes) => new SharedArrayBuffer(bytes),
): SlabShare {
  if (!Number.isInteger(slabs) || slabs < 1) throw new RangeError('a slab pool has at least one slab')
  return {
    bytes: allocate(slabs * FRAME_BYTES_MAX),
    states: new SharedArrayBuffer(slabs * Int32Array.BYTES_PER_ELEMENT),
  }
}

const FREE = 0
const IN_USE = 1

/** One thread's view of a pool. */
export function openSlabPool(share: SlabShare): SlabPool {
  const states = new Int32Array(share.states)
  const slabs = states.length
  let next = 0

  function byteOffset(slab: number): number {
    if (!Number.isInteger(slab) || slab < 0 || slab >= slabs) throw new RangeError(`there is no slab ${slab}`)
    return slab * FRAME_BYTES_MAX
  }

  return {
    share,
    slabs,
    claim() {
      for (let tried = 0; tried < slabs; tried++) {
        const slab = (next + tried) % slabs
        if (Atomics.compareExchange(states, slab, FREE, IN_USE) === FREE) {
          next = (slab + 1) % slabs
          return slab
        }
      }
      return undefined
    },
    release(slab) {
      byteOffset(slab)
      if (Atomics.exchange(states, slab, FREE) !== IN_USE) throw new Error(`slab ${slab} was not in use`)
    },
    byteOffset,
    whole: (slab) => new Uint8Array(share.bytes, byteOffset(slab), FRAME_BYTES_MAX),
    payload: (slab) =>
      new Uint8Array(
        share.bytes,
        byteOffset(slab) + FRAME_HEADER_BYTES,
        FRAME_BYTES_MAX - FRAME_HEADER_BYTES,
      ),
  }
}
