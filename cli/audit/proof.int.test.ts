/** What an audit says of views that do not all stand at one place. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { balances } from '../../projectors/views/balances/projection.ts'
import { crossings } from '../../projectors/views/crossings/projection.ts'
import { audit } from '../../projectors/views/audit/projection.ts'
import { history } from '../../projectors/views/history/projection.ts'
import { readCheckpoints, writeCheckpoint, type Checkpoints } from '../../projectors/runtime/checkpoints.ts'
import { createViewStore } from '../../projectors/clickhouse/clickhouse-store.ts'
import { engineUnderTest, type EngineUnderTest } from '../../projectors/engine/engine-under-test.testing.ts'
import { someTogether, type SqlProjection } from '../../projectors/projection.ts'
import { BUILT_IN_PROJECTIONS } from '../../projectors/views/built-in.ts'
import { startProjections } from '../../projectors/runtime/runtime.ts'
import { MemoryLog } from '../../test/support/memory-log.ts'
import { SampleWallet } from '../../test/model/sample-wallet.ts'
import type { ViewStore } from '../../projectors/clickhouse/view-store.ts'
import { readAnySkips, writeSkip } from '../../projectors/registry/skips.ts'
import { checkViews, skippedEvents } from './proof.ts'

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
