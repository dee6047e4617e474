/** Where the commands of an offer stand, in the two numberings that queues have. */
import type { CommandPlace, OfferPlace } from './ports.ts'

/** Each command has an offset of its own, one more than that of the command before it. */
export function offsetsFrom(firstOffset: bigint, count: number): OfferPlace {
  return new Offsets(firstOffset, count)
}

class Offsets implements OfferPlace {
  readonly offset: bigint
  readonly index = 0
  readonly isRepeated = false
  readonly #count: number

  constructor(firstOffset: bigint, count: number) {
    this.offset = firstOffset
    this.#count = count
  }

  get end(): CommandPlace {
    return { offset: this.offset + BigInt(this.#count), index: 0 }
  }

  before(offset: bigint): number {
    if (offset <= this.offset) return 0
    const before = offset - this.offset
    return before >= BigInt(this.#count) ? this.#count : Number(before)
  }
}

/**
 * The commands `index` to `index + count − 1` of the record at `offset`. Behind a record's last command comes the first one
 * of the next record.
 */
export function withinRecord(
  offset: bigint,
  index: number,
  count: number,
  of: { readonly recordCount: number; readonly isRepeated: boolean },
): OfferPlace {
  return new WithinRecord(offset, index, count, of.recordCount, of.isRepeated)
}

class WithinRecord implements OfferPlace {
  readonly offset: bigint
  readonly index: number
  readonly isRepeated: boolean
  readonly #count: number
  readonly #recordCount: number

  constructor(offset: bigint, index: number, count: number, recordCount: number, isRepeated: boolean) {
    this.offset = offset
    this.index = index
    this.isRepeated = isRepeated
    this.#count = count
    this.#recordCount = recordCount
  }

  get end(): CommandPlace {
    const index = this.index + this.#count
    return index < this.#recordCount ? { offset: this.offset, index } : { offset: this.offset + 1n, index: 0 }
  }

  before(offset: bigint, index: number): number {
    if (offset > this.offset) return this.#count
    if (offset < this.offset) return 0
    return Math.min(this.#count, Math.max(0, index - this.index))
  }
}

/** True if `place` is the one that (offset, index) names. */
export function isAtPlace(place: CommandPlace, offset: bigint, index: number): boolean {
  return place.offset === offset && place.index === index
}
