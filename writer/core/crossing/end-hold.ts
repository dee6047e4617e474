/**
 * The end of holds whose credit account lives elsewhere, at their source: posts, which go their own ways on channels of their
 * own, and the release of what is left, on the hold's (hold.ts).
 */
import { COMMAND_KINDS, FLAG_ALL, SLOT, SLOT_WORDS } from '../../../schemas/commands.ts'
import { CROSSING_WORD } from '../../../schemas/crossing.ts'
import { EVENT_KINDS, ROW } from '../../../schemas/events.ts'
import { writeFingerprint } from '../../../schemas/fingerprint.ts'
import { REFUSAL_CODES } from '../../../schemas/refusals.ts'
import { applyRow } from '../apply/apply.ts'
import type { CallBuffers } from '../decide/call-buffers.ts'
import { conditionRefusal, testsCredit } from '../decide/conditions.ts'
import { creditHere, endingRefusal, isKeptOpen } from '../decide/decide-hold.ts'
import { refuse } from '../decide/decide-transfer.ts'
import type { Decision } from '../decide/decision.ts'
import { beginTimerRow, commandKindAt, endsHoldAt, hasFlagAt, subtractFrom, textSlotsAt, writeHead, writeSides } from '../decide/row-writer.ts' // prettier-ignore
import { HOLD, HOLD_WORDS } from '../state/hold-words.ts'
import { CHANNEL } from '../state/outgoing.ts'
import type { CoreState } from '../state/state.ts'
import { moveTotals, nextPlace, placeOf, text, writeCommandText, writeText } from './crossing-rows.ts'
import { movedAtSource } from './moved-totals.ts'
import { SOURCE_STATES } from './table-numbers.ts'

const DRAWN = movedAtSource(SOURCE_STATES.free, EVENT_KINDS.HoldDrawn)!
const RELEASED = movedAtSource(SOURCE_STATES.held, EVENT_KINDS.HoldReleased)!

/** True if the command at `slot` is about the end of an open hold whose credit account lives elsewhere. */
export function endsHoldAcross({ holds }: CoreState, buffers: CallBuffers, slot: number): boolean {
  if (!endsHoldAt(buffers, slot)) return false
  const hold = holds.find(buffers.slots32, (slot * SLOT_WORDS + SLOT.relatedHigh) * 2)
  return hold >= 0 && holds.channel(hold) > 0
}

/**
 * Decides a PostHold or VoidHold of such a hold. A post that closes it makes two events: the part that is posted is written
 * first and applied, and the release comes behind it. Returns the bytes of the decision's row.
 */
export function endHoldAcross(state: CoreState, buffers: CallBuffers, decision: Decision): number {
  const { holds, outgoing } = state
  const { slot } = decision
  const hold = holds.find(buffers.slots32, (slot * SLOT_WORDS + SLOT.relatedHigh) * 2)
  const isPost = commandKindAt(buffers, slot) === COMMAND_KINDS.PostHold
  decision.debit = holds.debit(hold)
  decision.credit = creditHere(state, hold)
  let refusal = endingRefusal(state, buffers, slot, hold, isPost)
  if (refusal === 0) refusal = conditionRefusal(state, buffers, decision)
  if (refusal === 0 && testsCredit(buffers, slot)) refusal = REFUSAL_CODES.hold_across
  if (refusal === 0 && isPost && outgoing.next() === 0) refusal = REFUSAL_CODES.too_many_in_transit
  if (refusal !== 0) return refuse(state, buffers, decision, refusal)
  decision.credit = holds.credit(hold)
  decision.refusal = 0
  decision.currency = state.accounts.currency(decision.debit)
  if (!isPost) return writeVoid(state, buffers, decision, hold)
  const isClosed = !isKeptOpen(state, buffers, slot, hold)
  const bytes = writeDrawn(state, buffers, decision, hold)
  if (!isClosed) return bytes
  const drawn = decision.rowByte >>> 3
  applyRow(state, buffers.rows, drawn)
  decision.rowByte += bytes
  const released = writeRelease(state, buffers, decision.rowByte, hold, COMMAND_KINDS.PostHold)
  const row = decision.rowByte >>> 3
  const { words } = buffers.rows
  words[row + ROW.effectiveAt] = words[drawn + ROW.effectiveAt]!
  words[row + ROW.receivedAt] = words[drawn + ROW.receivedAt]!
  return released
}

