/** What the simulation and its ports brought to light in the views' runtime, each told once, in virtual time. */
import { expect, it } from 'vitest'
import type { Clock } from '../../../projectors/runtime/ports.ts'
import { PositionWaiters } from '../../../projectors/runtime/position-waiters.ts'
import { Wake } from '../../../projectors/runtime/lanes/wake.ts'
import { startProjections, type RunningProjections } from '../../../projectors/runtime/runtime.ts'
import { OutageError, type ViewStore } from '../../../projectors/clickhouse/view-store.ts'
import { createRandom } from '../random.ts'
import { nodeTurn } from '../turn.ts'
import { createWorld } from '../world.ts'
import { SmallWriter } from './small-log.ts'
import { RegistryView } from './store/registry-view.ts'
import { SimulatedStore } from './store/store.ts'
import { SQL_PROJECTIONS } from './rows.ts'

const WALL_MS = 1_780_000_000_000

/** Runtime, store without faults and log in one world; time goes on only in `wait`. */
class Scene {
  readonly world = createWorld(1)
  readonly writer = new SmallWriter(createRandom(1))
  readonly store = new SimulatedStore(this.world)
  readonly registry = new RegistryView(this.store)
  wallErrorMs = 0
  readonly clock: Clock = {
    monotonicMs: () => Number(this.world.nowNs()) / 1e6,
    nowMs: () => WALL_MS + this.clock.monotonicMs() + this.wallErrorMs,
    after: (delayMs, task) => {
      let isOff = false
      this.world.schedule(BigInt(Math.ceil(delayMs * 1e6)), 'timer', () => {
        if (!isOff) task()
      })
      return () => {
        isOff = true
      }
    },
  }

  constructor() {
    this.store.heal()
  }

  async start(
    bent: (store: ViewStore) => Partial<ViewStore> = () => ({}),
    lingerMs = 20,
  ): Promise<RunningProjections> {
    const store = this.store.connect()
    const starting = startProjections({
      store: { ...store, ...bent(store) },
      projections: SQL_PROJECTIONS,
      logs: [this.writer.log],
      clock: this.clock,
      lingerMs,
    })
    await this.wait(2_000)
    return starting
  }

  async wait(ms: number): Promise<void> {
    let isOver = false
    this.world.schedule(BigInt(ms * 1e6), 'waited', () => {
      isOver = true
    })
    await nodeTurn()
    while (!isOver) {
      this.world.step()
      await nodeTurn()
    }
  }

  /** Up to where the views that serve hold everything, as the store has it; undefined: nothing was ever said. */
  stored(): bigint | undefined {
    const all = SQL_PROJECTIONS.all.map(({ name }) => this.registry.serving(name)?.checkpoint?.sequence)
    return all.some((one) => one === undefined) ? undefined : all.map((one) => BigInt(one!)).reduce((least, one) => (one < least ? one : least))
  } // prettier-ignore

  head(): bigint {
    return this.writer.log.head().sequence
  }

  /** Frames until there are more events. */
  write(frames = 1): void {
    for (let written = 0; written < frames;) {
      const before = this.head()
      this.writer.write()
      if (this.head() > before) written++
    }
  }
}

it('a wall clock that is set back by an hour does not hold a range back', async () => {
  const scene = new Scene()
  const running = await scene.start()
  scene.write()
  await scene.wait(1)
  scene.wallErrorMs -= 3_600_000
  await scene.wait(1_000)
  expect(running.position().get(0)).toBe(scene.head())
})

it('a range grows for as long as nobody waits for the views, and is written at once for who does', async () => {
  const scene = new Scene()
  scene.write(3)
  const ranges: string[] = []
  const running = await scene.start(
    (store) => ({
      insertPayload: (sql, payloads, settings) => {
        ranges.push(String(settings?.['insert_deduplication_token']))
        return store.insertPayload(sql, payloads, settings)
      },
    }),
    60_000,
  )
  // What the log held when the views began is not kept waiting.
  const [before, first] = [scene.head(), ranges.length]
  expect(running.position().get(0)).toBe(before)
  for (let round = 0; round < 50; round++) {
    scene.write()
    await scene.wait(100)
  }
  expect(running.position().get(0)).toBe(before)
  const askedMs = scene.clock.monotonicMs()
  let reachedMs: number | undefined
  const asked = scene.head()
  void running.waitFor(new Map([[0, asked]]), 10_000).then(() => (reachedMs = scene.clock.monotonicMs()))
  await scene.wait(1_000)
  expect(reachedMs! - askedMs).toBeLessThan(200)
  expect(ranges.slice(first)).toEqual([`feed-v1:0:${before + 1n}-${asked}`])
  scene.write()
  await scene.wait(50_000)
  expect(running.position().get(0)).toBe(asked)
  await scene.wait(15_000)
  expect(running.position().get(0)).toBe(scene.head())
})

it('who waits for one partition does not have the ranges of another cut short, nor does who has given up', async () => {
  const scene = new Scene()
  const waiters = new PositionWaiters(scene.clock)
  const waiting = waiters.wait(new Map([[0, 5n]]), 100)
  expect([waiters.areFor(0), waiters.areFor(1)]).toEqual([true, false])
  await scene.wait(200)
  expect(await waiting).toBe(false)
  expect(waiters.areFor(0)).toBe(false)
})

