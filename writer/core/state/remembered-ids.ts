/**
 * The ids that the core remembers, in bounded memory: two generations of hash sets.
 *
 * When the younger one is full, the older one is dropped and a new one begins. Dropping moves the horizon: the largest
 * UUIDv7 time among all ids ever dropped. An id that is not found and lies behind the horizon may have been used, so it
 * is refused; an id ahead of it that is not found is new for certain.
 *
 * A reversed transfer is remembered in the same sets under its id with the version nibble cleared, which no UUIDv7
 * equals; a part of it that was reversed under a key made of that id and of what was left before it (docs/decisions/0031).
 * Such keys do not move the horizon; `beganSequence` says since when none can be missing.
 *
 * A set of full size is 16 bytes × twice the ids. Zeroing a dropped one at once would stop the core for a quarter of a
 * second, so it is cleared a little with each id that comes in, long before it is needed again. Only the very first
 * generation starts small and grows; how a set is laid out therefore follows from the events alone.
 */
import { hashId, powerOfTwo, sameIdAt } from './hash-id.ts'

/** 32-bit words and bytes of a place in a set: one id. */
export const KEY_WORDS32 = 4
export const KEY_BYTES = 16
const KEYS_INITIAL = 4_096
/** Bits 12 to 15 of an id's lowest 32-bit word: the version. */
const VERSION_MASK = 0xf000
const PART_VERSION = 0x1000

/** One generation. */
export interface Generation {
  keys: Int32Array
  count: number
  /** Largest UUIDv7 time among its ids, milliseconds since 1970. */
  timeMaxMs: number
  /** Sequence of the last event before its first one. */
  beganSequence: number
}

export { isUuidV7At } from '../../../schemas/ids.ts'

/**
 * True if the UUIDv7 at `at` is of a time after `after.horizonMs` and not after `until.idTimeMaxMs`. Asked with objects
 * that hold the times, and answered with yes or no: a time handed from one function to another is a number on the heap.
 */
export function isTimelyAt(
  ids32: Int32Array,
  at: number,
  after: { readonly horizonMs: number },
  until: { readonly idTimeMaxMs: number },
): boolean {
  const timeMs = (ids32[at + 1]! >>> 0) * 65_536 + (ids32[at]! >>> 16)
  return timeMs <= until.idTimeMaxMs && timeMs > after.horizonMs
}

/** Raises a generation's latest time to that of the UUIDv7 at `at`: milliseconds since 1970, its upper 48 bits. */
function raiseTime(generation: Generation, ids32: Int32Array, at: number): void {
  const timeMs = (ids32[at + 1]! >>> 0) * 65_536 + (ids32[at]! >>> 16)
  if (timeMs > generation.timeMaxMs) generation.timeMaxMs = timeMs
}

export class RememberedIds {
  readonly idsPerGeneration: number
  /** Slots of a set of full size, at most half of them used. */
  readonly slotsFull: number
  current: Generation
  previous: Generation | undefined
  /** Largest UUIDv7 time ever dropped, milliseconds since 1970; −1 if nothing ever was. */
  horizonMs = -1
  /** The dropped set, on its way to be the next one. Its keys before `clearedTo` are zero. */
  private spare: Int32Array | undefined
  private clearedTo = 0
  /** While the younger set is copied (copy-ids.ts): one bit a place, set where an id was put since the copy began. */
  added: Int32Array | undefined
  /** Sets that a copy still reads, so that they may not be used again. */
  inCopy: readonly Int32Array[] = []
  private readonly key = new Int32Array(KEY_WORDS32)

  constructor(idsPerGeneration: number) {
    this.idsPerGeneration = idsPerGeneration
    this.slotsFull = powerOfTwo(Math.max(idsPerGeneration * 2, 16))
    this.current = {
      keys: new Int32Array(Math.min(this.slotsFull, KEYS_INITIAL) * KEY_WORDS32),
      count: 0,
      timeMaxMs: 0,
      beganSequence: 0,
    }
  }

  /** Sequence up to which a reversal may have been forgotten; 0 if none can have been. */
  oldestBeganSequence(): number {
    return (this.previous ?? this.current).beganSequence
  }

  /** Ids of this time or before, milliseconds since 1970, count as used unless they are remembered. */
  raiseHorizon(horizonMs: number): void {
    if (horizonMs > this.horizonMs) this.horizonMs = horizonMs
  }

