/** Bytes that nobody wrote: random ones, and true ones changed in the ways in which damage and malice change them. */

/** A small repeatable generator (mulberry32): whole numbers from 0 to `below` − 1. */
export type Chance = (below: number) => number

export function chanceOf(seed: number): Chance {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

const RANDOM_BYTES_MAX = 600
const CHANGES_MAX = 6

/** Random bytes, one time in five; else one of the examples with some changes. */
export function hostileBytes(chance: Chance, examples: readonly Uint8Array[]): Uint8Array {
  if (chance(5) === 0)
    return Uint8Array.from({ length: chance(RANDOM_BYTES_MAX) }, () => (chance(4) === 0 ? 0 : chance(256)))
  let bytes: Uint8Array = examples[chance(examples.length)]!.slice()
  for (let changes = 1 + chance(CHANGES_MAX); changes > 0; changes--) bytes = changed(bytes, chance, examples)
  return bytes
}

/** Numbers at which lengths and counts go wrong. */
const EXTREMES = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x10000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]

function changed(bytes: Uint8Array, chance: Chance, examples: readonly Uint8Array[]): Uint8Array {
  const at = chance(bytes.length + 1)
  switch (chance(8)) {
    case 0:
      return bytes.slice(0, at)
    case 1: {
      // Some bytes of another place, put in between.
      const other = examples[chance(examples.length)]!
      const from = chance(other.length + 1)
      const part = other.subarray(from, from + chance(40))
      return Uint8Array.from([...bytes.subarray(0, at), ...part, ...bytes.subarray(at)])
    }
    case 2:
      return Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + 1 + chance(16))])
    case 3:
      if (at < bytes.length) bytes[at]! ^= 1 << chance(8)
      return bytes
    case 4: {
      const extreme = EXTREMES[chance(EXTREMES.length)]!
      for (let index = 0; index < 4 && at + index < bytes.length; index++)
        bytes[at + index] = (extreme >>> (8 * index)) & 0xff
      return bytes
    }
    case 5:
      return bytes.fill(chance(2) * 0xff, at, at + chance(9))
    default:
      if (at < bytes.length) bytes[at] = chance(256)
      return bytes
  }
}

/** Each example with a number of 64 million to 2⁶⁴ at each of its bytes in turn. */
export function* hugeLengths(examples: readonly Uint8Array[]): Generator<Uint8Array, void, undefined> {
  const patterns = [
    [0xff, 0xff, 0xff, 0xff],
    [0xff, 0xff, 0xff, 0x7f],
    [0xff, 0xff, 0xff, 0x03],
    [0, 0, 0, 0, 1, 0, 0, 0],
    [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  ]
  for (const example of examples)
    for (let at = 0; at < Math.min(example.length, 512); at++)
      for (const pattern of patterns) {
        const bytes = example.slice()
        bytes.set(pattern.slice(0, bytes.length - at), at)
        yield bytes
      }
}
