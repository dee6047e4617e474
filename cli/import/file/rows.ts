/**
 * One line of the neutral import format (docs/import-format.md) → a row, or what is wrong with it. The same reader takes an
 * object from NDJSON and a record from CSV, where every value is text and an empty one was left out by who read it.
 *
 * Nothing that a row can say by accident means "not given": neither zero, nor empty text, nor the nil UUID.
 */
import { MEMO_BYTES_MAX, OWNER_BYTES_MAX, TIME_NS_MAX, TIME_NS_MIN } from '../../../schemas/limits.ts'
import { isCurrencyCode, isScale, parseAmount, parseMinor } from '../../../schemas/money.ts'
import { parseTime } from '../../../gateway/positions/times.ts'
import { EXTERNAL_NAME_WANTED, isExternalName } from '../../external-ids.ts'

export interface AccountLine {
  readonly type: 'account'
  /** The account's name in the system it comes from. */
  readonly id: string
  readonly currency: string
  readonly owner?: string
  readonly scale?: number
  /** Minor units. */
  readonly overdraftLimit?: string
  /** Where money enters or leaves: no limit to its overdraft. */
  readonly system?: boolean
  readonly effectiveAt?: string
}

export interface TransferRow {
  readonly type: 'transfer'
  /** The row's id in the system it comes from; once in a file. */
  readonly id: string
  /** Name of the account that pays. */
  readonly debit: string
  /** Name of the account that receives. */
  readonly credit: string
  /** Minor units, above zero. */
  readonly amount: string
  readonly currency: string
  /** RFC 3339. */
  readonly effectiveAt?: string
  readonly code?: number
  readonly reference?: string
  readonly memo?: string
  /** All or nothing with the next row. */
  readonly linked?: boolean
}

export type ImportRow = AccountLine | TransferRow

/** A line of an import, by its number in the file (from 1): a row, or why it is none. */
export type ImportLine =
  /** `digest`: of the row's id under the import's name, once it was made. */
  | { readonly line: number; readonly row: ImportRow; readonly digest?: Buffer }
  /** `linked`: whether the bad row said that it belongs together with the next; undefined where that cannot be told. */
  | { readonly line: number; readonly fault: string; readonly linked?: boolean | undefined }

/** Thrown inside this file only: becomes the fault of a line. */
class RowFault extends Error {}

type Raw = Readonly<Record<string, unknown>>
type Field<Value> = (value: unknown) => Value | undefined

const SHOWN_CHARACTERS_MAX = 40
const UINT32_MAX = 2 ** 32 - 1
const DAY = /^\d{4}-\d\d-\d\d$/

const FIELDS = {
  account: ['type', 'id', 'owner', 'currency', 'scale', 'overdraftLimit', 'system', 'effectiveAt'],
  transfer: ['type', 'id', 'debit', 'credit', 'amount', 'currency', 'effectiveAt', 'code', 'reference', 'memo', 'linked'],
} as const // prettier-ignore

/** Every column that a CSV file may have. */
export const COLUMNS: ReadonlySet<string> = new Set([...FIELDS.account, ...FIELDS.transfer])

/** Reads a row. Checks everything that needs no platform, and names the field that is wrong. */
export function readRow(raw: unknown, line: number): ImportLine {
  try {
    return { line, row: toRow(raw) }
  } catch (error) {
    if (!(error instanceof RowFault)) throw error
    return { line, fault: error.message, linked: linkedOf(raw) }
  }
}

function toRow(raw: unknown): ImportRow {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) throw new RowFault('expected an object')
  const given = raw as Raw
  const type = given['type']
  if (type !== 'account' && type !== 'transfer')
    throw new RowFault(`type: expected "account" or "transfer", got ${show(type)}`)
  for (const field in given)
    if (!(FIELDS[type] as readonly string[]).includes(field) && isGiven(given[field]))
      throw new RowFault(`${printable(field)}: a row of type ${type} has no such field`)
  return type === 'account' ? toAccount(given) : toTransfer(given)
}

function toAccount(raw: Raw): AccountLine {
  const row = {
    type: 'account' as const,
    id: required(raw, 'id', identity, EXTERNAL_NAME_WANTED),
    currency: required(raw, 'currency', currency, CURRENCY_WANTED),
    ...optional(raw, 'owner', textOf(OWNER_BYTES_MAX), `text of at most ${OWNER_BYTES_MAX} bytes`),
    ...optional(raw, 'scale', scale, 'a whole number from 0 to 18'),
    ...optional(raw, 'overdraftLimit', limit, 'minor units, zero or more, such as "50000"'),
    ...optional(raw, 'system', truth, 'true or false'),
    ...optional(raw, 'effectiveAt', time, TIME_WANTED),
  }
  if (row.system === true && row.overdraftLimit !== undefined)
    throw new RowFault('overdraftLimit: a system account has none; leave it out')
  return row
}

