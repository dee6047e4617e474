/**
 * Decides transfers and reversals, and what holds share with them. The checks stand in the order of REFUSAL_CODES.
 * A decision reads the state and writes a row; it changes nothing.
 */
import { FLAG_FORCE, HEAD_SHIFT, SLOT, SLOT_WORDS } from '../../../schemas/commands.ts'
import { EVENT_KINDS, ROW, TOTAL } from '../../../schemas/events.ts'
import { REFUSAL_CODES } from '../../../schemas/refusals.ts'
import { LINE, LINE_WORDS, STATUS_CLOSED, STATUS_FROZEN } from '../state/account-lines.ts'
import type { Decision } from './decision.ts'
import { conditionRefusal } from './conditions.ts'
import type { CallBuffers } from './call-buffers.ts'
import { hashId, sameIdAt } from '../state/hash-id.ts'
import { isUuidV7At } from '../state/remembered-ids.ts'
import { addTo, advance, refusedKind, writeRow, commandKindAt, hasFlagAt } from './row-writer.ts'
import { hasFunds, overflows } from '../state/totals.ts'
import type { CoreState } from '../state/state.ts'

/** Decides a Transfer between the decision's accounts. Returns the row's bytes. */
export function decideTransfer(state: CoreState, buffers: CallBuffers, decision: Decision): number {
  let refusal = movementRefusal(state, buffers, decision)
  if (refusal === 0) refusal = totalsRefusal(state, buffers, decision)
  if (refusal === 0) refusal = conditionRefusal(state, buffers, decision)
  if (refusal !== 0) return refuse(state, buffers, decision, refusal)
  return writeMovement(state, buffers, decision, EVENT_KINDS.TransferPosted)
}

/** What the door saw to be left to reverse of the transfer at hand. */
const left = new BigInt64Array(1)
const left32 = new Int32Array(left.buffer)

/**
 * Decides a ReverseTransfer: a transfer like any other, together at most the transfer it names. What a door found against it stands in
 * the command, because only views know every transfer; the event is made here, so that the id stays refused.
 */
export function decideReversal(state: CoreState, buffers: CallBuffers, decision: Decision): number {
  const absence = absenceRefusal(state, buffers, decision.slot)
  if (absence !== 0) {
    decision.debit = 0
    decision.credit = 0
    return refuse(state, buffers, decision, absence)
  }
  const { slots, rows } = buffers
  const amount = decision.slot * SLOT_WORDS + SLOT.amount
  left[0] = slots[decision.slot * SLOT_WORDS + SLOT.timeout]!
  // Of a command that an earlier gateway handed on: all of the transfer.
  if (left[0] === 0n) left[0] = slots[amount]!
  let refusal =
    slots[amount]! > left[0]
      ? REFUSAL_CODES.amount_exceeds_transfer
      : movementRefusal(state, buffers, decision)
  if (refusal === 0) refusal = reversalRefusal(state, buffers, decision)
  if (refusal === 0) refusal = totalsRefusal(state, buffers, decision)
  const isForced =
    refusal === REFUSAL_CODES.insufficient_funds && hasFlagAt(buffers, decision.slot, FLAG_FORCE)
  if (isForced) refusal = overflowRefusal(state, buffers, decision)
  if (refusal === 0) refusal = conditionRefusal(state, buffers, decision)
  if (refusal !== 0) return refuse(state, buffers, decision, refusal)
  const kind = left[0] === slots[amount]! ? EVENT_KINDS.TransferReversed : EVENT_KINDS.TransferReversedInPart
  const bytes = writeMovement(state, buffers, decision, isForced ? EVENT_KINDS.TransferReversedByForce : kind)
  rows.words[(decision.rowByte >>> 3) + ROW.expiresAt] = BigInt.asIntN(64, left[0] - slots[amount]!)
  return bytes
}

