/**
 * Commands: what may be asked, and the fixed slot in which one travels from the doors to the core.
 *
 * A slot is 160 bytes, little-endian, read in 64-bit words; text follows in the next slot(s), memo first, then owner,
 * zero-padded to whole slots. Layout, by byte offset:
 *
 *   0 kind u8 · 1 flags u8 · 2 scale u8 · 3 finding u8 (ReverseTransfer, as doors hand it on) · 4 code u32
 *   8 id (high, low) · 24 debit account, or the account of an account command · 40 credit account
 *  56 related id (hold, transfer to reverse) · 72 amount i64 (OpenAccount: overdraft limit)
 *  80 effective_at i64 ns · 88 timeout i64 ns (PlaceHold) · 96 received_at i64 ns
 * 104 currency, 8 characters · 112 reference (high, low) · 128 checked sequence u64 (ReverseTransfer)
 * 136 memo bytes u16 · 138 owner bytes u16 · 140 zero to the end
 *
 * Movements (Transfer, PlaceHold, ReverseTransfer) have a route in byte 2: bits `ROUTE_*`. A step of a crossing
 * (schemas/crossing.ts) says where it belongs in what is zero otherwise:
 *   2 route · 3 refusal (CancelTransfer) · 128 sequence of the event that it answers u64 · 140 scale u8
 * 144 source partition u16 · 146 attempt u16 · 152 channel u32 · 156 turn u32
 *
 * What a sender may leave out has a flag that says whether it is given, so that no value of a field means "none"
 * (docs/decisions/0020). Without its flag a field is zero. `FLAG_*` names them.
 */
import { COMMAND_SLOT_BYTES, MEMO_BYTES_MAX, OWNER_BYTES_MAX } from './limits.ts'
import { isNilId, NIL_ID, type Id } from './ids.ts'
import { packCurrency, unpackCurrency } from './money.ts'
import {
  REFUSAL_CODES,
  REVERSAL_FINDINGS,
  refusalOf,
  type Refusal,
  type ReversalFinding,
} from './refusals.ts'
import { decodeText } from './text.ts'

/** Kinds by number; stable for ever. `ExpireHold` is the writer's own timer, never a client's. */
export const COMMAND_KINDS = {
  OpenAccount: 1,
  FreezeAccount: 2,
  UnfreezeAccount: 3,
  CloseAccount: 4,
  Transfer: 5,
  PlaceHold: 6,
  PostHold: 7,
  VoidHold: 8,
  ExpireHold: 9,
  ReverseTransfer: 10,
  // Steps of a crossing, which only a coordinator sends. Each answers an event of the other partition.
  TryCredit: 11,
  ConfirmTransfer: 12,
  CancelTransfer: 13,
  CreditTransfer: 14,
  CancelCredit: 15,
  CompleteTransfer: 16,
  /** The writer's own timer for crossings, never in a queue. */
  TimeStep: 17,
} as const
export type CommandKind = keyof typeof COMMAND_KINDS

export const COMMAND_KIND_NAMES: ReadonlyMap<number, CommandKind> = new Map(
  Object.entries(COMMAND_KINDS).map(([name, number]) => [number, name as CommandKind]),
)

/** All or nothing with the next command. */
export const FLAG_LINKED = 1
/** The effective time is given; without it a command takes effect when it is recorded. */
export const FLAG_EFFECTIVE_AT = 2
/** PlaceHold: the timeout is given; without it the hold never expires. */
export const FLAG_TIMEOUT = 4
/** The caller's reference is given. */
export const FLAG_REFERENCE = 8
/** PostHold: all that the hold reserved, instead of an amount. */
export const FLAG_ALL = 16
/** OpenAccount: a system account, without a limit to its overdraft, instead of an overdraft limit. */
export const FLAG_SYSTEM = 32
/** OpenAccount: the scale is given; without it the door fills in the platform's own for this currency. */
export const FLAG_SCALE = 64

/** Route: the credit account lives in another partition. A door finds it out. */
export const ROUTE_ACROSS = 1
/** Route: by Saga, as the caller chose; on a step: the crossing goes by Saga. */
export const ROUTE_SAGA = 2
/** Route: by Try-Confirm/Cancel, as the caller chose. With neither the writer's default holds. */
export const ROUTE_TCC = 4

