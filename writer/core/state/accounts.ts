/**
 * The accounts: one cache line each, by account number.
 *
 * A line is eight 64-bit words: version, debits_posted, debits_pending, credits_posted, credits_pending,
 * overdraft_limit (−1 unlimited), id (high, low). The first five stand in the order of the event row's sides, so that
 * applying an event is a copy. Beside it, 32 bits: index of the currency (low 16), status (above).
 * Line 0 is nobody's, and all zero.
 */
import { ACCOUNTS_MAX } from '../../../schemas/limits.ts'
import {
  LINE_WORDS,
  LINE_BYTES,
  LINE,
  META_BYTES,
  STATUS_SHIFT,
  CURRENCY_MASK,
  KEEP_NONE,
} from './account-lines.ts'
import { CoreBrokenError } from '../broken.ts'
import type { AccountsCopy } from '../copy/copy-accounts.ts'
import { GrowingMemory } from './growing-memory.ts'
import { hashId, powerOfTwo, sameIdAt } from './hash-id.ts'

/** Number and tag of an index entry: 26 bits and 6. */
const NUMBER_MASK = ACCOUNTS_MAX
const TAG_SHIFT = 26

/** Lines by which a large memory grows, in place. */
const LINES_STEP = 2 ** 20
/** Accounts that are entered together into a new index, and those opened between two such pieces of work. */
const ENTERED_TOGETHER = 128
const OPENED_BETWEEN = 16

export class Accounts {
  /** Accounts ever opened; the highest number given. */
  count = 0
  words: BigInt64Array
  /** The same lines as 32-bit words. */
  words32: Int32Array
  meta: Uint32Array
  private readonly lineMemory: GrowingMemory
  private readonly metaMemory: GrowingMemory
  /** Open addressing, linear probing, about 25 to 50 % full: number in the low 26 bits, six bits of the hash above. */
  private index: Int32Array
  private mask: number
  /** The index to come, twice as large, while it is made beside the one in use: of accounts 1 to `nextEntered`. */
  private next: Int32Array | undefined
  private nextEntered = 0
  /** While the accounts are copied: who is told before a status changes, or a line that is not copied yet. */
  copy: AccountsCopy | undefined
  /** First line that is not copied yet; `KEEP_NONE` if all are, or no copy is under way. */
  keepFrom = KEEP_NONE
  /** What was read ahead, folded, so that the reads are not optimised away. */
  private touched = 0
  private readonly hashes = new Int32Array(ENTERED_TOGETHER)

  /** @param accountsInitial accounts for which there is room before the first growth */
  constructor(accountsInitial: number) {
    const lines = linesFor(accountsInitial)
    this.lineMemory = new GrowingMemory(lines * LINE_BYTES)
    this.metaMemory = new GrowingMemory(lines * META_BYTES)
    this.words = wordsOver(this.lineMemory, lines)
    this.words32 = words32Of(this.words)
    this.meta = metaOver(this.metaMemory, lines)
    this.index = new Int32Array(powerOfTwo(lines) * 2)
    this.mask = this.index.length - 1
  }

  status(number: number): number {
    return this.meta[number]! >>> STATUS_SHIFT
  }

  currency(number: number): number {
    return this.meta[number]! & CURRENCY_MASK
  }

  setStatus(number: number, status: number): void {
    this.copy?.keepStatus(number)
    this.meta[number] = (this.meta[number]! & CURRENCY_MASK) | (status << STATUS_SHIFT)
  }

  /** Sets an account's overdraft limit to that at `limits[at]`. */
  setOverdraft(number: number, limits: BigInt64Array, at: number): void {
    if (number < 1 || number > this.count) throw new CoreBrokenError(`event changes account ${number}`)
    if (number >= this.keepFrom) this.keepLine(number)
    this.words[number * LINE_WORDS + LINE.overdraft] = limits[at]!
  }

  /** To be called before line `number` changes, where it is not below `keepFrom`. */
  keepLine(number: number): void {
    this.copy!.keepLine(number)
  }

