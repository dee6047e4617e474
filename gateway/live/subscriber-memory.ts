/**
 * The bytes that wait for all subscribers of a process together, and their bound: entries in queues, pages read ahead, and
 * what a socket has not written yet. Each subscriber has bounds of its own as well; twenty thousand of those would still be
 * more than a process has.
 *
 * Beyond the bound the one with the most bytes lets go of them, alone: it is the slowest, or the one that costs most.
 */

/** What one subscriber, or one connection, keeps waiting. */
export class Share {
  readonly #memory: SubscriberMemory
  readonly #letGo: () => void
  bytes = 0

  constructor(memory: SubscriberMemory, letGo: () => void) {
    this.#memory = memory
    this.#letGo = letGo
  }

  /** Counts bytes that begin to wait. It may be told to let go of all of them before this returns. */
  add(bytes: number): void {
    this.bytes += bytes
    this.#memory.added(bytes)
  }

  /** Counts bytes that wait no more; those of one that has let go are not counted any more. */
  remove(bytes: number): void {
    const removed = Math.min(bytes, this.bytes)
    this.bytes -= removed
    this.#memory.removed(removed)
  }

  /** Lets go, told by the memory. */
  shed(): void {
    this.remove(this.bytes)
    this.#letGo()
  }

  /** Ends it: nothing of it waits any more. */
  close(): void {
    this.remove(this.bytes)
    this.#memory.left(this)
  }
}

export class SubscriberMemory {
  readonly #bytesMax: number
  readonly #shares = new Set<Share>()
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Bytes that wait now, over all subscribers. */
  get bytes(): number {
    return this.#bytes
  }

  /** @param letGo drops what waits; its bytes are no longer counted when it is called */
  join(letGo: () => void): Share {
    const share = new Share(this, letGo)
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
  left(share: Share): void {
    this.#shares.delete(share)
  }

  /** Looked for only at the bound, where each search frees at least an average share. */
  #largest(): Share | undefined {
    let largest: Share | undefined
    for (const share of this.#shares)
      if (share.bytes > 0 && (largest === undefined || share.bytes > largest.bytes)) largest = share
    return largest
  }
}
