/**
 * Those that wait for a time, earliest first: a binary heap of small numbers, whose times and places in the heap stand with
 * whoever owns them. Equal times go by what the owner says, so that the order follows from what waits and not from the history
 * of the heap.
 */

/** Owner of what waits. */
export interface Timers {
  isEarlier(left: number, right: number): boolean
  /** @param place in the heap, plus one; 0: it is not in it any more */
  setPlace(one: number, place: number): void
}

export class TimerHeap {
  count = 0
  private ones = new Int32Array(64)
  private readonly timers: Timers

  constructor(timers: Timers) {
    this.timers = timers
  }

  /** The one whose time comes first, −1 if none waits. */
  first(): number {
    return this.count === 0 ? -1 : this.ones[0]!
  }

  /** There has to be room (`grow`). */
  push(one: number): void {
    this.up(this.count++, one)
  }

  /** Takes out the one at this place of the heap, from 0. */
  remove(place: number): void {
    this.timers.setPlace(this.ones[place]!, 0)
    const last = this.ones[--this.count]!
    if (place === this.count) return
    if (place > 0 && this.timers.isEarlier(last, this.ones[(place - 1) >> 1]!)) this.up(place, last)
    else this.down(place, last)
  }

  /** Makes room for so many; there is room for 64. */
  grow(ones: number): void {
    const grown = new Int32Array(ones)
    grown.set(this.ones)
    this.ones = grown
  }

  private up(from: number, one: number): void {
    let place = from
    while (place > 0) {
      const parent = (place - 1) >> 1
      const above = this.ones[parent]!
      if (!this.timers.isEarlier(one, above)) break
      this.put(place, above)
      place = parent
    }
    this.put(place, one)
  }

  private down(from: number, one: number): void {
    let place = from
    for (;;) {
      let child = place * 2 + 1
      if (child >= this.count) break
      if (child + 1 < this.count && this.timers.isEarlier(this.ones[child + 1]!, this.ones[child]!))
        child += 1
      const below = this.ones[child]!
      if (!this.timers.isEarlier(below, one)) break
      this.put(place, below)
      place = child
    }
    this.put(place, one)
  }

  private put(place: number, one: number): void {
    this.ones[place] = one
    this.timers.setPlace(one, place + 1)
  }
}
