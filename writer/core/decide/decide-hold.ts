/** Decides holds: placing, posting, voiding, expiring. The checks stand in the order of REFUSAL_CODES. */
import {
  COMMAND_KINDS,
  FLAG_ALL,
  FLAG_KEEP_OPEN,
  FLAG_TIMEOUT,
  SLOT,
  SLOT_WORDS,
} from '../../../schemas/commands.ts'
import { EVENT_KINDS, ROW, TOTAL } from '../../../schemas/events.ts'
import { AMOUNT_MAX, EVENT_ROW_BYTES } from '../../../schemas/limits.ts'
import { REFUSAL_CODES } from '../../../schemas/refusals.ts'
import type { RowWords } from '../apply/apply.ts'
import { STATUS_FROZEN } from '../state/account-lines.ts'
import { CoreBrokenError } from '../broken.ts'
import { movementRefusal, refuse, totalsRefusal, writeAccepted } from './decide-transfer.ts'
import type { Decision } from './decision.ts'
import { conditionRefusal } from './conditions.ts'
import type { CallBuffers } from './call-buffers.ts'
import { HOLD, HOLD_WORDS } from '../state/hold-words.ts'
import {
  beginTimerRow,
  addTo,
  advance,
  commandKindAt,
  hasFlagAt,
  subtractFrom,
  writeSides,
} from './row-writer.ts'
import { CLOCK, type CoreState } from '../state/state.ts'

/**
 * Decides a PlaceHold between the decision's accounts. Returns the row's bytes.
 * @param holdsMax holds that may be open at a time
 */
export function decidePlaceHold(
  state: CoreState,
  buffers: CallBuffers,
  decision: Decision,
  holdsMax: number,
): number {
  let refusal = movementRefusal(state, buffers, decision)
  if (refusal === 0) refusal = totalsRefusal(state, buffers, decision)
  // One that another partition is yet to answer for may become an open one.
  if (refusal === 0 && state.holds.count + state.outgoing.holding >= holdsMax)
    refusal = REFUSAL_CODES.too_many_holds
  if (refusal === 0) refusal = conditionRefusal(state, buffers, decision)
  if (refusal !== 0) return refuse(state, buffers, decision, refusal)
  const { rows, slots } = buffers
  const { slot } = decision
  const bytes = writeAccepted(state, buffers, decision, EVENT_KINDS.HoldPlaced)
  const row = decision.rowByte >>> 3
  const from = slot * SLOT_WORDS
  advance(rows, row + ROW.debitVersion)
  addTo(rows, row + ROW.debitTotals + TOTAL.debitsPending, slots, from + SLOT.amount)
  advance(rows, row + ROW.creditVersion)
  addTo(rows, row + ROW.creditTotals + TOTAL.creditsPending, slots, from + SLOT.amount)
  if (hasFlagAt(buffers, slot, FLAG_TIMEOUT)) {
    if (buffers.slots32[(from + SLOT.timeout) * 2 + 1]! < 0)
      throw new CoreBrokenError('a door let a negative timeout pass')
    writeDeadline(rows, row, slots, from + SLOT.timeout)
  }
  return bytes
}

/** Writes when the hold expires: the timeout at `timeouts[at]` after it is recorded. */
export function writeDeadline(rows: RowWords, row: number, timeouts: BigInt64Array, at: number): void {
  const expiresAt = row + ROW.expiresAt
  rows.words[expiresAt] = BigInt.asIntN(64, rows.words[row + ROW.recordedAt]! + timeouts[at]!)
  // Both are positive, so a sum beyond 64 bits shows as a negative one.
  if (rows.words32[expiresAt * 2 + 1]! < 0) rows.words[expiresAt] = AMOUNT_MAX
}

/**
 * Decides a PostHold or VoidHold: the command names the hold, the hold names the accounts. One whose credit account lives
 * elsewhere comes here as a member of a linked group only (crossing/end-hold.ts).
 */
export function decideEndHold(state: CoreState, buffers: CallBuffers, decision: Decision): number {
  const { rows, slots32 } = buffers
  const { holds } = state
  const { slot } = decision
  const from = slot * SLOT_WORDS
  const posting = commandKindAt(buffers, slot) === COMMAND_KINDS.PostHold
  const hold = holds.find(slots32, (from + SLOT.relatedHigh) * 2)
  decision.debit = hold < 0 ? 0 : holds.debit(hold)
  decision.credit = creditHere(state, hold)
  let refusal = endingRefusal(state, buffers, slot, hold, posting)
  if (refusal === 0) refusal = conditionRefusal(state, buffers, decision)
  if (refusal === 0 && holds.channel(hold) > 0) refusal = REFUSAL_CODES.hold_across
  if (refusal !== 0) return refuse(state, buffers, decision, refusal)
  if (posting && isKeptOpen(state, buffers, slot, hold)) return postPart(state, buffers, decision, hold)
  const bytes = writeAccepted(
    state,
    buffers,
    decision,
    posting ? EVENT_KINDS.HoldPosted : EVENT_KINDS.HoldVoided,
  )
  const row = decision.rowByte >>> 3
  release(state, buffers, row, hold)
  if (!posting || hasFlagAt(buffers, slot, FLAG_ALL))
    rows.words[row + ROW.amount] = holds.words[hold * HOLD_WORDS + HOLD.amount]!
  if (posting) {
    addTo(rows, row + ROW.debitTotals + TOTAL.debitsPosted, rows.words, row + ROW.amount)
    addTo(rows, row + ROW.creditTotals + TOTAL.creditsPosted, rows.words, row + ROW.amount)
  }
  return bytes
}

