/**
 * Events as authors see them, read in place: a field is decoded when it is asked for, because most projections look at five
 * or six of the thirty. The fields are getters: `{ ...event }` copies none of them, `const { amount } = event` does.
 */
import { COMMAND_KIND_NAMES, type CommandKind } from '../../../schemas/commands.ts'
import {
  decodeEvent,
  EVENT_KIND_NAMES,
  eventRowBytes,
  ROW_BYTE,
  SIDE_BYTE,
  type EventKind,
  type Side,
  type WalletEvent,
} from '../../../schemas/events.ts'
import { EVENT_ROW_BYTES } from '../../../schemas/limits.ts'
import { unpackCurrency } from '../../../schemas/money.ts'
import { refusalOf, type Refusal } from '../../../schemas/refusals.ts'
import type { ProjectionEvent } from '../../code-projection.ts'
import { uuidAt } from './uuid.ts'

/** Event rows, one behind the other. */
export class EventRows {
  readonly bytes: Uint8Array
  readonly view: DataView

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** Where the rows begin that stand behind `after`, in order. @throws RangeError if the bytes are no event rows */
  placesBehind(after: bigint): readonly number[] {
    const places: number[] = []
    let isBehind = false
    for (let byte = 0; byte < this.bytes.length; byte = this.#next(byte))
      if ((isBehind ||= this.sequenceAt(byte) > after)) places.push(byte)
    return places
  }

  /** The event at a place. A range has hundreds of thousands: each is made when its turn comes, and not kept. */
  at(place: number): EventRow {
    return new EventRow(this, place)
  }

  /** The events that stand behind `after`, all at once. */
  behind(after: bigint): EventRow[] {
    return this.placesBehind(after).map((place) => this.at(place))
  }

  sequenceAt(place: number): bigint {
    return this.view.getBigUint64(place + ROW_BYTE.sequence, true)
  }

  #next(byte: number): number {
    if (byte + EVENT_ROW_BYTES > this.bytes.length) throw new RangeError('event row is cut off')
    // Four zero bytes are four empty texts: nearly every row.
    return this.view.getUint32(byte + ROW_BYTE.texts, true) === 0
      ? byte + EVENT_ROW_BYTES
      : byte + eventRowBytes(this.bytes, byte)
  }
}

export class EventRow implements ProjectionEvent {
  readonly sequence: bigint
  readonly #rows: EventRows
  readonly #byte: number
  #transferId: string | undefined
  #debit: Side | undefined
  #credit: Side | undefined
  #decoded: WalletEvent | undefined

  constructor(rows: EventRows, byte: number) {
    this.#rows = rows
    this.#byte = byte
    this.sequence = rows.sequenceAt(byte)
  }

  get partition(): number {
    return this.#rows.view.getUint16(this.#byte + ROW_BYTE.partition, true)
  }
  get recordedAtNs(): bigint {
    return this.#i64(ROW_BYTE.recordedAt)
  }
  get effectiveAtNs(): bigint {
    return this.#i64(ROW_BYTE.effectiveAt)
  }
  get receivedAtNs(): bigint {
    return this.#i64(ROW_BYTE.receivedAt)
  }
  get amount(): bigint {
    return this.#i64(ROW_BYTE.amount)
  }
  get expiresAtNs(): bigint {
    return this.#i64(ROW_BYTE.expiresAt)
  }

  get kind(): EventKind {
    return known(EVENT_KIND_NAMES.get(this.#u8(ROW_BYTE.kind)), 'kind')
  }
  get command(): CommandKind {
    return known(COMMAND_KIND_NAMES.get(this.#u8(ROW_BYTE.command)), 'command')
  }
  get refusal(): Refusal | undefined {
    const number = this.#u8(ROW_BYTE.refusal)
    return number === 0 ? undefined : known(refusalOf(number), 'refusal')
  }

  get transferId(): string {
    return (this.#transferId ??= this.#uuid(ROW_BYTE.transferId))
  }
  get relatedId(): string {
    return this.#uuid(ROW_BYTE.relatedId)
  }
  get reference(): string {
    return this.#uuid(ROW_BYTE.reference)
  }

  get currency(): string {
    return currencyAt(this.#rows.view, this.#byte + ROW_BYTE.currency)
  }
  get scale(): number {
    return this.#u8(ROW_BYTE.scale)
  }
  get code(): number {
    return this.#rows.view.getUint32(this.#byte + ROW_BYTE.code, true)
  }
  get linkIndex(): number {
    return this.#rows.view.getUint16(this.#byte + ROW_BYTE.linkIndex, true)
  }

  get debit(): Side {
    return (this.#debit ??= new SideRow(this.#rows.view, this.#byte + ROW_BYTE.debitAccount, this.#byte + ROW_BYTE.debitVersion)) // prettier-ignore
  }
  get credit(): Side {
    return (this.#credit ??= new SideRow(this.#rows.view, this.#byte + ROW_BYTE.creditAccount, this.#byte + ROW_BYTE.creditVersion)) // prettier-ignore
  }

  get memo(): string {
    return this.#hasTexts() ? this.#whole().memo : ''
  }
  get owner(): string {
    return this.#hasTexts() ? this.#whole().owner : ''
  }

  #i64(offset: number): bigint {
    return this.#rows.view.getBigInt64(this.#byte + offset, true)
  }
  #u8(offset: number): number {
    return this.#rows.bytes[this.#byte + offset]!
  }
  #uuid(offset: number): string {
    return uuidAt(this.#rows.bytes, this.#byte + offset)
  }
  #hasTexts(): boolean {
    return this.#rows.view.getUint32(this.#byte + ROW_BYTE.texts, true) !== 0
  }
  #whole(): WalletEvent {
    return (this.#decoded ??= decodeEvent(this.#rows.bytes, this.#byte))
  }
}

class SideRow implements Side {
  readonly number: number
  readonly #view: DataView
  readonly #byte: number

  /** @param byte where the side's version stands, in front of its totals */
  constructor(view: DataView, numberByte: number, byte: number) {
    this.number = view.getUint32(numberByte, true)
    this.#view = view
    this.#byte = byte
  }

  get version(): bigint {
    return this.#view.getBigUint64(this.#byte + SIDE_BYTE.version, true)
  }
  get debitsPosted(): bigint {
    return this.#view.getBigInt64(this.#byte + SIDE_BYTE.debitsPosted, true)
  }
  get debitsPending(): bigint {
    return this.#view.getBigInt64(this.#byte + SIDE_BYTE.debitsPending, true)
  }
  get creditsPosted(): bigint {
    return this.#view.getBigInt64(this.#byte + SIDE_BYTE.creditsPosted, true)
  }
  get creditsPending(): bigint {
    return this.#view.getBigInt64(this.#byte + SIDE_BYTE.creditsPending, true)
  }
}

function known<Value>(value: Value | undefined, what: string): Value {
  if (value === undefined) throw new RangeError(`event row has an unknown ${what}`)
  return value
}

/** Codes of up to four characters, by the number that these make: nearly all. */
const shortCurrencies = new Map<number, string>()

function currencyAt(view: DataView, byte: number): string {
  if (view.getUint32(byte + 4, true) !== 0) return unpackCurrency(view.getBigUint64(byte, true))
  const packed = view.getUint32(byte, true)
  let code = shortCurrencies.get(packed)
  if (code === undefined) shortCurrencies.set(packed, (code = unpackCurrency(BigInt(packed))))
  return code
}
