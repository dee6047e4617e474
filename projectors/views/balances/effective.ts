/**
 * When an entry counts by effective time: at its own, and what ends a hold, or a part of it, no earlier than the hold itself. A hold may be
 * dated ahead and voided today, or be posted with a date before it: counted at its own date the end would take away what
 * nothing had reserved yet, and an account would hold less than nothing. Events say what was asked for; how a past moment
 * follows from them is said here alone, so it holds for every log, whenever it was written.
 */
import { EVENT_KINDS } from '../../../schemas/events.ts'

/** Across partitions a hold has an event of these on each side. */
const PLACED = [EVENT_KINDS.HoldPlaced, EVENT_KINDS.HoldReserved, EVENT_KINDS.CreditReserved].join(', ')
const ENDS = [
  EVENT_KINDS.HoldPosted,
  EVENT_KINDS.HoldPostedInPart,
  EVENT_KINDS.HoldVoided,
  EVENT_KINDS.HoldExpired,
  EVENT_KINDS.HoldDrawn,
  EVENT_KINDS.HoldReleased,
  EVENT_KINDS.CreditDrawn,
  EVENT_KINDS.CreditCancelled,
].join(', ')

/**
 * The condition that keeps entries of the history to those that count at a moment. It goes by the columns `partition`,
 * `kind`, `related_id` and `effective_at`.
 * @param at the moment, as SQL
 * @param among which entries there are, as a condition on the history: the holds are looked for in them
 */
export function countsAt(at: string, among: string): string {
  return `effective_at <= ${at}
    AND NOT (kind IN (${ENDS}) AND (partition, related_id) IN (${laterHolds(at, among)}))`
}

/**
 * The holds that are dated behind the moment and could have an end dated before it. Of all those behind it, these are few:
 * a hold is recorded before its end, so either it was recorded by the moment and dated ahead, or its end was dated back.
 */
function laterHolds(at: string, among: string): string {
  const endedEarlier = `SELECT partition, related_id FROM {history:Identifier}
    WHERE ${among} AND kind IN (${ENDS}) AND effective_at <= ${at} AND recorded_at > ${at}`
  return `SELECT partition, transfer_id FROM {history:Identifier}
    WHERE ${among} AND kind IN (${PLACED}) AND effective_at > ${at}
      AND (recorded_at <= ${at} OR (partition, transfer_id) IN (${endedEarlier}))`
}
