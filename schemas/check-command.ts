/** One command's slot and texts, field by field: what may stand there. */
import {
  HEAD_SHIFT,
  COMMAND_KINDS,
  COMMAND_KIND_NAMES,
  FLAG_ALL,
  FLAG_CONDITIONS,
  FLAG_EFFECTIVE_AT,
  FLAG_FORCE,
  FLAG_KEEP_OPEN,
  FLAG_LIMIT,
  FLAG_LINKED,
  FLAG_PART,
  FLAG_REFERENCE,
  FLAG_SCALE,
  FLAG_SYSTEM,
  FLAG_TIMEOUT,
  ROUTE_ACROSS,
  ROUTE_SAGA,
  ROUTE_TCC,
  SLOT,
  SLOT_WORDS,
  commandSlots,
  isAccountKind,
  mayHaveConditions,
  isStepKind,
  standsAlone,
} from './commands.ts'
import { CONDITION_AVAILABLE, CONDITION_VERSION, CONDITION_WORD } from './conditions.ts'
import { isTransitAccountAt } from './crossing.ts'
import { isUuidV7At } from './ids.ts'
import { REFUSAL_CODES, REVERSAL_FINDINGS, refusalOf } from './refusals.ts'
import {
  CHANNELS_MAX,
  COMMAND_SLOT_BYTES,
  MEMO_BYTES_MAX,
  OWNER_BYTES_MAX,
  PARTITIONS_MAX,
  SCALE_MAX,
  TIME_NS_MAX,
  TIME_NS_MIN,
  TIMES_TEXT,
} from './limits.ts'
import { isPlainText } from './text.ts'

const {
  OpenAccount,
  ChangeAccount,
  Transfer,
  PlaceHold,
  PostHold,
  VoidHold,
  ReverseTransfer,
  CancelTransfer,
  CancelCredit,
  DrawCredit,
  ClaimId,
} = COMMAND_KINDS
/** What only the writer's own timer does: never in a queue. */
const { ExpireHold, TimeStep } = COMMAND_KINDS

/** A slot in words of 32 bits: its size, and where in it each field begins. */
export const WORDS = SLOT_WORDS * 2
export const ID = SLOT.idHigh * 2
export const DEBIT = SLOT.debitHigh * 2
export const CREDIT = SLOT.creditHigh * 2
export const RELATED = SLOT.relatedHigh * 2
export const AMOUNT = SLOT.amount * 2
export const EFFECTIVE_AT = SLOT.effectiveAt * 2
export const TIMEOUT = SLOT.timeout * 2
export const RECEIVED_AT = SLOT.receivedAt * 2
export const CURRENCY = SLOT.currency * 2
export const REFERENCE = SLOT.referenceHigh * 2
export const CHECKED = SLOT.checkedSequence * 2
export const TEXT_LENGTHS = SLOT.textLengths * 2
/** Which conditions there are, a byte for each account; of a step, the scale. */
const CONDITION_TESTS = TEXT_LENGTHS + 1
const SOURCE_ATTEMPT = SLOT.sourceAttempt * 2
const CHANNEL = SLOT.channelTurn * 2

/** A field of a command by its name in docs/bulk-lane.md, and `linked`. `step`: of a crossing. `rest`: where nothing stands. */
export type CommandField =
  'kind' | 'flags' | 'linked' | 'scale' | 'code' | 'id' | 'debit' | 'credit' | 'related' | 'amount' | 'effectiveAt' | 'timeout' | 'receivedAt' | 'currency' | 'reference' | 'checkedSequence' | 'finding' | 'route' | 'step' | 'ifDebit' | 'ifCredit' | 'keepOpen' | 'memo' | 'owner' | 'rest' // prettier-ignore

/** What is wrong with a field of a command: the end of a sentence that begins with the field. */
export interface WrongField {
  readonly field: CommandField
  readonly why: string
}

/**
 * What is wrong with the command whose slot begins at word `base`, whose texts lie within `bytes`.
 * @param isPrepared as doors hand it on; otherwise as a client may send it: a reversal names the transfer and nothing else
 */
