/** Reading event rows in place: what the feed looks at in every row, without decoding it. Offsets: schemas/events.ts. */
import { COMMAND_KINDS } from './commands.ts'
import { EVENT_KINDS, eventRowBytes, KINDS_SHIFT, ROW_BYTE, SIDE_BYTE, type Totals } from './events.ts'
import type { Frame } from './frames.ts'
import type { Id } from './ids.ts'
import { EVENT_ROW_BYTES, NAMED_CROSSING_BYTES } from './limits.ts'

const {
  recordedAt,
  receivedAt,
  transferId,
  relatedId,
  fingerprint,
  debitAccount,
  creditAccount,
  kind,
  code,
  texts,
} = ROW_BYTE

const { TransferReserved, TransferDebited, TransferCompleted, TransferCancelled, TransferCompensated } =
  EVENT_KINDS
const { HoldReserved, HoldConfirmed, HoldDrawn, HoldReleased, ReleaseCompleted, IdClaimed } = EVENT_KINDS

/** Lengths of memo, owner and named accounts, each of one byte, in the low bits of a row's last word. */
const LENGTHS_MASK = 0xff_ffff
const CROSSING_LENGTHS = NAMED_CROSSING_BYTES << 16
/** Bytes of a crossing's row without a memo. */
const CROSSING_ROW_BYTES = (EVENT_ROW_BYTES + NAMED_CROSSING_BYTES + 7) & ~7

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
    const lengths = this.words[(byte + texts) >>> 2]!
    // Four zero bytes are four empty texts: nearly every row.
    if (lengths === 0) return byte + EVENT_ROW_BYTES
    // That of a crossing, and no other text before it.
    const behind = byte + CROSSING_ROW_BYTES
    if ((lengths & LENGTHS_MASK) === CROSSING_LENGTHS && behind <= this.end) return behind
    return byte + eventRowBytes(this.frame.payload, byte)
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
    return this.view.getBigUint64(byte + ROW_BYTE.sequence, true)
  }

  recordedAtNs(byte: number): bigint {
    return this.view.getBigInt64(byte + recordedAt, true)
  }

  /** True if a door took the command in at this time, given by its low and high 32 bits. */
  isReceivedAt(byte: number, low: number, high: number): boolean {
    const word = (byte + receivedAt) >>> 2
    return this.words[word] === low && this.words[word + 1] === high
  }

  fingerprint(byte: number): bigint {
    return this.view.getBigUint64(byte + fingerprint, true)
  }

  debitAccount(byte: number): number {
    return this.words[(byte + debitAccount) >>> 2]! >>> 0
  }

  creditAccount(byte: number): number {
    return this.words[(byte + creditAccount) >>> 2]! >>> 0
  }

  /** Version and totals of a side after the event. @param side where it begins: ROW_BYTE's debitVersion or creditVersion */
  versionAt(byte: number, side: number): bigint {
    return this.view.getBigUint64(byte + side, true)
  }

  totalsAt(byte: number, side: number): Totals {
    const at = byte + side
    return {
      debitsPosted: this.view.getBigInt64(at + SIDE_BYTE.debitsPosted, true),
      debitsPending: this.view.getBigInt64(at + SIDE_BYTE.debitsPending, true),
      creditsPosted: this.view.getBigInt64(at + SIDE_BYTE.creditsPosted, true),
      creditsPending: this.view.getBigInt64(at + SIDE_BYTE.creditsPending, true),
    }
  }

  /** The number of the event's kind. */
  kind(byte: number): number {
    return this.words[(byte + kind) >>> 2]! & 0xff
  }

  /** The refusal's number; 0: what was asked has happened. */
  refusal(byte: number): number {
    return (this.words[(byte + kind) >>> 2]! >>> KINDS_SHIFT.refusal) & 0xff
  }

  /** The number of the command's kind. */
  command(byte: number): number {
    return this.words[(byte + kind) >>> 2]! >>> KINDS_SHIFT.command
  }

  /** The caller's code. Of a claim: the partition that alone may decide with the id. */
  code(byte: number): number {
    return this.words[(byte + code) >>> 2]! >>> 0
  }

  /** Decimal places of the currency. */
  scale(byte: number): number {
    return (this.words[(byte + kind) >>> 2]! >>> KINDS_SHIFT.scale) & 0xff
  }

  /** The refusal's number that the sender is told: that of a crossing that came to nothing stands in its fingerprint. */
  toldRefusal(byte: number): number {
    const number = this.kind(byte)
    return number === TransferCancelled || number === TransferCompensated
      ? this.words[(byte + fingerprint) >>> 2]! & 0xff
      : this.refusal(byte)
  }

  /**
   * True if a command that a door sent made this row, and no step of a crossing and no timer. It is the command's outcome,
   * or the beginning of its crossing, or a claim. A command makes one such row at most.
   */
  isOfDoor(byte: number): boolean {
    const word = this.words[(byte + kind) >>> 2]!
    const number = word & 0xff
    if (number >= TransferReserved) return number === IdClaimed || this.beginsCrossing(byte)
    const command = word >>> KINDS_SHIFT.command
    return command !== COMMAND_KINDS.ExpireHold && command !== COMMAND_KINDS.TimeStep
  }

  /**
   * True if what a client asked for is under way from here on. Its outcome comes in a later row under the same id. A hold
   * that is released without a client having asked for that has the id of the hold, whose outcome was told before.
   */
  beginsCrossing(byte: number): boolean {
    const number = this.kind(byte)
    return (
      number === TransferReserved ||
      number === TransferDebited ||
      number === HoldReserved ||
      number === HoldDrawn ||
      (number === HoldReleased && this.command(byte) === COMMAND_KINDS.VoidHold)
    )
  }

  /** True if this row is the outcome of what was under way. */
  endsCrossing(byte: number): boolean {
    const number = this.kind(byte)
    return (
      number === TransferCompleted ||
      number === TransferCancelled ||
      number === TransferCompensated ||
      number === HoldConfirmed ||
      (number === ReleaseCompleted && !this.isRelated(byte, this.words, (byte + transferId) >>> 2))
    )
  }

  /** The 32 bits of the transfer id that differ most: random ones, in every version of UUID that is taken. */
  transferKey(byte: number): number {
    return this.words[(byte + transferId + 8) >>> 2]!
  }

  relatedKey(byte: number): number {
    return this.words[(byte + relatedId + 8) >>> 2]!
  }

  isTransfer(byte: number, words: Int32Array, at: number): boolean {
    return this.#sameWords((byte + transferId) >>> 2, words, at)
  }

  isRelated(byte: number, words: Int32Array, at: number): boolean {
    return this.#sameWords((byte + relatedId) >>> 2, words, at)
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

/** The id that stands in four words. */
export function idAt(words: Int32Array, at: number): Id {
  const u64 = (low: number): bigint => (BigInt(words[low + 1]! >>> 0) << 32n) | BigInt(words[low]! >>> 0)
  return { high: u64(at), low: u64(at + 2) }
}

export function idWords(id: Id): Int32Array {
  const words = new Int32Array(ID_WORDS)
  putIdWords(words, 0, id)
  return words
}
