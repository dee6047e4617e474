/** Versions of projections at work: added, stopped by an event, left out, rebuilt beside themselves, promoted, rolled back. */
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from 'vitest'
import { createViewStore } from '../clickhouse/clickhouse-store.ts'
import { dropAll } from '../clickhouse/drop-all.testing.ts'
import type { ViewStore } from '../clickhouse/view-store.ts'
import { engineUnderTest, eventually, type EngineUnderTest } from '../engine/engine-under-test.testing.ts'
import { allTogether, type SqlProjection } from '../projection.ts'
import {
  createOperations,
  type OperationsOptions,
  type ProjectionOperations,
} from '../registry/operations.ts'
import type { VersionStatus } from '../registry/version-status.ts'
import type { Position } from '../../schemas/positions.ts'
import { BUILT_IN_PROJECTIONS } from '../views/built-in.ts'
import { startProjections, type RunningProjections } from './runtime.ts'
import { systemClock } from './system-clock.ts'
import { MemoryLog } from '../../test/support/memory-log.ts'
import { PATIENCE_MS, TEST_MS_MAX } from '../../test/support/patience.ts'
import { SampleWallet } from '../../test/model/sample-wallet.ts'

let engine: EngineUnderTest
let store: ViewStore
beforeAll(async () => {
  engine = await engineUnderTest()
  store = createViewStore(engine.engine)
})
beforeEach(() => dropAll(store))
afterAll(async () => {
  await store.close()
  await engine.stop()
})

const REFUSED_SEQUENCE = 17n
/** As a memory log catches up. */
const FRAME_EVENTS = 7

/** Two tables of which one cannot take one event. */
const fussy = {
  kind: 'sql',
  name: 'fussy',
  version: 1,
  tables: [
    table('takes_all', 'partition, sequence'),
    table(
      'takes_most',
      `partition, sequence + throwIf(sequence = ${REFUSED_SEQUENCE}, 'not this one') AS sequence`,
    ),
  ],
} satisfies SqlProjection

function table(name: string, select: string): SqlProjection['tables'][number] {
  return { name, columns: [['partition', 'UInt16'], ['sequence', 'UInt64']], key: ['sequence'], select }
} // prettier-ignore

interface Town {
  readonly wallet: SampleWallet
  readonly log: MemoryLog
  readonly running: RunningProjections
  readonly operations: ProjectionOperations
  grow(steps: number): void
  there(): Promise<boolean>
}

async function town(
  projections: readonly SqlProjection[],
  before?: Town,
  options: Partial<Parameters<typeof startProjections>[0]> = {},
): Promise<Town> {
  const wallet = before?.wallet ?? new SampleWallet(0)
  const log = before?.log ?? new MemoryLog(0)
  const grow = (steps: number): void => {
    wallet.grow(steps)
    log.catchUp(wallet.events, true)
  }
  if (before === undefined) grow(60)
  const required = BUILT_IN_PROJECTIONS.map(({ name }) => name)
  const running = await startProjections({
    store, logs: [log], projections: allTogether(projections), required, lingerMs: 1, ...options,
  }) // prettier-ignore
  onTestFinished(() => running.stop())
  const operations = operationsOver(projections, () => new Map([[0, log.head().sequence]]), {
    changed: () => running.refresh(),
    waitMsMax: TEST_MS_MAX,
  })
  const there = (): Promise<boolean> => running.waitFor(new Map([[0, log.head().sequence]]), PATIENCE_MS)
  return { wallet, log, running, operations, grow, there }
}

function operationsOver(
  projections: readonly SqlProjection[],
  head: () => Position,
  more: Pick<OperationsOptions, 'changed' | 'waitMsMax'> = {},
): ProjectionOperations {
  return createOperations({
    store,
    projections,
    head,
    compare: async () => ({ equal: true }) as never,
    validate: () => undefined,
    clock: systemClock,
    ...more,
  })
}

async function statusOf({ operations }: Town, name: string, version = 1): Promise<VersionStatus | undefined> {
  return (await operations.list()).find((one) => one.name === name && one.version === version)
}

