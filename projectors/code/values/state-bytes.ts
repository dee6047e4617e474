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
import { RowBytes } from './row-bytes.ts'
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
  return new StateReader(bytes).state(0, bytes.length)
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
  if (isWholes) out.signedAll(list as readonly number[])
  else for (let index = 0; index < length; index++) put(out, list[index], inner)
}

function allWhole(list: readonly unknown[]): boolean {
  let index = 0
  while (index < list.length && isWhole(list[index])) index++
  return index === list.length
}

function putObject(out: RowBytes, object: object, depth: number): void {
  const inner = inListsTo(depth)
  const { names, bytes } = shapeOf(object)
  out.u8(OBJECT)
  out.unsigned(names.length)
  for (let index = 0; index < names.length; index++) {
    const name = names[index]!
    if (bytes === undefined) putLetters(out, name)
    else out.copy(bytes[index]!, 0, bytes[index]!.length)
    put(out, (object as Record<string, unknown>)[name], inner)
  }
}

/** The names of an object's properties. Most states of a projection have the same ones, so their bytes are made once. */
interface Shape {
  /** As the object has them. */
  readonly own: readonly string[]
  /** As they are stored: in order. */
  readonly names: readonly string[]
  /** What is stored of each; undefined: the shape is not remembered. */
  readonly bytes: readonly Uint8Array[] | undefined
}

/** By the first of their objects' names. */
const shapes = new Map<string, Shape[]>()
const SHAPES_MAX = 64
/** Shapes with the same first name: the same names in another order, mostly. */
const SHAPES_OF_NAME_MAX = 4
/** Names of a shape that is remembered, and characters of each. */
const SHAPE_NAMES_MAX = 32
const SHAPE_NAME_CHARACTERS_MAX = 64

/** @throws StateError if the object is not a plain one */
function shapeOf(object: object): Shape {
  const prototype: unknown = Object.getPrototypeOf(object)
  if (prototype !== null && prototype !== Object.prototype) return newShape(object)
  const own = Object.keys(object)
  const alike = own.length === 0 ? undefined : shapes.get(own[0]!)
  if (alike !== undefined) for (const shape of alike) if (isSame(shape.own, own)) return shape
  return newShape(object)
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  if (one.length !== other.length) return false
  for (let index = 0; index < one.length; index++) if (one[index] !== other[index]) return false
  return true
}

function newShape(object: object): Shape {
  const own = Object.keys(object)
  const names = namesIn(object)
  const isRemembered =
    names.length > 0 &&
    names.length <= SHAPE_NAMES_MAX &&
    names.every((name) => name.length <= SHAPE_NAME_CHARACTERS_MAX)
  if (!isRemembered) return { own, names, bytes: undefined }
  const shape = { own, names, bytes: names.map(lettersOf) }
  const alike = (shapes.get(own[0]!) ?? []).slice(1 - SHAPES_OF_NAME_MAX)
  if (shapes.size === SHAPES_MAX) shapes.clear()
  shapes.set(own[0]!, [...alike, shape])
  return shape
}

function lettersOf(name: string): Uint8Array {
  const out = new RowBytes(name.length * 2 + 8)
  putLetters(out, name)
  return out.bytes.slice(0, out.length)
}

/** Bytes of a whole number, at most. */
const NUMBER_BYTES_MAX = 8
/** Names that have been read, by a number that their bytes make: most are read again and again. */
const NAMES_REMEMBERED = 64

