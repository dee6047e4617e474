/**
 * A copy of the open holds as they stood at one moment, in the order of their placing, made in bounded steps: they are
 * collected slot by slot, sorted by sequence, and written. There may be a million, so neither is done at once.
 *
 * Of an open hold only the amount changes. One that changes or ends before its slot is looked at is kept first; one placed meanwhile
 * has a later sequence. A refused linked group takes back what it did in reverse, so a hold that it puts back lies in the
 * slot that it had: one bit a slot keeps it from being collected twice.
 */
import { CoreBrokenError } from '../broken.ts'
import { HOLD, HOLD_KEPT_WORDS, HOLD_WORDS } from '../state/hold-words.ts'
import type { Holds } from '../state/holds.ts'

const HOLD_BYTES = HOLD_KEPT_WORDS * 8
/** A step that cannot write yet does the less the less room it is given: bytes of room for a slot looked at, for a move. */
const SLOT_ROOM_BYTES = 64
const MOVE_ROOM_BYTES = 32

export class HoldsCopy {
  readonly count: number
  private readonly holds: Holds
  /** No hold of a later event is part of the copy. */
  private readonly sequenceMax: number
  private readonly slots: number
  private nextSlot = 0
  private readonly seen: Uint8Array
  /** Kept words of the holds collected so far, in no order. */
  private readonly words: BigInt64Array
  private collected = 0
  private readonly sorting: Sorting
  private written = 0

  /** Copies the holds as they stand now: at once, or over a time from `attach` to `detach`. */
  constructor(holds: Holds, sequence: bigint) {
    this.holds = holds
    this.count = holds.count
    this.sequenceMax = Number(sequence)
    this.slots = this.count === 0 ? 0 : holds.words.length / HOLD_WORDS
    this.seen = new Uint8Array(Math.ceil(this.slots / 8))
    this.words = new BigInt64Array(this.count * HOLD_KEPT_WORDS)
    this.sorting = new Sorting(this.count)
  }

  attach(): void {
    if (this.count > 0) this.holds.copy = this
  }

  detach(): void {
    this.holds.copy = undefined
  }

  /** The hold in this slot is about to change, or to end. */
  keep(slot: number): void {
    if (slot >= this.nextSlot && slot < this.slots) this.collect(slot)
  }

  /** Does one step: writes as many more holds as fit, once they are sorted. Returns the bytes; 0 while they are not. */
  copy(into: Uint8Array): number {
    if (this.nextSlot < this.slots) {
      const end = Math.min(this.nextSlot + Math.ceil(into.length / SLOT_ROOM_BYTES), this.slots)
      for (let slot = this.nextSlot; slot < end; slot++) this.collect(slot)
      this.nextSlot = end
      return 0
    }
    if (this.collected !== this.count) throw new CoreBrokenError('a copy of the holds has missed one')
    if (!this.sorting.isDone) {
      this.sorting.sort(Math.ceil(into.length / MOVE_ROOM_BYTES))
      return 0
    }
    const count = Math.min(Math.floor(into.length / HOLD_BYTES), this.collected - this.written)
    const copied = new BigInt64Array(into.buffer, into.byteOffset, count * HOLD_KEPT_WORDS)
    for (let index = 0; index < count; index++) {
      const from = this.sorting.order[this.written + index]! * HOLD_KEPT_WORDS
      for (let word = 0; word < HOLD_KEPT_WORDS; word++)
        copied[index * HOLD_KEPT_WORDS + word] = this.words[from + word]!
    }
    this.written += count
    return count * HOLD_BYTES
  }

  private collect(slot: number): void {
    const from = slot * HOLD_WORDS
    const sequence = sequenceAt(this.holds.words32, from + HOLD.sequence)
    if (sequence === 0 || sequence > this.sequenceMax) return
    const bit = 1 << (slot & 7)
    if ((this.seen[slot >>> 3]! & bit) !== 0) return
    this.seen[slot >>> 3]! |= bit
    if (this.collected === this.count) throw new CoreBrokenError('a copy of the holds has one too many')
    this.sorting.put(this.collected, sequence)
    const to = this.collected * HOLD_KEPT_WORDS
    for (let word = 0; word < HOLD_KEPT_WORDS; word++) this.words[to + word] = this.holds.words[from + word]!
    this.collected += 1
  }
}

/** Sorts by sequence, merging runs of doubling length, a bounded number of moves at a time. */
class Sorting {
  /** Indexes of the holds, by sequence once `isDone`. */
  order: Int32Array
  isDone: boolean
  private readonly count: number
  private sequences: Float64Array
  private orderNext: Int32Array
  private sequencesNext: Float64Array
  /** Length of the runs that are sorted, and where in the pair that begins at `first` the merging stands. */
  private run = 1
  private first = 0
  private left = 0
  private right = 1

  constructor(count: number) {
    this.count = count
    this.order = new Int32Array(count)
    this.sequences = new Float64Array(count)
    this.orderNext = new Int32Array(count)
    this.sequencesNext = new Float64Array(count)
    this.isDone = count < 2
  }

  put(index: number, sequence: number): void {
    this.order[index] = index
    this.sequences[index] = sequence
  }

  sort(moves: number): void {
    for (let left = moves; left > 0 && !this.isDone;) left -= this.merge(left)
  }

  /** Goes on with the pair of runs at hand. Returns the moves made, at most `moves`. */
  private merge(moves: number): number {
    const { count, run, first, sequences, order, sequencesNext, orderNext } = this
    const middle = Math.min(first + run, count)
    const end = Math.min(first + run * 2, count)
    let { left, right } = this
    const from = left + right - middle
    const to = Math.min(from + moves, end)
    for (let at = from; at < to; at++) {
      const source =
        right >= end || (left < middle && sequences[left]! < sequences[right]!) ? left++ : right++
      sequencesNext[at] = sequences[source]!
      orderNext[at] = order[source]!
    }
    this.left = left
    this.right = right
    if (to === end) this.endPair(end)
    return Math.max(to - from, 1)
  }

  private endPair(end: number): void {
    this.first = end
    if (end === this.count) {
      this.first = 0
      this.run *= 2
      this.isDone = this.run >= this.count
      const { order, sequences } = this
      this.order = this.orderNext
      this.sequences = this.sequencesNext
      this.orderNext = order
      this.sequencesNext = sequences
    }
    this.left = this.first
    this.right = Math.min(this.first + this.run, this.count)
  }
}

/** The sequence at a 64-bit word, as a number: good for 2⁵³ events. */
function sequenceAt(words32: Int32Array, word: number): number {
  return (words32[word * 2 + 1]! >>> 0) * 4_294_967_296 + (words32[word * 2]! >>> 0)
}