/** Writes the row of a part that is posted. */
function writeDrawn(state: CoreState, buffers: CallBuffers, decision: Decision, hold: number): number {
  const { rows } = buffers
  const channel = state.holds.channel(hold)
  const row = decision.rowByte >>> 3
  decision.kind = EVENT_KINDS.HoldDrawn
  writeAsked(state, buffers, decision)
  if (hasFlagAt(buffers, decision.slot, FLAG_ALL))
    rows.words[row + ROW.amount] = state.holds.words[hold * HOLD_WORDS + HOLD.amount]!
  moveTotals(rows, row, DRAWN, rows.words, row + ROW.amount)
  rows.words[row + ROW.expiresAt] = state.holds.words[hold * HOLD_WORDS + HOLD.amount]!
  subtractFrom(rows, row + ROW.expiresAt, rows.words, row + ROW.amount)
  placeOf(state, buffers, channel)
  nextPlace(state, buffers)
  text[CROSSING_WORD.answers] = state.outgoing.turn(channel)
  text[CROSSING_WORD.answers + 1] = channel
  return writeCommandText(buffers, decision)
}

/** Writes the row of a release that a client has asked for. */
function writeVoid(state: CoreState, buffers: CallBuffers, decision: Decision, hold: number): number {
  const { rows } = buffers
  const row = decision.rowByte >>> 3
  decision.kind = EVENT_KINDS.HoldReleased
  writeAsked(state, buffers, decision)
  rows.words[row + ROW.amount] = state.holds.words[hold * HOLD_WORDS + HOLD.amount]!
  moveTotals(rows, row, RELEASED, rows.words, row + ROW.amount)
  placeOf(state, buffers, state.holds.channel(hold))
  return writeCommandText(buffers, decision)
}

function writeAsked(state: CoreState, buffers: CallBuffers, decision: Decision): void {
  const { slot, rowByte } = decision
  writeHead(state, buffers, decision)
  const fingerprint = ((rowByte >>> 3) + ROW.fingerprint) * 2
  writeFingerprint(buffers.slots32, slot, textSlotsAt(buffers, slot), buffers.rows.words32, fingerprint)
}

/**
 * Writes the row of a release that no client has asked for: its id is the hold's, and the core's time is its times. Nothing
 * may be left to release: then it has no sides. Returns its bytes.
 * @param command that has made it: ExpireHold, or the PostHold that closed the hold
 */
export function writeRelease(
  state: CoreState,
  buffers: CallBuffers,
  rowByte: number,
  hold: number,
  command: number,
): number {
  const { accounts, holds, outgoing } = state
  const { rows, out8, slots8 } = buffers
  const { words, words32 } = rows
  const row = rowByte >>> 3
  const held = hold * HOLD_WORDS
  const channel = holds.channel(hold)
  const kept = outgoing.wordOf(channel)
  const debit = holds.debit(hold)
  beginTimerRow(state, buffers, row, EVENT_KINDS.HoldReleased, command, accounts.currency(debit))
  words[row + ROW.transferHigh] = holds.words[held + HOLD.idHigh]!
  words[row + ROW.transferLow] = holds.words[held + HOLD.idLow]!
  words[row + ROW.relatedHigh] = holds.words[held + HOLD.idHigh]!
  words[row + ROW.relatedLow] = holds.words[held + HOLD.idLow]!
  words[row + ROW.referenceHigh] = outgoing.words[kept + CHANNEL.referenceHigh]!
  words[row + ROW.referenceLow] = outgoing.words[kept + CHANNEL.referenceLow]!
  words[row + ROW.amount] = holds.words[held + HOLD.amount]!
  words32[(row + ROW.codeKindRefusalScaleCommand) * 2] = outgoing.code(channel)
  if (words[row + ROW.amount] !== 0n) {
    writeSides(accounts, rows, row, debit, holds.credit(hold))
    moveTotals(rows, row, RELEASED, words, row + ROW.amount)
  }
  placeOf(state, buffers, channel)
  return writeText(out8, rowByte, slots8, 0, 0)
}
