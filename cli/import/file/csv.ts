/**
 * CSV (RFC 4180) → records, in bounded memory, whatever is wrong with it.
 *
 * A parser that throws at the first fault cannot skip a line, and one that forgives faults loads what nobody wrote. This
 * one goes on behind every fault and says of each record whether it is whole. A faulty value ends where the rules say that
 * it would: text in quotes is never taken for rows, not even of a record that is too long.
 *
 * A quote out of place makes it doubtful which line breaks end records. So each line of such a record counts as bad.
 */
import { LINE_BYTES_MAX, TOO_LONG } from './byte-lines.ts'
import { textFault } from './utf8.ts'

/** A record, by the line on which it begins (from 1). */
export type CsvRecord =
  | { readonly line: number; readonly values: readonly string[] }
  /** `value`: place of the value that is at fault, from 0. */
  | { readonly line: number; readonly fault: string; readonly value?: number | undefined }

const QUOTE = 0x22
const COMMA = 0x2c
const LF = 0x0a
const CR = 0x0d

/** By byte: 1 for those that end a value, or may. */
const IS_SPECIAL = Uint8Array.from({ length: 256 }, (_, byte) =>
  Number([QUOTE, COMMA, LF, CR].includes(byte)),
)

const STRAY_QUOTE =
  'a quote inside a value that does not begin with one: put the value in quotes, and write each quote in it twice'
const LONE_CR = 'a carriage return without a line feed: lines end with LF or CRLF' // prettier-ignore

/** Where in a value the next byte stands. */
type State = 'begin' | 'plain' | 'quoted' | 'behind quote'

/** Reads records. Empty lines are no records. */
export async function* csvRecords(input: AsyncIterable<Buffer>): AsyncGenerator<CsvRecord> {
  const reader = new RecordReader()
  for await (const chunk of input) {
    for (let at = 0; at < chunk.length;) {
      at = reader.read(chunk, at)
      if (reader.isAtEnd) yield* reader.take()
    }
  }
  yield* reader.finish()
}

class RecordReader {
  /** True when a whole record waits to be taken. */
  isAtEnd = false
  /** Values without their quotes, a comma behind each: so that no character comes to be out of two values. */
  readonly #content = Buffer.allocUnsafe(LINE_BYTES_MAX + 1)
  #length = 0
  readonly #ends: number[] = []
  /** Bytes of the record as it stands in the file, without its line end. */
  #bytes = 0
  /** What was read last ended a line, outside of quotes or not. */
  #endsWithLf = false
  #state: State = 'begin'
  #isAfterCr = false
  #line = 1
  #beganOnLine = 1
  #quoteOpenedOnLine = 0
  #hasQuotes = false
  #fault: { readonly text: string; readonly value: number; readonly isOfQuotes: boolean } | undefined

