/**
 * Moves the events of old logs into new ones, row by row: every event stays the event that it was, with its ids, times,
 * amounts, and its accounts' versions and totals. Only where it stands changes: partition, sequence, account numbers.
 *
 * What moved money between two accounts that live apart from now on stands as two halves, each against its partition's
 * account for money in transit. The first, with the debit account, is the event itself. The second, with the credit
 * account, is the arrival that a crossing has there, in channel 0: that of crossings which nothing can follow. What crossed
 * before goes on crossing, also where both accounts live in one partition now. What was said again is left out: reminders,
 * and answers to them. Claims are made anew, for each command that stands away from the home of its id.
 */
import { COMMAND_KINDS } from '../../schemas/commands.ts'
import { CROSSING_TEXT_BYTES, CROSSING_WORD, CROSSING_WORDS, isTransitAccountAt, writeCrossing } from '../../schemas/crossing.ts' // prettier-ignore
import { EVENT_KINDS, EVENT_KIND_NAMES, KINDS_SHIFT, readTexts, ROW, ROW_BYTE, ROW_TEXT_BYTE, TOTAL, writeRowTexts, type EventKind } from '../../schemas/events.ts' // prettier-ignore
import { formatId, parseId } from '../../schemas/ids.ts'
import { unpackCurrency } from '../../schemas/money.ts'
import { partitionOf, partitionOfWords } from '../../schemas/partitions.ts'
import { decodeText } from '../../schemas/text.ts'
import { ARRIVALS, CREDITED, PARTS, type Part } from './event-parts.ts'
import { hasIdOfOwn } from '../core/apply/apply.ts'
import type { NewLog } from './new-log.ts'
import { linkIndexAt, TRANSIT, type OldLog } from './old-log.ts'
import { RepartitionRefusedError } from './refused.ts'

const SIDE_WORDS = 5
const NOTHING = new Uint8Array(0)

/** A crossing of the old logs that has not ended yet, and where it stands in the new ones. */
interface Crossing {
  readonly source: number
  readonly channel: number
  readonly turn: number
  /** Places of its events, so that they can be forgotten with it. */
  readonly places: string[]
  /** New sequence of its last event at the destination. */
  arrived: number
}

export interface Moved {
  /** Events that were taken over; those that were split count once. */
  readonly events: number
  /** Of them, those that stand as two halves. */
  readonly split: number
  /** Reminders and answers to them, which were left out. */
  readonly leftOut: number
}

export class RowMover {
  events = 0
  split = 0
  leftOut = 0
  private readonly news: readonly NewLog[]
  private readonly crossings = new Map<string, Crossing>()
  /** New sequences of events of which another may say that it answers them, by old partition and sequence. */
  private readonly places = new Map<string, number>()
  /** Effective times of holds whose accounts live apart: nothing that ends one counts before it. */
  private readonly holds = new Map<string, bigint>()
  /** Of ids that refusals without an account name: the new partition of what has them. */
  private readonly named: Map<string, number>
  private readonly scales = new Map<bigint, number>()
  private readonly text = new Int32Array(CROSSING_WORDS)

  /** @param named ids that refusals without an account name, in text */
  constructor(news: readonly NewLog[], named: Iterable<string>) {
    this.news = news
    this.named = new Map([...named].map((id) => [id, -1]))
  }

  /**
   * Takes over the row at hand of an old log.
   * @throws RepartitionRefusedError if two scales of a currency would come to one partition
   */
  move(old: OldLog): void {
    const kind = EVENT_KIND_NAMES.get(old.payload![old.byte + ROW_BYTE.kind]!)
    if (kind === undefined) throw new RangeError(`an event is of an unknown kind`)
    const part = PARTS[kind]
    this.events += 1
    switch (part) {
      case 'opens':
        return this.moveOpening(old)
      case 'account':
        return this.moveAccount(old)
      case 'moves money':
        return this.moveMoney(old, kind)
      case 'refusal':
        return this.moveRefusal(old)
      case 'at destination':
        return this.moveArrival(old)
      case 'horizon':
      case 'claim':
        this.events -= 1
        // The new logs say their own: a horizon in the end, and a claim with the command that it is for.
        return
      case 'said again':
        this.events -= 1
        this.leftOut += 1
        return this.forgetRepeat(old)
      default:
        return this.moveSource(old, part)
    }
  }

