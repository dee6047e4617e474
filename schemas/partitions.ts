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
