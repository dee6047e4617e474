/**
 * The slot's first layout, in which values stood for "not given": an effective time and a timeout of 0, a nil reference, an
 * amount of 0 for all of a hold, an overdraft limit of −1 for none. Records of the commands topic that an older gateway
 * wrote have it, and are read as they were meant.
 */
import {
  HEAD_SHIFT,
  COMMAND_KINDS,
  COMMAND_KIND_NAMES,
  FLAG_ALL,
  FLAG_EFFECTIVE_AT,
  FLAG_LINKED,
  FLAG_REFERENCE,
  FLAG_SCALE,
  FLAG_SYSTEM,
  FLAG_TIMEOUT,
  SLOT,
  SLOT_WORDS,
  commandSlots,
} from './commands.ts'

const WORDS = SLOT_WORDS * 2
const AMOUNT = SLOT.amount * 2
const EFFECTIVE_AT = SLOT.effectiveAt * 2
const TIMEOUT = SLOT.timeout * 2
const REFERENCE = SLOT.referenceHigh * 2
const TEXT_LENGTHS = SLOT.textLengths * 2

/**
 * Turns commands of the first layout into those of today, in place. What was no command stays none: flags of today on it
 * are left, and the check finds them.
 * @param slots begins at a multiple of 4 bytes
 */
export function fromFirstLayout(slots: Uint8Array, count: number): void {
  const words = new Int32Array(slots.buffer, slots.byteOffset, slots.length >> 2)
  let base = 0
  for (let index = 0; index < count && base + WORDS <= words.length; index++) {
    const flags = (words[base]! >>> HEAD_SHIFT.flags) & 0xff
    // Only the linked flag was known then; a command with another was refused, and has to be now.
    if ((flags & ~FLAG_LINKED) === 0) words[base] = words[base]! | (givenBy(words, base) << HEAD_SHIFT.flags)
    else words[base] = words[base]! | 0x8000
    const lengths = words[base + TEXT_LENGTHS]!
    base += commandSlots(lengths & 0xffff, lengths >>> 16) * WORDS
  }
}

/** The flags of what is given, by the values. An overdraft limit of −1 is taken away. */
function givenBy(words: Int32Array, base: number): number {
  const kind = COMMAND_KIND_NAMES.get(words[base]! & 0xff)
  const isSet = (at: number, length: number): boolean =>
    words.subarray(base + at, base + at + length).some(Boolean)
  let flags = 0
  if (isSet(EFFECTIVE_AT, 2)) flags |= FLAG_EFFECTIVE_AT
  if (isSet(TIMEOUT, 2)) flags |= FLAG_TIMEOUT
  if (isSet(REFERENCE, 4)) flags |= FLAG_REFERENCE
  if (kind === 'PostHold' && !isSet(AMOUNT, 2)) flags |= FLAG_ALL
  if ((words[base]! & 0xff) === COMMAND_KINDS.OpenAccount || (words[base]! & 0xff0000) !== 0)
    flags |= FLAG_SCALE
  if (kind === 'OpenAccount' && words[base + AMOUNT] === -1 && words[base + AMOUNT + 1] === -1) {
    words.fill(0, base + AMOUNT, base + AMOUNT + 2)
    flags |= FLAG_SYSTEM
  }
  return flags
}
