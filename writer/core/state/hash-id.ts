function mix(hash: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51)
  k = (k << 15) | (k >>> 17)
  const h = hash ^ Math.imul(k, 0x1b873593)
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0
}

/**
 * The hash of the 128-bit id at `at`, by which the core's tables find it: MurmurHash3 x86-32 (Appleby, public domain).
 * @param words32 anything that holds ids as four 32-bit words, lowest first within each half
 * @returns a signed 32-bit number
 */
export function hashId(words32: Int32Array, at: number): number {
  let h = mix(0x70757273, words32[at]!)
  h = mix(h, words32[at + 1]!)
  h = mix(h, words32[at + 2]!)
  h = mix(h, words32[at + 3]!)
  h ^= h >>> 16
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  return h ^ (h >>> 16)
}

/** True if both places hold the same id. The random half is compared first: ids of one moment share the other. */
export function sameIdAt(left: Int32Array, leftAt: number, right: Int32Array, rightAt: number): boolean {
  return (
    left[leftAt + 2] === right[rightAt + 2] &&
    left[leftAt] === right[rightAt] &&
    left[leftAt + 1] === right[rightAt + 1] &&
    left[leftAt + 3] === right[rightAt + 3]
  )
}

/** The smallest power of two that is at least `least`. */
export function powerOfTwo(least: number): number {
  let power = 1
  while (power < least) power *= 2
  return power
}