  has(hash: number, ids32: Int32Array, at: number): boolean {
    if (contains(this.current.keys, hash, ids32, at)) return true
    return this.previous !== undefined && contains(this.previous.keys, hash, ids32, at)
  }

  /** True if the transfer whose id stands at `at` is remembered as reversed. */
  hasReversed(ids32: Int32Array, at: number): boolean {
    this.toReversalKey(ids32, at)
    return this.has(hashId(this.key, 0), this.key, 0)
  }

  /** Reads what `has` is going to read first for each hash, so that it is in the cache later; returns it folded. */
  touch(hashes: Int32Array, count: number): number {
    const younger = this.current.keys
    const older = this.previous?.keys ?? younger
    let touched = 0
    for (let at = 0; at < count; at++) {
      const hash = hashes[at]!
      touched ^= younger[slotOf(younger, hash) + 3]! ^ older[slotOf(older, hash) + 3]!
    }
    return touched
  }

  /** Reads what `remember` is going to read first for each hash, likewise. */
  touchYounger(hashes: Int32Array, count: number): number {
    const keys = this.current.keys
    let touched = 0
    for (let at = 0; at < count; at++) touched ^= keys[slotOf(keys, hashes[at]!) + 3]!
    return touched
  }

  /** Remembers the id at `at`, of the event with this sequence. It must be new. */
  remember(hash: number, ids32: Int32Array, at: number, sequence: number): void {
    if (this.current.count >= this.idsPerGeneration) this.rotate(sequence)
    raiseTime(this.current, ids32, at)
    this.insert(hash, ids32, at)
  }

  /** True if ids to come may drop a generation within the next `ids` of them. */
  isNearlyFull(ids: number): boolean {
    return this.current.count + ids > this.idsPerGeneration
  }

  /** True if the id at `at` stands in the older generation. */
  isOld(hash: number, ids32: Int32Array, at: number): boolean {
    return this.previous !== undefined && contains(this.previous.keys, hash, ids32, at)
  }

  /**
   * Remembers the id at `at` unless the younger generation has it. Returns false if it has, or if it is the growing first
   * one and about to grow. Only while `isNearlyFull` says that no generation is dropped.
   */
  rememberIfNew(hash: number, ids32: Int32Array, at: number): boolean {
    const current = this.current
    const keys = current.keys
    if (current.count * 2 * KEY_WORDS32 >= keys.length) return false
    const mask = keys.length - 1
    let slot = slotOf(keys, hash)
    for (; !isEmpty(keys, slot); slot = (slot + KEY_WORDS32) & mask)
      if (sameIdAt(keys, slot, ids32, at)) return false
    keys[slot] = ids32[at]!
    keys[slot + 1] = ids32[at + 1]!
    keys[slot + 2] = ids32[at + 2]!
    keys[slot + 3] = ids32[at + 3]!
    if (this.added !== undefined) markAdded(this.added, slot)
    current.count += 1
    raiseTime(current, ids32, at)
    if ((current.count & 63) === 0) this.clearSome()
    return true
  }

  /** Remembers that the transfer whose id stands at `at` was reversed by the event with this sequence. */
  rememberReversed(ids32: Int32Array, at: number, sequence: number): void {
    if (this.current.count >= this.idsPerGeneration) this.rotate(sequence)
    this.toReversalKey(ids32, at)
    this.insert(hashId(this.key, 0), this.key, 0)
  }

  /** True if a reversal of the transfer at `ids32[at]` is remembered that left something, and found this much left. */
  hasReversedPart(ids32: Int32Array, at: number, left32: Int32Array, leftAt: number): boolean {
    this.toPartKey(ids32, at, left32, leftAt)
    return this.has(hashId(this.key, 0), this.key, 0)
  }

  /** Remembers such a reversal, of the event with this sequence. */
  rememberReversedPart(
    ids32: Int32Array,
    at: number,
    left32: Int32Array,
    leftAt: number,
    sequence: number,
  ): void {
    if (this.current.count >= this.idsPerGeneration) this.rotate(sequence)
    this.toPartKey(ids32, at, left32, leftAt)
    this.insert(hashId(this.key, 0), this.key, 0)
  }

