/** What the events of crossings do to channels: the same for a live event and for one that is replayed. */
import {
  CROSSING_WORD,
  CROSSING_WORDS,
  crossingTextAt,
  readCrossing,
  readCrossingPlace,
} from '../../../schemas/crossing.ts'
import { COMMAND_KINDS } from '../../../schemas/commands.ts'
import { EVENT_KINDS, KINDS_SHIFT, ROW } from '../../../schemas/events.ts'
import { STEP_REMIND_DOUBLINGS, STEP_REMIND_NS } from '../../../schemas/limits.ts'
import type { RowWords } from '../apply/apply.ts'
import { CoreBrokenError } from '../broken.ts'
import { HOLD, HOLD_KEPT_WORDS, HOLD_WORDS } from '../state/hold-words.ts'
import type { SourceChannels } from '../state/incoming.ts'
import { CHANNEL, CHANNEL_WORDS, type Outgoing } from '../state/outgoing.ts'
import type { CoreState } from '../state/state.ts'
import { DESTINATION_STATES, SOURCE_STATES, SOURCE_STEPS, sourceRule } from './table-numbers.ts'

const text = new Int32Array(CROSSING_WORDS)
const NO_AMOUNT = new BigInt64Array(1)
const refusalKept = new BigInt64Array(1)
/** What stays reserved of a hold. */
const left = new BigInt64Array(1)
const hold = new BigInt64Array(HOLD_KEPT_WORDS)
const hold32 = new Int32Array(hold.buffer)

/** States in which crossings begin, by the kind of their first event. */
const BEGINS = new Uint8Array(256)
BEGINS[EVENT_KINDS.TransferReserved] = SOURCE_STATES.reserved
BEGINS[EVENT_KINDS.TransferDebited] = SOURCE_STATES.debited
BEGINS[EVENT_KINDS.HoldReserved] = SOURCE_STATES.holding
BEGINS[EVENT_KINDS.HoldDrawn] = SOURCE_STATES.drawn
const AT_DESTINATION: ReadonlySet<number> = new Set([
  EVENT_KINDS.CreditReserved,
  EVENT_KINDS.CreditRefused,
  EVENT_KINDS.TransferCredited,
  EVENT_KINDS.CreditCancelled,
  EVENT_KINDS.CreditDrawn,
])
/** How long a channel waits that has been reminded of so often. */
const REMIND_NS = BigInt64Array.from(
  { length: STEP_REMIND_DOUBLINGS + 1 },
  (_, times) => STEP_REMIND_NS << BigInt(times),
)

/** True if an event of this kind is one of a crossing. */
export function isOfCrossing(kind: number): boolean {
  return (
    kind >= EVENT_KINDS.TransferReserved && kind <= EVENT_KINDS.CreditDrawn && kind !== EVENT_KINDS.IdClaimed
  )
}

/** True if an event of this kind takes a channel. It uses its id, once for all that follow. */
export function beginsCrossing(kind: number): boolean {
  return BEGINS[kind] !== 0
}

/** Takes the event of a crossing at `word` into its channel. Throws CoreBrokenError if it does not continue it. */
export function applyCrossing(state: CoreState, rows: RowWords, word: number, kind: number): void {
  if (kind === EVENT_KINDS.StepAnswered) return
  const textAt = crossingTextAt(rows.bytes, word * 8)
  if (textAt < 0) throw new CoreBrokenError('an event of a crossing does not name its channel')
  if (beginsCrossing(kind)) {
    readCrossing(rows.bytes, textAt, text)
    begin(state, rows, word, kind)
    return
  }
  readCrossingPlace(rows.bytes, textAt, text)
  if (AT_DESTINATION.has(kind)) takeIn(state, rows, word, kind)
  else goOn(state, rows, word, kind)
}

function begin(state: CoreState, rows: RowWords, word: number, kind: number): void {
  const { outgoing } = state
  const channel = text[CROSSING_WORD.channel]!
  const turn = text[CROSSING_WORD.turn]! >>> 0
  if (channel === 0 || channel !== outgoing.next() || turn !== outgoing.turn(channel) + 1)
    throw new CoreBrokenError(`a crossing begins in channel ${channel}, turn ${turn}, which is not the next`)
  outgoing.begin(channel, BEGINS[kind]!)
  const to = outgoing.wordOf(channel)
  setAsked(outgoing, rows, word, to)
  const kept32 = outgoing.words32
  for (let at = 0; at < 4; at++) kept32[(to + CHANNEL.creditHigh) * 2 + at] = text[CROSSING_WORD.credit + at]!
  kept32[(to + CHANNEL.debitCode) * 2] = rows.words32[(word + ROW.accounts) * 2]!
  if (kind === EVENT_KINDS.HoldDrawn) draw(state, rows, word, to)
  else outgoing.words[to + CHANNEL.deadline] = rows.words[word + ROW.expiresAt]!
  if (kind === EVENT_KINDS.HoldReserved)
    for (let at = 0; at < 2; at++) kept32[(to + CHANNEL.timeout) * 2 + at] = text[CROSSING_WORD.answers + at]!
  setLast(outgoing, rows, word, to)
}

