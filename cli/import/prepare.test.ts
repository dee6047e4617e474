import { expect, test } from 'vitest'
import type { BaseTimes, KnownRow } from './base-times.ts'
import { CHUNK_LINES } from './chunks.ts'
import { CommandMaker } from './commands-of.ts'
import { prepare, type PreparedLines } from './prepare.ts'
import type { ImportLine, TransferRow } from './file/rows.ts'

const transfer = (line: number, id = String(line), linked = false): { line: number; row: TransferRow } => ({
  line,
  row: { type: 'transfer', id, debit: 'a', credit: 'b', amount: '1', currency: 'EUR', linked },
})
const maker = new CommandMaker()

/** @param known what the platform says of rows, by their place among those that are asked for */
async function preparedOf(lines: readonly ImportLine[], known = new Map<number, KnownRow>(), looked = 1): Promise<PreparedLines> {
  async function* give(): AsyncGenerator<ImportLine> {
    yield* lines
  }
  const times = { mayKnowRows: known.size > 0, known: () => Promise.resolve({ rows: known, looked: () => looked }) }
  const all: PreparedLines[] = []
  for await (const one of prepare(give(), { name: 'n', partitions: 1, times: times as unknown as BaseTimes, maker, skipsFaults: true })) all.push(one)
  expect(all).toHaveLength(1)
  return all[0]!
} // prettier-ignore

const outcome = (row: TransferRow, refusal?: string): KnownRow => ({
  partition: 0, sequence: 7n, refusal, fingerprint: maker.fingerprintOf(row, 0), scale: 0,
}) // prettier-ignore
const linesOf = (of: readonly { readonly line: number }[]): number[] => of.map(({ line }) => line)

test('a row id that stands twice is a bad line, and so is the whole group in which it stands', async () => {
  const { items, bad } = await preparedOf([
    transfer(1),
    transfer(2, '2', true),
    transfer(3, '1', true),
    transfer(4),
    transfer(5),
  ])
  expect(linesOf(items)).toEqual([1, 5])
  expect(bad).toMatchObject([
    { line: 2, fault: 'linked with line 3, which is bad' },
    { line: 3, fault: 'id: "1" stands on an earlier line as well' },
    { line: 4 },
  ])
})

test('known with the same body it is a repeat, with another one it is reused; what is new goes under the newest time', async () => {
  const other = transfer(2).row
  const known = new Map([
    [0, outcome(transfer(1).row)],
    [1, outcome({ ...other, amount: '2' })],
  ])
  const {
    items,
    known: repeats,
    reused,
  } = await preparedOf(
    [1, 2, 3].map((line) => transfer(line)),
    known,
    4,
  )
  expect(repeats).toEqual([known.get(0)])
  expect(linesOf(reused)).toEqual([2])
  expect(items).toMatchObject([{ line: 3, timeIndex: 3 }])
})

test('a group is known as a whole; new members make it another one, of which nothing is sent', async () => {
  const group = [transfer(1, '1', true), transfer(2)]
  const known = new Map([[0, outcome(group[0]!.row)]])
  const { items, bad, known: repeats } = await preparedOf(group, known)
  expect(items).toEqual([])
  expect(repeats).toHaveLength(1)
  expect(linesOf(bad)).toEqual([2])
  expect(await preparedOf(group, new Map([...known, [1, outcome(group[1]!.row, 'linked_failed')]]))).toMatchObject({
    items: [], bad: [], known: [{ refusal: undefined }, { refusal: 'linked_failed' }],
  })
}) // prettier-ignore

test('a request’s worth is ready though what comes behind it is long in coming', async () => {
  let goOn = (): void => undefined
  async function* slow(): AsyncGenerator<ImportLine> {
    for (let line = 1; line <= CHUNK_LINES; line++) yield transfer(line)
    await new Promise<void>((resolve) => (goOn = resolve))
    yield transfer(CHUNK_LINES + 1)
  }
  const times = { mayKnowRows: false } as unknown as BaseTimes
  const ready = prepare(slow(), { name: 'n', partitions: 1, times, maker, skipsFaults: true })
  expect((await ready.next()).value).toMatchObject({ lines: CHUNK_LINES })
  goOn()
  expect((await ready.next()).value).toMatchObject({ lines: 1 })
  expect(await ready.next()).toEqual({ value: undefined, done: true })
})
