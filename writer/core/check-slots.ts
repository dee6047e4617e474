/** What a door that takes commands in binary form has to check before it lets them through to the core. */
import {
  COMMAND_KINDS,
  COMMAND_KIND_NAMES,
  FLAG_LINKED,
  SLOT,
  SLOT_WORDS,
  commandSlots,
} from '../../schemas/commands.ts'
import {
  BATCH_COMMANDS_MAX,
  COMMAND_SLOT_BYTES,
  MEMO_BYTES_MAX,
  OWNER_BYTES_MAX,
  SCALE_MAX,
} from '../../schemas/limits.ts'
import { isUuidV7At } from './remembered-ids.ts'

const { OpenAccount, CloseAccount, Transfer, PlaceHold, PostHold, VoidHold, ExpireHold, ReverseTransfer } =
  COMMAND_KINDS

/** Commands as the words in which they are checked. */
interface Words {
  readonly words: BigInt64Array
  readonly words32: Int32Array
  readonly bytes: Uint8Array
}

/**
 * Checks that `slots` holds exactly `count` commands that a client may send, in the one form in which each can be
 * written: known kinds, no field that its kind does not use, well-formed currency, texts of allowed length, zeros
 * elsewhere. Whether texts are UTF-8 is not checked, nor what the core refuses by itself.
 * @returns undefined if all is well, else a sentence that names the first wrong command, counted from 0
 */
export function checkCommands(slots: Uint8Array, count: number): string | undefined {
  if (!Number.isInteger(count) || count < 0 || count > BATCH_COMMANDS_MAX)
    return `${count} commands: between 0 and ${BATCH_COMMANDS_MAX} go into one batch`
  if (slots.length % COMMAND_SLOT_BYTES !== 0)
    return `commands are whole slots of ${COMMAND_SLOT_BYTES} bytes`
  const bytes = slots.byteOffset % 8 === 0 ? slots : slots.slice()
  const all: Words = {
    words: new BigInt64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8),
    words32: new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4),
    bytes,
  }
  let slot = 0
  let inGroup = false
  for (let index = 0; index < count; index++) {
    if ((slot + 1) * COMMAND_SLOT_BYTES > bytes.length) return `command ${index} is cut off`
    const wrong = wrongHead(all, slot, inGroup) ?? wrongFields(all, slot) ?? wrongTexts(all, slot)
    if (wrong !== undefined) return `command ${index} ${wrong}`
    const base = slot * COMMAND_SLOT_BYTES
    inGroup = (bytes[base + 1]! & FLAG_LINKED) !== 0
    slot += slotsAt(all, slot)
  }
  return slot * COMMAND_SLOT_BYTES === bytes.length ? undefined : 'there are bytes behind the last command'
}

function slotsAt(all: Words, slot: number): number {
  const lengths = all.words32[(slot * SLOT_WORDS + SLOT.textLengths) * 2]!
  return commandSlots(lengths & 0xffff, lengths >>> 16)
}

function wrongHead(all: Words, slot: number, inGroup: boolean): string | undefined {
  const base = slot * COMMAND_SLOT_BYTES
  const kind = all.bytes[base]!
  const flags = all.bytes[base + 1]!
  const scale = all.bytes[base + 2]!
  if (!COMMAND_KIND_NAMES.has(kind) || kind === ExpireHold)
    return `is of kind ${kind}, which no client may send`
  if ((flags & ~FLAG_LINKED) !== 0) return `has unknown flags ${flags}`
  if (kind <= CloseAccount && (flags !== 0 || inGroup)) return 'is about an account and linked with another'
  if (scale > (kind === OpenAccount ? SCALE_MAX : 0)) return `has scale ${scale}`
  if (all.bytes[base + 3] !== 0) return 'is not zero where nothing stands'
  return undefined
}

