import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from 'vitest'
import { writeCheckpoint } from './checkpoints.ts'
import { createViewStore } from '../clickhouse/clickhouse-store.ts'
import { engineUnderTest, type EngineUnderTest } from '../engine/engine-under-test.testing.ts'
import { dropAll } from '../clickhouse/drop-all.testing.ts'
import { createRegistry } from '../registry/tables.ts'
import { readVersions, writeVersions } from '../registry/versions.ts'
import { adopted } from './adopt.ts'
import { BUILT_IN_PROJECTIONS } from '../views/built-in.ts'
import { watchProjections } from './remote-projections.ts'
import type { Projections } from './status.ts'
import { MemoryLog } from '../../test/support/memory-log.ts'
import { SampleWallet } from '../../test/model/sample-wallet.ts'
import { OutageError, type ViewStore } from '../clickhouse/view-store.ts'
import { PATIENCE_MS } from '../../test/support/patience.ts'

let under: EngineUnderTest
let store: ViewStore
beforeAll(async () => {
  under = await engineUnderTest()
  store = createViewStore(under.engine)
})
afterAll(async () => {
  await store.close()
  await under.stop()
})
beforeEach(() => dropAll(store))

/** A log of one frame of each number of events. */
function logOf(partition: number, counts: readonly number[]): MemoryLog {
  const wallet = new SampleWallet(partition)
  const log = new MemoryLog(partition)
  for (let index = 0; wallet.events.length < counts.reduce((sum, count) => sum + count, 0); index++)
    wallet.step({ what: 'open', one: index, other: 0, amount: 1, hours: 0, text: '' })
  let at = 0
  for (const count of counts) log.append(wallet.events.slice(at, (at += count)))
  return log
}

/** What a projector elsewhere has written, in the one way in which it does. */
async function hold(names: readonly string[], log: MemoryLog, sequence: bigint): Promise<void> {
  for (const statement of createRegistry()) await store.command(statement)
  await writeVersions(store, adopted(BUILT_IN_PROJECTIONS, await readVersions(store)), Date.now())
  await writeCheckpoint(
    store,
    BUILT_IN_PROJECTIONS.filter(({ name }) => names.includes(name)).map((one) => ({ ...one, epoch: 1n })),
    {
      partition: log.partition,
      sequence,
      hash: new Uint8Array(32),
      recordedAtNs: 1_000n + sequence,
      logOffset: 5n,
    },
  )
}

async function watch(logs: readonly MemoryLog[], from: ViewStore = store, lines: string[] = []): Promise<Projections> {
  const projections = await watchProjections({ store: from, projections: BUILT_IN_PROJECTIONS, logs, log: (line) => lines.push(line), pollMs: 5 })
  onTestFinished(() => projections.stop())
  return projections
} // prettier-ignore

const ALL = BUILT_IN_PROJECTIONS.map(({ name }) => name)

it('a store in which no projector has ever written holds nothing, and is watched all the same', async () => {
  const log = logOf(0, [2, 1])
  const projections = await watch([log])
  expect(projections.position()).toEqual(new Map([[0, 0n]]))
  expect(projections.status()).toMatchObject(
    ALL.map((name) => ({ name, state: 'catching-up', lagEvents: 3n, failure: undefined })),
  )
  const waiting = projections.waitFor(new Map([[0, 3n]]), PATIENCE_MS)
  await hold(ALL, log, 3n)
  expect(await waiting).toBe(true)
})

it('views are as far as the least of them, in each partition; what is waited for is told when all are there', async () => {
  const logs = [logOf(0, [3]), logOf(1, [4])]
  const projections = await watch(logs)
  let advances = 0
  projections.onAdvance(() => advances++)
  await hold(ALL, logs[1]!, 4n)
  await hold(ALL.slice(1), logs[0]!, 3n)
  const all = new Map([
    [0, 3n],
    [1, 4n],
  ])
  expect(await projections.waitFor(all, 100)).toBe(false)
  // A position of views names every partition: of one that it left out it would say nothing.
  expect(projections.position()).toEqual(
    new Map([
      [0, 0n],
      [1, 4n],
    ]),
  )
  expect(projections.status()).toMatchObject(ALL.map(() => ({ recordedAtNs: 1_004n })))
  await hold(ALL.slice(0, 1), logs[0]!, 3n)
  expect(await projections.waitFor(all, PATIENCE_MS)).toBe(true)
  expect(advances).toBeGreaterThan(0)
  expect(projections.status()).toMatchObject(ALL.map(() => ({ state: 'live', lagEvents: 0n, lagSeconds: 0 })))
})

it('a view that reads do not need holds up none of them: it is waited for by its name', async () => {
  const log = logOf(0, [3])
  const required = ALL.slice(0, 2)
  const projections = await watchProjections({ store, projections: BUILT_IN_PROJECTIONS, required, logs: [log], pollMs: 5 })
  onTestFinished(() => projections.stop())
  const head = new Map([[0, 3n]])
  const [other] = ALL.slice(2) as [string]
  const [waiting, named] = [projections.waitFor(head, PATIENCE_MS), projections.waitFor(head, PATIENCE_MS, other)]
  await hold(required, log, 3n)
  expect(await waiting).toBe(true)
  expect([projections.position(), projections.settledNs(), projections.positionOf(other)]).toEqual([head, 1_003n, new Map()])
  expect(await projections.waitFor(head, 50, other)).toBe(false)
  expect(projections.status().map(({ isRequired }) => isRequired)).toEqual([true, true, false, false])
  await hold([other], log, 3n)
  expect(await named).toBe(true)
  expect(projections.serving().positionOf(other)).toEqual(head)
}) // prettier-ignore

