/**
 * Makes commands straight into slots (schemas/commands.ts): no object and no big integer for each, so that making them
 * costs a small part of what deciding them does. Equal workloads, seeds and times give equal bytes.
 *
 * Every command carries a serial number in its `code`, from 0 in order: with it a log is counted exactly. A repeated
 * command carries its first one's.
 */
import {
  HEAD_SHIFT,
  COMMAND_KINDS,
  FLAG_ALL,
  FLAG_LINKED,
  FLAG_SCALE,
  FLAG_SYSTEM,
  FLAG_TIMEOUT,
  SLOT,
  SLOT_WORDS,
} from '../schemas/commands.ts'
import { packCurrency } from '../schemas/money.ts'
import { Random } from './random.ts'
import type { Workload } from './workloads.ts'

export interface GeneratorOptions {
  /** At least 4. Accounts are numbered from 1; the first two are the hot ones. */
  readonly accounts: number
  readonly seed: number
  /** True: no account has a limit, so no balance check can refuse. */
  readonly unlimited?: boolean
  /** Serial number of the first command; 0 by default. */
  readonly firstSerial?: number
}

/** What was made so far. */
export interface Made {
  /** Commands, repeated ones included. */
  readonly commands: number
  readonly hot: number
  /** Transfers and holds that take from an account with a limit. */
  readonly checked: number
  readonly repeated: number
}

const SLOT_WORDS32 = SLOT_WORDS * 2
const LINKED_BIT = FLAG_LINKED << HEAD_SHIFT.flags
const SYSTEM_BIT = FLAG_SYSTEM << HEAD_SHIFT.flags
const POST_ALL = COMMAND_KINDS.PostHold | (FLAG_ALL << HEAD_SHIFT.flags)
const PLACE_WITH_TIMEOUT = COMMAND_KINDS.PlaceHold | (FLAG_TIMEOUT << HEAD_SHIFT.flags)
const CURRENCY = 'EUR'
const CURRENCY_WORD32 = Number(packCurrency(CURRENCY))
const SCALE = 2
/** One account in this many may not overdraw at all, and begins with nothing: some transfers are refused. */
const EMPTY_EVERY = 128
const OVERDRAFT_LIMIT = 1_000_000
/** Upper half of a hot account's limit: it never runs out. */
const HOT_LIMIT_HIGH = 2 ** 30
const AMOUNT_MAX = 100
/** Holds open at a time. */
const HOLDS_OPEN = 1_024
const HOLD_TIMEOUT_NS = 3_600_000_000_000
/** Every 64th command is kept to be repeated: one of the last 16,384. */
const KEPT_EVERY = 64
const KEPT = 256

export const HOT_SOURCE = 1
export const HOT_DESTINATION = 2

function mixed(number: number, salt: number): number {
  let h = (number ^ salt) | 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}

/** Writes the id of account `number` (32-bit words, lowest first within each half): a UUIDv4, different for each number. */
export function writeAccountId(words32: Int32Array, at: number, number: number): void {
  words32[at] = (mixed(number, 0x51ed270b) & ~0xf000) | 0x4000
  words32[at + 1] = mixed(number, 0x2545f491)
  // The mixing is one to one, and nothing is cut off here: no two accounts share an id.
  words32[at + 2] = mixed(number, 0)
  words32[at + 3] = (mixed(number, 0x6c8e9cf5) & 0x3fff_ffff) | 0x8000_0000
}

export class CommandGenerator {
  private readonly workload: Workload
  private readonly accounts: number
  private readonly unlimited: boolean
  private readonly random: Random
  private readonly kept: Int32Array
  private readonly holds = new Int32Array(HOLDS_OPEN * 4)
  private holdsPlaced = 0
  private holdsEnded = 0
  private commands = 0
  /** Commands made that repeat none. */
  private distinct = 0
  private readonly firstSerial: number
  private hot = 0
  private checked = 0
  private repeated = 0

  /** Throws RangeError if there are fewer than 4 accounts. */
  constructor(workload: Workload, options: GeneratorOptions) {
    if (!Number.isInteger(options.accounts) || options.accounts < 4)
      throw new RangeError(`${options.accounts} accounts: a workload needs at least 4`)
    this.workload = workload
    this.accounts = options.accounts
    this.unlimited = options.unlimited ?? false
    this.firstSerial = options.firstSerial ?? 0
    this.random = new Random(options.seed)
    this.kept = new Int32Array(workload.repeatedShare > 0 ? KEPT * SLOT_WORDS32 : 0)
  }

  made(): Made {
    const { commands, hot, checked, repeated } = this
    return { commands, hot, checked, repeated }
  }

  /** The serial number that the next command gets which repeats none. */
  nextSerial(): number {
    return this.firstSerial + this.distinct
  }

  /**
   * Fills slots 0 to `count` − 1 with the next commands; no linked group is left open at the end.
   * @param slots begins at a multiple of 4 bytes; every byte of the slots is written
   * @param nowMs the time in the ids, milliseconds since 1970
   */
  fill(slots: Uint8Array, count: number, nowMs: number): void {
    const words32 = words32Of(slots)
    const { workload } = this
    for (let index = 0; index < count; index++) {
      const at = index * SLOT_WORDS32
      if (workload.repeatedShare > 0 && this.repeat(words32, at)) continue
      this.begin(words32, at, nowMs)
      if (workload.holds) this.putHoldCommand(words32, at)
      else this.putTransfer(words32, at, COMMAND_KINDS.Transfer)
      if (workload.linkedTransfers > 1 && (index + 1) % workload.linkedTransfers !== 0 && index + 1 < count)
        words32[at] = words32[at]! | LINKED_BIT
      words32[at + 1] = this.firstSerial + this.distinct
      this.distinct += 1
      if (workload.repeatedShare > 0 && this.distinct % KEPT_EVERY === 0) this.keep(words32, at)
    }
    this.commands += count
  }

