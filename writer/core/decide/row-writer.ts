/** Writes event rows: what all kinds have in common, 64 bits at a time. The layout is that of `schemas/events.ts`. */
import {
  COMMAND_KINDS,
  FLAG_EFFECTIVE_AT,
  FLAG_LINKED,
  HEAD_SHIFT,
  ROUTE_ACROSS,
  SLOT,
  SLOT_WORDS,
  commandSlots,
  isAccountKind,
  isStepKind,
} from '../../../schemas/commands.ts'
import { EVENT_KINDS, KINDS_SHIFT, ROW, ROW_TEXT_BYTE, writeRowTexts } from '../../../schemas/events.ts'
import { writeFingerprint } from '../../../schemas/fingerprint.ts'
import { formatId } from '../../../schemas/ids.ts'
import {
  COMMAND_SLOT_BYTES,
  EVENT_ROW_BYTES,
  MEMO_BYTES_MAX,
  NAMED_CROSSING_BYTES,
  NAMED_REFUSED_BYTES_MAX,
  OWNER_BYTES_MAX,
} from '../../../schemas/limits.ts'
import { REFUSAL_CODES } from '../../../schemas/refusals.ts'
import { TIMER_ROW_BYTES, TRANSIT_ROW_BYTES } from '../crossing/transit-row.ts'
import { LINE_WORDS } from '../state/account-lines.ts'
import type { Accounts } from '../state/accounts.ts'
import type { RowWords } from '../apply/apply.ts'
import { CoreBrokenError } from '../broken.ts'
import type { Decision } from './decision.ts'
import type { CallBuffers } from './call-buffers.ts'
import { CLOCK, type CoreState } from '../state/state.ts'

const NO_TEXT = new Uint8Array(0)

/** Kind of the command in this slot. */
export function commandKindAt(buffers: CallBuffers, slot: number): number {
  return buffers.slots32[slot * SLOT_WORDS * 2]! & 0xff
}

export function isLinkedAt(buffers: CallBuffers, slot: number): boolean {
  return hasFlagAt(buffers, slot, FLAG_LINKED)
}

/** True if the command in this slot has the flag, one of `FLAG_*`. */
export function hasFlagAt(buffers: CallBuffers, slot: number, flag: number): boolean {
  return ((buffers.slots32[slot * SLOT_WORDS * 2]! >>> HEAD_SHIFT.flags) & flag) !== 0
}

/** Lengths of the command's texts: memo in the low 16 bits, owner above. */
function textLengthsAt(buffers: CallBuffers, slot: number): number {
  return buffers.slots32[(slot * SLOT_WORDS + SLOT.textLengths) * 2]!
}

/** Slots that the command at `slot` takes. Throws CoreBrokenError if it does not lie within the slots offered. */
export function slotsTakenAt(buffers: CallBuffers, slot: number): number {
  const slots = buffers.slots8.length / COMMAND_SLOT_BYTES
  if (slot >= slots) throw new CoreBrokenError('fewer command slots than commands')
  const lengths = textLengthsAt(buffers, slot)
  if (lengths === 0) return 1
  const memoBytes = lengths & 0xffff
  const ownerBytes = lengths >>> 16
  const taken = commandSlots(memoBytes, ownerBytes)
  if (memoBytes > MEMO_BYTES_MAX || ownerBytes > OWNER_BYTES_MAX || slot + taken > slots)
    throw new CoreBrokenError('a command has a text that is too long or cut off')
  return taken
}

/** Slots of text behind the command's own. */
export function textSlotsAt(buffers: CallBuffers, slot: number): number {
  const lengths = textLengthsAt(buffers, slot)
  return lengths === 0 ? 0 : commandSlots(lengths & 0xffff, lengths >>> 16) - 1
}

/** True if the command at `slot` is a step of a crossing, or a transfer or hold that begins one. */
export function isOfCrossingAt(buffers: CallBuffers, slot: number): boolean {
  const head = buffers.slots32[slot * SLOT_WORDS * 2]!
  const begins = head & ACROSS_MASK
  return begins === TRANSFER_ACROSS || begins === HOLD_ACROSS || isStepKind(head & 0xff)
}
const ACROSS_BIT = ROUTE_ACROSS << HEAD_SHIFT.route
const ACROSS_MASK = 0xff | ACROSS_BIT
const TRANSFER_ACROSS = COMMAND_KINDS.Transfer | ACROSS_BIT
const HOLD_ACROSS = COMMAND_KINDS.PlaceHold | ACROSS_BIT

/** True if the command at `slot` ends a hold, or posts a part of it. */
export function endsHoldAt(buffers: CallBuffers, slot: number): boolean {
  const kind = commandKindAt(buffers, slot)
  return kind === COMMAND_KINDS.PostHold || kind === COMMAND_KINDS.VoidHold
}