/** Words (of 8 bytes) within a slot: the layout, from which every other offset into a slot follows. */
export const SLOT_WORDS = COMMAND_SLOT_BYTES / 8
export const SLOT = {
  kindFlagsScaleCode: 0,
  idHigh: 1,
  idLow: 2,
  debitHigh: 3,
  debitLow: 4,
  creditHigh: 5,
  creditLow: 6,
  relatedHigh: 7,
  relatedLow: 8,
  amount: 9,
  effectiveAt: 10,
  timeout: 11,
  receivedAt: 12,
  currency: 13,
  referenceHigh: 14,
  referenceLow: 15,
  checkedSequence: 16,
  textLengths: 17,
  sourceAttempt: 18,
  channelTurn: 19,
} as const

/** Bits at which flags, scale and finding stand in the 32-bit word with which a slot begins; its low byte is the kind. */
export const HEAD_SHIFT = { flags: 8, scale: 16, route: 16, finding: 24 } as const

/** Bytes within a slot, for who reads or writes it field by field. */
export const SLOT_BYTE = {
  kind: SLOT.kindFlagsScaleCode * 8,
  flags: SLOT.kindFlagsScaleCode * 8 + 1,
  scale: SLOT.kindFlagsScaleCode * 8 + 2,
  finding: SLOT.kindFlagsScaleCode * 8 + 3,
  code: SLOT.kindFlagsScaleCode * 8 + 4,
  id: SLOT.idHigh * 8,
  debit: SLOT.debitHigh * 8,
  credit: SLOT.creditHigh * 8,
  related: SLOT.relatedHigh * 8,
  amount: SLOT.amount * 8,
  effectiveAt: SLOT.effectiveAt * 8,
  timeout: SLOT.timeout * 8,
  receivedAt: SLOT.receivedAt * 8,
  currency: SLOT.currency * 8,
  reference: SLOT.referenceHigh * 8,
  checkedSequence: SLOT.checkedSequence * 8,
  memoBytes: SLOT.textLengths * 8,
  ownerBytes: SLOT.textLengths * 8 + 2,
  /** Zero from here to the end of the slot, but in a step. */
  end: SLOT.textLengths * 8 + 4,
  stepScale: SLOT.textLengths * 8 + 4,
  source: SLOT.sourceAttempt * 8,
  attempt: SLOT.sourceAttempt * 8 + 2,
  channel: SLOT.channelTurn * 8,
  turn: SLOT.channelTurn * 8 + 4,
} as const

/** How a crossing is coordinated: docs/coordination.md. */
export type Coordination = 'tcc' | 'saga'

/** Where a step of a crossing belongs, and what it answers. */
export interface Step {
  /** Partition of the debit account, where the crossing began. */
  readonly source: number
  /** Place at the source, and how many crossings have had it, this one included: both from 1 on (schemas/crossing.ts). */
  readonly channel: number
  readonly turn: number
  /** 0 the first time; then how often the source has reminded of it. */
  readonly attempt: number
  /** Sequence of the event that it answers, in that event's partition. */
  readonly answers: bigint
  /** Decimal places of the currency at the source. */
  readonly scale: number
  /** CancelTransfer: why nothing was credited. */
  readonly refusal?: Refusal | undefined
}

/** A command as doors and tests see it. What is undefined is not given; no other value means that. */
export interface Command {
  readonly kind: CommandKind
  /** UUIDv7: the idempotency key of the command; for transfers and holds, the transfer's id. */
  readonly id: Id
  /** Debit account of a transfer or hold; the account of an account command. */
  readonly debit?: Id | undefined
  readonly credit?: Id | undefined
  /** The hold to post or void; the transfer to reverse. */
  readonly related?: Id | undefined
  /** Minor units, above zero. OpenAccount: overdraft limit, zero or more, by default zero. PostHold: by default all. */
  readonly amount?: bigint | undefined
  /** OpenAccount: a system account, without a limit to its overdraft. It has no amount. */
  readonly system?: boolean | undefined
  /** Business time, nanoseconds since 1970, 1900 to 2261. By default when recorded. */
  readonly effectiveAtNs?: bigint | undefined
  /** PlaceHold: nanoseconds after recording at which it expires, above zero. By default never. */
  readonly timeoutNs?: bigint | undefined
  /** When a door took it in, nanoseconds since 1970. */
  readonly receivedAtNs?: bigint | undefined
  readonly currency?: string | undefined
  /** OpenAccount: decimal places of the currency. By default the platform's own for it. */
  readonly scale?: number | undefined
  /** The caller's own classification, 0 to 2³²−1. By default 0. */
  readonly code?: number | undefined
  /** The caller's own 128-bit reference; not the nil UUID. */
  readonly reference?: Id | undefined
  /** ReverseTransfer: the sequence up to which a view was seen to hold no earlier reversal. */
  readonly checkedSequence?: bigint | undefined
  /** ReverseTransfer: what a door found against it, up to the checked sequence. */
  readonly finding?: ReversalFinding | undefined
  /** All or nothing with the next command. */
  readonly linked?: boolean | undefined
  /** Transfer: the credit account lives in another partition, as a door has found. */
  readonly across?: boolean | undefined
  /** Transfer: how to coordinate it if it is one across partitions. By default as the writer is told. A step: how it is. */
  readonly coordination?: Coordination | undefined
  /** Steps of a crossing only. */
  readonly step?: Step | undefined
  /** At most 256 bytes of UTF-8. A text of no characters is none. */
  readonly memo?: string | undefined
  /** OpenAccount: at most 128 bytes of UTF-8. A text of no characters is none. */
  readonly owner?: string | undefined
}

