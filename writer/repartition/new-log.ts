/** A log that is being written anew: frames of rows, its account for money in transit, and the channels of its crossings. */
import { nodeDisk } from '../../eventlog/disk/disk.ts'
import type { LogAppender } from '../../eventlog/file/appender.ts'
import { openLog } from '../../eventlog/file/recovery/open-log.ts'
import { seal } from '../../eventlog/handoff/seal.ts'
import type { LogHead } from '../../eventlog/ports.ts'
import { COMMAND_KINDS } from '../../schemas/commands.ts'
import { transitAccountId } from '../../schemas/crossing.ts'
import { EVENT_KINDS, EVENT_SCHEMA_VERSION, KINDS_SHIFT, ROW, ROW_BYTE, ROW_TEXT_BYTE, writeRowTexts } from '../../schemas/events.ts' // prettier-ignore
import { EVENT_ROW_BYTES, EVENT_ROW_BYTES_MAX, LINKED_TRANSFERS_MAX } from '../../schemas/limits.ts'
import { OVERDRAFT_UNLIMITED, unpackCurrency } from '../../schemas/money.ts'
import { TRANSIT_OWNER_BYTES } from '../core/crossing/transit-row.ts'
import { LowestFree } from '../core/state/lowest-free.ts'
import { claimFingerprints } from './claims.ts'

/** Bytes of rows from which on a frame is closed. */
const FRAME_PAYLOAD_BYTES = 1024 * 1024
/** Rows for which there is room behind `makeRoom`: an event, and the opening of an account for money in transit before the next. */
const ROWS_FREE = 3
/** Claims that may wait for a time of their own, beside those of a linked group; and words of one. */
const CLAIMS_WAITING_MAX = 16_384
const CLAIM_WORDS = 4
const EPOCH = 1n
const NOTHING = new Uint8Array(0)

/** The time of the row that was written last, in any of the new logs: no later row has an earlier one. */
export interface Clock {
  ns: bigint
}

/** An account for money in transit: its number, its version and its four totals. */
export interface Transit {
  readonly number: number
  readonly words: BigInt64Array
}

export class NewLog {
  readonly partition: number
  /** Accounts opened so far. */
  accounts = 0
  /** Sequence of the last row. */
  sequence = 0
  readonly bytes = new Uint8Array(
    FRAME_PAYLOAD_BYTES + (LINKED_TRANSFERS_MAX * 2 + ROWS_FREE) * EVENT_ROW_BYTES_MAX,
  )
  readonly words = new BigInt64Array(this.bytes.buffer)
  readonly words32 = new Int32Array(this.bytes.buffer)
  /** Where the next row begins. */
  byte = 0
  private readonly appender: LogAppender
  private readonly partitions: number
  private readonly fingerprints: BigInt64Array
  /** Claims that are yet to be written: id, time of receipt, partition. */
  private readonly waiting = new BigInt64Array((CLAIMS_WAITING_MAX + LINKED_TRANSFERS_MAX) * CLAIM_WORDS)
  private claims = 0
  private readonly clock: Clock
  private readonly transits = new Map<bigint, Transit>()
  private readonly free = new LowestFree()
  private readonly turns: number[] = []
  private framed = 0
  private lastNs = 0n

  /** @param beganNs time of the opening frame */
  constructor(dir: string, partition: number, partitions: number, clock: Clock, beganNs: bigint) {
    this.partition = partition
    this.partitions = partitions
    this.fingerprints = claimFingerprints(partitions)
    this.clock = clock
    this.appender = openLog(nodeDisk, dir, { partition }).appender
    this.close(beganNs)
  }

  /** The word of 64 bits at which the next row begins. */
  get word(): number {
    return this.byte >>> 3
  }

  /** The earliest time that the next row may have. */
  private get leastNs(): bigint {
    return this.clock.ns > this.lastNs ? this.clock.ns : this.lastNs + 1n
  }

