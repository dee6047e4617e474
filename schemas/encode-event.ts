/** Encodes one event into the row that schemas/events.ts describes. */
import { COMMAND_KINDS } from './commands.ts'
import { EVENT_KINDS, ROW_BYTE, ROW_TEXT_BYTE, SIDE_BYTE, writeRowTexts, type Side, type WalletEvent } from './events.ts' // prettier-ignore
import type { Id } from './ids.ts'
import { EVENT_ROW_BYTES_MAX } from './limits.ts'
import { packCurrency } from './money.ts'
import { REFUSAL_CODES } from './refusals.ts'

const encoder = new TextEncoder()

/** Encodes one event: the slow, plain way, for tests and tools. The core writes rows itself, word by word. */
export function encodeEvent(event: WalletEvent): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(EVENT_ROW_BYTES_MAX)
  const view = new DataView(out.buffer)
  const putId = (offset: number, id: Id): void => {
    view.setBigUint64(offset, id.high, true)
    view.setBigUint64(offset + 8, id.low, true)
  }
  const putSide = (number: number, version: number, side: Side): void => {
    view.setUint32(number, side.number, true)
    view.setBigUint64(version, side.version, true)
    view.setBigInt64(version + SIDE_BYTE.debitsPosted, side.debitsPosted, true)
    view.setBigInt64(version + SIDE_BYTE.debitsPending, side.debitsPending, true)
    view.setBigInt64(version + SIDE_BYTE.creditsPosted, side.creditsPosted, true)
    view.setBigInt64(version + SIDE_BYTE.creditsPending, side.creditsPending, true)
  }
  view.setBigUint64(ROW_BYTE.sequence, event.sequence, true)
  view.setBigInt64(ROW_BYTE.recordedAt, event.recordedAtNs, true)
  view.setBigInt64(ROW_BYTE.effectiveAt, event.effectiveAtNs, true)
  view.setBigInt64(ROW_BYTE.receivedAt, event.receivedAtNs, true)
  putId(ROW_BYTE.transferId, event.transferId)
  putId(ROW_BYTE.relatedId, event.relatedId)
  putId(ROW_BYTE.reference, event.reference)
  view.setBigUint64(ROW_BYTE.fingerprint, event.fingerprint, true)
  view.setBigInt64(ROW_BYTE.amount, event.amount, true)
  view.setBigInt64(ROW_BYTE.expiresAt, event.expiresAtNs, true)
  putSide(ROW_BYTE.debitAccount, ROW_BYTE.debitVersion, event.debit)
  putSide(ROW_BYTE.creditAccount, ROW_BYTE.creditVersion, event.credit)
  const currency = event.currency === '' ? 0n : packCurrency(event.currency)
  view.setBigUint64(ROW_BYTE.currency, currency, true)
  view.setUint32(ROW_BYTE.code, event.code, true)
  view.setUint8(ROW_BYTE.kind, EVENT_KINDS[event.kind])
  view.setUint8(ROW_BYTE.refusal, event.refusal === undefined ? 0 : REFUSAL_CODES[event.refusal])
  view.setUint8(ROW_BYTE.scale, event.scale)
  view.setUint8(ROW_BYTE.command, COMMAND_KINDS[event.command])
  view.setUint16(ROW_BYTE.partition, event.partition, true)
  view.setUint16(ROW_BYTE.linkIndex, event.linkIndex, true)
  const end = writeRowTexts(
    out,
    ROW_TEXT_BYTE,
    encoder.encode(event.memo),
    encoder.encode(event.owner),
    encoder.encode(event.namedAccounts),
  )
  return out.slice(0, end)
}
