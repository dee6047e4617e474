/**
 * A view that the product does not know: it is given as a parameter, and gets all that the built-in ones get. Also the
 * shortest example of one: a projection with one table, a query of it, and a field of the schema that asks it.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { buildSchema } from '../gateway/schema/schema.ts'
import { provePlatform } from '../cli/audit/proof.ts'
import {
  gatewayUnderTest,
  openAccounts,
  OPEN,
  TRANSFER,
  uuid,
  type GatewayUnderTest,
} from '../gateway/gateway-under-test.testing.ts'
import { sqlProjectionsOf, type View } from '../gateway/view.ts'
import type { ViewStore } from '../projectors/clickhouse/view-store.ts'
import { allTogether, tableNames, type SqlProjection } from '../projectors/projection.ts'
import { proveByReplay } from '../projectors/proof/prove.ts'
import { startProjections } from '../projectors/runtime/runtime.ts'
import { servedStore } from '../projectors/serving.ts'
import { within } from '../projectors/sql.ts'
import { BUILT_IN_VIEWS } from '../projectors/views/built-in.ts'
import { startPlatform } from '../platform/embedded-platform.ts'
import { ISO_CURRENCIES } from '../schemas/money.ts'
import type { Position } from '../schemas/positions.ts'
import { REFUSAL_CODES, refusalOf, type RefusalCode } from '../schemas/refusals.ts'

/** Refusals: one row for each command that was refused. */
const refusals = {
  kind: 'sql',
  name: 'refusals',
  version: 1,
  tables: [
    {
      name: 'refusals',
      columns: [
        ['partition', 'UInt16'],
        ['sequence', 'UInt64'],
        ['refusal', 'UInt8'],
      ],
      key: ['sequence'],
      select: 'partition, sequence, refusal',
      where: 'refusal != 0',
    },
  ],
} as const satisfies SqlProjection

const TABLES = tableNames(refusals)

interface RefusalCount {
  readonly code: RefusalCode
  readonly count: number
}

async function refusalCounts(store: ViewStore, upTo: Position): Promise<RefusalCount[]> {
  const rows = await store.query<{ refusal: number; refused: string }>(
    `SELECT refusal, uniqExact(partition, sequence) AS refused FROM {refusals:Identifier} WHERE ${within(upTo)}
     GROUP BY refusal ORDER BY refusal`,
  )
  return rows.map(({ refusal, refused }) => ({ code: refusalOf(refusal)!, count: Number(refused) }))
}

const view: View = {
  projection: refusals,
  addToSchema({ builder, RefusalCodeEnum }) {
    const Count = builder.objectRef<RefusalCount>('RefusalCount').implement({
      fields: (t) => ({
        code: t.field({ type: RefusalCodeEnum, resolve: ({ code }) => code }),
        count: t.exposeInt('count'),
      }),
    })
    builder.queryField('refusalCounts', (t) =>
      t.field({
        type: [Count],
        args: { after: t.arg({ type: 'Position' }) },
        resolve: async (_root, { after }, { services, point }) =>
          refusalCounts(services.views.store, (await point.of('refusals', after)).upTo),
      }),
    )
  },
}

const COUNTS = 'query ($after: Position) { refusalCounts(after: $after) { code count } }'
const TABLES_THERE = `SELECT name FROM system.tables WHERE database = currentDatabase() AND name LIKE '%refusals%' ORDER BY name`

/** Makes accounts, moves what is there, and tries to move what is not; says where the log has the last of it. */
async function trade(under: GatewayUnderTest): Promise<string> {
  const { accounts } = await openAccounts(under, 2)
  let position = ''
  for (const amount of ['100', '999999', '888888', '200']) {
    const [debitAccountId, creditAccountId] = accounts
    const input = { id: uuid(), debitAccountId, creditAccountId, amount, currency: 'EUR' }
    const { transfer } = await under.data<{ transfer: { position: string } }>(TRANSFER, { input })
    position = transfer.position
  }
  return position
}