const encoder = new TextEncoder()

/** Slots that a command takes: one, and as many as its texts need. */
export function commandSlots(memoBytes: number, ownerBytes: number): number {
  return 1 + Math.ceil((memoBytes + ownerBytes) / COMMAND_SLOT_BYTES)
}

/** Where the command at `index` begins in commands that passed a door's checks; their end if there is none. */
export function byteOfCommand(slots: Uint8Array, index: number): number {
  const view = new DataView(slots.buffer, slots.byteOffset, slots.byteLength)
  let byte = 0
  for (let before = 0; before < index && byte < slots.length; before++) byte += commandBytesAt(view, byte)
  return byte
}

/** Bytes at which each of `count` commands begins that passed a door's checks, and, as the last, where they end. */
export function commandBounds(slots: Uint8Array, count: number): Uint32Array {
  const bounds = new Uint32Array(count + 1)
  const view = new DataView(slots.buffer, slots.byteOffset, slots.byteLength)
  let byte = 0
  for (let index = 0; index < count; index++) {
    bounds[index] = byte
    byte += commandBytesAt(view, byte)
  }
  bounds[count] = byte
  return bounds
}

/** Bytes that the command at `byte` takes, its texts included. */
function commandBytesAt(view: DataView, byte: number): number {
  const memoBytes = view.getUint16(byte + SLOT_BYTE.memoBytes, true)
  const ownerBytes = view.getUint16(byte + SLOT_BYTE.ownerBytes, true)
  return commandSlots(memoBytes, ownerBytes) * COMMAND_SLOT_BYTES
}

/**
 * Encodes commands one behind the other. Throws RangeError where a text is too long or a code no currency code:
 * doors check both before they come here.
 */
export function encodeCommands(commands: readonly Command[]): Uint8Array<ArrayBuffer> {
  const texts = commands.map((command) => ({
    memo: textBytes(command.memo, MEMO_BYTES_MAX, 'memo'),
    owner: textBytes(command.owner, OWNER_BYTES_MAX, 'owner'),
  }))
  const slots = texts.reduce((sum, { memo, owner }) => sum + commandSlots(memo.length, owner.length), 0)
  const bytes = new Uint8Array(slots * COMMAND_SLOT_BYTES)
  const words = new BigInt64Array(bytes.buffer)
  const view = new DataView(bytes.buffer)
  let slot = 0
  commands.forEach((command, index) => {
    const { memo, owner } = texts[index]!
    const word = slot * SLOT_WORDS
    const byte = slot * COMMAND_SLOT_BYTES
    view.setUint8(byte + SLOT_BYTE.kind, COMMAND_KINDS[command.kind])
    view.setUint8(byte + SLOT_BYTE.flags, flagsOf(command))
    view.setUint8(byte + SLOT_BYTE.scale, command.scale ?? routeOf(command))
    const finding = command.finding ?? command.step?.refusal
    view.setUint8(byte + SLOT_BYTE.finding, finding === undefined ? 0 : REFUSAL_CODES[finding])
    view.setUint32(byte + SLOT_BYTE.code, command.code ?? 0, true)
    putId(words, word + SLOT.idHigh, command.id)
    putId(words, word + SLOT.debitHigh, command.debit ?? NIL_ID)
    putId(words, word + SLOT.creditHigh, command.credit ?? NIL_ID)
    putId(words, word + SLOT.relatedHigh, command.related ?? NIL_ID)
    words[word + SLOT.amount] = command.amount ?? 0n
    words[word + SLOT.effectiveAt] = command.effectiveAtNs ?? 0n
    words[word + SLOT.timeout] = command.timeoutNs ?? 0n
    words[word + SLOT.receivedAt] = command.receivedAtNs ?? 0n
    words[word + SLOT.currency] = command.currency === undefined ? 0n : packCurrency(command.currency)
    putId(words, word + SLOT.referenceHigh, command.reference ?? NIL_ID)
    words[word + SLOT.checkedSequence] = command.checkedSequence ?? command.step?.answers ?? 0n
    if (command.step !== undefined) putStep(view, byte, command.step)
    view.setUint16(byte + SLOT_BYTE.memoBytes, memo.length, true)
    view.setUint16(byte + SLOT_BYTE.ownerBytes, owner.length, true)
    bytes.set(memo, byte + COMMAND_SLOT_BYTES)
    bytes.set(owner, byte + COMMAND_SLOT_BYTES + memo.length)
    slot += commandSlots(memo.length, owner.length)
  })
  return bytes
}

