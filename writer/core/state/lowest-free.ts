/**
 * A set of numbers below 2²⁰ that gives its lowest one: a bit for each number, and above each 32 bits one that says whether
 * any of them is set. What it gives follows from what is in it, and not from how it came there.
 */
const LEVELS = 4
const BITS = 5

export class LowestFree {
  /** From the single word at the top down to the numbers' own bits, each as long as the numbers so far need. */
  private readonly levels: Int32Array<ArrayBuffer>[] = Array.from({ length: LEVELS }, () => new Int32Array(1))

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
    for (let level = LEVELS - 1, rest = number; level >= 0; level--, rest >>>= BITS) {
      while (rest >>> BITS >= this.levels[level]!.length) this.grow(level)
      this.levels[level]![rest >>> BITS]! |= 1 << (rest & 31)
    }
  }

  remove(number: number): void {
    for (let level = LEVELS - 1, rest = number; level >= 0; level--, rest >>>= BITS) {
      const bits = this.levels[level]!
      bits[rest >>> BITS]! &= ~(1 << (rest & 31))
      if (bits[rest >>> BITS] !== 0) return
    }
  }

  private grow(level: number): void {
    const grown = new Int32Array(this.levels[level]!.length * 2)
    grown.set(this.levels[level]!)
    this.levels[level] = grown
  }
}
