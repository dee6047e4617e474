/**
 * The credit account's side of a crossing: steps come from the source's partition, and the tables say what each makes of a
 * channel's turn (tcc.ts, saga.ts).
 */
import { HEAD_SHIFT, ROUTE_SAGA, SLOT, SLOT_WORDS } from '../../../schemas/commands.ts'
import { EVENT_KINDS, ROW } from '../../../schemas/events.ts'
import { REFUSAL_CODES } from '../../../schemas/refusals.ts'
import { LINE, LINE_WORDS, STATUS_CLOSED, STATUS_FROZEN } from '../state/account-lines.ts'
import type { CallBuffers } from '../decide/call-buffers.ts'
import type { CoreBounds } from '../decide/decide.ts'
import type { Decision } from '../decide/decision.ts'
import { commandKindAt } from '../decide/row-writer.ts'
import type { SourceChannels } from '../state/incoming.ts'
import type { CoreState } from '../state/state.ts'
import { overflows } from '../state/totals.ts'
import { moveTotals, writeStepRow } from './crossing-rows.ts'
import { movedAtDestination, type MovedTotals } from './moved-totals.ts'
import { hasTransit, transitOf } from './open-transit.ts'
import { DESTINATION_STATES, destinationRule } from './table-numbers.ts'

/** Decides a step that comes to its destination. Returns the bytes of its row; 0 if it changes nothing. */
export function decideDestinationStep(
  state: CoreState,
  buffers: CallBuffers,
  bounds: CoreBounds,
  decision: Decision,
): number {
  const { slots32, slots, rows } = buffers
  const { slot } = decision
  const from32 = slot * SLOT_WORDS * 2
  const channel = slots32[from32 + SLOT.channelTurn * 2]!
  const turn = slots32[from32 + SLOT.channelTurn * 2 + 1]! >>> 0
  const sourceAttempt = slots32[from32 + SLOT.sourceAttempt * 2]!
  const entries = state.incoming.of(sourceAttempt & 0xffff)
  const seen = entries.turn(channel)
  // Of an earlier turn: its crossing is over.
  if (turn < seen) return 0
  const last = entries.state(channel)
  // A source frees no channel while anything is reserved here.
  if (turn > seen && last === DESTINATION_STATES.reserved) return 0
  const before = turn === seen ? last : DESTINATION_STATES.none
  const isSaga = ((slots32[from32]! >>> HEAD_SHIFT.route) & ROUTE_SAGA) !== 0
  const rule = destinationRule(isSaga, before, commandKindAt(buffers, slot))
  if (rule.doing === 'nothing') return 0
  decision.debit = 0
  decision.credit = 0
  decision.refusal = 0
  decision.kind = rule.event
  if (rule.doing !== 'moves') {
    if (rule.doing === 'answers reminders' && sourceAttempt >>> 16 === 0) return 0
    decision.kind = EVENT_KINDS.StepAnswered
    if (rule.event === EVENT_KINDS.CreditRefused) {
      decision.refusal = entries.refusal(channel)
      decision.credit = creditAccount(state, buffers, decision)
    }
    const bytes = writeStepRow(state, buffers, decision)
    rows.words32[((decision.rowByte >>> 3) + ROW.fingerprint) * 2] = rule.event
    return bytes
  }
  const moved = movedAtDestination(before, rule.event)
  if (moved === undefined) return writeStepRow(state, buffers, decision)
  if (rule.event === EVENT_KINDS.CreditDrawn) return drawCredit(state, buffers, decision, entries, moved)
  if (rule.event === EVENT_KINDS.CreditCancelled)
    return cancelCredit(state, buffers, decision, entries, channel, moved)
  if (before === DESTINATION_STATES.reserved) {
    decision.credit = entries.credit(channel)
    decision.debit = state.currencies.transits[state.accounts.currency(decision.credit)]!
    const bytes = writeStepRow(state, buffers, decision)
    const row = decision.rowByte >>> 3
    rows.words[row + ROW.amount] = entries.words[entries.amountAt(channel)]!
    moveTotals(rows, row, moved, entries.words, entries.amountAt(channel))
    return bytes
  }
  decision.credit = creditAccount(state, buffers, decision)
  decision.refusal = creditRefusal(state, buffers, bounds, decision)
  if (decision.refusal !== 0) {
    decision.kind = rule.unlessEvent
    return writeStepRow(state, buffers, decision)
  }
  const currency = state.accounts.currency(decision.credit)
  decision.debit = transitOf(state, buffers, bounds, decision, currency)
  const bytes = writeStepRow(state, buffers, decision)
  moveTotals(rows, decision.rowByte >>> 3, moved, slots, slot * SLOT_WORDS + SLOT.amount)
  return bytes
}

