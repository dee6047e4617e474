/** An import file → its lines, in bounded memory: NDJSON or CSV, plain or gzip, told by its first bytes and its name. */
import { createReadStream } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import type { Transform } from 'node:stream'
import { pipeline, type Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { parse } from 'csv-parse'
import { CommandFailure } from '../failure.ts'
import { COLUMNS, readRow, type ImportLine } from './rows.ts'

export type ImportFormat = 'ndjson' | 'csv'

/** UTF-8 bytes of one line, whatever its format. */
const LINE_BYTES_MAX = 64 * 1024

export interface ImportFile {
  readonly format: ImportFormat
  /** Bytes on disk; progress counts these. */
  readonly bytes: number
  readonly lines: AsyncIterable<ImportLine>
  bytesRead(): number
}

/**
 * Opens a file to import. Nothing is read before its lines are asked for.
 * @param format told by the name (`.csv`, `.csv.gz`; anything else is NDJSON) if not given
 * @throws CommandFailure if it is no readable file
 */
export async function openImportFile(file: string, format: ImportFormat | undefined): Promise<ImportFile> {
  const { size } = await stat(file)
  let bytesRead = 0
  const raw = createReadStream(file)
  raw.on('data', (chunk) => (bytesRead += chunk.length))
  raw.pause()
  const input = (await isGzip(file)) ? through(raw, createGunzip()) : raw
  const chosen = format ?? (/\.csv(\.gz)?$/i.test(file) ? 'csv' : 'ndjson')
  return {
    format: chosen,
    bytes: size,
    lines: readable(file, chosen === 'csv' ? csvLines(input) : ndjsonLines(input)),
    bytesRead: () => bytesRead,
  }
}

/** One record of a CSV file with a header: its values by column, or undefined where there are too few or too many. */
export interface CsvRecord {
  /** Number of the line on which the record ends; records with line breaks inside span several. */
  readonly line: number
  readonly values: Readonly<Record<string, string>> | undefined
}

/**
 * Reads CSV (RFC 4180, UTF-8) with a header line, plain or gzip.
 * @param checkHeader throws if these are not the columns that are wanted
 */
export async function* readCsvFile(
  file: string,
  checkHeader: (columns: readonly string[]) => void,
): AsyncGenerator<CsvRecord> {
  const raw = createReadStream(file)
  const input = (await isGzip(file)) ? through(raw, createGunzip()) : raw
  yield* readable(file, csvRecords(input, checkHeader))
}

async function isGzip(file: string): Promise<boolean> {
  const handle = await open(file, 'r')
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, 0)
    return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b
  } finally {
    await handle.close()
  }
}

/** Pipes, with errors of either end reaching the reader. */
function through<Next extends Transform>(from: Readable, to: Next): Next {
  // The callback is needed for pipeline's form; the reader sees the error on the stream itself.
  pipeline(from, to, () => undefined)
  return to
}

/** Errors of the file's encoding, said as sentences. */
async function* readable<Line>(file: string, lines: AsyncIterable<Line>): AsyncGenerator<Line> {
  try {
    yield* lines
  } catch (error) {
    const code = error instanceof Error ? (error as { code?: unknown }).code : undefined
    if (typeof code !== 'string' || !/^(Z_|CSV_|ERR_PARSE)/.test(code)) throw error
    throw new CommandFailure('file_unreadable', `${file} cannot be read: ${(error as Error).message}. Check that it is whole.`)
  }
} // prettier-ignore

async function* ndjsonLines(input: Readable): AsyncGenerator<ImportLine> {
  let line = 0
  for await (const text of textLines(input)) {
    line++
    if (text === undefined) yield { line, fault: `longer than ${LINE_BYTES_MAX} bytes`, linked: undefined }
    else if (text.trim() !== '') yield parseLine(text, line)
  }
}

function parseLine(text: string, line: number): ImportLine {
  let raw: unknown
  try {
    raw = JSON.parse(text)
  } catch {
    return { line, fault: 'not JSON', linked: undefined }
  }
  return readRow(raw, line)
}

/** Lines without their ends; undefined for one that is too long, whose bytes are dropped as they come. */
async function* textLines(input: Readable): AsyncGenerator<string | undefined> {
  const decoder = new TextDecoder('utf-8', { fatal: false })
  let parts: Buffer[] = []
  let bytes = 0
  let first = true
  const finish = (): string | undefined => {
    const text = bytes > LINE_BYTES_MAX ? undefined : decoder.decode(parts.length === 1 ? parts[0] : Buffer.concat(parts))
    parts = []
    bytes = 0
    // Files written on Windows begin with a byte order mark, which the decoder drops only at the start of a text.
    const line = first ? text?.replace(/^\uFEFF/, '') : text
    first = false
    return line
  } // prettier-ignore
  for await (const chunk of input as AsyncIterable<Buffer>) {
    let from = 0
    for (;;) {
      const end = chunk.indexOf(0x0a, from)
      const part = chunk.subarray(from, end === -1 ? chunk.length : end)
      bytes += part.length
      if (bytes > LINE_BYTES_MAX) parts = []
      else if (part.length > 0) parts.push(part)
      if (end === -1) break
      yield finish()
      from = end + 1
    }
  }
  if (bytes > 0) yield finish()
}

async function* csvLines(input: Readable): AsyncGenerator<ImportLine> {
  const records = csvRecords(input, (columns) => {
    const unknown = columns.filter((column) => !COLUMNS.has(column))
    if (unknown.length > 0 || !columns.includes('type') || !columns.includes('id'))
      throw new CommandFailure(
        'bad_line',
        `Line 1: expected a header with "type", "id" and other columns of the import format, got ${columns.join(',').slice(0, 200)}. See docs/import-format.md.`,
        { badLines: [{ line: 1, fault: 'header' }] },
      )
  })
  for await (const { line, values } of records) {
    if (values === undefined) yield { line, fault: 'not as many values as the header has columns', linked: undefined }
    else yield readRow(values, line)
  }
} // prettier-ignore

async function* csvRecords(
  input: Readable,
  checkHeader: (columns: readonly string[]) => void,
): AsyncGenerator<CsvRecord> {
  const parser = through(
    input,
    parse({ bom: true, info: true, relax_column_count: true, skip_empty_lines: true, max_record_size: LINE_BYTES_MAX }),
  )
  let columns: readonly string[] | undefined
  let recordsEnd = 0
  let extra = 0
  for await (const { record, info } of parser as AsyncIterable<{ record: string[]; info: { lines: number } }>) {
    if (columns === undefined) {
      columns = record.map((column) => column.trim())
      checkHeader(columns)
      continue
    }
    const names = columns
    const values =
      record.length === names.length
        ? Object.fromEntries(names.map((column, index) => [column, record[index]!]))
        : undefined
    // Within quotes the parser counts a Windows line end twice.
    if (info.lines !== recordsEnd + 1) extra += record.join('').split('\r\n').length - 1
    recordsEnd = info.lines
    yield { line: info.lines - extra, values }
  }
} // prettier-ignore
