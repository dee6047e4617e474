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
 * In every event of a crossing `named accounts` reads `debit,credit,channel,answers`: both account ids; three hex digits of
 * the source, five of the channel, eight of the turn; and sixteen hex digits of the sequence, in the other partition, of the event that this one
 * answers (zeros: none). The first events of a hold and of its posts answer none, and have something of the hold in its place
 * (schemas/events.ts).
 */
import { EVENT_KINDS, ROW_TEXT_BYTE } from './events.ts'
import { formatId, parseId, type Id } from './ids.ts'
import { NAMED_CROSSING_BYTES } from './limits.ts'
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

const UUID_CHARACTERS = 36
const CROSSING_TEXT = new RegExp(
  `^([0-9a-f-]{${UUID_CHARACTERS}}),([0-9a-f-]{${UUID_CHARACTERS}}),([0-9a-f]{3})([0-9a-f]{5})([0-9a-f]{8}),([0-9a-f]{16})$`,
)

/** Writes the text of a crossing's event: 107 characters. */
export function formatCrossing({ debit, credit, source, channel, turn, answers }: CrossingText): string {
  const hex = (value: number | bigint, digits: number): string => value.toString(16).padStart(digits, '0')
  return `${formatId(debit)},${formatId(credit)},${hex(source, 3)}${hex(channel, 5)}${hex(turn, 8)},${hex(answers, 16)}`
}

/** Kinds of events whose text has something of a hold where others name the event that they answer. */
export const ANSWERS_NOTHING: ReadonlySet<number> = new Set([EVENT_KINDS.HoldReserved, EVENT_KINDS.HoldDrawn])

/** Reads the text of a crossing's event. Undefined: it is of another event. */
export function parseCrossing(text: string): CrossingText | undefined {
  const found = CROSSING_TEXT.exec(text)
  if (found === null) return undefined
  const [, debit, credit, source, channel, turn, answers] = found
  const debitId = parseId(debit!)
  const creditId = parseId(credit!)
  if (debitId === undefined || creditId === undefined) return undefined
  return {
    debit: debitId,
    credit: creditId,
    source: Number.parseInt(source!, 16),
    channel: Number.parseInt(channel!, 16),
    turn: Number.parseInt(turn!, 16),
    answers: BigInt(`0x${answers!}`),
  }
}

/** Words (of 32 bits) of a crossing's text as the core and the coordinator have it; ids and `answers` low half first, as in slots. */
export const CROSSING_WORD = { debit: 0, credit: 4, source: 8, channel: 9, turn: 10, answers: 11 } as const
export const CROSSING_WORDS = 13
export const CROSSING_TEXT_BYTES = NAMED_CROSSING_BYTES

const DASH = 0x2d
const COMMA = 0x2c
const DIGITS = '0123456789abcdef'
/** First and second hex digit of each byte. */
const HIGH_DIGIT = Uint8Array.from({ length: 256 }, (_, byte) => DIGITS.charCodeAt(byte >> 4))
const LOW_DIGIT = Uint8Array.from({ length: 256 }, (_, byte) => DIGITS.charCodeAt(byte & 15))
/** Value of each character as a hex digit, 0 for any other. */
const DIGIT_VALUE = Uint8Array.from({ length: 256 }, (_, character) =>
  Math.max(DIGITS.indexOf(String.fromCharCode(character)), 0),
)

function writeHex16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = HIGH_DIGIT[(value >>> 8) & 0xff]!
  bytes[at + 1] = LOW_DIGIT[(value >>> 8) & 0xff]!
  bytes[at + 2] = HIGH_DIGIT[value & 0xff]!
  bytes[at + 3] = LOW_DIGIT[value & 0xff]!
}

function writeHex32(bytes: Uint8Array, at: number, value: number): void {
  writeHex16(bytes, at, value >>> 16)
  writeHex16(bytes, at + 4, value)
}

