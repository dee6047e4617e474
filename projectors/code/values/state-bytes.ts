/**
 * States as they are stored: bytes, in one form only, so that equal states have equal bytes. Each value begins with a byte that
 * says what it is. Properties stand in the order of their names. Whole numbers take as many bytes as they need, seven bits in
 * each, the lowest first; a list that holds nothing else says so once. Letters take a byte each, or two where any needs them:
 * a text of JavaScript need not be well formed, and must come back as it was.
 *
 * States that earlier releases have stored are JSON (state-text.ts). No text of it begins with a byte below 32, and every state
 * here does.
 */
import type { StateValue } from '../../code-projection.ts'
import type { RowBytes } from './row-bytes.ts'
import { inListsTo, namesIn, parseState, refused, StateError } from './state-text.ts'

const NULL = 0
const FALSE = 1
const TRUE = 2
/** A number: eight bytes, of IEEE 754. */
const FLOAT = 3
/** A number that is whole and small. */
const WHOLE = 4
/** A bigint as small, one of 64 bits, and one beyond, as its digits. */
const BIG_WHOLE = 5
const BIG_64 = 6
const BIG_DIGITS = 7
const LETTERS = 8
const WIDE_LETTERS = 9
const LIST = 10
/** A list of WHOLE without their first bytes; not empty. */
const WHOLES = 11
const OBJECT = 12

const SPACE = 32
/** Whole numbers nearer to zero are WHOLE: doubled, so that their sign has room, they are exact still. */
const WHOLE_END = 2 ** 52

/** Writes a state behind the length of its bytes. @returns their number @throws StateError for what a state may not be made of */
export function putState(out: RowBytes, state: unknown): number {
  const start = out.beginSized()
  put(out, state, 0)
  return out.endSized(start)
}

/** The state that has these bytes. @throws StateError if they are none */
export function readState(bytes: Uint8Array): StateValue {
  if (bytes.length > 0 && bytes[0]! >= SPACE) return parseState(new TextDecoder().decode(bytes))
  const reader = new StateReader(bytes)
  const state = reader.value(0)
  if (!reader.isAtEnd) throw new StateError('the bytes of a state go on behind it')
  return state
}

function put(out: RowBytes, value: unknown, depth: number): void {
  switch (typeof value) {
    case 'number':
      return putNumber(out, value)
    case 'bigint':
      return putBig(out, value)
    case 'string':
      return putLetters(out, value)
    case 'boolean':
      return out.u8(value ? TRUE : FALSE)
    case 'object':
      if (value === null) return out.u8(NULL)
      return Array.isArray(value) ? putList(out, value, depth) : putObject(out, value, depth)
    default:
      throw refused(value)
  }
}

function putNumber(out: RowBytes, value: number): void {
  if (isWhole(value)) {
    out.u8(WHOLE)
    return out.signed(value)
  }
  if (!Number.isFinite(value)) throw refused(value)
  out.u8(FLOAT)
  out.f64(value)
}

/** JavaScript's two zeros are two values, and only one of them is whole. */
function isWhole(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value < WHOLE_END && value > -WHOLE_END && (value !== 0 || !Object.is(value, -0))
} // prettier-ignore

function putBig(out: RowBytes, value: bigint): void {
  const near = Number(value)
  if (near < WHOLE_END && near > -WHOLE_END) {
    out.u8(BIG_WHOLE)
    out.signed(near)
  } else if (BigInt.asIntN(64, value) === value) {
    out.u8(BIG_64)
    out.u64(value)
  } else {
    out.u8(BIG_DIGITS)
    putLetters(out, String(value))
  }
}

function putLetters(out: RowBytes, text: string): void {
  const start = out.length
  out.u8(LETTERS)
  out.unsigned(text.length)
  if (out.letters(text)) return
  out.cutTo(start)
  out.u8(WIDE_LETTERS)
  out.unsigned(text.length)
  for (let index = 0; index < text.length; index++) out.whole(text.charCodeAt(index), 2)
}

