/** Decides account commands. The checks stand in the order of REFUSAL_CODES. */
import {
  COMMAND_KINDS,
  FLAG_LIMIT,
  FLAG_SCALE,
  FLAG_SYSTEM,
  HEAD_SHIFT,
  SLOT,
  SLOT_WORDS,
} from '../../../schemas/commands.ts'
import { EVENT_KINDS, ROW } from '../../../schemas/events.ts'
import { ACCOUNTS_MAX, SCALE_MAX } from '../../../schemas/limits.ts'
import { isCurrencyCode, OVERDRAFT_UNLIMITED, unpackCurrency } from '../../../schemas/money.ts'
import { REFUSAL_CODES } from '../../../schemas/refusals.ts'
import { LINE, LINE_WORDS, STATUS_CLOSED, STATUS_FROZEN } from '../state/account-lines.ts'
import { CoreBrokenError } from '../broken.ts'
import { CURRENCIES_MAX } from '../state/currencies.ts'
import { refuse } from './decide-transfer.ts'
import type { Decision } from './decision.ts'
import type { CallBuffers } from './call-buffers.ts'
import { advance, commandKindAt, hasFlagAt, writeRow } from './row-writer.ts'
import type { CoreState } from '../state/state.ts'

/**
 * Decides an account command about the decision's debit account. Returns the row's bytes.
 * @param accountsMax accounts that this core may open, at most ACCOUNTS_MAX
 */
export function decideAccount(
  state: CoreState,
  buffers: CallBuffers,
  decision: Decision,
  accountsMax: number,
): number {
  const { slot, debit: number } = decision
  const command = commandKindAt(buffers, slot)
  const opening = command === COMMAND_KINDS.OpenAccount
  const refusal = opening
    ? openingRefusal(state, buffers, slot, number, Math.min(accountsMax, ACCOUNTS_MAX))
    : command === COMMAND_KINDS.ChangeAccount
      ? changeRefusal(state, buffers, slot, number)
      : statusRefusal(state, command, number)
  const row = decision.rowByte >>> 3
  const from = slot * SLOT_WORDS
  let bytes: number
  decision.credit = 0
  if (refusal !== 0) bytes = refuse(state, buffers, decision, refusal)
  else {
    decision.kind = eventKind(command)
    decision.refusal = 0
    decision.currency = opening
      ? state.currencies.indexOf(buffers.slots[from + SLOT.currency]!)
      : state.accounts.currency(number)
    bytes = writeRow(state, buffers, decision)
    if (opening) buffers.rows.words32[(row + ROW.accounts) * 2] = state.accounts.count + 1
    if (command === COMMAND_KINDS.ChangeAccount && !hasFlagAt(buffers, slot, FLAG_LIMIT))
      buffers.rows.words[row + ROW.amount] = state.accounts.words[number * LINE_WORDS + LINE.overdraft]!
    advance(buffers.rows, row + ROW.debitVersion)
  }
  if (opening && hasFlagAt(buffers, slot, FLAG_SYSTEM))
    buffers.rows.words[row + ROW.amount] = OVERDRAFT_UNLIMITED
  buffers.rows.words[row + ROW.relatedHigh] = buffers.slots[from + SLOT.debitHigh]!
  buffers.rows.words[row + ROW.relatedLow] = buffers.slots[from + SLOT.debitLow]!
  return bytes
}

function openingRefusal(
  state: CoreState,
  buffers: CallBuffers,
  slot: number,
  number: number,
  accountsMax: number,
): number {
  const from = slot * SLOT_WORDS
  const code = buffers.slots[from + SLOT.currency]!
  const scale = (buffers.slots32[from * 2]! >>> HEAD_SHIFT.scale) & 0xff
  if (scale > SCALE_MAX || !hasFlagAt(buffers, slot, FLAG_SCALE) || !isCurrencyCode(unpackCurrency(code)))
    throw new CoreBrokenError('a door let an account without a currency or its scale pass')
  if (buffers.slots[from + SLOT.amount]! < 0n) return REFUSAL_CODES.amount_invalid
  if (number !== 0) return REFUSAL_CODES.account_exists
  const currency = state.currencies.indexOf(code)
  if (state.accounts.count >= accountsMax || (currency === 0 && state.currencies.count >= CURRENCIES_MAX))
    return REFUSAL_CODES.accounts_full
  if (currency !== 0 && state.currencies.scales[currency] !== scale)
    return REFUSAL_CODES.currency_scale_mismatch
  return 0
}

/** A limit may not be below what is drawn and held: the account would have less than nothing available. */
function changeRefusal(state: CoreState, buffers: CallBuffers, slot: number, number: number): number {
  const limit = buffers.slots[slot * SLOT_WORDS + SLOT.amount]!
  const isGiven = hasFlagAt(buffers, slot, FLAG_LIMIT)
  if (isGiven && limit < 0n) return REFUSAL_CODES.amount_invalid
  if (number === 0) return REFUSAL_CODES.account_not_found
  if (state.accounts.status(number) === STATUS_CLOSED) return REFUSAL_CODES.account_already_closed
  if (!isGiven) return 0
  const { words } = state.accounts
  const line = number * LINE_WORDS
  const limitNow = words[line + LINE.overdraft]
  if (limitNow === OVERDRAFT_UNLIMITED) return REFUSAL_CODES.account_is_system
  const drawn =
    words[line + LINE.debitsPosted]! + words[line + LINE.debitsPending]! - words[line + LINE.creditsPosted]!
  return limit < drawn ? REFUSAL_CODES.overdraft_in_use : 0
}

function statusRefusal(state: CoreState, command: number, number: number): number {
  if (number === 0) return REFUSAL_CODES.account_not_found
  const status = state.accounts.status(number)
  if (status === STATUS_CLOSED) return REFUSAL_CODES.account_already_closed
  if (command === COMMAND_KINDS.FreezeAccount)
    return status === STATUS_FROZEN ? REFUSAL_CODES.account_already_frozen : 0
  if (command === COMMAND_KINDS.UnfreezeAccount)
    return status === STATUS_FROZEN ? 0 : REFUSAL_CODES.account_not_frozen
  const { words } = state.accounts
  const line = number * LINE_WORDS
  const empty =
    words[line + LINE.debitsPosted] === words[line + LINE.creditsPosted] &&
    words[line + LINE.debitsPending] === 0n &&
    words[line + LINE.creditsPending] === 0n
  return empty ? 0 : REFUSAL_CODES.account_not_empty
}

function eventKind(command: number): number {
  switch (command) {
    case COMMAND_KINDS.OpenAccount:
      return EVENT_KINDS.AccountOpened
    case COMMAND_KINDS.FreezeAccount:
      return EVENT_KINDS.AccountFrozen
    case COMMAND_KINDS.UnfreezeAccount:
      return EVENT_KINDS.AccountUnfrozen
    case COMMAND_KINDS.CloseAccount:
      return EVENT_KINDS.AccountClosed
    case COMMAND_KINDS.ChangeAccount:
      return EVENT_KINDS.AccountChanged
    default:
      throw new CoreBrokenError(`command ${command} is not about an account`)
  }
}
