import { HOLD, HOLD_WORDS } from './hold-words.ts'
import type { Holds } from './holds.ts'

/**
 * The open holds that have a deadline, earliest first: a binary heap of slots. Equal deadlines go in the order of
 * placing, so that the order of expiry follows from the holds and not from the history of the heap.
 */
export class ExpiryHeap {
  count = 0
  private slots = new Int32Array(64)
  private readonly holds: Holds

  constructor(holds: Holds) {
    this.holds = holds
  }

  /** Slot of the hold that expires first, −1 if none does. */
  first(): number {
    return this.count === 0 ? -1 : this.slots[0]!
  }

  push(slot: number): void {
    this.up(this.count++, slot)
  }

  /** Takes out the hold at this place of the heap. */
  remove(heapIndex: number): void {
    this.setHeapIndex(this.slots[heapIndex]!, 0)
    const last = this.slots[--this.count]!
    if (heapIndex === this.count) return
    if (heapIndex > 0 && this.earlier(last, this.slots[(heapIndex - 1) >> 1]!)) this.up(heapIndex, last)
    else this.down(heapIndex, last)
  }

  grow(slots: number): void {
    const grown = new Int32Array(slots)
    grown.set(this.slots)
    this.slots = grown
  }

  private earlier(left: number, right: number): boolean {
    const words = this.holds.words
    const leftWord = left * HOLD_WORDS
    const rightWord = right * HOLD_WORDS
    const leftAt = words[leftWord + HOLD.expiresAt]!
    const rightAt = words[rightWord + HOLD.expiresAt]!
    if (leftAt !== rightAt) return leftAt < rightAt
    return words[leftWord + HOLD.sequence]! < words[rightWord + HOLD.sequence]!
  }

  private up(from: number, slot: number): void {
    let heapIndex = from
    while (heapIndex > 0) {
      const parent = (heapIndex - 1) >> 1
      const above = this.slots[parent]!
      if (!this.earlier(slot, above)) break
      this.put(heapIndex, above)
      heapIndex = parent
    }
    this.put(heapIndex, slot)
  }

  private down(from: number, slot: number): void {
    let heapIndex = from
    for (;;) {
      let child = heapIndex * 2 + 1
      if (child >= this.count) break
      if (child + 1 < this.count && this.earlier(this.slots[child + 1]!, this.slots[child]!)) child += 1
      const below = this.slots[child]!
      if (!this.earlier(below, slot)) break
      this.put(heapIndex, below)
      heapIndex = child
    }
    this.put(heapIndex, slot)
  }

  private put(heapIndex: number, slot: number): void {
    this.slots[heapIndex] = slot
    this.setHeapIndex(slot, heapIndex + 1)
  }

  private setHeapIndex(slot: number, heapIndexPlusOne: number): void {
    this.holds.words32[(slot * HOLD_WORDS + HOLD.links) * 2] = heapIndexPlusOne
  }
}
