/**
 * The debit account's side of a crossing: it begins with a client's transfer, and goes on by steps and by time, as the
 * tables say (tcc.ts, saga.ts).
 */
import {
  COMMAND_KINDS,
  HEAD_SHIFT,
  ROUTE_SAGA,
  ROUTE_TCC,
  SLOT,
  SLOT_WORDS,
} from '../../../schemas/commands.ts'
import { CROSSING_WORD } from '../../../schemas/crossing.ts'
import { EVENT_KINDS, ROW } from '../../../schemas/events.ts'
import { writeFingerprint } from '../../../schemas/fingerprint.ts'
import { REFUSAL_CODES } from '../../../schemas/refusals.ts'
import { LINE, LINE_WORDS, STATUS_CLOSED, STATUS_FROZEN } from '../state/account-lines.ts'
import { applyRow } from '../apply/apply.ts'
import { CoreBrokenError } from '../broken.ts'
import type { CallBuffers } from '../decide/call-buffers.ts'
import { conditionRefusal } from '../decide/conditions.ts'
import { writeDeadline } from '../decide/decide-hold.ts'
import { refuse } from '../decide/decide-transfer.ts'
import type { CoreBounds } from '../decide/decide.ts'
import type { Decision } from '../decide/decision.ts'
import { beginTimerRow, commandKindAt, textSlotsAt, writeHead, writeSides } from '../decide/row-writer.ts'
import { sameIdAt } from '../state/hash-id.ts'
import { ATTEMPT_MAX, CHANNEL } from '../state/outgoing.ts'
import { CLOCK, type CoreState } from '../state/state.ts'
import { hasFunds, overflows } from '../state/totals.ts'
import {
  copyIds,
  moveTotals,
  nextPlace,
  placeOf,
  text,
  writeCommandText,
  writeStepRow,
  writeText,
} from './crossing-rows.ts'
import { movedAtSource } from './moved-totals.ts'
import { hasTransit, transitOf } from './open-transit.ts'
import { SOURCE_STATES, SOURCE_STEPS, sourceRule } from './table-numbers.ts'

/** Decides a client's Transfer or PlaceHold whose credit account lives elsewhere. Returns the bytes of its row. */
export function beginCrossing(
  state: CoreState,
  buffers: CallBuffers,
  bounds: CoreBounds,
  decision: Decision,
): number {
  const { slots, slots32, rows } = buffers
  const { slot } = decision
  const from32 = slot * SLOT_WORDS * 2
  decision.debit = state.accounts.find(decision.debitHash, slots32, from32 + SLOT.debitHigh * 2)
  decision.credit = 0
  const kind = beginKind(buffers, bounds, slot)
  const refusal = beginRefusal(state, buffers, bounds, decision, kind)
  if (refusal !== 0) return refuse(state, buffers, decision, refusal)
  const currency = state.accounts.currency(decision.debit)
  decision.credit = transitOf(state, buffers, bounds, decision, currency)
  decision.kind = kind
  decision.refusal = 0
  decision.currency = currency
  writeHead(state, buffers, decision)
  const row = decision.rowByte >>> 3
  writeFingerprint(slots32, slot, textSlotsAt(buffers, slot), rows.words32, (row + ROW.fingerprint) * 2)
  moveTotals(
    rows,
    row,
    movedAtSource(SOURCE_STATES.free, decision.kind)!,
    slots,
    slot * SLOT_WORDS + SLOT.amount,
  )
  rows.words[row + ROW.expiresAt] = BigInt.asIntN(
    64,
    rows.words[row + ROW.recordedAt]! + bounds.deadlineNs[0]!,
  )
  copyIds(slots32, from32)
  nextPlace(state, buffers)
  if (kind === EVENT_KINDS.HoldReserved) {
    const timeout = (slot * SLOT_WORDS + SLOT.timeout) * 2
    if (slots32[timeout + 1]! < 0) throw new CoreBrokenError('a door let a negative timeout pass')
    text[CROSSING_WORD.answers] = slots32[timeout]!
    text[CROSSING_WORD.answers + 1] = slots32[timeout + 1]!
  }
  return writeCommandText(buffers, decision)
}

