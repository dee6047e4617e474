/** What a door that takes commands in binary form has to check before it lets them through, and a client before it sends. */
import {
  COMMAND_KINDS,
  COMMAND_KIND_NAMES,
  FLAG_LINKED,
  SCALE_OF_PLATFORM,
  SLOT,
  SLOT_WORDS,
  commandSlots,
} from './commands.ts'
import { isUuidV7At } from './ids.ts'
import {
  BATCH_COMMANDS_MAX,
  COMMAND_SLOT_BYTES,
  MEMO_BYTES_MAX,
  OWNER_BYTES_MAX,
  SCALE_MAX,
  TIME_NS_MAX,
  TIME_NS_MIN,
} from './limits.ts'

const { OpenAccount, CloseAccount, Transfer, PlaceHold, PostHold, VoidHold, ExpireHold, ReverseTransfer } =
  COMMAND_KINDS

/** A slot in words of 32 bits: its size, and where in it each field begins. */
const WORDS = SLOT_WORDS * 2
const ID = SLOT.idHigh * 2
const DEBIT = SLOT.debitHigh * 2
const CREDIT = SLOT.creditHigh * 2
const RELATED = SLOT.relatedHigh * 2
const AMOUNT = SLOT.amount * 2
const EFFECTIVE_AT = SLOT.effectiveAt * 2
const TIMEOUT = SLOT.timeout * 2
const RECEIVED_AT = SLOT.receivedAt * 2
const CURRENCY = SLOT.currency * 2
const CHECKED = SLOT.checkedSequence * 2
const TEXT_LENGTHS = SLOT.textLengths * 2

/** The upper half of the latest time: whatever has a smaller one lies before it. */
const LATE_HIGH_WORD = Number(TIME_NS_MAX >> 32n)

/** A plain transfer's first word without its linked flag and its code. */
const PLAIN_TRANSFER = Transfer

/**
 * Checks that `slots` holds exactly `count` commands that a client may send, in the one form in which each can be
 * written: known kinds, no field that its kind does not use, well-formed currency, texts of allowed length, zeros
 * elsewhere. What a client may leave to the door is left: a reversal names the transfer and nothing else. Whether texts
 * are UTF-8 is not checked, nor what the core refuses by itself.
 * @param reversals `prepared`: as doors hand them on, filled in with what they give back
 * @returns undefined if all is well, else a sentence that names the first wrong command, counted from 0
 */
export function checkCommands(
  slots: Uint8Array,
  count: number,
  reversals: 'asked' | 'prepared' = 'asked',
): string | undefined {
  if (!Number.isInteger(count) || count < 0 || count > BATCH_COMMANDS_MAX)
    return `${count} commands: between 0 and ${BATCH_COMMANDS_MAX} go into one batch`
  if (slots.length % COMMAND_SLOT_BYTES !== 0)
    return `commands are whole slots of ${COMMAND_SLOT_BYTES} bytes`
  const bytes = slots.byteOffset % 4 === 0 ? slots : slots.slice()
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
  let base = 0
  let inGroup = false
  // The currency that was found well-formed last: nearly always the next one's as well.
  let currencyLow = 0
  let currencyHigh = 0
  for (let index = 0; index < count; index++) {
    if (base + WORDS > words.length) return `command ${index} is cut off`
    if (isPlainTransfer(words, base, currencyLow, currencyHigh)) {
      inGroup = (words[base]! & (FLAG_LINKED << 8)) !== 0
      base += WORDS
      continue
    }
    const wrong =
      wrongHead(words, base, inGroup) ??
      wrongFields(words, base, reversals === 'prepared') ??
      wrongTexts(words, base, bytes)
    if (wrong !== undefined) return `command ${index} ${wrong}`
    currencyLow = words[base + CURRENCY]!
    currencyHigh = words[base + CURRENCY + 1]!
    inGroup = (words[base]! & (FLAG_LINKED << 8)) !== 0
    base += slotsAt(words, base) * WORDS
  }
  return base === words.length ? undefined : 'there are bytes behind the last command'
}

/** True for what nearly every command is, by a test that costs little: a transfer without text, its currency known. */
function isPlainTransfer(
  words: Int32Array,
  base: number,
  currencyLow: number,
  currencyHigh: number,
): boolean {
  const first = words[base]!
  const zeros =
    words[base + RELATED]! |
    words[base + RELATED + 1]! |
    words[base + RELATED + 2]! |
    words[base + RELATED + 3]! |
    words[base + TIMEOUT]! |
    words[base + TIMEOUT + 1]! |
    words[base + CHECKED]! |
    words[base + CHECKED + 1]! |
    words[base + TEXT_LENGTHS]! |
    words[base + TEXT_LENGTHS + 1]! |
    words[base + TEXT_LENGTHS + 2]! |
    words[base + TEXT_LENGTHS + 3]! |
    words[base + TEXT_LENGTHS + 4]! |
    words[base + TEXT_LENGTHS + 5]!
  return (
    (first & ~(FLAG_LINKED << 8)) === PLAIN_TRANSFER &&
    zeros === 0 &&
    words[base + CURRENCY] === currencyLow &&
    words[base + CURRENCY + 1] === currencyHigh &&
    words[base + EFFECTIVE_AT + 1]! >= 0 &&
    words[base + EFFECTIVE_AT + 1]! < LATE_HIGH_WORD &&
    words[base + RECEIVED_AT + 1]! >= 0 &&
    isUuidV7At(words, base + ID) &&
    !isNil(words, base + DEBIT) &&
    !isNil(words, base + CREDIT)
  )
}