describe('a view that is given', () => {
  let under: GatewayUnderTest
  let after: string
  beforeAll(async () => {
    under = await gatewayUnderTest({ views: [...BUILT_IN_VIEWS, view] })
    after = await trade(under)
  })
  afterAll(() => under.stop())

  test('is made, filled and read through GraphQL at the position that is asked for', async () => {
    expect(await under.data(COUNTS, { after })).toEqual({
      refusalCounts: [{ code: 'insufficient_funds', count: 2 }],
    })
  })

  test('is told of with the others, has a checkpoint of its own, and is waited for like them', async () => {
    const { projections } = await under.data<{ projections: { name: string; position: string }[] }>(
      'query ($after: Position) { projections(after: $after) { name position } }',
      { after },
    )
    expect(projections.map(({ name }) => name)).toEqual([
      'balances',
      'history',
      'audit',
      'crossings',
      'refusals',
    ])
    expect(new Set(projections.map(({ position }) => position)).size).toBe(1)
    const rows = await under.store.query(
      `SELECT partition FROM checkpoints_v3 WHERE projection_name = 'refusals' GROUP BY partition`,
    )
    expect(rows).toEqual([{ partition: 0 }])
  })

  test('is proven by a replay of the log, and a row that the log does not have is found', async () => {
    const { store, writer, projections } = under
    const upTo = projections.position().get(0)!
    const proof = (): ReturnType<typeof proveByReplay> =>
      proveByReplay({
        store,
        log: writer.log,
        upTo,
        projections: sqlProjectionsOf([...BUILT_IN_VIEWS, view]),
      })
    const { equal, digests } = await proof()
    expect(equal).toBe(true)
    expect(digests.filter(({ projection }) => projection === 'refusals')).toMatchObject([{ rows: 2n }])
    await store.command(`INSERT INTO ${TABLES.refusals} VALUES (0, 1, ${REFUSAL_CODES.account_not_frozen})`)
    const { differences } = await proof()
    expect(differences.map(({ live }) => live.table)).toEqual(['refusals'])
  })

  test('is emptied by a reset with the others, and filled again', async () => {
    await under.projections.reset()
    expect(await under.data(COUNTS, { after })).toEqual({
      refusalCounts: [{ code: 'insufficient_funds', count: 2 }],
    })
  })
})

describe('a view that is not given', () => {
  let under: GatewayUnderTest
  beforeAll(async () => {
    under = await gatewayUnderTest()
  })
  afterAll(() => under.stop())

  test('has no table, no field and no name', async () => {
    await trade(under)
    expect(await under.store.query(TABLES_THERE)).toEqual([])
    const { errors } = await under.graphql(COUNTS)
    expect(errors?.[0]?.message).toContain('refusalCounts')
    expect(under.projections.status().map(({ name }) => name)).toEqual([
      'balances',
      'history',
      'audit',
      'crossings',
    ])
  })

  test('is filled from the first event on once it is given, and the others hold what they held', async () => {
    const { store, writer } = under
    const projections = sqlProjectionsOf([...BUILT_IN_VIEWS, view])
    const head = new Map([[0, writer.log.head().sequence]])
    const running = await startProjections({
      store,
      projections: allTogether(projections),
      logs: [writer.log],
    })
    onTestFinished(() => running.stop())
    expect(await running.waitFor(head, 20_000)).toBe(true)
    expect(await refusalCounts(servedStore(store, running.serving()), head)).toEqual([
      { code: 'insufficient_funds', count: 2 },
    ])
    expect(await proveByReplay({ store, log: writer.log, upTo: head.get(0)!, projections })).toMatchObject({
      equal: true,
    })
  })
})

test('an embedded platform that is given one serves it, and its audit proves it with the others', async () => {
  const dataDir = await mkdtemp(path.join(os.tmpdir(), 'added-view-'))
  const platform = await startPlatform({
    dataDir,
    host: '127.0.0.1',
    port: 0,
    currencies: ISO_CURRENCIES,
    graphiql: false,
    engineMemoryBytes: 1024 ** 3,
    core: { holdsMax: 1024 },
    views: [...BUILT_IN_VIEWS, view],
    log: () => undefined,
  })
  onTestFinished(async () => {
    await platform.stop()
    await rm(dataDir, { recursive: true, force: true })
  })
  const ask = async (query: string, variables = {}): Promise<unknown> => {
    const response = await fetch(`${platform.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables }),
    })
    return response.json()
  }
  expect(await ask(COUNTS)).toEqual({ data: { refusalCounts: [] } })
  await ask(OPEN, { input: { accountId: uuid(), currency: 'EUR' } })
  const audit = async () => (await provePlatform(platform)).checks.find(({ name }) => name === 'views')
  const whole = await audit()
  expect(whole?.finding).toContain('12 tables equal')
  expect(whole?.holds).toBe(true)
  await platform.store.command(`INSERT INTO ${TABLES.refusals} VALUES (0, 1, 1)`)
  const spoiled = await audit()
  expect(spoiled?.finding).toMatch(/differ .*: refusals$/)
  expect(spoiled?.holds).toBe(false)
})

test('a schema has what its own views bring, whatever other schemas are made in the process', () => {
  const fieldsOf = (views: readonly View[]): string[] =>
    Object.keys(buildSchema(views).getQueryType()!.getFields())
  const before = fieldsOf(BUILT_IN_VIEWS)
  expect(fieldsOf([...BUILT_IN_VIEWS, view])).toEqual([...before, 'refusalCounts'].sort())
  expect(fieldsOf(BUILT_IN_VIEWS)).toEqual(before)
  expect(fieldsOf([])).toEqual(['node', 'projectionVersions', 'projections', 'transfer'])
})
