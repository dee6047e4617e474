/**
 * Events: what has happened, and the one fixed row in which each is stored.
 *
 * A row is ClickHouse `RowBinary` (little-endian, no framing, `String` = LEB128 length + bytes), so a frame's payload is
 * byte for byte what ClickHouse reads. Fixed part 212 bytes, then four texts: memo, owner, named accounts, and a padding
 * of zeros that brings the row to a multiple of 8. A row without text ends in four zero bytes: 216 in all.
 *
 *   0 sequence u64 · 8 recorded_at · 16 effective_at · 24 received_at (i64 ns since 1970)
 *  32 transfer_id · 48 related_id · 64 reference (each: high u64, low u64)
 *  80 fingerprint u64 · 88 amount i64 · 96 expires_at i64 ns (0: none)
 * 104 debit_version u64 · 112 debit totals: debits_posted, debits_pending, credits_posted, credits_pending (i64)
 * 144 credit_version u64 · 152 credit totals, same order · 184 debit_account u32 · 188 credit_account u32
 * 192 currency, 8 characters · 200 code u32 · 204 kind u8 · 205 refusal u8 · 206 scale u8 · 207 command u8
 * 208 partition u16 · 210 link_index u16 (1, 2, … within a linked group; 0: not linked)
 *
 * Account events use the debit side. Account numbers start at 1; 0 means none. What the shared fields mean:
 * AccountOpened: related_id = the account's id, amount = overdraft limit (−1 unlimited), owner.
 * AccountChanged: related_id = the account's id, amount = overdraft limit from now on, owner = the new one (empty: as before).
 * Hold(Posted|Voided|Expired): related_id = the hold; voided and expired, amount = what was still held. HoldExpired: transfer_id = the hold as well.
 * HoldPostedInPart: related_id = the hold, amount = what was posted, expires_at = no time, but what stays held, minor units.
 * TransferReversedInPart, TransferReversedByForce: as TransferReversed; expires_at = no time, but what is left to reverse of
 * the transfer. By force: who was paid had less available than the amount.
 * TransferReversed: related_id = the transfer undone. HoldPosted: amount = what was posted.
 * Refusals: versions and totals as seen (not advanced), amount as asked; AccountRefused: related_id = the account's id;
 * named accounts = `debit,credit` ids in text, each left empty where the account has a number; command = what was asked.
 * Crossings (kinds 20 to 39, and 41): named accounts say both ids and the channel as well (schemas/crossing.ts). The sides are the
 * account and the partition's transit account; none where no total changes. TransferReserved, TransferDebited: expires_at
 * = deadline. TransferCancelled, TransferCompensated: refusal = 0, because totals change; fingerprint = number of the
 * refusal that the sender is told. TransferReminded: fingerprint = sequence of the event that is reminded of, link_index =
 * attempt. StepAnswered: fingerprint = kind of the event that is said again, refusal = its refusal. Any other that answers a
 * step: fingerprint = 0. What a timer makes (command = TimeStep) has all that the first event had, but the memo.
 * Holds across: HoldReserved is as TransferReserved, and its text's `answers` is no sequence, but the hold's timeout in ns
 * (0: none). HoldConfirmed: expires_at = when the hold expires. HoldDrawn: related_id = the hold, amount = what is posted,
 * expires_at = no time, but what stays held; its text's `answers` is no sequence, but the hold's channel (high 32 bits) and turn.
 * CreditDrawn: as it, but the hold's channel and turn are its expires_at. HoldReleased, ReleaseCompleted: related_id =
 * the hold, amount = what was still held; transfer_id = the VoidHold's, or the hold's where it expired or a post closed it.
 * IdsForgotten: amount = id horizon, milliseconds since 1970: an id of this time or before that was not used is expired; no
 * ids, no sides; command = TimeStep.
 * IdClaimed: transfer_id = the id claimed, code = the partition that alone may decide a command with it. No sides, no amount.
 * AccountOpened of a transit account, right before the event that first needs it: transfer_id = related_id = its id,
 * command = TimeStep, owner = `in transit`.
 */
import { COMMAND_KIND_NAMES, type CommandKind } from './commands.ts'
import { EVENT_ROW_BYTES, MEMO_BYTES_MAX, NAMED_ACCOUNTS_BYTES_MAX, OWNER_BYTES_MAX } from './limits.ts'
import type { Id } from './ids.ts'
import { unpackCurrency } from './money.ts'
import { refusalOf, type Refusal } from './refusals.ts'
import { decodeText } from './text.ts'

/** Version of the row's layout; a frame's header carries it. */
export const EVENT_SCHEMA_VERSION = 1

