/**
 * Memory for batches of commands on their way to another thread: shared, so that nothing is moved or copied, and used again
 * as soon as the commands are consumed, so that a million of them a second leave no garbage and touch no new pages.
 */
import { COMMAND_SLOT_BYTES } from '../../schemas/limits.ts'

/** The smallest: 64 slots. The others are twice as large as the one before. */
const BYTES_MIN = 64 * COMMAND_SLOT_BYTES
/** Bytes that are kept for later; what is given back beyond it is let go of. */
const KEPT_BYTES_MAX = 16 * 1024 * 1024

export class BatchMemory {
  readonly #free = new Map<number, Uint8Array<SharedArrayBuffer>[]>()
  #freeBytes = 0

  /** Memory of at least so many bytes, which begins at a multiple of 8. What stood in it before is still there. */
  take(bytesMin: number): Uint8Array<SharedArrayBuffer> {
    let bytes = BYTES_MIN
    while (bytes < bytesMin) bytes *= 2
    const memory = this.#free.get(bytes)?.pop()
    if (memory === undefined) return new Uint8Array(new SharedArrayBuffer(bytes))
    this.#freeBytes -= bytes
    return memory
  }

  /** Nobody reads it any more. */
  give(memory: Uint8Array<SharedArrayBuffer>): void {
    const bytes = memory.length
    if (this.#freeBytes + bytes > KEPT_BYTES_MAX) return
    this.#freeBytes += bytes
    const free = this.#free.get(bytes)
    if (free === undefined) this.#free.set(bytes, [memory])
    else free.push(memory)
  }
}
