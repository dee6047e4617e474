/**
 * What an event does to the state. Deciding and replaying both end here, so that a replay from zero gives the state
 * that the writer has, bit for bit: an event carries what is after it, and applying it is mostly a copy.
 */
import { COMMAND_KINDS } from '../../../schemas/commands.ts'
import { EVENT_KINDS, KINDS_SHIFT, ROW } from '../../../schemas/events.ts'
import { isTransitAccountAt } from '../../../schemas/crossing.ts'
import { applyCrossing, beginsCrossing, isOfCrossing } from '../crossing/apply-crossing.ts'
import { LINE_WORDS, SIDE_WORDS, STATUS_CLOSED, STATUS_FROZEN, STATUS_OPEN } from '../state/account-lines.ts'
import { CoreBrokenError } from '../broken.ts'
import { hashId } from '../state/hash-id.ts'
import { HOLD_KEPT_WORDS } from '../state/hold-words.ts'
import { CLOCK, type CoreState } from '../state/state.ts'

/** Event rows: their bytes, and the same as 64-bit and 32-bit words. */
export interface RowWords {
  readonly bytes: Uint8Array
  readonly words: BigInt64Array
  readonly words32: Int32Array
}

const foundLeft = new BigInt64Array(1)
const foundLeft32 = new Int32Array(foundLeft.buffer)
const hold = new BigInt64Array(HOLD_KEPT_WORDS)

/** Number of the account on the debit or credit side of the row at `word`; 0: none. */
export function debitNumber(rows: RowWords, word: number): number {
  return rows.words32[(word + ROW.accounts) * 2]!
}
export function creditNumber(rows: RowWords, word: number): number {
  return rows.words32[(word + ROW.accounts) * 2 + 1]!
}

/** Kind and refusal of the row at `word`. */
export function kindOf(rows: RowWords, word: number): number {
  return rows.words32[(word + ROW.codeKindRefusalScaleCommand) * 2 + 1]! & 0xff
}
export function refusalNumberOf(rows: RowWords, word: number): number {
  return (rows.words32[(word + ROW.codeKindRefusalScaleCommand) * 2 + 1]! >>> KINDS_SHIFT.refusal) & 0xff
}

/** The sequence of the row at `word` as a number: good for 2⁵³ events. */
export function sequenceNumber(rows: RowWords, word: number): number {
  const at = (word + ROW.sequence) * 2
  return (rows.words32[at + 1]! >>> 0) * 4_294_967_296 + (rows.words32[at]! >>> 0)
}

/** Applies the event at `word` and remembers its ids. */
export function applyRow(state: CoreState, rows: RowWords, word: number): void {
  changeState(state, rows, word)
  rememberRow(state, rows, word)
}

/** Applies the event at `word`, all but its ids: a linked group remembers them when it is sure to happen. */
export function changeState(state: CoreState, rows: RowWords, word: number): void {
  const kind = kindOf(rows, word)
  if (kind !== EVENT_KINDS.TransferPosted) applyKindEffects(state, rows, word, kind)
  copySide(state, rows, debitNumber(rows, word), word + ROW.debitVersion)
  copySide(state, rows, creditNumber(rows, word), word + ROW.creditVersion)
  const recordedAt = rows.words[word + ROW.recordedAt]!
  state.clock[CLOCK.sequence] = rows.words[word + ROW.sequence]!
  state.clock[CLOCK.recordedAt] = recordedAt
  state.clock[CLOCK.nextRecordedAt] = BigInt.asIntN(64, recordedAt + 1n)
}

/** Remembers the ids of the event at `word`. */
export function rememberRow(state: CoreState, rows: RowWords, word: number): void {
  if (hasIdOfOwn(rows, word)) remember(state, rows, word, hashId(rows.words32, (word + ROW.transferHigh) * 2))
}

/** As `rememberRow`, where the hash of the event's id is known. */
export function rememberHashed(state: CoreState, rows: RowWords, word: number, hash: number): void {
  if (hasIdOfOwn(rows, word)) remember(state, rows, word, hash)
}

function remember(state: CoreState, rows: RowWords, word: number, hash: number): void {
  const sequence = sequenceNumber(rows, word)
  state.remembered.remember(hash, rows.words32, (word + ROW.transferHigh) * 2, sequence)
  if (isReversalKind(kindOf(rows, word))) rememberReversal(state, rows, word, sequence)
}

/** False for what no client's command made: its id is another event's. Of a crossing the first event has it, for all that follow. */
export function hasIdOfOwn(rows: RowWords, word: number): boolean {
  const kind = kindOf(rows, word)
  if (kind === EVENT_KINDS.IdsForgotten || kind === EVENT_KINDS.HoldExpired) return false
  if (isOfCrossing(kind)) return beginsCrossing(kind) || isVoid(rows, word, kind)
  return !(
    kind === EVENT_KINDS.AccountOpened && isTransitAccountAt(rows.words32, (word + ROW.relatedHigh) * 2)
  )
}

