/**
 * The quick way for plain transfers: between two open accounts of one currency, without text, links or a past. It decides,
 * writes the row and applies it in one go, where the general way (decide.ts, apply.ts) writes a row, reads it back and
 * looks everything up again. It only ever says yes: whatever is not plainly allowed is left to the general way, which
 * comes to the same rows and the same state. `plain-transfers.test.ts` holds the two equal.
 */
import {
  COMMAND_KINDS,
  FLAG_EFFECTIVE_AT,
  FLAG_REFERENCE,
  HEAD_SHIFT,
  SLOT,
  SLOT_WORDS,
} from '../../../schemas/commands.ts'
import { EVENT_KINDS, KINDS_SHIFT, ROW, TOTAL } from '../../../schemas/events.ts'
import { writeFingerprint } from '../../../schemas/fingerprint.ts'
import { LINE, LINE_WORDS } from '../state/account-lines.ts'
import type { CallBuffers } from './call-buffers.ts'
import { isTimelyAt, isUuidV7At } from '../state/remembered-ids.ts'
import { CLOCK, type CoreState } from '../state/state.ts'
import { hasFunds, overflows } from '../state/totals.ts'

/** First 32 bits of the slot of a plain transfer: its kind, and nothing else but what these bits say is given. */
const PLAIN_HEAD = COMMAND_KINDS.Transfer
const EFFECTIVE_BIT = FLAG_EFFECTIVE_AT << HEAD_SHIFT.flags
const PLAIN_BITS = EFFECTIVE_BIT | (FLAG_REFERENCE << HEAD_SHIFT.flags)
/** Kind, no refusal, and the command's kind in the highest byte of the row's word; the scale goes between them. */
const POSTED_WORD = EVENT_KINDS.TransferPosted | (COMMAND_KINDS.Transfer << KINDS_SHIFT.command)

/**
 * Decides the command at `slot`, writes its row at `rowByte` and applies it, if it is plainly allowed.
 * @param idHash hash of its id, which is known not to stand in the older generation
 * @param debit number of its debit account, as `credit` of its credit account; 0 if not found
 * @returns false if nothing was done
 */