function wrongFields(all: Words, slot: number): string | undefined {
  const { words, words32 } = all
  const from = slot * SLOT_WORDS
  const kind = all.bytes[slot * COMMAND_SLOT_BYTES]!
  const ending = kind === PostHold || kind === VoidHold
  const moving = kind === Transfer || kind === PlaceHold || kind === ReverseTransfer
  const isNil = (word: number): boolean => words[from + word] === 0n && words[from + word + 1] === 0n
  if (!isUuidV7At(words32, (from + SLOT.idHigh) * 2)) return 'has an id that is not a UUIDv7'
  if (isNil(SLOT.debitHigh) !== ending)
    return ending ? 'names an account beside the hold' : 'names no account, or no debit account'
  if (isNil(SLOT.creditHigh) === moving)
    return moving ? 'names no credit account' : 'names a credit account for nothing'
  if (ending === isNil(SLOT.relatedHigh) && kind !== ReverseTransfer)
    return ending ? 'names no hold' : 'names a related id for nothing'
  if (kind === ReverseTransfer && !isUuidV7At(words32, (from + SLOT.relatedHigh) * 2))
    return 'names no transfer to reverse'
  if (!moving && kind !== OpenAccount && kind !== PostHold && words[from + SLOT.amount] !== 0n)
    return 'has an amount for nothing'
  if (words[from + SLOT.effectiveAt]! < 0n || words[from + SLOT.receivedAt]! < 0n)
    return 'has a time before 1970'
  const timeout = words[from + SLOT.timeout]!
  if (timeout < 0n || (timeout > 0n && kind !== PlaceHold))
    return 'has a timeout that is negative or for nothing'
  const checked = words[from + SLOT.checkedSequence]!
  if (checked < 0n || (checked > 0n && kind !== ReverseTransfer)) return 'has a checked sequence for nothing'
  return wrongCurrency(all.bytes, slot * COMMAND_SLOT_BYTES + SLOT.currency * 8, kind === OpenAccount, moving)
}

/** A code is 1 to 8 characters `A-Z 0-9`, first a letter, then zeros. */
function wrongCurrency(bytes: Uint8Array, at: number, needed: boolean, allowed: boolean): string | undefined {
  let length = 0
  while (length < 8 && bytes[at + length] !== 0) length += 1
  for (let index = 0; index < 8; index++) {
    const character = bytes[at + index]!
    const isLetter = character >= 0x41 && character <= 0x5a
    const isDigit = character >= 0x30 && character <= 0x39
    const fits = index < length ? isLetter || (isDigit && index > 0) : character === 0
    if (!fits) return 'has a malformed currency code'
  }
  if (needed && length === 0) return 'opens an account without a currency'
  return length > 0 && !needed && !allowed ? 'has a currency for nothing' : undefined
}

function wrongTexts(all: Words, slot: number): string | undefined {
  const { bytes, words, words32 } = all
  const from = slot * SLOT_WORDS
  const lengths = words32[(from + SLOT.textLengths) * 2]!
  const memoBytes = lengths & 0xffff
  const ownerBytes = lengths >>> 16
  if (memoBytes > MEMO_BYTES_MAX) return `has a memo of more than ${MEMO_BYTES_MAX} bytes`
  if (ownerBytes > (bytes[slot * COMMAND_SLOT_BYTES] === OpenAccount ? OWNER_BYTES_MAX : 0))
    return `has an owner for nothing, or of more than ${OWNER_BYTES_MAX} bytes`
  if (
    words32[(from + SLOT.textLengths) * 2 + 1] !== 0 ||
    words[from + SLOT_WORDS - 2] !== 0n ||
    words[from + SLOT_WORDS - 1] !== 0n
  )
    return 'is not zero where nothing stands'
  const end = (slot + commandSlots(memoBytes, ownerBytes)) * COMMAND_SLOT_BYTES
  if (end > bytes.length) return 'has a text that is cut off'
  for (let at = (slot + 1) * COMMAND_SLOT_BYTES + memoBytes + ownerBytes; at < end; at++)
    if (bytes[at] !== 0) return 'has a text that is not padded with zeros'
  return undefined
}
