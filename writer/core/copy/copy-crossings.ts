/**
 * A copy of all that the state has of crossings, as it stood at one moment; and that state put back from it. The queue of
 * those that wait, and which channels are free, follow from the channels.
 */
import { CHANNELS_MAX, PARTITIONS_MAX } from '../../../schemas/limits.ts'
import { DESTINATION_STATES_COUNT, SOURCE_STATES, SOURCE_STATES_COUNT } from '../crossing/table-numbers.ts'
import { ENTRY_WORDS } from '../state/incoming.ts'
import { CHANNEL, CHANNEL_WORDS } from '../state/outgoing.ts'
import type { CoreState } from '../state/state.ts'
import { EntriesCopy } from './copy-entries.ts'

/** A channel is longer than a slice may be. */
const CHANNEL_PIECES = 2
/** Bits above which a source's number stands beside the count of its channels. */
const SOURCE_SHIFT = 32n

export class CrossingsCopy {
  readonly outgoing: EntriesCopy
  /** One word for each partition from which crossings came: its number, and below it how many of its channels were seen. */
  readonly sources: BigInt64Array
  /** Numbers of the transit accounts, by currency. */
  readonly transit: Int32Array
  readonly incomingLength: number
  private readonly incoming: readonly EntriesCopy[]
  private source = 0
  private given = 0

  constructor({ currencies, outgoing, incoming }: CoreState) {
    const sources = incoming.sources()
    this.outgoing = new EntriesCopy(outgoing, CHANNEL_WORDS / CHANNEL_PIECES, CHANNEL_PIECES)
    this.incoming = sources.map(([, channels]) => new EntriesCopy(channels, ENTRY_WORDS, 1))
    this.incomingLength = this.incoming.reduce((sum, { length }) => sum + length, 0)
    this.sources = BigInt64Array.from(
      sources,
      ([source, { count }]) => (BigInt(source) << SOURCE_SHIFT) | BigInt(count),
    )
    this.transit = currencies.transits.slice(1, currencies.count + 1)
  }

  attach(): void {
    this.outgoing.attach()
    for (const copy of this.incoming) copy.attach()
  }

  detach(): void {
    this.outgoing.detach()
    for (const copy of this.incoming) copy.detach()
  }

  /** Writes as many more entries of the source at hand as fit. Returns the bytes. */
  copyIncoming(into: Uint8Array): number {
    const copy = this.incoming[this.source]!
    const bytes = copy.copy(into)
    this.given += bytes
    if (this.given === copy.length) {
      this.source += 1
      this.given = 0
    }
    return bytes
  }
}

/** Sections of a snapshot, to be read only. */
export interface KeptCrossings {
  readonly transit: Uint8Array
  readonly outgoing: BigInt64Array
  readonly sources: BigInt64Array
  /** The entries of all sources, whose count is this. */
  readonly incoming: (entries: number) => BigInt64Array
}

/** Puts crossings into a state that has accounts, currencies and open holds. Throws RangeError on what no `CrossingsCopy` gave. */
export function restoreCrossings(state: CoreState, kept: KeptCrossings): void {
  const { accounts, currencies, holds, outgoing, incoming } = state
  const numbers = new Int32Array(kept.transit.buffer, kept.transit.byteOffset, kept.transit.length / 4)
  numbers.forEach((number, index) => {
    if (number === 0) return
    if (number < 0 || number > accounts.count || index >= currencies.count)
      throw new RangeError(`snapshot has account ${number} for money in transit`)
    currencies.transits[index + 1] = number
  })
  outgoing.restore(kept.outgoing, kept.outgoing.length / CHANNEL_WORDS)
  for (let channel = 1; channel <= outgoing.count; channel++) {
    if (outgoing.state(channel) >= SOURCE_STATES_COUNT || outgoing.debit(channel) > accounts.count)
      throw new RangeError(`snapshot has channel ${channel} in no state that there is`)
    if (outgoing.state(channel) !== SOURCE_STATES.held) continue
    const hold = holds.find(outgoing.words32, (outgoing.wordOf(channel) + CHANNEL.idHigh) * 2)
    if (hold < 0) throw new RangeError(`snapshot has a hold on channel ${channel} that is not open`)
    holds.setChannel(hold, channel)
  }
  let entries = 0
  for (const word of kept.sources) {
    const source = Number(word >> SOURCE_SHIFT)
    const count = Number(BigInt.asUintN(32, word))
    if (source < 0 || source >= PARTITIONS_MAX || count > CHANNELS_MAX)
      throw new RangeError(`snapshot has ${count} channels of partition ${source}`)
    entries += count
  }
  const words = kept.incoming(entries)
  let at = 0
  for (const word of kept.sources) {
    const count = Number(BigInt.asUintN(32, word))
    const channels = incoming.of(Number(word >> SOURCE_SHIFT))
    channels.restore(words.subarray(at, at + count * ENTRY_WORDS), count)
    at += count * ENTRY_WORDS
    for (let channel = 1; channel <= count; channel++)
      if (channels.state(channel) >= DESTINATION_STATES_COUNT)
        throw new RangeError(`snapshot has channel ${channel} of another partition in no state that there is`)
  }
}
