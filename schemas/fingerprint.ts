/**
 * The fingerprint of a command's body: 64 bits by which the same id with another body is told from a repeat.
 *
 * It covers what the caller asked, and leaves out the id itself, the time of receipt, the sequence that a reversal was
 * checked against, and a movement's route, because these may differ between repeats of one command.
 * It is that of the slot's first layout, in which values stood for "not given", so that a command sent again after an
 * upgrade is still a repeat: flags count only where that layout could not have said the same.
 * Two lanes of MurmurHash3's 32-bit mixing (Appleby, public domain) over the slot's 32-bit words: quick without
 * 64-bit multiplication, and not meant to resist an adversary, who could only fool himself.
 */
import {
  COMMAND_KINDS,
  FLAG_EFFECTIVE_AT,
  FLAG_LINKED,
  FLAG_SCALE,
  FLAG_SYSTEM,
  HEAD_SHIFT,
  SLOT,
  SLOT_WORDS,
} from './commands.ts'

/** Words of the body behind the first one, in the order in which they are mixed. */
const BODY_WORDS = [
  SLOT.debitHigh, SLOT.debitLow, SLOT.creditHigh, SLOT.creditLow, SLOT.relatedHigh,
  SLOT.relatedLow, SLOT.amount, SLOT.effectiveAt, SLOT.timeout, SLOT.currency, SLOT.referenceHigh, SLOT.referenceLow,
  SLOT.textLengths,
] as const // prettier-ignore

/** Flags in the slot's first 32 bits. */
const EFFECTIVE_BIT = FLAG_EFFECTIVE_AT << HEAD_SHIFT.flags
const SYSTEM_BIT = FLAG_SYSTEM << HEAD_SHIFT.flags
/** All of the first 32 bits but the flags that say what is given. */
const HEAD_MASK = 0xffff00ff | (FLAG_LINKED << HEAD_SHIFT.flags)
const SCALE_BIT = FLAG_SCALE << HEAD_SHIFT.flags
/** The byte of a scale: an opening’s, in the first layout without a flag. Of another kind it is a route, unless a flag says otherwise. */
const SCALE_MASK = 0xff << HEAD_SHIFT.scale
const AMOUNT = SLOT.amount * 2
const EFFECTIVE_AT = SLOT.effectiveAt * 2

function mix(hash: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51)
  k = (k << 15) | (k >>> 17)
  const h = hash ^ Math.imul(k, 0x1b873593)
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0
}

function finish(hash: number): number {
  let h = hash ^ (hash >>> 16)
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  return h ^ (h >>> 16)
}

/**
 * Writes the fingerprint of the command at slot `slot` into `out[at]` (low lane) and `out[at + 1]` (high lane).
 * @param words32 the slots as 32-bit words; a command's text lies in the slots behind it and is covered
 * @param textSlots slots of text behind the command's own
 */
export function writeFingerprint(
  words32: Int32Array | Uint32Array,
  slot: number,
  textSlots: number,
  out: Int32Array | Uint32Array,
  at: number,
): void {
  const base = slot * SLOT_WORDS * 2
  const first = words32[base]!
  if ((first & SYSTEM_BIT) !== 0)
    return writeFingerprint(withLimit(words32, slot, textSlots), 0, textSlots, out, at)
  const hasScale = (first & SCALE_BIT) !== 0 || (first & 0xff) === COMMAND_KINDS.OpenAccount
  let head = first & (hasScale ? HEAD_MASK : HEAD_MASK & ~SCALE_MASK)
  // Given as 1970 to the nanosecond: what the first layout took for "not given".
  if (
    (first & EFFECTIVE_BIT) !== 0 &&
    (words32[base + EFFECTIVE_AT]! | words32[base + EFFECTIVE_AT + 1]!) === 0
  )
    head |= EFFECTIVE_BIT
  let low = mix(0x70757273, head)
  let high = mix(0x65722d31, words32[base + 1]!)
  for (const word of BODY_WORDS) {
    low = mix(low, words32[base + word * 2]!)
    high = mix(high, words32[base + word * 2 + 1]!)
  }
  const end = base + (1 + textSlots) * SLOT_WORDS * 2
  for (let index = base + SLOT_WORDS * 2; index < end; index += 2) {
    low = mix(low, words32[index]!)
    high = mix(high, words32[index + 1]!)
  }
  out[at] = finish(low ^ high)
  out[at + 1] = finish(high + Math.imul(low, 0x9e3779b1))
}

/** A system account's opening as the first layout had it: with an overdraft limit of −1. */
function withLimit(words32: Int32Array | Uint32Array, slot: number, textSlots: number): Int32Array {
  const base = slot * SLOT_WORDS * 2
  const words = new Int32Array(words32.subarray(base, base + (1 + textSlots) * SLOT_WORDS * 2))
  words[0]! &= ~SYSTEM_BIT
  words[AMOUNT] = -1
  words[AMOUNT + 1] = -1
  return words
}

/** The fingerprint of one encoded command, as an unsigned 64-bit number. */
export function fingerprintOf(slots: Uint8Array): bigint {
  const aligned = slots.byteOffset % 4 === 0 ? slots : slots.slice()
  const words = new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4)
  const out = new Uint32Array(2)
  writeFingerprint(words, 0, words.length / (SLOT_WORDS * 2) - 1, out, 0)
  return (BigInt(out[1]!) << 32n) | BigInt(out[0]!)
}