/** A hold across partitions is released by a client's command with an id of its own, or by none. */
function isVoid(rows: RowWords, word: number, kind: number): boolean {
  if (kind !== EVENT_KINDS.HoldReleased) return false
  const head = rows.words32[(word + ROW.codeKindRefusalScaleCommand) * 2 + 1]!
  return head >>> KINDS_SHIFT.command === COMMAND_KINDS.VoidHold
}

export function isReversalKind(kind: number): boolean {
  return (
    kind === EVENT_KINDS.TransferReversed ||
    kind === EVENT_KINDS.TransferReversedInPart ||
    kind === EVENT_KINDS.TransferReversedByForce
  )
}

/** One that leaves nothing is remembered as such, another by what it found left: no two of a transfer find the same. */
function rememberReversal({ remembered }: CoreState, rows: RowWords, word: number, sequence: number): void {
  const related = (word + ROW.relatedHigh) * 2
  if (rows.words[word + ROW.expiresAt] === 0n)
    return remembered.rememberReversed(rows.words32, related, sequence)
  foundLeft[0] = rows.words[word + ROW.expiresAt]! + rows.words[word + ROW.amount]!
  remembered.rememberReversedPart(rows.words32, related, foundLeft32, 0, sequence)
}

/** What an event does beyond its accounts' versions and totals. */
function applyKindEffects(state: CoreState, rows: RowWords, word: number, kind: number): void {
  const { accounts, holds } = state
  switch (kind) {
    case EVENT_KINDS.AccountOpened: {
      const scale =
        (rows.words32[(word + ROW.codeKindRefusalScaleCommand) * 2 + 1]! >>> KINDS_SHIFT.scale) & 0xff
      const currency = state.currencies.indexFor(rows.words[word + ROW.currency]!, scale)
      const number = accounts.open(rows.words, word + ROW.relatedHigh, word + ROW.amount, currency)
      if (number !== debitNumber(rows, word))
        throw new CoreBrokenError('an account number is not the next one')
      if (isTransitAccountAt(rows.words32, (word + ROW.relatedHigh) * 2))
        state.currencies.transits[currency] = number
      return
    }
    case EVENT_KINDS.AccountFrozen:
      accounts.setStatus(debitNumber(rows, word), STATUS_FROZEN)
      return
    case EVENT_KINDS.AccountUnfrozen:
      accounts.setStatus(debitNumber(rows, word), STATUS_OPEN)
      return
    case EVENT_KINDS.AccountClosed:
      accounts.setStatus(debitNumber(rows, word), STATUS_CLOSED)
      return
    case EVENT_KINDS.AccountChanged:
      accounts.setOverdraft(debitNumber(rows, word), rows.words, word + ROW.amount)
      return
    case EVENT_KINDS.HoldPlaced:
      hold[0] = rows.words[word + ROW.transferHigh]!
      hold[1] = rows.words[word + ROW.transferLow]!
      hold[2] = rows.words[word + ROW.amount]!
      hold[3] = rows.words[word + ROW.expiresAt]!
      hold[4] = rows.words[word + ROW.sequence]!
      hold[5] = rows.words[word + ROW.accounts]!
      holds.place(hold, 0)
      return
    case EVENT_KINDS.HoldPostedInPart: {
      const slot = holds.find(rows.words32, (word + ROW.relatedHigh) * 2)
      if (slot < 0) throw new CoreBrokenError('an event posts a part of a hold that is not open')
      holds.keepOnly(slot, rows.words, word + ROW.expiresAt)
      return
    }
    case EVENT_KINDS.HoldPosted:
    case EVENT_KINDS.HoldVoided:
    case EVENT_KINDS.HoldExpired: {
      const slot = holds.find(rows.words32, (word + ROW.relatedHigh) * 2)
      if (slot < 0) throw new CoreBrokenError('an event ends a hold that is not open')
      holds.remove(slot)
      return
    }
    case EVENT_KINDS.IdsForgotten:
      state.remembered.raiseHorizon(Number(rows.words[word + ROW.amount]!))
      return
    default:
      if (isOfCrossing(kind)) applyCrossing(state, rows, word, kind)
  }
}

function copySide(state: CoreState, rows: RowWords, number: number, from: number): void {
  if (number === 0) return
  if (number < 0 || number > state.accounts.count) throw new CoreBrokenError(`event names account ${number}`)
  if (number >= state.accounts.keepFrom) state.accounts.keepLine(number)
  const to = number * LINE_WORDS
  const words = state.accounts.words
  for (let index = 0; index < SIDE_WORDS; index++) words[to + index] = rows.words[from + index]!
}