async function sequencesIn(name: string): Promise<readonly number[]> {
  const rows = await store.query<{ sequence: string }>(
    `SELECT DISTINCT sequence FROM ${name} ORDER BY sequence`,
  )
  return rows.map(({ sequence }) => Number(sequence))
}

it('a view that is added is filled from the first event on, by itself, and goes live', async () => {
  const here = await town(BUILT_IN_PROJECTIONS)
  await here.there()
  const added = { ...fussy, name: 'plain', tables: [table('plain_rows', 'partition, sequence')] }
  expect(await here.operations.add(added)).toEqual({ kind: 'done', name: 'plain', version: 1 })
  expect(await here.operations.add(added)).toMatchObject({ kind: 'refused', code: 'name_taken' })
  here.grow(30)
  await eventually(async () => (await statusOf(here, 'plain'))?.state === 'live')
  expect(await sequencesIn('plain_rows_v1')).toHaveLength(Number(here.log.head().sequence))
  expect(await here.there()).toBe(true)
})

it('an event that a view cannot take stops that view alone, and a skip leaves out that event and no other', async () => {
  const here = await town([...BUILT_IN_PROJECTIONS, fussy])
  await here.there()
  await eventually(async () => (await statusOf(here, 'fussy'))?.state === 'stopped')
  const { faults, position } = (await statusOf(here, 'fussy'))!
  expect(faults).toMatchObject([
    { partition: 0, sequence: REFUSED_SEQUENCE, cause: expect.stringContaining('not this one') as string },
  ])
  expect(position.get(0)! < REFUSED_SEQUENCE).toBe(true)
  here.grow(20)
  expect(await here.there()).toBe(true)
  expect(here.running.status().map(({ state }) => state)).toEqual(['live', 'live', 'live', 'live', 'stopped'])
  const skip = { partition: 0, sequence: REFUSED_SEQUENCE, reason: 'a test', by: 'the operator' }
  expect(await here.operations.skip('fussy', { ...skip, sequence: 18n })).toMatchObject({ code: 'no_fault' })
  expect(await here.operations.skip('fussy', { ...skip, reason: ' ' })).toMatchObject({ code: 'no_reason' })
  expect(await here.operations.skip('fussy', skip)).toMatchObject({ kind: 'done' })
  await eventually(async () => (await statusOf(here, 'fussy'))?.state === 'live')
  const all = Array.from({ length: Number(here.log.head().sequence) }, (_, index) => index + 1)
  const left = all.filter((sequence) => sequence !== Number(REFUSED_SEQUENCE))
  expect(await sequencesIn('takes_most_v1')).toEqual(left)
  expect(await sequencesIn('takes_all_v1')).toEqual(left)
  expect((await statusOf(here, 'fussy'))?.skips).toMatchObject([{ ...skip, name: 'fussy', version: 1 }])
})

it('a version is rebuilt beside the one that serves, which readers go on reading, and takes its place at once', async () => {
  const here = await town(BUILT_IN_PROJECTIONS)
  await here.there()
  const seen: bigint[] = []
  here.running.onAdvance(() => seen.push(here.running.position().get(0) ?? 0n))
  expect(await here.operations.rebuild('history')).toMatchObject({ kind: 'done', version: 2 })
  expect(await here.operations.rebuild('history')).toMatchObject({ code: 'rebuild_under_way' })
  expect(here.running.serving().versionOf('history')).toBe(1)
  here.grow(30)
  await here.there()
  expect(await here.operations.promote('history')).toMatchObject({ kind: 'done', version: 2 })
  await eventually(async () => here.running.serving().versionOf('history') === 2)
  expect(here.running.serving().tables()['history']).toBe('history_v2')
  here.grow(30)
  expect(await here.there()).toBe(true)
  // The one before is kept whole, and can serve again.
  await eventually(async () => (await statusOf(here, 'history'))?.state === 'live')
  expect(await here.operations.drop('history', 2)).toMatchObject({ code: 'serving' })
  expect(await here.operations.rollback('history')).toMatchObject({ kind: 'done', version: 1 })
  await eventually(async () => here.running.serving().versionOf('history') === 1)
  expect(await here.operations.drop('history', 2)).toMatchObject({ kind: 'done' })
  here.grow(10)
  expect(await here.there()).toBe(true)
  expect(await store.query(`SELECT name FROM system.tables WHERE name LIKE '%history\\_v2%'`)).toEqual([])
  expect(seen).toEqual([...seen].sort((left, right) => (left < right ? -1 : 1)))
})

