/**
 * Reversals. The core keeps no list of transfers, so the door looks the transfer up and tells the core what it found:
 * what the transfer moved; or that there is no such transfer, that it moved nothing, or that it is reversed already. It
 * also says up to which sequence it has looked. All this comes from one read of the views, made after they have caught
 * up with what the feed had brought when the request came. So a transfer that was just acknowledged can be reversed at
 * once, and the checked sequence is as fresh as the request.
 *
 * Every finding goes to the core, which makes the event. A refusal without an event would leave the id free to move
 * money later (docs/decisions/0021). The core refuses `reversal_unchecked` in two cases only: since the door looked,
 * the transfer was made, or more events came in than the core remembers. Then the id is used up, and the caller sends a
 * new one.
 */
import type { Command } from '../../schemas/commands.ts'
import { isReversal, leftOf } from '../../schemas/event-left.ts'
import type { EventKind } from '../../schemas/events.ts'
import { formatId, isUuidV7, parseId } from '../../schemas/ids.ts'
import type { PublicEvent } from '../../projectors/views/audit/events.ts'
import { badInput } from '../errors.ts'
import { beginsCrossing, isAcross, lifeOf, toldRefusal, type Life } from '../outcomes/crossings/life.ts'
import { crossPartition, decidedBy } from '../submit/command-router.ts'
import type { Services } from '../services.ts'

/** Events of a transfer that moved money, and no reversal. */
const MOVING: ReadonlySet<EventKind> = new Set<EventKind>([
  'TransferPosted',
  'HoldPosted',
  'HoldPostedInPart',
])

/** A reversal that is ready for the core, and the partition that decides it. */
export interface PreparedReversal {
  readonly command: Command
  readonly partition: number
}

/**
 * Fills in what a reversal undoes, or what was found against it.
 * @throws Fault BAD_USER_INPUT if no transfer can have the id; CROSS_PARTITION if it went from one to another; NOT_YET
 */
export async function prepareReversal(
  { views, feed, router, limits }: Pick<Services, 'views' | 'feed' | 'router' | 'limits'>,
  command: Command,
  path: string,
): Promise<PreparedReversal> {
  if (!isUuidV7(command.related!))
    throw badInput(`${path}.transferId`, 'No transfer has such an id: it would be a UUID of version 7.')
  // Another gateway may have acknowledged the transfer: wait until the feed has brought it here.
  if (limits.elsewhereWaitMs > 0) await router.recent(command.related!)
  const originalId = formatId(command.related!)
  const point = await views.points.at(feed.position())
  const [events, related, own] = await Promise.all([
    views.events(point, originalId),
    views.related(point, originalId),
    views.events(point, formatId(command.id)),
  ])
  const life = lifeOf(events)
  const original = life?.first
  const isDecided = lifeOf(own) !== undefined
  const partition = await router.ofNamed(command, decidedBy(own), original)
  const checkedSequence = point.upTo.get(partition) ?? 0n
  if (life !== undefined && movesAcross(life) && !isDecided)
    throw crossPartition(`${path}.transferId`, 'reversal')
  if (original === undefined || !MOVING.has(original.kind)) {
    const finding = original === undefined ? 'transfer_not_found' : 'transfer_not_reversible'
    return { partition, command: { ...command, checkedSequence, finding } }
  }
  const left = leftToReverse(original, related)
  const [debit, credit] = await Promise.all([
    views.accountIdOf({ partition: original.partition, account: original.debit.account }, original.sequence),
    views.accountIdOf({ partition: original.partition, account: original.credit.account }, original.sequence),
  ])
  return {
    partition,
    command: {
      ...command,
      // The accounts swap sides: what was paid goes back.
      debit: parseId(credit)!,
      credit: parseId(debit)!,
      amount: command.part === true ? command.amount : left > 0n ? left : original.amount,
      currency: original.currency,
      checkedSequence,
      leftToReverse: left,
      // The same id again is a repeat. The core lets it pass without an event, and the first outcome is the answer.
      ...(left === 0n && !isDecided ? { finding: 'already_reversed' as const } : {}),
    },
  }
}

/** True for a transfer between accounts that live apart that has moved money, or may yet. A hold moves none, nor does its end. */
function movesAcross({ first, end }: Life): boolean {
  if (first.kind === 'HoldReserved' || first.kind === 'HoldReleased') return false
  if (!beginsCrossing(first)) return isAcross(first) && MOVING.has(first.kind)
  return end === undefined || toldRefusal(end) === undefined
}

/** What is left to reverse of a transfer that did move money: the newest of its reversals says it. */
function leftToReverse(original: PublicEvent, related: readonly PublicEvent[]): bigint {
  const newest = related.findLast(isReversal)
  return newest === undefined ? original.amount : (leftOf(newest) ?? 0n)
}
