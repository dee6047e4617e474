/**
 * Bounds the bytes that wait for all subscribers of a process together: entries in queues, pages read ahead, and bytes
 * that a socket has not written yet. Each subscriber has its own bounds as well, but twenty thousand times those would
 * be more than a process has.
 *
 * At the bound, the subscriber with the most bytes has to drop them, and no other: it is the slowest, or costs most.
 */

/** The bytes that wait for one subscriber, or for one connection. */
export class MemoryShare {
  readonly #memory: SubscriberMemory
  readonly #letGo: () => void
  bytes = 0

  constructor(memory: SubscriberMemory, letGo: () => void) {
    this.#memory = memory
    this.#letGo = letGo
  }

  /** Counts bytes that begin to wait. `letGo` may be called before this returns. */
  add(bytes: number): void {
    this.bytes += bytes
    this.#memory.added(bytes)
  }

  /** Counts bytes that wait no more. After `letGo` this has no effect, because nothing is counted any more. */
  remove(bytes: number): void {
    const removed = Math.min(bytes, this.bytes)
    this.bytes -= removed
    this.#memory.removed(removed)
  }

  /** Drops what waits. For `SubscriberMemory` alone. */
  shed(): void {
    this.remove(this.bytes)
    this.#letGo()
  }

  /** Ends it; none of its bytes is counted any more. */
  close(): void {
    this.remove(this.bytes)
    this.#memory.left(this)
  }
}

export class SubscriberMemory {
  readonly #bytesMax: number
  readonly #shares = new Set<MemoryShare>()
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Bytes that wait now, of all subscribers. */
  get bytes(): number {
    return this.#bytes
  }

  /** @param letGo drops what waits. Its bytes are no longer counted when it is called */
  join(letGo: () => void): MemoryShare {
    const share = new MemoryShare(this, letGo)
    this.#shares.add(share)
    return share
  }

  /** For `Share` alone. */
  added(bytes: number): void {
    this.#bytes += bytes
    while (this.#bytes > this.#bytesMax) {
      const largest = this.#largest()
      if (largest === undefined) return
      largest.shed()
    }
  }

  /** For `Share` alone. */
  removed(bytes: number): void {
    this.#bytes -= bytes
  }

  /** For `Share` alone. */
  left(share: MemoryShare): void {
    this.#shares.delete(share)
  }

  /** Runs only at the bound. Each search then frees at least an average share. */
  #largest(): MemoryShare | undefined {
    let largest: MemoryShare | undefined
    for (const share of this.#shares)
      if (share.bytes > 0 && (largest === undefined || share.bytes > largest.bytes)) largest = share
    return largest
  }
}