function routeOf({ across, coordination }: Command): number {
  const by = coordination === undefined ? 0 : coordination === 'saga' ? ROUTE_SAGA : ROUTE_TCC
  return by | (across === true ? ROUTE_ACROSS : 0)
}

function putStep(view: DataView, byte: number, step: Step): void {
  view.setUint8(byte + SLOT_BYTE.stepScale, step.scale)
  view.setUint16(byte + SLOT_BYTE.source, step.source, true)
  view.setUint16(byte + SLOT_BYTE.attempt, step.attempt, true)
  view.setUint32(byte + SLOT_BYTE.channel, step.channel, true)
  view.setUint32(byte + SLOT_BYTE.turn, step.turn, true)
}

function flagsOf(command: Command): number {
  const { kind } = command
  let flags = command.linked === true ? FLAG_LINKED : 0
  if (command.effectiveAtNs !== undefined) flags |= FLAG_EFFECTIVE_AT
  if (command.timeoutNs !== undefined) flags |= FLAG_TIMEOUT
  if (command.reference !== undefined) flags |= FLAG_REFERENCE
  if (kind === 'PostHold' && command.amount === undefined) flags |= FLAG_ALL
  if (command.system === true) flags |= FLAG_SYSTEM
  if (command.scale !== undefined) flags |= FLAG_SCALE
  return flags
}

/** Decodes what `encodeCommands` wrote; what was not given is undefined. Throws RangeError on anything else: strangers' bytes pass a door's checks first. */
export function decodeCommands(bytes: Uint8Array): Command[] {
  if (bytes.length % COMMAND_SLOT_BYTES !== 0) throw new RangeError('commands are not whole slots')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const commands: Command[] = []
  for (let byte = 0; byte < bytes.length;) {
    const kind = COMMAND_KIND_NAMES.get(view.getUint8(byte + SLOT_BYTE.kind))
    if (kind === undefined)
      throw new RangeError(`unknown command kind ${view.getUint8(byte + SLOT_BYTE.kind)}`)
    const memoBytes = view.getUint16(byte + SLOT_BYTE.memoBytes, true)
    const ownerBytes = view.getUint16(byte + SLOT_BYTE.ownerBytes, true)
    if (memoBytes > MEMO_BYTES_MAX || ownerBytes > OWNER_BYTES_MAX) throw new RangeError('a text is too long')
    const text = byte + COMMAND_SLOT_BYTES
    const end = byte + commandSlots(memoBytes, ownerBytes) * COMMAND_SLOT_BYTES
    if (end > bytes.length) throw new RangeError('a text is cut off')
    commands.push({
      kind,
      ...givenAt(view, byte, kind),
      memo: decodeText(bytes.subarray(text, text + memoBytes)),
      owner: decodeText(bytes.subarray(text + memoBytes, text + memoBytes + ownerBytes)),
    })
    byte = end
  }
  return commands
}

