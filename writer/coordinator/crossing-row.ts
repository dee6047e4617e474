/**
 * Reads the named accounts of a crossing's event in place (format: schemas/crossing.ts): both account ids as words of 32
 * bits, in the order in which rows and slots have them, source, channel and turn.
 */

/** Characters of `debit,credit,sssccccctttttttt,answers`, and where each part begins. */
const TEXT_BYTES = 107
const DEBIT = 0
const CREDIT = 37
const SOURCE_CHANNEL = 74
const TURN = 82
/** Bits of the channel, behind those of the source. */
const CHANNEL_BITS = 20

/** Value of a hexadecimal digit by its character; 0 for any other. */
const DIGITS = new Uint8Array(256)
for (const [value, digit] of [...'0123456789abcdef'].entries()) DIGITS[digit.charCodeAt(0)] = value

/** What the last text said. One is kept and filled anew for each row. */
export class CrossingWords {
  /** Debit id, credit id: four words each, the lowest of each half first. */
  readonly ids = new Int32Array(8)
  source = 0
  channel = 0
  turn = 0

  /**
   * Reads the text between two bytes.
   * @throws RangeError if it is of another length: no writer writes such a crossing
   */
  read(bytes: Uint8Array, from: number, end: number): void {
    if (end - from !== TEXT_BYTES) throw new RangeError('an event of a crossing does not say its accounts')
    this.#readId(bytes, from + DEBIT, 0)
    this.#readId(bytes, from + CREDIT, 4)
    const sourceChannel = wordAt(bytes, from + SOURCE_CHANNEL)
    this.source = sourceChannel >>> CHANNEL_BITS
    this.channel = sourceChannel & ((1 << CHANNEL_BITS) - 1)
    this.turn = wordAt(bytes, from + TURN) >>> 0
  }

  /** `hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh`: the higher half first. */
  #readId(bytes: Uint8Array, at: number, word: number): void {
    const { ids } = this
    ids[word + 1] = wordAt(bytes, at)
    ids[word] = (quarterAt(bytes, at + 9) << 16) | quarterAt(bytes, at + 14)
    ids[word + 3] = (quarterAt(bytes, at + 19) << 16) | quarterAt(bytes, at + 24)
    ids[word + 2] = wordAt(bytes, at + 28)
  }
}

/** Eight hexadecimal digits. */
function wordAt(bytes: Uint8Array, at: number): number {
  return (quarterAt(bytes, at) << 16) | quarterAt(bytes, at + 4)
}

/** Four hexadecimal digits. */
function quarterAt(bytes: Uint8Array, at: number): number {
  return (
    (DIGITS[bytes[at]!]! << 12) |
    (DIGITS[bytes[at + 1]!]! << 8) |
    (DIGITS[bytes[at + 2]!]! << 4) |
    DIGITS[bytes[at + 3]!]!
  )
}
