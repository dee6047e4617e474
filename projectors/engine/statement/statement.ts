import { queryError } from '../errors.ts'
import { isSymbol, keyword, tokens, type Token } from './lexer.ts'

/**
 * What a query is, seen from outside: enough to choose a connection, to put settings where they end with the
 * query, and to give an INSERT its data from a file. The grammar itself stays the engine's business.
 */
export type Statement =
  /** Changes nothing and has a result. `text` ends before `FORMAT`; `settings` are those that stood after it. */
  | {
      readonly kind: 'read'
      readonly text: string
      readonly format: string | undefined
      readonly settings: string | undefined
    }
  /** `INSERT INTO t (columns)` whose rows are data in a format. */
  | {
      readonly kind: 'insert-data'
      readonly head: string
      readonly format: string
      readonly settings: string | undefined
    }
  /** `INSERT INTO t (columns) SELECT …`; `inputs` are the places in `select` where data comes in, if it takes any. */
  | {
      readonly kind: 'insert-select'
      readonly head: string
      readonly settings: string | undefined
      readonly select: string
      readonly format: string | undefined
      readonly inputs: readonly Input[]
    }
  /** Everything else: DDL, OPTIMIZE, SYSTEM, KILL and so on. */
  | { readonly kind: 'command'; readonly text: string; readonly word: string }

/** One `input('structure')` in the text of a SELECT. */
export interface Input {
  readonly start: number
  readonly end: number
  /** The argument as it is written, a string literal. */
  readonly structure: string
}

const READS = new Set([
  'SELECT',
  'WITH',
  'FROM',
  'VALUES',
  'SHOW',
  'DESCRIBE',
  'DESC',
  'EXISTS',
  'EXPLAIN',
  'CHECK',
])

/**
 * Cuts a text into the query and the data of an INSERT that follows it in the same text.
 * Nothing of the data is read as SQL, so it can hold quotes, semicolons and blank lines.
 */
export function splitInlineData(text: string): { readonly code: string; readonly data: string } {
  let depth = 0
  let previous: Token | undefined
  let sawInput = false
  let inSelect = false
  for (const token of tokens(text)) {
    const word = keyword(text, token)
    if (previous === undefined && word !== 'INSERT') break
    if (isSymbol(text, token, '(')) {
      depth++
      sawInput ||= keyword(text, previous) === 'INPUT'
    }
    if (isSymbol(text, token, ')')) depth--
    if (depth === 0 && !inSelect && word === 'VALUES') return cut(text, token.end)
    // In a SELECT without input() there is no data, and "format" may be a column.
    const mayHaveData = !inSelect || sawInput
    if (depth === 0 && mayHaveData && word !== undefined && keyword(text, previous) === 'FORMAT') {
      return cut(text, token.end)
    }
    if (word === 'SELECT' || word === 'WITH') inSelect = true
    previous = token
  }
  return { code: text, data: '' }
}

function cut(text: string, codeEnd: number): { readonly code: string; readonly data: string } {
  const data = text.slice(codeEnd).replace(/^[ \t]*\r?\n?/, '')
  return { code: text.slice(0, codeEnd), data: /^[\s;]*$/.test(data) ? '' : data }
}

/**
 * Says what a query is. Parameters are in the text already, data is not.
 * @throws QueryError for an empty text, several statements in one text, or files named by the caller
 */
export function parseStatement(code: string): Statement {
  const list = withoutEnd(code, [...tokens(code)])
  const first = list[0]
  if (first === undefined) throw queryError('SYNTAX_ERROR', 'Syntax error: empty query.')
  refuseFiles(code, list)
  const text = code.slice(0, list.at(-1)!.end)
  const word = keyword(code, first)
  if (word === 'INSERT') return parseInsert(text, list) ?? { kind: 'command', text, word }
  const reads = word === undefined ? isSymbol(code, first, '(') : READS.has(word)
  return reads ? parseRead(text, list) : { kind: 'command', text, word: word ?? '' }
}

/** One text, one statement: a semicolon may end it and nothing may follow. */
function withoutEnd(text: string, list: readonly Token[]): readonly Token[] {
  const end = list.findIndex((token) => isSymbol(text, token, ';'))
  if (end < 0) return list
  const rest = list.slice(end).find((token) => !isSymbol(text, token, ';'))
  if (rest) {
    throw queryError(
      'SYNTAX_ERROR',
      `Syntax error (Multi-statements are not allowed): failed at position ${rest.start + 1} (end of query).`,
    )
  }
  return list.slice(0, end)
}