/** Releases as much as the step says: of a hold, what its posts have not taken and will not take. */
function cancelCredit(
  state: CoreState,
  buffers: CallBuffers,
  decision: Decision,
  entries: SourceChannels,
  channel: number,
  moved: MovedTotals,
): number {
  const { slots, rows } = buffers
  const amount = decision.slot * SLOT_WORDS + SLOT.amount
  // No source lets go of more than it has asked for.
  if (slots[amount]! > entries.words[entries.amountAt(channel)]!) return 0
  if (slots[amount] === 0n) return writeStepRow(state, buffers, decision)
  decision.credit = entries.credit(channel)
  decision.debit = state.currencies.transits[state.accounts.currency(decision.credit)]!
  const bytes = writeStepRow(state, buffers, decision)
  moveTotals(rows, decision.rowByte >>> 3, moved, slots, amount)
  return bytes
}

/** Posts a part of a hold, out of what is reserved in the hold's channel. */
function drawCredit(
  state: CoreState,
  buffers: CallBuffers,
  decision: Decision,
  entries: SourceChannels,
  moved: MovedTotals,
): number {
  const { slots, slots32, rows } = buffers
  const from = decision.slot * SLOT_WORDS
  const amount = from + SLOT.amount
  const turn = slots32[(from + SLOT.timeout) * 2]! >>> 0
  const ofHold = slots32[(from + SLOT.timeout) * 2 + 1]!
  // No source posts what was not reserved here: it frees a hold's channel when all of its posts have ended.
  if (ofHold < 1 || ofHold > entries.count || entries.turn(ofHold) !== turn) return 0
  decision.credit = entries.credit(ofHold)
  if (decision.credit === 0 || slots[amount]! > entries.words[entries.amountAt(ofHold)]!) return 0
  decision.debit = state.currencies.transits[state.accounts.currency(decision.credit)]!
  const bytes = writeStepRow(state, buffers, decision)
  const row = decision.rowByte >>> 3
  rows.words[row + ROW.expiresAt] = slots[from + SLOT.timeout]!
  moveTotals(rows, row, moved, slots, amount)
  return bytes
}

/** Number of the account that the step names as its credit account; 0 if there is none. */
function creditAccount(state: CoreState, buffers: CallBuffers, { slot, creditHash }: Decision): number {
  return state.accounts.find(creditHash, buffers.slots32, (slot * SLOT_WORDS + SLOT.creditHigh) * 2)
}

/** What speaks on the credit side against a crossing, in the order of REFUSAL_CODES. 0: nothing. */
function creditRefusal(
  state: CoreState,
  buffers: CallBuffers,
  bounds: CoreBounds,
  { slot, credit }: Decision,
): number {
  const { slots, slots32 } = buffers
  const { accounts, currencies } = state
  if (credit === 0) return REFUSAL_CODES.credit_account_not_found
  const currency = accounts.currency(credit)
  if (!hasTransit(state, bounds, currency)) return REFUSAL_CODES.accounts_full
  const from = slot * SLOT_WORDS
  const isSameCode = currencies.isCode(currency, slots32, (from + SLOT.currency) * 2)
  const scale = slots32[(from + SLOT.textLengths) * 2 + 1]! & 0xff
  if (isSameCode && scale !== currencies.scales[currency]) return REFUSAL_CODES.currency_scale_mismatch
  const status = accounts.status(credit)
  if (status === STATUS_CLOSED) return REFUSAL_CODES.credit_account_closed
  if (status === STATUS_FROZEN) return REFUSAL_CODES.credit_account_frozen
  if (!isSameCode) return REFUSAL_CODES.currency_mismatch
  const { words } = accounts
  const amount = from + SLOT.amount
  const transitLine = state.currencies.transits[currency]! * LINE_WORDS
  const isTooMuch =
    overflows(words, transitLine + LINE.debitsPosted, slots, amount) ||
    overflows(words, credit * LINE_WORDS + LINE.creditsPosted, slots, amount)
  return isTooMuch ? REFUSAL_CODES.balance_overflow : 0
}
