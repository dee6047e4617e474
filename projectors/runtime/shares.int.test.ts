/** Projections that share the work: by name, by partition, one taking over from another, and from an earlier version. */
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from 'vitest'
import { audit } from '../views/audit/projection.ts'
import { heldByAll, heldByAny, readAnyCheckpoints, readCheckpoints, writeCheckpoint } from './checkpoints.ts'
import { createViewStore } from '../clickhouse/clickhouse-store.ts'
import { engineUnderTest, eventually, type EngineUnderTest } from '../engine/engine-under-test.testing.ts'
import { dropAll } from '../clickhouse/drop-all.testing.ts'
import { history } from '../views/history/projection.ts'
import { proveByReplay } from '../proof/prove.ts'
import { BUILT_IN_PROJECTIONS } from '../views/built-in.ts'
import { allTogether, someTogether, type ProjectionSet } from '../projection.ts'
import { startProjections, type ProjectionsOptions, type RunningProjections } from './runtime.ts'
import { MemoryLog } from '../../test/support/memory-log.ts'
import { fixedServing } from '../serving.ts'
import { SampleWallet } from '../../test/model/sample-wallet.ts'
import type { LogHead } from '../../eventlog/ports.ts'
import type { Frame } from '../../schemas/frames.ts'
import type { ViewStore } from '../clickhouse/view-store.ts'
import { PATIENCE_MS } from '../../test/support/patience.ts'

const ALL = allTogether(BUILT_IN_PROJECTIONS)
const only = (...names: string[]): ProjectionSet => someTogether(BUILT_IN_PROJECTIONS, names)

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

/** A log that knows where it keeps its frames, as Kafka does. */
class PlacedMemoryLog extends MemoryLog {
  override logOffsetOf(frame: Frame): bigint | undefined {
    return BigInt(1_000 + this.frames.indexOf(frame))
  }
}

/** A log of a partition with so many steps; more may be appended. */
class Town {
  readonly wallet: SampleWallet
  readonly log: PlacedMemoryLog

  constructor(partition: number, steps: number) {
    this.wallet = new SampleWallet(partition)
    this.log = new PlacedMemoryLog(partition)
    this.grow(steps)
  }

  get head(): bigint {
    return this.log.head().sequence
  }

  grow(steps: number): void {
    this.wallet.grow(steps)
    this.log.catchUp(this.wallet.events)
  }
}

/** A log as a process sees it that has not read all of it yet: frames come when they are let in. */
class LateLog extends MemoryLog {
  readonly #source: MemoryLog
  /** Called when it is asked for all that there is. */
  onAsked: () => void = () => undefined

  constructor(source: MemoryLog, frames: number) {
    super(source.partition)
    this.#source = source
    for (const frame of source.frames.slice(0, frames)) this.push(frame)
  }

