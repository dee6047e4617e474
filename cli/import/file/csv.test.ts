import fc from 'fast-check'
import { parse } from 'csv-parse/sync'
import { describe, expect, test } from 'vitest'
import { LINE_BYTES_MAX } from './byte-lines.ts'
import { csvRecords, type CsvRecord } from './csv.ts'

async function recordsOf(content: string | Buffer, pieces: readonly number[] = []): Promise<CsvRecord[]> {
  async function* give(): AsyncGenerator<Buffer> {
    let rest = Buffer.from(content)
    for (const size of pieces) {
      yield rest.subarray(0, size)
      rest = rest.subarray(size)
    }
    yield rest
  }
  const all: CsvRecord[] = []
  for await (const record of csvRecords(give())) all.push(record)
  return all
}

const linesOf = (records: readonly CsvRecord[]): [number, string][] =>
  records.map((record) => [record.line, 'fault' in record ? record.fault : record.values.join('|')])

test('what is well written is read as the library reads it, however it comes in pieces', async () => {
  const value = fc.string({ unit: fc.constantFrom('a', 'é', '€', '"', ',', '\n', '\r\n', ' ', '\u2028', '\uFEFF') })
  const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(value, { minLength: 2, maxLength: 4 }), { maxLength: 5 }),
      fc.constantFrom('\n', '\r\n'),
      fc.array(fc.nat(7), { maxLength: 30 }),
      async (rows, end, pieces) => {
        const text = rows.map((row) => row.map(quoted).join(',') + end).join('')
        const expected: string[][] = parse(text, { relax_column_count: true, record_delimiter: [end] })
        expect(expected).toEqual(rows)
        const read = await recordsOf(text, pieces)
        expect(read.map((record) => ('values' in record ? record.values : record.fault))).toEqual(rows)
      },
    ),
  )
}) // prettier-ignore

test('whatever the bytes, each line is in one record or in a fault, and nothing is thrown', async () => {
  const text = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r', '\r\n', '""', '\0') })
  await fc.assert(
    fc.asyncProperty(text, fc.array(fc.nat(4), { maxLength: 20 }), async (content, pieces) => {
      const records = await recordsOf(content, pieces)
      expect(records).toEqual(await recordsOf(content))
      const lines = records.map(({ line }) => line)
      expect(lines).toEqual([...new Set(lines)].sort((left, right) => left - right))
      const last = content.split('\n').length
      expect(lines.every((line) => line >= 1 && line <= last)).toBe(true)
    }),
  )
})

describe('a quote out of place', () => {
  test.each([
    ['a,27" screen\nb,c\n', 1],
    ['a,"a"b\nb,c\n', 1],
    ['a,"a" \nb,c\n', 1],
    ['a,"a""\nb,c\n', 0],
  ])('%j: the line is named, and what stands behind is read', async (content, place) => {
    const records = await recordsOf(content)
    expect(records[0]).toMatchObject({
      line: 1,
      fault: expect.stringMatching(/quote/) as string,
      ...(place === 1 ? { value: 1 } : {}),
    })
    if (place === 1) expect(records.slice(1)).toEqual([{ line: 2, values: ['b', 'c'] }])
  })

  test('a quote that never closes says where it opened; no line behind it is taken for a row', async () => {
    expect(linesOf(await recordsOf('a,b\nc,"d\ne,f\ng,h\n'))).toEqual([
      [1, 'a|b'],
      [2, 'a quote opens here and is not closed by the end of the file'],
      [3, 'part of what begins on line 2, whose quotes do not fit'],
      [4, 'part of what begins on line 2, whose quotes do not fit'],
    ])
    expect(linesOf(await recordsOf('"a\nb","c'))[0]).toEqual([
      1,
      'a quote opens on line 2 and is not closed by the end of the file',
    ])
  })

  test('one that closes by accident far below makes every line between bad', async () => {
    const read = linesOf(await recordsOf('a,"b\nc,d\ne,"f"\ng,h\n'))
    expect(read.map(([line]) => line)).toEqual([1, 2, 3, 4])
    expect(read[0]![1]).toContain('opens on line 1')
    expect(read[3]).toEqual([4, 'g|h'])
  })
})

describe('a record beyond the bound', () => {
  test('a value of 70,000 bytes is one bad line, and the next one is read; the bound itself fits', async () => {
    const fits = 'x'.repeat(LINE_BYTES_MAX)
    for (const end of ['\n', '\r\n', ''])
      expect(linesOf(await recordsOf(`${fits}${end}`))).toEqual([[1, fits]])
    expect(linesOf(await recordsOf(`a,${'x'.repeat(70_000)}\nb,c\n`))).toEqual([
      [1, `longer than ${LINE_BYTES_MAX} bytes`],
      [2, 'b|c'],
    ])
  })

  test('rows inside of its quotes are text, not rows', async () => {
    const text = `"${'x'.repeat(70_000)}\ntransfer,evil\n"\nb,c\n`
    expect(linesOf(await recordsOf(text))).toEqual([
      [1, `longer than ${LINE_BYTES_MAX} bytes`],
      [4, 'b|c'],
    ])
  })

  test('100 MB behind a quote that never closes take no more memory than the bound', async () => {
    async function* endless(): AsyncGenerator<Buffer> {
      yield Buffer.from('a,"')
      const part = Buffer.alloc(1024 * 1024, 'x')
      for (let megabyte = 0; megabyte < 100; megabyte++) yield part
    }
    const before = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed
    const all: CsvRecord[] = []
    for await (const record of csvRecords(endless())) all.push(record)
    const grown = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed - before
    expect(all).toMatchObject([{ line: 1, fault: expect.stringContaining('opens here') as string }])
    expect(grown).toBeLessThan(50 * 1024 * 1024)
  })
})

test('empty lines are none; a value of quotes alone is one', async () => {
  expect(linesOf(await recordsOf('a,b\n\n \t\n\r\n""\nc,d'))).toEqual([
    [1, 'a|b'],
    [5, ''],
    [6, 'c|d'],
  ])
})

test('a carriage return ends no line alone', async () => {
  expect(linesOf(await recordsOf('a,b\rc,d\n"e\rf",g\r\n'))).toEqual([
    [1, 'a carriage return without a line feed: lines end with LF or CRLF'],
    [2, 'e\rf|g'],
  ])
})

test('a character is never made of two values', async () => {
  const bytes = Buffer.concat([Buffer.from([0xc3]), Buffer.from(','), Buffer.from([0xbc, 0x0a])])
  expect(linesOf(await recordsOf(bytes))[0]![1]).toContain('not UTF-8')
})
