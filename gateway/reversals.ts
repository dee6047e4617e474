/**
 * Reversals: the core keeps no list of transfers, so the door tells it what the transfer to reverse moved, and up to where
 * it has made sure that nobody has reversed it before (docs/decisions/0003). Both come from one read of the views, made
 * after they have caught up with what the feed had brought when the request came: so a transfer just acknowledged can be
 * reversed at once, and the checked sequence is as fresh as the request. The core refuses `reversal_unchecked` only where
 * more reversals than it remembers came in since; then the id is used up, and the caller sends a new one.
 */
import type { Command } from '../schemas/commands.ts'
import { formatId, parseId, type Id } from '../schemas/ids.ts'
import type { EventRow } from '../projectors/queries/events.ts'
import { badInput, type Fault } from './errors.ts'
import type { Outcome } from './outcomes.ts'
import type { Services } from './services.ts'

/** A reversal ready for the core, or the refusal that the view already tells. */
export type PreparedReversal =
  { readonly command: Command; readonly partition: number } | { readonly refused: Outcome }

/**
 * Fills in what a reversal undoes.
 * @throws Fault BAD_USER_INPUT where there is no such transfer or it is none that can be reversed; NOT_YET
 */
export async function prepareReversal(
  { views, feed, submitter, limits }: Pick<Services, 'views' | 'feed' | 'submitter' | 'limits'>,
  command: Command,
  path: string,
): Promise<PreparedReversal> {
  // So that the feed has brought the transfer, if anybody has been told of it.
  if (limits.elsewhereWaitMs > 0) await submitter.recentPartitionOf(command.related!)
  const originalId = formatId(command.related!)
  const point = await views.points.at(feed.position())
  const [events, related] = await Promise.all([
    views.events(point, originalId),
    views.related(point, originalId),
  ])
  const original = events[0]
  if (original?.kind !== 'TransferPosted' && original?.kind !== 'HoldPosted')
    throw notReversible(original, `${path}.transferId`)
  const reversal = related.find((event) => event.kind === 'TransferReversed')
  // The same id again is a repeat: the core lets it pass without an event, and the first outcome is the answer.
  if (reversal !== undefined && reversal.transferId !== formatId(command.id))
    return { refused: alreadyReversed(command.id, reversal) }
  const [debit, credit] = await Promise.all([
    views.accountIdOf({ partition: original.partition, account: original.debit.account }, original.sequence),
    views.accountIdOf({ partition: original.partition, account: original.credit.account }, original.sequence),
  ])
  return {
    partition: original.partition,
    command: {
      ...command,
      // What was paid goes back.
      debit: parseId(credit)!,
      credit: parseId(debit)!,
      amount: original.amount,
      currency: original.currency,
      checkedSequence: point.upTo.get(original.partition) ?? 0n,
    },
  }
}

function notReversible(original: EventRow | undefined, field: string): Fault {
  if (original === undefined) return badInput(field, 'There is no transfer with this id.')
  return badInput(
    field,
    `This id is not of a transfer that moved money (${original.kind}), so there is nothing to reverse. ` +
      'Of a hold, reverse what posted it.',
  )
}

/** The view knows better than any event could say: nothing is offered, and the id stays unused. */
function alreadyReversed(id: Id, reversal: EventRow): Outcome {
  return {
    id,
    place: { partition: reversal.partition, sequence: reversal.sequence },
    refusal: 'already_reversed',
    replayed: false,
    event: () => undefined,
  }
}