/** What the slot at `byte` gives, its kind and texts aside. */
function givenAt(view: DataView, byte: number, kind: CommandKind): Omit<Command, 'kind'> {
  const flags = view.getUint8(byte + SLOT_BYTE.flags)
  const has = (flag: number): boolean => (flags & flag) !== 0
  const id = (offset: number): Id => ({
    high: view.getBigUint64(byte + offset, true),
    low: view.getBigUint64(byte + offset + 8, true),
  })
  const named = (offset: number): Id | undefined => (isNilId(id(offset)) ? undefined : id(offset))
  const currency = unpackCurrency(view.getBigUint64(byte + SLOT_BYTE.currency, true))
  const isAmountGiven = hasAmount(kind) && !has(FLAG_ALL) && !has(FLAG_SYSTEM)
  const isStep = STEP_KINDS.has(kind)
  const route = has(FLAG_SCALE) ? 0 : view.getUint8(byte + SLOT_BYTE.scale)
  const finding = refusalOf(view.getUint8(byte + SLOT_BYTE.finding))
  return {
    id: id(SLOT_BYTE.id),
    debit: named(SLOT_BYTE.debit),
    credit: named(SLOT_BYTE.credit),
    related: named(SLOT_BYTE.related),
    amount: isAmountGiven ? view.getBigInt64(byte + SLOT_BYTE.amount, true) : undefined,
    system: has(FLAG_SYSTEM),
    effectiveAtNs: has(FLAG_EFFECTIVE_AT) ? view.getBigInt64(byte + SLOT_BYTE.effectiveAt, true) : undefined,
    timeoutNs: has(FLAG_TIMEOUT) ? view.getBigInt64(byte + SLOT_BYTE.timeout, true) : undefined,
    receivedAtNs: view.getBigInt64(byte + SLOT_BYTE.receivedAt, true),
    currency: currency === '' ? undefined : currency,
    scale: has(FLAG_SCALE) ? view.getUint8(byte + SLOT_BYTE.scale) : undefined,
    code: view.getUint32(byte + SLOT_BYTE.code, true),
    reference: has(FLAG_REFERENCE) ? id(SLOT_BYTE.reference) : undefined,
    checkedSequence: isStep ? undefined : view.getBigUint64(byte + SLOT_BYTE.checkedSequence, true),
    linked: has(FLAG_LINKED),
    finding: isStep ? undefined : REVERSAL_FINDINGS.find((name) => name === finding),
    across: (route & ROUTE_ACROSS) !== 0 ? true : undefined,
    coordination: (route & ROUTE_SAGA) !== 0 ? 'saga' : (route & ROUTE_TCC) !== 0 ? 'tcc' : undefined,
    step: isStep ? stepAt(view, byte, finding) : undefined,
  }
}

function stepAt(view: DataView, byte: number, refusal: Refusal | undefined): Step {
  return {
    source: view.getUint16(byte + SLOT_BYTE.source, true),
    channel: view.getUint32(byte + SLOT_BYTE.channel, true),
    turn: view.getUint32(byte + SLOT_BYTE.turn, true),
    attempt: view.getUint16(byte + SLOT_BYTE.attempt, true),
    answers: view.getBigUint64(byte + SLOT_BYTE.checkedSequence, true),
    scale: view.getUint8(byte + SLOT_BYTE.stepScale),
    refusal,
  }
}

/** Kinds that only a coordinator sends. */
export const STEP_KINDS: ReadonlySet<CommandKind> = new Set([
  'TryCredit',
  'ConfirmTransfer',
  'CancelTransfer',
  'CreditTransfer',
  'CancelCredit',
  'CompleteTransfer',
])

export function isStepKind(kind: number): boolean {
  return kind >= COMMAND_KINDS.TryCredit && kind <= COMMAND_KINDS.CompleteTransfer
}

/** Kinds whose slot has an amount, unless a flag stands for it. */
function hasAmount(kind: CommandKind): boolean {
  return MOVING_KINDS.has(kind) || STEP_KINDS.has(kind) || kind === 'OpenAccount' || kind === 'PostHold'
}
const MOVING_KINDS: ReadonlySet<CommandKind> = new Set(['Transfer', 'PlaceHold', 'ReverseTransfer'])

function textBytes(text: string | undefined, bytesMax: number, what: string): Uint8Array {
  const bytes = encoder.encode(text ?? '')
  if (bytes.length > bytesMax) throw new RangeError(`${what} is longer than ${bytesMax} bytes`)
  return bytes
}

function putId(words: BigInt64Array, word: number, id: Id): void {
  words[word] = BigInt.asIntN(64, id.high)
  words[word + 1] = BigInt.asIntN(64, id.low)
}