/** The client-side clauses that read and write files do not exist over HTTP, and must not exist here. */
function refuseFiles(text: string, list: readonly Token[]): void {
  for (let index = 1; index < list.length; index++) {
    const word = keyword(text, list[index])
    if (word !== 'OUTFILE' && word !== 'INFILE') continue
    const before = keyword(text, list[index - 1])
    if ((word === 'OUTFILE' && before === 'INTO') || (word === 'INFILE' && before === 'FROM')) {
      throw queryError('NOT_IMPLEMENTED', `${before} ${word} is not allowed over HTTP.`)
    }
  }
}

function parseRead(text: string, list: readonly Token[]): Statement {
  let depth = 0
  for (let index = 0; index < list.length - 1; index++) {
    if (isSymbol(text, list[index], '(')) depth++
    if (isSymbol(text, list[index], ')')) depth--
    if (depth !== 0 || index === 0 || keyword(text, list[index]) !== 'FORMAT') continue
    const format = keyword(text, list[index + 1])
    const after = list[index + 2]
    if (format === undefined || (after !== undefined && keyword(text, after) !== 'SETTINGS')) continue
    const name = list[index + 1]!
    return {
      kind: 'read',
      text: text.slice(0, list[index]!.start).trimEnd(),
      format: text.slice(name.start, name.end),
      settings: after && text.slice(after.end).trim(),
    }
  }
  return { kind: 'read', text, format: undefined, settings: undefined }
}

/** `INSERT [INTO] [TABLE] target [(columns)] [SETTINGS …] (FORMAT f | VALUES | SELECT …)`; nothing if it is none of these. */
function parseInsert(text: string, list: readonly Token[]): Statement | undefined {
  const at = (index: number) => keyword(text, list[index])
  let index = 1
  if (at(index) === 'INTO') index++
  if (at(index) === 'TABLE') index++
  const isFunction = at(index) === 'FUNCTION'
  if (isFunction) index++
  index++
  while (isSymbol(text, list[index], '.')) index += 2
  if (isFunction) index = afterGroup(text, list, index)
  if (isSymbol(text, list[index], '(') && at(index + 1) !== 'SELECT' && at(index + 1) !== 'WITH') {
    index = afterGroup(text, list, index)
  }
  const head = text.slice(0, list[index]?.start).trimEnd()
  const settingsFrom = at(index) === 'SETTINGS' ? list[index]!.end : undefined
  if (settingsFrom !== undefined) {
    const starts = ['FORMAT', 'VALUES', 'SELECT', 'WITH']
    while (index < list.length && !starts.includes(at(index) ?? '')) index++
  }
  const body = list[index]
  if (body === undefined) return undefined
  const settings = settingsFrom === undefined ? undefined : text.slice(settingsFrom, body.start).trim()
  if (at(index) === 'VALUES') return { kind: 'insert-data', head, format: 'Values', settings }
  if (at(index) === 'FORMAT') {
    const name = list[index + 1]
    if (name === undefined) return undefined
    return { kind: 'insert-data', head, format: text.slice(name.start, name.end), settings }
  }
  if (at(index) !== 'SELECT' && at(index) !== 'WITH' && !isSymbol(text, body, '(')) return undefined
  return { kind: 'insert-select', head, settings, ...parseInsertSelect(text, list.slice(index)) }
}

function parseInsertSelect(text: string, list: readonly Token[]) {
  const from = list[0]!.start
  const inputs: Input[] = []
  for (let index = 0; index + 3 < list.length; index++) {
    const [name, open, structure, close] = list.slice(index, index + 4)
    if (keyword(text, name) !== 'INPUT' || !isSymbol(text, open, '(')) continue
    if (structure!.kind !== 'string' || !isSymbol(text, close, ')')) continue
    inputs.push({
      start: name!.start - from,
      end: close!.end - from,
      structure: text.slice(structure!.start, structure!.end),
    })
  }
  const beforeLast = list.at(-2)
  const hasFormat = inputs.length > 0 && keyword(text, beforeLast) === 'FORMAT'
  const last = list.at(-1)!
  return {
    inputs,
    select: text.slice(from, hasFormat ? beforeLast!.start : last.end).trimEnd(),
    format: hasFormat ? text.slice(last.start, last.end) : undefined,
  }
}

function afterGroup(text: string, list: readonly Token[], open: number): number {
  let depth = 0
  for (let index = open; index < list.length; index++) {
    if (isSymbol(text, list[index], '(')) depth++
    if (isSymbol(text, list[index], ')') && --depth === 0) return index + 1
  }
  return list.length
}
