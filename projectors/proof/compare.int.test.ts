import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Position } from '../../schemas/positions.ts'
import { SampleWallet, type Step } from '../../test/model/sample-wallet.ts'
import { MemoryLog } from '../../test/support/memory-log.ts'
import { createViewStore } from '../clickhouse/clickhouse-store.ts'
import type { ViewStore } from '../clickhouse/view-store.ts'
import { createSharedFeed, createVersion, sharedFeedName } from '../clickhouse/view-tables.ts'
import type { CodeProjection } from '../code-projection.ts'
import { engineUnderTest, type EngineUnderTest } from '../engine/engine-under-test.testing.ts'
import { tableName, type SqlProjection } from '../projection.ts'
import { insertRange, RangeBuffer } from '../runtime/lanes/range.ts'
import { audit } from '../views/audit/projection.ts'
import { balances } from '../views/balances/projection.ts'
import { history } from '../views/history/projection.ts'
import { createRegistry } from '../registry/tables.ts'
import { definitionOf, type Version } from '../registry/versions.ts'
import { noCheckpoint, writeCheckpoint } from '../runtime/checkpoints.ts'
import { fixedServing } from '../serving.ts'
import { comparerOf } from './compare-registered.ts'
import { compareVersions, type Comparison, type TableComparison } from './compare.ts'
import { digestViews } from './digest.ts'
import { storedTables, type StoredTable } from './rows-at.ts'

const BUILT_IN: readonly SqlProjection[] = [balances, history, audit]
/** Both versions of each, behind one feed. */
const VERSIONS = [...BUILT_IN, ...BUILT_IN.map((one) => ({ ...one, version: 2 }))]
const FEED = sharedFeedName(VERSIONS)
const TABLES = BUILT_IN.flatMap((one) => one.tables.map(({ name }) => name))

let engine: EngineUnderTest
let store: ViewStore
beforeAll(async () => {
  engine = await engineUnderTest()
  store = createViewStore(engine.engine)
  for (const statement of [...VERSIONS.flatMap((one) => createVersion(one)), ...createSharedFeed(VERSIONS)])
    await store.command(statement)
})
afterAll(async () => {
  await store.close()
  await engine.stop()
})
const KINDS = ['transfer', 'hold', 'transfer', 'post', 'hold', 'void', 'transfer', 'refuse'] as const

/** Every wallet has a partition of its own, so that tests share the tables and nothing else. */
let partitions = 0

/** A wallet of so many steps. */
function walletOf(steps: number): SampleWallet {
  const wallet = new SampleWallet(++partitions)
  const step = (index: number, what: Step['what']): void =>
    void wallet.step({ what, one: index, other: index * 7 + 1, amount: (index % 90) + 1, hours: index % 5, text: index % 3 ? '' : "it's" })
  for (let index = 0; index < 12; index++) step(index, 'open')
  for (let index = 0; index < steps; index++) step(index, KINDS[index % KINDS.length]!)
  return wallet
} // prettier-ignore

/** Fills both versions, which stand behind one feed, in ranges of so many events. */
async function write({ partition, events }: SampleWallet, range = 1e6): Promise<void> {
  const log = new MemoryLog(partition)
  for (let at = 0; at < events.length; at += range) log.append(events.slice(at, at + range))
  const buffer = new RangeBuffer({ rangeEventsMax: range, rangeBytesMax: 1e9 })
  for (const frame of log.frames) {
    if (!buffer.hasRoom(frame)) await insertRange(store, FEED, buffer.take()!)
    buffer.push(frame, 0)
  }
  if (!buffer.isEmpty) await insertRange(store, FEED, buffer.take()!)
}

function headOf(...wallets: readonly SampleWallet[]): Position {
  return new Map(wallets.map(({ partition, events }) => [partition, BigInt(events.length)]))
}

/** The tables of a version; those of the past are of the same version. */
function tablesOf(projection: SqlProjection, version: number): readonly StoredTable[] {
  return storedTables(projection, (table) => tableName({ version }, table))
}

function compare(
  projection: SqlProjection,
  at: Position,
  position = at,
  namedMax?: number,
): Promise<Comparison> {
  return compareVersions({
    store,
    projection: projection.name,
    left: { version: 1, position, tables: tablesOf(projection, 1) },
    right: { version: 2, position, tables: tablesOf(projection, 2) },
    at,
    accounts: 'accounts_v1',
    ...(namedMax === undefined ? {} : { namedMax }),
  })
}

async function compareTable(projection: SqlProjection, table: string, at: Position, position = at): Promise<TableComparison> {
  const { tables, equal } = await compare(projection, at, position)
  const others = tables.filter((one) => one.table !== table)
  expect(others.map(({ state }) => state)).toEqual(others.map(() => 'equal'))
  const found = tables.find((one) => one.table === table)!
  expect(equal).toBe(found.state === 'equal')
  return found
} // prettier-ignore