/** Kinds by number; stable for ever. */
export const EVENT_KINDS = {
  AccountOpened: 1,
  AccountFrozen: 2,
  AccountUnfrozen: 3,
  AccountClosed: 4,
  AccountRefused: 5,
  AccountChanged: 6,
  TransferPosted: 10,
  HoldPlaced: 11,
  HoldPosted: 12,
  HoldVoided: 13,
  HoldExpired: 14,
  TransferReversed: 15,
  TransferRefused: 16,
  HoldPostedInPart: 17,
  TransferReversedInPart: 18,
  TransferReversedByForce: 19,
  // Of a crossing, at the debit account's partition.
  TransferReserved: 20,
  TransferConfirmed: 21,
  TransferCancelled: 22,
  TransferDebited: 23,
  TransferRecalled: 24,
  TransferCompensated: 25,
  TransferCompleted: 26,
  CancelAcknowledged: 27,
  TransferReminded: 28,
  // Of a crossing, at the credit account's partition.
  CreditReserved: 30,
  CreditRefused: 31,
  TransferCredited: 32,
  CreditCancelled: 33,
  StepAnswered: 34,
  // Of a hold across partitions, at the debit account's partition.
  HoldReserved: 35,
  HoldConfirmed: 36,
  HoldDrawn: 37,
  HoldReleased: 38,
  ReleaseCompleted: 39,
  // At the credit account's partition.
  CreditDrawn: 41,
  /** Of a repartition (docs/repartition.md). */
  IdsForgotten: 50,
  /** At the partition that keeps the id: it counts in the partition that `code` says, and in no other. */
  IdClaimed: 40,
} as const
export type EventKind = keyof typeof EVENT_KINDS

export const EVENT_KIND_NAMES: ReadonlyMap<number, EventKind> = new Map(
  Object.entries(EVENT_KINDS).map(([name, number]) => [number, name as EventKind]),
)

/** Words (of 8 bytes) within a row's fixed part: the layout, from which every other offset into a row follows. */
export const ROW = {
  sequence: 0,
  recordedAt: 1,
  effectiveAt: 2,
  receivedAt: 3,
  transferHigh: 4,
  transferLow: 5,
  relatedHigh: 6,
  relatedLow: 7,
  referenceHigh: 8,
  referenceLow: 9,
  fingerprint: 10,
  amount: 11,
  expiresAt: 12,
  debitVersion: 13,
  debitTotals: 14,
  creditVersion: 18,
  creditTotals: 19,
  accounts: 23,
  currency: 24,
  codeKindRefusalScaleCommand: 25,
  partitionLinkTexts: 26,
} as const
export const ROW_WORDS = EVENT_ROW_BYTES / 8

/** Words of an account's four totals, behind the first of them: in a row, and in the state of the core. */
export const TOTAL = { debitsPosted: 0, debitsPending: 1, creditsPosted: 2, creditsPending: 3 } as const

/** Bits at which refusal, scale and command stand in the 32-bit word that begins with the kind. */
export const KINDS_SHIFT = { refusal: 8, scale: 16, command: 24 } as const

/** Bytes within a row, for who reads or writes it field by field. */
export const ROW_BYTE = {
  sequence: ROW.sequence * 8,
  recordedAt: ROW.recordedAt * 8,
  effectiveAt: ROW.effectiveAt * 8,
  receivedAt: ROW.receivedAt * 8,
  transferId: ROW.transferHigh * 8,
  relatedId: ROW.relatedHigh * 8,
  reference: ROW.referenceHigh * 8,
  fingerprint: ROW.fingerprint * 8,
  amount: ROW.amount * 8,
  expiresAt: ROW.expiresAt * 8,
  debitVersion: ROW.debitVersion * 8,
  creditVersion: ROW.creditVersion * 8,
  debitAccount: ROW.accounts * 8,
  creditAccount: ROW.accounts * 8 + 4,
  currency: ROW.currency * 8,
  code: ROW.codeKindRefusalScaleCommand * 8,
  kind: ROW.codeKindRefusalScaleCommand * 8 + 4,
  refusal: ROW.codeKindRefusalScaleCommand * 8 + 5,
  scale: ROW.codeKindRefusalScaleCommand * 8 + 6,
  command: ROW.codeKindRefusalScaleCommand * 8 + 7,
  partition: ROW.partitionLinkTexts * 8,
  linkIndex: ROW.partitionLinkTexts * 8 + 2,
  texts: ROW.partitionLinkTexts * 8 + 4,
} as const

/** Bytes of a side's totals behind its version, which stands in front of them. */
export const SIDE_BYTE = {
  version: 0,
  debitsPosted: (1 + TOTAL.debitsPosted) * 8,
  debitsPending: (1 + TOTAL.debitsPending) * 8,
  creditsPosted: (1 + TOTAL.creditsPosted) * 8,
  creditsPending: (1 + TOTAL.creditsPending) * 8,
} as const

/** Byte at which the texts begin. */
export const ROW_TEXT_BYTE = ROW_BYTE.texts