  private moveOpening(old: OldLog): void {
    const { words, words32, word, accounts } = old
    const idAt = word + ROW.relatedHigh
    if (isTransitAccountAt(words32, idAt * 2)) {
      this.events -= 1
      // The new logs open their own, where they need them.
      accounts.add(TRANSIT, 0, words, idAt)
      return
    }
    const to = this.newLog(words32, idAt * 2)
    this.checkScale(words[word + ROW.currency]!, old.payload![old.byte + ROW_BYTE.scale]!)
    accounts.add(to.partition, ++to.accounts, words, idAt)
    this.claim(old, to)
    this.begin(old, to)
    to.words32[(to.byte + ROW_BYTE.debitAccount) >>> 2] = to.accounts
    to.take(old.length)
  }

  private moveAccount(old: OldLog): void {
    const to = this.newLog(old.words32, (old.word + ROW.relatedHigh) * 2)
    this.claim(old, to)
    this.begin(old, to)
    const debit = numberAt(old, ROW_BYTE.debitAccount)
    to.words32[(to.byte + ROW_BYTE.debitAccount) >>> 2] = old.accounts.numbers[debit]!
    to.take(old.length)
  }

  private moveMoney(old: OldLog, kind: EventKind): void {
    const { accounts, word } = old
    const debit = numberAt(old, ROW_BYTE.debitAccount)
    const credit = numberAt(old, ROW_BYTE.creditAccount)
    const to = this.news[accounts.partitions[debit]!]!
    const other = accounts.partitions[credit]!
    this.noteNamed(old, to.partition)
    this.claim(old, to)
    if (other === to.partition) {
      this.begin(old, to)
      to.words32[(to.byte + ROW_BYTE.debitAccount) >>> 2] = accounts.numbers[debit]!
      to.words32[(to.byte + ROW_BYTE.creditAccount) >>> 2] = accounts.numbers[credit]!
      to.take(old.length)
    } else if (other === TRANSIT) {
      // Split by an earlier repartition: its other half comes by itself.
      this.openTransits(old, to)
      this.begin(old, to)
      to.words32[(to.byte + ROW_BYTE.debitAccount) >>> 2] = accounts.numbers[debit]!
      this.putTransit(old, to, credit, 'credit', ROW.creditVersion)
      this.text.set(old.crossing)
      this.text[CROSSING_WORD.source] = to.partition
      writeCrossing(to.bytes, to.byte + old.crossingAt - old.byte, this.text)
      this.places.set(placeOf(old.partition, old.taken + 1), to.take(old.length))
    } else this.splitMoney(old, kind, debit, credit, to, this.news[other]!)
    accounts.keep(debit, old.words, word + ROW.debitVersion)
    accounts.keep(credit, old.words, word + ROW.creditVersion)
  }

  /** Two halves, each against its partition's account for money in transit. */
  private splitMoney(
    old: OldLog,
    kind: EventKind,
    debit: number,
    credit: number,
    to: NewLog,
    other: NewLog,
  ): void {
    const { accounts, words, word } = old
    const { text } = this
    this.split += 1
    const ids = new Int32Array(accounts.ids.buffer)
    for (let at = 0; at < 4; at++) {
      text[CROSSING_WORD.debit + at] = ids[debit * 4 + at]!
      text[CROSSING_WORD.credit + at] = ids[credit * 4 + at]!
    }
    text[CROSSING_WORD.source] = to.partition
    text[CROSSING_WORD.channel] = text[CROSSING_WORD.turn] = 0
    this.answer(text, 0)
    this.openTransits(old, to)
    this.begin(old, to)
    to.words32[(to.byte + ROW_BYTE.debitAccount) >>> 2] = accounts.numbers[debit]!
    this.putTransit(old, to, credit, 'credit', ROW.creditVersion)
    const sequence = to.take(this.putCrossing(old, to))

    this.answer(text, sequence)
    this.openTransits(old, other)
    this.begin(old, other)
    const [arrival, step] = ARRIVALS[kind] ?? CREDITED
    const scale = old.payload![old.byte + ROW_BYTE.scale]!
    other.words32[(other.byte + ROW_BYTE.kind) >>> 2] =
      EVENT_KINDS[arrival] | (scale << KINDS_SHIFT.scale) | (COMMAND_KINDS[step] << KINDS_SHIFT.command)
    other.words[other.word + ROW.fingerprint] = 0n
    other.words[other.word + ROW.expiresAt] = 0n
    other.bytes[other.byte + ROW_BYTE.linkIndex] = other.bytes[other.byte + ROW_BYTE.linkIndex + 1] = 0
    other.words[other.word + ROW.effectiveAt] = this.effectiveAt(old, kind, words[word + ROW.effectiveAt]!)
    this.putTransit(old, other, debit, 'debit', ROW.debitVersion)
    other.words32[(other.byte + ROW_BYTE.creditAccount) >>> 2] = accounts.numbers[credit]!
    other.take(this.putCrossing(old, other))
  }