export function wrongField(
  words: Int32Array,
  base: number,
  bytes: Uint8Array,
  isPrepared: boolean,
): WrongField | undefined {
  const kind = kindAt(words, base)
  if (isStepKind(kind)) {
    if (!isPrepared) return wrongOf('kind', `is ${kind}, which no client may send`)
    return wrongHead(words, base, isPrepared) ?? wrongStep(words, base) ?? wrongTexts(words, base, bytes)
  }
  if (kind === ClaimId)
    return isPrepared ? wrongClaim(words, base) : wrongOf('kind', `is ${kind}, which no client may send`)
  return (
    wrongHead(words, base, isPrepared) ??
    wrongFields(words, base, isPrepared) ??
    wrongTexts(words, base, bytes)
  )
}

export function wrongOf(field: CommandField, why: string): WrongField {
  return { field, why }
}

export function isNil(words: Int32Array, at: number): boolean {
  return (words[at]! | words[at + 1]! | words[at + 2]! | words[at + 3]!) === 0
}

function isZero(words: Int32Array, at: number): boolean {
  return (words[at]! | words[at + 1]!) === 0
}

function i64(words: Int32Array, at: number): bigint {
  return (BigInt(words[at + 1]!) << 32n) | BigInt(words[at]! >>> 0)
}

function kindAt(words: Int32Array, base: number): number {
  return words[base]! & 0xff
}

function hasFlag(words: Int32Array, base: number, flag: number): boolean {
  return ((words[base]! >>> HEAD_SHIFT.flags) & flag) !== 0
}

/** True if the command at `base` is one that no group can have as a member. */
export function isAlone(words: Int32Array, base: number): boolean {
  return standsAlone(kindAt(words, base))
}

/** The word behind the command at `base` and its texts. Their lengths say where the next one begins, so they come first. */
export function endOf(words: Int32Array, base: number, bytes: number): number | string {
  const lengths = words[base + TEXT_LENGTHS]!
  const memoBytes = lengths & 0xffff
  const ownerBytes = lengths >>> 16
  if (memoBytes > MEMO_BYTES_MAX) return `has a memo of more than ${MEMO_BYTES_MAX} bytes`
  if (ownerBytes > OWNER_BYTES_MAX) return `has an owner of more than ${OWNER_BYTES_MAX} bytes`
  const end = base + commandSlots(memoBytes, ownerBytes) * WORDS
  return end * 4 > bytes ? 'has a text that is cut off' : end
}

/** A claim has an id, a partition in the place of the code, and the time of receipt. */
function wrongClaim(words: Int32Array, base: number): WrongField | undefined {
  if (words[base] !== ClaimId) return wrongOf('flags', 'has something behind it where nothing stands')
  if (words[base + 1]! >>> 0 >= PARTITIONS_MAX) return wrongOf('code', 'is the number of no partition')
  if (!isUuidV7At(words, base + ID)) return wrongOf('id', 'is not a UUID of version 7')
  if (words[base + RECEIVED_AT + 1]! < 0) return wrongOf('receivedAt', 'lies before 1970')
  for (let at = base + DEBIT; at < base + WORDS; at++)
    if (words[at] !== 0 && at !== base + RECEIVED_AT && at !== base + RECEIVED_AT + 1)
      return wrongOf('rest', 'is not zero in a claim')
  return undefined
}

/** The flags that a kind may have. */
function flagsOf(kind: number): number {
  const ofAll = FLAG_EFFECTIVE_AT | FLAG_REFERENCE
  if (isStepKind(kind)) return ofAll
  if (kind === OpenAccount) return ofAll | FLAG_SYSTEM | FLAG_SCALE
  if (kind === ChangeAccount) return ofAll | FLAG_LIMIT
  if (isAccountKind(kind)) return ofAll
  const ofMovements = ofAll | FLAG_LINKED | (mayHaveConditions(kind) ? FLAG_CONDITIONS : 0)
  if (kind === PlaceHold) return ofMovements | FLAG_TIMEOUT
  if (kind === ReverseTransfer) return ofMovements | FLAG_PART | FLAG_FORCE
  return kind === PostHold ? ofMovements | FLAG_ALL | FLAG_KEEP_OPEN : ofMovements
}

