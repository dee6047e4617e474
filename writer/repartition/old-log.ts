/** A log that is read to be written anew: its rows one after the other, and its accounts as the rows so far leave them. */
import type { Frame } from '../../schemas/frames.ts'
import {
  ANSWERS_NOTHING,
  CROSSING_WORD,
  CROSSING_WORDS,
  crossingTextAt,
  readCrossing,
} from '../../schemas/crossing.ts'
import { eventRowBytes, ROW, ROW_BYTE, SIDE_BYTE } from '../../schemas/events.ts'
import { partitionOfWords } from '../../schemas/partitions.ts'
import type { LogHead } from '../../eventlog/ports.ts'

/** Words (of 64 bits) of an account's four totals, and of its id. */
const TOTALS_WORDS = 4
const ID_WORDS = 2
const ACCOUNTS_INITIAL = 1_024
/** In place of a partition: the account is the old partition's own, for money in transit. */
export const TRANSIT = -1
const TOTALS_WORD = SIDE_BYTE.debitsPosted / 8

/** The accounts of an old partition, by number. */
export class OldAccounts {
  count = 0
  /** Partition in which it lives from now on, or TRANSIT. */
  partitions = new Int16Array(ACCOUNTS_INITIAL)
  /** Its number there. */
  numbers = new Int32Array(ACCOUNTS_INITIAL)
  ids = new BigInt64Array(ACCOUNTS_INITIAL * ID_WORDS)
  /** Its totals after the last row that moved it. */
  totals = new BigInt64Array(ACCOUNTS_INITIAL * TOTALS_WORDS)

  /** Takes in the next account, whose id stands at `idAt` of `words`. */
  add(partition: number, number: number, words: BigInt64Array, idAt: number): void {
    const account = ++this.count
    if (account >= this.partitions.length) this.grow()
    this.partitions[account] = partition
    this.numbers[account] = number
    this.ids[account * ID_WORDS] = words[idAt]!
    this.ids[account * ID_WORDS + 1] = words[idAt + 1]!
  }

  /** Keeps the totals of the side whose version stands at word `side`. */
  keep(account: number, words: BigInt64Array, side: number): void {
    for (let total = 0; total < TOTALS_WORDS; total++)
      this.totals[account * TOTALS_WORDS + total] = words[side + TOTALS_WORD + total]!
  }

  /** Adds to `into`, from word `at` on, what a row changed of an account. */
  addChange(account: number, words: BigInt64Array, side: number, into: BigInt64Array, at: number): void {
    for (let total = 0; total < TOTALS_WORDS; total++)
      into[at + total] = into[at + total]! + words[side + TOTALS_WORD + total]! - this.totals[account * TOTALS_WORDS + total]!
  } // prettier-ignore

  private grow(): void {
    const size = this.partitions.length * 2
    this.partitions = grown(this.partitions, new Int16Array(size))
    this.numbers = grown(this.numbers, new Int32Array(size))
    this.ids = grown(this.ids, new BigInt64Array(size * ID_WORDS))
    this.totals = grown(this.totals, new BigInt64Array(size * TOTALS_WORDS))
  }
}

function grown<Words extends Int16Array | Int32Array | BigInt64Array>(from: Words, to: Words): Words {
  to.set(from as never)
  return to
}

export class OldLog {
  readonly partition: number
  readonly accounts = new OldAccounts()
  /** The row at hand begins at `byte` of these, and has `length` bytes. Undefined payload: there is no further row. */
  payload: Uint8Array | undefined
  words: BigInt64Array = new BigInt64Array(0)
  words32: Int32Array = new Int32Array(0)
  byte = 0
  length = 0
  recordedAtNs = 0n
  /** Text of the row's crossing, laid out as CROSSING_WORD; only where `isOfCrossing`. */
  readonly crossing = new Int32Array(CROSSING_WORDS)
  /** Byte of that text, −1: the row has none. */
  crossingAt = -1
  /** The event of another partition that has to come before: its partition, −1 for none, and its sequence. */
  waitsFor = -1
  waitsForSequence = 0
  /** Sequence of the last row that was taken. */
  taken = 0
  private readonly reading: Generator<Frame, LogHead, undefined>
  private readonly partitions: number