/** Reads states out of bytes that hold many. */
export class StateReader {
  readonly bytes: Uint8Array
  readonly #view: DataView
  readonly #names: { readonly text: string; readonly bytes: Uint8Array }[] = []
  #at = 0
  #end = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** The state whose bytes stand from `at` to `end`. @throws StateError if they are none */
  state(at: number, end: number): StateValue {
    if (at < end && this.bytes[at]! >= SPACE)
      return parseState(new TextDecoder().decode(this.bytes.subarray(at, end)))
    this.#at = at
    this.#end = end
    const state = this.#value(0)
    if (this.#at !== end) throw new StateError('the bytes of a state go on behind it')
    return state
  }

  #value(depth: number): StateValue {
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
        const list = new Array<StateValue>(this.#count())
        for (let index = 0; index < list.length; index++) list[index] = this.#value(inner)
        return list
      }
      case WHOLES:
        return this.#wholes(new Array<number>(this.#count()))
      case OBJECT:
        return this.#object(inListsTo(depth))
      default:
        throw new StateError(`a state holds no value of kind ${kind}`)
    }
  }

  #wholes(list: number[]): number[] {
    const { bytes } = this
    // Where no number can be cut off, nothing is looked at but its own bytes.
    const sure = this.#end - NUMBER_BYTES_MAX
    let at = this.#at
    let index = 0
    for (; index < list.length && at <= sure; index++) {
      let byte = bytes[at++]!
      let low = byte & 0x7f
      for (let shift = 7; byte >= 0x80 && shift < 28; shift += 7) {
        byte = bytes[at++]!
        low |= (byte & 0x7f) << shift
      }
      if (byte < 0x80) {
        list[index] = low & 1 ? -(low >> 1) - 1 : low >> 1
        continue
      }
      let high = 0
      for (let shift = 0; byte >= 0x80; shift += 7) {
        if (shift === 28) throw endless()
        byte = bytes[at++]!
        high |= (byte & 0x7f) << shift
      }
      list[index] = halved(high * 2 ** 28 + low)
    }
    this.#at = at
    for (; index < list.length; index++) list[index] = this.#signed()
    return list
  }

  #object(inner: number): StateValue {
    const object: Record<string, StateValue> = {}
    for (let left = this.#count(); left > 0; left--) {
      const name = this.#name()
      const value = this.#value(inner)
      // By its descriptor: an assignment to a property named __proto__ would change what the object is.
      if (name === '__proto__')
        Object.defineProperty(object, name, { value, enumerable: true, writable: true, configurable: true })
      else object[name] = value
    }
    return object
  }

  #name(): string {
    const start = this.#at
    const kind = this.#u8()
    const size = this.#unsigned() * (kind === LETTERS ? 1 : 2)
    const from = this.#at
    if (size === 0 || size > SHAPE_NAME_CHARACTERS_MAX || from + size > this.#end)
      return this.#nameFrom(start)
    const { bytes } = this
    const place = (size * 7 + bytes[from]! * 31 + bytes[from + size - 1]!) % NAMES_REMEMBERED
    const known = this.#names[place]
    this.#at = from + size
    if (known !== undefined && this.#isThere(known.bytes, start)) return known.text
    const text = this.#nameFrom(start)
    this.#names[place] = { text, bytes: bytes.slice(start, this.#at) }
    return text
  }

  #nameFrom(start: number): string {
    this.#at = start
    return this.#letters(this.#u8())
  }

  /** Whether what has been read since `start` is these bytes. */
  #isThere(wanted: Uint8Array, start: number): boolean {
    const { length } = wanted
    if (length !== this.#at - start) return false
    for (let index = 0; index < length; index++) if (this.bytes[start + index] !== wanted[index]) return false
    return true
  }

  #letters(kind: number): string {
    if (kind !== LETTERS && kind !== WIDE_LETTERS) throw new StateError(`no text of kind ${kind}`)
    const size = this.#unsigned() * (kind === LETTERS ? 1 : 2)
    const at = this.#take(size)
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset + at, size).toString(kind === LETTERS ? 'latin1' : 'utf16le')
  } // prettier-ignore

  /** How many values follow. Each takes a byte at least: no count makes more than there are. */
  #count(): number {
    const count = this.#unsigned()
    if (count > this.#end - this.#at) throw cutOff()
    return count
  }

  #signed(): number {
    return halved(this.#unsigned())
  }

  #unsigned(): number {
    let value = 0
    // Four bytes hold 28 bits: whole numbers of 32 bits are added quickly, and larger ones by their halves.
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#u8()
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    let high = 0
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#u8()
      high |= (byte & 0x7f) << shift
      if (byte < 0x80) return high * 2 ** 28 + value
    }
    throw endless()
  }

  #u8(): number {
    if (this.#at === this.#end) throw cutOff()
    return this.bytes[this.#at++]!
  }

  /** @returns where they begin */
  #take(size: number): number {
    const at = this.#at
    if (at + size > this.#end) throw cutOff()
    this.#at += size
    return at
  }
}

function cutOff(): StateError {
  return new StateError('the bytes of a state are cut off')
}

function endless(): StateError {
  return new StateError('a whole number of a state has no end')
}

/** What was doubled to give its sign room. */
function halved(doubled: number): number {
  if (doubled < 2 ** 31) return doubled & 1 ? -(doubled >> 1) - 1 : doubled >> 1
  const half = Math.floor(doubled / 2)
  return half * 2 === doubled ? half : -half - 1
}
