/** Decides what goes to another partition or comes from there: finds out whose side this is, and hands it on. */
import { COMMAND_KINDS, SLOT, SLOT_WORDS, isStepToDestination } from '../../../schemas/commands.ts'
import {
  CHANNELS_MAX,
  EVENT_ROW_BYTES,
  NAMED_CROSSING_BYTES,
  PARTITIONS_MAX,
} from '../../../schemas/limits.ts'
import { CoreBrokenError } from '../broken.ts'
import type { CallBuffers } from '../decide/call-buffers.ts'
import { isNewId, type CoreBounds } from '../decide/decide.ts'
import type { Decision } from '../decide/decision.ts'
import { commandKindAt } from '../decide/row-writer.ts'
import type { CoreState } from '../state/state.ts'
import { decideDestinationStep } from './destination.ts'
import { beginCrossing, decideSourceStep } from './source.ts'

/** Bytes of a row that a timer makes: no memo, and the crossing's text. */
export const TIMER_ROW_BYTES = (EVENT_ROW_BYTES + NAMED_CROSSING_BYTES + 7) & ~7

/**
 * Decides the command at the decision's slot and writes its row. Where a transit account has to be opened for it, that event
 * is written first and applied, and the decision's row comes behind it.
 * @param idHash hash of the command's id
 * @returns the row's bytes; 0: it makes no event
 */
export function decideCrossing(
  state: CoreState,
  buffers: CallBuffers,
  bounds: CoreBounds,
  decision: Decision,
  idHash: number,
): number {
  const { slot } = decision
  const kind = commandKindAt(buffers, slot)
  if (kind === COMMAND_KINDS.Transfer)
    return isNewId(state, buffers, slot, idHash) ? beginCrossing(state, buffers, bounds, decision) : 0
  const { slots32 } = buffers
  const from = slot * SLOT_WORDS
  const channel = slots32[(from + SLOT.channelTurn) * 2]!
  const source = slots32[(from + SLOT.sourceAttempt) * 2]! & 0xffff
  const turn = slots32[(from + SLOT.channelTurn) * 2 + 1]!
  if (channel < 1 || channel > CHANNELS_MAX || turn === 0 || source >= PARTITIONS_MAX)
    throw new CoreBrokenError('a door let a step pass that is of no channel')
  return isStepToDestination(kind)
    ? decideDestinationStep(state, buffers, bounds, decision)
    : decideSourceStep(state, buffers, decision)
}
