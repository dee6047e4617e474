/** Chance from a seed: xoshiro128** (Blackman and Vigna, public domain), seeded by splitmix32. */

export interface Random {
  /** A number from 0 up to, not including, 1. */
  next(): number
  /** A whole number from 0 to `n` − 1; `n` from 1 to 2³². */
  below(n: number): number
  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number
  /** True with this probability. */
  chance(probability: number): boolean
  /** A whole number from 0 to `n` − 1; `n` from 1 to 2⁶². */
  bigBelow(n: bigint): bigint
  /** One of the items; there has to be one. */
  pick<Item>(items: readonly Item[]): Item
}

/** @param seed any whole number; equal seeds give equal chances */
export function createRandom(seed: number): Random {
  let mixed = (seed ^ Math.floor(seed / 2 ** 32)) >>> 0
  function splitmix(): number {
    mixed = (mixed + 0x9e3779b9) | 0
    let z = mixed
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b)
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35)
    return z ^ (z >>> 16)
  }
  let a = splitmix()
  let b = splitmix()
  let c = splitmix()
  let d = splitmix()
  function bits(): number {
    const turned = Math.imul(b, 5)
    const result = Math.imul((turned << 7) | (turned >>> 25), 9) >>> 0
    const t = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= t
    d = (d << 11) | (d >>> 21)
    return result
  }
  const next = (): number => bits() / 2 ** 32
  const below = (n: number): number => Math.floor(next() * n)
  return {
    next,
    below,
    between: (least, most) => least + below(most - least + 1),
    chance: (probability) => next() < probability,
    bigBelow: (n) => ((BigInt(bits()) << 32n) | BigInt(bits())) % n,
    pick(items) {
      if (items.length === 0) throw new RangeError('nothing to pick from')
      return items[below(items.length)]!
    },
  }
}
