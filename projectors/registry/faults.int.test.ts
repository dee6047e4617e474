import { afterAll, beforeAll, expect, it } from 'vitest'
import { createViewStore } from '../clickhouse/clickhouse-store.ts'
import type { ViewStore } from '../clickhouse/view-store.ts'
import { engineUnderTest, type EngineUnderTest } from '../engine/engine-under-test.testing.ts'
import { readFaults, writeFault } from './faults.ts'
import { createRegistry } from './tables.ts'

let engine: EngineUnderTest
let store: ViewStore
beforeAll(async () => {
  engine = await engineUnderTest()
  store = createViewStore(engine.engine)
  for (const statement of createRegistry()) await store.command(statement)
})
afterAll(async () => {
  await store.close()
  await engine.stop()
})

it('of what is said of a version the last counts, also where the clock was set back meanwhile', async () => {
  const key = { name: 'audit', version: 3, partition: 0 }
  const stopped = { ...key, sequence: 57n, cause: 'not this one', atMs: 1_000 }
  await writeFault(store, { ...key, sequence: 0n, cause: '', atMs: 3_600_000 })
  await writeFault(store, { ...stopped, partition: 1 })
  await writeFault(store, stopped)
  expect(await readFaults(store)).toMatchObject([
    { ...stopped, atMs: 3_600_001 },
    { ...stopped, partition: 1, atMs: 1_000 },
  ])
  await writeFault(store, { ...key, sequence: 0n, cause: '', atMs: 2_000 })
  expect(await readFaults(store)).toMatchObject([{ ...stopped, partition: 1 }])
})
