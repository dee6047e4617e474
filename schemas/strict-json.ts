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
  try {
    walk(text)
  } catch (error) {
    if (error instanceof Found) return { fault: error.fault }
    throw error
  }
  return { value }
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

/** Looks at a text that `JSON.parse` took. Throws Found at its first fault. */
function walk(text: string): void {
  /** Keys of the objects that are open, the innermost last; undefined for an array. */
  const open: (Set<string> | undefined)[] = []
  const enter = (keys: Set<string> | undefined): void => {
    if (open.length === JSON_DEPTH_MAX) throw new Found({ kind: 'deep', path: '', shown: '' })
    open.push(keys)
  }
  const leave = (): void => {
    open.pop()
  }
  visit(text, {
    onObjectBegin: () => enter(new Set()),
    onArrayBegin: () => enter(undefined),
    onObjectEnd: leave,
    onArrayEnd: leave,
    onObjectProperty: (key, _offset, _length, _line, _character, pathOf) => {
      const keys = open.at(-1)!
      if (keys.has(key))
        throw new Found({ kind: 'duplicate', path: pathText([...pathOf(), key]), shown: cut(key) })
      keys.add(key)
    },
    onLiteralValue: (value: unknown, offset, length, _line, _character, pathOf) => {
      if (typeof value !== 'number') return
      const token = text.slice(offset, offset + length)
      if (!isExact(token)) throw new Found({ kind: 'inexact', path: pathText(pathOf()), shown: cut(token) })
    },
  })
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