  /** Lets in all that the source has by now. */
  letIn(): void {
    for (const frame of this.#source.frames.slice(this.frames.length)) this.push(frame)
  }

  override async currentHead(signal?: AbortSignal): Promise<LogHead> {
    const { sequence } = this.#source.head()
    this.onAsked()
    await eventually(async () => signal?.aborted === true || this.head().sequence >= sequence)
    signal?.throwIfAborted()
    return this.head()
  }
}

async function start(
  towns: readonly Town[],
  options: Partial<ProjectionsOptions> = {},
): Promise<RunningProjections> {
  const running = await startProjections({
    store,
    projections: ALL,
    logs: towns.map(({ log }) => log),
    lingerMs: 1,
    ...options,
  })
  onTestFinished(() => running.stop())
  return running
}

async function reach(running: RunningProjections, ...towns: readonly Town[]): Promise<void> {
  const heads = new Map(towns.map(({ log, head }) => [log.partition, head]))
  expect(await running.waitFor(heads, PATIENCE_MS)).toBe(true)
}

async function expectViewsOf({ log, head }: Town, serving = fixedServing(BUILT_IN_PROJECTIONS)): Promise<void> {
  const proof = await proveByReplay({ store, log, upTo: head, projections: BUILT_IN_PROJECTIONS, serving })
  expect(proof.differences).toEqual([])
} // prettier-ignore

/** First sequences of the ranges that come into a feed. */
function watched(firsts: bigint[]): ViewStore {
  return {
    ...bound(store),
    insertPayload: (sql, payloads, settings) => {
      firsts.push(Buffer.from(payloads[0]!).readBigUInt64LE(0))
      return store.insertPayload(sql, payloads, settings)
    },
  }
}

function bound(of: ViewStore): ViewStore {
  return {
    query: (...given) => of.query(...given),
    command: (...given) => of.command(...given),
    insertPayload: (...given) => of.insertPayload(...given),
    ping: () => of.ping(),
    close: () => of.close(),
  }
}

it('projections run apart keep checkpoints of their own, and together begin with the one that is least far', async () => {
  const town = new Town(0, 60)
  const alone = await start([town], { projections: only('balances') })
  await reach(alone, town)
  await alone.stop()
  const [early, tables] = [town.head, 'SELECT name FROM system.tables WHERE database = currentDatabase()']
  expect(JSON.stringify(await store.query(tables))).not.toMatch(/history|events/)
  expect([...(await readCheckpoints(store)).keys()]).toEqual(['balances 1'])
  town.grow(40)
  const others = await start([town], { projections: only('history', 'audit', 'crossings') })
  expect(others.position()).toEqual(new Map([[0, 0n]]))
  await reach(others, town)
  expect(others.status().map(({ name }) => name)).toEqual(['history', 'audit', 'crossings'])
  await others.stop()
  const checkpoints = await readCheckpoints(store)
  expect(heldByAll(checkpoints, BUILT_IN_PROJECTIONS).get(0)?.sequence).toBe(early)
  expect(heldByAll(checkpoints, [history, audit]).get(0)?.sequence).toBe(town.head)
  expect(heldByAny(checkpoints)).toEqual(new Map([[0, town.head]]))
  const firsts: bigint[] = []
  const together = await start([town], { store: watched(firsts) })
  expect(together.position()).toEqual(new Map([[0, early]]))
  await reach(together, town)
  expect(firsts[0]).toBe(early + 1n)
  await expectViewsOf(town)
})

it('a projection made anew by itself leaves the others where they are', async () => {
  const town = new Town(0, 40)
  await reach(await start([town], { projections: only('history', 'audit', 'crossings') }), town)
  const alone = await start([town], { projections: only('balances') })
  await reach(alone, town)
  await store.command('TRUNCATE TABLE balances_v1')
  await alone.reset()
  expect((await readCheckpoints(store)).get('audit 1')?.get(0)?.sequence).toBe(town.head)
  await reach(alone, town)
  await expectViewsOf(town, fixedServing(BUILT_IN_PROJECTIONS.map((one) => (one.name === 'balances' ? { ...one, version: 2 } : one))))
}) // prettier-ignore

it('a log that any projection knows to have been longer is refused, also where the others have not come so far', async () => {
  const town = new Town(0, 40)
  await reach(await start([town], { projections: only('balances') }), town)
  const shorter = new Town(0, 5)
  await expect(start([shorter])).rejects.toMatchObject({ code: 'LOG_BEHIND_VIEWS' })
})

it('a checkpoint says where its last frame stands in the log, so that a reader can begin there', async () => {
  const town = new Town(3, 40)
  await reach(await start([town]), town)
  const held = heldByAll(await readCheckpoints(store), BUILT_IN_PROJECTIONS).get(3)!
  const frame = town.log.frames.at(-1)!
  expect(held).toMatchObject({ sequence: town.head, logOffset: town.log.logOffsetOf(frame) })
  expect(Buffer.from(held.hash)).toEqual(Buffer.from(frame.hash))
  // An older one that comes late does not count.
  await writeCheckpoint(
    store,
    BUILT_IN_PROJECTIONS.map((one) => ({ ...one, epoch: 1n })),
    { ...held, sequence: held.sequence - 1n, logOffset: 7n },
  )
  expect(heldByAll(await readCheckpoints(store), BUILT_IN_PROJECTIONS).get(3)).toEqual(held)
})

it('partitions come and go while the views run, and go on elsewhere where they were', async () => {
  const [zero, one] = [new Town(0, 50), new Town(1, 70)]
  const first = await start([zero])
  await first.add(one.log)
  await expect(first.add(one.log)).rejects.toThrow(RangeError)
  await reach(first, zero, one)
  await first.remove(1)
  await first.remove(1)
  expect(first.position()).toEqual(new Map([[0, zero.head]]))
  const left = one.head
  one.grow(30)
  zero.grow(30)
  const firsts: bigint[] = []
  const second = await start([], { store: watched(firsts) })
  expect(second.status()[0]).toMatchObject({ state: 'live', lagEvents: 0n })
  await second.add(one.log)
  expect(second.position()).toEqual(new Map([[1, left]]))
  await reach(second, one)
  await reach(first, zero)
  expect(firsts[0]).toBe(left + 1n)
  await expectViewsOf(zero)
  await expectViewsOf(one)
})

it('a partition whose owner before commits while it is taken over is followed all the same, once its log has come as far', async () => {
  const [town, other] = [new Town(0, 30), new Town(1, 30)]
  const before = await start([town])
  await reach(before, town)
  const taker = await start([other])
  const log = new LateLog(town.log, town.log.frames.length)
  town.grow(30)
  await reach(before, town)
  let isAdded = false
  const asked = new Promise<void>((resolve) => (log.onAsked = resolve))
  const adding = taker.add(log).then(() => (isAdded = true))
  await asked
  // The others do not wait for it: they come, go, and go on.
  other.grow(10)
  await reach(taker, other)
  await taker.remove(1)
  expect(isAdded).toBe(false)
  log.letIn()
  await adding
  await before.stop()
  town.grow(20)
  log.letIn()
  await reach(taker, town)
  await expectViewsOf(town)
})

it('a log that is not as far as the views can be given up while it is waited for, and is refused if it ends there', async () => {
  const town = new Town(0, 30)
  const before = await start([town])
  await reach(before, town)
  const taker = await start([])
  const log = new LateLog(town.log, 2)
  const over = new AbortController()
  const asked = new Promise<void>((resolve) => (log.onAsked = resolve))
  const given = expect(taker.add(log, over.signal)).rejects.toThrow('not mine any more')
  await asked
  over.abort(new Error('not mine any more'))
  await given
  const shorter = new Town(0, 5)
  await expect(taker.add(shorter.log)).rejects.toMatchObject({ code: 'LOG_BEHIND_VIEWS' })
  expect(taker.position()).toEqual(new Map())
})

it('whoever still writes a partition that another has taken over changes nothing, however late, and ends', async () => {
  const town = new Town(0, 30)
  const late: (() => void)[] = []
  const lines: string[] = []
  let isStuck = false
  // Its rows and checkpoints wait, as those of a process that was stopped in the middle of an insert.
  const stuck: ViewStore = {
    ...bound(store),
    insertPayload: async (...given) => {
      if (isStuck) await new Promise<void>((resolve) => late.push(resolve))
      await store.insertPayload(...given)
    },
  }
  const zombie = await start([town], { store: stuck, rangeEventsMax: 20, log: (line) => lines.push(line) })
  await reach(zombie, town)
  isStuck = true
  town.grow(60)
  await eventually(async () => late.length === 1)
  // The other cuts the same events otherwise, so no token is the same.
  const taker = await start([town], { rangeEventsMax: 33 })
  await reach(taker, town)
  town.grow(50)
  await reach(taker, town)
  const held = await readCheckpoints(store)
  isStuck = false
  for (const go of late) go()
  await eventually(async () => zombie.status().every(({ state }) => state === 'stopped'))
  expect(zombie.status()[0]!.failure).toContain('is filled by another process since')
  for (let round = 0; round < 3; round++) {
    town.grow(40)
    await reach(taker, town)
  }
  for (const [name, own] of await readCheckpoints(store))
    expect(own.get(0)!.sequence).toBeGreaterThanOrEqual(held.get(name)!.get(0)!.sequence)
  expect(heldByAll(await readCheckpoints(store), BUILT_IN_PROJECTIONS).get(0)!.sequence).toBe(town.head)
  await expectViewsOf(town)
  expect(lines.filter((line) => line.includes('filled by another process')).length).toBeGreaterThan(0)
})

it('checkpoints and tables of an earlier version of the program are taken over: nothing is filled again, and nothing is lost', async () => {
  const town = new Town(0, 60)
  const before = await start([town])
  await reach(before, town)
  await before.stop()
  const held = heldByAll(await readCheckpoints(store), BUILT_IN_PROJECTIONS).get(0)!
  await makeFormer()
  // As an operator's command asks before anything is taken over. Which tables hold the rows, that version did not say.
  expect(heldByAll(await readAnyCheckpoints(store), BUILT_IN_PROJECTIONS).get(0)).toMatchObject({ ...held, epoch: 0n, parts: '' })
  town.grow(20)
  const firsts: bigint[] = []
  const after = await start([town], { store: watched(firsts) })
  expect(after.position()).toEqual(new Map([[0, held.sequence]]))
  await reach(after, town)
  expect(firsts[0]).toBe(held.sequence + 1n)
  expect((await readCheckpoints(store)).get('balances 1')!.get(0)!.parts).toContain('balances_v1=')
  expect(await store.query(`SELECT name FROM system.tables WHERE name LIKE '%from_feed%' OR name IN ('feed_v1', 'checkpoints_v2')`)).toEqual([])
  await after.stop()
  await expectViewsOf(town)
}) // prettier-ignore

/** The store as that version left it: one feed for all, its fillers, checkpoints without versions, and no registry. */
async function makeFormer(): Promise<void> {
  await store.command(
    `CREATE TABLE checkpoints_v2 (projection_name LowCardinality(String), partition UInt16, sequence UInt64, hash FixedString(32),
       recorded_at Int64, place UInt64) ENGINE = ReplacingMergeTree(sequence) ORDER BY (projection_name, partition)`,
  )
  await store.command(
    `INSERT INTO checkpoints_v2 SELECT projection_name, partition, max(sequence), argMax(hash, sequence), argMax(recorded_at, sequence),
       argMax(place, sequence) FROM checkpoints_v3 GROUP BY projection_name, partition`,
  )
  await store.command('CREATE TABLE feed_v1 (sequence UInt64, partition UInt16) ENGINE = Null')
  await store.command(
    `CREATE MATERIALIZED VIEW events_v1_from_feed TO events_v1 AS SELECT sequence, partition FROM feed_v1`,
  )
  const made = await store.query<{ name: string }>(
    `SELECT name FROM system.tables WHERE database = currentDatabase() AND (name LIKE 'projection\\_%' OR name = 'checkpoints_v3'
       OR name LIKE '%\\_filler' OR name LIKE 'shared\\_%' OR name LIKE 'feed\\_%\\_v1') ORDER BY name LIKE '%filler' OR name LIKE '%\\_to\\_%' DESC`,
  )
  for (const { name } of made) await store.command(`DROP TABLE IF EXISTS ${name} SYNC`)
}