  /**
   * Ends the row of `length` bytes that stands at `byte`: gives it its partition and sequence, and a time: its own, unless
   * a row before it has that or a later one. Returns the sequence.
   */
  take(length: number): number {
    const { word, words, words32 } = this
    const own = words[word + ROW.recordedAt]!
    const least = this.leastNs
    const recordedAtNs = own > least ? own : least
    // What takes effect when it is recorded does so still.
    if (words[word + ROW.effectiveAt] === own) words[word + ROW.effectiveAt] = recordedAtNs
    words[word + ROW.recordedAt] = recordedAtNs
    this.clock.ns = recordedAtNs
    this.lastNs = recordedAtNs
    this.sequence += 1
    words[word + ROW.sequence] = BigInt(this.sequence)
    words32[(this.byte + ROW_BYTE.partition) >>> 2] =
      this.partition | (words32[(this.byte + ROW_BYTE.partition) >>> 2]! & ~0xffff)
    this.byte += length
    return this.sequence
  }

  /**
   * Closes the frame if it is full, before a row is written that may begin another one: a linked group stands in one. Claims
   * that wait come before it, if it leaves them time.
   * @param linkIndex the row's
   * @param recordedAtNs its time
   */
  makeRoom(linkIndex: number, recordedAtNs: bigint): void {
    const isWithinGroup = isWithin(linkIndex)
    if (!isWithinGroup) this.writeClaims(recordedAtNs)
    this.closeIfFull(isWithinGroup)
  }

  private closeIfFull(isWithinGroup: boolean): void {
    const isAtEnd = this.byte > this.bytes.length - ROWS_FREE * EVENT_ROW_BYTES_MAX
    if ((this.byte >= FRAME_PAYLOAD_BYTES && !isWithinGroup) || isAtEnd) this.close(this.lastNs)
  }

  /**
   * The account for money in transit in a currency. The first time it is opened, by a row before the next one.
   * @param currency as a row has it
   */
  transit(currency: bigint, scale: number, recordedAtNs: bigint): Transit {
    const known = this.transits.get(currency)
    if (known !== undefined) return known
    const { word, words, words32 } = this
    const { high, low } = transitAccountId(unpackCurrency(currency), this.partition, this.partitions)
    const number = ++this.accounts
    // A nanosecond before what needs it, so that that keeps its time.
    this.beginOwn(EVENT_KINDS.AccountOpened, scale, recordedAtNs - 1n)
    words[word + ROW.transferHigh] = words[word + ROW.relatedHigh] = high
    words[word + ROW.transferLow] = words[word + ROW.relatedLow] = BigInt.asIntN(64, low)
    words[word + ROW.amount] = OVERDRAFT_UNLIMITED
    words[word + ROW.debitVersion] = 1n
    words[word + ROW.currency] = currency
    words32[(word + ROW.accounts) * 2] = number
    const end = writeRowTexts(this.bytes, this.byte + ROW_TEXT_BYTE, NOTHING, TRANSIT_OWNER_BYTES, NOTHING)
    this.take(end - this.byte)
    const transit = { number, words: new BigInt64Array([1n, 0n, 0n, 0n, 0n]) }
    this.transits.set(currency, transit)
    return transit
  } // prettier-ignore

  /**
   * Claims the id of a command for the partition in which it stands, as if a door had asked for it: right before the command,
   * unless rows stand so close that it would move them on in time. Then it comes as soon as there is a nanosecond free.
   * @param words the command's row begins at `from` of these
   * @param linkIndex that row's: what is here of a linked group is not cut
   */
  claimId(words: BigInt64Array, from: number, partition: number, linkIndex: number): void {
    const at = this.claims++ * CLAIM_WORDS
    const { waiting } = this
    waiting[at] = words[from + ROW.transferHigh]!
    waiting[at + 1] = words[from + ROW.transferLow]!
    waiting[at + 2] = words[from + ROW.receivedAt]!
    waiting[at + 3] = BigInt(partition)
    if (isWithin(linkIndex)) return
    this.writeClaims(words[from + ROW.recordedAt])
    if (this.claims >= CLAIMS_WAITING_MAX) this.writeClaims(undefined)
  }

