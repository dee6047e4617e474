import { createClient, ClickHouseError, ClickHouseLogLevel, type ClickHouseClient } from '@clickhouse/client'
import fc from 'fast-check'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import http from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { QUERY_TEXT_BYTES_MAX, WAITING_MAX } from './limits.ts'
import { startEngine, type Engine } from './supervisor.ts'

let dataDir: string
let engine: Engine
let client: ClickHouseClient

beforeAll(async () => {
  dataDir = await mkdtemp(path.join(os.tmpdir(), 'engine-'))
  engine = await startEngine({ dataDir, memoryBytesMax: 1024 ** 3 })
  client = connect()
})

afterAll(async () => {
  await client?.close()
  await engine?.stop()
  await rm(dataDir, { recursive: true, force: true })
})

function connect(options: Parameters<typeof createClient>[0] = {}): ClickHouseClient {
  const { url, username, password } = engine
  return createClient({
    url,
    username,
    password,
    log: { level: ClickHouseLogLevel.OFF },
    max_open_connections: 400,
    ...options,
  })
}

async function rows<T = Record<string, unknown>>(
  query: string,
  options: Partial<Parameters<ClickHouseClient['query']>[0]> = {},
): Promise<T[]> {
  const result = await client.query({ query, format: 'JSONEachRow', ...options })
  return (await result.json()) as T[]
}

async function one(
  query: string,
  options: Partial<Parameters<ClickHouseClient['query']>[0]> = {},
): Promise<unknown> {
  return Object.values((await rows(query, options))[0] ?? {})[0]
}

async function insertBytes(
  query: string,
  body: Buffer | Readable,
  settings: Record<string, string | number> = {},
): Promise<void> {
  const values = Buffer.isBuffer(body) ? Readable.from([body]) : body
  const { stream } = await client.exec({ query, values, clickhouse_settings: settings })
  for await (const chunk of stream) void chunk
}

async function failure(promise: Promise<unknown>): Promise<ClickHouseError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(ClickHouseError)
  return error as ClickHouseError
}

/** UInt64 values as RowBinary, starting at `from`. */
function numbers(count: number, from = 0): Buffer {
  const bytes = Buffer.alloc(count * 8)
  for (let index = 0; index < count; index++) bytes.writeBigUInt64LE(BigInt(from + index), index * 8)
  return bytes
}

