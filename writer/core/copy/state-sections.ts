/** The whole state as sections of bytes, and back. What can be derived (the indexes, the heap) is left out. */
import { ACCOUNTS_MAX, CHANNELS_MAX, HOLDS_OPEN_MAX, PARTITIONS_MAX } from '../../../schemas/limits.ts'
import { LINE_WORDS } from '../state/account-lines.ts'
import { CoreBrokenError } from '../broken.ts'
import { AccountsCopy } from './copy-accounts.ts'
import { CrossingsCopy, restoreCrossings } from './copy-crossings.ts'
import { HoldsCopy } from './copy-holds.ts'
import { IdsCopy } from './copy-ids.ts'
import { CURRENCIES_MAX } from '../state/currencies.ts'
import { HOLD_KEPT_WORDS } from '../state/hold-words.ts'
import { ENTRY_WORDS } from '../state/incoming.ts'
import { CHANNEL_WORDS } from '../state/outgoing.ts'
import type { Generation } from '../state/remembered-ids.ts'
import { CLOCK, createState, type CoreState } from '../state/state.ts'

export interface CoreSection {
  readonly name: string
  readonly bytes: Uint8Array
}

/** Version of the sections' layout. */
const LAYOUT_VERSION = 3n

/** Words of the `core` section, in order. */
const HEAD = {
  layout: 0,
  partition: 1,
  sequence: 2,
  recordedAt: 3,
  accounts: 4,
  currencies: 5,
  holds: 6,
  idsPerGeneration: 7,
  horizonMs: 8,
  currentCount: 9,
  currentTimeMaxMs: 10,
  currentBeganSequence: 11,
  hasPrevious: 12,
  previousCount: 13,
  previousTimeMaxMs: 14,
  previousBeganSequence: 15,
  /** Channels of crossings that began here, and partitions from which some came. */
  channels: 16,
  sources: 17,
} as const
const HEAD_WORDS = 18

/** A copy of the state as it stands now. */
export function sectionsOfState(state: CoreState, partition: number): readonly CoreSection[] {
  const copy = new StateCopying(state, partition)
  return copy.sections.map(({ name, length }) => {
    const bytes = new Uint8Array(length)
    for (let at = 0; at < length;) at += copy.step(bytes.subarray(at))
    return { name, bytes }
  })
}

/** Begins a copy that is made while the state goes on. No other such copy may be under way. */
export function beginCopy(state: CoreState, partition: number): StateCopy {
  if (state.holds.copy !== undefined || state.accounts.copy !== undefined)
    throw new CoreBrokenError('a copy of the state is under way already')
  const copy = new StateCopying(state, partition)
  copy.attach()
  return copy
}

/** What `save` gives, a slice at a time; the state may change between two steps, and the copy does not. */
export interface StateCopy {
  /** The sections, in the order in which their bytes come. */
  readonly sections: readonly SectionLength[]
  /**
   * Does one bounded piece of work and writes the next bytes of the section at hand to the front of `into`; never more
   * than what is left of that section.
   * @param into begins at a multiple of 8 bytes and has room for 64 at least
   * @returns bytes written, in whole entries; 0 while there is work to do before the next ones
   */
  step(into: Uint8Array): number
  /** True when every byte has been given. */
  isDone(): boolean
  /** Lets go of the state, done or not. Nothing of the copy may be used afterwards. */
  end(): void
}

export interface SectionLength {
  readonly name: string
  /** Bytes. */
  readonly length: number
}

/** A section that is being copied. */
interface Part extends SectionLength {
  /** As `StateCopy.step`. */
  readonly copy: (into: Uint8Array) => number
}

class StateCopying implements StateCopy {
  readonly sections: readonly SectionLength[]
  private readonly parts: readonly Part[]
  private readonly accounts: AccountsCopy
  private readonly holds: HoldsCopy
  private readonly ids: IdsCopy
  private readonly crossings: CrossingsCopy
  private part = 0
  /** Bytes of the part at hand that are given. */
  private given = 0

