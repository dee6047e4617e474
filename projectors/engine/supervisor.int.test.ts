import { createClient, ClickHouseLogLevel, type ClickHouseClient } from '@clickhouse/client'
import { fork } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, describe, expect, test } from 'vitest'
import {
  EngineStartError,
  startEngine,
  type Engine,
  type EngineOptions,
  type EngineState,
} from './supervisor.ts'

const ROWS_PER_BATCH = 500
const cleanups: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function folder(): Promise<string> {
  const dataDir = await mkdtemp(path.join(os.tmpdir(), 'engine-'))
  cleanups.push(() => rm(dataDir, { recursive: true, force: true }))
  return dataDir
}

async function start(options: EngineOptions): Promise<Engine> {
  const engine = await startEngine({ memoryBytesMax: 1024 ** 3, ...options })
  cleanups.push(() => engine.stop())
  return engine
}

function connect({ url, username, password }: Engine): ClickHouseClient {
  const client = createClient({
    url,
    username,
    password,
    request_timeout: 10_000,
    log: { level: ClickHouseLogLevel.OFF },
  })
  cleanups.push(() => client.close())
  return client
}

async function one(client: ClickHouseClient, query: string): Promise<unknown> {
  const result = await client.query({ query, format: 'JSONCompactEachRow' })
  return (await result.json<unknown[]>())[0]?.[0]
}

async function reached(engine: Engine, wanted: EngineState): Promise<void> {
  if (engine.state() === wanted) return
  await new Promise<void>((resolve) => {
    const off = engine.onState((state) => {
      if (state !== wanted) return
      off()
      resolve()
    })
  })
}

async function gone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0)
    } catch {
      return
    }
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** One batch: the rows of a number of their own. */
async function insertBatch(client: ClickHouseClient, batch: number): Promise<void> {
  const bytes = Buffer.alloc(ROWS_PER_BATCH * 8)
  for (let row = 0; row < ROWS_PER_BATCH; row++) {
    bytes.writeUInt32LE(batch, row * 8)
    bytes.writeUInt32LE(row, row * 8 + 4)
  }
  const { stream } = await client.exec({
    query: 'INSERT INTO batches FORMAT RowBinary',
    values: Readable.from([bytes]),
    clickhouse_settings: { insert_deduplication_token: `batch ${batch}` },
  })
  for await (const chunk of stream) void chunk
}

