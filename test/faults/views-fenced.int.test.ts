/** Two runtimes on one store: one that stood still while another took over is fenced when it goes on, and changes nothing. */
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { createViewStore } from '../../projectors/clickhouse/clickhouse-store.ts'
import type { ViewStore } from '../../projectors/clickhouse/view-store.ts'
import {
  engineUnderTest,
  eventually,
  type EngineUnderTest,
} from '../../projectors/engine/engine-under-test.testing.ts'
import { readFaults } from '../../projectors/registry/faults.ts'
import { readCheckpoints } from '../../projectors/runtime/checkpoints.ts'
import { GrowingLog } from '../support/growing-log.ts'
import { TEST_MS_MAX } from '../support/patience.ts'
import { rounds } from '../support/rounds.ts'
import { ViewsLife } from '../support/views-life.ts'
import { expectReplayed } from '../support/views-proof.ts'

/** How often one takes over from the one before. */
const TAKEOVERS = rounds(1, 6)
const NAMES = ['balances', 'history', 'audit', 'crossings', 'amounts', 'tally']

let engine: EngineUnderTest
let store: ViewStore
beforeAll(async () => {
  engine = await engineUnderTest()
  store = createViewStore(engine.engine)
})
afterAll(async () => {
  await store.close()
  await engine.stop()
})

async function begin(ticks: number): Promise<ViewsLife> {
  const { url, username, password } = engine.engine
  const life = new ViewsLife({
    folder: '',
    ticks,
    rangeEventsMax: 5_000,
    engine: { url, username, password },
  })
  onTestFinished(() => life.kill())
  await life.ready()
  return life
}

/** Up to where each view is, and under which epoch. */
async function heldNow(): Promise<ReadonlyMap<string, { epoch: bigint; sequence: bigint }>> {
  const checkpoints = await readCheckpoints(store)
  return new Map(
    NAMES.map((name) => [name, checkpoints.get(`${name} 1`)?.get(0) ?? { epoch: 0n, sequence: 0n }]),
  )
}

async function reached(sequence: bigint): Promise<void> {
  await eventually(async () => [...(await heldNow()).values()].every((one) => one.sequence >= sequence))
}

test('the older one says that it has ended, no checkpoint of it counts, and rows are those of a replay', async () => {
  const log = new GrowingLog()
  let older = await begin(4)
  for (let takeover = 0; takeover < TAKEOVERS; takeover++) {
    // It inserts one range after the other: wherever it stands still, it is in the middle of something.
    await reached(log.log.head().sequence + 1n)
    older.child.kill('SIGSTOP')
    const stopped = await heldNow()
    const newer = await begin(older.ticks)
    log.growTo(newer.ticks)
    await reached(log.log.head().sequence)
    const before = await heldNow()
    older.child.kill('SIGCONT')
    await eventually(async () => older.states.length > 0 && older.states.every((state) => state === 'stopped'))
    expect(older.failures).toHaveLength(NAMES.length)
    for (const failure of older.failures) expect(failure).toContain('is filled by another process since: this one has ended')
    // A checkpoint that it was about to write when it stood still comes under its own epoch, and does not count.
    for (const [name, { epoch, sequence }] of await heldNow()) {
      expect(epoch > stopped.get(name)!.epoch).toBe(true)
      expect(sequence >= before.get(name)!.sequence).toBe(true)
    }
    log.growTo(newer.ticks)
    const upTo = log.log.head().sequence
    await reached(upTo)
    await expectReplayed(store, log, upTo)
    await eventually(async () => newer.states.every((state) => state === 'live'))
    expect(await readFaults(store)).toEqual([])
    await older.kill()
    older = newer
  }
}, TAKEOVERS * TEST_MS_MAX) // prettier-ignore