/** The first event of what the command at `slot` asks for. A hold goes by Try-Confirm/Cancel always. */
function beginKind(buffers: CallBuffers, bounds: CoreBounds, slot: number): number {
  const head = buffers.slots32[slot * SLOT_WORDS * 2]!
  if ((head & 0xff) === COMMAND_KINDS.PlaceHold) return EVENT_KINDS.HoldReserved
  const route = (head >>> HEAD_SHIFT.route) & (ROUTE_SAGA | ROUTE_TCC)
  const isSaga = route === 0 ? bounds.coordination === 'saga' : route === ROUTE_SAGA
  return isSaga ? EVENT_KINDS.TransferDebited : EVENT_KINDS.TransferReserved
}

/** What speaks on the debit side against a crossing, in the order of REFUSAL_CODES. 0: nothing. */
function beginRefusal(
  state: CoreState,
  buffers: CallBuffers,
  bounds: CoreBounds,
  decision: Decision,
  kind: number,
): number {
  const { slot, debit } = decision
  const { slots, slots32 } = buffers
  const { accounts, currencies } = state
  const from = slot * SLOT_WORDS
  const amount = from + SLOT.amount
  if (slots32[amount * 2 + 1]! < 0 || (slots32[amount * 2]! | slots32[amount * 2 + 1]!) === 0)
    return REFUSAL_CODES.amount_invalid
  const currency = accounts.currency(debit)
  if (debit !== 0 && !hasTransit(state, bounds, currency)) return REFUSAL_CODES.accounts_full
  if (sameIdAt(slots32, (from + SLOT.debitHigh) * 2, slots32, (from + SLOT.creditHigh) * 2))
    return REFUSAL_CODES.same_account
  if (debit === 0) return REFUSAL_CODES.debit_account_not_found
  const status = accounts.status(debit)
  if (status === STATUS_CLOSED) return REFUSAL_CODES.debit_account_closed
  if (status === STATUS_FROZEN) return REFUSAL_CODES.debit_account_frozen
  const asked = (from + SLOT.currency) * 2
  if ((slots32[asked]! | slots32[asked + 1]!) !== 0 && !currencies.isCode(currency, slots32, asked))
    return REFUSAL_CODES.currency_mismatch
  const debitLine = debit * LINE_WORDS
  // Line 0, all zero, stands for an account that is yet to be opened.
  const transitLine = state.currencies.transits[currency]! * LINE_WORDS
  const { words } = accounts
  if (!hasFunds(accounts, debitLine, slots, amount)) return REFUSAL_CODES.insufficient_funds
  if (
    overflows(words, debitLine + LINE.debitsPosted, slots, amount) ||
    overflows(words, transitLine + LINE.creditsPosted, slots, amount) ||
    // A Saga keeps the way back open.
    (kind === EVENT_KINDS.TransferDebited &&
      (overflows(words, debitLine + LINE.creditsPosted, slots, amount) ||
        overflows(words, transitLine + LINE.debitsPosted, slots, amount)))
  )
    return REFUSAL_CODES.balance_overflow
  const { holds, outgoing } = state
  if (kind === EVENT_KINDS.HoldReserved && holds.count + outgoing.holding >= bounds.holdsMax)
    return REFUSAL_CODES.too_many_holds
  const condition = conditionRefusal(state, buffers, decision)
  if (condition !== 0) return condition
  return outgoing.next() === 0 ? REFUSAL_CODES.too_many_in_transit : 0
}

