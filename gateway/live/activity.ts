/**
 * An account's entries as they happen. First a subscription attaches to the hub. Then the view fills in what lies
 * between the subscriber's cursor and the seam. Then entries come live. Positions decide at every step, so no entry is
 * missing and none comes twice.
 */
import { historyPage, type HistoryRow } from '../../projectors/views/history/history.ts'
import type { WalletEvent } from '../../schemas/events.ts'
import { decodeEvent } from '../../schemas/events.ts'
import { formatId, isNilId } from '../../schemas/ids.ts'
import { PAGE_ITEMS_MAX } from '../bounds.ts'
import type { Services } from '../services.ts'
import { BoundedQueue, END, pullStream } from './streams.ts'
import type { AccountIdentity } from '../read/views.ts'

/** Memory of a waiting row besides its bytes: the array, its buffer, the allocator's rounding (measured, Node 20). */
const WAITING_ROW_OVERHEAD_BYTES = 560
/** Memory of a decoded row of the views (measured: 1.7 kB with a memo of 100 bytes). */
const PAGED_ROW_BYTES = 2_048

/**
 * What a subscriber gets: an entry; or, at the end, that it was too slow and up to which sequence it has everything.
 */
export type ActivityItem =
  | { readonly kind: 'entry'; readonly row: HistoryRow }
  | { readonly kind: 'lagged'; readonly sequence: bigint }

/**
 * Streams the entries of an account behind a sequence, or those from now on. It is attached to the hub when this
 * returns.
 * @param afterSequence of the last entry that the subscriber has; undefined: from now on
 */
export function accountActivity(
  services: Services,
  identity: AccountIdentity,
  afterSequence: bigint | undefined,
): AsyncGenerator<ActivityItem, undefined, undefined> {
  const { views, hub, feed, limits, memory } = services
  const { partition, account } = identity
  // Rows wait in the encoding of the log, in one copy for all subscribers. Each is decoded when a reader takes it.
  const queue = new BoundedQueue<Uint8Array>(limits.subscriberQueueMax, { memory, bytesOf: bytesOfWaiting })
  const detach = hub.onAccount(partition, account, (rows, byte) => {
    // A queue that has overflowed takes nothing more, so the copy is spared.
    if (!queue.lagged) queue.push(rows.copy(byte))
  })
  /** The view fills in up to here. Everything behind it comes from the queue. */
  let seam = feed.sequence(partition)
  let last = afterSequence ?? seam
  let page: HistoryRow[] = []
  let isLive = last >= seam
  let over = false

  /** The next entry between cursor and seam; undefined if there is none left. */
  const fill = async (): Promise<HistoryRow | undefined> => {
    if (page.length === 0) {
      const point = await views.points.atSequence({ partition, sequence: seam })
      page = await historyPage(
        views.store,
        identity,
        {
          limit: PAGE_ITEMS_MAX,
          order: 'oldest first',
          afterSequence: last,
          beforeSequence: seam + 1n,
        },
        point.upTo,
      )
    }
    const next = page.shift()
    queue.keepBeside(page.length * PAGED_ROW_BYTES)
    return next
  }

  const pull = async (): Promise<ActivityItem | typeof END> => {
    if (over) return END
    for (;;) {
      if (queue.shed) {
        page = []
        over = true
        return { kind: 'lagged', sequence: last }
      }
      if (!isLive) {
        const row = await fill()
        if (row !== undefined) {
          last = row.sequence
          return { kind: 'entry', row }
        }
        last = last > seam ? last : seam
        isLive = !queue.lagged
        if (!isLive) {
          // More came than the queue holds while the view filled in. The view has all that by now, too.
          queue.restart()
          seam = feed.sequence(partition)
        }
        continue
      }
      const taken = await queue.take()
      if (taken.kind === 'closed') return END
      if (taken.kind === 'lagged') {
        over = true
        return { kind: 'lagged', sequence: last }
      }
      const row = entryOf(decodeEvent(taken.item, 0), account)
      // Happens only if the cursor is ahead of this gateway's feed, because another gateway issued it.
      if (row.sequence <= last) continue
      last = row.sequence
      return { kind: 'entry', row }
    }
  }
  return pullStream(pull, () => {
    detach()
    queue.close()
  })
}

function bytesOfWaiting(row: Uint8Array): number {
  return row.length + WAITING_ROW_OVERHEAD_BYTES
}

/** An event as an entry of one of its accounts. */
export function entryOf(event: WalletEvent, account: number): HistoryRow {
  const isDebit = event.debit.number === account
  const side = isDebit ? event.debit : event.credit
  return {
    partition: event.partition,
    account,
    version: side.version,
    sequence: event.sequence,
    recordedAtNs: event.recordedAtNs,
    effectiveAtNs: event.effectiveAtNs,
    kind: event.kind,
    direction: isDebit ? 'debit' : 'credit',
    counterparty: isDebit ? event.credit.number : event.debit.number,
    amount: event.amount,
    debitsPosted: side.debitsPosted,
    debitsPending: side.debitsPending,
    creditsPosted: side.creditsPosted,
    creditsPending: side.creditsPending,
    transferId: formatId(event.transferId),
    relatedId: isNilId(event.relatedId) ? undefined : formatId(event.relatedId),
    reference: isNilId(event.reference) ? undefined : formatId(event.reference),
    expiresAtNs: event.expiresAtNs,
    code: event.code,
    memo: event.memo,
  }
}
