/** A set of commands' serial numbers, a bit for each: of a hundred million it takes 12.5 MB. */
const BITS_MAX = 2 ** 32

export class SerialSet {
  private bits = new Uint8Array(1 << 16)
  private total = 0

  /** @returns false if it was in the set already. Throws RangeError for a number that is no serial. */
  add(serial: number): boolean {
    if (!Number.isInteger(serial) || serial < 0 || serial >= BITS_MAX)
      throw new RangeError(`${serial} is no serial number`)
    const byte = serial >>> 3
    if (byte >= this.bits.length) this.growTo(byte + 1)
    const bit = 1 << (serial & 7)
    if ((this.bits[byte]! & bit) !== 0) return false
    this.bits[byte] = this.bits[byte]! | bit
    this.total += 1
    return true
  }

  count(): number {
    return this.total
  }

  /** A copy of the bits, to be sent elsewhere and added there. */
  toBytes(): Uint8Array {
    return this.bits.slice()
  }

  /** Takes in the serials of another set. */
  addAll(bytes: Uint8Array): void {
    if (bytes.length > this.bits.length) this.growTo(bytes.length)
    for (let byte = 0; byte < bytes.length; byte++) {
      const before = this.bits[byte]!
      const after = before | bytes[byte]!
      this.bits[byte] = after
      this.total += bitsIn(after) - bitsIn(before)
    }
  }

  /** A serial that is in one of the two sets only; undefined if they are equal. */
  differsFrom(other: SerialSet): number | undefined {
    const length = Math.max(this.bits.length, other.bits.length)
    for (let byte = 0; byte < length; byte++) {
      const differing = (this.bits[byte] ?? 0) ^ (other.bits[byte] ?? 0)
      if (differing !== 0) return byte * 8 + (31 - Math.clz32(differing & -differing))
    }
    return undefined
  }

  private growTo(bytes: number): void {
    const grown = new Uint8Array(Math.max(bytes, this.bits.length * 2))
    grown.set(this.bits)
    this.bits = grown
  }
}

function bitsIn(byte: number): number {
  let count = 0
  for (let rest = byte; rest !== 0; rest &= rest - 1) count += 1
  return count
}