/** Decides a step that comes back to its source. Returns the bytes of its row; 0 if it changes nothing. */
export function decideSourceStep(state: CoreState, buffers: CallBuffers, decision: Decision): number {
  const { slots32, rows } = buffers
  const { outgoing } = state
  const from32 = decision.slot * SLOT_WORDS * 2
  const channel = slots32[from32 + SLOT.channelTurn * 2]!
  if ((slots32[from32 + SLOT.sourceAttempt * 2]! & 0xffff) !== buffers.partition) return 0
  if (outgoing.turn(channel) !== slots32[from32 + SLOT.channelTurn * 2 + 1]! >>> 0) return 0
  const before = outgoing.state(channel)
  const kept = outgoing.wordOf(channel)
  if (before === 0 || !sameIdAt(outgoing.words32, kept * 2, slots32, from32 + SLOT.idHigh * 2)) return 0
  const rule = sourceRule(before, commandKindAt(buffers, decision.slot))
  if (rule.doing !== 'moves' || (rule.onceDrawn && outgoing.draws(channel) > 0)) return 0
  decision.kind = rule.event
  decision.refusal = 0
  const moved = movedAtSource(before, rule.event)
  const debit = outgoing.debit(channel)
  decision.debit = moved === undefined ? 0 : debit
  decision.credit = moved === undefined ? 0 : state.currencies.transits[state.accounts.currency(debit)]!
  const bytes = writeStepRow(state, buffers, decision)
  const row = decision.rowByte >>> 3
  rows.words[row + ROW.amount] = outgoing.words[kept + CHANNEL.amount]!
  if (moved !== undefined) moveTotals(rows, row, moved, outgoing.words, kept + CHANNEL.amount)
  if (rule.event === EVENT_KINDS.TransferCancelled || rule.event === EVENT_KINDS.TransferCompensated) {
    const refusal = slots32[from32]! >>> HEAD_SHIFT.finding
    rows.words32[(row + ROW.fingerprint) * 2] = refusal === 0 ? REFUSAL_CODES.transfer_timed_out : refusal
  }
  if (rule.event === EVENT_KINDS.HoldConfirmed && outgoing.words[kept + CHANNEL.timeout] !== 0n)
    writeDeadline(rows, row, outgoing.words, kept + CHANNEL.timeout)
  return bytes
}

/** The channel that has waited so long for the other side that its timer is due; 0 if none has. */
export function dueChannel(state: CoreState): number {
  const { outgoing, clock } = state
  const channel = outgoing.firstWaiting()
  if (channel === 0) return 0
  const remindAt = outgoing.words[outgoing.wordOf(channel) + CHANNEL.remindAt]!
  return remindAt <= clock[CLOCK.nextRecordedAt]! ? channel : 0
}

/** Writes and applies what its timer makes of a channel that is due. Returns the bytes of its row. */
export function writeTimer(state: CoreState, buffers: CallBuffers, rowByte: number, channel: number): number {
  const { outgoing, accounts, clock } = state
  const { words, words32 } = buffers.rows
  const row = rowByte >>> 3
  const kept = outgoing.wordOf(channel)
  const before = outgoing.state(channel)
  const recordedAt = clock[CLOCK.nextRecordedAt]!
  const isLate = outgoing.words[kept + CHANNEL.deadline]! <= recordedAt
  const rule = sourceRule(before, isLate ? SOURCE_STEPS.deadline : SOURCE_STEPS.reminder)
  const debit = outgoing.debit(channel)
  const currency = accounts.currency(debit)
  const moved = movedAtSource(before, rule.event)
  beginTimerRow(state, buffers, row, rule.event, COMMAND_KINDS.TimeStep, currency)
  words[row + ROW.effectiveAt] = outgoing.words[kept + CHANNEL.effectiveAt]!
  words[row + ROW.receivedAt] = outgoing.words[kept + CHANNEL.receivedAt]!
  words[row + ROW.transferHigh] = outgoing.words[kept + CHANNEL.idHigh]!
  words[row + ROW.transferLow] = outgoing.words[kept + CHANNEL.idLow]!
  words[row + ROW.referenceHigh] = outgoing.words[kept + CHANNEL.referenceHigh]!
  words[row + ROW.referenceLow] = outgoing.words[kept + CHANNEL.referenceLow]!
  words[row + ROW.amount] = outgoing.words[kept + CHANNEL.amount]!
  if (moved !== undefined) {
    const transit = state.currencies.transits[currency]!
    writeSides(accounts, buffers.rows, row, debit, transit)
    moveTotals(buffers.rows, row, moved, outgoing.words, kept + CHANNEL.amount)
  }
  words32[(row + ROW.codeKindRefusalScaleCommand) * 2] = outgoing.code(channel)
  let attempt = 0
  if (rule.doing === 'reminds') {
    attempt = Math.min(outgoing.attempt(channel) + 1, ATTEMPT_MAX)
    words[row + ROW.fingerprint] = outgoing.words[kept + CHANNEL.sequence]!
  } else if (rule.event === EVENT_KINDS.TransferCancelled)
    words32[(row + ROW.fingerprint) * 2] = REFUSAL_CODES.transfer_timed_out
  words32[(row + ROW.partitionLinkTexts) * 2] = buffers.partition | (attempt << 16)
  placeOf(state, buffers, channel)
  const bytes = writeText(buffers.out8, rowByte, buffers.slots8, 0, 0)
  applyRow(state, buffers.rows, row)
  return bytes
}
