/** Reading event rows in place: what the feed looks at in every row, without decoding it. Offsets: schemas/events.ts. */
import { COMMAND_KINDS } from './commands.ts'
import { eventRowBytes } from './events.ts'
import type { Frame } from './frames.ts'
import type { Id } from './ids.ts'
import { EVENT_ROW_BYTES } from './limits.ts'

const RECORDED_AT_BYTE = 8
const RECEIVED_AT_BYTE = 24
const TRANSFER_ID_BYTE = 32
const RELATED_ID_BYTE = 48
const FINGERPRINT_BYTE = 80
const DEBIT_ACCOUNT_BYTE = 184
const CREDIT_ACCOUNT_BYTE = 188
/** Kind, refusal, scale and command, a byte each. */
const KINDS_BYTE = 204
const TEXT_LENGTHS_BYTE = 212

/** The rows of one frame: a row is named by the byte at which it begins in the payload, a multiple of eight. */
export class FrameRows {
  readonly frame: Frame
  /** The payload by words of 32 bits. */
  readonly words: Int32Array
  readonly view: DataView
  #copied = -1
  #copy: Uint8Array | undefined

  constructor(frame: Frame) {
    const { payload } = frame
    const aligned = payload.byteOffset % 4 === 0 ? payload : payload.slice()
    this.frame = frame
    this.words = new Int32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength >>> 2)
    this.view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength)
  }

  /** Where the row behind the one at `byte` begins. */
  after(byte: number): number {
    // Four zero bytes are four empty texts: nearly every row.
    return this.words[(byte + TEXT_LENGTHS_BYTE) >>> 2] === 0
      ? byte + EVENT_ROW_BYTES
      : byte + eventRowBytes(this.frame.payload, byte)
  }

  get end(): number {
    return this.frame.payload.length
  }

  /**
   * The row alone, for whoever keeps it: a part of the payload would keep the whole frame in memory. All who ask for one
   * row, one after the other, get the same copy.
   */
  copy(byte: number): Uint8Array {
    if (this.#copied !== byte || this.#copy === undefined) {
      // Of a Buffer, `slice` would be the part itself.
      this.#copy = new Uint8Array(this.frame.payload.subarray(byte, this.after(byte)))
      this.#copied = byte
    }
    return this.#copy
  }

  sequence(byte: number): bigint {
    return this.view.getBigUint64(byte, true)
  }

  recordedAtNs(byte: number): bigint {
    return this.view.getBigInt64(byte + RECORDED_AT_BYTE, true)
  }

  /** True if a door took the command in at this time, given by its low and high 32 bits. */
  isReceivedAt(byte: number, low: number, high: number): boolean {
    const word = (byte + RECEIVED_AT_BYTE) >>> 2
    return this.words[word] === low && this.words[word + 1] === high
  }

  fingerprint(byte: number): bigint {
    return this.view.getBigUint64(byte + FINGERPRINT_BYTE, true)
  }

  debitAccount(byte: number): number {
    return this.words[(byte + DEBIT_ACCOUNT_BYTE) >>> 2]! >>> 0
  }

  creditAccount(byte: number): number {
    return this.words[(byte + CREDIT_ACCOUNT_BYTE) >>> 2]! >>> 0
  }

  /** The refusal's number; 0: what was asked has happened. */
  refusal(byte: number): number {
    return (this.words[(byte + KINDS_BYTE) >>> 2]! >>> 8) & 0xff
  }

  /** True if nobody asked for this event: a hold has expired. */
  isTimer(byte: number): boolean {
    return this.words[(byte + KINDS_BYTE) >>> 2]! >>> 24 === COMMAND_KINDS.ExpireHold
  }

  /** The 32 bits of the transfer id that differ most: random ones, in every version of UUID that is taken. */
  transferKey(byte: number): number {
    return this.words[(byte + TRANSFER_ID_BYTE + 8) >>> 2]!
  }

  relatedKey(byte: number): number {
    return this.words[(byte + RELATED_ID_BYTE + 8) >>> 2]!
  }

  isTransfer(byte: number, words: Int32Array, at: number): boolean {
    return this.#sameWords((byte + TRANSFER_ID_BYTE) >>> 2, words, at)
  }

  isRelated(byte: number, words: Int32Array, at: number): boolean {
    return this.#sameWords((byte + RELATED_ID_BYTE) >>> 2, words, at)
  }

  #sameWords(word: number, words: Int32Array, at: number): boolean {
    return (
      this.words[word + 2] === words[at + 2] &&
      this.words[word] === words[at] &&
      this.words[word + 1] === words[at + 1] &&
      this.words[word + 3] === words[at + 3]
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