it('the lag in seconds is the age of the oldest event that a view lacks, also where it has rested for long', async () => {
  const log = logOf(0, [2])
  await hold(ALL, log, 2n)
  const projections = await watch([log])
  expect(projections.status()[0]).toMatchObject({ lagSeconds: 0 })
  const later = logOf(0, [2, 1]).frames[1]!
  log.push({ ...later, timeNs: BigInt(Date.now() - 3_000) * 1_000_000n })
  await expect.poll(() => projections.status()[0]!.lagSeconds).toBeGreaterThan(2.9)
  expect(projections.status()[0]).toMatchObject({ state: 'catching-up', lagEvents: 1n })
  expect(projections.status()[0]!.lagSeconds).toBeLessThan(30)
})

it('a store that does not answer is named, and positions stay what they were; it is asked again until it answers', async () => {
  const log = logOf(0, [2])
  await hold(ALL, log, 1n)
  let isAway = false
  const away = {
    query: (...given) => (isAway ? Promise.reject(new OutageError('nobody answers')) : store.query(...given)),
  } as ViewStore
  const lines: string[] = []
  const projections = await watch([log], away, lines)
  isAway = true
  await expect.poll(() => projections.status()[0]!.state).toBe('retrying')
  expect(projections.status()[0]!.failure).toContain('nobody answers')
  expect(projections.position()).toEqual(new Map([[0, 1n]]))
  expect(await projections.waitFor(new Map([[0, 2n]]), 20)).toBe(false)
  isAway = false
  await hold(ALL, log, 2n)
  await expect.poll(() => projections.status()[0]!.state).toBe('live')
  expect(lines).toHaveLength(2)
})

it('views that nobody fills are stalled, each by itself, and it is said what to look after', async () => {
  const logs = [logOf(0, [2]), logOf(1, [3])]
  for (const log of logs) await hold(ALL, log, 1n)
  const projections = await watchProjections({
    store,
    projections: BUILT_IN_PROJECTIONS,
    logs,
    pollMs: 5,
    stalledMs: 300,
  })
  onTestFinished(() => projections.stop())
  expect(projections.status().map(({ state }) => state)).toEqual(ALL.map(() => 'catching-up'))
  await hold(ALL.slice(1), logs[0]!, 2n)
  await hold(ALL.slice(1), logs[1]!, 3n)
  const states = (): readonly string[] => projections.status().map(({ state }) => state)
  await expect.poll(states).toEqual(['stalled', ...ALL.slice(1).map(() => 'live')])
  const [first] = projections.status()
  expect(first!.failure).toMatch(
    /^events wait, and the view has not moved for \d+ s: look after the projectors$/,
  )
  expect(first!.pumpAgeSeconds).toBeGreaterThan(0.3)
  // One partition that goes on does not hide another that does not.
  await hold(ALL.slice(0, 1), logs[0]!, 2n)
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(states()[0]).toBe('stalled')
  await hold(ALL.slice(0, 1), logs[1]!, 3n)
  await expect.poll(states).toEqual(ALL.map(() => 'live'))
})

it.each([
  ['does not answer', () => Promise.reject(new OutageError('nobody answers')), undefined],
  ['is known not to answer', () => new Promise<never>(() => undefined), 'nobody answers'],
])('a store that %s at the start keeps nobody from starting, and is there when it comes', async (_, fails, outage) => {
  const log = logOf(0, [2])
  await hold(ALL, log, 2n)
  let isAway = true
  const away = { query: (...given) => (isAway ? fails() : store.query(...given)) } as ViewStore
  const started = watchProjections({ store: away, projections: BUILT_IN_PROJECTIONS, logs: [log], pollMs: 5, outage })
  const projections = await started
  onTestFinished(() => projections.stop())
  expect(projections.absent()).toContain('nobody answers')
  expect(projections.absent()).toMatch(/\.$/)
  expect(projections.position()).toEqual(new Map([[0, 0n]]))
  expect(projections.status()[0]!.state).toBe('retrying')
  isAway = false
  await expect.poll(() => projections.absent()).toBeUndefined()
  expect(projections.position()).toEqual(new Map([[0, 2n]]))
}) // prettier-ignore

it('a time is settled when every partition holds what came up to then', async () => {
  const logs = [logOf(0, [2]), logOf(1, [3]), logOf(2, [])]
  const projections = await watch(logs)
  expect(projections.settledNs()).toBe(0n)
  await hold(ALL, logs[1]!, 3n)
  await projections.waitFor(new Map([[1, 3n]]), PATIENCE_MS)
  expect(projections.settledNs()).toBe(0n)
  await hold(ALL, logs[0]!, 2n)
  await projections.waitFor(new Map([[0, 2n]]), PATIENCE_MS)
  expect(projections.settledNs()).toBe(1_002n)
  expect(projections.status()).toMatchObject(ALL.map(() => ({ recordedAtNs: 1_003n })))
})
