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

/**
 * An id that lives in the partition of an account: a command with it, decided there, needs no claim of its id
 * (docs/coordination.md).
 * @param make makes another id each time; it is called `partitions` times on the average
 */
export function idBeside(account: Id, partitions: number, make: () => Id): Id {
  const home = partitionOf(account, partitions)
  for (;;) {
    const id = make()
    if (partitionOf(id, partitions) === home) return id
  }
}

/** Upper 32 bits of the product of two unsigned numbers of 32 bits. */
function productHigh(left: number, right: number): number {
  const leftLow = left & 0xffff
  const leftHigh = left >>> 16
  const rightLow = right & 0xffff
  const rightHigh = right >>> 16
  // Each sum of a product of two numbers of 16 bits and of one more fits 32 bits.
  const low = Math.imul(leftLow, rightLow)
  const middle = (Math.imul(leftHigh, rightLow) + (low >>> 16)) | 0
  const other = (Math.imul(leftLow, rightHigh) + (middle & 0xffff)) | 0
  return (Math.imul(leftHigh, rightHigh) + (middle >>> 16) + (other >>> 16)) | 0
}

/**
 * The same of an id that stands in 32-bit words at `at`, low half of each 64 bits first, as commands and events carry it:
 * no object, no big integer.
 */
export function partitionOfWords(words32: Int32Array, at: number, partitions: number): number {
  if (partitions === 1) return 0
  // h = high × 0x9e3779b97f4a7c15 ^ low
  let low = words32[at]!
  let high =
    (productHigh(low, 0x7f4a7c15) + Math.imul(words32[at + 1]!, 0x7f4a7c15) + Math.imul(low, 0x9e3779b9)) ^
    words32[at + 3]!
  low = Math.imul(low, 0x7f4a7c15) ^ words32[at + 2]!
  // h ^= h >>> 33, before, between and behind two products.
  low ^= high >>> 1
  high = productHigh(low, 0xed558ccd) + Math.imul(high, 0xed558ccd) + Math.imul(low, 0xff51afd7)
  low = Math.imul(low, 0xed558ccd)
  low ^= (high | 0) >>> 1
  high = productHigh(low, 0x1a85ec53) + Math.imul(high, 0x1a85ec53) + Math.imul(low, 0xc4ceb9fe)
  low = Math.imul(low, 0x1a85ec53)
  low ^= (high | 0) >>> 1
  return (
    (((high >>> 0) % partitions) * (4_294_967_296 % partitions) + ((low >>> 0) % partitions)) % partitions
  )
}
