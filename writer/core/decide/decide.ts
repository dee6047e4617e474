/** Decides one command: finds its accounts, and hands it to those who know its kind. */
import { COMMAND_KINDS, SLOT, SLOT_WORDS } from '../../../schemas/commands.ts'
import { CoreBrokenError } from '../broken.ts'
import { decideAccount } from './decide-account.ts'
import { decideEndHold, decidePlaceHold } from './decide-hold.ts'
import { decideReversal, decideTransfer } from './decide-transfer.ts'
import type { Desk } from './desk.ts'
import { isTimelyAt, isUuidV7At } from '../state/remembered-ids.ts'
import { commandKindAt } from './row-writer.ts'
import type { CoreState } from '../state/state.ts'

/** Bounds of one core; `CoreOptions` with its defaults filled in. */
export interface CoreBounds {
  readonly partition: number
  readonly accountsMax: number
  readonly holdsMax: number
}

/**
 * True if the command at `slot` is to be decided: its id was never used, for certain, and does not lie too far ahead.
 * Any other makes no event; who asked learns from the view which of the cases it was.
 */
export function isNewId(state: CoreState, desk: Desk, slot: number, idHash: number): boolean {
  const id = (slot * SLOT_WORDS + SLOT.idHigh) * 2
  if (!isUuidV7At(desk.slots32, id)) return false
  if (!isTimelyAt(desk.slots32, id, state.remembered, desk)) return false
  return !state.remembered.has(idHash, desk.slots32, id)
}

export function isAccountCommand(kind: number): boolean {
  return kind >= COMMAND_KINDS.OpenAccount && kind <= COMMAND_KINDS.CloseAccount
}

/**
 * Decides the command at `slot` and writes its row at `rowByte`; the state stays as it is. Returns the row's bytes.
 * @param debitHash hash of the slot's debit account, as `creditHash` of its credit account
 * @param linkIndex 1, 2, … within a linked group, else 0
 */
export function decideCommand(
  state: CoreState,
  desk: Desk,
  bounds: CoreBounds,
  slot: number,
  rowByte: number,
  debitHash: number,
  creditHash: number,
  linkIndex: number,
  reversedInGroup: boolean,
): number {
  const kind = commandKindAt(desk, slot)
  if (kind === COMMAND_KINDS.PostHold || kind === COMMAND_KINDS.VoidHold)
    return decideEndHold(state, desk, slot, rowByte, linkIndex)
  const from = slot * SLOT_WORDS
  const debit = state.accounts.find(debitHash, desk.slots32, (from + SLOT.debitHigh) * 2)
  if (isAccountCommand(kind)) return decideAccount(state, desk, slot, rowByte, debit, bounds.accountsMax)
  const credit = state.accounts.find(creditHash, desk.slots32, (from + SLOT.creditHigh) * 2)
  switch (kind) {
    case COMMAND_KINDS.Transfer:
      return decideTransfer(state, desk, slot, rowByte, debit, credit, linkIndex)
    case COMMAND_KINDS.PlaceHold:
      return decidePlaceHold(state, desk, slot, rowByte, debit, credit, linkIndex, bounds.holdsMax)
    case COMMAND_KINDS.ReverseTransfer:
      return decideReversal(state, desk, slot, rowByte, debit, credit, linkIndex, reversedInGroup)
    default:
      throw new CoreBrokenError(`a door let command kind ${kind} pass`)
  }
}
