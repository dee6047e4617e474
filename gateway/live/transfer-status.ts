/**
 * A transfer's state as it changes: the present one, then each change until the transfer is decided. A transfer that
 * does not exist yet is waited for. Of a transfer across partitions each phase is told, from both sides.
 */
import type { PublicEvent } from '../../projectors/views/audit/events.ts'
import { decodeEvent } from '../../schemas/events.ts'
import { parseId } from '../../schemas/ids.ts'
import type { Position } from '../../schemas/positions.ts'
import { fault, type Fault } from '../errors.ts'
import {
  beginsCrossing,
  isOfCrossing,
  lifeOf,
  phaseOf,
  positionOfEvent,
  timelineOf,
  type Life,
} from '../outcomes/crossings/life.ts'
import { publicEvent } from '../outcomes/outcomes.ts'
import { isTerminal, stateAfter, stateOf, transferKindOf, type TransferState } from './transfer-state.ts'
import type { Services } from '../services.ts'
import { CrossingPhases } from './crossing-phases.ts'
import { BoundedQueue, END, pullStream } from './streams.ts'

export interface StatusItem {
  readonly state: TransferState
  /** The event that led to this state. */
  readonly event: PublicEvent
  /** Includes everything that was told so far. */
  readonly position: Position
}

/** A transfer has few events that are told: placed, ended and reversed; across partitions at most five. */
const EVENTS_MAX = 16
/** Memory of a waiting event, decoded. */
const EVENT_BYTES = 2_048

/**
 * Streams the states of a transfer. It is attached to the feed when this returns. Earlier events are read from the
 * views, once they include what the feed had brought so far. An event that comes in meanwhile is delivered at once.
 * @param after what the first item has to include; of a transfer across partitions, what the subscriber has been told
 */
export function transferStatus(
  services: Services,
  id: string,
  after: Position | undefined,
): AsyncGenerator<StatusItem, undefined, undefined> {
  const { hub, feed, views, memory } = services
  const queue = new BoundedQueue<PublicEvent | 'read'>(EVENTS_MAX, { memory, bytesOf: () => EVENT_BYTES })
  const detach = hub.onTransfer(parseId(id)!, (rows, byte) => {
    const event = publicEvent(decodeEvent(rows.frame.payload, byte))
    // Reminders and the like come without an end, and change nothing.
    if (!isOfCrossing(event) || isPhase(event)) queue.push(event)
  })
  /** Posts of a hold have phases of their own; of what ends it, the release is the hold's as well. */
  const isPhase = (event: PublicEvent): boolean =>
    phaseOf(event) !== undefined && (event.transferId === id || event.kind === 'HoldReleased')
  let past: { readonly life: Life | undefined; readonly related: readonly PublicEvent[] } | undefined
  let failure: Error | undefined
  /** Sequence of the last event delivered, of a transfer within a partition. Only later ones follow. */
  let last: bigint | undefined
  const phases = new CrossingPhases()
  const told = new Map<number, bigint>()
  let isReading = true
  let over = false

  const read = async (more: Position): Promise<void> => {
    const wanted = new Map(feed.position())
    for (const [partition, sequence] of more)
      if (sequence > (wanted.get(partition) ?? 0n)) wanted.set(partition, sequence)
    const point = await views.points.at(wanted, services.limits.outcomeWaitMs)
    const [events, related] = await Promise.all([views.events(point, id), views.related(point, id)])
    past = { life: lifeOf(events), related }
  }
  const startReading = (more: Position): void => {
    isReading = true
    read(more)
      .catch((error: unknown) => (failure = error as Error))
      .finally(() => queue.push('read'))
  }
  startReading(after ?? new Map())

  const itemOf = (event: PublicEvent, state: TransferState): StatusItem => {
    over = isTerminal(state)
    if (event.sequence > (told.get(event.partition) ?? 0n)) told.set(event.partition, event.sequence)
    return { state, event, position: new Map(told) }
  }
  const within = (event: PublicEvent, state: TransferState | undefined): StatusItem | undefined => {
    // Commands about accounts have ids as well, but no state.
    if (
      state === undefined ||
      (event.transferId === id && transferKindOf(event) === undefined && event.kind !== 'HoldExpired')
    )
      return undefined
    if (last !== undefined && event.sequence <= last) return undefined
    last = event.sequence
    return itemOf(event, state)
  }
  /** The item that the read past leads to, if it is of a transfer within a partition. */
  const fromPast = (): StatusItem | undefined => {
    isReading = false
    if (past?.life === undefined) return undefined
    const { life, related } = past
    if (!beginsCrossing(life.first)) {
      const newest = [...life.own, ...related]
        .sort((one, other) => Number(one.recordedAtNs - other.recordedAtNs))
        .at(-1)!
      return within(newest, stateOf(life, related))
    }
    for (const event of [...timelineOf(life), ...related]) if (isPhase(event)) phases.add(event)
    if (after === undefined) phases.skipToNewest()
    else phases.skip(({ partition, sequence }) => sequence <= (after.get(partition) ?? 0n))
    return undefined
  }

  const pull = async (): Promise<StatusItem | typeof END> => {
    for (;;) {
      if (over) return END
      const due = phases.next()
      if (due !== undefined) return itemOf(due, stateAfter(id, due)!)
      const held = phases.heldEnd
      // What caused it is in the views once they hold the end.
      if (held !== undefined && !isReading) startReading(positionOfEvent(held, services.submitter.partitions))
      const taken = await queue.take()
      if (taken.kind === 'closed') return END
      if (taken.kind === 'lagged') throw lagged(services, told)
      if (taken.item === 'read') {
        if (failure !== undefined) throw failure
        const item = fromPast()
        if (item !== undefined) return item
      } else if (isOfCrossing(taken.item)) phases.add(taken.item)
      else {
        const item = within(taken.item, stateAfter(id, taken.item))
        if (item !== undefined) return item
      }
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
function lagged({ tokens }: Services, told: Position): Fault {
  const place = told.size === 0 ? {} : { position: tokens.position(told) }
  return fault('SUBSCRIPTION_LAGGED', 'More happened than was read. Subscribe again.', place)
}
