/**
 * From an event's row to the step that follows from it: the table of next-step.ts, carried out on bytes in place. A step
 * passes on all that the row says, so that the partition that it goes to need not know anything else.
 */
import { COMMAND_KINDS, COMMAND_KIND_NAMES, commandSlots, FLAG_EFFECTIVE_AT, FLAG_REFERENCE, HEAD_SHIFT, ROUTE_SAGA, ROUTE_TCC, SLOT } from '../../schemas/commands.ts' // prettier-ignore
import { CROSSING_WORD, CROSSING_WORDS, crossingTextAt, readCrossing } from '../../schemas/crossing.ts'
import { EVENT_KINDS, ROW, ROW_BYTE, ROW_TEXT_BYTE } from '../../schemas/events.ts'
import type { FrameRows } from '../../schemas/frame-rows.ts'
import { COMMAND_SLOT_BYTES } from '../../schemas/limits.ts'
import { partitionOfWords } from '../../schemas/partitions.ts'
import { NEXT_STEP, nextStepOf, OF_ANOTHER, type CrossingEventKind, type NextStep } from './next-step.ts'
import type { StepBatch } from './step-batch.ts'

/** What a row is to a coordinator. */
export type RowMeaning =
  /** Nothing follows from it. */
  | 'nothing'
  /** A step follows: `stepOfRow` says which. */
  | 'step'
  /** The source reminds of another event, whose step is to be sent again. */
  | 'reminder'

/** By number of the kind: a look at each row must cost little. */
const MEANINGS = new Array<RowMeaning>(256).fill('nothing')
const CROSSING_KINDS = new Array<CrossingEventKind | undefined>(256).fill(undefined)
for (const kind of Object.keys(NEXT_STEP) as CrossingEventKind[]) {
  CROSSING_KINDS[EVENT_KINDS[kind]] = kind
  if (NEXT_STEP[kind] !== undefined)
    MEANINGS[EVENT_KINDS[kind]] = kind === 'TransferReminded' ? 'reminder' : 'step'
}

/** What the row at `byte` is, by its kind alone. */
export function meaningOf(rows: FrameRows, byte: number): RowMeaning {
  return MEANINGS[rows.kind(byte)]!
}

/** The step that follows from the row at `byte`. Undefined: the crossing is over, or somebody else acts. */
export function stepOfRow(rows: FrameRows, byte: number): NextStep | undefined {
  const said = CROSSING_KINDS[rows.kind(byte)]
  const kind = said === 'StepAnswered' ? CROSSING_KINDS[Number(rows.fingerprint(byte))] : said
  if (kind === undefined) return undefined
  const step = nextStepOf(kind, COMMAND_KIND_NAMES.get(rows.command(byte))!)
  return step === OF_ANOTHER ? undefined : step
}

/** Sequence of the event that a TransferReminded names. */
export function remindedSequence(rows: FrameRows, byte: number): bigint {
  return rows.fingerprint(byte)
}

/** How often the source has reminded, that of this row included. */
export function attemptOf(rows: FrameRows, byte: number): number {
  return rows.view.getUint16(byte + ROW_BYTE.linkIndex, true)
}

/** Writes steps. It keeps nothing from one to the next but memory. */
export class StepWriter {
  readonly #partitions: number
  readonly #crossing = new Int32Array(CROSSING_WORDS)

  /** @param partitions of the deployment */
  constructor(partitions: number) {
    this.#partitions = partitions
  }

