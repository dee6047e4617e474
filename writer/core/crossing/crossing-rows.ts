/** What the rows of all events of a crossing have in common: their text, and the totals that they move. */
import { SLOT, SLOT_WORDS } from '../../../schemas/commands.ts'
import {
  CROSSING_TEXT_BYTES,
  CROSSING_WORD,
  CROSSING_WORDS,
  writeCrossing,
} from '../../../schemas/crossing.ts'
import { ROW, ROW_TEXT_BYTE } from '../../../schemas/events.ts'
import { COMMAND_SLOT_BYTES } from '../../../schemas/limits.ts'
import type { RowWords } from '../apply/apply.ts'
import type { CallBuffers } from '../decide/call-buffers.ts'
import type { Decision } from '../decide/decision.ts'
import { advance, writeHead } from '../decide/row-writer.ts'
import { LINE, LINE_WORDS } from '../state/account-lines.ts'
import { CHANNEL } from '../state/outgoing.ts'
import type { CoreState } from '../state/state.ts'
import type { MovedTotals } from './moved-totals.ts'

/** The text at hand: filled in, then written. */
export const text = new Int32Array(CROSSING_WORDS)

/**
 * Writes the row of an event that answers a step: all that the step passes on, with the decision's kind, refusal and
 * accounts. Returns its bytes.
 */
export function writeStepRow(state: CoreState, buffers: CallBuffers, decision: Decision): number {
  const { slots32, rows } = buffers
  const from32 = decision.slot * SLOT_WORDS * 2
  // As the source has it, whatever is in use here.
  decision.currency = 0
  writeHead(state, buffers, decision)
  rows.words[(decision.rowByte >>> 3) + ROW.fingerprint] = 0n
  copyIds(slots32, from32)
  text[CROSSING_WORD.source] = slots32[from32 + SLOT.sourceAttempt * 2]! & 0xffff
  text[CROSSING_WORD.channel] = slots32[from32 + SLOT.channelTurn * 2]!
  text[CROSSING_WORD.turn] = slots32[from32 + SLOT.channelTurn * 2 + 1]!
  text[CROSSING_WORD.answers] = slots32[from32 + SLOT.checkedSequence * 2]!
  text[CROSSING_WORD.answers + 1] = slots32[from32 + SLOT.checkedSequence * 2 + 1]!
  return writeCommandText(buffers, decision)
}

/** Takes what an open channel's crossing is of into the text: both account ids, its place, and that it answers nothing. */
export function placeOf(
  { accounts, outgoing }: CoreState,
  { partition }: CallBuffers,
  channel: number,
): void {
  const debitAt = (outgoing.debit(channel) * LINE_WORDS + LINE.idHigh) * 2
  const creditAt = (outgoing.wordOf(channel) + CHANNEL.creditHigh) * 2
  for (let word = 0; word < 4; word++) {
    text[CROSSING_WORD.debit + word] = accounts.words32[debitAt + word]!
    text[CROSSING_WORD.credit + word] = outgoing.words32[creditAt + word]!
  }
  setPlace(partition, channel, outgoing.turn(channel))
}

/** Takes the place that the next crossing has into the text. It answers nothing. */
export function nextPlace({ outgoing }: CoreState, { partition }: CallBuffers): void {
  const channel = outgoing.next()
  setPlace(partition, channel, outgoing.turn(channel) + 1)
}

function setPlace(partition: number, channel: number, turn: number): void {
  text[CROSSING_WORD.source] = partition
  text[CROSSING_WORD.channel] = channel
  text[CROSSING_WORD.turn] = turn
  text[CROSSING_WORD.answers] = 0
  text[CROSSING_WORD.answers + 1] = 0
}

/** Takes both account ids of the command whose slot begins at `from32` into the text. */
export function copyIds(slots32: Int32Array, from32: number): void {
  const debit = from32 + SLOT.debitHigh * 2
  for (let word = 0; word < 8; word++) text[CROSSING_WORD.debit + word] = slots32[debit + word]!
}

/** Writes the texts of the decision's row: the command's memo, and the text at hand. Returns the row's bytes. */
export function writeCommandText(buffers: CallBuffers, { slot, rowByte }: Decision): number {
  const memoBytes = buffers.slots32[(slot * SLOT_WORDS + SLOT.textLengths) * 2]! & 0xffff
  return writeText(buffers.out8, rowByte, buffers.slots8, (slot + 1) * COMMAND_SLOT_BYTES, memoBytes)
}

/** Writes a memo and the text at hand into the row at `rowByte`. Returns the row's bytes. */
export function writeText(
  out: Uint8Array,
  rowByte: number,
  memos: Uint8Array,
  memoFrom: number,
  memoBytes: number,
): number {
  let at = rowByte + ROW_TEXT_BYTE
  if (memoBytes < 0x80) out[at++] = memoBytes
  else {
    out[at++] = (memoBytes & 0x7f) | 0x80
    out[at++] = memoBytes >> 7
  }
  for (let byte = 0; byte < memoBytes; byte++) out[at + byte] = memos[memoFrom + byte]!
  at += memoBytes
  // No owner.
  out[at++] = 0
  out[at++] = CROSSING_TEXT_BYTES
  writeCrossing(out, at, text)
  at += CROSSING_TEXT_BYTES
  const padding = (8 - ((at + 1 - rowByte) % 8)) % 8
  out[at++] = padding
  for (const end = at + padding; at < end; at++) out[at] = 0
  return at - rowByte
}

/** Moves both sides of a row on by a version and by the amount at `amounts[amountAt]`, added or taken away. */
export function moveTotals(
  rows: RowWords,
  row: number,
  moved: MovedTotals,
  amounts: BigInt64Array,
  amountAt: number,
): void {
  advance(rows, row + ROW.debitVersion)
  advance(rows, row + ROW.creditVersion)
  moveSide(rows.words, row + ROW.debitTotals, moved.debit, amounts, amountAt)
  moveSide(rows.words, row + ROW.creditTotals, moved.credit, amounts, amountAt)
}

function moveSide(
  words: BigInt64Array,
  totals: number,
  moved: Int8Array,
  amounts: BigInt64Array,
  amountAt: number,
): void {
  // Two stores: a big integer that may come from either of two sums would be made on the heap.
  for (let total = 0; total < 4; total++)
    if (moved[total]! > 0)
      words[totals + total] = BigInt.asIntN(64, words[totals + total]! + amounts[amountAt]!)
    else if (moved[total]! < 0)
      words[totals + total] = BigInt.asIntN(64, words[totals + total]! - amounts[amountAt]!)
}