function readHex16(bytes: Uint8Array, at: number): number {
  return (
    (DIGIT_VALUE[bytes[at]!]! << 12) |
    (DIGIT_VALUE[bytes[at + 1]!]! << 8) |
    (DIGIT_VALUE[bytes[at + 2]!]! << 4) |
    DIGIT_VALUE[bytes[at + 3]!]!
  )
}

function readHex32(bytes: Uint8Array, at: number): number {
  return (readHex16(bytes, at) << 16) | readHex16(bytes, at + 4)
}

function writeIdText(bytes: Uint8Array, at: number, words32: Int32Array, from: number): void {
  writeHex32(bytes, at, words32[from + 1]!)
  bytes[at + 8] = DASH
  writeHex16(bytes, at + 9, words32[from]! >>> 16)
  bytes[at + 13] = DASH
  writeHex16(bytes, at + 14, words32[from]!)
  bytes[at + 18] = DASH
  writeHex16(bytes, at + 19, words32[from + 3]! >>> 16)
  bytes[at + 23] = DASH
  writeHex16(bytes, at + 24, words32[from + 3]!)
  writeHex32(bytes, at + 28, words32[from + 2]!)
}

function readIdText(bytes: Uint8Array, at: number, words32: Int32Array, to: number): void {
  words32[to + 1] = readHex32(bytes, at)
  words32[to] = (readHex16(bytes, at + 9) << 16) | readHex16(bytes, at + 14)
  words32[to + 3] = (readHex16(bytes, at + 19) << 16) | readHex16(bytes, at + 24)
  words32[to + 2] = readHex32(bytes, at + 28)
}

/** Bytes of a crossing's text at which its second id, its place and its answer begin. */
const CREDIT_AT = UUID_CHARACTERS + 1
const PLACE_AT = CREDIT_AT + UUID_CHARACTERS + 1
const ANSWERS_AT = PLACE_AT + 17

/** Writes what `formatCrossing` gives at `at` of `bytes`: CROSSING_TEXT_BYTES. @param words32 laid out as CROSSING_WORD */
export function writeCrossing(bytes: Uint8Array, at: number, words32: Int32Array): void {
  writeIdText(bytes, at, words32, CROSSING_WORD.debit)
  bytes[at + CREDIT_AT - 1] = COMMA
  writeIdText(bytes, at + CREDIT_AT, words32, CROSSING_WORD.credit)
  bytes[at + PLACE_AT - 1] = COMMA
  const place = (words32[CROSSING_WORD.source]! << 20) | words32[CROSSING_WORD.channel]!
  writeHex32(bytes, at + PLACE_AT, place)
  writeHex32(bytes, at + PLACE_AT + 8, words32[CROSSING_WORD.turn]!)
  bytes[at + ANSWERS_AT - 1] = COMMA
  writeHex32(bytes, at + ANSWERS_AT, words32[CROSSING_WORD.answers + 1]!)
  writeHex32(bytes, at + ANSWERS_AT + 8, words32[CROSSING_WORD.answers]!)
}

/** Reads the text of a crossing's event at `at` of `bytes`, which is known to be one. @param words32 laid out as CROSSING_WORD */
export function readCrossing(bytes: Uint8Array, at: number, words32: Int32Array): void {
  readIdText(bytes, at, words32, CROSSING_WORD.debit)
  readIdText(bytes, at + CREDIT_AT, words32, CROSSING_WORD.credit)
  readCrossingPlace(bytes, at, words32)
  words32[CROSSING_WORD.answers + 1] = readHex32(bytes, at + ANSWERS_AT)
  words32[CROSSING_WORD.answers] = readHex32(bytes, at + ANSWERS_AT + 8)
}

/** As `readCrossing`, of source, channel and turn alone. */
export function readCrossingPlace(bytes: Uint8Array, at: number, words32: Int32Array): void {
  const place = readHex32(bytes, at + PLACE_AT)
  words32[CROSSING_WORD.source] = place >>> 20
  words32[CROSSING_WORD.channel] = place & 0xfffff
  words32[CROSSING_WORD.turn] = readHex32(bytes, at + PLACE_AT + 8)
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