function wrongHead(words: Int32Array, base: number, isPrepared: boolean): WrongField | undefined {
  const head = words[base]!
  const kind = head & 0xff
  const flags = (head >>> HEAD_SHIFT.flags) & 0xff
  const scale = (head >>> HEAD_SHIFT.scale) & 0xff
  if (!COMMAND_KIND_NAMES.has(kind) || kind === ExpireHold || kind === TimeStep)
    return wrongOf('kind', `is ${kind}, which no client may send`)
  if (isAccountKind(kind) && (flags & FLAG_LINKED) !== 0)
    return wrongOf('linked', 'is set for a command about an account, which stands alone')
  if ((flags & ~flagsOf(kind)) !== 0)
    return wrongOf('flags', `has bits that this kind does not have: ${flags}`)
  if (kind === PostHold && hasFlag(words, base, FLAG_KEEP_OPEN) && hasFlag(words, base, FLAG_ALL))
    return wrongOf('keepOpen', 'leaves nothing held where all is posted: give an amount')
  if (kind === Transfer || isStepKind(kind)) {
    const wrong = wrongRoute(scale, kind === Transfer && isPrepared)
    if (wrong !== undefined) return wrong
  } else if (kind === PlaceHold) {
    if (scale !== 0 && !(isPrepared && scale === ROUTE_ACROSS))
      return wrongOf('route', 'says what only a door may know, or nothing that is known')
  } else if (kind !== OpenAccount || !hasFlag(words, base, FLAG_SCALE)) {
    if (scale !== 0) return wrongOf('scale', 'stands there and is not given by its flag')
  } else if (scale > SCALE_MAX) return wrongOf('scale', `is ${scale}: decimal places are 0 to ${SCALE_MAX}`)
  return head >>> HEAD_SHIFT.finding === 0 || kind === ReverseTransfer || kind === CancelTransfer
    ? undefined
    : wrongOf('flags', 'has something behind it where nothing stands')
}

/** @param mayCross a door has prepared it: it may say that the credit account lives in another partition */
function wrongRoute(route: number, mayCross: boolean): WrongField | undefined {
  const by = route & (ROUTE_SAGA | ROUTE_TCC)
  if (by === (ROUTE_SAGA | ROUTE_TCC)) return wrongOf('route', 'is by Saga and by Try-Confirm/Cancel at once')
  return (route & ~by) === 0 || (mayCross && (route & ~by) === ROUTE_ACROSS)
    ? undefined
    : wrongOf('route', 'says what only a door may know, or nothing that is known')
}

/** A step of a crossing carries all of its transfer, and says where it belongs and what it answers. */
function wrongStep(words: Int32Array, base: number): WrongField | undefined {
  const refusal = words[base]! >>> HEAD_SHIFT.finding
  const scale = words[base + TEXT_LENGTHS + 1]!
  const channel = words[base + CHANNEL]!
  if (!isUuidV7At(words, base + ID)) return wrongOf('id', 'is not a UUID of version 7')
  if (isNil(words, base + DEBIT)) return wrongOf('debit', 'names no account: the nil UUID is none')
  if (isNil(words, base + CREDIT)) return wrongOf('credit', 'names no account: the nil UUID is none')
  if (!hasFlag(words, base, FLAG_EFFECTIVE_AT)) return wrongOf('effectiveAt', 'is not given')
  if (refusal !== 0 && refusalOf(refusal) === undefined)
    return wrongOf('step', 'is refused for no known reason')
  if (scale < 0 || scale > SCALE_MAX) return wrongOf('step', `has a scale that is not 0 to ${SCALE_MAX}`)
  if ((words[base + SOURCE_ATTEMPT]! & 0xffff) >= PARTITIONS_MAX) return wrongOf('step', 'is of no partition')
  if (channel < 1 || channel > CHANNELS_MAX || words[base + CHANNEL + 1] === 0)
    return wrongOf('step', 'is of no channel, or of no turn')
  if (isZero(words, base + CHECKED)) return wrongOf('step', 'answers no event')
  if (kindAt(words, base) === DrawCredit && (words[base + TIMEOUT] === 0 || words[base + TIMEOUT + 1]! < 1))
    return wrongOf('step', 'posts a part of no hold')
  return (
    wrongTransit(words, base) ??
    wrongStepAmount(words, base) ??
    wrongTimes(words, base, kindAt(words, base) === DrawCredit) ??
    wrongReference(words, base) ??
    wrongCurrency(words, base + CURRENCY, true)
  )
}