  constructor(state: CoreState, partition: number) {
    const { currencies } = state
    this.accounts = new AccountsCopy(state.accounts)
    this.holds = new HoldsCopy(state.holds, state.clock[CLOCK.sequence]!)
    this.ids = new IdsCopy(state.remembered)
    this.crossings = new CrossingsCopy(state)
    const { accounts, holds, ids, crossings } = this
    this.parts = [
      partOf('core', headOf(state, partition)),
      { name: 'accounts', length: accounts.count * LINE_WORDS * 8, copy: (into) => accounts.copyLines(into) },
      { name: 'account-metas', length: accounts.count * 4, copy: (into) => accounts.copyMetas(into) },
      // Currencies are only ever added, and a table that grows leaves the old one as it is.
      partOf('currency-codes', currencies.codes.subarray(1, currencies.count + 1)),
      partOf('currency-scales', currencies.scales.subarray(1, currencies.count + 1)),
      { name: 'holds', length: holds.count * HOLD_KEPT_WORDS * 8, copy: (into) => holds.copy(into) },
      // The sets lie as they do because of the events alone, so they are copied as they lie.
      { name: 'ids-current', length: ids.younger.byteLength, copy: (into) => ids.copyYounger(into) },
      { name: 'ids-previous', length: ids.older.byteLength, copy: (into) => ids.copyOlder(into) },
      partOf('transit-accounts', crossings.transit),
      { name: 'outgoing', length: crossings.outgoing.length, copy: (into) => crossings.outgoing.copy(into) },
      partOf('incoming-sources', crossings.sources),
      { name: 'incoming', length: crossings.incomingLength, copy: (into) => crossings.copyIncoming(into) },
    ]
    this.sections = this.parts.map(({ name, length }) => ({ name, length }))
    this.skipGiven()
  }

  attach(): void {
    this.accounts.attach()
    this.holds.attach()
    this.ids.attach()
    this.crossings.attach()
  }

  step(into: Uint8Array): number {
    const part = this.parts[this.part]
    if (part === undefined) return 0
    const bytes = part.copy(into)
    this.given += bytes
    this.skipGiven()
    return bytes
  }

  isDone(): boolean {
    return this.part === this.parts.length
  }

  end(): void {
    this.accounts.detach()
    this.holds.detach()
    this.ids.detach()
    this.crossings.detach()
  }

  private skipGiven(): void {
    while (this.part < this.parts.length && this.given === this.parts[this.part]!.length) {
      this.part += 1
      this.given = 0
    }
  }
}

/** A part whose bytes never change where they lie. */
function partOf(name: string, words: BigInt64Array | Int32Array | Uint8Array): Part {
  const bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength)
  let at = 0
  return {
    name,
    length: bytes.length,
    copy: (into) => {
      const slice = bytes.subarray(at, at + into.length)
      into.set(slice)
      at += slice.length
      return slice.length
    },
  }
}

function headOf(state: CoreState, partition: number): BigInt64Array {
  const { accounts, currencies, holds, remembered } = state
  const { current, previous } = remembered
  const head = new BigInt64Array(HEAD_WORDS)
  head[HEAD.layout] = LAYOUT_VERSION
  head[HEAD.partition] = BigInt(partition)
  head[HEAD.sequence] = state.clock[CLOCK.sequence]!
  head[HEAD.recordedAt] = state.clock[CLOCK.recordedAt]!
  head[HEAD.accounts] = BigInt(accounts.count)
  head[HEAD.currencies] = BigInt(currencies.count)
  head[HEAD.holds] = BigInt(holds.count)
  head[HEAD.channels] = BigInt(state.outgoing.count)
  head[HEAD.sources] = BigInt(state.incoming.sources().length)
  head[HEAD.idsPerGeneration] = BigInt(remembered.idsPerGeneration)
  head[HEAD.horizonMs] = BigInt(remembered.horizonMs)
  head[HEAD.currentCount] = BigInt(current.count)
  head[HEAD.currentTimeMaxMs] = BigInt(current.timeMaxMs)
  head[HEAD.currentBeganSequence] = BigInt(current.beganSequence)
  if (previous !== undefined) {
    head[HEAD.hasPrevious] = 1n
    head[HEAD.previousCount] = BigInt(previous.count)
    head[HEAD.previousTimeMaxMs] = BigInt(previous.timeMaxMs)
    head[HEAD.previousBeganSequence] = BigInt(previous.beganSequence)
  }
  return head
}

