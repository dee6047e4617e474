/** What an audit says of views that do not all stand at one place. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { balances } from '../../projectors/views/balances/projection.ts'
import { crossings } from '../../projectors/views/crossings/projection.ts'
import { audit } from '../../projectors/views/audit/projection.ts'
import { history } from '../../projectors/views/history/projection.ts'
import {
  heldBy,
  readCheckpoints,
  writeCheckpoint,
  type Checkpoints,
} from '../../projectors/runtime/checkpoints.ts'
import { createViewStore } from '../../projectors/clickhouse/clickhouse-store.ts'
import {
  engineUnderTest,
  eventually,
  type EngineUnderTest,
} from '../../projectors/engine/engine-under-test.testing.ts'
import { allTogether, someTogether, type SqlProjection } from '../../projectors/projection.ts'
import { BUILT_IN_PROJECTIONS } from '../../projectors/views/built-in.ts'
import { startProjections } from '../../projectors/runtime/runtime.ts'
import { dropAll } from '../../projectors/clickhouse/drop-all.testing.ts'
import { GrowingLog } from '../../test/support/growing-log.ts'
import { MemoryLog } from '../../test/support/memory-log.ts'
import { SampleWallet } from '../../test/model/sample-wallet.ts'
import type { ViewStore } from '../../projectors/clickhouse/view-store.ts'
import { readAnySkips, writeSkip } from '../../projectors/registry/skips.ts'
import {
  definitionOf,
  writeVersions,
  type Definition,
  type Version,
} from '../../projectors/registry/versions.ts'
import { projectionsOf, type View } from '../../gateway/view.ts'
import { codeTargets } from '../../platform/projections/code-targets.ts'
import tally from '../../test/support/tally-view.ts'
import { runsCodeOf } from './code-views.ts'
import { checkViews, skippedEvents, type Check } from './proof.ts'

const TALLY = new URL('../../dist/test/support/tally-view.js', import.meta.url).href

const ENOUGH_MS = 30_000

let engine: EngineUnderTest
let store: ViewStore
const log = new MemoryLog(0)
const wallet = new SampleWallet(0)

beforeAll(async () => {
  engine = await engineUnderTest()
  store = createViewStore(engine.engine)
})
afterAll(async () => {
  await store.close()
  await engine.stop()
})

function grow(): bigint {
  const from = wallet.events.length
  for (let index = 0; index < 20; index++)
    wallet.step({ what: 'transfer', one: index, other: index * 7, amount: 1 + index, hours: 1, text: '' })
  log.append(wallet.events.slice(from))
  return log.head().sequence
}

async function fill({ name }: SqlProjection): Promise<void> {
  const projections = someTogether(BUILT_IN_PROJECTIONS, [name])
  const running = await startProjections({ store, logs: [log], projections, lingerMs: 1 })
  await running.waitFor(new Map([[0, log.head().sequence]]), ENOUGH_MS)
  await running.stop()
}

test('views are compared as far as all of them are; those that hold nothing are named, and rows behind a checkpoint are not looked at', async () => {
  const check = async (before?: Checkpoints): Promise<string> => {
    const { holds, finding } = await checkViews({ store, log, head: log.head(), projections: BUILT_IN_PROJECTIONS, checkpoints: before })
    expect(holds, finding).toBe(true)
    return finding
  }
  expect(await check()).toBe('they hold nothing yet')
  const first = grow()
  // What a balance was before, history says.
  await fill(balances)
  expect(await check()).toBe('not compared as long as some are not filled: balances, history, audit, crossings')
  await fill(history)
  expect(await check()).toMatch(new RegExp(`^\\d tables equal a replay of events 1 to ${first}, row for row; not compared .*: audit, crossings$`))
  await fill(audit)
  await fill(crossings)
  const before = await readCheckpoints(store)
  const second = grow()
  await fill(balances)
  await fill(history)
  // One stands where it stood, and so does what is compared, though the others have gone on.
  expect(await check()).toMatch(`events 1 to ${first}, row for row`)
  await fill(audit)
  await fill(crossings)
  expect(await check()).toMatch(`events 1 to ${second}, row for row`)
  // As an audit that began before those rows came.
  expect(await check(before)).toMatch(`events 1 to ${first}, row for row`)
}) // prettier-ignore

test('an event that operators left out is told, and no difference: the replay leaves it out of that view as well', async () => {
  const sequence = grow() - 3n
  await writeSkip(store, { ...audit, partition: 0, sequence, reason: 'a test', by: 'tester', atMs: 0 })
  await Promise.all(BUILT_IN_PROJECTIONS.map(fill))
  const rows = await store.query<{ there: string }>(`SELECT count() AS there FROM events_v1 WHERE sequence = ${sequence}`)
  expect(rows).toEqual([{ there: '0' }])
  const { holds, finding } = await checkViews({ store, log, head: log.head(), projections: BUILT_IN_PROJECTIONS })
  expect(holds, finding).toBe(true)
  expect(finding).toContain(`without what operators left out: audit 0:${sequence}`)
  expect(skippedEvents(await readAnySkips(store))).toEqual([
    { name: 'audit', version: 1, position: `0:${sequence}`, reason: 'a test', by: 'tester', at: '1970-01-01T00:00:00.000Z' },
  ])
}) // prettier-ignore

test('a view that an operator added is replayed as it was defined; code that is not given and sinks are said not to be', async () => {
  const added = {
    kind: 'sql',
    name: 'amounts',
    version: 1,
    tables: [
      {
        name: 'amounts',
        columns: [['partition', 'UInt16'], ['sequence', 'UInt64'], ['amount', 'Int64']],
        key: ['sequence'],
        select: 'partition, sequence, amount',
      },
    ],
  } satisfies SqlProjection
  const serves = { role: 'serving', isPaused: false, share: 1, until: undefined, reason: 'a test', revision: 0n } as const
  const of = (name: string, definition: Definition): Version => ({ ...serves, name, version: 1, declared: 1, definition })
  const others = [
    of('flags', { kind: 'code', partitioning: 'account', codeTables: {} }),
    of('outbox', { kind: 'sink', partitioning: 'account' }),
  ]
  const running = await startProjections({ store, logs: [log], projections: allTogether(BUILT_IN_PROJECTIONS), lingerMs: 1 })
  onTestFinished(() => running.stop())
  await writeVersions(store, [of('amounts', definitionOf(added)), ...others], 0)
  await running.refresh()
  const { sequence } = log.head()
  await running.waitFor(new Map([[0, sequence]]), ENOUGH_MS)
  await eventually(async () => heldBy(await readCheckpoints(store), added).get(0) === sequence)
  const check = (): Promise<Check> => checkViews({ store, log, head: log.head(), projections: BUILT_IN_PROJECTIONS })
  const { holds, finding } = await check()
  expect(holds, finding).toBe(true)
  expect(finding).toContain('not replayed: flags, because its code is not given: name its file with --projection or in purser.config.ts')
  expect(finding).toContain('not replayed: outbox, because it is a sink, whose rows stand elsewhere')
  await store.command('ALTER TABLE amounts_v1 UPDATE amount = amount + 1 WHERE sequence BETWEEN 30 AND 40 SETTINGS mutations_sync = 2')
  expect(await check()).toMatchObject({ holds: false, finding: expect.stringMatching(/differ from a replay of events 1 to \d+: amounts;/) as string })
  // As a program that defines it otherwise.
  const otherwise = { ...added, tables: [{ ...added.tables[0]!, where: 'sequence > 3' }] }
  const told = await checkViews({ store, log, head: log.head(), projections: [...BUILT_IN_PROJECTIONS, otherwise] })
  expect(told.finding).toContain('amounts is replayed as its version 1 was defined, which is not how the program defines it')
}) // prettier-ignore

test('a view that knows more than the log is told, even where the others do not', async () => {
  const { sequence } = log.head()
  const [own] = (await readCheckpoints(store)).get('balances 1')!.values()
  await writeCheckpoint(store, [{ ...balances, epoch: own!.epoch }], { ...own!, sequence: sequence + 1n })
  expect(await checkViews({ store, log, head: log.head(), projections: BUILT_IN_PROJECTIONS })).toMatchObject(
    {
      holds: false,
      finding: `the views hold events up to ${sequence + 1n}, but the log ends at ${sequence}`,
    },
  )
})

describe('a view that is code', () => {
  const view = { projection: tally, module: TALLY }
  const grown = new GrowingLog()
  grown.growTo(4)
  const { log } = grown
  const check = async (views: readonly View[] = [view]): Promise<Check> =>
    checkViews({
      store,
      log,
      head: log.head(),
      projections: [...BUILT_IN_PROJECTIONS, ...projectionsOf(views)],
      runsCode: runsCodeOf(store, views, 1),
    })
  beforeAll(async () => {
    await dropAll(store)
    const running = await startProjections({
      store,
      logs: [log],
      projections: { all: [...BUILT_IN_PROJECTIONS, tally], running: [tally] },
      required: [],
      lingerMs: 1,
      targetOfCode: codeTargets({ store, views: [view], partitions: 1, log: () => undefined }),
    })
    const { sequence } = log.head()
    await running.waitFor(new Map([[0, sequence]]), ENOUGH_MS, 'tally')
    await running.stop()
  })

  test('is run anew over the log, and equals what serves, row for row', async () => {
    const { holds, finding } = await check()
    expect(holds, finding).toBe(true)
    expect(finding).toContain(`tally: 1 tables equal what its code gives for events 1 to ${log.head().sequence}, row for row`)
    expect(await store.query(`SELECT name FROM system.databases WHERE startsWith(name, 'purser_replay_')`)).toEqual([])
  }) // prettier-ignore

  test('is said not to be proven where its code is another, or cannot be loaded', async () => {
    const otherwise = { ...tally, tables: { tally: { columns: tally.tables['tally']!.columns, key: ['account', 'times'] } } }
    expect(await check([{ projection: otherwise, module: TALLY }])).toMatchObject({
      holds: true,
      finding: expect.stringContaining('not replayed: tally, because its version 1 is not what the given code declares') as string,
    })
    expect(await check([{ ...view, module: 'file:///nowhere/tally.js' }])).toMatchObject({
      holds: true,
      finding: expect.stringContaining('not replayed: tally, because the file cannot be loaded') as string,
    })
  }) // prettier-ignore

  test('of which a row was spoiled, and another taken away, is told with both rows', async () => {
    const [row] = await store.query<{ sequence: string; account: number; total: string }>(
      'SELECT sequence, account, total FROM tally_v1 ORDER BY sequence, account LIMIT 1 OFFSET 5',
    )
    await store.command(`ALTER TABLE tally_v1 UPDATE total = total + 7 WHERE sequence = ${row!.sequence} AND account = ${row!.account} SETTINGS mutations_sync = 2`)
    await store.command(`ALTER TABLE tally_v1 DELETE WHERE sequence = ${log.head().sequence} SETTINGS mutations_sync = 2`)
    const { holds, finding } = await check()
    expect(holds).toBe(false)
    expect(finding).toContain('tally differs from what its code gives')
    expect(finding).toContain(`"sequence":"${row!.sequence}"`)
    expect(finding).toContain(`"total":"${BigInt(row!.total) + 7n}"`)
    expect(finding).toContain(`"total":"${row!.total}"`)
    expect(finding).toMatch(/"sequence":"\d+"\} holds nothing in the place of \{/)
  }) // prettier-ignore
})