/** Of a hold that is cancelled nothing may be left. */
function wrongStepAmount(words: Int32Array, base: number): WrongField | undefined {
  const kind = kindAt(words, base)
  const mayBeNone = kind === CancelCredit || kind === CancelTransfer
  return mayBeNone && isZero(words, base + AMOUNT) ? undefined : wrongAmount(words, base, kind, true)
}

/** Accounts for money in transit are the writer's own. */
function wrongTransit(words: Int32Array, base: number): WrongField | undefined {
  if (isTransitAccountAt(words, base + DEBIT)) return wrongOf('debit', TRANSIT_TEXT)
  return isTransitAccountAt(words, base + CREDIT) ? wrongOf('credit', TRANSIT_TEXT) : undefined
}
const TRANSIT_TEXT = 'names an account for money in transit, which only the platform moves'

/** What a door may have found against a reversal, by number; and what leaves it nothing to fill in. */
const FINDINGS: ReadonlySet<number> = new Set(REVERSAL_FINDINGS.map((name) => REFUSAL_CODES[name]))
const BARE_FINDINGS: ReadonlySet<number> = new Set([
  REFUSAL_CODES.transfer_not_found,
  REFUSAL_CODES.transfer_not_reversible,
])

function wrongFields(words: Int32Array, base: number, isPrepared: boolean): WrongField | undefined {
  const kind = kindAt(words, base)
  const finding = words[base]! >>> HEAD_SHIFT.finding
  if (finding !== 0 && !(isPrepared && FINDINGS.has(finding)))
    return wrongOf('finding', 'is given, which only a door may know, or is an unknown one')
  // Nothing can be filled in of a transfer that there is not.
  const asked = kind === ReverseTransfer && (!isPrepared || BARE_FINDINGS.has(finding))
  const moving = kind === Transfer || kind === PlaceHold || (kind === ReverseTransfer && !asked)
  if (!isUuidV7At(words, base + ID)) return wrongOf('id', 'is not a UUID of version 7')
  if (isPrepared && kind === OpenAccount && !hasFlag(words, base, FLAG_SCALE))
    return wrongOf('scale', 'is left to the platform, and no door has filled it in')
  return (
    wrongParties(words, base, kind, moving, asked) ??
    wrongTransit(words, base) ??
    wrongAmount(words, base, kind, moving) ??
    wrongTimes(words, base, kind === ReverseTransfer && isPrepared) ??
    wrongReference(words, base) ??
    (isZero(words, base + CHECKED) || (kind === ReverseTransfer && isPrepared)
      ? undefined
      : wrongOf('checkedSequence', 'is given, which only a door may know')) ??
    wrongConditions(words, base) ??
    wrongCurrency(words, base + CURRENCY, kind === OpenAccount || moving)
  )
}

/** Whom the command is about: accounts, and the hold or transfer that it names. */
function wrongParties(
  words: Int32Array,
  base: number,
  kind: number,
  moving: boolean,
  asked: boolean,
): WrongField | undefined {
  const ending = kind === PostHold || kind === VoidHold
  if (isNil(words, base + DEBIT) !== (ending || asked))
    return ending || asked
      ? wrongOf('debit', 'names an account beside the hold or transfer')
      : wrongOf('debit', 'names no account: the nil UUID is none')
  if (isNil(words, base + CREDIT) === moving)
    return moving
      ? wrongOf('credit', 'names no account: the nil UUID is none')
      : wrongOf('credit', 'names an account for nothing')
  if (kind === ReverseTransfer)
    return isUuidV7At(words, base + RELATED)
      ? undefined
      : wrongOf('related', 'names no transfer to reverse: its id is a UUID of version 7')
  if (ending === isNil(words, base + RELATED))
    return ending
      ? wrongOf('related', 'names no hold: the nil UUID is none')
      : wrongOf('related', 'names something for nothing')
  return undefined
}