  /** By effective time what ends a hold counts no earlier than the hold (projectors/views/balances/effective.ts). */
  private effectiveAt({ words, word }: OldLog, kind: EventKind, own: bigint): bigint {
    if (kind === 'HoldPlaced') {
      this.holds.set(idText(words, word + ROW.transferHigh), own)
      return own
    }
    const hold = idText(words, word + ROW.relatedHigh)
    const placed = this.holds.get(hold)
    if (placed === undefined) return own
    if (kind !== 'HoldPostedInPart') this.holds.delete(hold)
    return placed > own ? placed : own
  }

  /** A refusal stands where its command would come again, and says what was seen of accounts that live there. */
  private moveRefusal(old: OldLog): void {
    const { accounts, payload, byte } = old
    const spans = readTexts(payload!, byte)
    const named = decodeText(payload!.subarray(...spans.named)).split(',')
    const numbers = [numberAt(old, ROW_BYTE.debitAccount), numberAt(old, ROW_BYTE.creditAccount)] as const
    const ids = numbers.map((number, side) =>
      number === 0
        ? (named[side] ?? '')
        : accounts.partitions[number] === TRANSIT
          ? ''
          : idText(accounts.ids, number * 2),
    )
    const first = ids.find((id) => id !== '')
    const to = first === undefined ? this.ofNamed(old) : this.news[partitionOf(parseId(first)!, this.news.length)]!
    this.claim(old, to)
    this.begin(old, to)
    const texts = numbers.map((number, side) => {
      const isHere = number !== 0 && accounts.partitions[number] === to.partition
      const at = side === 0 ? ROW_BYTE.debitAccount : ROW_BYTE.creditAccount
      to.words32[(to.byte + at) >>> 2] = isHere ? accounts.numbers[number]! : 0
      const version = to.word + (side === 0 ? ROW.debitVersion : ROW.creditVersion)
      if (!isHere) to.words.fill(0n, version, version + SIDE_WORDS)
      return isHere ? '' : ids[side]!
    })
    const text = texts.every((one) => one === '') ? NOTHING : Uint8Array.from(texts.join(','), (one) => one.charCodeAt(0)) // prettier-ignore
    const memo = payload!.subarray(...spans.memo)
    const owner = payload!.subarray(...spans.owner)
    to.take(writeRowTexts(to.bytes, to.byte + ROW_TEXT_BYTE, memo, owner, text) - to.byte)
  } // prettier-ignore

  /** Where what a refusal names was made; where unknown ids go if it was not (gateway/submit/command-router.ts). */
  private ofNamed({ words, words32, word }: OldLog): NewLog {
    const known = this.named.get(idText(words, word + ROW.relatedHigh)) ?? -1
    return known >= 0 ? this.news[known]! : this.newLog(words32, (word + ROW.relatedHigh) * 2)
  }

  private noteNamed({ words, word }: OldLog, partition: number): void {
    if (this.named.size === 0) return
    const id = idText(words, word + ROW.transferHigh)
    if (this.named.get(id) === -1) this.named.set(id, partition)
  }

  private moveSource(old: OldLog, part: Part): void {
    const { crossing, crossingAt } = old
    if (crossingAt < 0) throw new RangeError('an event of a crossing does not name its channel')
    const to = this.newLog(crossing, CROSSING_WORD.debit)
    const key = crossingOf(crossing)
    if (part === 'begins crossing')
      this.crossings.set(key, { ...to.takeChannel(), source: to.partition, places: [], arrived: 0 })
    const open = this.openCrossing(key)
    const answered = this.places.get(placeOf(partitionAnswered(old), old.answers)) ?? open.arrived
    this.claim(old, to)
    this.moveCrossing(old, to, open, old.answers === 0 ? 0 : answered)
    const [kind, command] = [ROW_BYTE.kind, ROW_BYTE.command].map((at) => old.payload![old.byte + at])
    // By the deadline it is no end: the destination is told, and answers.
    const isTold = kind === EVENT_KINDS.TransferCancelled && command === COMMAND_KINDS.TimeStep
    if (part !== 'ends crossing' || isTold) return
    to.freeChannel(open.channel)
    for (const place of open.places) this.places.delete(place)
    this.crossings.delete(key)
  }

