/** Reading event rows in place: what the feed looks at in every row, without decoding it. Offsets: schemas/events.ts. */
import { COMMAND_KINDS } from '../schemas/commands.ts'
import { eventRowBytes } from '../schemas/events.ts'
import type { Frame } from '../schemas/frames.ts'
import type { Id } from '../schemas/ids.ts'
import { EVENT_ROW_BYTES } from '../schemas/limits.ts'

const TRANSFER_ID_BYTE = 32
const RELATED_ID_BYTE = 48
const FINGERPRINT_BYTE = 80
const DEBIT_ACCOUNT_BYTE = 184
const CREDIT_ACCOUNT_BYTE = 188
const REFUSAL_BYTE = 205
const COMMAND_BYTE = 207
const TEXT_LENGTHS_BYTE = 212

/** The rows of one frame: a row is named by the byte at which it begins in the payload. */
export class FrameRows {
  readonly frame: Frame
  readonly view: DataView

  constructor(frame: Frame) {
    this.frame = frame
    this.view = new DataView(frame.payload.buffer, frame.payload.byteOffset, frame.payload.byteLength)
  }

  /** Where the row behind the one at `byte` begins. */
  after(byte: number): number {
    // Four zero bytes are four empty texts: nearly every row.
    return this.view.getUint32(byte + TEXT_LENGTHS_BYTE, true) === 0
      ? byte + EVENT_ROW_BYTES
      : byte + eventRowBytes(this.frame.payload, byte)
  }

  get end(): number {
    return this.frame.payload.length
  }

  sequence(byte: number): bigint {
    return this.view.getBigUint64(byte, true)
  }

  fingerprint(byte: number): bigint {
    return this.view.getBigUint64(byte + FINGERPRINT_BYTE, true)
  }

  debitAccount(byte: number): number {
    return this.view.getUint32(byte + DEBIT_ACCOUNT_BYTE, true)
  }

  creditAccount(byte: number): number {
    return this.view.getUint32(byte + CREDIT_ACCOUNT_BYTE, true)
  }

  /** The refusal's number; 0: what was asked has happened. */
  refusal(byte: number): number {
    return this.view.getUint8(byte + REFUSAL_BYTE)
  }

  /** True if nobody asked for this event: a hold has expired. */
  isTimer(byte: number): boolean {
    return this.view.getUint8(byte + COMMAND_BYTE) === COMMAND_KINDS.ExpireHold
  }

  /** The 32 bits of the transfer id that differ most: random ones, in every version of UUID that is taken. */
  transferKey(byte: number): number {
    return this.view.getInt32(byte + TRANSFER_ID_BYTE + 8, true)
  }

  relatedKey(byte: number): number {
    return this.view.getInt32(byte + RELATED_ID_BYTE + 8, true)
  }

  isTransfer(byte: number, words: Int32Array, at: number): boolean {
    return this.#sameWords(byte + TRANSFER_ID_BYTE, words, at)
  }

  isRelated(byte: number, words: Int32Array, at: number): boolean {
    return this.#sameWords(byte + RELATED_ID_BYTE, words, at)
  }

  #sameWords(byte: number, words: Int32Array, at: number): boolean {
    return (
      this.view.getInt32(byte + 8, true) === words[at + 2] &&
      this.view.getInt32(byte, true) === words[at] &&
      this.view.getInt32(byte + 4, true) === words[at + 1] &&
      this.view.getInt32(byte + 12, true) === words[at + 3]
    )
  }
}

/** Words (of 32 bits) that an id takes, in the order of a row. */
export const ID_WORDS = 4

/** Writes an id as four 32-bit words, as they stand in a row. The third is its key. */
export function putIdWords(words: Int32Array, at: number, id: Id): void {
  words[at] = Number(BigInt.asIntN(32, id.high))
  words[at + 1] = Number(BigInt.asIntN(32, id.high >> 32n))
  words[at + 2] = Number(BigInt.asIntN(32, id.low))
  words[at + 3] = Number(BigInt.asIntN(32, id.low >> 32n))
}

export function idWords(id: Id): Int32Array {
  const words = new Int32Array(ID_WORDS)
  putIdWords(words, 0, id)
  return words
}
