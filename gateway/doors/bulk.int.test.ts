import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { BulkResult } from './bulk.ts'
import { gatewayUnderTest, openAccounts, uuid, type GatewayUnderTest } from '../gateway-under-test.testing.ts'
import { PATIENCE_MS } from '../../test/support/patience.ts'

let under: GatewayUnderTest
beforeAll(async () => {
  under = await gatewayUnderTest({ limits: { bulkBodyBytesMax: 4 * 1024 * 1024, pendingCommandsMax: 9_000 } })
})
afterAll(() => under.stop())

async function send(
  commands: unknown[],
): Promise<{ status: number; results: BulkResult[]; position: string; error?: Record<string, unknown> }> {
  const { status, body } = await under.post('/commands', { commands })
  return { status, ...body } as never
}

describe('the bulk lane', () => {
  test('each command has its result, in order; a second time nothing happens and the results are the same', async () => {
    const { accounts } = await openAccounts(under, 2)
    const [a, b] = accounts as [string, string]
    const move = (amount: string) => ({
      kind: 'transfer',
      id: uuid(),
      debitAccountId: a,
      creditAccountId: b,
      amount,
      currency: 'EUR',
    })
    const commands = [move('100'), move('999999999'), ...Array.from({ length: 3_000 }, () => move('1'))]
    const first = await send(commands)
    expect(first.results).toHaveLength(commands.length)
    expect(first.results[0]).toMatchObject({ id: commands[0]!.id, status: 'accepted', replayed: false })
    expect(first.results[1]).toMatchObject({
      id: commands[1]!.id,
      status: 'refused',
      code: 'insufficient_funds',
    })
    const second = await send(commands)
    expect(second.results.map((result) => ({ ...result, replayed: false }))).toEqual(first.results)
    expect(second.results.every(({ replayed }) => replayed)).toBe(true)
    const { balance } = await under.data<{ balance: { balance: { minor: string } } }>(
      'query($a: UUID!, $after: Position) { balance(accountId: $a, after: $after) { balance { minor } } }', { a, after: first.position },
    ) // prettier-ignore
    expect(balance.balance.minor).toBe('96900')
  })

  test('a wrong command fails alone, named by index and field; its linked group fails with it', async () => {
    const { accounts } = await openAccounts(under, 2)
    const [a, b] = accounts as [string, string]
    const move = (change: Record<string, unknown> = {}) => ({
      kind: 'transfer',
      id: uuid(),
      debitAccountId: a,
      creditAccountId: b,
      amount: '1',
      currency: 'EUR',
      ...change,
    })
    const { results } = await send([
      move(),
      move({ amount: 1 }),
      { kind: 'steal' },
      'nothing',
      move({ linked: true }),
      move({ id: crypto.randomUUID() }),
      move({ fee: '1' }),
      move({ linked: true }),
      move({ amount: '5000000' }),
      move({ linked: true }),
    ])
    expect(results.map(({ status }) => status)).toEqual([
      'accepted',
      'error',
      'error',
      'error',
      'error',
      'error',
      'error',
      'refused',
      'refused',
      'error',
    ])
    expect(results[1]).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'commands[1].amount',
      retryable: false,
    })
    expect(results.map(({ field }) => field).slice(2, 7)).toEqual([
      'commands[2].kind',
      'commands[3]',
      'commands[4].linked',
      'commands[5].id',
      'commands[6].fee',
    ])
    expect(results.slice(7, 9).map(({ code }) => code)).toEqual(['linked_failed', 'insufficient_funds'])
    expect(results[9]).toMatchObject({ field: 'commands[9].linked' })
  })

  test('a full queue is answered as busy, with a time to come back; nothing of it was taken', async () => {
    const { accounts } = await openAccounts(under, 2)
    const commands = () =>
      Array.from({ length: 6_000 }, () => ({
        kind: 'transfer',
        id: uuid(),
        debitAccountId: accounts[0],
        creditAccountId: accounts[1],
        amount: '1',
        currency: 'EUR',
      }))
    const answers = await Promise.all([send(commands()), send(commands()), send(commands())])
    const busy = answers.filter(({ status }) => status === 429)
    for (const { error } of busy) expect(error).toMatchObject({ code: 'BUSY', retryable: true })
    const taken = answers.filter(({ status }) => status === 200)
    expect(taken.length).toBeGreaterThan(0)
    expect(taken.length + busy.length).toBe(3)
    const last = taken.map(({ position }) => position)
    const { balance } = await under.data<{ balance: { balance: { minor: string } } }>(
      'query($a: UUID!) { balance(accountId: $a) { balance { minor } } }', { a: accounts[1] },
    ) // prettier-ignore
    expect(last.length).toBe(taken.length)
    expect(BigInt(balance.balance.minor) % 6_000n).toBe(100_000n % 6_000n)
  })

  test('what is no list of commands, or too many, is a typed 400; too large is 413', async () => {
    expect(await under.post('/commands', {})).toMatchObject({
      status: 400,
      body: { error: { code: 'BAD_USER_INPUT', field: 'commands' } },
    })
    expect((await under.post('/commands', { commands: [] })).status).toBe(400)
    expect((await under.post('/commands', { commands: new Array(8_193).fill(0) })).status).toBe(400)
    expect((await under.post('/commands', `{"commands":["${'x'.repeat(5_000_000)}"]}`)).status).toBe(413)
    expect((await fetch(`${under.url}/commands`)).status).toBe(405)
  })

  test('a reversal in bulk undoes what was acknowledged before', async () => {
    const { accounts } = await openAccounts(under, 2)
    const id = uuid()
    await send([
      {
        kind: 'transfer',
        id,
        debitAccountId: accounts[0],
        creditAccountId: accounts[1],
        amount: '7',
        currency: 'EUR',
      },
    ])
    const { results } = await send([
      { kind: 'reverseTransfer', id: uuid(), transferId: id },
      { kind: 'reverseTransfer', id: uuid(), transferId: uuid() },
    ])
    expect(results).toMatchObject([{ status: 'accepted' }, { status: 'refused', code: 'transfer_not_found' }])
    expect((await send([{ kind: 'reverseTransfer', id: uuid(), transferId: id }])).results).toMatchObject([
      { status: 'refused', code: 'already_reversed' },
    ])
  })
})