async function eventually(check: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error('It did not happen in time.')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

function spooled(): Promise<string[]> {
  return readdir(path.join(dataDir, 'spool'))
}

/** A request made by hand, for what the client would not do. */
function request(
  options: http.RequestOptions,
  body?: string | Buffer,
): Promise<{ status: number; text: string; code: string | undefined }> {
  return new Promise((resolve, reject) => {
    const sent = http.request(engine.url, { method: 'POST', ...options }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part))
      response.on('end', () => {
        const code = response.headers['x-clickhouse-exception-code'] as string | undefined
        resolve({ status: response.statusCode!, text, code })
      })
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

function authorization(): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`${engine.username}:${engine.password}`).toString('base64')}` }
}

describe('a connection is as new for every query', () => {
  test('H1: what a failed query had written is not prepended to the next answer', async () => {
    for (const format of ['JSONEachRow', 'JSON', 'RowBinary'] as const) {
      const failing = Array.from({ length: 6 }, () =>
        client
          .query({ query: `SELECT number, throwIf(number = 300000) FROM numbers(1000000) FORMAT ${format}` })
          .then((r) => r.text()),
      )
      for (const result of await Promise.allSettled(failing)) expect(result.status).toBe('rejected')
      const answers = await Promise.all(Array.from({ length: 8 }, () => rows('SELECT 42 AS x')))
      for (const answer of answers) expect(answer).toEqual([{ x: 42 }])
    }
  })

  test('H2: a setting ends with its query, on whatever connection it ran', async () => {
    await client.command({
      query:
        'CREATE TABLE tokens (a UInt64) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 100',
    })
    const token = { insert_deduplication_token: 'abc' }
    const insert = (clickhouse_settings = {}) =>
      client.insert({ table: 'tokens', values: [{ a: 1 }], format: 'JSONEachRow', clickhouse_settings })
    await insert(token)
    await insert(token)
    expect(await one('SELECT count() FROM tokens')).toBe(1)
    for (let index = 0; index < 4; index++) await insert({ insert_deduplication_token: `other ${index}` })
    expect(await one('SELECT count() FROM tokens')).toBe(5)
    await client.command({
      query: 'CREATE TABLE after_readonly (a UInt8) ENGINE = Memory',
      clickhouse_settings: { max_execution_time: 7 },
    })
    for (let index = 0; index < 8; index++)
      await one('SELECT 1', { clickhouse_settings: { readonly: '1', max_threads: 1 } })
    expect(
      (
        await failure(
          client.command({ query: 'DROP TABLE after_readonly', clickhouse_settings: { readonly: '1' } }),
        )
      ).type,
    ).toBe('READONLY')
    await client.command({ query: 'SET max_execution_time = 8' })
    await client.command({ query: 'DROP TABLE after_readonly' })
    const seen = await Promise.all(
      Array.from({ length: 8 }, () => one("SELECT getSetting('max_execution_time')")),
    )
    expect(new Set(seen)).toEqual(new Set([0]))
  })

  test('a setting in the text counts more than one of the request', async () => {
    const clickhouse_settings = { max_threads: 3 } as const
    const threads = "SELECT getSetting('max_threads') AS x"
    expect(await one(threads, { clickhouse_settings })).toBe(3)
    expect(await one(`${threads} SETTINGS max_threads = 2`, { clickhouse_settings })).toBe(2)
    const behindFormat = await client.exec({
      query: `${threads} FORMAT TSV SETTINGS max_threads = 2`,
      clickhouse_settings,
    })
    expect(await text(behindFormat.stream)).toBe('2\n')
  })

  test('a database is chosen per query, and USE does not outlive its query', async () => {
    await client.command({ query: 'CREATE DATABASE app ENGINE = Atomic' })
    const inApp = connect({ database: 'app' })
    await inApp.command({ query: 'CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a' })
    await inApp.insert({ table: 't', values: [{ a: 7 }], format: 'JSONEachRow' })
    expect(await (await inApp.query({ query: 'SELECT a FROM t', format: 'JSONEachRow' })).json()).toEqual([
      { a: 7 },
    ])
    await client.command({ query: 'USE app' })
    expect(await one('SELECT currentDatabase()')).toBe('default')
    const nowhere = connect({ database: 'no`where' })
    expect((await failure(nowhere.query({ query: 'SELECT 1' }))).type).toBe('UNKNOWN_DATABASE')
    await Promise.all([inApp.close(), nowhere.close()])
  })
})

async function text(stream: Readable): Promise<string> {
  let all = ''
  for await (const chunk of stream) all += String(chunk)
  return all
}