  private moveArrival(old: OldLog): void {
    const { crossing, crossingAt } = old
    if (crossingAt < 0) throw new RangeError('an event of a crossing does not name its channel')
    const to = this.newLog(crossing, CROSSING_WORD.credit)
    const place = placeOf(crossing[CROSSING_WORD.source]!, old.answers)
    const answered = this.places.get(place)
    if (answered === undefined) throw new RangeError('an event answers one that is not known')
    if (crossing[CROSSING_WORD.channel] !== 0) {
      const open = this.openCrossing(crossingOf(crossing))
      open.arrived = this.moveCrossing(old, to, open, answered)
      return
    }
    this.places.delete(place)
    const source = this.newLog(crossing, CROSSING_WORD.debit).partition
    this.moveCrossing(old, to, { source, channel: 0, turn: 0, places: [], arrived: 0 }, answered)
  }

  private openCrossing(key: string): Crossing {
    const open = this.crossings.get(key)
    if (open === undefined) throw new RangeError('an event goes on with a crossing that is not under way')
    return open
  }

  /** Moves an event of a crossing, either side's. Returns its new sequence. */
  private moveCrossing(old: OldLog, to: NewLog, open: Crossing, answered: number): number {
    const { accounts, crossing, words, word } = old
    const debit = numberAt(old, ROW_BYTE.debitAccount)
    const credit = numberAt(old, ROW_BYTE.creditAccount)
    if (debit !== 0 && credit !== 0) this.openTransits(old, to)
    this.begin(old, to)
    for (const [number, at, side, name] of [
      [debit, ROW_BYTE.debitAccount, ROW.debitVersion, 'debit'],
      [credit, ROW_BYTE.creditAccount, ROW.creditVersion, 'credit'],
    ] as const) {
      if (number === 0) continue
      if (accounts.partitions[number] === TRANSIT) this.putTransit(old, to, number, name, side)
      else to.words32[(to.byte + at) >>> 2] = accounts.numbers[number]!
      accounts.keep(number, words, word + side)
    }
    this.text.set(crossing)
    this.text[CROSSING_WORD.source] = open.source
    this.text[CROSSING_WORD.channel] = open.channel
    this.text[CROSSING_WORD.turn] = open.turn
    const kind = old.payload![old.byte + ROW_BYTE.kind]
    if (kind === EVENT_KINDS.HoldDrawn) this.putHold(crossing, this.text, CROSSING_WORD.answers)
    else if (kind !== EVENT_KINDS.HoldReserved) this.answer(this.text, answered)
    if (kind === EVENT_KINDS.CreditDrawn) this.putHold(crossing, to.words32, (to.word + ROW.expiresAt) * 2)
    writeCrossing(to.bytes, to.byte + old.crossingAt - old.byte, this.text)
    const sequence = to.take(old.length)
    if (open.channel === 0) return sequence
    const place = placeOf(old.partition, old.taken + 1)
    this.places.set(place, sequence)
    open.places.push(place)
    return sequence
  }

  /** Puts the new turn and channel of the hold whose old ones stand at `at` of `words32`. @param crossing of the post of it */
  private putHold(crossing: Int32Array, words32: Int32Array, at: number): void {
    const hold = this.openCrossing(
      `${crossing[CROSSING_WORD.source]!}:${words32[at + 1]!}:${words32[at]! >>> 0}`,
    )
    words32[at] = hold.turn
    words32[at + 1] = hold.channel
  }

  /** What a source goes on to answer may be said again: it then answers what was said the first time. */
  private forgetRepeat(old: OldLog): void {
    const kind = old.payload![old.byte + ROW_BYTE.kind]
    if (kind !== EVENT_KINDS.StepAnswered) return
    const open = this.crossings.get(crossingOf(old.crossing))
    if (open === undefined) return
    const place = placeOf(old.partition, old.taken + 1)
    this.places.set(place, open.arrived)
    open.places.push(place)
  }

