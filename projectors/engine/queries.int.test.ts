import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { engineUnderTest, failure, text, type EngineUnderTest } from './engine-under-test.testing.ts'

let engine: EngineUnderTest

beforeAll(async () => {
  engine = await engineUnderTest()
})

afterAll(() => engine?.stop())

describe('a connection is as new for every query', () => {
  test('H1: what a failed query had written is not prepended to the next answer', async () => {
    for (const format of ['JSONEachRow', 'JSON', 'RowBinary'] as const) {
      const query = `SELECT number, throwIf(number = 300000) FROM numbers(1000000) FORMAT ${format}`
      const failing = Array.from({ length: 6 }, async () => engine.client.exec({ query }))
      for (const result of await Promise.allSettled(failing)) expect(result.status).toBe('rejected')
      const answers = await Promise.all(Array.from({ length: 8 }, () => engine.rows('SELECT 42 AS x')))
      for (const answer of answers) expect(answer).toEqual([{ x: 42 }])
    }
  })

  test('H2: a setting ends with its query, on whatever connection it ran', async () => {
    await engine.client.command({
      query:
        'CREATE TABLE tokens (a UInt64) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 100',
    })
    const token = { insert_deduplication_token: 'abc' }
    const insert = (clickhouse_settings = {}) =>
      engine.client.insert({
        table: 'tokens',
        values: [{ a: 1 }],
        format: 'JSONEachRow',
        clickhouse_settings,
      })
    await insert(token)
    await insert(token)
    expect(await engine.one('SELECT count() FROM tokens')).toBe(1)
    for (let index = 0; index < 4; index++) await insert({ insert_deduplication_token: `other ${index}` })
    expect(await engine.one('SELECT count() FROM tokens')).toBe(5)
    await engine.client.command({
      query: 'CREATE TABLE after_readonly (a UInt8) ENGINE = Memory',
      clickhouse_settings: { max_execution_time: 7 },
    })
    for (let index = 0; index < 8; index++)
      await engine.one('SELECT 1', { clickhouse_settings: { readonly: '1', max_threads: 1 } })
    expect(
      (
        await failure(
          engine.client.command({
            query: 'DROP TABLE after_readonly',
            clickhouse_settings: { readonly: '1' },
          }),
        )
      ).type,
    ).toBe('READONLY')
    await engine.client.command({ query: 'SET max_execution_time = 8' })
    await engine.client.command({ query: 'DROP TABLE after_readonly' })
    const seen = await Promise.all(
      Array.from({ length: 8 }, () => engine.one("SELECT getSetting('max_execution_time')")),
    )
    expect(new Set(seen)).toEqual(new Set([0]))
  })

  test('a setting in the text counts more than one of the request', async () => {
    const clickhouse_settings = { max_threads: 3 } as const
    const threads = "SELECT getSetting('max_threads') AS x"
    expect(await engine.one(threads, { clickhouse_settings })).toBe(3)
    expect(await engine.one(`${threads} SETTINGS max_threads = 2`, { clickhouse_settings })).toBe(2)
    const behindFormat = await engine.client.exec({
      query: `${threads} FORMAT TSV SETTINGS max_threads = 2`,
      clickhouse_settings,
    })
    expect(await text(behindFormat.stream)).toBe('2\n')
  })

  test('a database is chosen per query, and USE does not outlive its query', async () => {
    await engine.client.command({ query: 'CREATE DATABASE app ENGINE = Atomic' })
    const inApp = engine.connect({ database: 'app' })
    await inApp.command({ query: 'CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a' })
    await inApp.insert({ table: 't', values: [{ a: 7 }], format: 'JSONEachRow' })
    expect(await (await inApp.query({ query: 'SELECT a FROM t', format: 'JSONEachRow' })).json()).toEqual([
      { a: 7 },
    ])
    await engine.client.command({ query: 'USE app' })
    expect(await engine.one('SELECT currentDatabase()')).toBe('default')
    const nowhere = engine.connect({ database: 'no`where' })
    expect((await failure(nowhere.query({ query: 'SELECT 1' }))).type).toBe('UNKNOWN_DATABASE')
    await Promise.all([inApp.close(), nowhere.close()])
  })
})

