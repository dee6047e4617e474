/**
 * Where durable frames stand for the main thread's readers: shared memory in chunks, used again and again.
 *
 * A frame in an ArrayBuffer of its own is garbage that V8 counts: at a million events a second it collected the main thread's
 * heap up to seventeen times a second, which cost as much CPU as the main thread's own work. Shared memory is not counted, and
 * what is used again needs no new pages either.
 *
 * The log thread fills one chunk after the other. The main thread makes one buffer object for each use of a chunk, and every
 * view of the frames in it hangs on that object; the chunk is free again when the collector finds the object unreachable.
 * So no reader can hold a frame too long, and none can see another one in its place. When no chunk is free, frames have
 * memory of their own, which in turn calls the collector.
 */
import { FRAME_BYTES_MAX } from '../../schemas/limits.ts'

/** Every frame fits an empty chunk. */
export const CHUNK_BYTES = FRAME_BYTES_MAX
/** The window that the log and the gateway keep, and as much again for what waits to be collected: 160 MiB. */
export const CHUNKS_DEFAULT = 40
/** Frames begin where words of any size may. */
const ALIGNMENT = 64

/** What the two threads share. Memory that no frame has reached is never resident. */
export interface FrameMemoryShare {
  readonly chunks: readonly SharedArrayBuffer[]
  /** A 32-bit word for each chunk: 0 free, 1 in use. */
  readonly states: SharedArrayBuffer
}

export function createFrameMemoryShare(chunks = CHUNKS_DEFAULT): FrameMemoryShare {
  return {
    chunks: Array.from({ length: chunks }, () => new SharedArrayBuffer(CHUNK_BYTES)),
    states: new SharedArrayBuffer(chunks * Int32Array.BYTES_PER_ELEMENT),
  }
}

/** Makes memory of exactly so many bytes for a frame; what stands in it does not matter. */
export type TakeFrameMemory = (bytes: number) => Uint8Array

/** Memory of its own. It is written over at once, so it is not zeroed before: that would take a millisecond a frame. */
export function ownMemory(bytes: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer)
}

const FREE = 0
const IN_USE = 1

/** A frame's bytes between the threads: where they stand in a chunk, or memory that goes along. */
export type FrameBytesRef =
  { readonly chunk: number; readonly byte: number; readonly bytes: number } | { readonly own: Uint8Array }

/** The log thread's side. */
export class FrameMemory {
  readonly #share: FrameMemoryShare
  readonly #states: Int32Array
  readonly #chunkOf: ReadonlyMap<ArrayBufferLike, number>
  /** The chunk that is being filled, if any, and up to where it is full. */
  #chunk = -1
  #byte = CHUNK_BYTES

  constructor(share: FrameMemoryShare) {
    this.#share = share
    this.#states = new Int32Array(share.states)
    this.#chunkOf = new Map(share.chunks.map((chunk, index) => [chunk, index]))
  }

  /** In a chunk where one has room. @param bytes 1 to FRAME_BYTES_MAX */
  take(bytes: number): Uint8Array {
    if (this.#byte + bytes > CHUNK_BYTES && !this.#begin()) return ownMemory(bytes)
    const taken = new Uint8Array(this.#share.chunks[this.#chunk]!, this.#byte, bytes)
    this.#byte = Math.ceil((this.#byte + bytes) / ALIGNMENT) * ALIGNMENT
    return taken
  }

  refOf(frame: Uint8Array): FrameBytesRef {
    const chunk = this.#chunkOf.get(frame.buffer)
    return chunk === undefined ? { own: frame } : { chunk, byte: frame.byteOffset, bytes: frame.length }
  }

  /** Begins a free chunk. False if there is none: what is left of the last one stays for a smaller frame. */
  #begin(): boolean {
    const states = this.#states
    for (let chunk = 0; chunk < states.length; chunk++) {
      if (Atomics.compareExchange(states, chunk, FREE, IN_USE) !== FREE) continue
      this.#chunk = chunk
      this.#byte = 0
      return true
    }
    return false
  }
}

/** The main thread's side. */
export class FrameViews {
  readonly #share: FrameMemoryShare
  readonly #unreachable: FinalizationRegistry<number>
  /** The chunk of the last frame. Held, so that it is not free before the log thread is done with it. */
  #chunk = -1
  #use: SharedArrayBuffer | undefined

  constructor(share: FrameMemoryShare) {
    this.#share = share
    const states = new Int32Array(share.states)
    this.#unreachable = new FinalizationRegistry((chunk) => {
      Atomics.store(states, chunk, FREE)
    })
  }

  /** The bytes of a frame; frames come in the order in which their memory was taken. */
  at(ref: FrameBytesRef): Uint8Array {
    if ('own' in ref) return ref.own
    const { chunk, byte, bytes } = ref
    if (this.#use === undefined || chunk !== this.#chunk) {
      this.#use = structuredClone(this.#share.chunks[chunk]!)
      this.#chunk = chunk
      this.#unreachable.register(this.#use, chunk)
    }
    return new Uint8Array(this.#use, byte, bytes)
  }
}
