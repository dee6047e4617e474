/**
 * A set of numbers below 2²⁰ that gives its lowest one: a bit for each number, and above each 32 bits one that says whether
 * any of them is set. What it gives follows from what is in it, and not from how it came there.
 */
const LEVELS = 4
const BITS = 5

export class LowestFree {
  /** From the single word at the top down to the numbers' own bits. */
  private readonly levels: readonly Int32Array[]

  constructor() {
    this.levels = Array.from({ length: LEVELS }, (_, level) => new Int32Array(32 ** level))
  }

  /** The lowest number in it, −1 if it is empty. */
  lowest(): number {
    let word = 0
    for (const bits of this.levels) {
      const found = bits[word]!
      if (found === 0) return -1
      word = (word << BITS) | (31 - Math.clz32(found & -found))
    }
    return word
  }

  add(number: number): void {
    for (let level = LEVELS - 1, rest = number; level >= 0; level--, rest >>>= BITS)
      this.levels[level]![rest >>> BITS]! |= 1 << (rest & 31)
  }

  remove(number: number): void {
    for (let level = LEVELS - 1, rest = number; level >= 0; level--, rest >>>= BITS) {
      const bits = this.levels[level]!
      bits[rest >>> BITS]! &= ~(1 << (rest & 31))
      if (bits[rest >>> BITS] !== 0) return
    }
  }
}
