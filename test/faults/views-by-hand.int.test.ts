/** What an operator may do to the view store by hand, under running views: it is found within seconds, said, and healed. */
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { createViewStore } from '../../projectors/clickhouse/clickhouse-store.ts'
import { dropAll } from '../../projectors/clickhouse/drop-all.testing.ts'
import type { ViewStore } from '../../projectors/clickhouse/view-store.ts'
import { startCodeTarget } from '../../projectors/code/start.ts'
import {
  engineUnderTest,
  eventually,
  type EngineUnderTest,
} from '../../projectors/engine/engine-under-test.testing.ts'
import { startEngine } from '../../projectors/engine/supervisor.ts'
import { allTogether } from '../../projectors/projection.ts'
import { comparerOf } from '../../projectors/proof/compare-registered.ts'
import { proveByReplay } from '../../projectors/proof/prove.ts'
import { createOperations, type ProjectionOperations } from '../../projectors/registry/operations.ts'
import { VERSIONS_TABLE } from '../../projectors/registry/tables.ts'
import { readCheckpoints } from '../../projectors/runtime/checkpoints.ts'
import { startProjections, type RunningProjections } from '../../projectors/runtime/runtime.ts'
import { systemClock } from '../../projectors/runtime/system-clock.ts'
import { BUILT_IN_PROJECTIONS } from '../../projectors/views/built-in.ts'
import { AMOUNTS, GrowingLog } from '../support/growing-log.ts'
import { PATIENCE_MS } from '../support/patience.ts'
import { withFolder } from '../support/purser.ts'
import tally from '../support/tally-view.ts'

const SQL = [...BUILT_IN_PROJECTIONS, AMOUNTS]
const TABLES = SQL.flatMap(({ name, tables }) => tables.map((table) => [`${table.name}_v1`, name] as const))
const NAMES = [...SQL, tally].map(({ name }) => name)
const TALLY = new URL('../../dist/test/support/tally-view.js', import.meta.url).href
const WHAT_TO_DO = 'Reset the projection, or rebuild it and promote the new version'
/** A version that has stopped never comes to where another is. */
const PROMOTION_WAIT_MS = 500
/** How long it may take until rows that are gone are missed: a look every three seconds, on a machine that is busy. */
const FOUND_MS_MAX = 8_000
/** Until all is looked over once more, with nothing to write. */
const LOOKED_AGAIN_MS = 3_500

interface Town {
  readonly grown: GrowingLog
  readonly running: RunningProjections
  readonly operations: ProjectionOperations
  readonly lines: string[]
  /** Resolves when all views, or these, hold everything. */
  hold(names?: readonly string[]): Promise<void>
}

/** @param stopped one that does not come to hold everything */
async function town(store: ViewStore, before?: Town, stopped?: string): Promise<Town> {
  const grown = before?.grown ?? new GrowingLog()
  grown.growTo(grown.ticks + 4)
  const lines: string[] = []
  const running = await startProjections({
    store,
    projections: allTogether([...SQL, tally]),
    required: BUILT_IN_PROJECTIONS.map(({ name }) => name),
    targetOfCode: ({ version }) =>
      startCodeTarget({ store, layout: {}, projection: tally, version, module: TALLY, log: () => undefined }),
    logs: [grown.log],
    lingerMs: 1,
    log: (line) => lines.push(line),
  })
  onTestFinished(() => running.stop())
  const operations = createOperations({
    store,
    projections: [...SQL, tally],
    head: () => new Map([[0, grown.log.head().sequence]]),
    compare: comparerOf(store, running.serving()),
    validate: () => undefined,
    changed: () => running.refresh(),
    clock: systemClock,
    waitMsMax: PROMOTION_WAIT_MS,
  })
  const hold = async (names: readonly string[] = NAMES): Promise<void> => {
    const head = new Map([[0, grown.log.head().sequence]])
    for (const name of names) expect([name, await running.waitFor(head, PATIENCE_MS, name)]).toEqual([name, true])
  }
  const here = { grown, running, operations, lines, hold }
  await hold(NAMES.filter((name) => name !== stopped))
  return here
} // prettier-ignore

function statesOf({ running }: Town): Record<string, string> {
  return Object.fromEntries(running.status().map(({ name, state }) => [name, state]))
}

/** Waits until a view is stopped, says what is gone and what to do, and that no other is. */
async function expectStopped(here: Town, name: string, gone: string): Promise<void> {
  await eventually(async () => statesOf(here)[name] === 'stopped')
  const { failure } = here.running.status().find((one) => one.name === name)!
  expect(failure).toMatch(/^stopped behind 0:\d+: /)
  expect(failure).toContain(gone)
  expect(failure).toContain(WHAT_TO_DO)
  here.grown.growTo(here.grown.ticks + 2)
  await here.hold(NAMES.filter((one) => one !== name))
  expect(statesOf(here)[name]).toBe('stopped')
  await eventually(async () => (await here.operations.list()).some((one) => one.name === name && one.faults.length > 0))
} // prettier-ignore