function wrongAmount(words: Int32Array, base: number, kind: number, moving: boolean): WrongField | undefined {
  const isNone = isZero(words, base + AMOUNT)
  const isNegative = words[base + AMOUNT + 1]! < 0
  const isElsewhere =
    (kind === PostHold && hasFlag(words, base, FLAG_ALL)) ||
    (kind === OpenAccount && hasFlag(words, base, FLAG_SYSTEM))
  if (isElsewhere)
    return isNone ? undefined : wrongOf('amount', 'stands there beside the flag that it has none')
  if (kind === ChangeAccount && !hasFlag(words, base, FLAG_LIMIT)) {
    if (!isNone) return wrongOf('amount', 'stands there and is not given by its flag')
    return words[base + TEXT_LENGTHS]! >>> 16 === 0
      ? wrongOf('amount', 'is not given, and no owner either: nothing would change')
      : undefined
  }
  if (kind === OpenAccount || kind === ChangeAccount)
    return isNegative ? wrongOf('amount', 'is an overdraft limit below zero') : undefined
  const isPart = kind === ReverseTransfer && hasFlag(words, base, FLAG_PART)
  if (!moving && kind !== PostHold && !isPart)
    return isNone ? undefined : wrongOf('amount', 'is given for nothing')
  return isNone || isNegative ? wrongOf('amount', 'is not above zero') : undefined
}

/** @param isLeft something else stands where the timeout does: what is left to reverse, or the place of a hold */
function wrongTimes(words: Int32Array, base: number, isLeft: boolean): WrongField | undefined {
  const effectiveAtNs = i64(words, base + EFFECTIVE_AT)
  if (!hasFlag(words, base, FLAG_EFFECTIVE_AT)) {
    if (effectiveAtNs !== 0n) return wrongOf('effectiveAt', 'stands there and is not given by its flag')
  } else if (effectiveAtNs < TIME_NS_MIN || effectiveAtNs > TIME_NS_MAX)
    return wrongOf('effectiveAt', `lies outside ${TIMES_TEXT}`)
  if (words[base + RECEIVED_AT + 1]! < 0) return wrongOf('receivedAt', 'lies before 1970')
  if (isLeft) return words[base + TIMEOUT + 1]! < 0 ? wrongOf('timeout', 'is less than nothing') : undefined
  const isTimeoutNone = isZero(words, base + TIMEOUT)
  if (!hasFlag(words, base, FLAG_TIMEOUT))
    return isTimeoutNone ? undefined : wrongOf('timeout', 'stands there and is not given by its flag')
  return isTimeoutNone || words[base + TIMEOUT + 1]! < 0 ? wrongOf('timeout', 'is not above zero') : undefined
}

const ACROSS_BIT = ROUTE_ACROSS << HEAD_SHIFT.route

function wrongConditions(words: Int32Array, base: number): WrongField | undefined {
  const tests = words[base + CONDITION_TESTS]!
  if (!hasFlag(words, base, FLAG_CONDITIONS)) return undefined
  if (tests === 0 || tests >>> 16 !== 0) return wrongOf('ifDebit', 'is no condition that there is')
  // The debit account's partition decides, and cannot look at the other.
  const kind = kindAt(words, base)
  const isAcross = (kind === Transfer || kind === PlaceHold) && (words[base]! & ACROSS_BIT) !== 0
  if (tests >>> 8 !== 0 && isAcross)
    return wrongOf('ifCredit', 'is of an account that lives in another partition')
  return (
    wrongCondition(words, base + CONDITION_WORD.debit * 2, tests & 0xff, 'ifDebit') ??
    wrongCondition(words, base + CONDITION_WORD.credit * 2, tests >>> 8, 'ifCredit')
  )
}

