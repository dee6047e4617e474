/**
 * Commands that were consumed without an event: the id was known, or is older than what the core remembers, or too new. Or
 * whose event went by before anybody here knew that it was theirs.
 * The views say which, once they include the frame that consumed the command: every event under the id stands at or before
 * that frame, so what is not found then has never happened.
 */
import { encodeCommands, type Command } from '../schemas/commands.ts'
import { fingerprintOf } from '../schemas/fingerprint.ts'
import { lastSequence, type Frame } from '../schemas/frames.ts'
import { formatId, uuidV7TimeMs } from '../schemas/ids.ts'
import { ID_AHEAD_MS_MAX } from '../schemas/limits.ts'
import { idRefusal, outcomeOf, type Outcome } from './outcomes.ts'
import type { Place } from './tokens.ts'
import type { Views } from './views.ts'

const NS_PER_MS = 1_000_000n

/**
 * The outcome of a command that `frame` consumed and that made no event.
 * @param wallMs this machine's clock, milliseconds since 1970
 * @param mayBeOwn true: the event may be the command's own, found late; then the time of receipt tells
 * @throws Fault NOT_YET where the views do not come to include the frame in time: the same id may be sent again
 */
export async function settleRepeat(
  views: Views,
  command: Command,
  frame: Frame,
  waitMs: number,
  wallMs: () => number,
  mayBeOwn = false,
): Promise<Outcome> {
  const place: Place = { partition: frame.partition, sequence: lastSequence(frame) }
  const point = await views.points.atPlace(place, waitMs)
  // The first event of an id is its outcome; an expired hold has a second one.
  const first = (await views.events(point, formatId(command.id)))[0]
  if (first !== undefined) {
    const isSameBody = first.fingerprint === fingerprintOf(encodeCommands([command]))
    const isOwn = mayBeOwn && first.receivedAtNs === command.receivedAtNs
    return isSameBody
      ? outcomeOf(command.id, first, !isOwn)
      : idRefusal(command.id, 'id_reused', { partition: first.partition, sequence: first.sequence })
  }
  // The writer goes by its clock of now, behind which recorded time stays ahead once that clock has been set back.
  const nowMs = Math.min(Number(frame.timeNs / NS_PER_MS), wallMs())
  const isAhead = uuidV7TimeMs(command.id) > nowMs + ID_AHEAD_MS_MAX
  return idRefusal(command.id, isAhead ? 'id_in_future' : 'id_expired', place)
}