/** Bytes that the rows of the command at `slot` take at most, whatever its outcome. */
export function rowBytesMaxAt(buffers: CallBuffers, slot: number): number {
  const lengths = textLengthsAt(buffers, slot)
  const textBytes = lengths === 0 ? 0 : (lengths & 0xffff) + (lengths >>> 16)
  if (isOfCrossingAt(buffers, slot))
    return TRANSIT_ROW_BYTES + ((EVENT_ROW_BYTES + textBytes + NAMED_CROSSING_BYTES + 2 + 7) & ~7)
  // Of a hold across partitions: the part that is posted, and the release of what is left.
  if (endsHoldAt(buffers, slot))
    return TIMER_ROW_BYTES + ((EVENT_ROW_BYTES + textBytes + NAMED_CROSSING_BYTES + 2 + 7) & ~7)
  return (EVENT_ROW_BYTES + textBytes + NAMED_REFUSED_BYTES_MAX + 2 + 7) & ~7
}

/**
 * Writes the row of a decision with its accounts as they are now; who accepts the command then advances the sides with
 * `advance` and `addTo`. A refusal as `linked_too_long` leaves the texts out.
 * @returns the row's bytes
 */
export function writeRow(state: CoreState, buffers: CallBuffers, decision: Decision): number {
  writeHead(state, buffers, decision)
  const { slot, rowByte, refusal, debit, credit } = decision
  const fingerprint = ((rowByte >>> 3) + ROW.fingerprint) * 2
  writeFingerprint(buffers.slots32, slot, textSlotsAt(buffers, slot), buffers.rows.words32, fingerprint)
  const lengths = textLengthsAt(buffers, slot)
  const isPlain = lengths === 0 && (refusal === 0 || (debit !== 0 && credit !== 0))
  if (isPlain || refusal === REFUSAL_CODES.linked_too_long) return EVENT_ROW_BYTES
  return writeTexts(buffers, decision, lengths)
}

/** As `writeRow`, all but the fingerprint and the texts: as if there were none. */
export function writeHead(state: CoreState, buffers: CallBuffers, decision: Decision): void {
  const { slot, rowByte, kind, refusal, currency, debit, credit } = decision
  const { slots, slots32, rows } = buffers
  const words = rows.words
  const words32 = rows.words32
  const row = rowByte >>> 3
  const from = slot * SLOT_WORDS
  const recordedAt = state.clock[CLOCK.nextRecordedAt]!
  words[row + ROW.sequence] = BigInt.asIntN(64, state.clock[CLOCK.sequence]! + 1n)
  words[row + ROW.recordedAt] = recordedAt
  if (hasFlagAt(buffers, slot, FLAG_EFFECTIVE_AT))
    words[row + ROW.effectiveAt] = slots[from + SLOT.effectiveAt]!
  else words[row + ROW.effectiveAt] = recordedAt
  words[row + ROW.receivedAt] = slots[from + SLOT.receivedAt]!
  words[row + ROW.transferHigh] = slots[from + SLOT.idHigh]!
  words[row + ROW.transferLow] = slots[from + SLOT.idLow]!
  words[row + ROW.relatedHigh] = slots[from + SLOT.relatedHigh]!
  words[row + ROW.relatedLow] = slots[from + SLOT.relatedLow]!
  words[row + ROW.referenceHigh] = slots[from + SLOT.referenceHigh]!
  words[row + ROW.referenceLow] = slots[from + SLOT.referenceLow]!
  words[row + ROW.amount] = slots[from + SLOT.amount]!
  words[row + ROW.expiresAt] = 0n
  writeSide(state.accounts, rows, row + ROW.debitVersion, debit)
  writeSide(state.accounts, rows, row + ROW.creditVersion, credit)
  words32[(row + ROW.accounts) * 2] = debit
  words32[(row + ROW.accounts) * 2 + 1] = credit
  const head = slots32[from * 2]!
  let scale = scaleAskedAt(buffers, slot)
  if (currency === 0) words[row + ROW.currency] = slots[from + SLOT.currency]!
  else {
    words[row + ROW.currency] = state.currencies.codes[currency]!
    scale = state.currencies.scales[currency]!
  }
  words32[(row + ROW.codeKindRefusalScaleCommand) * 2] = slots32[from * 2 + 1]!
  words32[(row + ROW.codeKindRefusalScaleCommand) * 2 + 1] =
    kind |
    (refusal << KINDS_SHIFT.refusal) |
    (scale << KINDS_SHIFT.scale) |
    ((head & 0xff) << KINDS_SHIFT.command)
  words32[(row + ROW.partitionLinkTexts) * 2] = buffers.partition | (decision.linkIndex << 16)
  words32[(row + ROW.partitionLinkTexts) * 2 + 1] = 0
}

/** The scale that a command gives: an opening, and a step that passes on its source's. Movements have a route in its place. */
function scaleAskedAt(buffers: CallBuffers, slot: number): number {
  const at = slot * SLOT_WORDS * 2
  const head = buffers.slots32[at]!
  if ((head & 0xff) <= COMMAND_KINDS.CloseAccount) return (head >>> HEAD_SHIFT.scale) & 0xff
  return isStepKind(head & 0xff) ? buffers.slots32[at + SLOT.textLengths * 2 + 1]! & 0xff : 0
}