export function postPlainTransfer(
  state: CoreState,
  buffers: CallBuffers,
  slot: number,
  rowByte: number,
  idHash: number,
  debit: number,
  credit: number,
): boolean {
  const { slots, slots32, rows } = buffers
  const { accounts, currencies, clock, remembered } = state
  const from = slot * SLOT_WORDS
  const from32 = from * 2
  const head = slots32[from32]!
  if ((head & ~PLAIN_BITS) !== PLAIN_HEAD || slots32[from32 + SLOT.textLengths * 2] !== 0) return false
  if (debit === 0 || credit === 0 || debit === credit) return false
  const meta = accounts.meta[debit]!
  // Of one currency, and both open.
  if (meta !== accounts.meta[credit]! || meta >>> 16 !== 0) return false
  if (!accounts.isAccount(debit, slots32, from32 + SLOT.debitHigh * 2)) return false
  if (!accounts.isAccount(credit, slots32, from32 + SLOT.creditHigh * 2)) return false
  const id32 = from32 + SLOT.idHigh * 2
  if (!isUuidV7At(slots32, id32) || !isTimelyAt(slots32, id32, remembered, buffers)) return false
  const amount = from + SLOT.amount
  const amountHigh = slots32[amount * 2 + 1]!
  if (amountHigh < 0 || (slots32[amount * 2]! | amountHigh) === 0) return false
  const asked = from32 + SLOT.currency * 2
  const code32 = meta * 2
  if (
    (slots32[asked]! | slots32[asked + 1]!) !== 0 &&
    (slots32[asked] !== currencies.codes32[code32] || slots32[asked + 1] !== currencies.codes32[code32 + 1])
  )
    return false
  const debitLine = debit * LINE_WORDS
  const creditLine = credit * LINE_WORDS
  const lines = accounts.words
  if (!hasFunds(accounts, debitLine, slots, amount)) return false
  if (
    overflows(lines, debitLine + LINE.debitsPosted, slots, amount) ||
    overflows(lines, creditLine + LINE.creditsPosted, slots, amount)
  )
    return false
  // The last question and the first effect: an id that is new stands among the remembered ones from here on.
  if (!remembered.rememberIfNew(idHash, slots32, id32)) return false
  // From here on it must succeed.
  if (debit >= accounts.keepFrom) accounts.keepLine(debit)
  if (credit >= accounts.keepFrom) accounts.keepLine(credit)
  const words = rows.words
  const words32 = rows.words32
  const row = rowByte >>> 3
  const recordedAt = clock[CLOCK.nextRecordedAt]!
  const sequence = BigInt.asIntN(64, clock[CLOCK.sequence]! + 1n)
  clock[CLOCK.sequence] = sequence
  clock[CLOCK.recordedAt] = recordedAt
  clock[CLOCK.nextRecordedAt] = BigInt.asIntN(64, recordedAt + 1n)
  words[row + ROW.sequence] = sequence
  words[row + ROW.recordedAt] = recordedAt
  words[row + ROW.effectiveAt] = (head & EFFECTIVE_BIT) === 0 ? recordedAt : slots[from + SLOT.effectiveAt]!
  words[row + ROW.receivedAt] = slots[from + SLOT.receivedAt]!
  words[row + ROW.transferHigh] = slots[from + SLOT.idHigh]!
  words[row + ROW.transferLow] = slots[from + SLOT.idLow]!
  words[row + ROW.relatedHigh] = slots[from + SLOT.relatedHigh]!
  words[row + ROW.relatedLow] = slots[from + SLOT.relatedLow]!
  words[row + ROW.referenceHigh] = slots[from + SLOT.referenceHigh]!
  words[row + ROW.referenceLow] = slots[from + SLOT.referenceLow]!
  writeFingerprint(slots32, slot, 0, words32, (row + ROW.fingerprint) * 2)
  words[row + ROW.amount] = slots[amount]!
  words[row + ROW.expiresAt] = 0n
  const debitVersion = BigInt.asIntN(64, lines[debitLine]! + 1n)
  const debitsPosted = BigInt.asIntN(64, lines[debitLine + LINE.debitsPosted]! + slots[amount]!)
  lines[debitLine] = debitVersion
  lines[debitLine + LINE.debitsPosted] = debitsPosted
  words[row + ROW.debitVersion] = debitVersion
  words[row + ROW.debitTotals + TOTAL.debitsPosted] = debitsPosted
  words[row + ROW.debitTotals + TOTAL.debitsPending] = lines[debitLine + LINE.debitsPending]!
  words[row + ROW.debitTotals + TOTAL.creditsPosted] = lines[debitLine + LINE.creditsPosted]!
  words[row + ROW.debitTotals + TOTAL.creditsPending] = lines[debitLine + LINE.creditsPending]!
  const creditVersion = BigInt.asIntN(64, lines[creditLine]! + 1n)
  const creditsPosted = BigInt.asIntN(64, lines[creditLine + LINE.creditsPosted]! + slots[amount]!)
  lines[creditLine] = creditVersion
  lines[creditLine + LINE.creditsPosted] = creditsPosted
  words[row + ROW.creditVersion] = creditVersion
  words[row + ROW.creditTotals + TOTAL.debitsPosted] = lines[creditLine + LINE.debitsPosted]!
  words[row + ROW.creditTotals + TOTAL.debitsPending] = lines[creditLine + LINE.debitsPending]!
  words[row + ROW.creditTotals + TOTAL.creditsPosted] = creditsPosted
  words[row + ROW.creditTotals + TOTAL.creditsPending] = lines[creditLine + LINE.creditsPending]!
  const row32 = row * 2
  words32[row32 + ROW.accounts * 2] = debit
  words32[row32 + ROW.accounts * 2 + 1] = credit
  words[row + ROW.currency] = currencies.codes[meta]!
  words32[row32 + ROW.codeKindRefusalScaleCommand * 2] = slots32[from32 + 1]!
  words32[row32 + ROW.codeKindRefusalScaleCommand * 2 + 1] =
    POSTED_WORD | (currencies.scales[meta]! << KINDS_SHIFT.scale)
  words32[row32 + ROW.partitionLinkTexts * 2] = buffers.partition
  words32[row32 + ROW.partitionLinkTexts * 2 + 1] = 0
  return true
}