  /**
   * Claims the id of the row at hand for the partition that it goes to, if that is not the home of the id: so it goes on
   * counting once. Of what no client's command made the id is another event's, and nothing is claimed.
   */
  private claim(old: OldLog, to: NewLog): void {
    const { payload, words, words32, word } = old
    if (!hasIdOfOwn({ bytes: payload!, words, words32 }, word)) return
    const home = this.newLog(words32, (word + ROW.transferHigh) * 2)
    if (home === to) return
    home.claimId(words, word, to.partition, linkIndexAt(old))
  }

  /** Copies the row to where the next one of a log goes, as it is. */
  private begin(old: OldLog, to: NewLog): void {
    const { payload, byte, length } = old
    to.makeRoom(linkIndexAt(old), old.recordedAtNs)
    to.bytes.set(payload!.subarray(byte, byte + length), to.byte)
  }

  /** Sees to it that there is an account for money in transit, before the row is begun. */
  private openTransits({ words, word, payload, byte, recordedAtNs }: OldLog, to: NewLog): void {
    to.transit(words[word + ROW.currency]!, payload![byte + ROW_BYTE.scale]!, recordedAtNs)
  }

  /** Puts the account for money in transit on a side, and moves it by what the row changed of account `number`. */
  private putTransit(old: OldLog, to: NewLog, number: number, side: 'debit' | 'credit', from: number): void {
    const scale = old.payload![old.byte + ROW_BYTE.scale]!
    const transit = to.transit(old.words[old.word + ROW.currency]!, scale, old.recordedAtNs)
    transit.words[0]! += 1n
    old.accounts.addChange(number, old.words, old.word + from, transit.words, 1 + TOTAL.debitsPosted)
    const at = side === 'debit' ? ROW_BYTE.debitAccount : ROW_BYTE.creditAccount
    to.words32[(to.byte + at) >>> 2] = transit.number
    to.words.set(transit.words, to.word + (side === 'debit' ? ROW.debitVersion : ROW.creditVersion))
  }

  /** Writes the texts of a half: the memo, and the text at hand. Returns the row's bytes. */
  private putCrossing({ payload, byte }: OldLog, to: NewLog): number {
    const named = new Uint8Array(CROSSING_TEXT_BYTES)
    writeCrossing(named, 0, this.text)
    const memo = payload!.subarray(...readTexts(payload!, byte).memo)
    return writeRowTexts(to.bytes, to.byte + ROW_TEXT_BYTE, memo, NOTHING, named) - to.byte
  }

  private answer(text: Int32Array, sequence: number): void {
    text[CROSSING_WORD.answers] = sequence | 0
    text[CROSSING_WORD.answers + 1] = Math.floor(sequence / 4_294_967_296)
  }

  private newLog(words32: Int32Array, idAt: number): NewLog {
    return this.news[partitionOfWords(words32, idAt, this.news.length)]!
  }

  private checkScale(currency: bigint, scale: number): void {
    const known = this.scales.get(currency)
    if (known !== undefined && known !== scale)
      throw new RepartitionRefusedError(
        'scales_differ',
        `${unpackCurrency(currency)} has accounts of ${known} and of ${scale} decimal places, in different partitions, which may ` +
          'not come to one. Empty and close those of one scale; they would have to be left out, which this command does not do. Nothing was changed.',
      )
    this.scales.set(currency, scale)
  } // prettier-ignore
}

function numberAt({ words32, byte }: OldLog, at: number): number {
  return words32[(byte + at) >>> 2]!
}

function placeOf(partition: number, sequence: number): string {
  return `${partition}:${sequence}`
}

/** The partition of the event that the row at hand answers. */
function partitionAnswered({ waitsFor, partition }: OldLog): number {
  return waitsFor < 0 ? partition : waitsFor
}

function crossingOf(crossing: Int32Array): string {
  return `${crossing[CROSSING_WORD.source]!}:${crossing[CROSSING_WORD.channel]!}:${crossing[CROSSING_WORD.turn]! >>> 0}`
}

/** An id that stands in two words of 64 bits, as text. */
export function idText(words: BigInt64Array, at: number): string {
  return formatId({ high: BigInt.asUintN(64, words[at]!), low: BigInt.asUintN(64, words[at + 1]!) })
}
