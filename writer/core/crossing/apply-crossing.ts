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
import { CHANNEL, CHANNEL_WORDS, type Outgoing } from '../state/outgoing.ts'
import type { CoreState } from '../state/state.ts'
import { DESTINATION_STATES, SOURCE_STATES, SOURCE_STEPS, sourceRule } from './table-numbers.ts'

const text = new Int32Array(CROSSING_WORDS)
const NO_AMOUNT = new BigInt64Array(1)
const refusalKept = new BigInt64Array(1)
/** How long a channel waits that has been reminded of so often. */
const REMIND_NS = BigInt64Array.from(
  { length: STEP_REMIND_DOUBLINGS + 1 },
  (_, times) => STEP_REMIND_NS << BigInt(times),
)

/** True if an event of this kind is one of a crossing. */
export function isOfCrossing(kind: number): boolean {
  return kind >= EVENT_KINDS.TransferReserved && kind <= EVENT_KINDS.StepAnswered
}

/** True if an event of this kind begins a crossing: the only one that uses its id, once for all that follow. */
export function beginsCrossing(kind: number): boolean {
  return kind === EVENT_KINDS.TransferReserved || kind === EVENT_KINDS.TransferDebited
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
  if (kind <= EVENT_KINDS.TransferReminded) goOn(state, rows, word, kind)
  else takeIn(state, rows, word, kind)
}

function begin({ outgoing }: CoreState, rows: RowWords, word: number, kind: number): void {
  const channel = text[CROSSING_WORD.channel]!
  const turn = text[CROSSING_WORD.turn]! >>> 0
  if (channel === 0 || channel !== outgoing.next() || turn !== outgoing.turn(channel) + 1)
    throw new CoreBrokenError(`a crossing begins in channel ${channel}, turn ${turn}, which is not the next`)
  outgoing.begin(
    channel,
    kind === EVENT_KINDS.TransferDebited ? SOURCE_STATES.debited : SOURCE_STATES.reserved,
  )
  const { words } = rows
  const kept = outgoing.words
  const to = outgoing.wordOf(channel)
  kept[to + CHANNEL.idHigh] = words[word + ROW.transferHigh]!
  kept[to + CHANNEL.idLow] = words[word + ROW.transferLow]!
  kept[to + CHANNEL.amount] = words[word + ROW.amount]!
  kept[to + CHANNEL.deadline] = words[word + ROW.expiresAt]!
  kept[to + CHANNEL.referenceHigh] = words[word + ROW.referenceHigh]!
  kept[to + CHANNEL.referenceLow] = words[word + ROW.referenceLow]!
  kept[to + CHANNEL.effectiveAt] = words[word + ROW.effectiveAt]!
  kept[to + CHANNEL.receivedAt] = words[word + ROW.receivedAt]!
  const kept32 = outgoing.words32
  for (let at = 0; at < 4; at++) kept32[(to + CHANNEL.creditHigh) * 2 + at] = text[CROSSING_WORD.credit + at]!
  kept32[(to + CHANNEL.debitCode) * 2] = rows.words32[(word + ROW.accounts) * 2]!
  kept32[(to + CHANNEL.debitCode) * 2 + 1] = rows.words32[(word + ROW.codeKindRefusalScaleCommand) * 2]!
  setLast(outgoing, rows, word, to)
}

/** An event behind the first one of a crossing that began here. */
function goOn({ outgoing }: CoreState, rows: RowWords, word: number, kind: number): void {
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
  const rule = sourceRule(before, command === COMMAND_KINDS.TimeStep ? SOURCE_STEPS.deadline : command)
  if (rule.event !== kind)
    throw new CoreBrokenError(`an event goes on with channel ${channel} as no protocol does`)
  if (rule.to === SOURCE_STATES.free) {
    outgoing.end(channel)
    return
  }
  outgoing.move(channel, rule.to, 0)
  setLast(outgoing, rows, word, to)
}

/** The event at `word` is the last one of the channel at `to`. */
function setLast(outgoing: Outgoing, rows: RowWords, word: number, to: number): void {
  outgoing.words[to + CHANNEL.sequence] = rows.words[word + ROW.sequence]!
  waitAnew(outgoing, rows, word, to)
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
      entries.set(channel, turn, DESTINATION_STATES.cancelled, NO_AMOUNT, 0, 0)
      return
    default:
      throw new CoreBrokenError(`event kind ${kind} is of no crossing`)
  }
}