  /**
   * Reads where the row at `byte` belongs.
   * @returns the partition that its step goes to
   */
  target(rows: FrameRows, byte: number, { to }: Pick<NextStep, 'to'>): number {
    const { payload } = rows.frame
    const text = crossingTextAt(payload, byte)
    if (text < 0) throw new RangeError(`event ${rows.sequence(byte)} of a crossing does not say its accounts`)
    const crossing = this.#crossing
    readCrossing(payload, text, crossing)
    return to === 'source'
      ? crossing[CROSSING_WORD.source]!
      : partitionOfWords(crossing, CROSSING_WORD.credit, this.#partitions)
  }

  /**
   * Writes the step behind those in the batch. `target` has been asked for this very row.
   * @param attempt 0 the first time; then how often the source has reminded of it
   */
  put(rows: FrameRows, byte: number, { step, by }: NextStep, attempt: number, batch: StepBatch): void {
    const { words: row } = rows
    const { payload } = rows.frame
    const crossing = this.#crossing
    const memoAt = byte + ROW_TEXT_BYTE
    const isMemoShort = payload[memoAt]! < 0x80
    const memoBytes = isMemoShort ? payload[memoAt]! : (payload[memoAt]! & 0x7f) | (payload[memoAt + 1]! << 7)
    const base = batch.claim(commandSlots(memoBytes, 0))
    const { words: slot, bytes } = batch
    const from = byte >>> 2
    const hasReference = !isNil(row, from + ROW.referenceHigh * 2)
    const flags = FLAG_EFFECTIVE_AT | (hasReference ? FLAG_REFERENCE : 0)
    const route = by === 'saga' ? ROUTE_SAGA : ROUTE_TCC
    const refusal = step === 'CancelTransfer' ? rows.refusal(byte) : 0
    slot[base] =
      COMMAND_KINDS[step] |
      (flags << HEAD_SHIFT.flags) |
      (route << HEAD_SHIFT.route) |
      (refusal << HEAD_SHIFT.finding)
    slot[base + 1] = row[(byte + ROW_BYTE.code) >>> 2]!
    copyFour(row, from + ROW.transferHigh * 2, slot, base + SLOT.idHigh * 2)
    copyFour(crossing, CROSSING_WORD.debit, slot, base + SLOT.debitHigh * 2)
    copyFour(crossing, CROSSING_WORD.credit, slot, base + SLOT.creditHigh * 2)
    copyFour(row, from + ROW.relatedHigh * 2, slot, base + SLOT.relatedHigh * 2)
    copyTwo(row, from + ROW.amount * 2, slot, base + SLOT.amount * 2)
    copyTwo(row, from + ROW.effectiveAt * 2, slot, base + SLOT.effectiveAt * 2)
    copyTwo(row, from + ROW.receivedAt * 2, slot, base + SLOT.receivedAt * 2)
    copyTwo(row, from + ROW.currency * 2, slot, base + SLOT.currency * 2)
    copyFour(row, from + ROW.referenceHigh * 2, slot, base + SLOT.referenceHigh * 2)
    // Of what was said again it is the place where it was said again: all that it speaks of stands before that.
    copyTwo(row, from + ROW.sequence * 2, slot, base + SLOT.checkedSequence * 2)
    // Where the hold stands of which a part is posted.
    if (step === 'DrawCredit') copyTwo(crossing, CROSSING_WORD.answers, slot, base + SLOT.timeout * 2)
    else slot.fill(0, base + SLOT.timeout * 2, base + SLOT.timeout * 2 + 2)
    slot[base + SLOT.textLengths * 2] = memoBytes
    slot[base + SLOT.textLengths * 2 + 1] = rows.scale(byte)
    slot[base + SLOT.sourceAttempt * 2] = crossing[CROSSING_WORD.source]! | (attempt << 16)
    slot[base + SLOT.sourceAttempt * 2 + 1] = 0
    slot[base + SLOT.channelTurn * 2] = crossing[CROSSING_WORD.channel]!
    slot[base + SLOT.channelTurn * 2 + 1] = crossing[CROSSING_WORD.turn]!
    const memoFrom = memoAt + (isMemoShort ? 1 : 2)
    if (memoBytes > 0)
      bytes.set(payload.subarray(memoFrom, memoFrom + memoBytes), base * 4 + COMMAND_SLOT_BYTES)
  }
}

function isNil(words: Int32Array, at: number): boolean {
  return (words[at]! | words[at + 1]! | words[at + 2]! | words[at + 3]!) === 0
}

function copyTwo(from: Int32Array, at: number, to: Int32Array, toAt: number): void {
  to[toAt] = from[at]!
  to[toAt + 1] = from[at + 1]!
}

/** Without a loop: ten of these a step took most of its time. */
function copyFour(from: Int32Array, at: number, to: Int32Array, toAt: number): void {
  copyTwo(from, at, to, toAt)
  copyTwo(from, at + 2, to, toAt + 2)
}