function isNil(words: Int32Array, at: number): boolean {
  return (words[at]! | words[at + 1]! | words[at + 2]! | words[at + 3]!) === 0
}

function isZero(words: Int32Array, at: number): boolean {
  return (words[at]! | words[at + 1]!) === 0
}

function i64(words: Int32Array, at: number): bigint {
  return (BigInt(words[at + 1]!) << 32n) | BigInt(words[at]! >>> 0)
}

/** Slots that the command whose first word is at `base` takes. */
function slotsAt(words: Int32Array, base: number): number {
  const lengths = words[base + TEXT_LENGTHS]!
  return commandSlots(lengths & 0xffff, lengths >>> 16)
}

function kindAt(words: Int32Array, base: number): number {
  return words[base]! & 0xff
}

function wrongHead(words: Int32Array, base: number, inGroup: boolean): string | undefined {
  const head = words[base]!
  const kind = head & 0xff
  const flags = (head >>> 8) & 0xff
  const scale = (head >>> 16) & 0xff
  if (!COMMAND_KIND_NAMES.has(kind) || kind === ExpireHold)
    return `is of kind ${kind}, which no client may send`
  if ((flags & ~FLAG_LINKED) !== 0) return `has unknown flags ${flags}`
  if (kind <= CloseAccount && (flags !== 0 || inGroup)) return 'is about an account and linked with another'
  if (
    scale > (kind === OpenAccount ? SCALE_MAX : 0) &&
    !(kind === OpenAccount && scale === SCALE_OF_PLATFORM)
  )
    return `has scale ${scale}`
  if (head >>> 24 !== 0) return 'is not zero where nothing stands'
  return undefined
}

function wrongFields(words: Int32Array, base: number, isPrepared: boolean): string | undefined {
  const kind = kindAt(words, base)
  const ending = kind === PostHold || kind === VoidHold
  const asked = kind === ReverseTransfer && !isPrepared
  const moving = kind === Transfer || kind === PlaceHold || (kind === ReverseTransfer && isPrepared)
  if (!isUuidV7At(words, base + ID)) return 'has an id that is not a UUIDv7'
  if (isNil(words, base + DEBIT) !== (ending || asked))
    return ending || asked
      ? 'names an account beside the hold or transfer'
      : 'names no account, or no debit account'
  if (isNil(words, base + CREDIT) === moving)
    return moving ? 'names no credit account' : 'names a credit account for nothing'
  if (kind === ReverseTransfer) {
    if (!isUuidV7At(words, base + RELATED)) return 'names no transfer to reverse'
  } else if (ending === isNil(words, base + RELATED))
    return ending ? 'names no hold' : 'names a related id for nothing'
  if (!moving && kind !== OpenAccount && kind !== PostHold && !isZero(words, base + AMOUNT))
    return 'has an amount for nothing'
  const effectiveAtNs = i64(words, base + EFFECTIVE_AT)
  if (effectiveAtNs < TIME_NS_MIN || effectiveAtNs > TIME_NS_MAX)
    return 'has an effective time outside 1900 to 2261'
  if (words[base + RECEIVED_AT + 1]! < 0) return 'was received before 1970'
  if (words[base + TIMEOUT + 1]! < 0 || (!isZero(words, base + TIMEOUT) && kind !== PlaceHold))
    return 'has a timeout that is negative or for nothing'
  if (!isZero(words, base + CHECKED) && (kind !== ReverseTransfer || asked))
    return 'has a checked sequence, which only a door may know'
  return wrongCurrency(words, base + CURRENCY, kind === OpenAccount, moving)
}

/** A code is 1 to 8 characters `A-Z 0-9`, first a letter, then zeros. */
function wrongCurrency(words: Int32Array, at: number, needed: boolean, allowed: boolean): string | undefined {
  let length = 0
  let ended = false
  for (let index = 0; index < 8; index++) {
    const character = (words[at + (index >> 2)]! >>> ((index & 3) * 8)) & 0xff
    if (character === 0) {
      ended = true
      continue
    }
    const isLetter = character >= 0x41 && character <= 0x5a
    const isDigit = character >= 0x30 && character <= 0x39
    if (ended || !(isLetter || (isDigit && index > 0))) return 'has a malformed currency code'
    length += 1
  }
  if (needed && length === 0) return 'opens an account without a currency'
  return length > 0 && !needed && !allowed ? 'has a currency for nothing' : undefined
}

function wrongTexts(words: Int32Array, base: number, bytes: Uint8Array): string | undefined {
  const lengths = words[base + TEXT_LENGTHS]!
  const memoBytes = lengths & 0xffff
  const ownerBytes = lengths >>> 16
  if (memoBytes > MEMO_BYTES_MAX) return `has a memo of more than ${MEMO_BYTES_MAX} bytes`
  if (ownerBytes > (kindAt(words, base) === OpenAccount ? OWNER_BYTES_MAX : 0))
    return `has an owner for nothing, or of more than ${OWNER_BYTES_MAX} bytes`
  for (let at = base + TEXT_LENGTHS + 1; at < base + WORDS; at++)
    if (words[at] !== 0) return 'is not zero where nothing stands'
  const end = base * 4 + commandSlots(memoBytes, ownerBytes) * COMMAND_SLOT_BYTES
  if (end > bytes.length) return 'has a text that is cut off'
  for (let at = base * 4 + COMMAND_SLOT_BYTES + memoBytes + ownerBytes; at < end; at++)
    if (bytes[at] !== 0) return 'has a text that is not padded with zeros'
  return undefined
}