describe('queries', () => {
  test('H5: several statements in one text are refused, and none of them runs', async () => {
    await engine.client.command({ query: 'CREATE TABLE kept (a UInt8) ENGINE = MergeTree ORDER BY a' })
    expect((await failure(engine.rows('SELECT 1; DROP TABLE kept'))).type).toBe('SYNTAX_ERROR')
    expect(
      (await failure(engine.client.command({ query: 'SELECT 1 FORMAT Null; DROP TABLE kept' }))).code,
    ).toBe('62')
    expect(await engine.one('EXISTS TABLE kept')).toBe(1)
  })

  test('H8: the engine’s errors are ClickHouseErrors with code and type', async () => {
    const cases = [
      ['SELECT * FROM nowhere', '60', 'UNKNOWN_TABLE'],
      ['SELEC 1', '62', 'SYNTAX_ERROR'],
      ['SELECT throwIf(1)', '395', 'FUNCTION_THROW_IF_VALUE_IS_NON_ZERO'],
      ['SELECT {x:UInt8}', '456', 'UNKNOWN_QUERY_PARAMETER'],
      ['SELECT 1 FORMAT Nonsense', '73', 'UNKNOWN_FORMAT'],
    ] as const
    for (const [query, code, type] of cases) {
      const error = await failure(engine.client.exec({ query }))
      expect([error.code, error.type]).toEqual([code, type])
    }
    const statuses = await Promise.all(
      ['SELECT * FROM nowhere', 'SELEC 1', 'SELECT throwIf(1)'].map((body) =>
        engine.request({ headers: engine.authorization() }, body),
      ),
    )
    expect(statuses.map(({ status, code }) => [status, code])).toEqual([
      [404, '60'],
      [400, '62'],
      [500, '395'],
    ])
  })

  test('H9: 64-bit numbers come as strings when asked for, and exactly', async () => {
    const quoted = await engine.one('SELECT 18446744073709551615 AS x', {
      clickhouse_settings: { output_format_json_quote_64bit_integers: 1 },
    })
    expect(quoted).toBe('18446744073709551615')
    expect(await engine.one('SELECT toString(18446744073709551615) AS x')).toBe('18446744073709551615')
  })

  test('parameters of many queries at once do not meet, and do not wait for each other', async () => {
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        engine.one('SELECT {x:UInt32} + sleep(0.01)', { query_params: { x: index } }),
      ),
    )
    expect(answers).toEqual(Array.from({ length: 100 }, (_, index) => index))
  })

  test('whatever a parameter holds comes back as it was', async () => {
    const hostile = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc
        .array(fc.constantFrom("'", '\\', '`', '--', '/*', ';', '\n\n', '\0', '{x:String}', '\\N', '\t', 'é'))
        .map((parts) => parts.join('')),
    )
    const texts = fc.sample(hostile, 300).filter((sample) => sample !== '\\N')
    const query_params: Record<string, unknown> = { all: texts }
    texts.forEach((sample, index) => (query_params[`p${index}`] = sample))
    const list = texts.map((_, index) => `{p${index}:String}`).join(', ')
    const [found] = await engine.rows<{ single: string[]; all: string[] }>(
      `SELECT [${list}] AS single, {all:Array(String)} AS all`,
      {
        query_params,
        use_multipart_params_auto: true,
      },
    )
    expect(found!.single).toEqual(texts)
    expect(found!.all).toEqual(texts)
  })

  test('every type of parameter keeps its value and its type', async () => {
    const values = {
      u: '340282366920938463463374607431768211455',
      i: -9223372036854775808n,
      f: 0.1,
      s: 'x',
      id: '61f0c404-5cb3-11e7-907b-a6006ad3dba0',
      b: true,
      t: new Date(1_500_000_000_123),
      day: '2026-02-28',
      n: null,
      a: [1n, 2n],
      table: 'one',
    }
    const list =
      '{u:UInt128} AS u, {i:Int64} AS i, {f:Float64} AS f, {s:String} AS s, {id:UUID} AS id, {b:Bool} AS b, {t:DateTime64(3)} AS t, {day:Date} AS day, {n:Nullable(Int8)} AS n, {a:Array(Int64)} AS a'
    const [found] = await engine.rows(`SELECT ${list} FROM system.{table:Identifier} LIMIT {limit:UInt32}`, {
      query_params: { ...values, limit: 1 },
      clickhouse_settings: { output_format_json_quote_64bit_integers: 1 },
    })
    expect(found).toEqual({
      u: values.u,
      i: '-9223372036854775808',
      f: 0.1,
      s: 'x',
      id: values.id,
      b: true,
      t: '2017-07-14 02:40:00.123',
      day: values.day,
      n: null,
      a: ['1', '2'],
    })
    const types = await engine.one(
      `SELECT toTypeName(({u:UInt128}, {i:Int64}, {b:Bool}, {t:DateTime64(3)}, {n:Nullable(Int8)}, {a:Array(Int64)}))`,
      {
        query_params: values,
      },
    )
    expect(types).toBe('Tuple(UInt128, Int64, Bool, DateTime64(3), Nullable(Int8), Array(Int64))')
  })
})