/** Number of the credit account of the hold in this slot, if it lives here; 0: it does not, or there is no such hold. */
export function creditHere({ holds }: CoreState, hold: number): number {
  return hold < 0 || holds.channel(hold) > 0 ? 0 : holds.credit(hold)
}

/** True if something stays held behind the post: a hold of nothing is none. */
export function isKeptOpen({ holds }: CoreState, buffers: CallBuffers, slot: number, hold: number): boolean {
  return (
    hasFlagAt(buffers, slot, FLAG_KEEP_OPEN) &&
    buffers.slots[slot * SLOT_WORDS + SLOT.amount]! < holds.words[hold * HOLD_WORDS + HOLD.amount]!
  )
}

/** Writes the row of a part that is posted. What stays held stands where another row has its deadline. */
function postPart(state: CoreState, buffers: CallBuffers, decision: Decision, hold: number): number {
  const { rows } = buffers
  const bytes = writeAccepted(state, buffers, decision, EVENT_KINDS.HoldPostedInPart)
  const row = decision.rowByte >>> 3
  const amount = row + ROW.amount
  rows.words[row + ROW.expiresAt] = state.holds.words[hold * HOLD_WORDS + HOLD.amount]!
  subtractFrom(rows, row + ROW.expiresAt, rows.words, amount)
  advance(rows, row + ROW.debitVersion)
  subtractFrom(rows, row + ROW.debitTotals + TOTAL.debitsPending, rows.words, amount)
  addTo(rows, row + ROW.debitTotals + TOTAL.debitsPosted, rows.words, amount)
  advance(rows, row + ROW.creditVersion)
  subtractFrom(rows, row + ROW.creditTotals + TOTAL.creditsPending, rows.words, amount)
  addTo(rows, row + ROW.creditTotals + TOTAL.creditsPosted, rows.words, amount)
  return bytes
}

/** What speaks against ending the hold in this slot (−1: there is none), or a part of it. 0: nothing. */
export function endingRefusal(
  state: CoreState,
  buffers: CallBuffers,
  slot: number,
  hold: number,
  posting: boolean,
): number {
  const isAll = hasFlagAt(buffers, slot, FLAG_ALL)
  const asked = buffers.slots[slot * SLOT_WORDS + SLOT.amount]!
  if (posting && !isAll && asked <= 0n) return REFUSAL_CODES.amount_invalid
  // A hold that is due is over, whether or not its expiry has been recorded yet.
  if (hold < 0 || isDue(state, hold)) return REFUSAL_CODES.hold_not_open
  if (!posting) return 0
  if (state.accounts.status(state.holds.debit(hold)) === STATUS_FROZEN)
    return REFUSAL_CODES.debit_account_frozen
  if (state.accounts.status(state.holds.credit(hold)) === STATUS_FROZEN)
    return REFUSAL_CODES.credit_account_frozen
  return !isAll && asked > state.holds.words[hold * HOLD_WORDS + HOLD.amount]!
    ? REFUSAL_CODES.amount_exceeds_hold
    : 0
}

/** True if the hold's deadline is not after the time that the next event carries. */
export function isDue(state: CoreState, hold: number): boolean {
  const expiresAt = state.holds.words[hold * HOLD_WORDS + HOLD.expiresAt]!
  return expiresAt !== 0n && expiresAt <= state.clock[CLOCK.nextRecordedAt]!
}

/** Writes the row of the hold's expiry. No command asks for it: the hold is its id, the core's time its times. */
export function writeExpiry(state: CoreState, buffers: CallBuffers, rowByte: number, hold: number): number {
  const { rows } = buffers
  const { words } = rows
  const row = rowByte >>> 3
  const { holds } = state
  const held = hold * HOLD_WORDS
  const currency = state.accounts.currency(holds.debit(hold))
  beginTimerRow(state, buffers, row, EVENT_KINDS.HoldExpired, COMMAND_KINDS.ExpireHold, currency)
  words[row + ROW.transferHigh] = holds.words[held + HOLD.idHigh]!
  words[row + ROW.transferLow] = holds.words[held + HOLD.idLow]!
  words[row + ROW.relatedHigh] = holds.words[held + HOLD.idHigh]!
  words[row + ROW.relatedLow] = holds.words[held + HOLD.idLow]!
  words[row + ROW.amount] = holds.words[held + HOLD.amount]!
  words[row + ROW.expiresAt] = holds.words[held + HOLD.expiresAt]!
  writeSides(state.accounts, rows, row, holds.debit(hold), holds.credit(hold))
  release(state, buffers, row, hold)
  return EVENT_ROW_BYTES
}

/** Moves both sides of a row on by a version, and takes what the hold reserved out of their pending totals. */
function release(state: CoreState, buffers: CallBuffers, row: number, hold: number): void {
  const amount = hold * HOLD_WORDS + HOLD.amount
  advance(buffers.rows, row + ROW.debitVersion)
  subtractFrom(buffers.rows, row + ROW.debitTotals + TOTAL.debitsPending, state.holds.words, amount)
  advance(buffers.rows, row + ROW.creditVersion)
  subtractFrom(buffers.rows, row + ROW.creditTotals + TOTAL.creditsPending, state.holds.words, amount)
}