/** The four running totals of an account, in minor units. */
export interface Totals {
  readonly debitsPosted: bigint
  readonly debitsPending: bigint
  readonly creditsPosted: bigint
  readonly creditsPending: bigint
}

/** One side of an event: which account, its version and its totals after the event. Number 0: no such account. */
export interface Side extends Totals {
  readonly number: number
  readonly version: bigint
}

/** An event, decoded. Times are nanoseconds since 1970. */
export interface WalletEvent {
  readonly sequence: bigint
  readonly recordedAtNs: bigint
  readonly effectiveAtNs: bigint
  readonly receivedAtNs: bigint
  readonly kind: EventKind
  readonly command: CommandKind
  readonly refusal: Refusal | undefined
  readonly transferId: Id
  readonly relatedId: Id
  readonly reference: Id
  readonly fingerprint: bigint
  readonly currency: string
  readonly scale: number
  readonly amount: bigint
  readonly expiresAtNs: bigint
  readonly debit: Side
  readonly credit: Side
  readonly code: number
  readonly partition: number
  readonly linkIndex: number
  readonly memo: string
  readonly owner: string
  /** `debit,credit` ids of accounts that a refusal names and that have no number. */
  readonly namedAccounts: string
}

/** The row's columns and ClickHouse types, in order: the structure under which a payload is read. */
export const EVENT_COLUMNS = [
  ['sequence', 'UInt64'],
  ['recorded_at', "DateTime64(9, 'UTC')"],
  ['effective_at', "DateTime64(9, 'UTC')"],
  ['received_at', "DateTime64(9, 'UTC')"],
  ['transfer_id', 'UUID'],
  ['related_id', 'UUID'],
  ['reference', 'UUID'],
  ['fingerprint', 'UInt64'],
  ['amount', 'Int64'],
  ['expires_at', "DateTime64(9, 'UTC')"],
  ['debit_version', 'UInt64'],
  ['debit_debits_posted', 'Int64'],
  ['debit_debits_pending', 'Int64'],
  ['debit_credits_posted', 'Int64'],
  ['debit_credits_pending', 'Int64'],
  ['credit_version', 'UInt64'],
  ['credit_debits_posted', 'Int64'],
  ['credit_debits_pending', 'Int64'],
  ['credit_credits_posted', 'Int64'],
  ['credit_credits_pending', 'Int64'],
  ['debit_account', 'UInt32'],
  ['credit_account', 'UInt32'],
  ['currency', 'FixedString(8)'],
  ['code', 'UInt32'],
  ['kind', 'UInt8'],
  ['refusal', 'UInt8'],
  ['scale', 'UInt8'],
  ['command', 'UInt8'],
  ['partition', 'UInt16'],
  ['link_index', 'UInt16'],
  ['memo', 'String'],
  ['owner', 'String'],
  ['named_accounts', 'String'],
  ['padding', 'String'],
] as const

/** Bytes of the row that begins at `byte`. Throws RangeError if it does not end within `bytes` or a text is too long. */
export function eventRowBytes(bytes: Uint8Array, byte: number): number {
  const memo = byte + ROW_TEXT_BYTE
  const owner = textEnd(bytes, memo, MEMO_BYTES_MAX)
  const named = textEnd(bytes, owner, OWNER_BYTES_MAX)
  return rowEnd(bytes, byte, textEnd(bytes, named, NAMED_ACCOUNTS_BYTES_MAX)) - byte
}

/** Where the text ends whose length stands at `at`. */
function textEnd(bytes: Uint8Array, at: number, bytesMax: number): number {
  if (at >= bytes.length) throw new RangeError('event row is cut off')
  const low = bytes[at]!
  const from = textStart(bytes, at)
  const length = low < 0x80 ? low : (low & 0x7f) | ((bytes[at + 1] ?? 0xff) << 7)
  if (length > bytesMax || from + length > bytes.length)
    throw new RangeError('event row has a text that is too long or cut off')
  return from + length
}

/** Where the text begins whose length, of one byte or two, stands at `at`. */
function textStart(bytes: Uint8Array, at: number): number {
  return at + (bytes[at]! < 0x80 ? 1 : 2)
}

/** Where the row ends whose padding's length stands at `at`. */
function rowEnd(bytes: Uint8Array, byte: number, at: number): number {
  const end = textEnd(bytes, at, 7)
  for (let index = at + 1; index < end; index++)
    if (bytes[index] !== 0) throw new RangeError('event row padding is not zero')
  if ((end - byte) % 8 !== 0) throw new RangeError('event row is not whole words')
  return end
}

/** Where a row's texts stand: the first byte of each and the one behind it. */
export interface TextSpans {
  readonly memo: readonly [number, number]
  readonly owner: readonly [number, number]
  readonly named: readonly [number, number]
  readonly end: number
}