/** What a timer's row passes on of what a client asked for. */
function setAsked(outgoing: Outgoing, { words, words32 }: RowWords, word: number, to: number): void {
  const kept = outgoing.words
  kept[to + CHANNEL.idHigh] = words[word + ROW.transferHigh]!
  kept[to + CHANNEL.idLow] = words[word + ROW.transferLow]!
  kept[to + CHANNEL.amount] = words[word + ROW.amount]!
  kept[to + CHANNEL.referenceHigh] = words[word + ROW.referenceHigh]!
  kept[to + CHANNEL.referenceLow] = words[word + ROW.referenceLow]!
  kept[to + CHANNEL.effectiveAt] = words[word + ROW.effectiveAt]!
  kept[to + CHANNEL.receivedAt] = words[word + ROW.receivedAt]!
  outgoing.words32[(to + CHANNEL.debitCode) * 2 + 1] = words32[(word + ROW.codeKindRefusalScaleCommand) * 2]!
}

/** A part of a hold goes its own way, by the channel at `to`. */
function draw({ holds, outgoing }: CoreState, rows: RowWords, word: number, to: number): void {
  const slot = holds.find(rows.words32, (word + ROW.relatedHigh) * 2)
  const channel = text[CROSSING_WORD.answers + 1]!
  if (slot < 0 || holds.channel(slot) !== channel || channel === 0)
    throw new CoreBrokenError('an event posts a part of a hold that is not open')
  left[0] = holds.words[slot * HOLD_WORDS + HOLD.amount]! - rows.words[word + ROW.amount]!
  if (left[0] < 0n) throw new CoreBrokenError('an event posts more of a hold than it has')
  holds.keepOnly(slot, left, 0)
  outgoing.words32[(to + CHANNEL.draws) * 2] = text[CROSSING_WORD.answers]!
  outgoing.words32[(to + CHANNEL.draws) * 2 + 1] = channel
  outgoing.countDraws(channel, 1)
}

/** Both sides hold it: from now on it is an open hold, whose credit side is the transit account. */
function openHold({ accounts, currencies, holds, outgoing }: CoreState, rows: RowWords, word: number, to: number): void {
  hold[HOLD.idHigh] = rows.words[word + ROW.transferHigh]!
  hold[HOLD.idLow] = rows.words[word + ROW.transferLow]!
  hold[HOLD.amount] = rows.words[word + ROW.amount]!
  hold[HOLD.expiresAt] = rows.words[word + ROW.expiresAt]!
  hold[HOLD.sequence] = rows.words[word + ROW.sequence]!
  const channel = text[CROSSING_WORD.channel]!
  const debit = outgoing.debit(channel)
  hold32[HOLD.accounts * 2] = debit
  hold32[HOLD.accounts * 2 + 1] = currencies.transits[accounts.currency(debit)]!
  holds.place(hold, 0)
  holds.setChannel(holds.find(hold32, HOLD.idHigh * 2), channel)
  outgoing.words[to + CHANNEL.deadline] = 0n
  outgoing.words[to + CHANNEL.timeout] = 0n
  outgoing.words[to + CHANNEL.remindAt] = 0n
} // prettier-ignore

/** An event behind the first one of a crossing that began here. */
function goOn(state: CoreState, rows: RowWords, word: number, kind: number): void {
  const { outgoing, holds } = state
  const channel = text[CROSSING_WORD.channel]!
  const before = outgoing.state(channel)
  if (before === SOURCE_STATES.free || outgoing.turn(channel) !== text[CROSSING_WORD.turn]! >>> 0)
    throw new CoreBrokenError(`an event goes on with channel ${channel}, which is at another turn`)
  const to = outgoing.wordOf(channel)
  if (kind === EVENT_KINDS.TransferReminded) {
    outgoing.move(channel, before, rows.words32[(word + ROW.partitionLinkTexts) * 2]! >>> 16)
    waitAnew(outgoing, rows, word, to)
    return
  }
  const command = rows.words32[(word + ROW.codeKindRefusalScaleCommand) * 2 + 1]! >>> KINDS_SHIFT.command
  const rule = sourceRule(before, kind === EVENT_KINDS.HoldReleased ? SOURCE_STEPS.release : stepOf(command))
  if (rule.event !== kind || (rule.onceDrawn && outgoing.draws(channel) > 0))
    throw new CoreBrokenError(`an event goes on with channel ${channel} as no protocol does`)
  if (rule.to === SOURCE_STATES.free) {
    if (before === SOURCE_STATES.drawn)
      outgoing.countDraws(outgoing.words32[(to + CHANNEL.draws) * 2 + 1]!, -1)
    outgoing.end(channel)
    return
  }
  outgoing.move(channel, rule.to, 0)
  if (kind === EVENT_KINDS.HoldReleased) {
    const slot = holds.find(rows.words32, (word + ROW.relatedHigh) * 2)
    if (slot < 0 || holds.channel(slot) !== channel)
      throw new CoreBrokenError('an event releases a hold that is not open')
    holds.remove(slot)
    setAsked(outgoing, rows, word, to)
  }
  setLast(outgoing, rows, word, to)
  if (kind === EVENT_KINDS.HoldConfirmed) openHold(state, rows, word, to)
}

