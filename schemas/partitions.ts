/** Which partition an account lives in: a hash of its id, modulo the number of partitions fixed at creation. */
import type { Id } from './ids.ts'

/** MurmurHash3's 64-bit finaliser over both halves (Appleby, public domain): spreads ids that differ in few bits. */
function hash64(id: Id): bigint {
  let h = BigInt.asUintN(64, id.high * 0x9e3779b97f4a7c15n) ^ BigInt.asUintN(64, id.low)
  h ^= h >> 33n
  h = BigInt.asUintN(64, h * 0xff51afd7ed558ccdn)
  h ^= h >> 33n
  h = BigInt.asUintN(64, h * 0xc4ceb9fe1a85ec53n)
  return h ^ (h >> 33n)
}

/** The partition of an account, 0 to `partitions` − 1. */
export function partitionOf(account: Id, partitions: number): number {
  return partitions === 1 ? 0 : Number(hash64(account) % BigInt(partitions))
}

/** As `partitionOf`, of an id as it stands in slots and rows: four words of 32 bits, the lowest of each half first. */
export function partitionOfWords(words: Int32Array, at: number, partitions: number): number {
  if (partitions === 1) return 0
  const highLow = words[at]!
  let low = Math.imul(highLow, GOLDEN_LOW) ^ words[at + 2]!
  let high = productHigh(highLow, words[at + 1]!, GOLDEN_LOW, GOLDEN_HIGH) ^ words[at + 3]!
  low ^= high >>> 1
  high = productHigh(low, high, FIRST_LOW, FIRST_HIGH)
  low = Math.imul(low, FIRST_LOW) ^ (high >>> 1)
  high = productHigh(low, high, SECOND_LOW, SECOND_HIGH)
  low = Math.imul(low, SECOND_LOW) ^ (high >>> 1)
  return (((high >>> 0) % partitions) * (2 ** 32 % partitions) + (low >>> 0)) % partitions
}

/** The factors of `hash64`, in halves. */
const [GOLDEN_LOW, GOLDEN_HIGH] = [0x7f4a7c15, 0x9e3779b9]
const [FIRST_LOW, FIRST_HIGH] = [0xed558ccd, 0xff51afd7]
const [SECOND_LOW, SECOND_HIGH] = [0x1a85ec53, 0xc4ceb9fe]

/** Bits 32 to 63 of the product of two 64-bit numbers, given in halves. The lower bits are those of `Math.imul`. */
function productHigh(low: number, high: number, otherLow: number, otherHigh: number): number {
  const [a0, a1, b0, b1] = [low & 0xffff, low >>> 16, otherLow & 0xffff, otherLow >>> 16]
  const first = a1 * b0 + ((a0 * b0) >>> 16)
  const second = a0 * b1 + (first & 0xffff)
  const carried = a1 * b1 + (first >>> 16) + (second >>> 16)
  return (carried + Math.imul(low, otherHigh) + Math.imul(high, otherLow)) | 0
}