describe('inserts', () => {
  test('H3: a blank line in the data ends nothing and runs nothing', async () => {
    await client.command({ query: 'CREATE TABLE blank (a String) ENGINE = MergeTree ORDER BY a' })
    const evil = 'x\n\nTRUNCATE TABLE blank;\n\n'
    await client.insert({ table: 'blank', values: [{ a: evil }], format: 'JSONEachRow' })
    await client.insert({
      table: 'blank',
      values: Readable.from([`"${evil}"\n`], { objectMode: false }),
      format: 'CSV',
    })
    await insertBytes('INSERT INTO blank FORMAT TSV', Buffer.from('first\n\nTRUNCATE TABLE blank;\n'))
    await client.command({
      query: `INSERT INTO blank VALUES ('${evil.replaceAll('\n', '\\n')}'), ('${evil}')`,
    })
    expect(await one('SELECT count() FROM blank')).toBe(7)
    expect(await one('SELECT countIf(a = {evil:String}) FROM blank', { query_params: { evil } })).toBe(4)
  })

  test('H4: binary data is stored to the last byte, whatever bytes it holds', async () => {
    await client.command({ query: 'CREATE TABLE bytes (a UInt64) ENGINE = MergeTree ORDER BY a' })
    await insertBytes('INSERT INTO bytes FORMAT RowBinary', numbers(100_000))
    await insertBytes('INSERT INTO bytes (a) FORMAT RowBinary', numbers(100_000, 100_000))
    await insertBytes(
      "INSERT INTO bytes SELECT b + 200000 FROM input('b UInt64') WHERE b < 5000 FORMAT RowBinary",
      numbers(100_000),
    )
    const [found] = await rows('SELECT count() AS n, uniqExact(a) AS u, max(a) AS m FROM bytes')
    expect(found).toEqual({ n: 205_000, u: 205_000, m: 204_999 })
  })

  test('columns that are left out get their defaults', async () => {
    await client.command({
      query: 'CREATE TABLE defaults (a UInt8, b UInt8 DEFAULT a + 1) ENGINE = MergeTree ORDER BY a',
    })
    await client.insert({ table: 'defaults', values: [{ a: 1 }], format: 'JSONEachRow' })
    await client.insert({ table: 'defaults', values: [[5]], columns: ['a'], format: 'JSONCompactEachRow' })
    await insertBytes('INSERT INTO defaults (a) FORMAT RowBinary', Buffer.from([7]))
    expect(await rows('SELECT * FROM defaults ORDER BY a')).toEqual([
      { a: 1, b: 2 },
      { a: 5, b: 6 },
      { a: 7, b: 8 },
    ])
  })

  test('one pass feeds every view behind a Null table, and a repeated token feeds none', async () => {
    const window = 'SETTINGS non_replicated_deduplication_window = 100'
    for (const query of [
      'CREATE TABLE feed (a UInt64) ENGINE = Null',
      `CREATE TABLE events (a UInt64) ENGINE = MergeTree ORDER BY a ${window}, max_bytes_to_merge_at_max_space_in_pool = 1000000`,
      `CREATE TABLE entries (a UInt64, side UInt8) ENGINE = ReplacingMergeTree ORDER BY (a, side) ${window}, fsync_after_insert = 1`,
      'CREATE MATERIALIZED VIEW feed_events TO events AS SELECT a FROM feed',
      'CREATE MATERIALIZED VIEW feed_entries TO entries AS SELECT a, arrayJoin([1, 0]) AS side FROM feed',
    ]) {
      await client.command({ query })
    }
    const settings = {
      parallel_view_processing: 1,
      optimize_on_insert: 0,
      input_format_parallel_parsing: 0,
      async_insert: 0,
      deduplicate_blocks_in_dependent_materialized_views: 1,
      max_insert_block_size: '1048576',
      min_insert_block_size_rows: '1048576',
      min_insert_block_size_bytes: '0',
    }
    for (let repeat = 0; repeat < 3; repeat++) {
      await insertBytes('INSERT INTO feed FORMAT RowBinary', numbers(200_000), {
        ...settings,
        insert_deduplication_token: 'a:1-2',
      })
    }
    await insertBytes('INSERT INTO feed FORMAT RowBinary', numbers(10, 200_000), {
      ...settings,
      insert_deduplication_token: 'a:3-3',
    })
    expect(await one('SELECT count() FROM events')).toBe(200_010)
    expect(await one('SELECT count() FROM entries')).toBe(400_020)
    // Squashed to one block, so one part a table and insert: what a merge would have to mend otherwise.
    expect(await one("SELECT max(rows) FROM system.parts WHERE table = 'events' AND level = 0")).toBe(200_000)
  })

  test('a body that is cut inserts nothing and leaves nothing behind', async () => {
    await client.command({ query: 'CREATE TABLE cut (a UInt64) ENGINE = MergeTree ORDER BY a' })
    const url = `/?query=${encodeURIComponent('INSERT INTO cut FORMAT RowBinary')}`
    for (const headers of [{ 'content-length': 80_000 }, { 'transfer-encoding': 'chunked' }]) {
      await new Promise<void>((resolve) => {
        const sent = http.request(engine.url + url, {
          method: 'POST',
          headers: { ...authorization(), ...headers },
        })
        sent.on('error', () => undefined)
        sent.on('close', () => resolve())
        sent.write(numbers(5_000))
        void eventually(async () => (await spooled()).length > 0).then(() => sent.destroy())
      })
      await eventually(async () => (await spooled()).length === 0)
    }
    const stopped = new AbortController()
    const endless = Readable.from(
      (async function* () {
        for (;;) {
          yield numbers(1_000)
          await new Promise((resolve) => setTimeout(resolve, 5))
        }
      })(),
    )
    const insert = client.exec({
      query: 'INSERT INTO cut FORMAT RowBinary',
      values: endless,
      abort_signal: stopped.signal,
    })
    setTimeout(() => stopped.abort(), 100)
    await expect(insert).rejects.toThrow()
    await eventually(async () => (await spooled()).length === 0)
    expect(await one('SELECT count() FROM cut')).toBe(0)
  })

  test('data that ends inside a row is an error with its code, not a path of this machine', async () => {
    await client.command({ query: 'CREATE TABLE torn (a UInt64) ENGINE = MergeTree ORDER BY a' })
    const error = await failure(
      insertBytes('INSERT INTO torn FORMAT RowBinary', numbers(100).subarray(0, 795)),
    )
    expect(error.type).toBe('CANNOT_READ_ALL_DATA')
    expect(error.message).not.toContain('in-')
    expect(await one('SELECT count() FROM torn')).toBe(0)
  })

  test('an empty insert and a compressed one are inserts', async () => {
    await client.command({ query: 'CREATE TABLE packed (a UInt64) ENGINE = MergeTree ORDER BY a' })
    await client.insert({ table: 'packed', values: [], format: 'JSONEachRow' })
    await insertBytes('INSERT INTO packed FORMAT RowBinary', Buffer.alloc(0))
    const packing = connect({ compression: { request: true, response: true } })
    await packing.insert({ table: 'packed', values: [{ a: 1 }, { a: 2 }], format: 'JSONEachRow' })
    await packing.close()
    expect(await one('SELECT sum(a) FROM packed')).toBe(3)
  })

  test('an insert that was answered is visible to every reader', async () => {
    await client.command({ query: 'CREATE TABLE visible (a UInt64) ENGINE = MergeTree ORDER BY a' })
    for (let round = 1; round <= 20; round++) {
      await insertBytes('INSERT INTO visible FORMAT RowBinary', numbers(10, round * 10), {
        async_insert: 1,
        wait_for_async_insert: 1,
      })
      const seen = await Promise.all(Array.from({ length: 4 }, () => one('SELECT count() FROM visible')))
      expect(seen).toEqual([round * 10, round * 10, round * 10, round * 10])
    }
  })
})

