/**
 * Chance from a seed: sfc32 (Chris Doty-Humphrey's small fast counter generator, public domain), 128 bits of state, kept
 * in an array so that drawing a number allocates nothing.
 */
export class Random {
  private readonly state: Uint32Array

  constructor(seed: number) {
    this.state = Uint32Array.of(seed, seed >>> 16, 0x9e3779b9, 1)
    for (let round = 0; round < 15; round++) this.next()
  }

  /** 32 bits, as a signed number. */
  next(): number {
    const state = this.state
    const a = state[0]! | 0
    const b = state[1]! | 0
    const c = state[2]! | 0
    const counter = state[3]! | 0
    const sum = (((a + b) | 0) + counter) | 0
    state[3] = counter + 1
    state[0] = b ^ (b >>> 9)
    state[1] = c + (c << 3)
    state[2] = ((c << 21) | (c >>> 11)) + sum
    return sum
  }

  /** A whole number from 0 to `bound` − 1, uniform to within a part in 2³² / bound. */
  below(bound: number): number {
    return Math.floor(((this.next() >>> 0) / 4_294_967_296) * bound)
  }

  /** True for this share of all draws. */
  chance(share: number): boolean {
    return this.next() >>> 0 < share * 4_294_967_296
  }
}