/** What speaks against moving money between the two accounts, short of their totals. 0: nothing. */
export function movementRefusal(state: CoreState, buffers: CallBuffers, decision: Decision): number {
  const { slot, debit, credit } = decision
  const { slots32 } = buffers
  const from = slot * SLOT_WORDS
  const amount = (from + SLOT.amount) * 2
  if (slots32[amount + 1]! < 0 || (slots32[amount]! | slots32[amount + 1]!) === 0)
    return REFUSAL_CODES.amount_invalid
  if (sameIdAt(slots32, (from + SLOT.debitHigh) * 2, slots32, (from + SLOT.creditHigh) * 2))
    return REFUSAL_CODES.same_account
  if (debit === 0) return REFUSAL_CODES.debit_account_not_found
  if (credit === 0) return REFUSAL_CODES.credit_account_not_found
  const { meta } = state.accounts
  const debitMeta = meta[debit]!
  if ((debitMeta | meta[credit]!) >>> 16 !== 0) {
    const refusal = statusRefusal(state, debit, credit)
    if (refusal !== 0) return refusal
  }
  if ((debitMeta ^ meta[credit]!) << 16 !== 0) return REFUSAL_CODES.currency_mismatch
  const asked = (from + SLOT.currency) * 2
  if ((slots32[asked]! | slots32[asked + 1]!) !== 0) {
    const codes32 = state.currencies.codes32
    const code = state.accounts.currency(debit) * 2
    if (codes32[code] !== slots32[asked] || codes32[code + 1] !== slots32[asked + 1])
      return REFUSAL_CODES.currency_mismatch
  }
  return 0
}

function statusRefusal(state: CoreState, debit: number, credit: number): number {
  const debitStatus = state.accounts.status(debit)
  const creditStatus = state.accounts.status(credit)
  if (debitStatus === STATUS_CLOSED) return REFUSAL_CODES.debit_account_closed
  if (creditStatus === STATUS_CLOSED) return REFUSAL_CODES.credit_account_closed
  if (debitStatus === STATUS_FROZEN) return REFUSAL_CODES.debit_account_frozen
  if (creditStatus === STATUS_FROZEN) return REFUSAL_CODES.credit_account_frozen
  return 0
}

/** What the totals of the two accounts say against moving the slot's amount, now or after a hold. 0: nothing. */
export function totalsRefusal(state: CoreState, buffers: CallBuffers, decision: Decision): number {
  const { slot, debit } = decision
  const amount = slot * SLOT_WORDS + SLOT.amount
  if (!hasFunds(state.accounts, debit * LINE_WORDS, buffers.slots, amount))
    return REFUSAL_CODES.insufficient_funds
  return overflowRefusal(state, buffers, decision)
}

/** A total that the slot's amount would carry out of 64 bits. 0: none. */
function overflowRefusal(
  { accounts: { words } }: CoreState,
  buffers: CallBuffers,
  { slot, debit, credit }: Decision,
): number {
  const amount = slot * SLOT_WORDS + SLOT.amount
  const debitLine = debit * LINE_WORDS
  const creditLine = credit * LINE_WORDS
  if (
    overflows(words, debitLine + LINE.debitsPosted, buffers.slots, amount) ||
    overflows(words, creditLine + LINE.creditsPosted, buffers.slots, amount)
  )
    return REFUSAL_CODES.balance_overflow
  return 0
}

/** What a door has found against the reversal: the number of a refusal, 0 for nothing. */
function findingAt(buffers: CallBuffers, slot: number): number {
  return buffers.slots32[slot * SLOT_WORDS * 2]! >>> HEAD_SHIFT.finding
}

