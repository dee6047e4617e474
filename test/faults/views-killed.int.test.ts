/** kill -9 of the engine or of the whole, between any two steps: views of every kind hold what their checkpoints say, once. */
import { expect, test } from 'vitest'
import type { ViewStore } from '../../projectors/clickhouse/view-store.ts'
import { readCheckpoints } from '../../projectors/runtime/checkpoints.ts'
import { GrowingLog } from '../support/growing-log.ts'
import { withFolder } from '../support/purser.ts'
import { rounds } from '../support/rounds.ts'
import { until } from '../support/until.ts'
import { ViewsLife } from '../support/views-life.ts'
import { expectReplayed } from '../support/views-proof.ts'

const ROUNDS = rounds(40, 400)
/** Kills of one data folder; the next ones meet another, or the log would grow without end. */
const FOLDER_ROUNDS = 40
/** Kills of the engine in one life, then one of the whole. More, and the supervisor would give up. */
const ENGINE_KILLS = 5
const FOLDER_MS_MAX = 300_000
const CUTS = [40, 700, 131_072]
const NAMES = ['balances', 'history', 'audit', 'crossings', 'amounts', 'tally']

test(
  'whatever is killed, rows are whole up to every checkpoint, and in the end equal to a replay',
  async () => {
    for (let done = 0; done < ROUNDS; done += FOLDER_ROUNDS) await withFolder(killOneFolder)
  },
  (ROUNDS / FOLDER_ROUNDS) * FOLDER_MS_MAX,
)

async function killOneFolder(folder: string): Promise<void> {
  const log = new GrowingLog()
  let ticks = 4
  let kills = 0
  let lives = 0
  const begin = async (): Promise<ViewsLife> => {
    const life = new ViewsLife({ folder, ticks, rangeEventsMax: CUTS[lives++ % CUTS.length]! })
    // Some end before they have begun.
    if (Math.random() < 0.9) await life.ready()
    else await sleep(Math.random() * 1_500)
    return life
  }
  while (kills < FOLDER_ROUNDS) {
    const life = await begin()
    for (let kill = 0; kill < ENGINE_KILLS; kill++) {
      await sleep(20 + Math.random() * 400)
      const before = life.engines.length
      if (!life.killEngine()) continue
      kills++
      // One that was not ready may end in the outage: the next life begins.
      if (!(await life.engineAfter(before))) break
      if (life.isReady) await expectWholeUpToCheckpoints(life.store)
    }
    await sleep(Math.random() * 300)
    await life.kill()
    kills++
    ticks = life.ticks
    expect(life.failures.filter((one) => one.startsWith('stopped'))).toEqual([])
    log.growTo(ticks)
  }
  const last = new ViewsLife({ folder, ticks, rangeEventsMax: 131_072 })
  await last.ready()
  log.growTo(ticks)
  const upTo = log.log.head().sequence
  await until('the views hold what the log held', async () => {
    const held = await heldIn(last.store)
    return NAMES.every((name) => (held.get(name) ?? 0n) >= upTo)
  })
  await expectWholeUpToCheckpoints(last.store)
  await expectReplayed(last.store, log, upTo)
  await until('all views are live', () => last.states.join() === NAMES.map(() => 'live').join())
  await last.kill()
}

/** Up to where each view says that it holds everything. */
async function heldIn(store: ViewStore): Promise<ReadonlyMap<string, bigint>> {
  const checkpoints = await readCheckpoints(store)
  return new Map(NAMES.map((name) => [name, checkpoints.get(`${name} 1`)?.get(0)?.sequence ?? 0n]))
}

/** Checkpoints are read first: rows behind them may come meanwhile, those up to them are there. */
async function expectWholeUpToCheckpoints(store: ViewStore): Promise<void> {
  const held = await heldIn(store)
  for (const [name, table] of [['audit', 'events_v1'], ['amounts', 'amounts_v1'], ['tally', 'tally_v1']] as const) {
    const upTo = held.get(name)!
    const [counted] = await store.query<{ events: string }>(
      `SELECT uniqExact(sequence) AS events FROM ${table} WHERE partition = 0 AND sequence <= {upTo:UInt64}`,
      { upTo: String(upTo) },
    )
    expect([name, counted!.events]).toEqual([name, String(upTo)])
  }
} // prettier-ignore

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
