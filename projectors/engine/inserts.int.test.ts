import http from 'node:http'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
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

describe('inserts', () => {
  test('H3: a blank line in the data ends nothing and runs nothing', async () => {
    await engine.client.command({ query: 'CREATE TABLE blank (a String) ENGINE = MergeTree ORDER BY a' })
    const evil = 'x\n\nTRUNCATE TABLE blank;\n\n'
    await engine.client.insert({ table: 'blank', values: [{ a: evil }], format: 'JSONEachRow' })
    await engine.client.insert({
      table: 'blank',
      values: Readable.from([`"${evil}"\n`], { objectMode: false }),
      format: 'CSV',
    })
    await engine.insertBytes('INSERT INTO blank FORMAT TSV', Buffer.from('first\n\nTRUNCATE TABLE blank;\n'))
    await engine.client.command({
      query: `INSERT INTO blank VALUES ('${evil.replaceAll('\n', '\\n')}'), ('${evil}')`,
    })
    expect(await engine.one('SELECT count() FROM blank')).toBe(7)
    expect(await engine.one('SELECT countIf(a = {evil:String}) FROM blank', { query_params: { evil } })).toBe(
      4,
    )
  })

  test('H4: binary data is stored to the last byte, whatever bytes it holds', async () => {
    await engine.client.command({ query: 'CREATE TABLE bytes (a UInt64) ENGINE = MergeTree ORDER BY a' })
    await engine.insertBytes('INSERT INTO bytes FORMAT RowBinary', numbers(100_000))
    await engine.insertBytes('INSERT INTO bytes (a) FORMAT RowBinary', numbers(100_000, 100_000))
    await engine.insertBytes(
      "INSERT INTO bytes SELECT b + 200000 FROM input('b UInt64') WHERE b < 5000 FORMAT RowBinary",
      numbers(100_000),
    )
    const [found] = await engine.rows('SELECT count() AS n, uniqExact(a) AS u, max(a) AS m FROM bytes')
    expect(found).toEqual({ n: 205_000, u: 205_000, m: 204_999 })
  })

  test('columns that are left out get their defaults', async () => {
    await engine.client.command({
      query: 'CREATE TABLE defaults (a UInt8, b UInt8 DEFAULT a + 1) ENGINE = MergeTree ORDER BY a',
    })
    await engine.client.insert({ table: 'defaults', values: [{ a: 1 }], format: 'JSONEachRow' })
    await engine.client.insert({
      table: 'defaults',
      values: [[5]],
      columns: ['a'],
      format: 'JSONCompactEachRow',
    })
    await engine.insertBytes('INSERT INTO defaults (a) FORMAT RowBinary', Buffer.from([7]))
    expect(await engine.rows('SELECT * FROM defaults ORDER BY a')).toEqual([
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
      await engine.client.command({ query })
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
      await engine.insertBytes('INSERT INTO feed FORMAT RowBinary', numbers(200_000), {
        ...settings,
        insert_deduplication_token: 'a:1-2',
      })
    }
    await engine.insertBytes('INSERT INTO feed FORMAT RowBinary', numbers(10, 200_000), {
      ...settings,
      insert_deduplication_token: 'a:3-3',
    })
    expect(await engine.one('SELECT count() FROM events')).toBe(200_010)
    expect(await engine.one('SELECT count() FROM entries')).toBe(400_020)
    // Squashed to one block, so one part a table and insert: what a merge would have to mend otherwise.
    expect(await engine.one("SELECT max(rows) FROM system.parts WHERE table = 'events' AND level = 0")).toBe(
      200_000,
    )
  })

  test('a body that is cut inserts nothing and leaves nothing behind', async () => {
    await engine.client.command({ query: 'CREATE TABLE cut (a UInt64) ENGINE = MergeTree ORDER BY a' })
    const url = `/?query=${encodeURIComponent('INSERT INTO cut FORMAT RowBinary')}`
    const whole = numbers(5_000)
    for (const [headers, bytes] of [
      [{ 'content-length': 80_000 }, whole],
      [{ 'transfer-encoding': 'chunked' }, whole],
      [{ 'content-length': 80_000, 'content-encoding': 'gzip' }, gzipSync(whole)],
    ] as const) {
      await new Promise<void>((resolve) => {
        const sent = http.request(engine.engine.url + url, {
          method: 'POST',
          headers: { ...engine.authorization(), ...headers },
        })
        sent.on('error', () => undefined)
        sent.on('close', () => resolve())
        sent.write(bytes)
        void eventually(async () => (await engine.spooled()).length > 0).then(() => sent.destroy())
      })
      await eventually(async () => (await engine.spooled()).length === 0)
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
    const insert = engine.client.exec({
      query: 'INSERT INTO cut FORMAT RowBinary',
      values: endless,
      abort_signal: stopped.signal,
    })
    setTimeout(() => stopped.abort(), 100)
    await expect(insert).rejects.toThrow()
    await eventually(async () => (await engine.spooled()).length === 0)
    expect(await engine.one('SELECT count() FROM cut')).toBe(0)
  })

  test('data that ends inside a row is an error with its code, not a path of this machine', async () => {
    await engine.client.command({ query: 'CREATE TABLE torn (a UInt64) ENGINE = MergeTree ORDER BY a' })
    const error = await failure(
      engine.insertBytes('INSERT INTO torn FORMAT RowBinary', numbers(100).subarray(0, 795)),
    )
    expect(error.type).toBe('CANNOT_READ_ALL_DATA')
    expect(error.message).not.toContain('in-')
    expect(await engine.one('SELECT count() FROM torn')).toBe(0)
  })

  test('an empty insert and a compressed one are inserts', async () => {
    await engine.client.command({ query: 'CREATE TABLE packed (a UInt64) ENGINE = MergeTree ORDER BY a' })
    await engine.client.insert({ table: 'packed', values: [], format: 'JSONEachRow' })
    await engine.insertBytes('INSERT INTO packed FORMAT RowBinary', Buffer.alloc(0))
    const packing = engine.connect({ compression: { request: true, response: true } })
    await packing.insert({ table: 'packed', values: [{ a: 1 }, { a: 2 }], format: 'JSONEachRow' })
    await packing.close()
    expect(await engine.one('SELECT sum(a) FROM packed')).toBe(3)
  })

  test('an insert that was answered is visible to every reader', async () => {
    await engine.client.command({ query: 'CREATE TABLE visible (a UInt64) ENGINE = MergeTree ORDER BY a' })
    for (let round = 1; round <= 20; round++) {
      await engine.insertBytes('INSERT INTO visible FORMAT RowBinary', numbers(10, round * 10), {
        async_insert: 1,
        wait_for_async_insert: 1,
      })
      const seen = await Promise.all(
        Array.from({ length: 4 }, () => engine.one('SELECT count() FROM visible')),
      )
      expect(seen).toEqual([round * 10, round * 10, round * 10, round * 10])
    }
  })
})