  /** @param partitions of the old deployment */
  constructor(partition: number, partitions: number, reading: Generator<Frame, LogHead, undefined>) {
    this.partition = partition
    this.partitions = partitions
    this.reading = reading
    this.nextFrame()
  }

  /** The row at hand is done with: goes on to the next one. */
  next(): void {
    this.taken += 1
    this.byte += this.length
    if (this.byte >= this.payload!.length) this.nextFrame()
    else this.look()
  }

  /** The word of 64 bits at which the row at hand begins. */
  get word(): number {
    return this.byte >>> 3
  }

  /** True if the row at hand goes on with the linked group of the row before it. */
  get isWithinGroup(): boolean {
    return this.payload !== undefined && this.waitsFor < 0 && linkIndexAt(this) > 1
  }

  /** Sequence of the event that the row at hand answers, in the other partition; 0: none. */
  get answers(): number {
    const { answers } = CROSSING_WORD
    if (ANSWERS_NOTHING.has(this.payload![this.byte + ROW_BYTE.kind]!)) return 0
    return (this.crossing[answers + 1]! >>> 0) * 4_294_967_296 + (this.crossing[answers]! >>> 0)
  }

  private nextFrame(): void {
    for (;;) {
      const step = this.reading.next()
      if (step.done === true) {
        this.payload = undefined
        return
      }
      if (step.value.count === 0) continue
      // Memory of its own: the frame is good until the next one is asked for, and may begin anywhere.
      this.payload = new Uint8Array(step.value.payload)
      this.words = new BigInt64Array(this.payload.buffer)
      this.words32 = new Int32Array(this.payload.buffer)
      this.byte = 0
      this.look()
      return
    }
  }

  private look(): void {
    const { payload, byte, words, words32, crossing } = this
    this.length = eventRowBytes(payload!, byte)
    this.recordedAtNs = words[this.word + ROW.recordedAt]!
    this.waitsFor = -1
    this.crossingAt = words32[(byte + ROW_BYTE.texts) >>> 2] === 0 ? -1 : crossingTextAt(payload!, byte)
    if (this.crossingAt < 0) return
    readCrossing(payload!, this.crossingAt, crossing)
    this.waitsForSequence = this.answers
    if (this.waitsForSequence === 0) return
    const { source, credit } = CROSSING_WORD
    // A crossing may lie within one partition, since a repartition: then what it answers stands before it anyway.
    const other = crossing[source]! !== this.partition ? crossing[source]! : partitionOfWords(crossing, credit, this.partitions) // prettier-ignore
    this.waitsFor = other
  }
}

/** Place of the row at hand within its linked group, from 1; 0: none. */
export function linkIndexAt({ words32, byte }: Pick<OldLog, 'words32' | 'byte'>): number {
  return words32[(byte + ROW_BYTE.partition) >>> 2]! >>> 16
}

/**
 * The log whose row comes next: the earliest by recorded time (of equals, of the lowest partition) whose cause is taken.
 * Undefined: there is none left.
 * @throws Error if rows are left and each waits for another
 */
export function nextOf(logs: readonly OldLog[]): OldLog | undefined {
  let found: OldLog | undefined
  let isLeft = false
  for (const log of logs) {
    if (log.payload === undefined) continue
    isLeft = true
    if (log.waitsFor >= 0 && log.waitsFor !== log.partition && logs[log.waitsFor]!.taken < log.waitsForSequence)
      continue
    if (found === undefined || log.recordedAtNs < found.recordedAtNs) found = log
  }
  if (found === undefined && isLeft) throw new Error('events wait for each other in a circle')
  return found
} // prettier-ignore
