/** The currencies in use: a code gets an index, and its one scale, with the first account opened in it. */
import { CoreBrokenError } from '../broken.ts'

/** Currencies that one partition can keep: an account names its own in 16 bits. */
export const CURRENCIES_MAX = 65_535

export class Currencies {
  /** Packed codes and scales by index; index 0 is no currency. */
  codes = new BigInt64Array(16)
  /** The codes again, as 32-bit words. */
  codes32 = new Int32Array(this.codes.buffer)
  scales = new Uint8Array(16)
  /** Numbers of the transit accounts (schemas/crossing.ts); 0 where none was opened. */
  transits = new Int32Array(16)
  /** The highest index given. */
  count = 0
  private readonly indexes = new Map<bigint, number>()

  /** True if the currency with this index has the code that stands at `at`. */
  isCode(currency: number, words32: Int32Array, at: number): boolean {
    return this.codes32[currency * 2] === words32[at] && this.codes32[currency * 2 + 1] === words32[at + 1]
  }

  /** The index of a packed code, 0 if no account was ever opened in it. */
  indexOf(code: bigint): number {
    return this.indexes.get(code) ?? 0
  }

  /** The index of a packed code, given now if it is new. */
  indexFor(code: bigint, scale: number): number {
    const known = this.indexOf(code)
    if (known !== 0) {
      if (this.scales[known] !== scale) throw new CoreBrokenError('a currency has two scales')
      return known
    }
    const index = ++this.count
    if (index > CURRENCIES_MAX) throw new CoreBrokenError('more currencies than can be kept')
    if (index >= this.codes.length) {
      const codes = new BigInt64Array(index * 2)
      codes.set(this.codes)
      this.codes = codes
      this.codes32 = new Int32Array(codes.buffer)
      const scales = new Uint8Array(index * 2)
      scales.set(this.scales)
      this.scales = scales
      const transits = new Int32Array(index * 2)
      transits.set(this.transits)
      this.transits = transits
    }
    this.codes[index] = code
    this.scales[index] = scale
    this.indexes.set(code, index)
    return index
  }
}