async function expectWhole(store: ViewStore, { grown, running }: Town): Promise<void> {
  const upTo = grown.log.head().sequence
  const serving = running.serving()
  const proof = await proveByReplay({ store, log: grown.log, upTo, projections: SQL, serving })
  expect([proof.equal, proof.differences]).toEqual([true, []])
  const [counted] = await store.query<{ events: string }>(
    `SELECT uniqExact(sequence) AS events FROM tally_v${serving.versionOf('tally')}`,
  )
  expect(counted!.events).toBe(String(upTo))
}

describe('taken away by hand', () => {
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

  test.each([
    ['a table of a view', 'history', 'history_v1'],
    ['what fills a table', 'balances', 'balances_v1_filler'],
    ['a table of code', 'tally', 'tally_v1'],
    ['the states of code', 'tally', 'tally_state_v1'],
  ])('%s: that view stops with nothing to write, alone, and a reset heals it', async (_, name, table) => {
    const here = await town(store)
    await store.command(`DROP TABLE ${table} SYNC`)
    await expectStopped(here, name, table)
    expect(await here.operations.reset(name)).toMatchObject({ kind: 'done', version: 2 })
    await here.hold()
    expect(statesOf(here)[name]).toBe('live')
    await expectWhole(store, here)
  })

  test.each([
    ['amounts', 'amounts_v1'],
    ['tally', 'tally_v1'],
  ])(
    'a table of %s that was made again, empty, is never taken for the one that it was',
    async (name, table) => {
      const here = await town(store)
      const [{ statement }] = (await store.query<{ statement: string }>(
        `SELECT create_table_query AS statement FROM system.tables WHERE database = currentDatabase() AND name = {table:String}`,
        { table },
      )) as [{ statement: string }]
      await store.command(`DROP TABLE ${table} SYNC`)
      await store.command(statement)
      await expectStopped(here, name, table)
      // Neither is it because somebody lets it go on, nor in another process.
      expect(await here.operations.resume(name)).toMatchObject({ kind: 'done' })
      await expectStopped(here, name, table)
      await here.running.stop()
      const again = await town(store, here, name)
      await expectStopped(again, name, table)
      // A new version beside it holds more, and differs where rows are missing from the old one: that is told, and may be accepted.
      expect(await again.operations.rebuild(name)).toMatchObject({ kind: 'done', version: 2 })
      await eventually(async () => (await again.operations.list()).some((one) => one.name === name && one.version === 2 && one.lagEvents === 0n)) // prettier-ignore
      expect(await again.operations.compare(name)).toMatchObject({ kind: 'refused', code: 'not_equal' })
      expect(await again.operations.promote(name)).toMatchObject({ kind: 'refused', code: 'not_there_yet' })
      expect(await again.operations.promote(name, 2, 'rows of the old one were lost')).toMatchObject({
        kind: 'done',
      })
      await again.hold()
      await expectWhole(store, again)
    },
  )

  test.each([...TABLES, ['tally_v1', 'tally'], ['tally_state_v1', 'tally']] as const)(
    '%s, emptied: %s stops within seconds with nothing to write, alone, and a reset heals it',
    async (table, name) => {
      const here = await town(store)
      const [held] = await store.query<{ rows: string }>(`SELECT count() AS rows FROM ${table}`)
      if (held!.rows === '0') {
        // One of this log has no rows of its own to lose.
        await store.command(`INSERT INTO ${table} (partition) VALUES (0)`)
        await new Promise((resolve) => setTimeout(resolve, LOOKED_AGAIN_MS))
      }
      await store.command(`TRUNCATE TABLE ${table}`)
      const emptiedAtMs = performance.now()
      await eventually(async () => statesOf(here)[name] === 'stopped')
      expect(performance.now() - emptiedAtMs).toBeLessThan(FOUND_MS_MAX)
      await expectStopped(here, name, `Rows of ${table}`)
      expect(await here.operations.reset(name)).toMatchObject({ kind: 'done', version: 2 })
      await here.hold()
      await expectWhole(store, here)
    },
  )

  test.each([
    ['emptied', 'TRUNCATE TABLE amounts_v1'],
    ['without a partition', 'ALTER TABLE amounts_v1 DROP PARTITION 0'],
    ['without some rows', 'ALTER TABLE amounts_v1 DELETE WHERE sequence < 3 SETTINGS mutations_sync = 2'],
    ['without a row, lightly', 'DELETE FROM amounts_v1 WHERE sequence = 2'],
  ])('a table %s is never taken for whole: not by the next range, a resume, another process', async (_, statement) => {
    const here = await town(store)
    await here.running.pause()
    await store.command(statement)
    here.grown.growTo(here.grown.ticks + 1)
    here.running.resume()
    await expectStopped(here, 'amounts', 'Rows of amounts_v1')
    expect(await here.operations.resume('amounts')).toMatchObject({ kind: 'done' })
    await expectStopped(here, 'amounts', 'Rows of amounts_v1')
    await here.running.stop()
    const again = await town(store, here, 'amounts')
    await expectStopped(again, 'amounts', 'Rows of amounts_v1')
    expect(await again.operations.reset('amounts')).toMatchObject({ kind: 'done', version: 2 })
    await again.hold()
    await expectWhole(store, again)
  }) // prettier-ignore

  test('a table emptied while nothing runs is found by who comes next', async () => {
    const here = await town(store)
    await here.running.stop()
    await store.command('TRUNCATE TABLE history_v1')
    await expectStopped(await town(store, here, 'history'), 'history', 'Rows of history_v1')
  })

  test('merges, repeats and a row changed by hand are no rows taken away', async () => {
    const here = await town(store)
    for (const [table] of TABLES) await store.command(`OPTIMIZE TABLE ${table} FINAL`)
    await store.command('ALTER TABLE amounts_v1 UPDATE amount = amount + 1 WHERE 1 SETTINGS mutations_sync = 2')
    for (let time = 0; time < 3; time++) {
      here.grown.growTo(here.grown.ticks + 2)
      await here.hold()
      for (const [table] of TABLES) await store.command(`OPTIMIZE TABLE ${table} FINAL`)
      await new Promise((resolve) => setTimeout(resolve, LOOKED_AGAIN_MS))
      expect(Object.values(statesOf(here))).toEqual(NAMES.map(() => 'live'))
    }
    await here.running.stop()
    const again = await town(store, here)
    expect(Object.values(statesOf(again))).toEqual(NAMES.map(() => 'live'))
  }) // prettier-ignore

  test.each([
    ['one checkpoint', `ALTER TABLE checkpoints_v3 DELETE WHERE projection_name = 'history' SETTINGS mutations_sync = 2`],
    ['all checkpoints', 'DROP TABLE checkpoints_v3 SYNC'],
  ])('%s: it is said and written again, and no view begins anew', async (_, statement) => {
    const here = await town(store)
    const held = here.running.positionOf('history').get(0)!
    await store.command(statement)
    await eventually(async () => here.lines.some((line) => /checkpoint.* (is written|is made) again/.test(line)))
    await eventually(async () => (await readCheckpoints(store)).get('history 1')?.get(0)?.sequence === held)
    expect(Object.values(statesOf(here))).toEqual(NAMES.map(() => 'live'))
    await here.running.stop()
    const again = await town(store, here)
    expect(again.running.serving().versionOf('history')).toBe(1)
    await expectWhole(store, again)
  }) // prettier-ignore

  test('what the registry knew of versions: it is said and written again, and no number is given twice', async () => {
    const here = await town(store)
    await here.operations.reset('history')
    await here.hold()
    const before = (await here.operations.list()).map(({ name, version }) => [name, version])
    await store.command(`DROP TABLE ${VERSIONS_TABLE} SYNC`)
    await eventually(async () => here.lines.some((line) => line.includes(`${VERSIONS_TABLE} was gone`)))
    await eventually(async () => here.lines.some((line) => line.includes('is told again')))
    expect((await here.operations.list()).map(({ name, version }) => [name, version])).toEqual(before)
    expect(Object.values(statesOf(here))).toEqual(NAMES.map(() => 'live'))
    // While nothing ran: what served is not known any more, so a further version is made.
    await here.running.stop()
    await store.command(`DROP TABLE ${VERSIONS_TABLE} SYNC`)
    const again = await town(store, here)
    expect(again.running.serving().versionOf('history')).toBe(3)
    expect(again.running.serving().versionOf('audit')).toBe(1)
    await expectWhole(store, again)
  })
})

test('the folder of the engine: all views stop and say so, and a reset makes them anew from the log', () =>
  withFolder(async (folder) => {
    const engine = await startEngine({ dataDir: folder, memoryBytesMax: 512 * 1024 * 1024 })
    const store = createViewStore({ url: engine.url, username: engine.username, password: engine.password })
    onTestFinished(async () => {
      await store.close()
      await engine.stop()
    })
    const here = await town(store)
    await rm(path.join(folder, 'store'), { recursive: true, force: true, maxRetries: 5 })
    for (const name of NAMES) {
      here.grown.growTo(here.grown.ticks + 1)
      await eventually(async () => statesOf(here)[name] === 'stopped')
      expect(here.running.status().find((one) => one.name === name)!.failure).toContain(WHAT_TO_DO)
    }
    await eventually(async () => here.lines.some((line) => line.includes('is told again')))
    for (const name of NAMES)
      expect(await here.operations.reset(name)).toMatchObject({ kind: 'done', version: 2 })
    await here.hold()
    await expectWhole(store, here)
  }))