function putList(out: RowBytes, list: readonly unknown[], depth: number): void {
  const inner = inListsTo(depth)
  const { length } = list
  const isWholes = length > 0 && allWhole(list)
  out.u8(isWholes ? WHOLES : LIST)
  out.unsigned(length)
  if (isWholes) for (let index = 0; index < length; index++) out.signed(list[index] as number)
  else for (let index = 0; index < length; index++) put(out, list[index], inner)
}

function allWhole(list: readonly unknown[]): boolean {
  for (const value of list) if (!isWhole(value)) return false
  return true
}

function putObject(out: RowBytes, object: object, depth: number): void {
  const inner = inListsTo(depth)
  const names = namesIn(object)
  out.u8(OBJECT)
  out.unsigned(names.length)
  for (const name of names) {
    putLetters(out, name)
    put(out, (object as Record<string, unknown>)[name], inner)
  }
}

class StateReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  value(depth: number): StateValue {
    const kind = this.#u8()
    switch (kind) {
      case NULL:
        return null
      case FALSE:
      case TRUE:
        return kind === TRUE
      case FLOAT:
        return this.#view.getFloat64(this.#take(8), true)
      case WHOLE:
        return this.#signed()
      case BIG_WHOLE:
        return BigInt(this.#signed())
      case BIG_64:
        return this.#view.getBigInt64(this.#take(8), true)
      case BIG_DIGITS:
        return BigInt(this.#letters(this.#u8()))
      case LETTERS:
      case WIDE_LETTERS:
        return this.#letters(kind)
      case LIST: {
        const inner = inListsTo(depth)
        return Array.from({ length: this.#count() }, () => this.value(inner))
      }
      case WHOLES:
        return Array.from({ length: this.#count() }, () => this.#signed())
      case OBJECT:
        return this.#object(inListsTo(depth))
      default:
        throw new StateError(`a state holds no value of kind ${kind}`)
    }
  }

  #object(inner: number): StateValue {
    const object: Record<string, StateValue> = {}
    for (let left = this.#count(); left > 0; left--) {
      const name = this.#letters(this.#u8())
      const value = this.value(inner)
      // By its descriptor: an assignment to a property named __proto__ would change what the object is.
      if (name === '__proto__')
        Object.defineProperty(object, name, { value, enumerable: true, writable: true, configurable: true })
      else object[name] = value
    }
    return object
  }

  #letters(kind: number): string {
    if (kind !== LETTERS && kind !== WIDE_LETTERS) throw new StateError(`no text of kind ${kind}`)
    const size = this.#unsigned() * (kind === LETTERS ? 1 : 2)
    const at = this.#take(size)
    return Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + at, size).toString(kind === LETTERS ? 'latin1' : 'utf16le')
  } // prettier-ignore

  /** How many values follow. Each takes a byte at least: no count makes more than there are. */
  #count(): number {
    const count = this.#unsigned()
    if (count > this.#bytes.length - this.#at) throw cutOff()
    return count
  }

  #signed(): number {
    const doubled = this.#unsigned()
    return doubled % 2 === 0 ? doubled / 2 : -(doubled + 1) / 2
  }

  #unsigned(): number {
    let value = 0
    for (let weight = 1; weight < 2 ** 56; weight *= 128) {
      const byte = this.#u8()
      value += (byte & 0x7f) * weight
      if (byte < 0x80) return value
    }
    throw new StateError('a whole number of a state has no end')
  }

  #u8(): number {
    return this.#bytes[this.#take(1)]!
  }

  /** @returns where they begin */
  #take(size: number): number {
    const at = this.#at
    if (at + size > this.#bytes.length) throw cutOff()
    this.#at += size
    return at
  }
}

function cutOff(): StateError {
  return new StateError('the bytes of a state are cut off')
}
