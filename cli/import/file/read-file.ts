/** An import file → its lines, in bounded memory: NDJSON or CSV, plain or gzip. Both formats mean the same by a line. */
import { readStrictJson, type JsonFault } from '../../../schemas/strict-json.ts'
import { CommandFailure } from '../../output/failure.ts'
import { byteLines, TOO_LONG } from './byte-lines.ts'
import { csvRecords } from './csv.ts'
import { COLUMNS, printable, readRow, type ImportLine } from './rows.ts'
import { findSource, type Bytes, type Source } from '../source.ts'
import { firstNotUtf8, textFault } from './utf8.ts'

export type ImportFormat = 'ndjson' | 'csv'

/** A line that is wrong by its text, before anybody asks what it means. */
export interface TextFault {
  readonly line: number
  readonly fault: string
}

/**
 * The lines of a file. Reading begins when they are asked for.
 * @param format told by the name (`.csv`, `.csv.gz`; anything else is NDJSON) if not given
 * @throws CommandFailure from the iteration: `file_unreadable`; `bad_line` for a CSV header that is none
 */
export function importLinesOf(source: Source, path: string, format: ImportFormat | undefined): AsyncGenerator<ImportLine> {
  const chosen = format ?? (/\.csv(\.gz)?$/i.test(path) ? 'csv' : 'ndjson')
  return chosen === 'csv' ? csvLines(source.read()) : ndjsonLines(source.read())
} // prettier-ignore

/**
 * Reads a whole file and finds the first line that is not UTF-8: such a file was written in another encoding, and is
 * better not loaded even in part. What can be read only once is not looked at.
 */
export async function findEncodingFault(source: Source): Promise<TextFault | undefined> {
  if (!source.isFile) return undefined
  let line = 0
  for await (const bytes of byteLines(source.read())) {
    line++
    if (bytes !== undefined && firstNotUtf8(bytes) >= 0) return { line, fault: textFault(bytes)! }
  }
  return undefined
}

/** One record of a CSV file with a header: its values by column, or what is wrong with it. */
export type CsvRow =
  /** `line`: on which the record begins; records with line breaks inside span several. */
  | { readonly line: number; readonly values: Readonly<Record<string, string>> }
  | { readonly line: number; readonly fault: string }

/**
 * Reads CSV (RFC 4180, UTF-8) with a header line, plain or gzip.
 * @param checkHeader throws if these are not the columns that are wanted; that none stands twice is seen to
 * @throws CommandFailure from the iteration: `file_unreadable`; `bad_line` for a header with a fault
 */
export async function* readCsvFile(
  path: string,
  checkHeader: (columns: readonly string[]) => void,
): AsyncGenerator<CsvRow> {
  yield* csvRows((await findSource(path)).read(), checkHeader)
}

async function* ndjsonLines(input: Bytes): AsyncGenerator<ImportLine> {
  let line = 0
  for await (const bytes of byteLines(input)) {
    line++
    if (bytes === undefined) yield { line, fault: TOO_LONG, linked: undefined }
    else if (!isBlank(bytes)) yield parseLine(bytes, line)
  }
}

/** Of spaces and tabs alone. A byte order mark is not blank: in the middle of a file it is a fault. */
function isBlank(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09)
}

function parseLine(bytes: Buffer, line: number): ImportLine {
  const fault = textFault(bytes)
  if (fault !== undefined) return { line, fault, linked: undefined }
  const text = bytes.toString('utf8')
  const plain = readPlainJson(text)
  if (plain !== undefined) return readRow(plain, line)
  const reading = readStrictJson(text)
  if ('fault' in reading) return { line, fault: jsonFault(reading.fault, text), linked: undefined }
  return readRow(reading.value, line)
}

/**
 * What the strict reader would read, in a fraction of its time: an object of texts and truth values whose quotes are as many
 * as its parsed keys and values have, so that no key can stand twice. Undefined for anything else.
 */
function readPlainJson(text: string): unknown {
  if (text.includes('\\')) return undefined
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  let texts = 0
  for (const field of Object.values(value) as unknown[])
    if (typeof field === 'string') texts++
    else if (typeof field !== 'boolean' && field !== null) return undefined
  let quotes = 0
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) quotes++
  return quotes === 2 * (texts + Object.keys(value).length) ? value : undefined
}

function jsonFault({ kind, path, shown }: JsonFault, text: string): string {
  switch (kind) {
    case 'duplicate':
      return `${printable(path)}: stands twice`
    case 'inexact':
      return `${path === '' ? 'the line' : printable(path)}: ${shown} is more than a JSON number can keep exactly; write it as text, "${shown}"`
    case 'deep':
      return 'nested too deep'
    case 'syntax':
      if (text.startsWith('\uFEFF')) return 'not JSON: a byte order mark may stand only at the beginning of a file'
      if (text.includes('\r')) return 'not JSON: a carriage return without a line feed ends no line'
      return 'not JSON'
  }
} // prettier-ignore

async function* csvLines(input: Bytes): AsyncGenerator<ImportLine> {
  for await (const row of csvRows(input, checkImportHeader)) {
    if ('fault' in row) yield { ...row, linked: undefined }
    else yield readRow(given(row.values), row.line)
  }
}

function checkImportHeader(columns: readonly string[]): void {
  const unknown = columns.filter((column) => !COLUMNS.has(column))
  if (unknown.length > 0 || !columns.includes('type') || !columns.includes('id'))
    throw badHeader(
      1,
      `expected "type", "id" and other columns of the import format, got ${printable(columns.join(','))}`,
    )
}

/** In CSV an empty value is the only way to leave one out. */
function given(values: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== ''))
}

/** Spaces and tabs alone: a byte order mark or a space that does not break a line belongs to a name that is none. */
const AROUND = /^[ \t]+|[ \t]+$/g

async function* csvRows(
  input: Bytes,
  checkHeader: (columns: readonly string[]) => void,
): AsyncGenerator<CsvRow> {
  let columns: readonly string[] | undefined
  for await (const record of csvRecords(input)) {
    const { line } = record
    if (columns === undefined) {
      if ('fault' in record) throw badHeader(line, record.fault)
      columns = record.values.map((column) => column.replace(AROUND, ''))
      const twice = columns.find((column, index) => columns!.indexOf(column) !== index)
      if (twice !== undefined) throw badHeader(line, `"${printable(twice)}" stands twice`)
      checkHeader(columns)
    } else if ('fault' in record) {
      const column = record.value === undefined ? undefined : columns[record.value]
      yield { line, fault: column === undefined ? record.fault : `${printable(column)}: ${record.fault}` }
    } else if (record.values.length !== columns.length)
      yield { line, fault: 'not as many values as the header has columns' }
    else yield { line, values: Object.fromEntries(columns.map((name, index) => [name, record.values[index]!])) }
  }
} // prettier-ignore

/** Without its header nothing of the file can be read: this ends an import that skips bad lines, too. */
function badHeader(line: number, fault: string): CommandFailure {
  return new CommandFailure(
    'bad_line',
    `Line ${line}, the header: ${fault}. Correct it; docs/import-format.md lists the columns.`,
    { badLines: [{ line, fault: `header: ${fault}` }] },
  )
}
