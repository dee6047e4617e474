/**
 * Crossings: transfers whose accounts live in two partitions. The words and formats that both sides and the coordinator
 * share; docs/coordination.md says how they play together.
 *
 * The partition of the debit account is the **source**, that of the credit account the **destination**. The source gives
 * each open crossing a **channel**: the lowest free number, from 1. A channel's **turn** counts the crossings that have had
 * it. The destination keeps one entry a channel: the latest turn that it has seen, and what became of it. A step of an
 * earlier turn is stale, one of the same turn a repeat, one of a later turn new. So the destination needs no memory that
 * grows with time, and a step that is a day late changes nothing. This is the exactly-once rule of NFS sessions
 * (RFC 8881, section 2.10.6.1: slot and sequence id).
 *
 * In every event of a crossing `named accounts` is the Base64 of 48 bytes, each number with its most significant byte first:
 * twelve bits of the source, twenty of the channel, 32 of the turn, 64 of the sequence, in the other partition, of the event
 * that this one answers (0: none), and both account ids. So it is 64 characters of ASCII without padding, as many as the ids
 * alone would take in hex. Every row of a crossing has it, and two threads read it again. The first events of a hold and of its
 * posts answer none, and have something of the hold in its place (schemas/events.ts).
 */
import { EVENT_KINDS, ROW_TEXT_BYTE } from './events.ts'
import { putIdWords } from './frame-rows.ts'
import type { Id } from './ids.ts'
import { CHANNELS_MAX, NAMED_CROSSING_BYTES } from './limits.ts'
import { packCurrency } from './money.ts'
import { partitionOf } from './partitions.ts'

/** What the text of a crossing's event says. */
export interface CrossingText {
  readonly debit: Id
  readonly credit: Id
  /** Partition of the debit account. */
  readonly source: number
  readonly channel: number
  readonly turn: number
  readonly answers: bigint
}

/** Kinds of events whose text has something of a hold where others name the event that they answer. */
export const ANSWERS_NOTHING: ReadonlySet<number> = new Set([EVENT_KINDS.HoldReserved, EVENT_KINDS.HoldDrawn])

/** Words (of 32 bits) of a crossing's text as the core and the coordinator have it; ids and `answers` low half first, as in slots. */
export const CROSSING_WORD = { debit: 0, credit: 4, source: 8, channel: 9, turn: 10, answers: 11 } as const
export const CROSSING_WORDS = 13
export const CROSSING_TEXT_BYTES = NAMED_CROSSING_BYTES
/** Bits of a channel below those of its source. */
const CHANNEL_BITS = 20

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const CROSSING_TEXT = new RegExp(`^[A-Za-z0-9+/]{${CROSSING_TEXT_BYTES}}$`)
/** The two characters of each 12 bits, the first one in the low byte. */
const PAIRS = Uint16Array.from(
  { length: 4_096 },
  (_, bits) => DIGITS.charCodeAt(bits >> 6) | (DIGITS.charCodeAt(bits & 63) << 8),
)
/** Value of each character as a digit, 0 for any other. */
const DIGIT_VALUE = Uint8Array.from({ length: 256 }, (_, character) =>
  Math.max(DIGITS.indexOf(String.fromCharCode(character)), 0),
)

function writePair(bytes: Uint8Array, at: number, bits: number): void {
  const pair = PAIRS[bits & 0xfff]!
  bytes[at] = pair
  bytes[at + 1] = pair >>> 8
}

/** Three words of 32 bits are sixteen characters. */
const CHARACTERS_OF_THREE = 16

function writeThree(bytes: Uint8Array, at: number, first: number, second: number, third: number): void {
  writePair(bytes, at, first >>> 20)
  writePair(bytes, at + 2, first >>> 8)
  writePair(bytes, at + 4, (first << 4) | (second >>> 28))
  writePair(bytes, at + 6, second >>> 16)
  writePair(bytes, at + 8, second >>> 4)
  writePair(bytes, at + 10, (second << 8) | (third >>> 24))
  writePair(bytes, at + 12, third >>> 12)
  writePair(bytes, at + 14, third)
}

