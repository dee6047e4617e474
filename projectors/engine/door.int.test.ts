import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { engineUnderTest, failure, text, type EngineUnderTest } from './engine-under-test.testing.ts'

let engine: EngineUnderTest

beforeAll(async () => {
  engine = await engineUnderTest()
})

afterAll(() => engine?.stop())

describe('the door', () => {
  test('without the secret nothing is answered, nothing runs, and no body is kept', async () => {
    const basic = (pair: string) => ({ authorization: `Basic ${Buffer.from(pair).toString('base64')}` })
    for (const headers of [
      {},
      basic('purser:'),
      basic(`purser:${engine.engine.password}x`),
      basic(`other:${engine.engine.password}`),
      { 'x-clickhouse-user': 'purser' },
    ]) {
      const refused = await engine.request({ headers }, 'CREATE TABLE intruder (a UInt8) ENGINE = Memory')
      expect([refused.status, refused.code]).toEqual([403, '516'])
    }
    const inUrl = await engine.request(
      { path: `/?user=purser&password=${engine.engine.password}` },
      'SELECT 1',
    )
    expect(inUrl.status).toBe(403)
    const stranger = engine.connect({ password: 'guess' })
    expect(
      (await failure(stranger.insert({ table: 'x', values: [{ a: 1 }], format: 'JSONEachRow' }))).type,
    ).toBe('AUTHENTICATION_FAILED')
    await stranger.close()
    expect(await engine.one('EXISTS TABLE intruder')).toBe(0)
    expect(await engine.spooled()).toEqual([])
  })

  test('ClickHouse’s own headers open it too', async () => {
    const headers = {
      'x-clickhouse-user': engine.engine.username,
      'x-clickhouse-key': engine.engine.password,
    }
    expect(await engine.request({ headers }, 'SELECT 1')).toMatchObject({ status: 200, text: '1\n' })
  })

  test('it listens on loopback only', () => {
    expect(new URL(engine.engine.url).hostname).toBe('127.0.0.1')
  })

  test('GET reads and never changes anything', async () => {
    const get = (query: string) =>
      engine.request({
        method: 'GET',
        path: `/?query=${encodeURIComponent(query)}`,
        headers: engine.authorization(),
      })
    expect(await get('SELECT 1')).toMatchObject({ status: 200, text: '1\n' })
    expect(await get('CREATE TABLE by_get (a UInt8) ENGINE = Memory')).toMatchObject({
      status: 403,
      code: '164',
    })
  })

  test('what it does not do is refused by name', async () => {
    for (const url of ['/?session_id=1', '/?role=admin', '/?decompress=1']) {
      expect(await engine.request({ path: url, headers: engine.authorization() }, 'SELECT 1')).toMatchObject({
        status: 501,
        code: '48',
      })
    }
    for (const query of ["SELECT 1 INTO OUTFILE 'x'", "INSERT INTO t FROM INFILE '/etc/passwd' FORMAT CSV"]) {
      expect((await failure(engine.client.command({ query }))).type).toBe('NOT_IMPLEMENTED')
    }
    expect((await failure(engine.one('SELECT 1', { clickhouse_settings: { 'a = 1 --': 1 } }))).type).toBe(
      'BAD_ARGUMENTS',
    )
    expect(
      (await failure(engine.one('SELECT 1', { clickhouse_settings: { no_such_setting: 1 } }))).type,
    ).toBe('UNKNOWN_SETTING')
    const value = "1' --, readonly = '0"
    expect(
      (await failure(engine.one('SELECT 1', { clickhouse_settings: { max_threads: value as never } }))).code,
    ).toMatch(/^\d+$/)
  })

  test('the answer says which query it answers and what it cost', async () => {
    const result = await engine.client.exec({ query: 'SELECT number FROM numbers(10)', query_id: 'my query' })
    await text(result.stream)
    expect(result.query_id).toBe('my query')
    expect(result.response_headers['x-clickhouse-query-id']).toBe('my query')
    expect(Number(result.summary?.elapsed_ns)).toBeGreaterThan(0)
    const odd = await engine.client.exec({ query: 'SELECT 1', query_id: 'line\nbreak' })
    await text(odd.stream)
    expect(odd.response_headers['x-clickhouse-query-id']).toMatch(/^[0-9a-f-]{36}$/)
  })
})
