/** Decides one command: finds its accounts, and hands it to those who know its kind. */
import {
  COMMAND_KINDS,
  isAccountKind,
  SLOT,
  SLOT_WORDS,
  type Coordination,
} from '../../../schemas/commands.ts'
import { CoreBrokenError } from '../broken.ts'
import { decideAccount } from './decide-account.ts'
import { decideClaim } from './decide-claim.ts'
import { decideEndHold, decidePlaceHold } from './decide-hold.ts'
import { decideReversal, decideTransfer } from './decide-transfer.ts'
import type { Decision } from './decision.ts'
import type { CallBuffers } from './call-buffers.ts'
import { isTimelyAt, isUuidV7At } from '../state/remembered-ids.ts'
import { commandKindAt } from './row-writer.ts'
import type { CoreState } from '../state/state.ts'

/** Bounds of one core; `CoreOptions` with its defaults filled in. */
export interface CoreBounds {
  readonly partition: number
  readonly accountsMax: number
  readonly holdsMax: number
  /** Partitions of the deployment: where the id of a transit account has to live. */
  readonly partitions: number
  /** How long a crossing waits for its credit side, in ns: one number. */
  readonly deadlineNs: BigInt64Array
  /** How a crossing is coordinated whose transfer does not say. */
  readonly coordination: Coordination
}

/**
 * True if the command at `slot` is to be decided: its id was never used, for certain, and does not lie too far ahead.
 * Any other makes no event; who asked learns from the view which of the cases it was.
 */
export function isNewId(state: CoreState, buffers: CallBuffers, slot: number, idHash: number): boolean {
  const id = (slot * SLOT_WORDS + SLOT.idHigh) * 2
  if (!isUuidV7At(buffers.slots32, id)) return false
  if (!isTimelyAt(buffers.slots32, id, state.remembered, buffers)) return false
  return !state.remembered.has(idHash, buffers.slots32, id)
}

/**
 * Decides the command at the decision's slot and writes its row; the state stays as it is. The decision names slot, row,
 * hashes and place within a group; accounts and outcome are found here. Returns the row's bytes.
 */
export function decideCommand(
  state: CoreState,
  buffers: CallBuffers,
  bounds: CoreBounds,
  decision: Decision,
): number {
  const kind = commandKindAt(buffers, decision.slot)
  if (kind === COMMAND_KINDS.PostHold || kind === COMMAND_KINDS.VoidHold)
    return decideEndHold(state, buffers, decision)
  if (kind === COMMAND_KINDS.ClaimId) return decideClaim(state, buffers, decision)
  const from = decision.slot * SLOT_WORDS
  decision.debit = state.accounts.find(decision.debitHash, buffers.slots32, (from + SLOT.debitHigh) * 2)
  if (isAccountKind(kind)) return decideAccount(state, buffers, decision, bounds.accountsMax)
  decision.credit = state.accounts.find(decision.creditHash, buffers.slots32, (from + SLOT.creditHigh) * 2)
  switch (kind) {
    case COMMAND_KINDS.Transfer:
      return decideTransfer(state, buffers, decision)
    case COMMAND_KINDS.PlaceHold:
      return decidePlaceHold(state, buffers, decision, bounds.holdsMax)
    case COMMAND_KINDS.ReverseTransfer:
      return decideReversal(state, buffers, decision)
    default:
      throw new CoreBrokenError(`a door let command kind ${kind} pass`)
  }
}