  /** Version 1 in place of 7, so that it equals neither an id nor the key of a transfer that is wholly reversed. */
  private toPartKey(ids32: Int32Array, at: number, left32: Int32Array, leftAt: number): void {
    const low = left32[leftAt]!
    const high = left32[leftAt + 1]!
    this.key[0] = (ids32[at]! & ~VERSION_MASK) | PART_VERSION
    this.key[1] = ids32[at + 1]! ^ scrambled(low, high)
    this.key[2] = ids32[at + 2]! ^ scrambled(~high, low)
    this.key[3] = ids32[at + 3]!
  }

  private toReversalKey(ids32: Int32Array, at: number): void {
    this.key[0] = ids32[at]! & ~VERSION_MASK
    this.key[1] = ids32[at + 1]!
    this.key[2] = ids32[at + 2]!
    this.key[3] = ids32[at + 3]!
  }

  private insert(hash: number, ids32: Int32Array, at: number): void {
    const current = this.current
    if (current.count * 2 * KEY_WORDS32 >= current.keys.length) this.grow()
    const slot = put(current.keys, hash, ids32, at)
    if (this.added !== undefined) markAdded(this.added, slot)
    current.count += 1
    if ((current.count & 63) === 0) this.clearSome()
  }

  /** Four words a slot, two slots an id: clearing four slots an id has a spare ready halfway through a generation. */
  private clearSome(): void {
    if (this.spare === undefined || this.clearedTo >= this.spare.length) return
    const to = Math.min(this.clearedTo + 64 * 4 * KEY_WORDS32, this.spare.length)
    this.spare.fill(0, this.clearedTo, to)
    this.clearedTo = to
  }

  private rotate(sequence: number): void {
    const dropped = this.previous
    this.previous = this.current
    this.added = undefined
    if (this.spare !== undefined && this.clearedTo < this.spare.length) this.spare.fill(0, this.clearedTo)
    const full = this.slotsFull * KEY_WORDS32
    this.current = {
      keys: this.spare?.length === full ? this.spare : new Int32Array(full),
      count: 0,
      timeMaxMs: 0,
      beganSequence: sequence - 1,
    }
    this.spare = undefined
    if (dropped === undefined) return
    if (dropped.timeMaxMs > this.horizonMs) this.horizonMs = dropped.timeMaxMs
    if (this.inCopy.includes(dropped.keys)) return
    this.spare = dropped.keys
    this.clearedTo = 0
  }

  private grow(): void {
    const keys = this.current.keys
    const grown = new Int32Array(keys.length * 2)
    for (let at = 0; at < keys.length; at += KEY_WORDS32)
      if (!isEmpty(keys, at)) put(grown, hashId(keys, at), keys, at)
    this.current.keys = grown
    this.added = undefined
  }
}

/** 32 bits in which every bit of both numbers counts. */
function scrambled(one: number, other: number): number {
  let mixed = Math.imul(one ^ (one >>> 16), 0x85ebca6b) ^ Math.imul(other ^ (other >>> 15), 0xc2b2ae35)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0x9e3779b1)
  return mixed ^ (mixed >>> 16)
}

/** Word at which the probing for a hash begins. */
function slotOf(keys: Int32Array, hash: number): number {
  return (hash & (keys.length / KEY_WORDS32 - 1)) * KEY_WORDS32
}

/** No key has a zero last word: the variant bits of RFC 9562 stand in it. */
function isEmpty(keys: Int32Array, at: number): boolean {
  return keys[at + 3] === 0
}

function contains(keys: Int32Array, hash: number, ids32: Int32Array, at: number): boolean {
  const mask = keys.length - 1
  for (let slot = slotOf(keys, hash); !isEmpty(keys, slot); slot = (slot + KEY_WORDS32) & mask)
    if (sameIdAt(keys, slot, ids32, at)) return true
  return false
}

/** Puts the id at `at` into the first empty place for it. Returns that place's word. */
function put(keys: Int32Array, hash: number, ids32: Int32Array, at: number): number {
  const mask = keys.length - 1
  let slot = slotOf(keys, hash)
  while (!isEmpty(keys, slot)) slot = (slot + KEY_WORDS32) & mask
  keys[slot] = ids32[at]!
  keys[slot + 1] = ids32[at + 1]!
  keys[slot + 2] = ids32[at + 2]!
  keys[slot + 3] = ids32[at + 3]!
  return slot
}

function markAdded(added: Int32Array, slot: number): void {
  const place = slot / KEY_WORDS32
  added[place >>> 5]! |= 1 << (place & 31)
}
