import { expect, test } from 'vitest'
import { LINKED_TRANSFERS_MAX } from '../../schemas/limits.ts'
import { CHUNK_LINES, intoChunks, type Chunk } from './chunks.ts'
import type { ImportLine } from './file/rows.ts'

const transfer = (line: number, linked = false): ImportLine => ({
  line,
  row: { type: 'transfer', id: String(line), debit: 'a', credit: 'b', amount: '1', currency: 'EUR', linked },
})
const bad = (line: number, linked?: boolean): ImportLine => ({ line, fault: 'wrong', linked })
const account = (line: number): ImportLine => ({
  line,
  row: { type: 'account', id: String(line), currency: 'EUR' },
})

async function chunksOf(lines: readonly ImportLine[]): Promise<Chunk[]> {
  async function* give(): AsyncGenerator<ImportLine> {
    yield* lines
  }
  const chunks: Chunk[] = []
  for await (const chunk of intoChunks(give())) chunks.push(chunk)
  return chunks
}

/** Line numbers, with bad ones negative. */
async function verdicts(lines: readonly ImportLine[]): Promise<number[]> {
  return (await chunksOf(lines)).flatMap((chunk) =>
    chunk.map((line) => ('fault' in line ? -line.line : line.line)),
  )
}

const numbers = (count: number, from = 1): number[] =>
  Array.from({ length: count }, (_, index) => from + index)

test('chunks have a bound, whatever is wrong with lines, and keep their order', async () => {
  const lines = numbers(CHUNK_LINES * 2 + 5).map((line) =>
    line % 7 === 0 ? bad(line, false) : transfer(line),
  )
  const chunks = await chunksOf(lines)
  expect(chunks.map(({ length }) => length)).toEqual([CHUNK_LINES, CHUNK_LINES, 5])
  expect(chunks.flat()).toEqual(lines)
})

test('a linked group is never cut by the end of a chunk', async () => {
  const lines = numbers(CHUNK_LINES + 3).map((line) =>
    transfer(line, line >= CHUNK_LINES && line < CHUNK_LINES + 2),
  )
  const chunks = await chunksOf(lines)
  expect(chunks.map(({ length }) => length)).toEqual([CHUNK_LINES + 2, 1])
})

test('where one row of a linked group is bad, all of it is', async () => {
  expect(await verdicts([transfer(1), transfer(2, true), bad(3, true), transfer(4), transfer(5)])).toEqual([
    1, -2, -3, -4, 5,
  ])
})

test('a bad row within a group that does not say whether it goes on is taken to', async () => {
  expect(await verdicts([transfer(1, true), bad(2), transfer(3), transfer(4)])).toEqual([-1, -2, -3, 4])
  expect(await verdicts([bad(1), transfer(2)])).toEqual([-1, 2])
})

test('a group that does not end, or is interrupted by an account, is bad', async () => {
  expect(await verdicts([transfer(1), transfer(2, true)])).toEqual([1, -2])
  expect(await verdicts([transfer(1, true), account(2), transfer(3)])).toEqual([-1, 2, 3])
})

test('a group of as many as allowed passes; one more, and all are bad, however many follow', async () => {
  const group = (count: number) => numbers(count).map((line) => transfer(line, line < count))
  expect(await verdicts(group(LINKED_TRANSFERS_MAX))).toEqual(numbers(LINKED_TRANSFERS_MAX))
  for (const count of [LINKED_TRANSFERS_MAX + 1, LINKED_TRANSFERS_MAX * 3]) {
    const lines = [...group(count), transfer(count + 1)]
    expect(await verdicts(lines)).toEqual([...numbers(count).map((line) => -line), count + 1])
  }
})