  /** The number of the account whose id stands at `at`, 0 if there is none. `hash` is `hashId` of that id. */
  find(hash: number, ids32: Int32Array, at: number): number {
    const index = this.index
    const words32 = this.words32
    const mask = this.mask
    const tag = hash >>> TAG_SHIFT
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const entry = index[slot]!
      if (entry === 0) return 0
      if (entry >>> TAG_SHIFT !== tag) continue
      const number = entry & NUMBER_MASK
      if (sameIdAt(words32, (number * LINE_WORDS + LINE.idHigh) * 2, ids32, at)) return number
    }
  }

  /** Reads the first index entry for each hash, so that it is in the cache later. Returns what was read, folded. */
  touchIndex(hashes: Int32Array, count: number): number {
    const { index, mask } = this
    let touched = 0
    for (let at = 0; at < count; at++) touched ^= index[hashes[at]! & mask]!
    return touched
  }

  /**
   * Writes for each hash the number of the first account whose tag agrees, 0 if none does: almost always the account that
   * `find` finds. Reads that account's line and meta, so that they are in the cache later; returns what was read, folded.
   */
  guess(hashes: Int32Array, numbers: Int32Array, count: number): number {
    const { index, mask, words32, meta } = this
    let touched = 0
    for (let at = 0; at < count; at++) {
      const hash = hashes[at]!
      const tag = hash >>> TAG_SHIFT
      let slot = hash & mask
      let entry = index[slot]!
      while (entry !== 0 && entry >>> TAG_SHIFT !== tag) entry = index[(slot = (slot + 1) & mask)]!
      const number = entry & NUMBER_MASK
      numbers[at] = number
      touched ^= words32[number * (LINE_WORDS * 2)]! ^ meta[number]!
    }
    return touched
  }

  /** Reads the lines of the accounts with these numbers, likewise; none may be above `count`. */
  touchNumbers(numbers: Int32Array, count: number): number {
    const { words32 } = this
    let touched = 0
    for (let at = 0; at < count; at++) touched ^= words32[numbers[at]! * (LINE_WORDS * 2)]!
    return touched
  }

  /** True if account `number` has the id at `at`. */
  isAccount(number: number, ids32: Int32Array, at: number): boolean {
    return sameIdAt(this.words32, (number * LINE_WORDS + LINE.idHigh) * 2, ids32, at)
  }

  /** Opens the next account with the id at `ids[at]`, at version 0 with zero totals. Returns its number. */
  open(ids: BigInt64Array, at: number, overdraftAt: number, currency: number): number {
    const number = this.count + 1
    if (number > ACCOUNTS_MAX) throw new CoreBrokenError(`account ${number} has no place in 26 bits`)
    if (number >= this.meta.length) this.grow()
    const line = number * LINE_WORDS
    this.words[line + LINE.overdraft] = ids[overdraftAt]!
    this.words[line + LINE.idHigh] = ids[at]!
    this.words[line + LINE.idLow] = ids[at + 1]!
    this.meta[number] = currency
    this.count = number
    enter(this.index, number, this.hashOf(number))
    if (number % OPENED_BETWEEN === 0) this.tendIndex()
    return number
  }

  /** Puts lines and metas back that a snapshot kept, accounts 1 to `metas.length`. */
  restore(lines: BigInt64Array, metas: Uint32Array): void {
    this.words.set(lines, LINE_WORDS)
    this.meta.set(metas, 1)
    this.count = metas.length
    for (let first = 1; first <= this.count; first += ENTERED_TOGETHER)
      this.enterSome(this.index, first, Math.min(ENTERED_TOGETHER, this.count + 1 - first))
  }

  /** Begins a larger index where this one is half full, or goes on with it; never much at a time. */
  private tendIndex(): void {
    if (this.next === undefined) {
      if (this.count * 2 < this.index.length) return
      this.next = new Int32Array(this.index.length * 2)
      this.nextEntered = 0
    }
    const together = Math.min(ENTERED_TOGETHER, this.count - this.nextEntered)
    this.enterSome(this.next, this.nextEntered + 1, together)
    this.nextEntered += together
    if (this.nextEntered < this.count) return
    this.index = this.next
    this.mask = this.index.length - 1
    this.next = undefined
  }

  /** Enters accounts from `first` on, at most ENTERED_TOGETHER, so that their cache misses overlap. */
  private enterSome(index: Int32Array, first: number, together: number): void {
    const { hashes } = this
    for (let at = 0; at < together; at++) hashes[at] = this.hashOf(first + at)
    let touched = 0
    for (let at = 0; at < together; at++) touched ^= index[hashes[at]! & (index.length - 1)]!
    this.touched ^= touched
    for (let at = 0; at < together; at++) enter(index, first + at, hashes[at]!)
  }

  private hashOf(number: number): number {
    return hashId(this.words32, (number * LINE_WORDS + LINE.idHigh) * 2)
  }

  private grow(): void {
    const now = this.meta.length
    const lines = Math.min(this.lineMemory.isInPlace() ? now + LINES_STEP : now * 2, ACCOUNTS_MAX + 1)
    this.lineMemory.grow(lines * LINE_BYTES)
    this.metaMemory.grow(lines * META_BYTES)
    this.words = wordsOver(this.lineMemory, lines)
    this.words32 = words32Of(this.words)
    this.meta = metaOver(this.metaMemory, lines)
  }
}

function enter(index: Int32Array, number: number, hash: number): void {
  const mask = index.length - 1
  let slot = hash & mask
  while (index[slot] !== 0) slot = (slot + 1) & mask
  index[slot] = ((hash >>> TAG_SHIFT) << TAG_SHIFT) | number
}

/** Lines to begin with: a power of two while they are few, whole steps of growth where there are many. */
function linesFor(accounts: number): number {
  const least = Math.min(Math.max(accounts, 15), ACCOUNTS_MAX) + 1
  return least < LINES_STEP ? powerOfTwo(least) : Math.ceil(least / LINES_STEP) * LINES_STEP
}

/** Each line in one cache line: one that lay in two would cost a cache miss more for every account touched. */
function wordsOver(memory: GrowingMemory, lines: number): BigInt64Array {
  return new BigInt64Array(memory.buffer, memory.byteOffset, lines * LINE_WORDS)
}

function words32Of(words: BigInt64Array): Int32Array {
  return new Int32Array(words.buffer, words.byteOffset, words.length * 2)
}

function metaOver(memory: GrowingMemory, lines: number): Uint32Array {
  return new Uint32Array(memory.buffer, memory.byteOffset, lines)
}
