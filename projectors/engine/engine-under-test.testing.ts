import { ClickHouseError, createClient, ClickHouseLogLevel, type ClickHouseClient } from '@clickhouse/client'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import http from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { PATIENCE_MS } from '../../test/support/patience.ts'
import { startEngine, type Engine } from './supervisor.ts'

/** For tests: a real engine on a temporary folder, the real client, and requests that the client would not make. */
export interface EngineUnderTest {
  readonly engine: Engine
  readonly client: ClickHouseClient
  connect(options?: Parameters<typeof createClient>[0]): ClickHouseClient
  rows<T = Record<string, unknown>>(query: string, options?: QueryOptions): Promise<T[]>
  /** The first column of the first row. */
  one(query: string, options?: QueryOptions): Promise<unknown>
  /** Runs an INSERT whose data is bytes. */
  insertBytes(
    query: string,
    body: Buffer | Readable,
    settings?: Record<string, string | number>,
  ): Promise<void>
  /** Names of the files that lie in the spool now. */
  spooled(): Promise<string[]>
  request(
    options: http.RequestOptions,
    body?: string,
  ): Promise<{ status: number; text: string; code: string | undefined }>
  authorization(): Record<string, string>
  stop(): Promise<void>
}

type QueryOptions = Partial<Parameters<ClickHouseClient['query']>[0]>

/** Starts an engine for one test file. */
export async function engineUnderTest(): Promise<EngineUnderTest> {
  const dataDir = await mkdtemp(path.join(os.tmpdir(), 'engine-'))
  const engine = await startEngine({ dataDir, memoryBytesMax: 1024 ** 3 })
  const { url, username, password } = engine
  const connect = (options: Parameters<typeof createClient>[0] = {}) =>
    createClient({
      url,
      username,
      password,
      log: { level: ClickHouseLogLevel.OFF },
      max_open_connections: 400,
      ...options,
    })
  const client = connect()
  const rows = async <T>(query: string, options: QueryOptions = {}) => {
    const result = await client.query({ query, format: 'JSONEachRow', ...options })
    return (await result.json()) as T[]
  }
  return {
    engine,
    client,
    connect,
    rows,
    one: async (query, options) =>
      Object.values((await rows<Record<string, unknown>>(query, options))[0] ?? {})[0],
    insertBytes: async (query, body, settings = {}) => {
      const values = Buffer.isBuffer(body) ? Readable.from([body]) : body
      await text((await client.exec({ query, values, clickhouse_settings: settings })).stream)
    },
    spooled: () => readdir(path.join(dataDir, 'spool')),
    request: (options, body) => request(url, options, body),
    authorization: () => ({
      authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`,
    }),
    stop: async () => {
      await client.close()
      await engine.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

/** UInt64 values as RowBinary, starting at `from`. */
export function numbers(count: number, from = 0): Buffer {
  const bytes = Buffer.alloc(count * 8)
  for (let index = 0; index < count; index++) bytes.writeBigUInt64LE(BigInt(from + index), index * 8)
  return bytes
}

/** Everything that a stream holds. */
export async function text(stream: Readable): Promise<string> {
  let all = ''
  for await (const chunk of stream) all += String(chunk)
  return all
}

/** Waits until a check holds, within a test's patience. */
export async function eventually(check: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error('It did not happen in time.')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** The ClickHouseError that a promise rejects with; any other outcome is thrown. */
export async function failure(promise: Promise<unknown>): Promise<ClickHouseError> {
  try {
    await promise
  } catch (error) {
    if (error instanceof ClickHouseError) return error
    throw error
  }
  throw new Error('It did not fail.')
}

function request(
  url: string,
  options: http.RequestOptions,
  body?: string,
): Promise<{ status: number; text: string; code: string | undefined }> {
  return new Promise((resolve, reject) => {
    const sent = http.request(url, { method: 'POST', ...options }, (response) => {
      let answer = ''
      response.setEncoding('utf8').on('data', (part: string) => (answer += part))
      response.on('end', () => {
        const code = response.headers['x-clickhouse-exception-code'] as string | undefined
        resolve({ status: response.statusCode!, text: answer, code })
      })
    })
    sent.on('error', reject)
    sent.end(body)
  })
}