/** There is nothing to reverse, by what a door found. 0: there is. */
function absenceRefusal(state: CoreState, buffers: CallBuffers, slot: number): number {
  const finding = findingAt(buffers, slot)
  if (finding === REFUSAL_CODES.transfer_not_reversible) return finding
  if (finding !== REFUSAL_CODES.transfer_not_found) return 0
  const { slots32 } = buffers
  const related = (slot * SLOT_WORDS + SLOT.relatedHigh) * 2
  // It may have been made behind what the door has seen: then it is remembered, or so much came in that it may be forgotten.
  const isUnchecked =
    state.remembered.has(hashId(slots32, related), slots32, related) || isCheckTooOld(state, buffers, slot)
  return isUnchecked ? REFUSAL_CODES.reversal_unchecked : finding
}

/** True if more may have come in since the door's check than is remembered. */
function isCheckTooOld(state: CoreState, buffers: CallBuffers, slot: number): boolean {
  const { slots32 } = buffers
  const checked = (slot * SLOT_WORDS + SLOT.checkedSequence) * 2
  const checkedSequence = (slots32[checked + 1]! >>> 0) * 4_294_967_296 + (slots32[checked]! >>> 0)
  return checkedSequence < state.remembered.oldestBeganSequence()
}

function reversalRefusal(
  state: CoreState,
  buffers: CallBuffers,
  { slot, isReversedInGroup, isPartReversedInGroup }: Decision,
): number {
  const { slots32 } = buffers
  const related = (slot * SLOT_WORDS + SLOT.relatedHigh) * 2
  // No transfer has such an id, so no view can have been asked about it.
  if (!isUuidV7At(slots32, related)) return REFUSAL_CODES.reversal_unchecked
  const isFound = findingAt(buffers, slot) === REFUSAL_CODES.already_reversed
  if (isFound || isReversedInGroup || state.remembered.hasReversed(slots32, related))
    return REFUSAL_CODES.already_reversed
  // Another part was reversed behind what the door has seen: what is left is less than it said.
  if (isPartReversedInGroup || state.remembered.hasReversedPart(slots32, related, left32, 0))
    return REFUSAL_CODES.reversal_unchecked
  return isCheckTooOld(state, buffers, slot) ? REFUSAL_CODES.reversal_unchecked : 0
}

/** Writes the row of a posted movement: debits_posted of one side, credits_posted of the other. */
function writeMovement(state: CoreState, buffers: CallBuffers, decision: Decision, kind: number): number {
  const { rows, slots } = buffers
  const bytes = writeAccepted(state, buffers, decision, kind)
  const row = decision.rowByte >>> 3
  const amount = decision.slot * SLOT_WORDS + SLOT.amount
  advance(rows, row + ROW.debitVersion)
  addTo(rows, row + ROW.debitTotals + TOTAL.debitsPosted, slots, amount)
  advance(rows, row + ROW.creditVersion)
  addTo(rows, row + ROW.creditTotals + TOTAL.creditsPosted, slots, amount)
  return bytes
}

/** Writes the row of what happens between the decision's accounts, in their currency, sides as they were before it. */
export function writeAccepted(
  state: CoreState,
  buffers: CallBuffers,
  decision: Decision,
  kind: number,
): number {
  decision.kind = kind
  decision.refusal = 0
  decision.currency = state.accounts.currency(decision.debit)
  return writeRow(state, buffers, decision)
}

/** Writes the row of a refusal: accounts as seen, amount and currency as asked. */
export function refuse(state: CoreState, buffers: CallBuffers, decision: Decision, refusal: number): number {
  decision.kind = refusedKind(commandKindAt(buffers, decision.slot))
  decision.refusal = refusal
  decision.currency = refusedCurrency(state, buffers, decision)
  return writeRow(state, buffers, decision)
}

/** Index of the currency that a refusal names: the one asked for, else the accounts'. */
function refusedCurrency(state: CoreState, buffers: CallBuffers, { slot, debit, credit }: Decision): number {
  const asked = buffers.slots[slot * SLOT_WORDS + SLOT.currency]!
  if (asked !== 0n) return state.currencies.indexOf(asked)
  return state.accounts.currency(debit !== 0 ? debit : credit)
}