/** The step that a command is to a source. */
function stepOf(command: number): number {
  return command === COMMAND_KINDS.TimeStep ? SOURCE_STEPS.deadline : command
}

/** The event at `word` is the last one of the channel at `to`. */
function setLast(outgoing: Outgoing, rows: RowWords, word: number, to: number): void {
  outgoing.words[to + CHANNEL.sequence] = rows.words[word + ROW.sequence]!
  // A hold that is held waits for its client.
  if (outgoing.state(to / CHANNEL_WORDS + 1) !== SOURCE_STATES.held) waitAnew(outgoing, rows, word, to)
}

/**
 * The timer of the channel at `to` comes some time behind the event at `word`, twice as long after each reminder; and no later
 * than the deadline, as long as that decides something.
 */
function waitAnew(outgoing: Outgoing, rows: RowWords, word: number, to: number): void {
  const channel = to / CHANNEL_WORDS + 1
  const waitNs = REMIND_NS[Math.min(outgoing.attempt(channel), STEP_REMIND_DOUBLINGS)]!
  const remindAt = BigInt.asIntN(64, rows.words[word + ROW.recordedAt]! + waitNs)
  const deadline = outgoing.words[to + CHANNEL.deadline]!
  const isBounded = sourceRule(outgoing.state(channel), SOURCE_STEPS.deadline).doing === 'moves'
  outgoing.wakeAt(channel, isBounded && deadline < remindAt ? deadline : remindAt)
}

/** An event of a crossing that began elsewhere. */
function takeIn({ incoming }: CoreState, rows: RowWords, word: number, kind: number): void {
  const channel = text[CROSSING_WORD.channel]!
  const turn = text[CROSSING_WORD.turn]! >>> 0
  // Half of an event that a repartition split: nothing follows it, so there is nothing to remember (docs/repartition.md).
  if (channel === 0 && turn === 0) return
  const entries = incoming.of(text[CROSSING_WORD.source]!)
  const seen = entries.turn(channel)
  const isReserved = entries.state(channel) === DESTINATION_STATES.reserved
  if (channel === 0 || turn < seen || (turn === seen) !== isReserved)
    throw new CoreBrokenError(`turn ${turn} of a channel comes behind turn ${seen}`)
  switch (kind) {
    case EVENT_KINDS.CreditReserved: {
      const credit = rows.words32[(word + ROW.accounts) * 2 + 1]!
      entries.set(channel, turn, DESTINATION_STATES.reserved, rows.words, word + ROW.amount, credit)
      return
    }
    case EVENT_KINDS.CreditRefused:
      refusalKept[0] = BigInt(
        (rows.words32[(word + ROW.codeKindRefusalScaleCommand) * 2 + 1]! >>> KINDS_SHIFT.refusal) & 0xff,
      )
      entries.set(channel, turn, DESTINATION_STATES.refused, refusalKept, 0, 0)
      return
    case EVENT_KINDS.TransferCredited:
      entries.set(channel, turn, DESTINATION_STATES.credited, NO_AMOUNT, 0, 0)
      return
    case EVENT_KINDS.CreditCancelled:
      if (isReserved) keepOnly(entries, channel, DESTINATION_STATES.cancelled, rows, word)
      else entries.set(channel, turn, DESTINATION_STATES.cancelled, NO_AMOUNT, 0, 0)
      return
    case EVENT_KINDS.CreditDrawn: {
      const place = (word + ROW.expiresAt) * 2
      const ofHold = rows.words32[place + 1]!
      if (entries.turn(ofHold) !== rows.words32[place]! >>> 0)
        throw new CoreBrokenError('an event draws upon a hold that is not reserved')
      keepOnly(entries, ofHold, entries.state(ofHold), rows, word)
      entries.set(channel, turn, DESTINATION_STATES.credited, NO_AMOUNT, 0, 0)
      return
    }
    default:
      throw new CoreBrokenError(`event kind ${kind} is of no crossing`)
  }
}

/** Takes the row's amount from what is reserved in a channel. Once it is cancelled and all is drawn, it is of no account any more. */
function keepOnly(
  entries: SourceChannels,
  channel: number,
  state: number,
  { words }: RowWords,
  word: number,
): void {
  left[0] = entries.words[entries.amountAt(channel)]! - words[word + ROW.amount]!
  if (left[0] < 0n) throw new CoreBrokenError('an event takes more than is reserved')
  const isOver = left[0] === 0n && state !== DESTINATION_STATES.reserved
  entries.set(channel, entries.turn(channel), state, left, 0, isOver ? 0 : entries.credit(channel))
}