it('a pump that stops while an insert is under way says why, also when the insert has gone through', async () => {
  const scene = new Scene()
  let goesThrough: () => void = () => undefined
  const underWay = new Promise<void>((resolve) => {
    goesThrough = resolve
  })
  const running = await scene.start((store) => ({
    insertPayload: async (...given) => {
      await underWay
      return store.insertPayload(...given)
    },
  }))
  const { log } = scene.writer
  const honest = log.frames.at(-1)!
  log.push({ ...honest, firstSequence: honest.firstSequence + 1_000n })
  await scene.wait(100)
  goesThrough()
  await scene.wait(2_000)
  expect(scene.stored()).toBe(running.position().get(0))
  const [status] = running.status()
  expect(status).toMatchObject({ state: 'stopped' })
  expect(status!.failure).toMatch(/stopped behind 0:\d+: The log does not continue the views/)
})

it('frames that come in during an outage are no reason to ask the store again sooner', async () => {
  const scene = new Scene()
  const attemptsMs: number[] = []
  await scene.start(() => ({
    insertPayload: async () => {
      attemptsMs.push(scene.clock.monotonicMs())
      throw new OutageError('away')
    },
  }))
  for (let round = 0; round < 40; round++) {
    scene.write()
    await scene.wait(25)
  }
  const pausesMs = attemptsMs.slice(1).map((at, index) => Math.round(at - attemptsMs[index]!))
  expect(pausesMs.slice(0, 5)).toEqual([50, 100, 200, 400, 800])
})

it('a loop that sleeps and is never woken leaves nothing behind', async () => {
  const scene = new Scene()
  const wake = new Wake(scene.clock)
  for (let night = 0; night < 50; night++) {
    const sleep = wake.sleep(500)
    expect(wake.sleepers).toBe(1)
    await scene.wait(501)
    await sleep
  }
  expect(wake.sleepers).toBe(0)
})

it('two resets at a time are done one behind the other, and leave one pump that writes', async () => {
  const scene = new Scene()
  const inserts: string[] = []
  const running = await scene.start((store) => ({
    insertPayload: (sql, payloads, settings) => {
      inserts.push(String(settings?.['insert_deduplication_token']))
      return store.insertPayload(sql, payloads, settings)
    },
  }))
  const both = Promise.all([running.reset(), running.reset()])
  await scene.wait(1)
  expect(running.status()[0]).toMatchObject({ version: 1 })
  await scene.wait(10_000)
  await both
  expect(running.status()[0]).toMatchObject({ version: 3 })
  inserts.length = 0
  scene.write()
  await scene.wait(1_000)
  expect(inserts).toHaveLength(1)
  expect(running.position().get(0)).toBe(scene.head())
})

it('stop during a reset leaves nothing that runs', async () => {
  const scene = new Scene()
  const running = await scene.start()
  const reset = running.reset()
  const refused = expect(reset).rejects.toThrow(/stopped/)
  const stopped = running.stop()
  await scene.wait(10_000)
  await Promise.all([refused, stopped])
  const before = scene.stored()
  scene.write(3)
  await scene.wait(5_000)
  expect(scene.stored()).toBe(before)
})

it('views that are paused stay so through a reset, until they are resumed', async () => {
  const scene = new Scene()
  const running = await scene.start()
  await running.pause()
  const reset = running.reset()
  await scene.wait(5_000)
  await reset
  expect(running.status()[0]).toMatchObject({ state: 'paused', position: new Map([[0, 0n]]) })
  running.resume()
  await scene.wait(5_000)
  expect(running.position().get(0)).toBe(scene.head())
})

it('a reset is carried out to its end once it was said, however long the store stays away', async () => {
  const scene = new Scene()
  let isAway = false
  const running = await scene.start((store) => ({
    command: async (sql, parameters) => {
      if (isAway && sql.startsWith('DROP TABLE IF EXISTS history')) throw new OutageError('away')
      return store.command(sql, parameters)
    },
  }))
  isAway = true
  let isDone = false
  const reset = running.reset().then(() => {
    isDone = true
  })
  await scene.wait(5_000)
  expect(isDone).toBe(false)
  expect(scene.store.has('history_v1')).toBe(true)
  expect(running.positionOf('history').get(0)).toBe(scene.head())
  isAway = false
  await scene.wait(10_000)
  await reset
  expect(scene.store.has('history_v1')).toBe(false)
  expect(running.status()[0]).toMatchObject({ state: 'live', failure: undefined })
  expect(running.position().get(0)).toBe(scene.head())
})

it('a reset that was never said because the store is away says so, and changes nothing', async () => {
  const scene = new Scene()
  let isAway = false
  const running = await scene.start((store) => ({
    command: async (sql, parameters) => {
      if (isAway && sql.startsWith('INSERT INTO projection_versions')) throw new OutageError('away')
      return store.command(sql, parameters)
    },
  }))
  isAway = true
  const refused = expect(running.reset()).rejects.toThrow(OutageError)
  await scene.wait(5_000)
  await refused
  expect(running.status()[0]).toMatchObject({ state: 'live', version: 1 })
  isAway = false
  const reset = running.reset()
  await scene.wait(10_000)
  await reset
  expect(running.status()[0]).toMatchObject({ state: 'live', version: 2 })
  expect(running.position().get(0)).toBe(scene.head())
})
