import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CommandFailure } from '../failure.ts'
import { openImportFile } from './read-file.ts'
import type { ImportLine } from './rows.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'purser-read-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function linesOf(name: string, content: string | Buffer): Promise<ImportLine[]> {
  const file = path.join(folder, name)
  await writeFile(file, content)
  const { lines } = await openImportFile(file, undefined)
  const all: ImportLine[] = []
  for await (const line of lines) all.push(line)
  return all
}

const row = { type: 'transfer', id: '1', debit: 'a', credit: 'b', amount: '5', currency: 'EUR' }
const ndjson = `${JSON.stringify(row)}\n\n${JSON.stringify({ ...row, id: '2' })}\r\nnonsense\n`
const csv =
  'type,id,debit,credit,amount,currency,memo\ntransfer,1,a,b,5,EUR,"two\nlines"\n\ntransfer,2,a,b,5,EUR\n'

describe('NDJSON', () => {
  test('each line counts, empty ones too, and what is not JSON is named', async () => {
    expect(await linesOf('a.ndjson', ndjson)).toEqual([
      { line: 1, row },
      { line: 3, row: { ...row, id: '2' } },
      { line: 4, fault: 'not JSON', linked: undefined },
    ])
  })

  test('gzip is told by the bytes, whatever the name', async () => {
    expect(await linesOf('b.ndjson', gzipSync(ndjson))).toEqual(await linesOf('c.ndjson.gz', ndjson))
  })

  test('a line beyond the bound is one bad line, and the next one is read', async () => {
    const long = JSON.stringify({ ...row, memo: 'x'.repeat(70_000) })
    expect(await linesOf('d.ndjson', `${long}\n${JSON.stringify(row)}`)).toMatchObject([
      { line: 1, fault: 'longer than 65536 bytes' },
      { line: 2, row },
    ])
  })

  test('an empty file has no lines', async () => {
    expect(await linesOf('e.ndjson', '')).toEqual([])
  })
})

describe('CSV', () => {
  test('values are found by the header; a row with too few is named by its line', async () => {
    expect(await linesOf('a.csv', csv)).toEqual([
      { line: 3, row: { ...row, memo: 'two\nlines' } },
      { line: 5, fault: 'not as many values as the header has columns', linked: undefined },
    ])
  })

  test('a byte order mark and Windows line ends change nothing', async () => {
    const windows = `\uFEFF${csv.replaceAll('\n', '\r\n')}`
    expect((await linesOf('b.csv', windows)).map(({ line }) => line)).toEqual([3, 5])
  })

  test.each(['id,amount\n1,5\n', 'type,id,colour\ntransfer,1,red\n'])(
    '%j has the wrong columns',
    async (content) => {
      await expect(linesOf('c.csv', content)).rejects.toThrow(/header/)
    },
  )
})

test.each([
  ['a file that is cut off', 'cut.ndjson.gz', gzipSync(ndjson.repeat(100)).subarray(0, 60)],
  ['a quote that never ends', 'quote.csv', `type,id\ntransfer,"${'x'.repeat(100_000)}`],
])('%s is unreadable, said in a sentence', async (_what, name, content) => {
  const failure = await linesOf(name, content).catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(CommandFailure)
  expect((failure as CommandFailure).failureCode).toBe('file_unreadable')
})