/** Finds the texts of the row at `byte`. Throws RangeError as `eventRowBytes` does. */
export function readTexts(bytes: Uint8Array, byte: number): TextSpans {
  let at = byte + ROW_TEXT_BYTE
  const span = (bytesMax: number): readonly [number, number] => {
    const end = textEnd(bytes, at, bytesMax)
    const from = textStart(bytes, at)
    at = end
    return [from, end]
  }
  const memo = span(MEMO_BYTES_MAX)
  const owner = span(OWNER_BYTES_MAX)
  const named = span(NAMED_ACCOUNTS_BYTES_MAX)
  return { memo, owner, named, end: rowEnd(bytes, byte, at) }
}

/**
 * Encodes the texts of a row into `out` at byte `at` (= the row's start + ROW_TEXT_BYTE), padding included.
 * @returns the row's end. The caller has checked the lengths.
 */
export function writeRowTexts(
  out: Uint8Array,
  at: number,
  memo: Uint8Array,
  owner: Uint8Array,
  named: Uint8Array,
): number {
  const rowStart = at - ROW_TEXT_BYTE
  let end = at
  for (const text of [memo, owner, named]) {
    if (text.length < 0x80) out[end++] = text.length
    else {
      out[end++] = (text.length & 0x7f) | 0x80
      out[end++] = text.length >> 7
    }
    out.set(text, end)
    end += text.length
  }
  const padding = (8 - ((end + 1 - rowStart) % 8)) % 8
  out[end++] = padding
  out.fill(0, end, end + padding)
  return end + padding
}

/** Decodes the row at `byte`. Throws RangeError on bytes that no writer wrote. */
export function decodeEvent(bytes: Uint8Array, byte: number): WalletEvent {
  const texts = readTexts(bytes, byte)
  const view = new DataView(bytes.buffer, bytes.byteOffset + byte, texts.end - byte)
  const id = (offset: number): Id => ({
    high: view.getBigUint64(offset, true),
    low: view.getBigUint64(offset + 8, true),
  })
  const i64 = (offset: number): bigint => view.getBigInt64(offset, true)
  const side = (number: number, version: number): Side => ({
    number: view.getUint32(number, true),
    version: view.getBigUint64(version, true),
    debitsPosted: i64(version + SIDE_BYTE.debitsPosted),
    debitsPending: i64(version + SIDE_BYTE.debitsPending),
    creditsPosted: i64(version + SIDE_BYTE.creditsPosted),
    creditsPending: i64(version + SIDE_BYTE.creditsPending),
  })
  const kind = EVENT_KIND_NAMES.get(view.getUint8(ROW_BYTE.kind))
  const command = COMMAND_KIND_NAMES.get(view.getUint8(ROW_BYTE.command))
  if (kind === undefined || command === undefined) throw new RangeError('event row has an unknown kind')
  const refusalNumber = view.getUint8(ROW_BYTE.refusal)
  const refusal = refusalOf(refusalNumber)
  if (refusalNumber !== 0 && refusal === undefined)
    throw new RangeError(`event row has an unknown refusal ${refusalNumber}`)
  const text = ([from, end]: readonly [number, number]): string => decodeText(bytes.subarray(from, end))
  return {
    sequence: view.getBigUint64(ROW_BYTE.sequence, true),
    recordedAtNs: i64(ROW_BYTE.recordedAt),
    effectiveAtNs: i64(ROW_BYTE.effectiveAt),
    receivedAtNs: i64(ROW_BYTE.receivedAt),
    kind,
    command,
    refusal,
    transferId: id(ROW_BYTE.transferId),
    relatedId: id(ROW_BYTE.relatedId),
    reference: id(ROW_BYTE.reference),
    fingerprint: view.getBigUint64(ROW_BYTE.fingerprint, true),
    currency: unpackCurrency(view.getBigUint64(ROW_BYTE.currency, true)),
    scale: view.getUint8(ROW_BYTE.scale),
    amount: i64(ROW_BYTE.amount),
    expiresAtNs: i64(ROW_BYTE.expiresAt),
    debit: side(ROW_BYTE.debitAccount, ROW_BYTE.debitVersion),
    credit: side(ROW_BYTE.creditAccount, ROW_BYTE.creditVersion),
    code: view.getUint32(ROW_BYTE.code, true),
    partition: view.getUint16(ROW_BYTE.partition, true),
    linkIndex: view.getUint16(ROW_BYTE.linkIndex, true),
    memo: text(texts.memo),
    owner: text(texts.owner),
    namedAccounts: text(texts.named),
  }
}

/** Decodes every row of a payload, in order. */
export function decodeEvents(payload: Uint8Array): WalletEvent[] {
  const events: WalletEvent[] = []
  for (let byte = 0; byte < payload.length; byte += eventRowBytes(payload, byte))
    events.push(decodeEvent(payload, byte))
  return events
}