describe('queries', () => {
  test('H5: several statements in one text are refused, and none of them runs', async () => {
    await client.command({ query: 'CREATE TABLE kept (a UInt8) ENGINE = MergeTree ORDER BY a' })
    expect((await failure(rows('SELECT 1; DROP TABLE kept'))).type).toBe('SYNTAX_ERROR')
    expect((await failure(client.command({ query: 'SELECT 1 FORMAT Null; DROP TABLE kept' }))).code).toBe(
      '62',
    )
    expect(await one('EXISTS TABLE kept')).toBe(1)
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
      const error = await failure(client.exec({ query }))
      expect([error.code, error.type]).toEqual([code, type])
    }
    const statuses = await Promise.all(
      ['SELECT * FROM nowhere', 'SELEC 1', 'SELECT throwIf(1)'].map((body) =>
        request({ headers: authorization() }, body),
      ),
    )
    expect(statuses.map(({ status, code }) => [status, code])).toEqual([
      [404, '60'],
      [400, '62'],
      [500, '395'],
    ])
  })

  test('H9: 64-bit numbers come as strings when asked for, and exactly', async () => {
    const quoted = await one('SELECT 18446744073709551615 AS x', {
      clickhouse_settings: { output_format_json_quote_64bit_integers: 1 },
    })
    expect(quoted).toBe('18446744073709551615')
    expect(await one('SELECT toString(18446744073709551615) AS x')).toBe('18446744073709551615')
  })

  test('parameters of many queries at once do not meet, and do not wait for each other', async () => {
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        one('SELECT {x:UInt32} + sleep(0.01)', { query_params: { x: index } }),
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
    const [found] = await rows<{ single: string[]; all: string[] }>(
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
    const [found] = await rows(`SELECT ${list} FROM system.{table:Identifier} LIMIT {limit:UInt32}`, {
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
    const types = await one(
      `SELECT toTypeName(({u:UInt128}, {i:Int64}, {b:Bool}, {t:DateTime64(3)}, {n:Nullable(Int8)}, {a:Array(Int64)}))`,
      {
        query_params: values,
      },
    )
    expect(types).toBe('Tuple(UInt128, Int64, Bool, DateTime64(3), Nullable(Int8), Array(Int64))')
  })

  test('a result too large for memory comes whole, by way of the disk, in every kind of format', async () => {
    const query = 'SELECT number, toString(number) AS text FROM numbers(1500000)'
    const streamed = await client.query({ query, format: 'JSONEachRow' })
    let count = 0
    for await (const batch of streamed.stream()) count += batch.length
    expect(count).toBe(1_500_000)
    const document = await (
      await client.query({ query, format: 'JSON', clickhouse_settings: { readonly: '1' } })
    ).json<{ number: number }>()
    expect(document.rows).toBe(1_500_000)
    expect(document.data.at(-1)).toMatchObject({ text: '1499999' })
    const binary = await client.exec({ query: `${query} FORMAT RowBinaryWithNamesAndTypes` })
    let bytes = 0
    for await (const chunk of binary.stream) bytes += (chunk as Buffer).length
    // Eight bytes a number, and a length and digits a text, after the names and types of two columns.
    const digits = 10 + 90 * 2 + 900 * 3 + 9_000 * 4 + 90_000 * 5 + 900_000 * 6 + 500_000 * 7
    const head = 1 + 'number'.length + 1 + 'text'.length + 1 + 'UInt64'.length + 1 + 'String'.length + 1
    expect(bytes).toBe(1_500_000 * 9 + digits + head)
    await eventually(async () => (await spooled()).length === 0)
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
      expect((await failure(rows(query, { clickhouse_settings }))).type).toBe(type)
      expect(await one('SELECT count() FROM numbers(100000)')).toBe(100_000)
    }
  })

  test('the engine keeps to its memory', async () => {
    const error = await failure(rows('SELECT length(groupArray(number)) FROM numbers(400000000)'))
    expect(error.type).toBe('MEMORY_LIMIT_EXCEEDED')
    expect(error.message).toContain('(total)')
  })

  test('a reader that leaves stops its query, and the connection serves the next', async () => {
    const stopped = new AbortController()
    const endless = Array.from({ length: 8 }, () =>
      client.query({
        query: 'SELECT count() FROM numbers(1000000000000) WHERE number % 7 = 3',
        abort_signal: stopped.signal,
      }),
    )
    const settled = Promise.allSettled(endless)
    const running =
      "SELECT count() FROM system.processes WHERE query LIKE '%1000000000000%' AND query NOT LIKE '%processes%'"
    const ran = request({ headers: authorization() }, 'KILL QUERY WHERE 0 ASYNC')
    await ran
    setTimeout(() => stopped.abort(), 300)
    for (const result of await settled) expect(result.status).toBe('rejected')
    await eventually(async () => (await one(running)) === 0)
    expect(await Promise.all(Array.from({ length: 8 }, () => one('SELECT 1')))).toEqual(Array(8).fill(1))
  })

  test('more callers than may wait are told so by name, and those who wait are served', async () => {
    const many = Array.from({ length: WAITING_MAX + 60 }, () => one('SELECT sleep(0.02) + 1'))
    const results = await Promise.allSettled(many)
    const refused = results.filter((result) => result.status === 'rejected')
    const types = new Set(refused.map(({ reason }) => (reason as ClickHouseError).type))
    expect(types).toEqual(new Set(['TOO_MANY_SIMULTANEOUS_QUERIES']))
    expect(results.length - refused.length).toBeGreaterThanOrEqual(WAITING_MAX)
    expect(await one('SELECT 1')).toBe(1)
  })

  test('a text over the bound is refused by name, though its sender is still writing', async () => {
    const padding = 'x'.repeat(QUERY_TEXT_BYTES_MAX)
    expect((await failure(rows(`SELECT '${padding}'`))).type).toBe('QUERY_IS_TOO_LARGE')
    expect(await one(`SELECT length('${padding.slice(0, -1_000)}')`)).toBe(QUERY_TEXT_BYTES_MAX - 1_000)
    const body = Readable.from(Array.from({ length: 400 }, () => numbers(10_000)))
    expect((await failure(insertBytes('SELECT 1', body))).type).toBe('BAD_ARGUMENTS')
  })

  test('a long query holds up neither pings nor other readers', async () => {
    const long = one('SELECT sleep(1)')
    const started = Date.now()
    expect((await client.ping()).success).toBe(true)
    expect((await client.ping({ select: true })).success).toBe(true)
    expect(await one('SELECT (SELECT 1)')).toBe(1)
    expect(Date.now() - started).toBeLessThan(900)
    await long
  })
})

describe('the door', () => {
  test('without the secret nothing is answered, nothing runs, and no body is kept', async () => {
    const basic = (pair: string) => ({ authorization: `Basic ${Buffer.from(pair).toString('base64')}` })
    for (const headers of [
      {},
      basic('purser:'),
      basic(`purser:${engine.password}x`),
      basic(`other:${engine.password}`),
      { 'x-clickhouse-user': 'purser' },
    ]) {
      const refused = await request({ headers }, 'CREATE TABLE intruder (a UInt8) ENGINE = Memory')
      expect([refused.status, refused.code]).toEqual([403, '516'])
    }
    const inUrl = await request({ path: `/?user=purser&password=${engine.password}` }, 'SELECT 1')
    expect(inUrl.status).toBe(403)
    const stranger = connect({ password: 'guess' })
    expect(
      (await failure(stranger.insert({ table: 'x', values: [{ a: 1 }], format: 'JSONEachRow' }))).type,
    ).toBe('AUTHENTICATION_FAILED')
    await stranger.close()
    expect(await one('EXISTS TABLE intruder')).toBe(0)
    expect(await spooled()).toEqual([])
  })

  test('ClickHouse’s own headers open it too', async () => {
    const headers = { 'x-clickhouse-user': engine.username, 'x-clickhouse-key': engine.password }
    expect(await request({ headers }, 'SELECT 1')).toMatchObject({ status: 200, text: '1\n' })
  })

  test('it listens on loopback only', () => {
    expect(new URL(engine.url).hostname).toBe('127.0.0.1')
  })

  test('GET reads and never changes anything', async () => {
    const get = (query: string) =>
      request({ method: 'GET', path: `/?query=${encodeURIComponent(query)}`, headers: authorization() })
    expect(await get('SELECT 1')).toMatchObject({ status: 200, text: '1\n' })
    expect(await get('CREATE TABLE by_get (a UInt8) ENGINE = Memory')).toMatchObject({
      status: 403,
      code: '164',
    })
  })

  test('what it does not do is refused by name', async () => {
    for (const url of ['/?session_id=1', '/?role=admin', '/?decompress=1']) {
      expect(await request({ path: url, headers: authorization() }, 'SELECT 1')).toMatchObject({
        status: 501,
        code: '48',
      })
    }
    for (const query of ["SELECT 1 INTO OUTFILE 'x'", "INSERT INTO t FROM INFILE '/etc/passwd' FORMAT CSV"]) {
      expect((await failure(client.command({ query }))).type).toBe('NOT_IMPLEMENTED')
    }
    expect((await failure(one('SELECT 1', { clickhouse_settings: { 'a = 1 --': 1 } }))).type).toBe(
      'BAD_ARGUMENTS',
    )
    expect((await failure(one('SELECT 1', { clickhouse_settings: { no_such_setting: 1 } }))).type).toBe(
      'UNKNOWN_SETTING',
    )
    const value = "1' --, readonly = '0"
    expect(
      (await failure(one('SELECT 1', { clickhouse_settings: { max_threads: value as never } }))).code,
    ).toMatch(/^\d+$/)
  })

  test('the answer says which query it answers and what it cost', async () => {
    const result = await client.exec({ query: 'SELECT number FROM numbers(10)', query_id: 'my query' })
    await text(result.stream)
    expect(result.query_id).toBe('my query')
    expect(result.response_headers['x-clickhouse-query-id']).toBe('my query')
    expect(Number(result.summary?.elapsed_ns)).toBeGreaterThan(0)
    const odd = await client.exec({ query: 'SELECT 1', query_id: 'line\nbreak' })
    await text(odd.stream)
    expect(odd.response_headers['x-clickhouse-query-id']).toMatch(/^[0-9a-f-]{36}$/)
  })
})