const alter = (sql: string): Promise<void> => store.command(`ALTER TABLE ${sql} SETTINGS mutations_sync = 2`)

describe('versions that hold the same', () => {
  it('are equal at every position, whatever was delivered twice or is behind it, and their digests are those of any other cut', async () => {
    const [one, two] = [walletOf(120), walletOf(60)]
    await write(one)
    await write(two)
    const before = await digestViews(store, BUILT_IN, headOf(one, two))
    for (const table of TABLES) await store.command(`INSERT INTO ${table}_v2 SELECT * FROM ${table}_v2`)
    const past = new Map([[one.partition, 70n], [two.partition, 31n]]) // prettier-ignore
    for (const at of [headOf(one, two), past, new Map([[two.partition, 9n]])])
      for (const projection of BUILT_IN) {
        const { tables, equal } = await compare(projection, at, headOf(one, two))
        expect(tables.filter(({ state }) => state !== 'equal')).toEqual([])
        expect(equal).toBe(true)
        for (const { rows, digests, differences, totals } of tables) {
          expect([rows.left, digests.left, differences]).toEqual([rows.right, digests.right, []])
          for (const { left, right } of totals) expect(left).toBe(right)
        }
      }
    for (const table of TABLES) await store.command(`TRUNCATE TABLE ${table}_v1`)
    await write(one, 7)
    await write(two, 11)
    expect(await digestViews(store, BUILT_IN, headOf(one, two))).toEqual(before)
  })

  it('tell totals per currency, of tables with a currency and of those with an account', async () => {
    const wallet = walletOf(40)
    await write(wallet)
    const at = headOf(wallet)
    const totals = async (projection: SqlProjection, table: string, column: string): Promise<readonly (readonly [string, bigint])[]> =>
      (await compare(projection, at)).tables
        .find((one) => one.table === table)!
        .totals.filter((one) => one.column === column)
        .map(({ currency, left }) => [currency, left] as const) // prettier-ignore
    const expected = new Map<string, bigint>()
    for (const { refusal, currency, amount, debit, credit } of wallet.events)
      if (refusal === undefined)
        for (const { number } of [debit, credit])
          if (number !== 0) expected.set(currency, (expected.get(currency) ?? 0n) + amount)
    expect(new Map(await totals(history, 'history', 'amount'))).toEqual(expected)
    const all = new Map<string, bigint>()
    for (const { currency, amount } of wallet.events) all.set(currency, (all.get(currency) ?? 0n) + amount)
    expect(new Map(await totals(audit, 'events', 'amount'))).toEqual(all)
  })
})

