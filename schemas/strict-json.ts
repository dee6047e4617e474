/**
 * JSON from strangers, read so that nothing of it is lost unseen.
 *
 * `JSON.parse` keeps the last of two equal keys and rounds a number to the nearest double. Both change what a sender meant
 * without a word. This reader takes RFC 8259 texts only and refuses those two, and nesting beyond a bound.
 */
import { visit } from 'jsonc-parser'

/** Objects and arrays one inside the other. */
export const JSON_DEPTH_MAX = 128
const SHOWN_CHARACTERS_MAX = 60

/**
 * Why a text was not taken. `syntax`: it is no JSON. `duplicate`: an object has a key twice. `inexact`: a number that no
 * double holds. `deep`: nested beyond `JSON_DEPTH_MAX`.
 */
export interface JsonFault {
  readonly kind: 'syntax' | 'duplicate' | 'inexact' | 'deep'
  /** Where, such as `commands[0].amount`; empty for the text as a whole. */
  readonly path: string
  /** The key or the number in question, cut to 60 characters; empty otherwise. */
  readonly shown: string
}

export type JsonReading = { readonly value: unknown } | { readonly fault: JsonFault }

/** Thrown inside this file only: ends a walk at its first fault. */
class Found extends Error {
  readonly fault: JsonFault

  constructor(fault: JsonFault) {
    super(fault.kind)
    this.fault = fault
  }
}

/** Reads a JSON text. Never throws; the first fault in the order of the text is told. */
export function readStrictJson(text: string): JsonReading {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { fault: { kind: 'syntax', path: '', shown: '' } }
  }
  if (isPlain(text, value)) return { value }
  try {
    return { value: walk(text) }
  } catch (error) {
    if (error instanceof Found) return { fault: error.fault }
    throw error
  }
}

/** A sentence for people about a fault. */
export function jsonFaultSentence({ kind, path, shown }: JsonFault): string {
  switch (kind) {
    case 'syntax':
      return 'This is not JSON.'
    case 'duplicate':
      return `The key ${JSON.stringify(shown)} stands twice in one object (${path}). Send it once.`
    case 'inexact':
      return `The number ${shown} (${path === '' ? 'the whole text' : path}) has more digits than a JSON number can keep here. Send it as text.`
    case 'deep':
      return `Objects and lists are nested more than ${JSON_DEPTH_MAX} deep.`
  }
}

const QUOTE = 0x22
const COLON = 0x3a
const BACKSLASH = 0x5c
/** No character below it stands between the words of a JSON text, but white space. */
const SPACE = 0x20

/**
 * True if the walk would find nothing in a text that `JSON.parse` took: nearly all texts, at a third of the walk's price. A
 * key that stands twice is one key in the value and two colons in the text. False as well where a key is written with an
 * escape: `JSON.parse` of Node 24 and 26 takes such a key for one with a backslash that it has seen in the same place before.
 */
function isPlain(text: string, value: unknown): boolean {
  let colons = 0
  let depth = 0
  const hasEscapes = text.includes('\\')
  for (let at = 0; at < text.length; at++) {
    const character = text.charCodeAt(at)
    if (character === QUOTE) {
      const end = endOfString(text, at)
      if (hasEscapes && isEscapedKey(text, at, end)) return false
      at = end
    } else if (character === COLON) colons++
    else if (character === 0x7b || character === 0x5b) {
      if (++depth > JSON_DEPTH_MAX) return false
    } else if (character === 0x7d || character === 0x5d) depth--
    else if (beginsNumber(character)) {
      const from = at
      while (at + 1 < text.length && goesOnNumber(text.charCodeAt(at + 1))) at++
      if (!isExact(text.slice(from, at + 1))) return false
    }
  }
  return colons === keysIn(value)
}

/** Where the string ends that begins at a quote. */
function endOfString(text: string, from: number): number {
  for (let at = text.indexOf('"', from + 1); ; at = text.indexOf('"', at + 1)) {
    let before = at - 1
    while (text.charCodeAt(before) === BACKSLASH) before--
    if ((at - before) % 2 === 1) return at
  }
}

