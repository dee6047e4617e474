/**
 * What a command may be: the one check for every door, for the writer, and for a client before it sends. Whatever passes
 * here, each of them takes; what does not, none of them does.
 */
import { AMOUNT, CHECKED, CREDIT, CURRENCY, DEBIT, EFFECTIVE_AT, ID, RECEIVED_AT, REFERENCE, RELATED, TEXT_LENGTHS, TIMEOUT, WORDS } from './check-command.ts' // prettier-ignore
import { endOf, isAlone, isNil, wrongField, wrongOf, type WrongField } from './check-command.ts'
import { isTransitAccountAt } from './crossing.ts'
import { COMMAND_KINDS, FLAG_EFFECTIVE_AT, FLAG_LINKED, FLAG_REFERENCE, HEAD_SHIFT } from './commands.ts'
import { isUuidV7At } from './ids.ts'
import { BATCH_COMMANDS_MAX, COMMAND_SLOT_BYTES, TIME_NS_MAX } from './limits.ts'

export type { CommandField, WrongField } from './check-command.ts'

/** Flags as they stand in a slot's first word. */
const LINKED_BIT = FLAG_LINKED << HEAD_SHIFT.flags
const EFFECTIVE_BIT = FLAG_EFFECTIVE_AT << HEAD_SHIFT.flags
const REFERENCE_BIT = FLAG_REFERENCE << HEAD_SHIFT.flags

/** The upper half of the latest time: whatever has a smaller one lies before it. */
const LATE_HIGH_WORD = Number(TIME_NS_MAX >> 32n)

/** What a plain transfer's first word may have beside its kind. */
const PLAIN_BITS = LINKED_BIT | EFFECTIVE_BIT | REFERENCE_BIT

/** Asked: as a client may send it; a reversal names the transfer and nothing else. Prepared: as doors hand it on. */
export type CommandStage = 'asked' | 'prepared'

/** Commands that are passed over together: one alone, or the linked group that it cannot be taken out of. */
export interface InvalidCommands extends WrongField {
  /** The first of them and the one behind the last, counted from 0. */
  readonly first: number
  readonly end: number
  /** Which of them is wrong. */
  readonly index: number
}

/** Commands told apart: which of them cannot be taken. Broken: where one begins and another ends is not known. */
export type SortedCommands =
  | { readonly kind: 'broken'; readonly reason: string }
  | { readonly kind: 'sorted'; readonly invalid: readonly InvalidCommands[] }

/**
 * Checks that `slots` holds exactly `count` commands that a client may send, in the one form in which each can be
 * written: known kinds, no field that its kind does not use or that is not given, values within bounds, well-formed
 * currency and texts, zeros elsewhere, and every linked group ended by one of its own kind. Not checked is what the core
 * refuses by an event.
 * @returns undefined if all is well, else a sentence that names the first wrong command, counted from 0, and its field
 */
export function checkCommands(
  slots: Uint8Array,
  count: number,
  stage: CommandStage = 'asked',
): string | undefined {
  const walk = new Walk(slots, count, stage)
  const found = walk.next()
  if (found === undefined) return undefined
  if (typeof found === 'string') return found
  return `command ${found.index}: ${found.field} ${found.why}`
}

/** As checkCommands, for one command that a door has read: what is wrong with it. */
export function checkCommand(slots: Uint8Array): WrongField | undefined {
  const found = new Walk(slots, 1, 'asked').next()
  return typeof found === 'string' ? { field: 'rest', why: found } : found
}

/**
 * Checks prepared commands and tells those that can be taken from those that cannot: no wrong command costs another one
 * its outcome, unless the two are linked.
 */
export function sortCommands(slots: Uint8Array, count: number): SortedCommands {
  const walk = new Walk(slots, count, 'prepared')
  const invalid: InvalidCommands[] = []
  for (;;) {
    const found = walk.next()
    if (found === undefined) return { kind: 'sorted', invalid }
    if (typeof found === 'string') return { kind: 'broken', reason: found }
    invalid.push(found)
  }
}

/** One walk over commands, from one that is wrong to the next. */
class Walk {
  readonly #bytes: Uint8Array
  readonly #words: Int32Array
  readonly #count: number
  readonly #isPrepared: boolean
  #index = 0
  #base = 0
  /** The first command of the linked group that is not ended, if one is under way. */
  #groupFirst = -1
  // The currency that was found well-formed last: nearly always the next one's as well.
  #currencyLow = 0
  #currencyHigh = 0

  constructor(slots: Uint8Array, count: number, stage: CommandStage) {
    this.#bytes = slots.byteOffset % 4 === 0 ? slots : slots.slice()
    this.#words = new Int32Array(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.length >> 2)
    this.#count = count
    this.#isPrepared = stage === 'prepared'
  }