describe('the embedded engine', () => {
  test('kill -9 at any moment loses no row that was acknowledged, and a repeat doubles none', async () => {
    const engine = await start({ dataDir: await folder() })
    const { url, password } = engine
    const client = connect(engine)
    await client.command({
      query:
        'CREATE TABLE batches (batch UInt32, n UInt32) ENGINE = MergeTree ORDER BY (batch, n) SETTINGS non_replicated_deduplication_window = 1000',
    })
    let batch = 0
    let acknowledged = 0
    for (let kill = 0; kill < 4; kill++) {
      const timer = setTimeout(() => process.kill(engine.pid!, 'SIGKILL'), 40 + 37 * kill)
      let failed = false
      while (!failed) {
        try {
          await insertBatch(client, batch)
          acknowledged = ++batch
        } catch {
          failed = true
        }
      }
      clearTimeout(timer)
      await reached(engine, 'restarting')
      await reached(engine, 'ready')
      expect([engine.url, engine.password]).toEqual([url, password])
      expect(Number(await one(client, `SELECT count() FROM batches WHERE batch < ${acknowledged}`))).toBe(
        acknowledged * ROWS_PER_BATCH,
      )
      // What was not answered is sent again, as it was: whether it had been stored or not, it is there once.
      await insertBatch(client, batch)
      acknowledged = ++batch
      expect(Number(await one(client, 'SELECT count() FROM batches'))).toBe(acknowledged * ROWS_PER_BATCH)
      expect(Number(await one(client, 'SELECT uniqExact(batch, n) FROM batches'))).toBe(
        acknowledged * ROWS_PER_BATCH,
      )
    }
    expect(acknowledged).toBeGreaterThan(4)
  })

  test('a second engine on the same folder is refused by name, and the first one goes on', async () => {
    const dataDir = await folder()
    const engine = await start({ dataDir })
    const second = startEngine({ dataDir })
    await expect(second).rejects.toBeInstanceOf(EngineStartError)
    await expect(second).rejects.toMatchObject({ reason: 'folder_in_use' })
    expect(await one(connect(engine), 'SELECT 1')).toBe(1)
  })

  test('a child that hangs is replaced, at the same address', async () => {
    const lines: string[] = []
    const engine = await start({
      dataDir: await folder(),
      livenessMsMax: 1_000,
      log: (line) => lines.push(line),
    })
    const client = connect(engine)
    await client.command({ query: 'CREATE TABLE kept (a UInt8) ENGINE = MergeTree ORDER BY a' })
    const hung = engine.pid!
    process.kill(hung, 'SIGSTOP')
    await reached(engine, 'restarting')
    await reached(engine, 'ready')
    await gone(hung)
    expect(engine.pid).not.toBe(hung)
    expect(await one(client, 'EXISTS TABLE kept')).toBe(1)
    expect(lines.join('\n')).toContain('no sign of life')
  })

  test('a child that is busy with a long query is not taken for one that hangs', async () => {
    const engine = await start({ dataDir: await folder(), livenessMsMax: 1_000 })
    const client = connect(engine)
    const { pid } = engine
    const busy = Array.from({ length: 8 }, () => one(client, 'SELECT sleep(2.5)'))
    expect(await Promise.all(busy)).toEqual(Array(8).fill(0))
    expect(engine.pid).toBe(pid)
  })

  test('a child whose parent is killed ends, and lets go of the folder', async () => {
    const dataDir = await folder()
    const script = path.join(dataDir, 'parent.mjs')
    const supervisor = JSON.stringify(new URL('../../dist/projectors/engine/supervisor.js', import.meta.url))
    await writeFile(
      script,
      `import { startEngine } from ${supervisor}
       const engine = await startEngine({ dataDir: ${JSON.stringify(path.join(dataDir, 'data'))} })
       process.send(engine.pid)`,
    )
    const parent = fork(script, { execArgv: [] })
    const child = await new Promise<number>((resolve) =>
      parent.once('message', (pid) => resolve(pid as number)),
    )
    parent.kill('SIGKILL')
    const next = await start({ dataDir: path.join(dataDir, 'data') })
    expect(await one(connect(next), 'SELECT 1')).toBe(1)
    await gone(child)
  })

  test('a stop lets an insert finish, ends reads, keeps every row, and can be asked for twice', async () => {
    const dataDir = await folder()
    const engine = await start({ dataDir })
    const client = connect(engine)
    await client.command({ query: 'CREATE TABLE slow (a UInt64) ENGINE = MergeTree ORDER BY a' })
    const insert = client.command({
      query: 'INSERT INTO slow SELECT number + sleepEachRow(0.01) FROM numbers(60)',
    })
    const read = client.query({ query: 'SELECT count() FROM numbers(1000000000000) WHERE number % 7 = 3' })
    const outcomes = Promise.allSettled([insert, read])
    await new Promise((resolve) => setTimeout(resolve, 250))
    const pid = engine.pid!
    await Promise.all([engine.stop(), engine.stop()])
    await gone(pid)
    expect((await outcomes).map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    expect(engine.state()).toBe('stopped')
    const again = await start({ dataDir })
    expect(Number(await one(connect(again), 'SELECT count() FROM slow'))).toBe(60)
  })

  test('Ctrl-C and SIGTERM to the whole group leave it to the parent', async () => {
    const engine = await start({ dataDir: await folder() })
    process.kill(engine.pid!, 'SIGINT')
    process.kill(engine.pid!, 'SIGTERM')
    expect(await one(connect(engine), 'SELECT 1')).toBe(1)
    expect(engine.state()).toBe('ready')
  })

  test('what a killed process left in the spool is removed at start', async () => {
    const dataDir = await folder()
    await mkdir(path.join(dataDir, 'spool'), { recursive: true })
    await writeFile(path.join(dataDir, 'spool', 'in-1'), 'left over')
    await start({ dataDir })
    expect(await readdir(path.join(dataDir, 'spool'))).toEqual([])
  })

  test('a child that cannot come up again is given up, within a bound, and stop still works', async () => {
    const dataDir = await folder()
    const engine = await start({ dataDir })
    // Its address is taken at the moment at which it dies, so that every replacement fails to listen.
    const port = Number(new URL(engine.url).port)
    const squatter = net.createServer()
    const squat = (): void => void squatter.listen(port, '127.0.0.1')
    squatter.on('error', () => setTimeout(squat, 1))
    process.kill(engine.pid!, 'SIGKILL')
    squat()
    await reached(engine, 'failed')
    squatter.close()
    await engine.stop()
    expect(engine.state()).toBe('stopped')
  })

  test('an engine that cannot start says why', async () => {
    const dataDir = await folder()
    await writeFile(path.join(dataDir, 'store'), 'not a folder')
    await expect(startEngine({ dataDir })).rejects.toMatchObject({
      name: 'EngineStartError',
      reason: 'start_failed',
    })
  })

  test('every thread of it has a lower priority than this process', async () => {
    const engine = await start({ dataDir: await folder() })
    await one(connect(engine), 'SELECT count() FROM numbers_mt(1000000)')
    expect(os.getPriority(engine.pid)).toBeGreaterThan(os.getPriority())
    if (process.platform !== 'linux') return
    const threads = (await readdir(`/proc/${engine.pid}/task`)).map((thread) =>
      os.getPriority(Number(thread)),
    )
    // One thread of the engine's profiler raises itself.
    expect(threads.filter((niceness) => niceness === 10).length).toBeGreaterThanOrEqual(threads.length - 1)
  })
})
