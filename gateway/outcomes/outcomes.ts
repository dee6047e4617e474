/** The outcome of a command: an event, or an id that is reason enough. */
import type { PublicEvent } from '../../projectors/views/audit/events.ts'
import { ANSWERS_NOTHING, CROSSING_WORD, CROSSING_WORDS, crossingTextAt, readCrossing } from '../../schemas/crossing.ts' // prettier-ignore
import { decodeEvent, type WalletEvent } from '../../schemas/events.ts'
import type { FrameRows } from '../../schemas/frame-rows.ts'
import { formatId, isNilId, type Id } from '../../schemas/ids.ts'
import { partitionOfWords } from '../../schemas/partitions.ts'
import { refusalOf, type IdRefusal, type RefusalCode } from '../../schemas/refusals.ts'
import type { Position } from '../../schemas/positions.ts'
import type { PartitionSequence } from '../positions/tokens.ts'
import { answeredBy, toldRefusal } from './crossings/life.ts'

/** The text of the crossing at hand. */
const crossing = new Int32Array(CROSSING_WORDS)

export interface Outcome {
  readonly id: Id
  /**
   * Where the log states it. For an event: its own sequence. For an id's refusal: the end of the frame that consumed
   * the command.
   */
  readonly at: PartitionSequence
  /** Of a transfer across partitions, the event of the other side on which the outcome rests. */
  readonly other: PartitionSequence | undefined
  /** Why it was refused; undefined if it has happened. */
  readonly refusal: RefusalCode | undefined
  /** True if this id had its outcome before this request. */
  readonly replayed: boolean
  /** The event, decoded when asked for; undefined for an id's refusal. */
  event(): PublicEvent | undefined
}

/** The outcome of an id that never makes an event. */
export function idRefusal(id: Id, code: IdRefusal, at: PartitionSequence): Outcome {
  return { id, at, other: undefined, refusal: code, replayed: false, event: () => undefined }
}

/**
 * The outcome that an event states.
 * @param partitions of the deployment
 */
export function outcomeOf(id: Id, event: PublicEvent, replayed: boolean, partitions: number): Outcome {
  return {
    id,
    at: { partition: event.partition, sequence: event.sequence },
    other: answeredBy(event, partitions),
    refusal: toldRefusal(event),
    replayed,
    event: () => event,
  }
}

/** The outcome that the row at `byte` states, of a command that was decided in one partition. */
export function outcomeAt(id: Id, rows: FrameRows, byte: number, replayed: boolean): Outcome {
  const refusal = rows.refusal(byte)
  return {
    id,
    at: sequenceAt(rows, byte),
    other: undefined,
    refusal: refusal === 0 ? undefined : refusalOf(refusal),
    replayed,
    event: () => eventAt(rows, byte),
  }
}

/** Where the log has an outcome. A read "after" it sees both sides of a transfer across partitions. */
export function positionOfOutcome({ at, other }: Pick<Outcome, 'at' | 'other'>): Position {
  const position = new Map([[at.partition, at.sequence]])
  if (other !== undefined) position.set(other.partition, other.sequence)
  return position
}

/** The event of the other side that the row at `byte`, of a crossing, answers. Undefined: it answers none. */
export function otherOf(rows: FrameRows, byte: number, partitions: number): PartitionSequence | undefined {
  const { payload, partition } = rows.frame
  if (ANSWERS_NOTHING.has(rows.kind(byte))) return undefined
  const text = crossingTextAt(payload, byte)
  if (text < 0) return undefined
  readCrossing(payload, text, crossing)
  const { source, debit, credit, answers } = CROSSING_WORD
  const sequence = (BigInt(crossing[answers + 1]! >>> 0) << 32n) | BigInt(crossing[answers]! >>> 0)
  if (sequence === 0n) return undefined
  const account = partition === crossing[source] ? credit : debit
  return { partition: partitionOfWords(crossing, account, partitions), sequence }
}

/** The partition sequence of the row at `byte`. */
export function sequenceAt(rows: FrameRows, byte: number): PartitionSequence {
  return { partition: rows.frame.partition, sequence: rows.sequence(byte) }
}

export function eventAt(rows: FrameRows, byte: number): PublicEvent {
  return publicEvent(decodeEvent(rows.frame.payload, byte))
}

/** An event of the log in the form that the views give. */
export function publicEvent(event: WalletEvent): PublicEvent {
  const { transferId, relatedId, reference, debit, credit, ...same } = event
  return {
    ...same,
    transferId: formatId(transferId),
    relatedId: isNilId(relatedId) ? undefined : formatId(relatedId),
    reference: isNilId(reference) ? undefined : formatId(reference),
    debit: { ...debit, account: debit.number },
    credit: { ...credit, account: credit.number },
  }
}