  /** What is wrong next, and what falls with it; a sentence where the commands cannot be told apart; undefined: nothing. */
  next(): InvalidCommands | string | undefined {
    const count = this.#count
    if (!Number.isInteger(count) || count < 0 || count > BATCH_COMMANDS_MAX)
      return `${count} commands: between 0 and ${BATCH_COMMANDS_MAX} go into one batch`
    if (this.#bytes.length % COMMAND_SLOT_BYTES !== 0)
      return `commands are whole slots of ${COMMAND_SLOT_BYTES} bytes`
    for (;;) {
      this.#passPlain()
      if (this.#index === count) return this.#finish()
      const found = this.#lookAt()
      if (found !== undefined) return found
    }
  }

  /** Goes on behind the plain transfers that stand next: nearly all there is. */
  #passPlain(): void {
    const words = this.#words
    const count = this.#count
    const currencyLow = this.#currencyLow
    const currencyHigh = this.#currencyHigh
    let base = this.#base
    let index = this.#index
    let groupFirst = this.#groupFirst
    while (
      index < count &&
      base + WORDS <= words.length &&
      isPlainTransfer(words, base, currencyLow, currencyHigh)
    ) {
      if ((words[base]! & LINKED_BIT) === 0) groupFirst = -1
      else if (groupFirst < 0) groupFirst = index
      base += WORDS
      index += 1
    }
    this.#base = base
    this.#index = index
    this.#groupFirst = groupFirst
  }

  /** Looks closely at the command at hand, and goes on behind it. */
  #lookAt(): InvalidCommands | string | undefined {
    const words = this.#words
    const base = this.#base
    const index = this.#index
    const end = this.#endOf()
    if (typeof end === 'string') return end
    const isOneAlone = isAlone(words, base)
    if (isOneAlone && this.#groupFirst >= 0) return this.#passGroup(index, LINKED_WITH_ONE_ALONE)
    const wrong = wrongField(words, base, this.#bytes, this.#isPrepared)
    this.#base = end
    this.#index = index + 1
    const isLinked = (words[base]! & LINKED_BIT) !== 0
    if (wrong !== undefined) return this.#passWith(index, isLinked && !isOneAlone, wrong)
    this.#currencyLow = words[base + CURRENCY]!
    this.#currencyHigh = words[base + CURRENCY + 1]!
    if (!isLinked) this.#groupFirst = -1
    else if (this.#groupFirst < 0) this.#groupFirst = index
    return undefined
  }

  /** The word behind the command at hand, or a sentence where it is cut off. */
  #endOf(): number | string {
    const end =
      this.#base + WORDS > this.#words.length
        ? 'is cut off'
        : endOf(this.#words, this.#base, this.#bytes.length)
    return typeof end === 'string' ? `command ${this.#index} ${end}` : end
  }

  #finish(): InvalidCommands | string | undefined {
    if (this.#base !== this.#words.length) return 'there are bytes behind the last command'
    return this.#groupFirst < 0 ? undefined : this.#passGroup(this.#count, LINKED_WITH_NOTHING)
  }

  /** The group under way is not ended by the command `end`: its last one is linked with what cannot be. */
  #passGroup(end: number, wrong: WrongField): InvalidCommands {
    const first = this.#groupFirst
    this.#groupFirst = -1
    return { first, end, index: end - 1, ...wrong }
  }

  /** The command `index` is wrong: the rest of its group, before and behind it, falls with it. */
  #passWith(index: number, isLinked: boolean, wrong: WrongField): InvalidCommands | string {
    const first = this.#groupFirst < 0 ? index : this.#groupFirst
    this.#groupFirst = -1
    const words = this.#words
    for (let goesOn = isLinked; goesOn && this.#index < this.#count; this.#index++) {
      const end = this.#endOf()
      if (typeof end === 'string') return end
      if (isAlone(words, this.#base)) break
      goesOn = (words[this.#base]! & LINKED_BIT) !== 0
      this.#base = end
    }
    return { first, end: this.#index, index, ...wrong }
  }
}

const LINKED_WITH_ONE_ALONE = wrongOf('linked', 'ties it to a command that stands alone')
const LINKED_WITH_NOTHING = wrongOf('linked', 'ties it to a next command, and there is none')

/** True for what nearly every command is, by a test that costs little: a transfer without text, its currency known. */
function isPlainTransfer(
  words: Int32Array,
  base: number,
  currencyLow: number,
  currencyHigh: number,
): boolean {
  const first = words[base]!
  const zeros =
    words[base + RELATED]! |
    words[base + RELATED + 1]! |
    words[base + RELATED + 2]! |
    words[base + RELATED + 3]! |
    words[base + TIMEOUT]! |
    words[base + TIMEOUT + 1]! |
    words[base + CHECKED]! |
    words[base + CHECKED + 1]! |
    words[base + TEXT_LENGTHS]! |
    words[base + TEXT_LENGTHS + 1]! |
    words[base + TEXT_LENGTHS + 2]! |
    words[base + TEXT_LENGTHS + 3]! |
    words[base + TEXT_LENGTHS + 4]! |
    words[base + TEXT_LENGTHS + 5]!
  return (
    (first & ~PLAIN_BITS) === COMMAND_KINDS.Transfer &&
    zeros === 0 &&
    currencyLow !== 0 &&
    words[base + CURRENCY] === currencyLow &&
    words[base + CURRENCY + 1] === currencyHigh &&
    words[base + AMOUNT + 1]! >= 0 &&
    (words[base + AMOUNT]! | words[base + AMOUNT + 1]!) !== 0 &&
    isPlainTime(words, base, first) &&
    ((first & REFERENCE_BIT) !== 0) !== isNil(words, base + REFERENCE) &&
    words[base + RECEIVED_AT + 1]! >= 0 &&
    isUuidV7At(words, base + ID) &&
    !isNil(words, base + DEBIT) &&
    !isNil(words, base + CREDIT) &&
    !isTransitAccountAt(words, base + DEBIT) &&
    !isTransitAccountAt(words, base + CREDIT)
  )
}

/** True for an effective time that is not given, or one from 1970 on. */
function isPlainTime(words: Int32Array, base: number, first: number): boolean {
  const high = words[base + EFFECTIVE_AT + 1]!
  return (first & EFFECTIVE_BIT) === 0
    ? (words[base + EFFECTIVE_AT]! | high) === 0
    : high >= 0 && high < LATE_HIGH_WORD
}
