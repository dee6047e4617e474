/**
 * Commands: what may be asked, and the fixed slot in which one travels from the doors to the core.
 *
 * A slot is 160 bytes, little-endian, read in 64-bit words; text follows in the next slot(s), memo first, then owner,
 * zero-padded to whole slots. Layout, by byte offset:
 *
 *   0 kind u8 · 1 flags u8 · 2 scale u8 · 3 finding u8 (ReverseTransfer, as doors hand it on) · 4 code u32
 *   8 id (high, low) · 24 debit account, or the account of an account command · 40 credit account
 *  56 related id (hold, transfer to reverse) · 72 amount i64 (OpenAccount, ChangeAccount: overdraft limit)
 *  80 effective_at i64 ns · 88 timeout i64 ns (PlaceHold); what is left to reverse, i64 (ReverseTransfer) · 96 received_at i64 ns
 * 104 currency, 8 characters · 112 reference (high, low) · 128 checked sequence u64 (ReverseTransfer)
 * 136 memo bytes u16 · 138 owner bytes u16 · 140 zero to the end
 *
 * Movements (Transfer, PlaceHold, ReverseTransfer) have a route in byte 2: bits `ROUTE_*`. A step of a crossing
 * (schemas/crossing.ts) says where it belongs in what is zero otherwise:
 *   2 route · 3 refusal (CancelTransfer) · 128 sequence of the event that it answers u64 · 140 scale u8
 * 144 source partition u16 · 146 attempt u16 · 152 channel u32 · 156 turn u32
 * 88 the hold's turn u32, and its channel u32 behind it (DrawCredit)
 *
 * ClaimId: the id of the command that is claimed for, and in `code` the partition that is to decide it. Nothing else.
 *
 * Movements and ends of holds may carry a condition for each account (`FLAG_CONDITIONS`): which one of the debit and of the
 * credit account in bytes 140 and 141, the version or amount that it names in 144 and 152 (i64).
 *
 * What a sender may leave out has a flag that says whether it is given, so that no value of a field means "none"
 * (docs/decisions/0020). Without its flag a field is zero. `FLAG_*` names them.
 */
import { COMMAND_SLOT_BYTES } from './limits.ts'
import type { Condition } from './conditions.ts'
import type { Id } from './ids.ts'
import type { Refusal, ReversalFinding } from './refusals.ts'

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
  /** A step of a hold across partitions: a part of it is posted. */
  DrawCredit: 19,
  /** A door's, to the partition that keeps the id of another command: docs/coordination.md. */
  ClaimId: 18,
  ChangeAccount: 21,
} as const
export type CommandKind = keyof typeof COMMAND_KINDS

export const COMMAND_KIND_NAMES: ReadonlyMap<number, CommandKind> = new Map(
  Object.entries(COMMAND_KINDS).map(([name, number]) => [number, name as CommandKind]),
)

/** True for kinds about one account: they stand alone, are never linked, and are refused as `AccountRefused`. */
export function isAccountKind(kind: number): boolean {
  return (
    (kind >= COMMAND_KINDS.OpenAccount && kind <= COMMAND_KINDS.CloseAccount) ||
    kind === COMMAND_KINDS.ChangeAccount
  )
}

/** True for kinds that are never a member of a linked group: those about accounts, steps of a crossing, claims. */
export function standsAlone(kind: number): boolean {
  return isAccountKind(kind) || isStepKind(kind) || kind === COMMAND_KINDS.ClaimId
}

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
/** ChangeAccount: the overdraft limit is given; without it the limit stays. */
export const FLAG_LIMIT = 16
/** ReverseTransfer: the sender gives the amount, a part of what is left; without it all that is left is reversed. */
export const FLAG_PART = 16
/** ReverseTransfer: happens even where who was paid has less available than the amount. */
export const FLAG_FORCE = 32
/** OpenAccount: a system account, without a limit to its overdraft, instead of an overdraft limit. */
export const FLAG_SYSTEM = 32
/** OpenAccount: the scale is given; without it the door fills in the platform's own for this currency. */
export const FLAG_SCALE = 64
/** PostHold: what is not posted stays held; the amount is given. */
export const FLAG_KEEP_OPEN = 64
/** Transfer, PlaceHold, PostHold, VoidHold, ReverseTransfer: conditions are given. */
export const FLAG_CONDITIONS = 128

/** True for kinds that may carry conditions: those that move, reserve or release money between two accounts. */
export function mayHaveConditions(kind: number): boolean {
  return (
    kind >= COMMAND_KINDS.Transfer &&
    kind <= COMMAND_KINDS.ReverseTransfer &&
    kind !== COMMAND_KINDS.ExpireHold
  )
}

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
  /** Zero from here to the end of the slot, but in a step, and where there are conditions. */
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
  /** DrawCredit: channel and turn of the hold of which a part is posted, the channel 32 bits up. */
  readonly ofHold?: bigint | undefined
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
  /**
   * Minor units, above zero. PostHold: by default all. OpenAccount: overdraft limit, zero or more, by default zero.
   * ChangeAccount: the same, by default as it is.
   */
  readonly amount?: bigint | undefined
  /** ReverseTransfer: the caller gives the amount, a part of what is left to reverse. */
  readonly part?: boolean | undefined
  /** ReverseTransfer: even where who was paid has less available than the amount. */
  readonly force?: boolean | undefined
  /** ReverseTransfer: what a view saw to be left of the transfer at the checked sequence, minor units. */
  readonly leftToReverse?: bigint | undefined
  /** PostHold: what is not posted stays held. The amount is given. */
  readonly keepOpen?: boolean | undefined
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
  /** Conditions on the debit and on the credit account: kinds of `mayHaveConditions`. */
  readonly ifDebit?: Condition | undefined
  readonly ifCredit?: Condition | undefined
  /** All or nothing with the next command. */
  readonly linked?: boolean | undefined
  /** Transfer, PlaceHold: the credit account lives in another partition, as a door has found. */
  readonly across?: boolean | undefined
  /** Transfer: how to coordinate it if it is one across partitions. By default as the writer is told. A step: how it is. */
  readonly coordination?: Coordination | undefined
  /** Steps of a crossing only. */
  readonly step?: Step | undefined
  /** At most 256 bytes of UTF-8. A text of no characters is none. */
  readonly memo?: string | undefined
  /** OpenAccount, ChangeAccount: at most 128 bytes of UTF-8. A text of no characters is none: the owner stays. */
  readonly owner?: string | undefined
}

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

/** Kinds that only a coordinator sends. */
export const STEP_KINDS: ReadonlySet<CommandKind> = new Set([
  'TryCredit',
  'ConfirmTransfer',
  'CancelTransfer',
  'CreditTransfer',
  'CancelCredit',
  'CompleteTransfer',
  'DrawCredit',
])

export function isStepKind(kind: number): boolean {
  return (
    (kind >= COMMAND_KINDS.TryCredit && kind <= COMMAND_KINDS.CompleteTransfer) ||
    kind === COMMAND_KINDS.DrawCredit
  )
}

/** True for the steps of a crossing that go to the credit account's partition. */
export function isStepToDestination(kind: number): boolean {
  return (
    kind === COMMAND_KINDS.TryCredit ||
    kind === COMMAND_KINDS.CreditTransfer ||
    kind === COMMAND_KINDS.CancelCredit ||
    kind === COMMAND_KINDS.DrawCredit
  )
}
