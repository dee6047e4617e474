/**
 * A copy of the accounts as they stood at one moment, made a slice at a time while they go on changing.
 *
 * Slices go from the lowest number up. A line that changes before its slice is made is kept first, once: its version,
 * totals and overdraft limit, for nothing else of a line ever changes. A page at a time would not do: a batch spread over all accounts would
 * touch, and so keep, nearly every page at once.
 */
import {
  CHANGING_WORDS,
  CURRENCY_MASK,
  KEEP_NONE,
  LINE_BYTES,
  LINE_WORDS,
  META_BYTES,
  STATUS_SHIFT,
} from '../state/account-lines.ts'
import type { Accounts } from '../state/accounts.ts'

/** Sides kept in one piece of memory. */
const CHUNK_SHIFT = 13
const CHUNK_SIDES = 1 << CHUNK_SHIFT

interface Chunk {
  readonly words: BigInt64Array
  /** The same as 32-bit words: the first of a free place is the next free one plus one. */
  readonly words32: Int32Array
}

/** What is kept of accounts that changed too early. Places are used again once their account is copied. */
class Kept {
  /** By account: the place of its kept side plus one, 0 if none is. */
  readonly places: Int32Array
  /** By account: the kept status plus one, 0 if none is. */
  readonly statuses: Uint8Array
  private readonly chunks: Chunk[] = []
  private placesUsed = 0
  private freePlus = 0

  constructor(numberMax: number) {
    this.places = new Int32Array(numberMax + 1)
    this.statuses = new Uint8Array(numberMax + 1)
  }

  keepLine(words: BigInt64Array, number: number): void {
    if (this.places[number] !== 0) return
    const place = this.take()
    this.places[number] = place + 1
    const to = (place & (CHUNK_SIDES - 1)) * CHANGING_WORDS
    const chunk = this.chunks[place >>> CHUNK_SHIFT]!.words
    for (let index = 0; index < CHANGING_WORDS; index++)
      chunk[to + index] = words[number * LINE_WORDS + index]!
  }

  /** Puts the side that was kept of account `number`, if one was, into `words` at `at`, and forgets it. */
  putBack(number: number, words: BigInt64Array, at: number): void {
    const place = this.places[number]! - 1
    if (place < 0) return
    const { words: kept, words32 } = this.chunks[place >>> CHUNK_SHIFT]!
    const from = (place & (CHUNK_SIDES - 1)) * CHANGING_WORDS
    for (let index = 0; index < CHANGING_WORDS; index++) words[at + index] = kept[from + index]!
    words32[from * 2] = this.freePlus
    this.freePlus = place + 1
  }

  private take(): number {
    if (this.freePlus !== 0) {
      const place = this.freePlus - 1
      const { words32 } = this.chunks[place >>> CHUNK_SHIFT]!
      this.freePlus = words32[(place & (CHUNK_SIDES - 1)) * CHANGING_WORDS * 2]!
      return place
    }
    if (this.placesUsed === this.chunks.length * CHUNK_SIDES) {
      const words = new BigInt64Array(CHUNK_SIDES * CHANGING_WORDS)
      this.chunks.push({ words, words32: new Int32Array(words.buffer) })
    }
    return this.placesUsed++
  }
}

export class AccountsCopy {
  readonly count: number
  private readonly accounts: Accounts
  private nextLine = 1
  private nextMeta = 1
  private kept: Kept | undefined

  /** Copies the accounts as they stand now: at once, or over a time from `attach` to `detach`. */
  constructor(accounts: Accounts) {
    this.accounts = accounts
    this.count = accounts.count
  }

  /** From now on `accounts` tells of each change before it happens. */
  attach(): void {
    this.kept = new Kept(this.count)
    this.accounts.copy = this
    this.accounts.keepFrom = this.count === 0 ? KEEP_NONE : this.nextLine
  }

  detach(): void {
    this.accounts.copy = undefined
    this.accounts.keepFrom = KEEP_NONE
    this.kept = undefined
  }

  /** The line of account `number` is about to change. It lies at or behind `accounts.keepFrom`. */
  keepLine(number: number): void {
    // An account opened meanwhile is not part of the copy.
    if (number <= this.count) this.kept!.keepLine(this.accounts.words, number)
  }

  /** The status of account `number` is about to change. */
  keepStatus(number: number): void {
    const { statuses } = this.kept!
    if (number < this.nextMeta || number > this.count || statuses[number] !== 0) return
    statuses[number] = this.accounts.status(number) + 1
  }

  /** Writes as many more lines as fit. Returns the bytes. */
  copyLines(into: Uint8Array): number {
    const { accounts, kept } = this
    const first = this.nextLine
    const lines = Math.min(Math.floor(into.length / LINE_BYTES), this.count + 1 - first)
    const { words } = accounts
    into.set(new Uint8Array(words.buffer, words.byteOffset + first * LINE_BYTES, lines * LINE_BYTES))
    this.nextLine += lines
    if (kept !== undefined) {
      const copied = new BigInt64Array(into.buffer, into.byteOffset, lines * LINE_WORDS)
      for (let index = 0; index < lines; index++) kept.putBack(first + index, copied, index * LINE_WORDS)
      accounts.keepFrom = this.nextLine > this.count ? KEEP_NONE : this.nextLine
    }
    return lines * LINE_BYTES
  }

  /** Writes as many more metas as fit. Returns the bytes. */
  copyMetas(into: Uint8Array): number {
    const { meta } = this.accounts
    const first = this.nextMeta
    const metas = Math.min(Math.floor(into.length / META_BYTES), this.count + 1 - first)
    const copied = new Uint32Array(into.buffer, into.byteOffset, metas)
    copied.set(meta.subarray(first, first + metas))
    this.nextMeta += metas
    if (this.kept !== undefined) {
      const { statuses } = this.kept
      for (let index = 0; index < metas; index++) {
        const status = statuses[first + index]! - 1
        if (status >= 0) copied[index] = (copied[index]! & CURRENCY_MASK) | (status << STATUS_SHIFT)
      }
    }
    return metas * META_BYTES
  }
}
