/** Where requests of the lane stand until they are answered: bounded, and used again, so that the hot path allocates nothing. */
import { BATCH_COMMANDS_MAX, COMMAND_SLOT_BYTES } from '../../schemas/limits.ts'
import { LANE_RESULT_WORDS } from '../../schemas/lane-results.ts'
import { ID_WORDS } from '../rows.ts'

/** Memory for one request at a time. What stood in it before is still there. */
export interface RequestMemory {
  /** The commands. */
  readonly bytes: Uint8Array<ArrayBuffer>
  /** The same memory by words of 32 bits. */
  readonly words: Int32Array<ArrayBuffer>
  /** Room for each command's id, as rows.ts writes ids. */
  readonly ids: Int32Array<ArrayBuffer>
  /** Room for each command's result. */
  readonly results: Int32Array<ArrayBuffer>
}

const SLOTS_MIN = 16

/** Memories by size, in powers of two. */
export class LaneMemory {
  readonly #bytesMax: number
  readonly #free = new Map<number, RequestMemory[]>()
  /** Bytes of all memories there are, used or free. */
  #bytes = 0
  #freeBytes = 0

  /** @param bytesMax of all requests together */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Bytes in use now. */
  get used(): number {
    return this.#bytes - this.#freeBytes
  }

  /** Memory for so many bytes of slots, or undefined: as much is in use as may be. */
  take(slotBytes: number): RequestMemory | undefined {
    const slots = slotsFor(slotBytes)
    const free = this.#free.get(slots)?.pop()
    if (free !== undefined) {
      this.#freeBytes -= sizeOf(free)
      return free
    }
    const size = slots * COMMAND_SLOT_BYTES + cells(slots) * 4 * (ID_WORDS + LANE_RESULT_WORDS)
    if (this.used + size > this.#bytesMax) return undefined
    if (this.#bytes + size > this.#bytesMax) this.#forget()
    this.#bytes += size
    return allocate(slots)
  }

  give(memory: RequestMemory): void {
    const slots = memory.bytes.length / COMMAND_SLOT_BYTES
    const free = this.#free.get(slots)
    if (free === undefined) this.#free.set(slots, [memory])
    else free.push(memory)
    this.#freeBytes += sizeOf(memory)
  }

  /** Lets go of what is free, for other sizes. */
  #forget(): void {
    this.#free.clear()
    this.#bytes -= this.#freeBytes
    this.#freeBytes = 0
  }
}

function slotsFor(slotBytes: number): number {
  let slots = SLOTS_MIN
  while (slots * COMMAND_SLOT_BYTES < slotBytes) slots *= 2
  return slots
}

/** Commands that may stand in so many slots. */
function cells(slots: number): number {
  return Math.min(slots, BATCH_COMMANDS_MAX)
}

function sizeOf(memory: RequestMemory): number {
  return memory.bytes.length + memory.ids.byteLength + memory.results.byteLength
}

function allocate(slots: number): RequestMemory {
  const bytes = new Uint8Array(slots * COMMAND_SLOT_BYTES)
  return {
    bytes,
    words: new Int32Array(bytes.buffer),
    ids: new Int32Array(cells(slots) * ID_WORDS),
    results: new Int32Array(cells(slots) * LANE_RESULT_WORDS),
  }
}