it('a version that is to end at a position holds exactly what comes up to there, and can only be compared', async () => {
  const here = await town(BUILT_IN_PROJECTIONS)
  await here.there()
  const until = { position: new Map([[0, 25n]]) }
  expect(await here.operations.rebuild('audit', { until })).toMatchObject({ kind: 'done', version: 2 })
  await eventually(async () => (await statusOf(here, 'audit', 2))?.state === 'complete')
  expect(await sequencesIn('events_v2')).toEqual(Array.from({ length: 25 }, (_, index) => index + 1))
  expect(await here.operations.promote('audit')).toMatchObject({ code: 'bounded' })
})

it('a version that is to end at a time is complete there, wherever that lies, for everybody who reads the store, and stays so', async () => {
  // A frame is a range: so one of the times lies where a range ends, and there is nothing more to write.
  const before = await town(BUILT_IN_PROJECTIONS, undefined, { rangeEventsMax: FRAME_EVENTS })
  await before.there()
  const { events } = before.wallet
  const lastOfItsTime = (endsFrame: boolean): bigint =>
    events.findLast(
      ({ recordedAtNs, sequence }, index) =>
        events[index + 1] !== undefined &&
        events[index + 1]!.recordedAtNs > recordedAtNs &&
        (sequence % BigInt(FRAME_EVENTS) === 0n) === endsFrame,
    )!.sequence
  const timeOf = (sequence: bigint): bigint => events[Number(sequence) - 1]!.recordedAtNs
  const [within, between] = [lastOfItsTime(false), lastOfItsTime(true)]
  const wanted = [
    ['audit', timeOf(within), within],
    ['balances', timeOf(1n) - 1n, 0n],
    ['history', timeOf(between), between],
  ] as const
  for (const [name, timeNs] of wanted)
    expect(await before.operations.rebuild(name, { until: { timeNs } })).toMatchObject({ kind: 'done' })
  // A gateway knows no lanes; and of partition 1 nothing has come, of a time by which nothing can come any more.
  const head = (): Position => new Map([[0, before.log.head().sequence], [1, 0n]]) // prettier-ignore
  const gateway = operationsOver(BUILT_IN_PROJECTIONS, head)
  const second = async (): Promise<unknown> =>
    (await gateway.list())
      .filter(({ version }) => version === 2)
      .map(({ name, state, position, progress }) => [name, state, position.get(0) ?? 0n, progress])
  const complete = wanted.map(([name, , held]) => [name, 'complete', held, 1])
  await expect.poll(second, { timeout: PATIENCE_MS }).toEqual(complete)
  await before.running.stop()
  const after = await town(BUILT_IN_PROJECTIONS, before)
  after.grow(20)
  expect(await after.there()).toBe(true)
  expect(await second()).toEqual(complete)
})

