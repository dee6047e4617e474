/**
 * Settles claims of ids that were consumed without an event: the id was known at its home before, or is older than what
 * the home remembers. The views tell which, as for any other command (settle-repeat.ts).
 */
import { lastSequence } from '../../schemas/frames.ts'
import { formatId, type Id } from '../../schemas/ids.ts'
import { lifeOf } from './crossings/life.ts'
import { idRefusal, type Outcome } from './outcomes.ts'
import { withoutEvent, type EventlessCommand, type RepeatContext } from './settle-repeat.ts'
import type { Undecided } from './undecided.ts'

/** A claim: an id, and the partition that is to decide with it. */
export interface Claim {
  readonly id: Id
  readonly partition: number
}

/**
 * Why the id may not be used by the command that it was claimed for; undefined: it may.
 * @param wallMs this machine's clock, milliseconds since 1970
 * @throws Fault NOT_YET if the views do not include the frame in time; the same id may be sent again
 */
export async function settleClaim(
  { views, outcomeWaitMs }: RepeatContext,
  { id, partition }: Claim,
  eventless: EventlessCommand,
  wallMs: () => number,
): Promise<Outcome | Undecided | undefined> {
  const { frame } = eventless
  const frameEnd = { partition: frame.partition, sequence: lastSequence(frame) }
  const events = await views.events(await views.points.atSequence(frameEnd, outcomeWaitMs), formatId(id))
  // What has happened in the partition that is asked for is answered there: as a repeat, or as an id that is in use.
  const first = lifeOf(events)?.first
  if (first?.partition === partition) return undefined
  const atHome = events.filter((event) => event.partition === frame.partition)
  const claim = atHome.find(({ kind }) => kind === 'IdClaimed')
  if (claim?.code === partition) return undefined
  const used = claim ?? first
  if (used !== undefined)
    return idRefusal(id, 'id_reused', { partition: used.partition, sequence: used.sequence })
  return withoutEvent(id, eventless, wallMs)
}