function toTransfer(raw: Raw): TransferRow {
  return {
    type: 'transfer' as const,
    id: required(raw, 'id', identity, EXTERNAL_NAME_WANTED),
    debit: required(raw, 'debit', identity, EXTERNAL_NAME_WANTED),
    credit: required(raw, 'credit', identity, EXTERNAL_NAME_WANTED),
    amount: required(raw, 'amount', amount, 'minor units above zero, as digits, such as "1250"'),
    currency: required(raw, 'currency', currency, CURRENCY_WANTED),
    ...optional(raw, 'effectiveAt', time, TIME_WANTED),
    ...optional(raw, 'code', code, 'a whole number from 0 to 4294967295'),
    ...optional(raw, 'reference', identity, EXTERNAL_NAME_WANTED),
    ...optional(raw, 'memo', textOf(MEMO_BYTES_MAX), `text of at most ${MEMO_BYTES_MAX} bytes`),
    ...optional(raw, 'linked', truth, 'true or false'),
  }
}

const CURRENCY_WANTED = 'a currency code: 1 to 8 characters A-Z 0-9'
const TIME_WANTED =
  'a day such as 1993-01-31, or an RFC 3339 time such as 1993-01-31T08:15:00Z, of the years 1900 to 2261 in UTC'

const identity: Field<string> = (value) =>
  typeof value === 'string' && isExternalName(value) ? value : undefined
const currency: Field<string> = (value) =>
  typeof value === 'string' && isCurrencyCode(value) ? value : undefined
const amount: Field<string> = (value) => minorText(value, (text) => parseAmount(text))
const limit: Field<string> = (value) =>
  minorText(value, (text) => {
    const minor = parseMinor(text)
    return minor !== undefined && minor >= 0n ? minor : undefined
  })
const scale: Field<number> = (value) => {
  const number = wholeNumber(value, 99)
  return number !== undefined && isScale(number) ? number : undefined
}
const code: Field<number> = (value) => wholeNumber(value, UINT32_MAX)
const truth: Field<boolean> = (value) =>
  value === true || value === 'true' ? true : value === false || value === 'false' ? false : undefined

/** A day means its first moment in UTC. */
const time: Field<string> = (value) => {
  if (typeof value !== 'string') return undefined
  const text = DAY.test(value) ? `${value}T00:00:00Z` : value
  const ns = parseTime(text)
  // An offset may carry the first or last day across the bounds.
  return ns === undefined || ns < TIME_NS_MIN || ns > TIME_NS_MAX ? undefined : text
}

function textOf(bytesMax: number): Field<string> {
  return (value) =>
    typeof value === 'string' &&
    Buffer.byteLength(value) <= bytesMax &&
    value.isWellFormed() &&
    !value.includes('\0')
      ? value
      : undefined
}

/** JSON numbers are taken as far as they are exact; beyond that only text says what was meant. */
function minorText(value: unknown, parse: (text: string) => bigint | undefined): string | undefined {
  const text = typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : value
  return typeof text === 'string' && parse(text) !== undefined ? text : undefined
}

function wholeNumber(value: unknown, max: number): number | undefined {
  const number = typeof value === 'string' && /^\d{1,10}$/.test(value) ? Number(value) : value
  return typeof number === 'number' && Number.isInteger(number) && number >= 0 && number <= max
    ? number
    : undefined
}

function required<Value>(raw: Raw, field: string, read: Field<Value>, wanted: string): Value {
  const value = isGiven(raw[field]) ? read(raw[field]) : undefined
  if (value === undefined) throw new RowFault(`${field}: expected ${wanted}, got ${show(raw[field])}`)
  return value
}

function optional<Name extends string, Value>(
  raw: Raw,
  field: Name,
  read: Field<Value>,
  wanted: string,
): Partial<Record<Name, Value>> {
  if (!isGiven(raw[field])) return {}
  return { [field]: required(raw, field, read, wanted) } as Partial<Record<Name, Value>>
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null
}

function linkedOf(raw: unknown): boolean | undefined {
  if (typeof raw !== 'object' || raw === null) return undefined
  const value = (raw as Raw)['linked']
  return isGiven(value) ? truth(value) : false
}

function show(value: unknown): string {
  if (!isGiven(value)) return 'nothing'
  if (value === '') return 'an empty text'
  if (typeof value === 'string') return `"${printable(value)}"`
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : 'an object or a list'
}

/** A stranger's text as it may stand in a sentence on a terminal: cut short, what is no plain character escaped. */
export function printable(text: string): string {
  const short = text.length > SHOWN_CHARACTERS_MAX ? `${text.slice(0, SHOWN_CHARACTERS_MAX)}…` : text
  return short.replace(/["\\]|[\p{C}\p{Zl}\p{Zp}]/gu, (character) =>
    character === '"' || character === '\\'
      ? `\\${character}`
      : `\\u{${character.codePointAt(0)!.toString(16)}}`,
  )
}