/** Whether a string, from its first quote to its last, holds an escape and is a key: a colon follows. */
function isEscapedKey(text: string, from: number, end: number): boolean {
  return text.slice(from, end).includes('\\') && isColonNext(text, end + 1)
}

function isColonNext(text: string, from: number): boolean {
  let at = from
  while (text.charCodeAt(at) <= SPACE) at++
  return text.charCodeAt(at) === COLON
}

function beginsNumber(character: number): boolean {
  return (character >= 0x30 && character <= 0x39) || character === 0x2d
}

/** Digits, signs, the point, and an `e` of either case. */
function goesOnNumber(character: number): boolean {
  return beginsNumber(character) || character === 0x2e || character === 0x2b || (character | 0x20) === 0x65
}

/** Keys of all objects in a value that is known not to be deep. */
function keysIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + keysIn(item), 0)
  const values = Object.values(value)
  let keys = values.length
  for (const item of values) if (typeof item === 'object' && item !== null) keys += keysIn(item)
  return keys
}

/** The value of a text that `JSON.parse` took. Throws Found at its first fault. */
function walk(text: string): unknown {
  /** Objects and arrays that are open, the innermost last. */
  const open: (Map<string, unknown> | unknown[])[] = []
  const keys: string[] = []
  let whole: unknown
  const put = (value: unknown): void => {
    const into = open.at(-1)
    if (into === undefined) whole = value
    else if (Array.isArray(into)) into.push(value)
    else into.set(keys.at(-1)!, value)
  }
  const enter = (container: Map<string, unknown> | unknown[]): void => {
    if (open.length === JSON_DEPTH_MAX) throw new Found({ kind: 'deep', path: '', shown: '' })
    open.push(container)
    keys.push('')
  }
  const leave = (): void => {
    const container = open.pop()!
    keys.pop()
    // From entries: a key `__proto__` is a key like any other.
    put(Array.isArray(container) ? container : Object.fromEntries(container))
  }
  visit(text, {
    onObjectBegin: () => enter(new Map()),
    onArrayBegin: () => enter([]),
    onObjectEnd: leave,
    onArrayEnd: leave,
    onObjectProperty: (key, _offset, _length, _line, _character, pathOf) => {
      const object = open.at(-1) as Map<string, unknown>
      if (object.has(key))
        throw new Found({ kind: 'duplicate', path: pathText([...pathOf(), key]), shown: cut(key) })
      object.set(key, undefined)
      keys[keys.length - 1] = key
    },
    onLiteralValue: (value: unknown, offset, length, _line, _character, pathOf) => {
      const token = text.slice(offset, offset + length)
      if (typeof value === 'number' && !isExact(token))
        throw new Found({ kind: 'inexact', path: pathText(pathOf()), shown: cut(token) })
      put(value)
    },
  })
  return whole
}

/** Whole numbers of up to 15 digits are exact: nearly all that there are. */
const SHORT_WHOLE = /^-?\d{1,15}$/
const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/

/** True if the double nearest to a number's text reads as the same number again. */
function isExact(token: string): boolean {
  if (SHORT_WHOLE.test(token)) return true
  const number = Number(token)
  return Number.isFinite(number) && decimal(token) === decimal(String(number))
}

/** One way of writing for each decimal number: its digits without zeros at either end, and the power of ten. */
function decimal(token: string): string {
  const [, sign, whole, fraction = '', exponent = '0'] = NUMBER.exec(token)!
  const digits = `${whole!}${fraction}`.replace(/^0+/, '')
  const significant = digits.replace(/0+$/, '')
  if (significant === '') return '0'
  return `${sign!}${significant}e${Number(exponent) - fraction.length + digits.length - significant.length}`
}

function pathText(path: readonly (string | number)[]): string {
  return path
    .map((step, index) => (typeof step === 'number' ? `[${step}]` : `${index > 0 ? '.' : ''}${cut(step)}`))
    .join('')
}

function cut(text: string): string {
  return text.length > SHOWN_CHARACTERS_MAX ? `${text.slice(0, SHOWN_CHARACTERS_MAX)}…` : text
}
