/**
 * Assigns partitions to the members of a group: balanced within one, and each member keeps what it holds as far as that
 * allows. So a member that comes or goes moves no more than it must. Pure: every member computes the same result.
 */

/** What a member says that it has. */
export interface Claim {
  /** Partitions that it held when it was last told. Unknown or repeated ones do not count. */
  readonly held: readonly number[]
  /** The group's generation of that claim: 32 bits. */
  readonly generation: number
}

export interface Claimant extends Claim {
  readonly memberId: string
}

/**
 * Assigns partitions 0 to `partitions` − 1. Two members claim the same one if one was away and comes back with an old claim:
 * the newer claim counts; of two equally old ones, the one of the lower member id.
 * @returns for each member, its partitions in order; none for a member beyond the number of partitions
 */
export function assignSticky(
  claimants: readonly Claimant[],
  partitions: number,
): ReadonlyMap<string, readonly number[]> {
  const byAge = [...claimants].sort((a, b) => b.generation - a.generation || compare(a.memberId, b.memberId))
  const free = new Set(Array.from({ length: partitions }, (_, index) => index))
  const members = byAge.map(({ memberId, held }) => {
    const claimed = [...new Set(held)].filter((partition) => free.delete(partition)).sort((a, b) => a - b)
    return { memberId, claimed, assigned: [] as number[], quota: 0 }
  })
  // The larger shares go to the members that hold most, which moves least.
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

/** Compares by code units, which do not depend on a locale. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

const VERSION = 2
const HEADER_BYTES = 5
const GENERATION_AT = 1
const ENTRY_BYTES = 4

/** A claim as sent to the group: version u8, generation u32, then each partition as u32, little-endian. */
export function encodeClaim({ held, generation }: Claim): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + held.length * ENTRY_BYTES)
  bytes.writeUInt8(VERSION, 0)
  bytes.writeUInt32LE(generation, GENERATION_AT)
  held.forEach((partition, index) => bytes.writeUInt32LE(partition, HEADER_BYTES + index * ENTRY_BYTES))
  return bytes
}

/** Another member's claim. Bytes that are no claim claim nothing. */
export function decodeClaim(bytes: Uint8Array): Claim {
  if (bytes.length < HEADER_BYTES || bytes[0] !== VERSION) return { held: [], generation: 0 }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const held: number[] = []
  for (let at = HEADER_BYTES; at + ENTRY_BYTES <= bytes.length; at += ENTRY_BYTES)
    held.push(view.getUint32(at, true))
  return { held, generation: view.getUint32(GENERATION_AT, true) }
}
