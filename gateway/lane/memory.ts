/**
 * Memory for requests of the lane, from their first byte to their answer. It is bounded and reused, so that the hot
 * path allocates nothing.
 */
import { BATCH_COMMANDS_MAX, COMMAND_SLOT_BYTES } from '../../schemas/limits.ts'
import { LANE_RESULT_WORDS } from '../../schemas/lane-results.ts'
import { PartitionShares, type PartitionShare } from '../submit/partition-shares.ts'
import { ID_WORDS } from '../../schemas/frame-rows.ts'

/** Memory for one request at a time. It is not cleared between requests. */
export interface RequestMemory {
  /** The commands. */
  readonly bytes: Uint8Array<ArrayBuffer>
  /** The same memory as 32-bit words. */
  readonly words: Int32Array<ArrayBuffer>
  /** Each command's id, as frame-rows.ts writes ids. */
  readonly ids: Int32Array<ArrayBuffer>
  /** Each command's result. */
  readonly results: Int32Array<ArrayBuffer>
}

const SLOTS_MIN = 16

/** The lane's memories, by size in powers of two. */
export class LaneMemory {
  readonly #bytesMax: number
  readonly #free = new Map<number, RequestMemory[]>()
  readonly #shares: PartitionShares
  readonly #shareOf = new Map<RequestMemory, PartitionShare>()
  #freeBytes = 0

  /** @param bytesMax bytes of all requests that are received or worked on, and of those that wait for each partition */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
    this.#shares = new PartitionShares(bytesMax)
  }

  /** Memory for a request with `slotBytes` of commands; undefined if the bound is reached. */
  take(slotBytes: number): RequestMemory | undefined {
    const slots = slotsFor(slotBytes)
    const size = slots * COMMAND_SLOT_BYTES + cells(slots) * 4 * (ID_WORDS + LANE_RESULT_WORDS)
    const share = this.#shares.enter(size)
    if (share === undefined) return undefined
    const free = this.#free.get(slots)?.pop()
    if (free !== undefined) this.#freeBytes -= size
    else if (this.#shares.working + this.#freeBytes > this.#bytesMax) this.#forget()
    const memory = free ?? allocate(slots)
    this.#shareOf.set(memory, share)
    return memory
  }

  /**
   * From now on the request in this memory waits for the writers of these partitions.
   * @returns false if one of them has as much waiting as allowed
   */
  wait(memory: RequestMemory, partitions: readonly number[]): boolean {
    return this.#shareOf.get(memory)!.wait(partitions)
  }

  give(memory: RequestMemory): void {
    this.#shareOf.get(memory)?.end()
    this.#shareOf.delete(memory)
    const size = sizeOf(memory)
    // Requests that waited for writers may have taken more memory than is ever needed again.
    if (this.#shares.working + this.#freeBytes + size > this.#bytesMax) return
    const slots = memory.bytes.length / COMMAND_SLOT_BYTES
    const free = this.#free.get(slots)
    if (free === undefined) this.#free.set(slots, [memory])
    else free.push(memory)
    this.#freeBytes += size
  }

  /** Releases free memories, to make room for other sizes. */
  #forget(): void {
    this.#free.clear()
    this.#freeBytes = 0
  }
}

function slotsFor(slotBytes: number): number {
  let slots = SLOTS_MIN
  while (slots * COMMAND_SLOT_BYTES < slotBytes) slots *= 2
  return slots
}

/** The most commands that fit into so many slots. */
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