/** The 24 bits of four characters. */
function readFour(bytes: Uint8Array, at: number): number {
  return (
    (DIGIT_VALUE[bytes[at]!]! << 18) |
    (DIGIT_VALUE[bytes[at + 1]!]! << 12) |
    (DIGIT_VALUE[bytes[at + 2]!]! << 6) |
    DIGIT_VALUE[bytes[at + 3]!]!
  )
}

/** Writes the text of a crossing's event at `at` of `bytes`: CROSSING_TEXT_BYTES. @param words32 laid out as CROSSING_WORD */
export function writeCrossing(bytes: Uint8Array, at: number, words32: Int32Array): void {
  const { source, channel, turn, answers, debit, credit } = CROSSING_WORD
  const place = (words32[source]! << CHANNEL_BITS) | words32[channel]!
  const second = at + CHARACTERS_OF_THREE
  const third = second + CHARACTERS_OF_THREE
  const fourth = third + CHARACTERS_OF_THREE
  writeThree(bytes, at, place, words32[turn]!, words32[answers + 1]!)
  writeThree(bytes, second, words32[answers]!, words32[debit + 1]!, words32[debit]!)
  writeThree(bytes, third, words32[debit + 3]!, words32[debit + 2]!, words32[credit + 1]!)
  writeThree(bytes, fourth, words32[credit]!, words32[credit + 3]!, words32[credit + 2]!)
}

/** Reads the text of a crossing's event at `at` of `bytes`, which is known to be one. @param words32 laid out as CROSSING_WORD */
export function readCrossing(bytes: Uint8Array, at: number, words32: Int32Array): void {
  const { answers, debit, credit } = CROSSING_WORD
  readCrossingPlace(bytes, at, words32)
  words32[answers + 1] = (readFour(bytes, at + 8) << 24) | readFour(bytes, at + 12)
  const second = at + CHARACTERS_OF_THREE
  let middle = readFour(bytes, second + 4)
  let last = readFour(bytes, second + 8)
  words32[answers] = (readFour(bytes, second) << 8) | (middle >>> 16)
  words32[debit + 1] = (middle << 16) | (last >>> 8)
  words32[debit] = (last << 24) | readFour(bytes, second + 12)
  const third = second + CHARACTERS_OF_THREE
  middle = readFour(bytes, third + 4)
  last = readFour(bytes, third + 8)
  words32[debit + 3] = (readFour(bytes, third) << 8) | (middle >>> 16)
  words32[debit + 2] = (middle << 16) | (last >>> 8)
  words32[credit + 1] = (last << 24) | readFour(bytes, third + 12)
  const fourth = third + CHARACTERS_OF_THREE
  middle = readFour(bytes, fourth + 4)
  last = readFour(bytes, fourth + 8)
  words32[credit] = (readFour(bytes, fourth) << 8) | (middle >>> 16)
  words32[credit + 3] = (middle << 16) | (last >>> 8)
  words32[credit + 2] = (last << 24) | readFour(bytes, fourth + 12)
}

/** As `readCrossing`, of source, channel and turn alone. */
export function readCrossingPlace(bytes: Uint8Array, at: number, words32: Int32Array): void {
  const middle = readFour(bytes, at + 4)
  const place = (readFour(bytes, at) << 8) | (middle >>> 16)
  words32[CROSSING_WORD.source] = place >>> CHANNEL_BITS
  words32[CROSSING_WORD.channel] = place & CHANNELS_MAX
  words32[CROSSING_WORD.turn] = (middle << 16) | (readFour(bytes, at + 8) >>> 8)
}

/** The text of a crossing's event. */
export function formatCrossing({ debit, credit, source, channel, turn, answers }: CrossingText): string {
  const words = new Int32Array(CROSSING_WORDS)
  putIdWords(words, CROSSING_WORD.debit, debit)
  putIdWords(words, CROSSING_WORD.credit, credit)
  words.set([source, channel, turn | 0], CROSSING_WORD.source)
  words[CROSSING_WORD.answers] = Number(BigInt.asIntN(32, answers))
  words[CROSSING_WORD.answers + 1] = Number(BigInt.asIntN(32, answers >> 32n))
  const bytes = new Uint8Array(CROSSING_TEXT_BYTES)
  writeCrossing(bytes, 0, words)
  return String.fromCharCode(...bytes)
}

