/**
 * The events under one id, sorted by what they are. A command has one event, and a transfer across partitions has several,
 * on both sides. Events of the view and of the feed are alike here.
 */
import type { PublicEvent } from '../../../projectors/views/audit/events.ts'
import { ANSWERS_NOTHING, parseCrossing, type CrossingText } from '../../../schemas/crossing.ts'
import { EVENT_KINDS, type EventKind } from '../../../schemas/events.ts'
import { partitionOf } from '../../../schemas/partitions.ts'
import type { Position } from '../../../schemas/positions.ts'
import { refusalOf, type Refusal } from '../../../schemas/refusals.ts'
import type { PartitionSequence } from '../../positions/tokens.ts'

/** What a transfer across partitions has come to, or a hold, a post of it or its release. */
export type TransferPhase =
  | 'RESERVED' | 'DEBITED' | 'CONFIRMED' | 'RECALLED' | 'CREDITED' | 'COMPLETED' | 'CANCELLED' | 'COMPENSATED'
  | 'HELD' | 'DRAWN' | 'RELEASED' // prettier-ignore

/** What an event means to the sender of the transfer. */
type Meaning =
  /** The client's command made it. */
  | 'first'
  | 'end'
  /** A step at the partition of the debit account, and one at that of the credit account. */
  | 'source'
  | 'destination'
  /** Nothing has changed. */
  | 'again'

/**
 * In the order of cause and effect: of one transfer, no event comes before one that stands above it. Only TransferRecalled
 * and TransferCredited may come in either order, on their two sides.
 */
const CROSSINGS: Readonly<
  Partial<Record<EventKind, { readonly means: Meaning; readonly phase?: TransferPhase }>>
> = {
  TransferReserved: { means: 'first', phase: 'RESERVED' },
  HoldReserved: { means: 'first', phase: 'RESERVED' },
  TransferDebited: { means: 'first', phase: 'DEBITED' },
  HoldDrawn: { means: 'first', phase: 'DRAWN' },
  CreditReserved: { means: 'destination' },
  CreditRefused: { means: 'destination' },
  TransferConfirmed: { means: 'source', phase: 'CONFIRMED' },
  HoldConfirmed: { means: 'end', phase: 'HELD' },
  TransferCancelled: { means: 'end', phase: 'CANCELLED' },
  // What a client asked for, or what becomes of the hold without one: `meaningOf`.
  HoldReleased: { means: 'source', phase: 'RELEASED' },
  TransferRecalled: { means: 'source', phase: 'RECALLED' },
  TransferCredited: { means: 'destination', phase: 'CREDITED' },
  CreditDrawn: { means: 'destination', phase: 'CREDITED' },
  CreditCancelled: { means: 'destination' },
  CancelAcknowledged: { means: 'source' },
  TransferCompensated: { means: 'end', phase: 'COMPENSATED' },
  TransferCompleted: { means: 'end', phase: 'COMPLETED' },
  ReleaseCompleted: { means: 'source' },
  TransferReminded: { means: 'again' },
  StepAnswered: { means: 'again' },
}
const ORDER = Object.keys(CROSSINGS)

/** Every phase, in the order of cause and effect. */
export const PHASES: readonly TransferPhase[] = [
  ...new Set(Object.values(CROSSINGS).flatMap(({ phase }) => phase ?? [])),
]

/** The phase that an event has led to. Undefined: it leads to none. */
export function phaseOf(event: PublicEvent): TransferPhase | undefined {
  return event.kind === 'ReleaseCompleted' && isOfVoid(event) ? 'COMPLETED' : CROSSINGS[event.kind]?.phase
}

/** What an event means to whom its id tells. The release of a hold is the beginning and the end of the command that voids it. */
function meaningOf(event: PublicEvent): Meaning | undefined {
  if (event.kind === 'HoldReleased' && isOfVoid(event)) return 'first'
  if (event.kind === 'ReleaseCompleted' && isOfVoid(event)) return 'end'
  return CROSSINGS[event.kind]?.means
}

/** Of the release of a hold: true if a client's command voids it; else it has the hold's own id. */
function isOfVoid({ transferId, relatedId }: PublicEvent): boolean {
  return transferId !== relatedId
}

/** True for every event of a transfer across partitions, on either side. */
export function isOfCrossing({ kind }: PublicEvent): boolean {
  return CROSSINGS[kind] !== undefined
}