  /** Writes the claims that wait, as far as they find times before this one; undefined: all. */
  private writeClaims(beforeNs: bigint | undefined): void {
    const { waiting, words, words32 } = this
    let written = 0
    for (; written < this.claims; written++) {
      const left = BigInt(this.claims - written)
      if (beforeNs !== undefined && this.leastNs >= beforeNs) break
      this.closeIfFull(false)
      const { word } = this
      const at = written * CLAIM_WORDS
      const partition = Number(waiting[at + 3]!)
      this.beginOwn(EVENT_KINDS.IdClaimed, 0, beforeNs === undefined ? 0n : beforeNs - left, COMMAND_KINDS.ClaimId)
      words[word + ROW.transferHigh] = waiting[at]!
      words[word + ROW.transferLow] = waiting[at + 1]!
      words[word + ROW.receivedAt] = waiting[at + 2]!
      words[word + ROW.fingerprint] = this.fingerprints[partition]!
      words32[(this.byte + ROW_BYTE.code) >>> 2] = partition
      this.take(EVENT_ROW_BYTES)
    }
    if (written === 0) return
    waiting.copyWithin(0, written * CLAIM_WORDS, this.claims * CLAIM_WORDS)
    this.claims -= written
  } // prettier-ignore

  /** Says up to which time ids that were not used are expired, milliseconds since 1970. */
  forgetIds(horizonMs: number): void {
    this.closeIfFull(false)
    this.beginOwn(EVENT_KINDS.IdsForgotten, 0, this.clock.ns)
    this.words[this.word + ROW.amount] = BigInt(horizonMs)
    this.take(EVENT_ROW_BYTES)
  }

  /** Begins a row that stands in no old log. */
  private beginOwn(
    kind: number,
    scale: number,
    recordedAtNs: bigint,
    command: number = COMMAND_KINDS.TimeStep,
  ): void {
    const { word, words } = this
    words.fill(0n, word, word + EVENT_ROW_BYTES_MAX / 8)
    for (const at of [ROW.recordedAt, ROW.effectiveAt, ROW.receivedAt]) words[word + at] = recordedAtNs
    this.words32[(this.byte + ROW_BYTE.kind) >>> 2] =
      kind | (scale << KINDS_SHIFT.scale) | (command << KINDS_SHIFT.command)
  }

  /** Gives the lowest free channel to a crossing that begins. */
  takeChannel(): { readonly channel: number; readonly turn: number } {
    const lowest = this.free.lowest()
    const channel = lowest < 0 ? this.turns.length + 1 : lowest
    if (lowest < 0) this.turns.push(0)
    else this.free.remove(lowest)
    return { channel, turn: ++this.turns[channel - 1]! }
  }

  freeChannel(channel: number): void {
    this.free.add(channel)
  }

  /** Makes all rows durable and closes the files. Returns where the log ends. */
  finish(): LogHead {
    this.writeClaims(undefined)
    if (this.byte > 0) this.close(this.lastNs)
    this.appender.syncMark()
    const head = this.appender.head()
    this.appender.close()
    return head
  }

  abandon(): void {
    this.appender.close()
  }

  /** Closes the frame at hand: one durable append. */
  private close(timeNs: bigint): void {
    const { appender } = this
    const frame = seal(
      {
        schemaVersion: EVENT_SCHEMA_VERSION,
        epoch: EPOCH,
        firstSequence: BigInt(this.framed + 1),
        count: this.sequence - this.framed,
        timeNs,
        nextCommandOffset: 0n,
        nextCommandIndex: 0,
        payload: this.bytes.subarray(0, this.byte),
      },
      appender.head(),
      appender.durable().sequence,
    )
    appender.append(frame)
    appender.sync()
    this.framed = this.sequence
    this.byte = 0
  }
}

/** True of a row that goes on with a linked group. */
function isWithin(linkIndex: number): boolean {
  return linkIndex > 1 && linkIndex <= LINKED_TRANSFERS_MAX
}