/** Reads the text of a crossing's event. Undefined: it is of another event. */
export function parseCrossing(text: string): CrossingText | undefined {
  if (!CROSSING_TEXT.test(text)) return undefined
  const words = new Int32Array(CROSSING_WORDS)
  readCrossing(
    Uint8Array.from(text, (character) => character.charCodeAt(0)),
    0,
    words,
  )
  return {
    debit: idAt(words, CROSSING_WORD.debit),
    credit: idAt(words, CROSSING_WORD.credit),
    source: words[CROSSING_WORD.source]!,
    channel: words[CROSSING_WORD.channel]!,
    turn: words[CROSSING_WORD.turn]! >>> 0,
    answers: halves(words, CROSSING_WORD.answers),
  }
}

function idAt(words32: Int32Array, at: number): Id {
  return { high: halves(words32, at), low: halves(words32, at + 2) }
}

/** An unsigned number of 64 bits, low half first. */
function halves(words32: Int32Array, at: number): bigint {
  return (BigInt(words32[at + 1]! >>> 0) << 32n) | BigInt(words32[at]! >>> 0)
}

/** Byte of `bytes` at which the text of a crossing's event begins, whose row begins at `row`. −1: it has no such text. */
export function crossingTextAt(bytes: Uint8Array, row: number): number {
  const memo = row + ROW_TEXT_BYTE
  const short = bytes[memo]!
  const memoBytes = short < 0x80 ? 1 + short : 2 + ((short & 0x7f) | (bytes[memo + 1]! << 7))
  // No event of a crossing has an owner: a byte of zero stands for none.
  const named = memo + memoBytes + 1
  return bytes[named - 1] === 0 && bytes[named] === CROSSING_TEXT_BYTES ? named + 1 : -1
}

/** `transi` in ASCII: first 48 bits of a transit account’s id. Version 8 (RFC 9562) and the partition stand behind them. */
const TRANSIT_PREFIX = 0x7472_616e_7369n
const VERSION_8 = 0x8000n
/** With what the text of every transit account's id begins: `transi` and the version. */
export const TRANSIT_ACCOUNT_PREFIX = '7472616e-7369-8'
const VARIANT = 0x8000_0000_0000_0000n
const NONCE_BITS = 20n

/**
 * The id of the account on which a partition keeps money in transit in a currency. Its hash says its own partition, as any
 * account's does: the last bits are counted up until it does.
 * @param partitions of the deployment, at least 1
 */
export function transitAccountId(currency: string, partition: number, partitions: number): Id {
  const high = (TRANSIT_PREFIX << 16n) | VERSION_8 | BigInt(partition)
  const code = currencyNumber(currency) << NONCE_BITS
  for (let nonce = 0n; ; nonce++) {
    const id = { high, low: VARIANT | code | nonce }
    if (partitionOf(id, partitions) === partition) return id
  }
}

/** True if an id is one that only a writer gives, to a transit account. */
export function isTransitAccountId({ high }: Id): boolean {
  return high >> 16n === TRANSIT_PREFIX && (high & 0xf000n) === VERSION_8
}

/** The same of an id that stands in 32-bit words at `at`, as commands and events carry it. */
export function isTransitAccountAt(words32: Int32Array, at: number): boolean {
  return (
    words32[at + 1] === 0x7472616e && words32[at]! >>> 16 === 0x7369 && (words32[at]! & 0xf000) === 0x8000
  )
}

/** A code as a number in base 37: at most 42 bits. */
function currencyNumber(currency: string): bigint {
  packCurrency(currency)
  let number = 0n
  for (const character of currency.padEnd(8, ' ')) {
    const digit = ' 0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ'.indexOf(character)
    number = number * 37n + BigInt(digit)
  }
  return number
}
