/** Decides what goes to another partition or comes from there: finds out whose side this is, and hands it on. */
import { isStepKind, isStepToDestination, SLOT, SLOT_WORDS } from '../../../schemas/commands.ts'
import { CHANNELS_MAX, PARTITIONS_MAX } from '../../../schemas/limits.ts'
import { CoreBrokenError } from '../broken.ts'
import type { CallBuffers } from '../decide/call-buffers.ts'
import { isNewId, type CoreBounds } from '../decide/decide.ts'
import type { Decision } from '../decide/decision.ts'
import { commandKindAt, endsHoldAt } from '../decide/row-writer.ts'
import type { CoreState } from '../state/state.ts'
import { decideDestinationStep } from './destination.ts'
import { endHoldAcross } from './end-hold.ts'
import { beginCrossing, decideSourceStep } from './source.ts'

/**
 * Decides the command at the decision's slot and writes its row. Where another event comes first, the opening of a transit
 * account or the part of a hold that a closing post takes, that one is applied, and the decision's row comes behind it.
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
  if (!isStepKind(kind)) {
    if (!isNewId(state, buffers, slot, idHash)) return 0
    return endsHoldAt(buffers, slot)
      ? endHoldAcross(state, buffers, decision)
      : beginCrossing(state, buffers, bounds, decision)
  }
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