  /** Reads up to the end of a record, or of the chunk. @returns where the next byte to read stands */
  read(chunk: Buffer, from: number): number {
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk[at]!
      // Nearly every byte is one of a value that goes on.
      if (this.#state === 'plain' && !this.#isAfterCr && !IS_SPECIAL[byte]) {
        this.#bytes++
        this.#put(byte)
        continue
      }
      this.#bytes++
      if (this.#isAfterCr && byte !== LF) {
        this.#isAfterCr = false
        this.#blame(LONE_CR, false)
      }
      if (this.#take(byte)) {
        this.isAtEnd = true
        return at + 1
      }
    }
    this.#endsWithLf = chunk.at(-1) === LF
    return chunk.length
  }

  /** Takes one byte. @returns true if it ends the record */
  #take(byte: number): boolean {
    if (this.#state === 'quoted') {
      if (byte === QUOTE) this.#state = 'behind quote'
      else this.#put(byte)
      if (byte === LF) this.#line++
      return false
    }
    switch (byte) {
      case LF:
        this.#bytes -= this.#isAfterCr ? 2 : 1
        this.#isAfterCr = false
        this.#line++
        return true
      case CR:
        this.#isAfterCr = true
        return false
      case COMMA:
        this.#endValue()
        return false
      case QUOTE:
        this.#quote()
        return false
      default:
        if (this.#state === 'behind quote') this.#blame(this.#behindQuote(), true)
        this.#state = 'plain'
        this.#put(byte)
        return false
    }
  }

  #quote(): void {
    if (this.#state === 'begin') {
      this.#quoteOpenedOnLine = this.#line
      this.#hasQuotes = true
      this.#state = 'quoted'
    } else if (this.#state === 'behind quote') {
      this.#state = 'quoted'
      this.#put(QUOTE)
    } else {
      this.#blame(STRAY_QUOTE, true)
      this.#put(QUOTE)
    }
  }

  #behindQuote(): string {
    const where = this.#quoteOpenedOnLine === this.#line ? '' : ` that opens on line ${this.#quoteOpenedOnLine}`
    return `text behind the end of a value in quotes${where}: write each quote inside the value twice`
  } // prettier-ignore

  /** What is beyond the bound is counted and dropped. */
  #put(byte: number): void {
    if (this.#length < LINE_BYTES_MAX) this.#content[this.#length++] = byte
  }

  #endValue(): void {
    if (this.#length <= LINE_BYTES_MAX) {
      this.#content[this.#length++] = COMMA
      this.#ends.push(this.#length)
    }
    this.#state = 'begin'
  }

  /** The first fault counts, but that quotes are out of place is remembered whenever it shows. */
  #blame(text: string, isOfQuotes: boolean): void {
    const { text: first = text, value = this.#ends.length } = this.#fault ?? {}
    this.#fault = { text: first, value, isOfQuotes: isOfQuotes || this.#fault?.isOfQuotes === true }
  }

  /** The record that has ended, and then the reader is ready for the next one. */
  *take(): Generator<CsvRecord> {
    const line = this.#beganOnLine
    const last = this.#line - 1
    const isTooLong = this.#bytes > LINE_BYTES_MAX
    this.#endValue()
    const content = this.#content.subarray(0, Math.max(0, this.#length - 1))
    const fault = this.#fault
    if (fault !== undefined) yield { line, fault: fault.text, value: isTooLong ? undefined : fault.value }
    else if (isTooLong) yield { line, fault: TOO_LONG }
    else if (!this.#isBlank(content)) yield this.#record(line, content)
    if (fault?.isOfQuotes === true) yield* partsOf(line, last)
    this.#reset()
  }

  /** What is left at the end of the file: a record without a line end, or one whose quote never closes. */
  *finish(): Generator<CsvRecord> {
    if (this.#bytes === 0) return
    if (this.#isAfterCr) this.#blame(LONE_CR, false)
    if (this.#state !== 'quoted') {
      this.#line++
      yield* this.take()
      return
    }
    const line = this.#beganOnLine
    const opened = this.#quoteOpenedOnLine === line ? 'here' : `on line ${this.#quoteOpenedOnLine}`
    const value = this.#bytes > LINE_BYTES_MAX ? undefined : this.#ends.length
    yield { line, fault: `a quote opens ${opened} and is not closed by the end of the file`, value }
    // A line break at the very end is no further line.
    yield* partsOf(line, this.#endsWithLf ? this.#line - 1 : this.#line)
  }

  #record(line: number, content: Buffer): CsvRecord {
    const fault = textFault(content)
    if (fault !== undefined) return { line, fault }
    let from = 0
    const values = this.#ends.map((end) => {
      const value = content.toString('utf8', from, end - 1)
      from = end
      return value
    })
    return { line, values }
  }

  #isBlank(content: Buffer): boolean {
    return this.#ends.length === 1 && !this.#hasQuotes && content.every((byte) => byte === 0x20 || byte === 0x09)
  } // prettier-ignore

  #reset(): void {
    this.isAtEnd = false
    this.#length = 0
    this.#ends.length = 0
    this.#bytes = 0
    this.#state = 'begin'
    this.#isAfterCr = false
    this.#beganOnLine = this.#line
    this.#hasQuotes = false
    this.#fault = undefined
  }
}

/** The other lines of a record whose quotes are out of place. */
function* partsOf(line: number, last: number): Generator<CsvRecord> {
  for (let part = line + 1; part <= last; part++)
    yield { line: part, fault: `part of what begins on line ${line}, whose quotes do not fit` }
}
