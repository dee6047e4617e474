/**
 * The open holds: a slot of eight 64-bit words each, found by id, ordered by deadline.
 *
 * Words: id (high, low), amount, expires_at (0: never), sequence of its event, accounts (debit, credit: 32 bits each),
 * two 32-bit links: its place in the expiry heap plus one (0: not in it), and the next free slot plus one; and its channel, if
 * its credit account lives elsewhere: then the one that it names is the transit account.
 */
import { HOLDS_OPEN_MAX } from '../../../schemas/limits.ts'
import { CoreBrokenError } from '../broken.ts'
import type { HoldsCopy } from '../copy/copy-holds.ts'
import { HOLD, HOLD_KEPT_WORDS, HOLD_WORDS } from './hold-words.ts'
import { hashId, powerOfTwo, sameIdAt } from './hash-id.ts'
import { TimerHeap, type Timers } from './timer-heap.ts'

const SLOTS_INITIAL = 64

export class Holds implements Timers {
  count = 0
  words: BigInt64Array
  words32: Int32Array
  readonly heap: TimerHeap
  /** While the holds are copied: who is told before one changes or ends. */
  copy: HoldsCopy | undefined
  /** Open addressing, linear probing, at most half full: slot plus one, 0 where empty. */
  private index: Int32Array
  private mask: number
  private freeHead = 0

  constructor() {
    this.words = new BigInt64Array(SLOTS_INITIAL * HOLD_WORDS)
    this.words32 = new Int32Array(this.words.buffer)
    this.index = new Int32Array(SLOTS_INITIAL * 2)
    this.mask = this.index.length - 1
    this.heap = new TimerHeap(this)
    this.thread(0, SLOTS_INITIAL)
  }

  /** The slot of the open hold whose id stands at `at`, −1 if there is none. */
  find(ids32: Int32Array, at: number): number {
    const indexSlot = this.indexSlotOf(ids32, at)
    return this.index[indexSlot]! - 1
  }

  debit(slot: number): number {
    return this.words32[(slot * HOLD_WORDS + HOLD.accounts) * 2]!
  }

  credit(slot: number): number {
    return this.words32[(slot * HOLD_WORDS + HOLD.accounts) * 2 + 1]!
  }

  /** The channel of a hold across partitions; 0 of any other. */
  channel(slot: number): number {
    return this.words32[(slot * HOLD_WORDS + HOLD.channel) * 2]!
  }

  setChannel(slot: number, channel: number): void {
    this.words32[(slot * HOLD_WORDS + HOLD.channel) * 2] = channel
  }

  /** Opens the hold whose kept words stand at `from`. Its id must not be open. */
  place(from: BigInt64Array, at: number): void {
    if (this.freeHead === 0) this.grow()
    const slot = this.freeHead - 1
    const word = slot * HOLD_WORDS
    this.freeHead = this.words32[(word + HOLD.links) * 2 + 1]!
    for (let index = 0; index < HOLD_KEPT_WORDS; index++) this.words[word + index] = from[at + index]!
    this.words[word + HOLD.links] = 0n
    this.count += 1
    const indexSlot = this.indexSlotOf(this.words32, word * 2)
    if (this.index[indexSlot] !== 0) throw new CoreBrokenError('a hold is placed twice')
    this.index[indexSlot] = slot + 1
    if (this.words[word + HOLD.expiresAt] !== 0n) this.heap.push(slot)
  }

  /** Sets what the hold in this slot still reserves to the amount at `amounts[at]`. */
  keepOnly(slot: number, amounts: BigInt64Array, at: number): void {
    if (this.copy !== undefined) this.copy.keep(slot)
    this.words[slot * HOLD_WORDS + HOLD.amount] = amounts[at]!
  }

  /** Ends the hold in this slot. */
  remove(slot: number): void {
    if (this.copy !== undefined) this.copy.keep(slot)
    const word = slot * HOLD_WORDS
    const links = (word + HOLD.links) * 2
    if (this.words32[links] !== 0) this.heap.remove(this.words32[links]! - 1)
    this.unindex(this.indexSlotOf(this.words32, word * 2))
    for (let index = 0; index < HOLD_WORDS; index++) this.words[word + index] = 0n
    this.words32[links + 1] = this.freeHead
    this.freeHead = slot + 1
    this.count -= 1
  }

  /** Where in the index the id at `at` is, or would be put. */
  private indexSlotOf(ids32: Int32Array, at: number): number {
    let indexSlot = hashId(ids32, at) & this.mask
    for (;;) {
      const entry = this.index[indexSlot]!
      if (entry === 0 || sameIdAt(this.words32, (entry - 1) * HOLD_WORDS * 2, ids32, at)) return indexSlot
      indexSlot = (indexSlot + 1) & this.mask
    }
  }

  /** Empties a place and moves later entries up, so that no probing is cut short. */
  private unindex(from: number): void {
    let hole = from
    for (let place = (hole + 1) & this.mask; this.index[place] !== 0; place = (place + 1) & this.mask) {
      const home = hashId(this.words32, (this.index[place]! - 1) * HOLD_WORDS * 2) & this.mask
      if (((place - home) & this.mask) < ((place - hole) & this.mask)) continue
      this.index[hole] = this.index[place]!
      hole = place
    }
    this.index[hole] = 0
  }

  private grow(): void {
    const slots = this.words.length / HOLD_WORDS
    if (slots >= powerOfTwo(HOLDS_OPEN_MAX)) throw new CoreBrokenError('more open holds than can be kept')
    const words = new BigInt64Array(this.words.length * 2)
    words.set(this.words)
    this.words = words
    this.words32 = new Int32Array(words.buffer)
    this.index = new Int32Array(slots * 4)
    this.mask = this.index.length - 1
    for (let slot = 0; slot < slots; slot++)
      this.index[this.indexSlotOf(this.words32, slot * HOLD_WORDS * 2)] = slot + 1
    this.heap.grow(slots * 2)
    this.thread(slots, slots * 2)
  }

  /** Of equal deadlines the hold that was placed first. */
  isEarlier(left: number, right: number): boolean {
    const { words } = this
    const leftWord = left * HOLD_WORDS
    const rightWord = right * HOLD_WORDS
    const leftAt = words[leftWord + HOLD.expiresAt]!
    const rightAt = words[rightWord + HOLD.expiresAt]!
    if (leftAt !== rightAt) return leftAt < rightAt
    return words[leftWord + HOLD.sequence]! < words[rightWord + HOLD.sequence]!
  }

  setPlace(slot: number, place: number): void {
    this.words32[(slot * HOLD_WORDS + HOLD.links) * 2] = place
  }

  /** Puts slots `from` to `end` on the free list, lowest first. */
  private thread(from: number, end: number): void {
    for (let slot = end - 1; slot >= from; slot--) {
      this.words32[(slot * HOLD_WORDS + HOLD.links) * 2 + 1] = this.freeHead
      this.freeHead = slot + 1
    }
  }
}