describe('imports', () => {
  const row = (id: string): { id: string; bits: string } => ({ id, bits: `0${id.slice(15, 18)}${id.slice(19).replace('-', '')}` })

  test('a base time is begun once, a further one only beyond the newest; names are bounded', async () => {
    const path = `/imports/${encodeURIComponent('../../etc/žluť.csv')}`
    const none = { partitions: [], ofChunks: [] }
    expect(await (await fetch(under.url + path)).json()).toEqual(none)
    const timesOf = (body: object): number[] =>
      (body as { partitions: { partition: number; baseTimesMs: number[] }[] }).partitions[0]!.baseTimesMs
    const begin = async (body: object): Promise<number[]> => timesOf((await under.post(`${path}/times`, body)).body)
    const first = await begin({ partition: 0, beyond: null })
    expect(first).toHaveLength(1)
    expect(await begin({ partition: 0, beyond: null })).toEqual(first)
    expect(await begin({ partition: 0, beyond: first[0]! + 1, after: '7' })).toEqual(first)
    const both = await begin({ partition: 0, beyond: first[0], after: '0' })
    expect(both).toHaveLength(2)
    expect(both[0]).toBe(first[0])
    expect(timesOf((await (await fetch(under.url + path)).json()) as object)).toEqual(both)
    for (const body of [{}, { partition: 1 }, { partition: -1 }, { partition: 0, beyond: '1' }, { partition: 0, after: 7 }, { partition: 0, after: '-1' }])
      expect((await under.post(`${path}/times`, body)).status).toBe(400)
    for (const bad of [`/imports/${'x'.repeat(129)}`, '/imports/a%00b', '/imports/%zz', '/imports/a%0Ab', '/imports/%EF%BF%BD'])
      expect((await under.post(`${bad}/times`, { partition: 0 })).status).toBe(400)
    expect((await under.post('/imports/x/chunks/0', {})).status).toBe(404)
    expect((await fetch(`${under.url}${path}/known`)).status).toBe(405)
  })

  test('rows are known under any base time of their import, with what became of them, and under no other', async () => {
    const begun = await under.post('/imports/known/times', { partition: 0, beyond: null })
    const [baseMs] = (begun.body as { partitions: { baseTimesMs: number[] }[] }).partitions[0]!.baseTimesMs
    const ids = ['7abc-9123-456789abcdef', '7abd-a123-456789abcdef'].map((rest) => {
      const time = baseMs!.toString(16).padStart(12, '0')
      return `${time.slice(0, 8)}-${time.slice(8)}-${rest}`
    })
    const opened = await send([{ kind: 'openAccount', id: ids[0]!, accountId: uuid(), currency: 'EUR' }, { kind: 'openAccount', id: ids[1]!, accountId: uuid(), currency: 'EUR' }])
    expect(opened.results).toMatchObject([{ status: 'accepted' }, { status: 'accepted' }])
    const rows = [...ids, uuid()].map((id) => row(id).bits)
    for (const near of [[], [{ partition: 0, sequence: '0' }], [{ partition: 9, sequence: '99' }]])
      await vi.waitFor(async () => {
        const { body } = await under.post('/imports/known/known', { rows, near })
        const known = (body as { known: { row: number }[] }).known.sort((left, right) => left.row - right.row)
        expect(known).toMatchObject([{ row: 0, partition: 0, refusal: 0, scale: 2 }, { row: 1, refusal: 0 }])
      }, PATIENCE_MS)
    expect((await under.post('/imports/other/known', { rows })).body).toMatchObject({ known: [] })
    for (const body of [{}, { rows: ['x'] }, { rows: ['A'.repeat(20)] }, { rows: [], near: {} }, { rows: [], near: [{ partition: 0 }] }])
      expect((await under.post('/imports/known/known', body)).status).toBe(400)
  })
}) // prettier-ignore

test('nothing of all this was a fault of ours', () => {
  expect(under.lines).toEqual([])
})
