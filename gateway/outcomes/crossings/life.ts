/**
 * The events under one id, sorted by what they are. A command has one event, and a transfer across partitions has several,
 * on both sides. Events of the view and of the feed are alike here.
 */
import type { PublicEvent } from '../../../projectors/views/audit/events.ts'
import { parseCrossing, type CrossingText } from '../../../schemas/crossing.ts'
import type { EventKind } from '../../../schemas/events.ts'
import { partitionOf } from '../../../schemas/partitions.ts'
import type { Position } from '../../../schemas/positions.ts'
import { refusalOf, type Refusal } from '../../../schemas/refusals.ts'
import type { PartitionSequence } from '../../positions/tokens.ts'

/** What a transfer across partitions has come to. */
export type TransferPhase =
  'RESERVED' | 'DEBITED' | 'CONFIRMED' | 'RECALLED' | 'CREDITED' | 'COMPLETED' | 'CANCELLED' | 'COMPENSATED'

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
  TransferDebited: { means: 'first', phase: 'DEBITED' },
  CreditReserved: { means: 'destination' },
  CreditRefused: { means: 'destination' },
  TransferConfirmed: { means: 'source', phase: 'CONFIRMED' },
  TransferCancelled: { means: 'end', phase: 'CANCELLED' },
  TransferRecalled: { means: 'source', phase: 'RECALLED' },
  TransferCredited: { means: 'destination', phase: 'CREDITED' },
  CreditCancelled: { means: 'destination' },
  CancelAcknowledged: { means: 'source' },
  TransferCompensated: { means: 'end', phase: 'COMPENSATED' },
  TransferCompleted: { means: 'end', phase: 'COMPLETED' },
  TransferReminded: { means: 'again' },
  StepAnswered: { means: 'again' },
}
const ORDER = Object.keys(CROSSINGS)

/** Every phase, in the order of cause and effect. */
export const PHASES: readonly TransferPhase[] = Object.values(CROSSINGS).flatMap(({ phase }) => phase ?? [])

/** The phase that an event has led to. Undefined: it leads to none. */
export function phaseOf({ kind }: PublicEvent): TransferPhase | undefined {
  return CROSSINGS[kind]?.phase
}

/** True for every event of a transfer across partitions, on either side. */
export function isOfCrossing({ kind }: PublicEvent): boolean {
  return CROSSINGS[kind] !== undefined
}

export function beginsCrossing({ kind }: PublicEvent): boolean {
  return CROSSINGS[kind]?.means === 'first'
}

/** What became of an id. */
export interface Life {
  /** The event that the client's command made. Its fingerprint is that of the command. */
  readonly first: PublicEvent
  /** The outcome. Undefined: a crossing that is under way. */
  readonly end: PublicEvent | undefined
  /** Events of the partition that decided the command, in order. */
  readonly own: readonly PublicEvent[]
  /** Those of the other side of a crossing, in order. */
  readonly elsewhere: readonly PublicEvent[]
}

/**
 * Sorts the events under an id. Undefined: no command of a client has made one.
 * @param events of any partitions, those of a partition in order
 */
export function lifeOf(events: readonly PublicEvent[]): Life | undefined {
  const first = events.find(isFirst)
  if (first === undefined) return undefined
  if (!beginsCrossing(first)) {
    const own = events.filter((event) => event.partition === first.partition && CROSSINGS[event.kind] === undefined && event.kind !== 'IdClaimed')
    return { first, end: first, own, elsewhere: [] }
  }
  const own = events.filter((event) => event.partition === first.partition && isAtSource(event))
  const text = parseCrossing(first.namedAccounts)
  const elsewhere = events.filter(({ kind, namedAccounts }) => CROSSINGS[kind]?.means === 'destination' && isSameTurn(text, parseCrossing(namedAccounts)))
  return { first, end: own.find(({ kind }) => CROSSINGS[kind]?.means === 'end'), own, elsewhere }
} // prettier-ignore

function isFirst({ kind, command }: PublicEvent): boolean {
  const crossing = CROSSINGS[kind]
  if (crossing !== undefined) return crossing.means === 'first'
  return command !== 'ExpireHold' && command !== 'TimeStep' && command !== 'ClaimId'
}

function isAtSource({ kind }: PublicEvent): boolean {
  const means = CROSSINGS[kind]?.means
  return means === 'first' || means === 'source' || means === 'end'
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
  { partition, namedAccounts }: Pick<PublicEvent, 'partition' | 'namedAccounts'>,
  partitions: number,
): PartitionSequence | undefined {
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
