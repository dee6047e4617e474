/**
 * What has become here of crossings that began elsewhere: of each channel of each source partition its latest turn.
 *
 * An entry is two words of 64 bits: the amount while it is reserved, or the number of the refusal once it is refused; then
 * 32 bits of the turn, and 32 of the state (low three) and the credit account (above) while anything is reserved: of a hold that
 * is cancelled, what its posts under way have yet to draw.
 */
import type { EntriesCopy } from '../copy/copy-entries.ts'

export const ENTRY_WORDS = 2
const STATE_MASK = 7
const CREDIT_SHIFT = 3
const ENTRIES_INITIAL = 64

/** The channels of one source. */
export class SourceChannels {
  /** The highest channel that was seen. */
  count = 0
  words = new BigInt64Array(ENTRIES_INITIAL * ENTRY_WORDS)
  private words32 = new Int32Array(this.words.buffer)
  /** While they are copied: who is told before one changes. */
  copy: EntriesCopy | undefined

  /** The latest turn of a channel, 0 if none was seen. */
  turn(channel: number): number {
    return channel > this.count ? 0 : this.words32[(channel - 1) * 4 + 2]! >>> 0
  }

  /** Number of what became of it (crossing/table-numbers.ts), 0 if none was seen. */
  state(channel: number): number {
    return channel > this.count ? 0 : this.words32[(channel - 1) * 4 + 3]! & STATE_MASK
  }

  /** Number of the credit account of a reserved one. */
  credit(channel: number): number {
    return this.words32[(channel - 1) * 4 + 3]! >>> CREDIT_SHIFT
  }

  /** Number of the refusal of a refused one. */
  refusal(channel: number): number {
    return this.words32[(channel - 1) * 4]!
  }

  /** Word of the amount of a reserved one. */
  amountAt(channel: number): number {
    return (channel - 1) * ENTRY_WORDS
  }

  /** @param amounts at `at`: the amount of a reserved one; the refusal's number of a refused one; else zero */
  set(
    channel: number,
    turn: number,
    state: number,
    amounts: BigInt64Array,
    at: number,
    credit: number,
  ): void {
    if (channel > this.count) {
      while (channel * ENTRY_WORDS > this.words.length) this.grow()
      this.count = channel
    } else this.copy?.keep(channel - 1)
    this.words[(channel - 1) * ENTRY_WORDS] = amounts[at]!
    this.words32[(channel - 1) * 4 + 2] = turn
    this.words32[(channel - 1) * 4 + 3] = state | (credit << CREDIT_SHIFT)
  }

  restore(kept: BigInt64Array, count: number): void {
    while (count * ENTRY_WORDS > this.words.length) this.grow()
    this.words.set(kept)
    this.count = count
  }

  private grow(): void {
    const words = new BigInt64Array(this.words.length * 2)
    words.set(this.words)
    this.words = words
    this.words32 = new Int32Array(words.buffer)
  }
}

export class Incoming {
  private readonly bySource = new Map<number, SourceChannels>()

  /** The channels of a source, none of which may have been seen. */
  of(source: number): SourceChannels {
    let channels = this.bySource.get(source)
    if (channels === undefined) {
      channels = new SourceChannels()
      this.bySource.set(source, channels)
    }
    return channels
  }

  /** Partitions whose crossings were seen here, ascending, with their channels. */
  sources(): readonly (readonly [source: number, channels: SourceChannels])[] {
    return [...this.bySource].filter(([, { count }]) => count > 0).sort(([left], [right]) => left - right)
  }
}
