/**
 * Reads the values that strangers send in JSON. There is one reader per type, for the GraphQL scalars and bulk HTTP
 * alike.
 */
import type { Coordination } from '../../schemas/commands.ts'
import { parseId, type Id } from '../../schemas/ids.ts'
import { parseMinor } from '../../schemas/money.ts'
import { readTime } from '../positions/times.ts'
import {
  readCursor,
  readPosition,
  type CursorToken,
  type PositionToken,
  type TokenReading,
} from '../positions/tokens.ts'

/** A reader's answer: the value, or what is wrong with it, for people. */
export type Reading<Value> = { readonly value: Value } | { readonly wrong: string }

export interface ValueTypes {
  readonly UUID: Id
  readonly MinorUnits: bigint
  readonly DateTime: bigint
  readonly Position: PositionToken
  readonly Cursor: CursorToken
  readonly String: string
  readonly Int: number
  readonly UInt32: number
  readonly UInt64: bigint
  readonly Boolean: boolean
  readonly Coordination: Coordination
}
export type ValueType = keyof ValueTypes

const UINT32_MAX = 2 ** 32 - 1
const UINT64_MAX = 2n ** 64n - 1n
const INT_MAX = 2 ** 31 - 1
const COORDINATIONS: ReadonlyMap<string, Coordination> = new Map([
  ['TCC', 'tcc'],
  ['SAGA', 'saga'],
])
const SHOWN_CHARACTERS_MAX = 60
const LONE_SURROGATE = /\p{Surrogate}/u

export const READERS: { readonly [Type in ValueType]: (raw: unknown) => Reading<ValueTypes[Type]> } = {
  UUID: text('a UUID such as "018f3a5e-7c1a-7b3c-9d2e-4f5a6b7c8d9e"', parseId),
  MinorUnits: text(
    'a string of decimal digits, a whole number of minor units within 64 bits, such as "1250"',
    parseMinor,
  ),
  DateTime: (raw) => {
    if (typeof raw !== 'string')
      return {
        wrong: `Expected an RFC 3339 date and time such as "2026-11-24T09:30:00.123456789Z", got ${show(raw)}.`,
      }
    const reading = readTime(raw)
    return 'ns' in reading ? { value: reading.ns } : { wrong: `The time ${show(raw)} ${reading.wrong}.` }
  },
  Position: token('a position', readPosition),
  Cursor: token('a cursor', readCursor),
  // A lone surrogate has no UTF-8: another character would be stored than was sent.
  String: text('a string of well-formed Unicode without NUL', (raw) =>
    LONE_SURROGATE.test(raw) || raw.includes('\0') ? undefined : raw,
  ),
  Int: (raw) => integer(raw, -INT_MAX - 1, INT_MAX),
  UInt64: text('a string of decimal digits, a whole number of up to 64 bits, such as "7"', (raw) =>
    /^\d{1,20}$/.test(raw) && BigInt(raw) <= UINT64_MAX ? BigInt(raw) : undefined,
  ),
  UInt32: (raw) => integer(raw, 0, UINT32_MAX),
  Coordination: text('"TCC" or "SAGA"', (raw) => COORDINATIONS.get(raw)),
  Boolean: (raw) =>
    typeof raw === 'boolean' ? { value: raw } : { wrong: `Expected true or false, got ${show(raw)}.` },
}

function text<Value>(
  what: string,
  parse: (text: string) => Value | undefined,
): (raw: unknown) => Reading<Value> {
  return (raw) => {
    const value = typeof raw === 'string' ? parse(raw) : undefined
    return value === undefined ? { wrong: `Expected ${what}, got ${show(raw)}.` } : { value }
  }
}

function token<Token>(
  what: string,
  read: (token: string) => TokenReading<Token>,
): (raw: unknown) => Reading<Token> {
  return (raw) =>
    typeof raw === 'string' ? read(raw) : { wrong: `Expected ${what}, which is a string, got ${show(raw)}.` }
}

function integer(raw: unknown, min: number, max: number): Reading<number> {
  return typeof raw === 'number' && Number.isInteger(raw) && raw >= min && raw <= max
    ? { value: raw }
    : { wrong: `Expected a whole number from ${min} to ${max}, got ${show(raw)}.` }
}

/** A literal of a query that is neither text nor a whole number within the exact range, as written. */
export class Literal {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** A stranger's value for a message: short, and in one line. */
export function show(raw: unknown): string {
  if (raw === undefined) return 'nothing'
  if (raw instanceof Literal)
    return raw.text.length > SHOWN_CHARACTERS_MAX ? `${raw.text.slice(0, SHOWN_CHARACTERS_MAX)}…` : raw.text
  if (typeof raw === 'object' && raw !== null) return Array.isArray(raw) ? 'a list' : 'an object'
  const shown = JSON.stringify(typeof raw === 'string' ? raw.slice(0, SHOWN_CHARACTERS_MAX) : raw)
  return typeof raw === 'string' && raw.length > SHOWN_CHARACTERS_MAX ? `${shown}…` : shown
}