/** Throws RangeError on sections that no `sectionsOfState` of such a core wrote. Their hash is the caller's to check. */
export function stateFromSections(
  sections: readonly CoreSection[],
  partition: number,
  idsPerGeneration: number,
  accountsInitial: number,
): CoreState {
  const wordsOf = (name: string, count: number): BigInt64Array => {
    const bytes = bytesOf(sections, name, count * 8)
    return new BigInt64Array(bytes.buffer, bytes.byteOffset, count)
  }
  const head = wordsOf('core', HEAD_WORDS)
  if (head[HEAD.layout] !== LAYOUT_VERSION)
    throw new RangeError(`snapshot layout ${head[HEAD.layout]!} is not known`)
  if (head[HEAD.partition] !== BigInt(partition))
    throw new RangeError(`snapshot is of partition ${head[HEAD.partition]!}`)
  if (head[HEAD.idsPerGeneration] !== BigInt(idsPerGeneration))
    throw new RangeError(`snapshot remembers ${head[HEAD.idsPerGeneration]!} ids per generation`)
  const accounts = countOf(head, HEAD.accounts, ACCOUNTS_MAX)
  const currencies = countOf(head, HEAD.currencies, CURRENCIES_MAX)
  const holds = countOf(head, HEAD.holds, HOLDS_OPEN_MAX)
  const codes = wordsOf('currency-codes', currencies)
  const scales = bytesOf(sections, 'currency-scales', currencies)
  const lines = wordsOf('accounts', accounts * LINE_WORDS)
  const metas = bytesOf(sections, 'account-metas', accounts * 4)
  const kept = wordsOf('holds', holds * HOLD_KEPT_WORDS)
  // Memory is taken only for what the sections really hold.
  const state = createState(Math.max(accounts, accountsInitial), idsPerGeneration)
  const { remembered } = state
  codes.forEach((code, index) => state.currencies.indexFor(code, scales[index]!))
  state.accounts.restore(lines, new Uint32Array(metas.buffer, metas.byteOffset, accounts))
  for (let index = 0; index < holds; index++) state.holds.place(kept, index * HOLD_KEPT_WORDS)
  remembered.horizonMs = Number(head[HEAD.horizonMs]!)
  remembered.current = generation(sections, 'ids-current', head, HEAD.currentCount, remembered.slotsFull)
  if (head[HEAD.hasPrevious] === 1n)
    remembered.previous = generation(sections, 'ids-previous', head, HEAD.previousCount, remembered.slotsFull)
  else bytesOf(sections, 'ids-previous', 0)
  const channels = countOf(head, HEAD.channels, CHANNELS_MAX)
  const sources = countOf(head, HEAD.sources, PARTITIONS_MAX)
  restoreCrossings(state, {
    transit: bytesOf(sections, 'transit-accounts', currencies * 4),
    outgoing: wordsOf('outgoing', channels * CHANNEL_WORDS),
    sources: wordsOf('incoming-sources', sources),
    incoming: (entries) => wordsOf('incoming', entries * ENTRY_WORDS),
  })
  state.clock[CLOCK.sequence] = head[HEAD.sequence]!
  state.clock[CLOCK.recordedAt] = head[HEAD.recordedAt]!
  state.clock[CLOCK.nextRecordedAt] = head[HEAD.recordedAt]! + 1n
  return state
}

function generation(
  sections: readonly CoreSection[],
  name: string,
  head: BigInt64Array,
  at: number,
  slotsFull: number,
): Generation {
  // A copy, because the state goes on in it.
  const keys = new Int32Array(new Uint8Array(sectionOf(sections, name)).buffer)
  const slots = keys.length / 4
  const count = countOf(head, at, slotsFull / 2)
  if (!Number.isInteger(Math.log2(slots)) || slots > slotsFull || count * 2 > slots)
    throw new RangeError(`snapshot section ${name} is not a set of ${count} ids`)
  return { keys, count, timeMaxMs: Number(head[at + 1]!), beganSequence: Number(head[at + 2]!) }
}

function countOf(head: BigInt64Array, at: number, most: number): number {
  const count = Number(head[at]!)
  if (count < 0 || count > most) throw new RangeError(`snapshot counts ${count}, which is out of range`)
  return count
}

/** A section's bytes, to be read only: where they lie, if they are aligned, else a copy that is. */
function bytesOf(sections: readonly CoreSection[], name: string, bytes: number): Uint8Array {
  const found = sectionOf(sections, name)
  if (found.length !== bytes)
    throw new RangeError(`snapshot section ${name} has ${found.length} bytes, not ${bytes}`)
  return found.byteOffset % 8 === 0 ? found : new Uint8Array(found)
}

function sectionOf(sections: readonly CoreSection[], name: string): Uint8Array {
  const found = sections.find((candidate) => candidate.name === name)
  if (found === undefined) throw new RangeError(`snapshot lacks section ${name}`)
  return found.bytes
}
