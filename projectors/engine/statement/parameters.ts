import { queryError } from '../errors.ts'
import { isSymbol, keyword, tokens, type Token } from './lexer.ts'

/**
 * Query parameters, `{name:Type}`, written into the text. The engine's own binding serialises all queries of
 * a process, so values are put into the text here, by one strict rule: a value, and its type, only ever
 * stand inside a string literal in which nothing can end the literal (an Identifier inside backquotes
 * likewise), and only where the query has a placeholder outside quotes and comments.
 */

/** Writes a string literal: the inverse of how the engine reads one, so that no character of it can end it. */
export function stringLiteral(value: string): string {
  return `'${escapeQuoted(value, "'")}'`
}

/** Writes a quoted identifier. */
export function quotedIdentifier(value: string): string {
  return `\`${escapeQuoted(value, '`')}\``
}

/**
 * Puts the given values where the text has `{name:Type}`. Placeholders without a value are left to the engine, which names them.
 * @param values name → value in ClickHouse's escaped text form, as the client sends `param_name`
 * @throws QueryError (BAD_QUERY_PARAMETER) for a value that its type cannot be
 */
export function substituteParameters(text: string, values: ReadonlyMap<string, string>): string {
  if (values.size === 0) return text
  const list = [...tokens(text)]
  const parts: string[] = []
  let written = 0
  for (let index = 0; index < list.length; index++) {
    const placeholder = placeholderAt(text, list, index)
    const value = placeholder && values.get(placeholder.name)
    if (placeholder === undefined || value === undefined) continue
    parts.push(text.slice(written, list[index]!.start), literal(placeholder.name, placeholder.type, value))
    index = placeholder.last
    written = list[index]!.end
  }
  parts.push(text.slice(written))
  return parts.join('')
}

interface Placeholder {
  readonly name: string
  readonly type: string
  /** Index of the closing brace's token. */
  readonly last: number
}

function placeholderAt(text: string, list: readonly Token[], index: number): Placeholder | undefined {
  const [open, name, colon] = list.slice(index, index + 3)
  if (!isSymbol(text, open, '{') || keyword(text, name) === undefined || !isSymbol(text, colon, ':'))
    return undefined
  for (let last = index + 3; last < list.length; last++) {
    if (isSymbol(text, list[last], '{')) return undefined
    if (!isSymbol(text, list[last], '}')) continue
    const type = text.slice(colon!.end, list[last]!.start).trim()
    return type === '' ? undefined : { name: text.slice(name!.start, name!.end), type, last }
  }
  return undefined
}

const INTEGER_TYPE = /^(U?)Int(8|16|32|64|128|256)$/
const INTEGER = /^[+-]?\d{1,80}$/

function literal(name: string, type: string, escaped: string): string {
  if (type === 'Identifier') return quotedIdentifier(unescapeText(name, escaped))
  if (escaped === '\\N') {
    if (!/^(LowCardinality\()?Nullable\(/.test(type)) throw unfit(name, type, 'NULL')
    return `CAST(NULL, ${stringLiteral(type)})`
  }
  // What is composed of others comes as it stands, its strings quoted; only a single value is escaped as a whole.
  const value = /^(Array|Tuple|Map)\(/.test(type) ? escaped : unescapeText(name, escaped)
  // The engine itself takes 300 for a UInt8 and makes 44 of it; so it is looked at here.
  const integer = INTEGER_TYPE.exec(type.replace(/^Nullable\((.*)\)$/, '$1'))
  if (integer) assertInteger(name, integer[0], value)
  const array = /^Array\((U?Int\d+)\)$/.exec(type)
  if (array && INTEGER_TYPE.test(array[1]!)) {
    const inner = /^\s*\[([\s\S]*)\]\s*$/.exec(value)?.[1]
    if (inner === undefined) throw unfit(name, type, value)
    if (inner.trim() !== '') for (const item of inner.split(',')) assertInteger(name, array[1]!, item.trim())
  }
  return type === 'String' ? stringLiteral(value) : `CAST(${stringLiteral(value)}, ${stringLiteral(type)})`
}

function assertInteger(name: string, type: string, value: string): void {
  const [, unsigned, bits] = INTEGER_TYPE.exec(type)!
  if (!INTEGER.test(value)) throw unfit(name, type, value)
  const number = BigInt(value.replace(/^\+/, ''))
  const fits = unsigned ? BigInt.asUintN(Number(bits), number) : BigInt.asIntN(Number(bits), number)
  if (fits !== number) throw unfit(name, type, value)
}

function unfit(name: string, type: string, value: string): Error {
  const shown = value.length > 60 ? `${value.slice(0, 60)}…` : value
  return queryError(
    'BAD_QUERY_PARAMETER',
    `Value ${stringLiteral(shown)} cannot be parsed as ${type} for query parameter '${name}'`,
  )
}

const UNESCAPED: Readonly<Record<string, string>> = {
  t: '\t',
  n: '\n',
  r: '\r',
  b: '\b',
  f: '\f',
  a: '\x07',
  v: '\v',
  0: '\0',
}

/** Reads ClickHouse's escaped text form (that of TabSeparated), in which the client writes parameters. */
function unescapeText(name: string, escaped: string): string {
  if (escaped.endsWith('\\') && /(^|[^\\])(\\\\)*\\$/.test(escaped))
    throw unfit(name, 'escaped text', escaped)
  return escaped.replace(/\\([\s\S])/g, (_match, char: string) => UNESCAPED[char] ?? char)
}

const ESCAPED: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\0': '\\0',
}

function escapeQuoted(value: string, quote: "'" | '`'): string {
  return value.replace(/[\\'`\n\r\t\0]/g, (char) => ESCAPED[char] ?? (char === quote ? `\\${char}` : char))
}