function wrongCondition(
  words: Int32Array,
  at: number,
  test: number,
  field: CommandField,
): WrongField | undefined {
  const isNone = isZero(words, at)
  if (test === 0) return isNone ? undefined : wrongOf(field, 'stands there and is not given')
  if (test === CONDITION_VERSION)
    return isNone || words[at + 1]! < 0 ? wrongOf(field, 'names a version that is not above zero') : undefined
  if (test !== CONDITION_AVAILABLE) return wrongOf(field, 'is no condition that there is')
  return words[at + 1]! < 0 ? wrongOf(field, 'names an amount below zero') : undefined
}

function wrongReference(words: Int32Array, base: number): WrongField | undefined {
  const isNone = isNil(words, base + REFERENCE)
  if (hasFlag(words, base, FLAG_REFERENCE))
    return isNone ? wrongOf('reference', 'is the nil UUID, which is none: leave it out') : undefined
  return isNone ? undefined : wrongOf('reference', 'stands there and is not given by its flag')
}

/** A code is 1 to 8 characters `A-Z 0-9`, first a letter, then zeros. */
function wrongCurrency(words: Int32Array, at: number, needed: boolean): WrongField | undefined {
  let length = 0
  let ended = false
  for (let index = 0; index < 8; index++) {
    const character = (words[at + (index >> 2)]! >>> ((index & 3) * 8)) & 0xff
    if (character === 0) {
      ended = true
      continue
    }
    const isLetter = character >= 0x41 && character <= 0x5a
    const isDigit = character >= 0x30 && character <= 0x39
    if (ended || !(isLetter || (isDigit && index > 0))) return wrongOf('currency', 'is a malformed code')
    length += 1
  }
  if (needed === length > 0) return undefined
  return wrongOf('currency', needed ? 'is not given' : 'is given for nothing')
}

/** Words of a slot that only a step uses. */
const STEP_WORDS: ReadonlySet<number> = new Set([TEXT_LENGTHS + 1, SOURCE_ATTEMPT, CHANNEL, CHANNEL + 1])
/** Words of a slot that only conditions use: the same ones, by another kind. */
const CONDITION_WORDS: ReadonlySet<number> = new Set([
  CONDITION_TESTS, CONDITION_WORD.debit * 2, CONDITION_WORD.debit * 2 + 1, CONDITION_WORD.credit * 2, CONDITION_WORD.credit * 2 + 1,
]) // prettier-ignore
const NO_WORDS: ReadonlySet<number> = new Set()

function wrongTexts(words: Int32Array, base: number, bytes: Uint8Array): WrongField | undefined {
  const lengths = words[base + TEXT_LENGTHS]!
  const memoBytes = lengths & 0xffff
  const ownerBytes = lengths >>> 16
  const kind = kindAt(words, base)
  if (ownerBytes > 0 && kind !== OpenAccount && kind !== ChangeAccount)
    return wrongOf('owner', 'is given for nothing')
  const used = isStepKind(kind)
    ? STEP_WORDS
    : hasFlag(words, base, FLAG_CONDITIONS)
      ? CONDITION_WORDS
      : NO_WORDS
  for (let at = TEXT_LENGTHS + 1; at < WORDS; at++)
    if (words[base + at] !== 0 && !used.has(at)) return wrongOf('rest', 'is not zero where nothing stands')
  const memo = base * 4 + COMMAND_SLOT_BYTES
  const owner = memo + memoBytes
  if (!isPlainText(bytes, memo, owner)) return wrongOf('memo', NO_TEXT)
  if (!isPlainText(bytes, owner, owner + ownerBytes)) return wrongOf('owner', NO_TEXT)
  const end = base * 4 + commandSlots(memoBytes, ownerBytes) * COMMAND_SLOT_BYTES
  for (let at = owner + ownerBytes; at < end; at++)
    if (bytes[at] !== 0) return wrongOf('rest', 'is not zero behind the texts')
  return undefined
}
const NO_TEXT = 'is not UTF-8, or has a NUL in it'
