/**
 * Views whose engine is another process behind a network that delays, cuts and falls silent (test/support/proxy.ts): what
 * they hold in the end is what a replay of the log gives, whatever was inserted halfway, twice, or without an answer.
 */
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { heldByAll, readCheckpoints } from '../projectors/runtime/checkpoints.ts'
import { createViewStore } from '../projectors/clickhouse/clickhouse-store.ts'
import {
  engineUnderTest,
  eventually,
  type EngineUnderTest,
} from '../projectors/engine/engine-under-test.testing.ts'
import { dropAll } from '../projectors/clickhouse/drop-all.testing.ts'
import { proveByReplay } from '../projectors/proof/prove.ts'
import { servedStore } from '../projectors/serving.ts'
import { balancesOf } from '../projectors/views/balances/balances.ts'
import { BUILT_IN_PROJECTIONS } from '../projectors/views/built-in.ts'
import { allTogether } from '../projectors/projection.ts'
import { startProjections, type RunningProjections } from '../projectors/runtime/runtime.ts'
import type { ProjectionStatus } from '../projectors/runtime/status.ts'
import { MemoryLog } from './support/memory-log.ts'
import { SampleWallet } from './model/sample-wallet.ts'
import { OutageError, type ViewStore } from '../projectors/clickhouse/view-store.ts'
import { startProxy } from './support/proxy.ts'
import { PATIENCE_MS } from './support/patience.ts'

/** Alone, what one loses is lost; where another takes over while the one before still writes the same, their rows meet. */
const RUNS = [
  { seed: 1, writers: 1 },
  { seed: 2, writers: 1 },
  { seed: 3, writers: 2 },
]
const PARTITIONS = 2
const ROUNDS_MIN = 4
/** By then each fault has happened, or something is wrong with the proxy. */
const ROUNDS_MAX = 40

let engine: EngineUnderTest
/** Past the proxy. */
let store: ViewStore

beforeAll(async () => {
  engine = await engineUnderTest()
  store = createViewStore(engine.engine)
})
beforeEach(async () => {
  await dropAll(store)
})
afterAll(async () => {
  await store.close()
  await engine.stop()
})

class Town {
  readonly log: MemoryLog
  readonly #wallet: SampleWallet

  constructor(partition: number) {
    this.log = new MemoryLog(partition)
    this.#wallet = new SampleWallet(partition)
  }

  grow(steps: number): void {
    this.#wallet.grow(steps)
    this.log.catchUp(this.#wallet.events)
  }
}

/** A start is one question behind the other: it is tried until all of them were answered. */
async function started(through: ViewStore, towns: readonly Town[], rangeEventsMax: number): Promise<RunningProjections> {
  for (;;)
    try {
      const running = await startProjections({ store: through, projections: allTogether(BUILT_IN_PROJECTIONS), logs: towns.map(({ log }) => log), lingerMs: 1, rangeEventsMax })
      onTestFinished(() => running.stop())
      return running
    } catch (error) {
      if (!(error instanceof OutageError)) throw error
    }
} // prettier-ignore

function isFenced({ state, failure }: ProjectionStatus): boolean {
  return state === 'stopped' && failure!.includes('is filled by another process since')
}

test.each(RUNS)('views equal a replay of the log over a network that fails: seed $seed, $writers at once', async ({ seed, writers }) => {
  const proxy = await startProxy({ target: engine.engine.url, seed })
  const { username, password } = engine.engine
  const through = createViewStore({ url: proxy.url, username, password, retryMsMax: 1 })
  onTestFinished(async () => {
    await through.close()
    await proxy.close()
  })
  const towns = Array.from({ length: PARTITIONS }, (_, partition) => new Town(partition))
  const heads = () => new Map(towns.map(({ log }) => [log.partition, log.head().sequence]))
  for (const town of towns) town.grow(20)
  let running = await started(through, towns, 30)
  let last = new Map<number, bigint>()
  for (let round = 0; round < ROUNDS_MIN || proxy.missing().length > 0; round++) {
    expect(round).toBeLessThan(ROUNDS_MAX)
    proxy.renew()
    for (const town of towns) town.grow(60)
    // Another begins where the checkpoints say: when the one before has ended, or while it goes on and knows of none.
    const before = running
    if (writers === 1 && round % 2 === 1) await before.stop()
    if (writers === 2 || round % 2 === 1) running = await started(through, towns, 20 + (round % 5) * 10)
    expect(await running.waitFor(heads(), PATIENCE_MS)).toBe(true)
    const held = heldByAll(await readCheckpoints(store), BUILT_IN_PROJECTIONS)
    for (const [partition, sequence] of last) expect(held.get(partition)!.sequence).toBeGreaterThanOrEqual(sequence)
    // What the checkpoints say is there, at any moment.
    last = new Map([...held].map(([partition, { sequence }]) => [partition, sequence]))
    for (const { log } of towns)
      expect((await balancesOf(servedStore(store, running.serving()), [{ partition: log.partition, account: 1 }], last)).length).toBe(1)
    // The newest fills the views from then on, and whoever filled them before finds that out with the next rows it has to write.
    if (writers === 2) {
      await eventually(async () => {
        for (const town of towns) town.grow(1)
        return before.status().every(isFenced)
      })
      await before.stop()
    }
  }
  proxy.heal()
  expect(await running.waitFor(heads(), PATIENCE_MS)).toBe(true)
  expect(running.status()[0]).toMatchObject({ state: 'live', failure: undefined })
  for (const { log } of towns)
    expect((await proveByReplay({ store, log, upTo: log.head().sequence, projections: BUILT_IN_PROJECTIONS })).differences).toEqual([])
}, 120_000) // prettier-ignore
