/**
 * Settles commands that were consumed without an event. There are two cases. The id was known before, or is older than
 * what the core remembers: then it has an outcome for ever. Or nobody decided the command: it was skipped, or its time
 * has not come.
 *
 * The views tell the cases apart once they include the frame that consumed the command. Every event under the id stands
 * at or before that frame, so an event that is not found then has not happened. That it never will happen is said only
 * by the log's id horizon (schemas/frame-notes.ts). Without proof from one of the two there is no refusal: a client
 * that is told "refused" takes a new id, and pays twice if something else sends the old one again.
 */
import { encodeCommands } from '../../schemas/command-codec.ts'
import type { Command } from '../../schemas/commands.ts'
import { fingerprintOf } from '../../schemas/fingerprint.ts'
import { lastSequence, type Frame } from '../../schemas/frames.ts'
import { formatId, uuidV7TimeMs, type Id } from '../../schemas/ids.ts'
import { ID_AHEAD_MS_MAX } from '../../schemas/limits.ts'
import { NS_PER_MS } from '../../schemas/time.ts'
import { lifeOf } from './crossings/life.ts'
import { idRefusal, outcomeOf, type Outcome } from './outcomes.ts'
import { isSameReversal } from './same-reversal.ts'
import type { PartitionSequence } from '../positions/tokens.ts'
import type { Undecided } from './undecided.ts'
import type { Views } from '../read/views.ts'

/** A command that was consumed without an event. */
export interface EventlessCommand {
  /** The frame that consumed it, or a later one. */
  readonly frame: Frame
  /** True if an event found later may be the command's own. The time of receipt then tells. */
  readonly mayBeOwn: boolean
  /** The latest id horizon up to this frame, milliseconds since 1970; −1: none was said. */
  readonly horizonMs: number
}

/** A crossing under the command's id is under way. `isRepeat`: an earlier command began it. */
export interface UnderWay {
  readonly underWay: true
  readonly isRepeat: boolean
}

/** What settling needs besides the command. */
export interface RepeatContext {
  readonly views: Views
  /** How long the views may take to include the frame, in ms. */
  readonly outcomeWaitMs: number
  /** Of the deployment. */
  readonly partitions: number
}

/**
 * The outcome of a command that was consumed without an event, or why it has none yet.
 * @param wallMs this machine's clock, milliseconds since 1970
 * @throws Fault NOT_YET if the views do not include the frame in time; the same id may be sent again
 */
export async function settleRepeat(
  { views, outcomeWaitMs, partitions }: RepeatContext,
  command: Command,
  eventless: EventlessCommand,
  wallMs: () => number,
): Promise<Outcome | Undecided | UnderWay> {
  const { frame, mayBeOwn } = eventless
  const frameEnd: PartitionSequence = { partition: frame.partition, sequence: lastSequence(frame) }
  const point = await views.points.atSequence(frameEnd, outcomeWaitMs)
  const events = await views.events(point, formatId(command.id))
  const life = lifeOf(events)
  if (life !== undefined) {
    const { first, end } = life
    const isSameBody =
      first.fingerprint === fingerprintOf(encodeCommands([command])) || isSameReversal(command, first)
    const isOwn = mayBeOwn && first.receivedAtNs === command.receivedAtNs
    if (!isSameBody)
      return idRefusal(command.id, 'id_reused', { partition: first.partition, sequence: first.sequence })
    return end === undefined
      ? { underWay: true, isRepeat: !isOwn }
      : outcomeOf(command.id, end, !isOwn, partitions)
  }
  // Claimed for another partition, which has not decided anything with it: here it never counts.
  const claim = events.find(({ kind, partition }) => kind === 'IdClaimed' && partition === frame.partition)
  if (claim !== undefined)
    return idRefusal(command.id, 'id_reused', { partition: claim.partition, sequence: claim.sequence })
  return withoutEvent(command.id, eventless, wallMs)
}

/** What is said of an id under which nothing is found, once everything up to the frame is known. */
export function withoutEvent(
  id: Id,
  { frame, horizonMs }: EventlessCommand,
  wallMs: () => number,
): Outcome | Undecided {
  const timeMs = uuidV7TimeMs(id)
  if (timeMs <= horizonMs)
    return idRefusal(id, 'id_expired', { partition: frame.partition, sequence: lastSequence(frame) })
  // The writer judged the id by its wall clock. If that was set back, recorded time runs ahead: use the earlier.
  const aheadMs = timeMs - Math.min(Number(frame.timeNs / NS_PER_MS), wallMs()) - ID_AHEAD_MS_MAX
  return aheadMs > 0 ? { undecided: 'future', aheadMs } : { undecided: 'unknown' }
}
