/**
 * A transfer's state as it changes: the present one, then each change until the transfer is decided. A transfer that
 * does not exist yet is waited for.
 */
import type { PublicEvent } from '../../projectors/views/audit/events.ts'
import { decodeEvent } from '../../schemas/events.ts'
import { parseId } from '../../schemas/ids.ts'
import type { Position } from '../../schemas/positions.ts'
import { fault, type Fault } from '../errors.ts'
import { publicEvent } from '../outcomes/outcomes.ts'
import { isTerminal, stateAfter, stateOf, transferKindOf, type TransferState } from './transfer-state.ts'
import type { Services } from '../services.ts'
import { BoundedQueue, END, pullStream } from './streams.ts'
import { positionAt } from '../positions/tokens.ts'

export interface StatusItem {
  readonly state: TransferState
  /** The event that led to this state. */
  readonly event: PublicEvent
}

/** A transfer has at most three events: placed, ended, and reversed. */
const EVENTS_MAX = 16
/** Memory of a waiting event, decoded. */
const EVENT_BYTES = 2_048

/**
 * Streams the states of a transfer. It is attached to the feed when this returns. Earlier events are read from the
 * views, once they include what the feed had brought so far. An event that comes in meanwhile is delivered at once.
 */
export function transferStatus(
  services: Services,
  id: string,
  after: Position | undefined,
): AsyncGenerator<StatusItem, undefined, undefined> {
  const { hub, feed, views, memory } = services
  const queue = new BoundedQueue<PublicEvent | 'read'>(EVENTS_MAX, { memory, bytesOf: () => EVENT_BYTES })
  const detach = hub.onTransfer(parseId(id)!, (rows, byte) =>
    queue.push(publicEvent(decodeEvent(rows.frame.payload, byte))),
  )
  let past: readonly PublicEvent[] = []
  let failure: Error | undefined
  /** The last event delivered. Only later ones follow. */
  let last: PublicEvent | undefined
  let over = false

  const readPast = async (): Promise<void> => {
    const wanted = new Map(feed.position())
    for (const [partition, sequence] of after ?? [])
      if (sequence > (wanted.get(partition) ?? 0n)) wanted.set(partition, sequence)
    const point = await views.points.at(wanted, services.limits.outcomeWaitMs)
    const [own, related] = await Promise.all([views.events(point, id), views.related(point, id)])
    past = [...own, ...related].sort((left, right) => Number(left.sequence - right.sequence))
  }
  readPast()
    .catch((error: unknown) => (failure = error as Error))
    .finally(() => queue.push('read'))

  const told = (event: PublicEvent, state: TransferState | undefined): StatusItem | undefined => {
    // Commands about accounts have ids as well, but no state.
    if (
      state === undefined ||
      (event.transferId === id && transferKindOf(event) === undefined && event.kind !== 'HoldExpired')
    )
      return undefined
    if (last !== undefined && event.sequence <= last.sequence) return undefined
    last = event
    over = isTerminal(state)
    return { state, event }
  }

  const pull = async (): Promise<StatusItem | typeof END> => {
    for (;;) {
      if (over) return END
      const taken = await queue.take()
      if (taken.kind === 'closed') return END
      if (taken.kind === 'lagged') throw lagged(services, last)
      let item: StatusItem | undefined
      if (taken.item !== 'read') item = told(taken.item, stateAfter(id, taken.item))
      else if (failure !== undefined) throw failure
      else {
        const own = past.filter(({ transferId }) => transferId === id)
        const newest = past.at(-1)
        if (newest !== undefined && own.length > 0)
          item = told(
            newest,
            stateOf(
              own,
              past.filter((event) => event.transferId !== id),
            ),
          )
      }
      if (item !== undefined) return item
    }
  }
  return pullStream(pull, () => {
    detach()
    queue.close()
  })
}

/**
 * The fault of a subscriber whose events had to be dropped. When it subscribes again, it gets those that it has missed.
 */
function lagged({ tokens }: Services, last: PublicEvent | undefined): Fault {
  const place = last === undefined ? {} : { position: tokens.position(positionAt(last)) }
  return fault('SUBSCRIPTION_LAGGED', 'More happened than was read. Subscribe again.', place)
}
