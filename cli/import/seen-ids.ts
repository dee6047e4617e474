/**
 * Which row ids a file has had already: an open-addressing table of 64-bit fingerprints in one typed array. Two rows of one
 * id in different chunks would become two transfers, so the second one is a bad line.
 */
const SLOTS_MIN = 2 ** 16
const SLOTS_MAX = 2 ** 26
const FILL_MAX = 0.75

/** Transfers of one import; beyond that a file has to be split. The table then takes 512 MiB; at 10 million rows 128 MiB. */
export const TRANSFERS_MAX = SLOTS_MAX * FILL_MAX

/** A set of fingerprints. Two different ids look the same with a chance of about 1 in 180,000 at 10 million rows. */
export class SeenIds {
  #slots = new BigUint64Array(SLOTS_MIN)
  #count = 0

  /**
   * Remembers an id by its digest.
   * @param digest SHA-256; its last eight bytes are used
   * @returns `full` when no more can be remembered
   */
  add(digest: Buffer): 'new' | 'seen' | 'full' {
    // Zero marks a free slot.
    const fingerprint = digest.readBigUInt64LE(24) | 1n
    if (this.#count >= this.#slots.length * FILL_MAX) {
      if (this.#slots.length >= SLOTS_MAX) return 'full'
      this.#grow()
    }
    if (!put(this.#slots, fingerprint)) return 'seen'
    this.#count++
    return 'new'
  }

  #grow(): void {
    const larger = new BigUint64Array(this.#slots.length * 2)
    for (const fingerprint of this.#slots) if (fingerprint !== 0n) put(larger, fingerprint)
    this.#slots = larger
  }
}

function put(slots: BigUint64Array, fingerprint: bigint): boolean {
  const mask = slots.length - 1
  for (let slot = Number((fingerprint >> 8n) & 0xffff_ffffn) & mask; ; slot = (slot + 1) & mask) {
    if (slots[slot] === fingerprint) return false
    if (slots[slot] === 0n) {
      slots[slot] = fingerprint
      return true
    }
  }
}