/**
 * Begins the row at `row` (in words) of an event that no client asked for: the core's time is all its times, and whoever
 * knows better, its ids, its amount and its sides are the caller's to write.
 * @param command the writer's own: ExpireHold or TimeStep
 */
export function beginTimerRow(
  state: CoreState,
  { rows, partition }: CallBuffers,
  row: number,
  kind: number,
  command: number,
  currency: number,
): void {
  const { words, words32 } = rows
  const recordedAt = state.clock[CLOCK.nextRecordedAt]!
  words.fill(0n, row, row + EVENT_ROW_BYTES / 8)
  words[row + ROW.sequence] = BigInt.asIntN(64, state.clock[CLOCK.sequence]! + 1n)
  words[row + ROW.recordedAt] = recordedAt
  words[row + ROW.effectiveAt] = recordedAt
  words[row + ROW.receivedAt] = recordedAt
  words[row + ROW.currency] = state.currencies.codes[currency]!
  words32[(row + ROW.codeKindRefusalScaleCommand) * 2 + 1] =
    kind | (state.currencies.scales[currency]! << KINDS_SHIFT.scale) | (command << KINDS_SHIFT.command)
  words32[(row + ROW.partitionLinkTexts) * 2] = partition
}

/** Moves a side of a row on by one version. `at` is the word of its version. */
export function advance(rows: RowWords, at: number): void {
  rows.words[at] = BigInt.asIntN(64, rows.words[at]! + 1n)
}

/** Adds the 64-bit number at `amounts[amountAt]` to a word of a row. That it fits has been checked. */
export function addTo(rows: RowWords, at: number, amounts: BigInt64Array, amountAt: number): void {
  rows.words[at] = BigInt.asIntN(64, rows.words[at]! + amounts[amountAt]!)
}

export function subtractFrom(rows: RowWords, at: number, amounts: BigInt64Array, amountAt: number): void {
  rows.words[at] = BigInt.asIntN(64, rows.words[at]! - amounts[amountAt]!)
}

/** Copies an account's version and totals into a row; zeros where there is no account (line 0 is all zero). */
function writeSide(accounts: Accounts, rows: RowWords, at: number, number: number): void {
  const words = accounts.words
  const line = number * LINE_WORDS
  rows.words[at] = words[line]!
  rows.words[at + 1] = words[line + 1]!
  rows.words[at + 2] = words[line + 2]!
  rows.words[at + 3] = words[line + 3]!
  rows.words[at + 4] = words[line + 4]!
}

/** Names both sides of the row at `row`, and copies their versions and totals as they are. */
export function writeSides(
  accounts: Accounts,
  rows: RowWords,
  row: number,
  debit: number,
  credit: number,
): void {
  rows.words32[(row + ROW.accounts) * 2] = debit
  rows.words32[(row + ROW.accounts) * 2 + 1] = credit
  writeSide(accounts, rows, row + ROW.debitVersion, debit)
  writeSide(accounts, rows, row + ROW.creditVersion, credit)
}

/** True for commands that name a debit and a credit account. */
function isMovement(command: number): boolean {
  return (
    command === COMMAND_KINDS.Transfer ||
    command === COMMAND_KINDS.PlaceHold ||
    command === COMMAND_KINDS.ReverseTransfer
  )
}

/** The slow path: a memo, a new account's owner, or accounts that a refusal names and that do not exist. */
function writeTexts(buffers: CallBuffers, decision: Decision, lengths: number): number {
  const { slot, rowByte, refusal } = decision
  const memoFrom = (slot + 1) * COMMAND_SLOT_BYTES
  const memo = buffers.slots8.subarray(memoFrom, memoFrom + (lengths & 0xffff))
  const owner = buffers.slots8.subarray(memoFrom + memo.length, memoFrom + memo.length + (lengths >>> 16))
  const isNaming = refusal !== 0 && isMovement(commandKindAt(buffers, slot))
  const named = isNaming ? namedAccounts(buffers, decision) : NO_TEXT
  return writeRowTexts(buffers.out8, rowByte + ROW_TEXT_BYTE, memo, owner, named) - rowByte
}

/** `debit,credit` ids in text, each empty where the account has a number. None where the command names none. */
function namedAccounts(buffers: CallBuffers, { slot, debit, credit }: Decision): Uint8Array {
  if (debit !== 0 && credit !== 0) return NO_TEXT
  const from = slot * SLOT_WORDS
  if ((buffers.slots[from + SLOT.debitHigh]! | buffers.slots[from + SLOT.debitLow]!) === 0n) return NO_TEXT
  const id = (word: number): string =>
    formatId({ high: buffers.slots[from + word]!, low: buffers.slots[from + word + 1]! })
  const text = `${debit === 0 ? id(SLOT.debitHigh) : ''},${credit === 0 ? id(SLOT.creditHigh) : ''}`
  return Uint8Array.from(text, (character) => character.charCodeAt(0))
}

/** Number of the event that refuses this kind of command. */
export function refusedKind(command: number): number {
  return isAccountKind(command) ? EVENT_KINDS.AccountRefused : EVENT_KINDS.TransferRefused
}