export function beginsCrossing(event: PublicEvent): boolean {
  return meaningOf(event) === 'first'
}

/** What became of an id. */
export interface Life {
  /** The event that the client's command made. Its fingerprint is that of the command. */
  readonly first: PublicEvent
  /** The outcome. Undefined: a crossing that is under way. */
  readonly end: PublicEvent | undefined
  /** Events of the partition that decided the command, in order. */
  readonly own: readonly PublicEvent[]
  /** Those of the other side of a crossing, or of what a repartition split in halves, in order. */
  readonly elsewhere: readonly PublicEvent[]
}

/**
 * Sorts the events under an id. Undefined: no command of a client has made one.
 * @param events of any partitions, those of a partition in order
 */
export function lifeOf(events: readonly PublicEvent[]): Life | undefined {
  const first = events.find(isFirst)
  if (first === undefined) return undefined
  const text = parseCrossing(first.namedAccounts)
  if (!beginsCrossing(first)) {
    const own = events.filter((event) => event.partition === first.partition && CROSSINGS[event.kind] === undefined && event.kind !== 'IdClaimed')
    return { first, end: first, own, elsewhere: text === undefined ? [] : events.filter(isAtDestination) }
  }
  const own = events.filter((event) => event.partition === first.partition && isAtSource(event))
  const elsewhere = events.filter((event) => isAtDestination(event) && isSameTurn(text, parseCrossing(event.namedAccounts)))
  return { first, end: own.find((event) => meaningOf(event) === 'end'), own, elsewhere }
} // prettier-ignore

function isFirst(event: PublicEvent): boolean {
  const means = meaningOf(event)
  if (means !== undefined) return means === 'first'
  return event.command !== 'ExpireHold' && event.command !== 'TimeStep' && event.command !== 'ClaimId'
}

function isAtSource(event: PublicEvent): boolean {
  const means = meaningOf(event)
  return means === 'first' || means === 'source' || means === 'end'
}

function isAtDestination({ kind }: PublicEvent): boolean {
  return CROSSINGS[kind]?.means === 'destination'
}

/** True for what moved money between accounts that live apart: a crossing, or what a repartition has split. */
export function isAcross({ namedAccounts }: PublicEvent): boolean {
  return parseCrossing(namedAccounts) !== undefined
}

function isSameTurn(left: CrossingText | undefined, right: CrossingText | undefined): boolean {
  return left?.source === right?.source && left?.channel === right?.channel && left?.turn === right?.turn
}

/** All that changed something, on both sides, in the order of cause and effect. */
export function timelineOf({ first, own, elsewhere }: Life): readonly PublicEvent[] {
  if (!beginsCrossing(first)) return own
  return [...own, ...elsewhere].sort((left, right) => ORDER.indexOf(left.kind) - ORDER.indexOf(right.kind))
}

/** The newest event that led to a phase; of a command that was decided in one partition, its outcome. */
export function newestOf(life: Life): PublicEvent {
  return timelineOf(life).findLast((event) => phaseOf(event) !== undefined) ?? life.first
}

/** Why the sender is told that nothing has come of it. Undefined: it is no refusal. */
export function toldRefusal({ kind, refusal, fingerprint }: PublicEvent): Refusal | undefined {
  return kind === 'TransferCancelled' || kind === 'TransferCompensated'
    ? refusalOf(Number(fingerprint & 0xffn))
    : refusal
}

/** The event of the other partition that an event of a crossing answers. Undefined: it answers none. */
export function answeredBy(
  { kind, partition, namedAccounts }: Pick<PublicEvent, 'kind' | 'partition' | 'namedAccounts'>,
  partitions: number,
): PartitionSequence | undefined {
  if (ANSWERS_NOTHING.has(EVENT_KINDS[kind])) return undefined
  const text = parseCrossing(namedAccounts)
  if (text === undefined || text.answers === 0n) return undefined
  const other = partition === text.source ? partitionOf(text.credit, partitions) : text.source
  return { partition: other, sequence: text.answers }
}

/** Where the log has an event, and the one of the other side on which it rests. A read "after" it sees both. */
export function positionOfEvent(event: PublicEvent, partitions: number): Position {
  const position = new Map([[event.partition, event.sequence]])
  const other = answeredBy(event, partitions)
  if (other !== undefined) position.set(other.partition, other.sequence)
  return position
}
