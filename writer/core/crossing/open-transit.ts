/** The transit account of a partition and currency, which the core opens by itself where a crossing first needs it. */
import { COMMAND_KINDS } from '../../../schemas/commands.ts'
import { transitAccountId } from '../../../schemas/crossing.ts'
import { EVENT_KINDS, ROW, ROW_TEXT_BYTE, writeRowTexts } from '../../../schemas/events.ts'
import { ACCOUNTS_MAX } from '../../../schemas/limits.ts'
import { OVERDRAFT_UNLIMITED, unpackCurrency } from '../../../schemas/money.ts'
import { applyRow } from '../apply/apply.ts'
import type { CallBuffers } from '../decide/call-buffers.ts'
import type { CoreBounds } from '../decide/decide.ts'
import type { Decision } from '../decide/decision.ts'
import type { CoreState } from '../state/state.ts'
import { TRANSIT_OWNER_BYTES } from './transit-row.ts'
import { beginTimerRow } from '../decide/row-writer.ts'

const NO_TEXT = new Uint8Array(0)

/** True if there is a transit account for this currency, or room for one. */
export function hasTransit(state: CoreState, bounds: CoreBounds, currency: number): boolean {
  return (
    state.currencies.transits[currency]! !== 0 ||
    state.accounts.count < Math.min(bounds.accountsMax, ACCOUNTS_MAX)
  )
}

/**
 * The number of the transit account of a currency in use. The first time its opening is written at the decision's row and
 * applied, and the decision's own row comes behind it.
 */
export function transitOf(
  state: CoreState,
  buffers: CallBuffers,
  bounds: CoreBounds,
  decision: Decision,
  currency: number,
): number {
  const known = state.currencies.transits[currency]!
  if (known !== 0) return known
  decision.rowByte += writeOpening(state, buffers, bounds, decision.rowByte, currency)
  return state.currencies.transits[currency]!
}

/** Nobody asked for this event by itself: the account is its id, the core's time its times, and TimeStep its command. */
function writeOpening(
  state: CoreState,
  buffers: CallBuffers,
  bounds: CoreBounds,
  rowByte: number,
  currency: number,
): number {
  const { words, words32 } = buffers.rows
  const row = rowByte >>> 3
  const code = unpackCurrency(state.currencies.codes[currency]!)
  const { high, low } = transitAccountId(code, buffers.partition, bounds.partitions)
  beginTimerRow(state, buffers, row, EVENT_KINDS.AccountOpened, COMMAND_KINDS.TimeStep, currency)
  words[row + ROW.transferHigh] = high
  words[row + ROW.transferLow] = BigInt.asIntN(64, low)
  words[row + ROW.relatedHigh] = high
  words[row + ROW.relatedLow] = BigInt.asIntN(64, low)
  words[row + ROW.amount] = OVERDRAFT_UNLIMITED
  words[row + ROW.debitVersion] = 1n
  words32[(row + ROW.accounts) * 2] = state.accounts.count + 1
  const end = writeRowTexts(buffers.out8, rowByte + ROW_TEXT_BYTE, NO_TEXT, TRANSIT_OWNER_BYTES, NO_TEXT)
  applyRow(state, buffers.rows, row)
  return end - rowByte
}