describe('a row that was spoiled is found and named', () => {
  it('where it was changed', async () => {
    const wallet = walletOf(100)
    await write(wallet)
    await alter('history_v2 UPDATE amount = amount + 1 WHERE account = 2 AND version = 3')
    const { rows, differences, hasMore, totals, reason } = await compareTable(
      history,
      'history',
      headOf(wallet),
    )
    expect(rows.left).toBe(rows.right)
    expect([differences.length, hasMore, reason]).toEqual([1, false, `${rows.left} rows each; 1 differ`])
    const [{ key, left, right }] = differences as [(typeof differences)[0]]
    expect(key).toEqual({ partition: wallet.partition, account: 2, version: '3' })
    expect(Number(right[0]!['amount'])).toBe(Number(left[0]!['amount']) + 1)
    expect({ ...right[0], amount: left[0]!['amount'] }).toEqual(left[0])
    expect(totals.filter((one) => one.left !== one.right)).toMatchObject([{ column: 'amount' }])
  })

  it('where it is missing, or too many, or contradicted by another of its key', async () => {
    const wallet = walletOf(100)
    await write(wallet)
    await alter('events_v2 DELETE WHERE sequence = 40')
    await store.command(`INSERT INTO events_v1 SELECT * REPLACE (sequence + 1000 AS sequence) FROM events_v1 WHERE sequence = 7`) // behind the position
    await store.command(`INSERT INTO event_ids_v2 SELECT ${wallet.partition}, toUUID('00000000-0000-0000-0000-0000000000ff'), 9`)
    await store.command(`INSERT INTO event_relations_v1 SELECT * REPLACE (kind + 1 AS kind) FROM event_relations_v1 WHERE partition = ${wallet.partition} ORDER BY sequence LIMIT 1`)
    const { tables, equal } = await compare(audit, headOf(wallet))
    expect(equal).toBe(false)
    const [events, ids, relations] = tables as [TableComparison, TableComparison, TableComparison]
    expect([events.state, events.rows.left - events.rows.right, events.reason]).toEqual(['different', 1n, `${wallet.events.length} and ${wallet.events.length - 1} rows; 1 differ`])
    expect(events.differences).toMatchObject([{ key: { partition: wallet.partition, sequence: '40' }, left: [{ sequence: '40' }], right: [] }])
    expect(ids.differences).toMatchObject([{ key: { sequence: '9' }, left: [], right: [{ sequence: '9' }] }])
    expect(relations.differences).toHaveLength(1)
    expect(relations.differences[0]!.left).toHaveLength(2)
    expect(relations.differences[0]!.right).toHaveLength(1)
  }) // prettier-ignore

  it('of the newest rows of accounts, also where others have moved on since', async () => {
    const wallet = walletOf(100)
    await write(wallet)
    const head = BigInt(wallet.events.length)
    const [last] = await store.query<{ account: number; sequence: string }>(
      'SELECT account, max(sequence) AS sequence FROM balances_v1 GROUP BY account ORDER BY sequence LIMIT 1',
    )
    const at = new Map([[wallet.partition, head - 5n]])
    expect(BigInt(last!.sequence)).toBeLessThan(head - 5n)
    await alter(`balances_v2 UPDATE credits_posted = credits_posted + 1 WHERE account = ${last!.account}`)
    const { differences } = await compareTable(balances, 'balances', at, headOf(wallet))
    expect(differences).toMatchObject([
      {
        key: { partition: wallet.partition, account: last!.account },
        left: [{ sequence: last!.sequence }],
        right: [{ sequence: last!.sequence }],
      },
    ])
  })

  it('the first by key, however many, and it is said that there are more; a table that was emptied has them all', async () => {
    const [one, two] = [walletOf(900), walletOf(30)]
    await write(one)
    await write(two)
    await alter(`history_v2 UPDATE memo = concat(memo, '!') WHERE partition = ${one.partition} AND account = 5 AND version BETWEEN 3 AND 8`)
    const few = await compareTable(history, 'history', headOf(one, two))
    expect([few.differences.map(({ key }) => [key['partition'], key['account'], key['version']]), few.hasMore]).toEqual([
      [3, 4, 5, 6, 7, 8].map((version) => [one.partition, 5, `${version}`]),
      false,
    ])
    await store.command('TRUNCATE TABLE history_v2')
    const { rows, differences, hasMore } = await compareTable(history, 'history', headOf(one, two))
    expect([rows.right, hasMore, differences.length]).toEqual([0n, true, 20])
    const first = await store.query<{ account: number; version: string }>(
      `SELECT account, version FROM history_v1 WHERE partition = ${one.partition} ORDER BY account, version LIMIT 1 BY account, version LIMIT 20`,
    )
    expect(differences.map(({ key: { account, version } }) => ({ account, version }))).toEqual(first)
    expect(differences.every(({ left, right }) => left.length === 1 && right.length === 0)).toBe(true)
  }) // prettier-ignore
})

describe('versions of different layouts', () => {
  it('are compared by the columns that both have, of other types by their text; a table of one of them is a difference', async () => {
    const wallet = walletOf(50)
    await write(wallet)
    await store.command('DROP TABLE IF EXISTS history_v7 SYNC')
    await store.command(
      `CREATE TABLE history_v7 ENGINE = MergeTree PARTITION BY partition ORDER BY (account, version) AS
       SELECT * EXCEPT (memo, is_debit) REPLACE (toUInt64(code) AS code), 'x' AS tag FROM history_v1`,
    )
    const layout: SqlProjection = {
      ...history,
      tables: [
        {
          ...history.tables[0],
          columns: [
            ...history.tables[0].columns
              .filter(([name]) => name !== 'memo' && name !== 'is_debit')
              .map(([name, type]): [string, string] => [name, name === 'code' ? 'UInt64' : type]),
            ['tag', 'String'],
          ],
        },
        { ...history.tables[0], name: 'extra' },
      ],
    }
    const at = headOf(wallet)
    const request = (): Promise<Comparison> =>
      compareVersions({
        store,
        projection: 'history',
        left: { version: 1, position: at, tables: tablesOf(history, 1) },
        right: { version: 7, position: at, tables: tablesOf(layout, 7) },
        at,
      })
    const { equal, tables } = await request()
    expect(tables).toMatchObject([
      {
        table: 'history',
        state: 'equal',
        notCompared: [
          { column: 'is_debit', only: 'left' },
          { column: 'memo', only: 'left' },
          { column: 'tag', only: 'right' },
        ],
        asText: ['code'],
      },
      { table: 'extra', state: 'only right', reason: 'the left version has no such table' },
    ])
    expect(equal).toBe(false)
    await alter('history_v7 UPDATE code = code + 1 WHERE account = 1 AND version = 1')
    expect((await request()).tables[0]!.differences).toMatchObject([{ key: { account: 1, version: '1' } }])
  })

  it('whose keys differ are different, and those that do not hold the position are not compared', async () => {
    const tables = tablesOf(history, 1)
    const other = tables.map((table) => ({ ...table, key: ['version', 'account'] }))
    const at = new Map([[0, 1n]])
    const request = { store, projection: 'history', at, left: { version: 1, position: at, tables } }
    const { tables: [found] } = await compareVersions({ ...request, right: { version: 2, position: at, tables: other } }) // prettier-ignore
    expect([found!.state, found!.reason]).toEqual([
      'different',
      'its rows are named by (account UInt32, version UInt64) and by (version UInt64, account UInt32)',
    ])
    await expect(
      compareVersions({ ...request, right: { version: 2, position: new Map(), tables } }),
    ).rejects.toThrow('version 2 of history does not hold that position')
  })
})

