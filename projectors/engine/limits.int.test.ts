import type { ClickHouseError } from '@clickhouse/client'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { QUERY_TEXT_BYTES_MAX, WAITING_MAX } from './limits.ts'
import {
  engineUnderTest,
  eventually,
  failure,
  numbers,
  type EngineUnderTest,
} from './engine-under-test.testing.ts'

let engine: EngineUnderTest

beforeAll(async () => {
  engine = await engineUnderTest()
})

afterAll(() => engine?.stop())

describe('limits', () => {
  test('a result too large for memory comes whole, by way of the disk, in every kind of format', async () => {
    const query = 'SELECT number, toString(number) AS text FROM numbers(1500000)'
    const streamed = await engine.client.query({ query, format: 'JSONEachRow' })
    let count = 0
    for await (const batch of streamed.stream()) count += batch.length
    expect(count).toBe(1_500_000)
    const document = await (
      await engine.client.query({ query, format: 'JSON', clickhouse_settings: { readonly: '1' } })
    ).json<{ number: number }>()
    expect(document.rows).toBe(1_500_000)
    expect(document.data.at(-1)).toMatchObject({ text: '1499999' })
    const binary = await engine.client.exec({ query: `${query} FORMAT RowBinaryWithNamesAndTypes` })
    let bytes = 0
    for await (const chunk of binary.stream) bytes += (chunk as Buffer).length
    // Eight bytes a number, and a length and digits a text, after the names and types of two columns.
    const digits = 10 + 90 * 2 + 900 * 3 + 9_000 * 4 + 90_000 * 5 + 900_000 * 6 + 500_000 * 7
    const head = 1 + 'number'.length + 1 + 'text'.length + 1 + 'UInt64'.length + 1 + 'String'.length + 1
    expect(bytes).toBe(1_500_000 * 9 + digits + head)
    await eventually(async () => (await engine.spooled()).length === 0)
  })

  test('limits of a query hold, say so by name, and end with it', async () => {
    const limits = [
      ['SELECT number FROM numbers(100000)', { max_result_rows: '10' }, 'TOO_MANY_ROWS_OR_BYTES'],
      ['SELECT number FROM numbers(100000)', { max_result_bytes: '1000' }, 'TOO_MANY_ROWS_OR_BYTES'],
      [
        'SELECT count() FROM numbers(1000000000000) WHERE number % 7 = 3',
        { max_execution_time: 1 },
        'TIMEOUT_EXCEEDED',
      ],
      [
        'SELECT length(groupArray(number)) FROM numbers(30000000)',
        { max_memory_usage: '10000000' },
        'MEMORY_LIMIT_EXCEEDED',
      ],
    ] as const
    for (const [query, clickhouse_settings, type] of limits) {
      expect((await failure(engine.rows(query, { clickhouse_settings }))).type).toBe(type)
      expect(await engine.one('SELECT count() FROM numbers(100000)')).toBe(100_000)
    }
  })

  test('the engine keeps to its memory', async () => {
    const error = await failure(engine.rows('SELECT length(groupArray(number)) FROM numbers(400000000)'))
    expect(error.type).toBe('MEMORY_LIMIT_EXCEEDED')
    expect(error.message).toContain('(total)')
  })

  test('a reader that leaves stops its query, and the connection serves the next', async () => {
    const stopped = new AbortController()
    const endless = Array.from({ length: 8 }, () =>
      engine.client.query({
        query: 'SELECT count() FROM numbers(1000000000000) WHERE number % 7 = 3',
        abort_signal: stopped.signal,
      }),
    )
    const settled = Promise.allSettled(endless)
    const running =
      "SELECT count() FROM system.processes WHERE query LIKE '%1000000000000%' AND query NOT LIKE '%processes%'"
    const ran = engine.request({ headers: engine.authorization() }, 'KILL QUERY WHERE 0 ASYNC')
    await ran
    setTimeout(() => stopped.abort(), 300)
    for (const result of await settled) expect(result.status).toBe('rejected')
    await eventually(async () => (await engine.one(running)) === 0)
    expect(await Promise.all(Array.from({ length: 8 }, () => engine.one('SELECT 1')))).toEqual(
      Array(8).fill(1),
    )
  })

  test('more callers than may wait are told so by name, and those who wait are served', async () => {
    const many = Array.from({ length: WAITING_MAX + 60 }, () => engine.one('SELECT sleep(0.02) + 1'))
    const results = await Promise.allSettled(many)
    const refused = results.filter((result) => result.status === 'rejected')
    const types = new Set(refused.map(({ reason }) => (reason as ClickHouseError).type))
    expect(types).toEqual(new Set(['TOO_MANY_SIMULTANEOUS_QUERIES']))
    expect(results.length - refused.length).toBeGreaterThanOrEqual(WAITING_MAX)
    expect(await engine.one('SELECT 1')).toBe(1)
  })

  test('a text over the bound is refused by name, though its sender is still writing', async () => {
    const padding = 'x'.repeat(QUERY_TEXT_BYTES_MAX)
    expect((await failure(engine.rows(`SELECT '${padding}'`))).type).toBe('QUERY_IS_TOO_LARGE')
    expect(await engine.one(`SELECT length('${padding.slice(0, -1_000)}')`)).toBe(
      QUERY_TEXT_BYTES_MAX - 1_000,
    )
    const body = Readable.from(Array.from({ length: 400 }, () => numbers(10_000)))
    expect((await failure(engine.insertBytes('SELECT 1', body))).type).toBe('BAD_ARGUMENTS')
  })

  test('a long query holds up neither pings nor other readers', async () => {
    let isOver = false
    const long = engine.one('SELECT sleep(3)').then(() => (isOver = true))
    expect((await engine.client.ping()).success).toBe(true)
    expect((await engine.client.ping({ select: true })).success).toBe(true)
    expect(await engine.one('SELECT (SELECT 1)')).toBe(1)
    expect(isOver).toBe(false)
    await long
  })
})
