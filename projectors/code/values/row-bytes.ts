/** Memory that grows while rows are written into it: ClickHouse's RowBinary, little-endian. */

const FIRST_BYTES = 1 << 16
/** Numbers below take four bytes of seven bits at most. */
const SHORT_END = 2 ** 28
const CALL_BYTES = 128

const encoder = new TextEncoder()

export class RowBytes {
  #bytes: Uint8Array
  #view: DataView
  #at = 0

  /** @param room for as many bytes at first */
  constructor(room = FIRST_BYTES) {
    this.#bytes = new Uint8Array(room)
    this.#view = new DataView(this.#bytes.buffer)
  }

  get length(): number {
    return this.#at
  }

  get bytes(): Uint8Array {
    return this.#bytes
  }

  /** What has been written. The memory is the caller's from then on. */
  take(): Uint8Array {
    const written = this.#bytes.subarray(0, this.#at)
    this.#bytes = new Uint8Array(FIRST_BYTES)
    this.#view = new DataView(this.#bytes.buffer)
    this.#at = 0
    return written
  }

  clear(): void {
    this.#at = 0
  }

  u8(value: number): void {
    this.#room(1)
    this.#bytes[this.#at++] = value
  }

  /** Writes the low bytes of a whole number, signed or not. @param size 1, 2 or 4 bytes */
  whole(value: number, size: number): void {
    this.#room(size)
    for (let shift = 0; shift < size * 8; shift += 8) this.#bytes[this.#at++] = value >> shift
  }

  /** Writes the low 64 bits, signed or not. */
  u64(value: bigint): void {
    this.#room(8)
    this.#view.setBigUint64(this.#at, value, true)
    this.#at += 8
  }

  f64(value: number): void {
    this.#room(8)
    this.#view.setFloat64(this.#at, value, true)
    this.#at += 8
  }

  /** Writes a whole number of 0 or more, below 2^53: seven bits a byte, the lowest first. */
  unsigned(value: number): void {
    this.#room(8)
    this.#at = putUnsigned(this.#bytes, this.#at, value)
  }

  /** Writes a whole number nearer to zero than 2^52: as `unsigned`, doubled, so that the lowest bit says its sign. */
  signed(value: number): void {
    this.unsigned(doubled(value))
  }

  /** Writes bytes that stand in others, from `start` to `end`. */
  copy(bytes: Uint8Array, start: number, end: number): void {
    this.#room(end - start)
    // Few are copied sooner one by one than by a call.
    if (end - start > CALL_BYTES) this.#bytes.set(bytes.subarray(start, end), this.#at)
    else {
      const own = this.#bytes
      for (let from = start, to = this.#at; from < end; from++, to++) own[to] = bytes[from]!
    }
    this.#at += end - start
  }

  /** The same, behind their number. */
  sized(bytes: Uint8Array, start: number, end: number): void {
    this.#room(8)
    this.#leb128(end - start)
    this.copy(bytes, start, end)
  }

  /** Writes the letters of a text, a byte each. @returns false if one needs more: what it has written then does not count */
  letters(text: string): boolean {
    const { length } = text
    this.#room(length)
    const bytes = this.#bytes
    const start = this.#at
    for (let index = 0; index < length; index++) {
      const code = text.charCodeAt(index)
      if (code > 0xff) return false
      bytes[start + index] = code
    }
    this.#at += length
    return true
  }

  /** Writes numbers as `signed`, one behind the other. */
  signedAll(values: readonly number[]): void {
    this.#room(values.length * 8)
    const bytes = this.#bytes
    let at = this.#at
    // By index: V8 calls an iterator for every value of `for … of` here.
    let index = 0
    while (index < values.length) at = putUnsigned(bytes, at, doubled(values[index++]!))
    this.#at = at
  }

  /** Copies what has been written from `start` on to an earlier place, over what stands there. */
  move(start: number, to: number): void {
    const bytes = this.#bytes
    const end = this.#at
    for (let from = start, at = to; from < end; from++, at++) bytes[at] = bytes[from]!
  }

  /** Forgets what has been written behind `length`. */
  cutTo(length: number): void {
    this.#at = length
  }

  /** Begins something whose length stands in front of it. @returns what `endSized` needs */
  beginSized(): number {
    return this.leave(1)
  }

  /** Ends it. @returns its length */
  endSized(start: number): number {
    const length = this.#at - start - 1
    this.#room(8)
    let sizes = 1
    for (let rest = length; rest >= 0x80; rest >>>= 7) sizes++
    // Most are short enough for the byte that was left.
    if (sizes > 1) this.#bytes.copyWithin(start + sizes, start + 1, this.#at)
    this.#at = start
    this.#leb128(length)
    this.#at += length
    return length
  }

  /** Leaves room for bytes that the caller writes. @returns where they begin in `bytes` */
  leave(size: number): number {
    this.#room(size)
    this.#at += size
    return this.#at - size
  }

  /** Writes a text behind its length. It must be well formed. */
  text(value: string): void {
    const { length } = value
    // No character takes more than three bytes, no length more than five.
    this.#room(length * 3 + 5)
    if (length < 0x80 && this.#ascii(value)) return
    // The length stands in front, and is known afterwards.
    const start = this.#at
    const { written } = encoder.encodeInto(value, this.#bytes.subarray(start + 5))
    this.#leb128(written)
    this.#bytes.copyWithin(this.#at, start + 5, start + 5 + written)
    this.#at += written
  }

  #ascii(value: string): boolean {
    const bytes = this.#bytes
    const start = this.#at
    for (let index = 0; index < value.length; index++) {
      const code = value.charCodeAt(index)
      if (code >= 0x80) return false
      bytes[start + 1 + index] = code
    }
    bytes[start] = value.length
    this.#at = start + 1 + value.length
    return true
  }

  #leb128(value: number): void {
    this.#at = putUnsigned(this.#bytes, this.#at, value)
  }

  #room(size: number): void {
    if (this.#at + size <= this.#bytes.length) return
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#at + size))
    larger.set(this.#bytes.subarray(0, this.#at))
    this.#bytes = larger
    this.#view = new DataView(larger.buffer)
  }
}

function doubled(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value
}

/** Writes a whole number of 0 or more, below 2^53. @returns where it ends */
function putUnsigned(bytes: Uint8Array, start: number, value: number): number {
  let at = start
  let rest = value
  if (value >= SHORT_END) {
    // Beyond 31 bits whole numbers are floats, whose arithmetic is slow: two short ones take their place.
    rest = Math.floor(value / SHORT_END)
    const low = value - rest * SHORT_END
    bytes[at] = low | 0x80
    bytes[at + 1] = (low >> 7) | 0x80
    bytes[at + 2] = (low >> 14) | 0x80
    bytes[at + 3] = (low >> 21) | 0x80
    at += 4
  }
  for (; rest >= 0x80; rest >>>= 7) bytes[at++] = rest | 0x80
  bytes[at++] = rest
  return at
}
