/**
 * What is said to a ClickHouse server and to a cluster. No server runs here, so the texts are held as they are, and read by
 * the embedded engine's own parser; docs/clickhouse-server.md says what only a server can show.
 */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createViewStore, PASSING, viewSettings } from './clickhouse-store.ts'
import { createViewUsers, userStatements } from './clickhouse-users.ts'
import { engineUnderTest, type EngineUnderTest } from '../engine/engine-under-test.testing.ts'
import { createRegistry } from '../registry/tables.ts'
import {
  createSharedFeed,
  createVersion,
  dropSharedFeed,
  dropVersion,
  sharedFeedName,
  sharedPartsOf,
} from './view-tables.ts'
import { BUILT_IN_PROJECTIONS } from '../views/built-in.ts'
import type { Layout } from '../projection.ts'
import { balances } from '../views/balances/projection.ts'
import type { ViewStore } from './view-store.ts'

const CLUSTER = { database: 'purser', cluster: 'bank' }
const USERS = {
  database: 'purser',
  writer: { name: 'purser_writer', password: "it's" },
  reader: { name: 'purser_reader', password: 'secret-of-the-reader' },
}

/** Everything that is made of balances, and what several versions share. */
function made(layout?: Layout): string[] {
  return [...createRegistry(layout), ...createVersion(balances, layout), ...createSharedFeed(BUILT_IN_PROJECTIONS, layout)]
} // prettier-ignore

function dropped(layout?: Layout): string[] {
  const shared = sharedFeedName(BUILT_IN_PROJECTIONS)
  const links = sharedPartsOf(BUILT_IN_PROJECTIONS).slice(1)
  return [...dropSharedFeed(shared, links, layout), ...BUILT_IN_PROJECTIONS.flatMap((one) => dropVersion(one, layout))]
} // prettier-ignore

let engine: EngineUnderTest
beforeAll(async () => {
  engine = await engineUnderTest()
})
afterAll(() => engine.stop())

