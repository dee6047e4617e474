/**
 * Who of a group gets which partitions: balanced within one, and everybody keeps what they hold as far as that allows, so
 * that a member that comes or goes moves no more than it must. A pure function: whichever member computes it comes to the
 * same answer.
 */

export interface Claimant {
  readonly memberId: string
  /** Partitions that it holds now, or has held when it was last told. What is not a partition, or is claimed twice, does not count. */
  readonly held: readonly number[]
}

/**
 * Assigns partitions 0 to `partitions` − 1. If two claim the same one (a member that was away comes back with an old
 * claim), the one whose id comes first keeps it.
 * @returns for each member, its partitions in order; none for a member beyond the number of partitions
 */
export function assignSticky(
  claimants: readonly Claimant[],
  partitions: number,
): ReadonlyMap<string, readonly number[]> {
  const byId = [...claimants].sort((a, b) => compare(a.memberId, b.memberId))
  const free = new Set(Array.from({ length: partitions }, (_, index) => index))
  const members = byId.map(({ memberId, held }) => {
    const claimed = [...new Set(held)].filter((partition) => free.delete(partition)).sort((a, b) => a - b)
    return { memberId, claimed, assigned: [] as number[], quota: 0 }
  })
  // The larger shares go to those who hold most: so the most is kept.
  const byHeld = [...members].sort((a, b) => b.claimed.length - a.claimed.length)
  const least = Math.floor(partitions / Math.max(1, members.length))
  byHeld.forEach((member, place) => {
    member.quota = least + (place < partitions % members.length ? 1 : 0)
    member.assigned = member.claimed.slice(0, member.quota)
    for (const partition of member.claimed.slice(member.quota)) free.add(partition)
  })
  const left = [...free].sort((a, b) => a - b)
  for (const { assigned, quota } of byHeld) assigned.push(...left.splice(0, quota - assigned.length))
  return new Map(members.map(({ memberId, assigned }) => [memberId, assigned.sort((a, b) => a - b)]))
}

/** By code units, which no member's locale changes. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

const VERSION = 1
const HEADER_BYTES = 1
const ENTRY_BYTES = 4

/** Partitions held, as a member tells its group: version u8, then each as u32, little-endian. */
export function encodeHeld(held: readonly number[]): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + held.length * ENTRY_BYTES)
  bytes.writeUInt8(VERSION, 0)
  held.forEach((partition, index) => bytes.writeUInt32LE(partition, HEADER_BYTES + index * ENTRY_BYTES))
  return bytes
}

/** What another member claims. Bytes that are nothing of the kind claim nothing. */
export function decodeHeld(bytes: Uint8Array): number[] {
  if (bytes.length < HEADER_BYTES || bytes[0] !== VERSION) return []
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const held: number[] = []
  for (let at = HEADER_BYTES; at + ENTRY_BYTES <= bytes.length; at += ENTRY_BYTES)
    held.push(view.getUint32(at, true))
  return held
}
