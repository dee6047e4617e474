/** An accepted frame beside the model: its events are those that the model makes of its commands, in every field. */
import type { Command } from '../../schemas/commands.ts'
import { decodeEvents } from '../../schemas/events.ts'
import type { Frame } from '../../schemas/frames.ts'
import { eventsDifference } from '../model/differences.ts'
import type { Model, Outcome } from '../model/model.ts'
import { insist } from './insist.ts'

/**
 * Lets the model decide what the frame's writer decided. Throws where the frame says something else.
 * @param commands those that the frame consumed, in order
 * @param nowNs wall time at which they were decided
 * @returns what each command came to
 */
export function checkFrame(
  model: Model,
  frame: Frame,
  commands: readonly Command[],
  nowNs: bigint,
  cover: (mark: string) => void,
): Outcome[] {
  const found = decodeEvents(frame.payload)
  const seen = model.events.length
  // A frame begins with the expiries, and may be full before the last one that is due.
  const end = found.findIndex(({ kind }) => kind !== 'HoldExpired')
  model.expireDue(nowNs, end < 0 ? found.length : end)
  const outcomes = model.decide(commands, nowNs)
  const expected = model.events.slice(seen)
  const difference = eventsDifference(found, expected)
  if (difference !== undefined) insist(false, 'events as the model makes them', difference)
  for (const { kind, refusal, linkIndex } of expected) {
    cover(kind === 'HoldExpired' ? 'hold expired' : (refusal ?? kind))
    if (linkIndex > 0) cover(groupMark(refusal))
  }
  for (const outcome of outcomes)
    if (outcome.kind === 'repeat') cover('repeated id')
    else if (outcome.kind === 'id') cover(outcome.refusal)
  return outcomes
}

function groupMark(refusal: string | undefined): string {
  if (refusal === undefined) return 'linked group done'
  return refusal === 'linked_too_long' ? 'linked group too long' : 'linked group refused'
}