describe('the tables', () => {
  it('of one server are these', async () => {
    await expect(text(made())).toMatchFileSnapshot('testdata/ddl-server.sql')
  })

  it('of a cluster are replicated, and distributed by partition', async () => {
    await expect(text(made(CLUSTER))).toMatchFileSnapshot('testdata/ddl-cluster.sql')
  })

  it('of a cluster stand on every server of it, under names with their database', () => {
    for (const statement of [...made(CLUSTER), ...dropped(CLUSTER)]) {
      expect(statement).toContain(" ON CLUSTER 'bank'")
      for (const [name] of statement.matchAll(/(?<![\w'.])(\w+_v\d+\w*)/g)) expect.fail(`${name} has no database in ${statement}`)
    }
  }) // prettier-ignore

  it('are removed in an order in which nothing is written behind: what fills before what is filled', () => {
    const order = dropVersion(balances, CLUSTER).map((statement) =>
      statement.startsWith('DROP VIEW') ? 0 : 1,
    )
    expect(order).toEqual([...order].sort())
  })

  it('have names that fit no other statement', () => {
    for (const layout of [
      { ...CLUSTER, cluster: "a' b" },
      { cluster: 'bank' },
      { ...CLUSTER, database: 'a b' },
    ])
      expect(() => made(layout)).toThrow(RangeError)
  })

  it('are statements that ClickHouse can read', async () => {
    await expectReadable([...made(CLUSTER), ...dropped(CLUSTER)])
  })
})

describe('the users', () => {
  it('are a writer and a reader with the least rights', async () => {
    const salt = (): string => '00112233445566778899aabbccddeeff'
    const one = userStatements(USERS, salt)
    const many = userStatements({ ...USERS, cluster: 'bank' }, salt)
    await expect(text(one)).toMatchFileSnapshot('testdata/users-server.sql')
    await expect(text(many)).toMatchFileSnapshot('testdata/users-cluster.sql')
    await expectReadable([...one, ...many])
  })

  it('never have their passwords told', () => {
    const said = userStatements(USERS).join('\n')
    expect(said).not.toContain('secret-of-the-reader')
    expect(said).not.toContain("it's")
    expect(userStatements(USERS)).not.toEqual(userStatements(USERS))
  })

  it('are called what cannot be taken for something else', () => {
    const named = (name: string) => ({ ...USERS, reader: { name, password: '' } })
    for (const name of ['a`b', '', 'a b', 'purser_writer']) expect(() => userStatements(named(name))).toThrow(RangeError)
  }) // prettier-ignore

  it('are made by an administrator once the server answers', async () => {
    const said: string[] = []
    let refusals = 2
    const server = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => (body += chunk.toString()))
      request.on('end', () => {
        if (refusals-- > 0) response.destroy()
        else response.end(() => said.push(body))
      })
    })
    const url = await listening(server)
    const lines: string[] = []
    const admin = { url, username: 'default', password: '' }
    await createViewUsers({ ...USERS, admin, patienceMs: 10_000, log: (line) => lines.push(line) })
    expect(said.map((one) => one.slice(0, 12))).toEqual(userStatements(USERS).map((one) => one.slice(0, 12)))
    expect(lines.join()).toMatch(/purser_writer may write .* purser_reader may read/)
  })
})

describe('the settings', () => {
  it('make a write count when a majority of replicas has it, and a read see every write before', () => {
    expect(viewSettings(undefined)).toMatchObject({ async_insert: 0, insert_deduplicate: 1 })
    expect(viewSettings('bank')).toMatchObject({
      ...viewSettings(undefined),
      insert_quorum: 'auto',
      insert_quorum_parallel: 0,
      select_sequential_consistency: 1,
      distributed_foreground_insert: 1,
      skip_unavailable_shards: 0,
    })
  })

  it('are known to ClickHouse, all of them', async () => {
    const names = Object.keys(viewSettings('bank')).filter((name) => name !== 'wait_end_of_query')
    const known = await engine.rows<{ name: string }>('SELECT name FROM system.settings WHERE name IN {names:Array(String)}', { query_params: { names } }) // prettier-ignore
    expect(known.map(({ name }) => name).sort()).toEqual(names.sort())
  })

  it('and so are the errors after which a statement is sent again', async () => {
    const rows = await engine.rows<{ name: string }>(
      'SELECT errorCodeToName(number) AS name FROM numbers(2000)',
    )
    const names = new Set(rows.map(({ name }) => name))
    expect([...PASSING].filter((name) => !names.has(name))).toEqual([])
  })

  it('reach the server with every kind of statement', async () => {
    const asked: URLSearchParams[] = []
    const server = createServer((request, response) => {
      request.resume().on('end', () => {
        asked.push(new URL(request.url!, 'http://x').searchParams)
        response.end()
      })
    })
    const url = await listening(server)
    const store = createViewStore({ url, username: 'u', password: 'p', ...CLUSTER })
    await store.query('SELECT 1')
    await store.command('INSERT INTO t SELECT 1')
    await store.insertPayload('INSERT INTO t FORMAT RowBinary', [new Uint8Array(8)], { insert_deduplication_token: 'x' })
    await store.close()
    expect(asked).toHaveLength(3)
    for (const parameters of asked) {
      expect(parameters.get('database')).toBe('purser')
      for (const [name, value] of Object.entries(viewSettings('bank'))) expect(parameters.get(name)).toBe(String(value))
    }
  }) // prettier-ignore
})

describe('an answer', () => {
  const BODY = { stranger: '<html><body>upstream is gone</body></html>', clickhouse: "Code: 60. DB::Exception: no such table. (UNKNOWN_TABLE)" } // prettier-ignore
  const kinds = [
    ['query', (store: ViewStore) => store.query('SELECT 1')],
    ['command', (store: ViewStore) => store.command('SELECT 1')],
    ['insert', (store: ViewStore) => store.insertPayload('INSERT INTO t FORMAT RowBinary', [new Uint8Array(8)])],
  ] as const // prettier-ignore

  /** Answers so many requests with this, and those behind them with nothing wrong. */
  async function answering(status: number, body: string, times: number): Promise<{ store: ViewStore; asked: () => number }> {
    let asked = 0
    const server = createServer((request, response) => {
      request.resume().on('end', () => {
        if (asked++ < times) response.writeHead(status).end(body)
        else response.end()
      })
    })
    const store = createViewStore({ url: await listening(server), username: 'u', password: 'p', retryMsMax: times === Infinity ? 50 : 20_000 })
    onTestFinished(() => store.close())
    return { store, asked: () => asked }
  } // prettier-ignore

  it.each(kinds)('to a %s that is not ClickHouse’s own is waited out', async (_, ask) => {
    for (const status of [404, 429, 502, 503, 504]) {
      const { store, asked } = await answering(status, status === 504 ? '' : BODY.stranger, 2)
      await ask(store)
      expect(asked()).toBe(3)
    }
  })

  it.each(kinds)(
    'to a %s that is not ClickHouse’s own is an outage in the end, named by its status',
    async (_, ask) => {
      const { store } = await answering(502, BODY.stranger, Infinity)
      await expect(ask(store)).rejects.toMatchObject({
        code: 'VIEWS_UNAVAILABLE',
        message: 'The view store does not answer: HTTP 502, not from ClickHouse itself: upstream is gone',
      })
    },
  )

  it.each(kinds)('to a %s that is ClickHouse’s own says what is wrong with it, at once', async (_, ask) => {
    const { store, asked } = await answering(404, BODY.clickhouse, Infinity)
    await expect(ask(store)).rejects.toMatchObject({ type: 'UNKNOWN_TABLE' })
    expect(asked()).toBe(1)
  })
})

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function text(statements: readonly string[]): string {
  return `${statements.join(';\n\n')};\n`
}

/** Each is read by ClickHouse's parser, and run by nobody. */
async function expectReadable(statements: readonly string[]): Promise<void> {
  const read = (statement: string) =>
    engine.request({ headers: engine.authorization() }, `EXPLAIN AST ${statement}`)
  expect((await read(`${statements[0]} AND MORE`)).status).not.toBe(200)
  for (const statement of statements)
    expect(await read(statement), statement).toMatchObject({ status: 200, code: undefined })
}