it('a promotion waits for no version that is paused or has stopped: it says which one, and what to do', async () => {
  const before = await town([...BUILT_IN_PROJECTIONS, fussy])
  await before.there()
  await before.operations.rebuild('history')
  await eventually(async () => (await statusOf(before, 'history', 2))?.state === 'live')
  await before.operations.pause('history', 2)
  before.grow(20)
  await before.there()
  expect(await before.operations.promote('history')).toMatchObject({
    code: 'stands_still',
    message: expect.stringContaining(
      'Version 2 is behind version 1, and is paused: resume it first.',
    ) as string,
  })
  await before.operations.resume('history', 2)
  expect(await before.operations.promote('history')).toMatchObject({ kind: 'done', version: 2 })
  await eventually(async () => (await statusOf(before, 'fussy'))?.state === 'stopped')
  await before.running.stop()
  const mended = {
    ...fussy,
    version: 2,
    tables: [fussy.tables[0]!, table('takes_most', 'partition, sequence')],
  }
  const after = await town([...BUILT_IN_PROJECTIONS, mended], before)
  await eventually(async () => (await statusOf(after, 'fussy', 2))?.state === 'live')
  expect(await after.operations.promote('fussy')).toMatchObject({
    code: 'stands_still',
    message: expect.stringMatching(
      /Version 1, which serves, is behind version 2, and has stopped at 0:17 \(.*not this one.*\): skip/s,
    ) as string,
  })
  expect(await after.operations.promote('fussy', undefined, 'a test')).toMatchObject({
    kind: 'done',
    version: 2,
  })
})

it('what was said of a version holds over a restart: pauses, rebuilds under way, what serves', async () => {
  const before = await town(BUILT_IN_PROJECTIONS)
  await before.there()
  await before.operations.rebuild('balances')
  await before.operations.pause('balances', 2)
  await before.running.stop()
  const after = await town(BUILT_IN_PROJECTIONS, before)
  after.grow(30)
  expect(await after.there()).toBe(true)
  const paused = await statusOf(after, 'balances', 2)
  expect(paused).toMatchObject({ state: 'paused', role: 'building' })
  await after.operations.resume('balances', 2)
  await eventually(async () => (await statusOf(after, 'balances', 2))?.lagEvents === 0n)
  expect(await after.operations.promote('balances')).toMatchObject({ kind: 'done', version: 2 })
  await eventually(async () => after.running.serving().versionOf('balances') === 2)
})

it('a projection of another definition is built beside the one that serves', async () => {
  const plain = { ...fussy, name: 'plain', tables: [table('plain_rows', 'partition, sequence')] }
  const before = await town([...BUILT_IN_PROJECTIONS, plain])
  await before.there()
  await before.running.stop()
  const changed = { ...plain, version: 2, tables: [{ ...plain.tables[0]!, where: 'sequence > 5' }] }
  const after = await town([...BUILT_IN_PROJECTIONS, changed], before)
  expect(after.running.serving().versionOf('plain')).toBe(1)
  await eventually(async () => (await statusOf(after, 'plain', 2))?.lagEvents === 0n)
  expect((await sequencesIn('plain_rows_v2'))[0]).toBe(6)
  expect((await sequencesIn('plain_rows_v1'))[0]).toBe(1)
})

it('a read for which nobody waits is fresh all the same: the first one waits a moment, and ranges are short for a while', async () => {
  const here = await town(BUILT_IN_PROJECTIONS, undefined, { lingerMs: 60_000 })
  await here.there()
  here.grow(5)
  await here.running.attend()
  const first = here.log.head().sequence
  await eventually(async () => here.running.position().get(0) === first)
  expect(here.running.attend()).toBeUndefined()
  here.grow(5)
  const head = here.log.head().sequence
  await eventually(async () => here.running.position().get(0) === head)
})

it('views of one group share one insert again after one of them was behind', async () => {
  const here = await town(BUILT_IN_PROJECTIONS)
  await here.there()
  await here.operations.pause('history')
  here.grow(30)
  await eventually(async () => here.running.status()[0]!.lagEvents === 0n)
  await here.operations.resume('history')
  expect(await here.there()).toBe(true)
  const feeds: string[] = []
  const insert = store.insertPayload.bind(store)
  store.insertPayload = (sql, ...rest) => {
    feeds.push(sql)
    return insert(sql, ...rest)
  }
  onTestFinished(() => {
    store.insertPayload = insert
  })
  await eventually(async () => {
    feeds.splice(0)
    here.grow(3)
    await here.there()
    return feeds.length > 0 && feeds.every((sql) => sql.includes('INTO shared_'))
  })
})