it('versions are compared as the registry knows them, and only where both have come to', async () => {
  const wallet = walletOf(30)
  await write(wallet)
  for (const statement of createRegistry()) await store.command(statement)
  const versions = [1, 2].map((version): Version => ({
    name: 'balances', version, declared: 1, role: 'kept', isPaused: false, share: 1, until: undefined,
    definition: definitionOf(balances), reason: '', revision: 1n,
  })) as [Version, Version] // prettier-ignore
  const { partition, events } = wallet
  await writeCheckpoint(store, versions.map((one) => ({ ...one, epoch: 1n })), {
    ...noCheckpoint(partition),
    sequence: BigInt(events.length),
  }) // prettier-ignore
  const compareThem = comparerOf(store, fixedServing(BUILT_IN))
  const { equal, tables } = await compareThem(...versions, headOf(wallet))
  expect([equal, tables.map(({ table }) => table)]).toEqual([true, balances.tables.map(({ name }) => name)])
  expect(tables.at(-1)!.totals.length).toBeGreaterThan(0)
  await expect(compareThem(...versions, new Map([[partition, 10_000n]]))).rejects.toThrow(RangeError)
})

describe('tables of code', () => {
  const velocity: CodeProjection = {
    kind: 'code',
    name: 'velocity',
    version: 1,
    tables: {
      flags: {
        columns: { account: 'UInt32', amount: 'Int64', at: 'Time', note: 'String' },
        key: ['account'],
      },
      newest: { columns: { account: 'UInt32', amount: 'Int64' }, key: ['account'], latest: true },
    },
    project: () => ({}),
  }
  const at = new Map([[0, 50n]])
  const tables = (version: number): readonly StoredTable[] =>
    storedTables(velocity, (table) => tableName({ version }, table))

  async function make(version: number, upTo: number): Promise<void> {
    for (const { table, name, columns, key } of tables(version)) {
      await store.command(`DROP TABLE IF EXISTS ${name} SYNC`)
      await store.command(
        `CREATE TABLE ${name} (${columns.map((column) => column.join(' ')).join(', ')})
         ENGINE = ReplacingMergeTree(${table === 'newest' ? 'sequence' : ''}) PARTITION BY partition ORDER BY (${key.join(', ')})`,
      )
      const more = table === 'flags' ? `, fromUnixTimestamp64Nano(toInt64(number)), 'n'` : ''
      await store.command(
        `INSERT INTO ${name} SELECT 0, number AS sequence, number % 9, number * 3${more} FROM numbers(1, ${upTo})`,
      )
    }
  }

  const compareCode = (): Promise<Comparison> =>
    compareVersions({
      store,
      projection: 'velocity',
      at,
      left: { version: 1, position: at, tables: tables(1) },
      right: { version: 2, position: at, tables: tables(2) },
    })

  it('are compared where both stand; one of which only the newest rows count and that has moved on is told of', async () => {
    await make(1, 50)
    await make(2, 50)
    expect(await compareCode()).toMatchObject({
      equal: true,
      tables: [{ state: 'equal' }, { state: 'equal' }],
    })
    await alter('newest_v2 UPDATE amount = 1 WHERE account = 4 AND sequence = 49')
    await alter('flags_v1 DELETE WHERE sequence = 5')
    const { tables: found } = await compareCode()
    expect(found).toMatchObject([
      {
        table: 'flags',
        differences: [{ key: { account: 5, sequence: '5' }, left: [], right: [{ amount: '15' }] }],
      },
      {
        table: 'newest',
        differences: [{ key: { account: 4 }, left: [{ amount: '147' }], right: [{ amount: '1' }] }],
      },
    ])
    await make(2, 60)
    const { equal, tables: moved } = await compareCode()
    expect([equal, moved[1]!.state]).toEqual([false, 'not comparable'])
    expect(moved[1]!.reason).toContain('newest_v2 has moved on behind 0:50')
  })
})