  /** Fills slots with commands that open accounts `first` to `first + count − 1`. They are not counted as made. */
  fillOpenings(slots: Uint8Array, first: number, count: number, nowMs: number): void {
    const words32 = words32Of(slots)
    for (let index = 0; index < count; index++) {
      const at = index * SLOT_WORDS32
      const number = first + index
      this.begin(words32, at, nowMs)
      words32[at] = COMMAND_KINDS.OpenAccount | (FLAG_SCALE << HEAD_SHIFT.flags) | (SCALE << HEAD_SHIFT.scale)
      writeAccountId(words32, at + SLOT.debitHigh * 2, number)
      words32[at + SLOT.currency * 2] = CURRENCY_WORD32
      const limit = at + SLOT.amount * 2
      if (this.unlimited) words32[at] = words32[at] | SYSTEM_BIT
      else if (number === HOT_SOURCE || number === HOT_DESTINATION) words32[limit + 1] = HOT_LIMIT_HIGH
      else words32[limit] = number % EMPTY_EVERY === 0 ? 0 : OVERDRAFT_LIMIT
    }
  }

  /** A slot of zeros with a new id. */
  private begin(words32: Int32Array, at: number, nowMs: number): void {
    const { random } = this
    for (let word = at; word < at + SLOT_WORDS32; word++) words32[word] = 0
    const id = at + SLOT.idHigh * 2
    words32[id] = ((nowMs % 65_536) << 16) | 0x7000 | (random.next() & 0xfff)
    words32[id + 1] = Math.floor(nowMs / 65_536)
    words32[id + 2] = random.next()
    words32[id + 3] = (random.next() & 0x3fff_ffff) | 0x8000_0000
  }

  private putTransfer(words32: Int32Array, at: number, kind: number): void {
    const { workload, random } = this
    const fromHot = workload.hotSourceShare > 0 && random.chance(workload.hotSourceShare)
    const toHot = workload.hotPair
      ? fromHot
      : workload.hotDestinationShare > 0 && random.chance(workload.hotDestinationShare)
    const debit = fromHot ? HOT_SOURCE : this.drawAccount(toHot ? HOT_DESTINATION : 0)
    const credit = toHot ? HOT_DESTINATION : this.drawAccount(debit)
    if (fromHot || toHot) this.hot += 1
    if (!this.unlimited) this.checked += 1
    words32[at] = kind
    writeAccountId(words32, at + SLOT.debitHigh * 2, debit)
    writeAccountId(words32, at + SLOT.creditHigh * 2, credit)
    words32[at + SLOT.amount * 2] = 1 + random.below(AMOUNT_MAX)
    words32[at + SLOT.currency * 2] = CURRENCY_WORD32
  }

  /** Any account but this one. */
  private drawAccount(other: number): number {
    if (other === 0) return 1 + this.random.below(this.accounts)
    const drawn = 1 + this.random.below(this.accounts - 1)
    return drawn < other ? drawn : drawn + 1
  }

  private putHoldCommand(words32: Int32Array, at: number): void {
    if (this.holdsPlaced - this.holdsEnded === HOLDS_OPEN) {
      const hold = (this.holdsEnded % HOLDS_OPEN) * 4
      words32[at] = this.holdsEnded % 4 === 3 ? COMMAND_KINDS.VoidHold : POST_ALL
      for (let word = 0; word < 4; word++)
        words32[at + SLOT.relatedHigh * 2 + word] = this.holds[hold + word]!
      this.holdsEnded += 1
      return
    }
    this.putTransfer(words32, at, PLACE_WITH_TIMEOUT)
    words32[at + SLOT.timeout * 2] = (HOLD_TIMEOUT_NS % 4_294_967_296) | 0
    words32[at + SLOT.timeout * 2 + 1] = Math.floor(HOLD_TIMEOUT_NS / 4_294_967_296)
    const hold = (this.holdsPlaced % HOLDS_OPEN) * 4
    for (let word = 0; word < 4; word++) this.holds[hold + word] = words32[at + SLOT.idHigh * 2 + word]!
    this.holdsPlaced += 1
  }

  private keep(words32: Int32Array, at: number): void {
    const kept = (Math.floor(this.distinct / KEPT_EVERY) % KEPT) * SLOT_WORDS32
    for (let word = 0; word < SLOT_WORDS32; word++) this.kept[kept + word] = words32[at + word]!
  }

  /** Repeats an earlier command, by chance. False if it is not time, or there is none. */
  private repeat(words32: Int32Array, at: number): boolean {
    if (this.distinct < KEPT_EVERY * KEPT || !this.random.chance(this.workload.repeatedShare)) return false
    const kept = this.random.below(KEPT) * SLOT_WORDS32
    for (let word = 0; word < SLOT_WORDS32; word++) words32[at + word] = this.kept[kept + word]!
    this.repeated += 1
    return true
  }
}

function words32Of(slots: Uint8Array): Int32Array {
  return new Int32Array(slots.buffer, slots.byteOffset, slots.byteLength >> 2)
}
