import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readStrictJson } from '../../../schemas/strict-json.ts'
import { CommandFailure } from '../../output/failure.ts'
import { findEncodingFault, importLinesOf } from './read-file.ts'
import type { ImportLine } from './rows.ts'
import { findSource } from '../source.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'purser-read-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function linesOf(name: string, content: string | Buffer): Promise<ImportLine[]> {
  const file = path.join(folder, name)
  await writeFile(file, content)
  const all: ImportLine[] = []
  for await (const line of importLinesOf(await findSource(file), file, undefined)) all.push(line)
  return all
}

async function failureOf(name: string, content: string | Buffer): Promise<CommandFailure> {
  const failure = await linesOf(name, content).catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(CommandFailure)
  return failure as CommandFailure
}

const row = { type: 'transfer', id: '1', debit: 'a', credit: 'b', amount: '5', currency: 'EUR' }
const ndjson = `${JSON.stringify(row)}\n\n${JSON.stringify({ ...row, id: '2' })}\r\nnonsense\n`
const header = 'type,id,debit,credit,amount,currency,memo'
const csv = `${header}\ntransfer,1,a,b,5,EUR,"two\nlines"\n\ntransfer,2,a,b,5,EUR\n`

describe('NDJSON', () => {
  test('each line counts, empty ones too, and what is not JSON is named', async () => {
    expect(await linesOf('a.ndjson', ndjson)).toEqual([
      { line: 1, row },
      { line: 3, row: { ...row, id: '2' } },
      { line: 4, fault: 'not JSON', linked: undefined },
    ])
  })

  test('gzip is told by the bytes, whatever the name, and in as many members as it has', async () => {
    const parts = Buffer.concat([
      gzipSync(ndjson.slice(0, 40)),
      gzipSync(ndjson.slice(40)),
      Buffer.alloc(512),
    ])
    for (const packed of [gzipSync(ndjson), parts])
      expect(await linesOf('b.ndjson', packed)).toEqual(await linesOf('c.ndjson.gz', ndjson))
  })

  test('a line as long as may be is read, whichever way it ends', async () => {
    const longest = JSON.stringify(row).padEnd(65_536)
    for (const end of ['\n', '\r\n', ''])
      expect(await linesOf('k.ndjson', longest + end)).toEqual([{ line: 1, row }])
    for (const end of ['\n', '\r\n', ''])
      expect(await linesOf('k.ndjson', `${longest} ${end}`)).toMatchObject([
        { fault: 'longer than 65536 bytes' },
      ])
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

  test.each([
    [JSON.stringify(row).replace('"5"', '"1","amount":"1000"'), /^amount: stands twice/],
    ['{"type":"account","type":"transfer"}', /^type: stands twice/],
    ['{"a\\u0062":1,"ab":2}', /^ab: stands twice/],
    ['{"__proto__":{"type":"account"},"id":"x"}', /^type: expected/],
    [JSON.stringify(row).replace('"5"', '4503599627370497.5'), /^amount: 4503599627370497\.5 is more/],
    [JSON.stringify(row).replace('"5"', '1.00000000000000001'), /^amount: 1\.00000000000000001 is more/],
    [JSON.stringify({ ...row, code: 1 }).replace(':1}', ':1e400}'), /^code: 1e400 is more/],
    [JSON.stringify(row).replace('"a"', '"\\ud800"'), /^debit: expected/],
    [`\uFEFF${JSON.stringify(row)}`, /byte order mark/],
    [JSON.stringify(row).replace('{', '{\r'), 'row'],
    [`${JSON.stringify(row)}\r${JSON.stringify(row)}`, /carriage return/],
    ['\u2028', /not JSON/],
  ])('%j', async (line, expected) => {
    const [, read] = await linesOf('f.ndjson', `\n${JSON.stringify(row)}\n${line}\n`)
    expect(read).toMatchObject(
      expected === 'row' ? { line: 3, row } : { line: 3, fault: expect.stringMatching(expected) as string },
    )
  })

  test('the quick way of reading takes no line that the strict one would not, and reads the same', async () => {
    const texts = [
      '{"type":"account","id":"a","currency":"EUR","system":true}', '{"type":"account","id":"a","id":"b"}',
      '{"type":"account","id":"a","owner":"\\"","currency":"EUR"}', '{"type": "account", "id": "a", "currency": "EUR"}',
      '{"type":"account","id":"a","currency":"EUR","owner":null}', '{"":"","type":"account","id":"a","currency":"EUR"}',
      '{"type":"account","id":{"id":"a","id":"b"}}', '["type","type"]', '"text"', '{"id":[],"id":"a"}',
    ] // prettier-ignore
    const read = await linesOf('g.ndjson', texts.join('\n'))
    texts.forEach((text, index) => {
      const isTaken = !('fault' in readStrictJson(text))
      const fault = 'fault' in read[index]! ? read[index].fault : ''
      expect(fault.includes('stands twice'), text).toBe(!isTaken)
    })
  })
})

describe('CSV', () => {
  test('values are found by the header; a row with too few is named by the line on which it begins', async () => {
    expect(await linesOf('a.csv', csv)).toEqual([
      { line: 2, row: { ...row, memo: 'two\nlines' } },
      { line: 5, fault: 'not as many values as the header has columns', linked: undefined },
    ])
  })

  test('a byte order mark and Windows line ends change nothing', async () => {
    const windows = `\uFEFF${csv.replaceAll('\n', '\r\n')}`
    expect((await linesOf('b.csv', windows)).map(({ line }) => line)).toEqual([2, 5])
  })

  test.each([
    ['id,amount\n1,5\n', /expected "type", "id"/],
    ['type,id,colour\ntransfer,1,red\n', /colour/],
    ['type,id,amount,amount\ntransfer,1,1,1000\n', /"amount" stands twice/],
    ['type,id,amount, amount \ntransfer,1,1,1000\n', /"amount" stands twice/],
    ['type,id,\ntransfer,1,\n', /expected "type", "id"/],
    ['type,id,__proto__\ntransfer,1,x\n', /__proto__/],
    ['type,id,"amount\ntransfer,1,1\n', /quote opens here/],
    ['type,i"d\ntransfer,1\n', /quote/],
    ['type;id;amount\ntransfer;1;5\n', /expected "type", "id"/],
    ['type,id\rtransfer,1\r', /carriage return/],
    ['type,id,\u001b[2J\n', /\\u\{1b\}/],
    ['\uFEFF\uFEFFtype,id\n', /\\u\{feff\}type/],
    ['type,id,\u00a0amount\n', /\u00a0amount/],
  ])('%j has a header that is none, which ends the import, skipped or not', async (content, message) => {
    const failure = await failureOf('c.csv', content)
    expect(failure.failureCode).toBe('bad_line')
    expect(failure.message).toMatch(message)
    expect(failure.message).not.toContain('\u001b')
  })

  test('a stray quote is a fault of its column, and the rows around it are read', async () => {
    const rows = ['transfer,1,a,b,5,EUR,x', 'transfer,2,a,b,5,EUR,27" screen', 'transfer,3,a,b,5,EUR,"a"b', 'transfer,4,a,b,5,EUR,y']
    const read = await linesOf('d.csv', [header, ...rows].join('\n'))
    expect(read).toMatchObject([
      { line: 2, row: { id: '1' } },
      { line: 3, fault: expect.stringMatching(/^memo: a quote inside/) as string },
      { line: 4, fault: expect.stringMatching(/^memo: text behind the end/) as string },
      { line: 5, row: { id: '4' } },
    ])
  }) // prettier-ignore
})

/** Latin-1, both orders of UTF-16, overlong, cut off, a surrogate, above U+10FFFF, a continuation without a beginning. */
const NOT_UTF8 = [
  [0xfc],
  [0xc0, 0xaf],
  [0xe2, 0x82],
  [0xed, 0xa0, 0x80],
  [0xf4, 0x90, 0x80, 0x80],
  [0x80],
  [0xff],
]
const FIELDS = ['type', 'id', 'debit', 'credit', 'amount', 'currency', 'effectiveAt', 'code', 'reference', 'memo', 'linked', 'owner'] // prettier-ignore

describe('text that is not UTF-8', () => {
  test.each(NOT_UTF8.map((bytes) => [Buffer.from(bytes).toString('hex'), Buffer.from(bytes)] as const))(
    '%s makes its line bad in every field of both formats, plain and packed, and no other line',
    async (_name, bytes) => {
      for (const field of FIELDS) {
        const good = JSON.stringify(row)
        const bad = Buffer.concat([Buffer.from(`{"${field}":"M`), bytes, Buffer.from('ller"}')])
        const lines = Buffer.concat([Buffer.from(`${good}\n`), bad, Buffer.from(`\n${good}\n`)])
        const cells = Buffer.concat([
          Buffer.from(`type,id,${field === 'type' || field === 'id' ? 'memo' : field}\naccount,x,\naccount,M`),
          bytes,
          Buffer.from('ller,M\naccount,x,\n'),
        ])
        for (const packed of [false, true])
          for (const [name, content, line] of [['u.ndjson', lines, 2], ['u.csv', cells, 3]] as const) {
            const read = await linesOf(name, packed ? gzipSync(content) : content)
            expect(read).toHaveLength(3)
            expect(read[1]).toMatchObject({ line, fault: expect.stringMatching(/^not UTF-8/) as string })
            expect('fault' in read[0]! && read[0].fault.includes('UTF-8')).toBe(false)
            expect(await findEncodingFault(await findSource(path.join(folder, name)))).toMatchObject({ line })
          }
      }
    },
  ) // prettier-ignore

  test.each([
    ['with a mark', true],
    ['without one', false],
  ])('UTF-16 %s is not taken for anything else', async (_how, hasMark) => {
    for (const isLittle of [true, false])
      for (const [name, content] of [['w.ndjson', ndjson], ['w.csv', csv]] as const) {
        const bytes = Buffer.from(`${hasMark ? '\uFEFF' : ''}${content}`, 'utf16le')
        if (!isLittle) bytes.swap16()
        if (hasMark) {
          for (const packed of [bytes, gzipSync(bytes)])
            expect((await failureOf(name, packed)).message).toContain('UTF-16')
        } else if (name === 'w.csv') expect((await failureOf(name, bytes)).message).toContain('UTF-16')
        else for (const line of await linesOf(name, bytes)) expect(line).toHaveProperty('fault')
      }
  }) // prettier-ignore

  test('a NUL is a fault in both formats', async () => {
    expect(await linesOf('n.ndjson', '{"type":"account","id":"a\0b"}\n')).toMatchObject([
      { fault: expect.stringMatching(/^a NUL behind/) as string },
    ])
    expect(await linesOf('n.csv', 'type,id\naccount,a\0b\n')).toMatchObject([
      { fault: expect.stringMatching(/^a NUL behind/) as string },
    ])
  })

  test('two ways to write é are two names, as they came', async () => {
    const read = await linesOf('o.csv', 'type,id,currency\naccount,\u00e9,EUR\naccount,e\u0301,EUR\n')
    expect(read).toMatchObject([{ row: { id: '\u00e9' } }, { row: { id: 'e\u0301' } }])
  })
})

test.each([
  ['a file that is cut off', 'cut.ndjson.gz', gzipSync(ndjson.repeat(100)).subarray(0, 60), /cut off/],
  ['a file with damage', 'bad.ndjson.gz', Buffer.concat([gzipSync(ndjson).subarray(0, 12), Buffer.alloc(50, 7)]), /damaged/],
  ['text behind gzip', 'tail.ndjson.gz', Buffer.concat([gzipSync(ndjson), Buffer.from(ndjson)]), /damaged/],
  ['text behind padding', 'tails.ndjson.gz', Buffer.concat([gzipSync(ndjson), Buffer.alloc(9), Buffer.from(ndjson)]), /behind the end/],
  ['a spreadsheet', 'sheet.csv', Buffer.from('504b030414000600', 'hex'), /spreadsheet/],
  ['another packer', 'a.ndjson.zst', Buffer.from('28b52ffd00', 'hex'), /zstd/],
])('%s is unreadable, said in a sentence', async (_what, name, content, message) => {
  const failure = await failureOf(name, content)
  expect(failure.failureCode).toBe('file_unreadable')
  expect(failure.message).toMatch(message)
}) // prettier-ignore

test('a folder, and what is not there, are no files: said before anything is read', async () => {
  await expect(findSource(folder)).rejects.toThrow('it is a folder')
  await expect(findSource(path.join(folder, 'nothing'))).rejects.toThrow('no such file')
})
