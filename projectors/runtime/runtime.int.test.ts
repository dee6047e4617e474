import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from 'vitest'
import { BrokenChainError, LogBehindViewsError } from './lanes/chain.ts'
import { readCheckpoints } from './checkpoints.ts'
import { createViewStore } from '../clickhouse/clickhouse-store.ts'
import { digestViews } from '../proof/digest.ts'
import { engineUnderTest, eventually, type EngineUnderTest } from '../engine/engine-under-test.testing.ts'
import { dropAll } from '../clickhouse/drop-all.testing.ts'
import { insertStatement, sharedFeedName } from '../clickhouse/view-tables.ts'
import { proveByReplay } from '../proof/prove.ts'
import { servedStore, type Serving } from '../serving.ts'
import { balancesOf } from '../views/balances/balances.ts'
import { BUILT_IN_PROJECTIONS } from '../views/built-in.ts'
import { allTogether } from '../projection.ts'
import { startProjections, type RunningProjections } from './runtime.ts'
import { systemClock } from './system-clock.ts'
import { MemoryLog, sealed } from '../../test/support/memory-log.ts'
import { SampleWallet } from '../../test/model/sample-wallet.ts'
import { OutageError, type ViewStore } from '../clickhouse/view-store.ts'
import { PATIENCE_MS } from '../../test/support/patience.ts'

const PROJECTIONS = allTogether(BUILT_IN_PROJECTIONS)
let engine: EngineUnderTest
let store: ViewStore

beforeAll(async () => {
  engine = await engineUnderTest()
  store = createViewStore({ ...pick(engine.engine), retryMsMax: 200 })
})
beforeEach(() => dropAll(store))
afterAll(async () => {
  await store.close()
  await engine.stop()
})

function pick({ url, username, password }: { url: string; username: string; password: string }) {
  return { url, username, password }
}

/** A wallet with this many more steps, and its events appended to the log. */
function grow(wallet: SampleWallet, log: MemoryLog, steps: number): void {
  wallet.grow(steps)
  log.catchUp(wallet.events, true)
}

function fresh(steps: number, partition = 0): { wallet: SampleWallet; log: MemoryLog } {
  const wallet = new SampleWallet(partition)
  const log = new MemoryLog(partition)
  log.append([])
  grow(wallet, log, steps)
  return { wallet, log }
}

async function start(
  logs: readonly MemoryLog[],
  options: Partial<Parameters<typeof startProjections>[0]> = {},
): Promise<RunningProjections> {
  const projections = await startProjections({
    store,
    projections: PROJECTIONS,
    logs,
    lingerMs: 1,
    ...options,
  })
  onTestFinished(() => projections.stop())
  return projections
}

/** A store of which a test bends single calls. */
function bent(changes: Partial<ViewStore>): ViewStore {
  return {
    query: (...given) => store.query(...given),
    command: (...given) => store.command(...given),
    insertPayload: (...given) => store.insertPayload(...given),
    ping: () => store.ping(),
    close: () => store.close(),
    ...changes,
  }
}

async function expectViewsOf(log: MemoryLog, upTo = log.head().sequence, serving?: Serving): Promise<void> {
  const given = serving === undefined ? {} : { serving }
  const proof = await proveByReplay({ store, log, upTo, projections: BUILT_IN_PROJECTIONS, ...given })
  expect(proof.differences).toEqual([])
  expect(proof.equal).toBe(true)
}

it('catches up from nothing, goes live, and says how far it is', async () => {
  const { wallet, log } = fresh(300)
  const projections = await start([log], { rangeEventsMax: 50 })
  const advanced: bigint[] = []
  projections.onAdvance(() => advanced.push(projections.position().get(0) ?? 0n))
  const head = log.head().sequence
  expect(await projections.waitFor(new Map([[0, head]]), PATIENCE_MS)).toBe(true)
  expect(advanced.at(-1)).toBe(head)
  grow(wallet, log, 20)
  expect(await projections.waitFor(new Map([[0, log.head().sequence]]), PATIENCE_MS)).toBe(true)
  const [status] = projections.status()
  expect(projections.status().map(({ name }) => name)).toEqual(['balances', 'history', 'audit', 'crossings'])
  expect(status).toMatchObject({ state: 'live', lagEvents: 0n, lagSeconds: 0, failure: undefined })
  expect(status!.recordedAtNs).toBe(wallet.events.at(-1)!.recordedAtNs)
  expect(status!.pumpAgeSeconds).toBeLessThan(5)
  expect(await projections.waitFor(new Map([[0, head + 10_000n]]), 20)).toBe(false)
  await expectViewsOf(log)
})

it('is behind by all that the log is known to hold, however little of it has been read', async () => {
  const { log } = fresh(20)
  const read = log.head().sequence
  const ahead = 10_000n
  log.endSequence = () => read + ahead
  const projections = await start([log])
  expect(projections.status()[0]).toMatchObject({
    state: 'catching-up',
    head: new Map([[0, read + ahead]]),
    lagEvents: read + ahead - (projections.position().get(0) ?? 0n),
  })
  await projections.waitFor(new Map([[0, read]]), PATIENCE_MS)
  const [status] = projections.status()
  expect(status).toMatchObject({ head: new Map([[0, read + ahead]]), lagEvents: ahead })
  expect(status!.lagSeconds).toBeGreaterThan(0)
})

it('goes on where it was after a restart, and inserts nothing twice', async () => {
  const { wallet, log } = fresh(100)
  const first = await start([log])
  await first.waitFor(new Map([[0, log.head().sequence]]), PATIENCE_MS)
  await first.stop()
  const before = log.head().sequence
  grow(wallet, log, 50)
  const sequences: bigint[] = []
  const watched = bent({
    insertPayload: (sql, payloads, settings) => {
      sequences.push(Buffer.from(payloads[0]!).readBigUInt64LE(0))
      return store.insertPayload(sql, payloads, settings)
    },
  })
  const second = await start([log], { store: watched })
  expect(second.position()).toEqual(new Map([[0, before]]))
  await second.waitFor(new Map([[0, log.head().sequence]]), PATIENCE_MS)
  expect(sequences[0]).toBe(before + 1n)
  await expectViewsOf(log)
})

it('a crash after the rows and before the checkpoint changes nothing, though the ranges are then cut otherwise', async () => {
  const { log } = fresh(200)
  const crashing = bent({
    command: async (sql, parameters) => {
      if (sql.includes('INTO checkpoints') && parameters?.['sequence'] !== '0')
        throw new Error('the process ends here')
      return store.command(sql, parameters)
    },
  })
  const lines: string[] = []
  const dying = await start([log], { store: crashing, rangeEventsMax: 120, log: (line) => lines.push(line) })
  await eventually(async () => dying.status()[0]!.state === 'stopped')
  expect(lines.join()).toMatch(/stopped behind 0:0: the process ends here/)
  expect(await store.query('SELECT 1 FROM events_v1 LIMIT 1')).toHaveLength(1)
  const next = await start([log], { rangeEventsMax: 45 })
  expect(next.position()).toEqual(new Map([[0, 0n]]))
  await next.waitFor(new Map([[0, log.head().sequence]]), PATIENCE_MS)
  await expectViewsOf(log)
})

it('everything delivered twice, without any deduplication, changes no answer', async () => {
  const { log } = fresh(200)
  const projections = await start([log])
  const upTo = new Map([[0, log.head().sequence]])
  await projections.waitFor(upTo, PATIENCE_MS)
  const before = await digestViews(store, BUILT_IN_PROJECTIONS, upTo)
  await store.insertPayload(insertStatement(sharedFeedName(BUILT_IN_PROJECTIONS)), log.frames.map((frame) => frame.payload), { insert_deduplicate: 0 }) // prettier-ignore
  const [rows] = await store.query<{ rows: string }>('SELECT count() AS rows FROM events_v1')
  expect(BigInt(rows!.rows)).toBe(2n * log.head().sequence)
  expect(await digestViews(store, BUILT_IN_PROJECTIONS, upTo)).toEqual(before)
})

it('kill -9 of the engine during inserts costs a retry that can be seen, and no event', async () => {
  const { wallet, log } = fresh(100)
  const projections = await start([log], { rangeEventsMax: 40 })
  const states = new Set<string>()
  for (let round = 0; round < 4; round++) {
    grow(wallet, log, 200)
    await new Promise((resolve) => setTimeout(resolve, 15 + round * 20))
    process.kill(engine.engine.pid!, 'SIGKILL')
    await eventually(async () => {
      states.add(projections.status()[0]!.state)
      return engine.engine.state() === 'ready' && projections.status()[0]!.lagEvents === 0n
    })
  }
  expect(states).toContain('retrying')
  expect(projections.status()[0]).toMatchObject({ failure: undefined, state: 'live' })
  await expectViewsOf(log)
})

it('an outage is retried with the same bytes and the same token until it ends', async () => {
  const { log } = fresh(30)
  const attempts: unknown[] = []
  const failing = bent({
    insertPayload: async (sql, payloads, settings) => {
      attempts.push([Buffer.concat(payloads).toString('hex'), settings])
      if (attempts.length < 4) throw new OutageError('not now')
      return store.insertPayload(sql, payloads, settings)
    },
  })
  const projections = await start([log], { store: failing })
  await eventually(async () => projections.status()[0]!.state === 'retrying')
  expect(projections.status()[0]!.failure).toMatch(/partition 0, 1 to \d+: not now/)
  expect(await projections.waitFor(new Map([[0, log.head().sequence]]), PATIENCE_MS)).toBe(true)
  expect(attempts.slice(1, 4)).toEqual([attempts[0], attempts[0], attempts[0]])
  expect(projections.status()[0]!.failure).toBeUndefined()
})

it('a view whose table is gone stops at once and alone, with position and cause', async () => {
  const { wallet, log } = fresh(20)
  const projections = await start([log])
  await projections.waitFor(new Map([[0, log.head().sequence]]), PATIENCE_MS)
  const position = projections.position()
  await store.command('DROP TABLE history_v1 SYNC')
  grow(wallet, log, 5)
  await eventually(async () => projections.status()[1]!.state === 'stopped')
  expect(projections.status()[1]!.failure).toMatch(
    new RegExp(`^stopped behind 0:${position.get(0)}: .*history_v1`),
  )
  await eventually(
    async () =>
      projections
        .status()
        .map(({ state }) => state)
        .join() === 'live,stopped,live,live',
  )
  expect([0, 2, 3].map((other) => projections.status()[other]!.lagEvents)).toEqual([0n, 0n, 0n])
  // Reads need them all, so they stay where the one has stopped.
  expect(projections.position()).toEqual(position)
})

it.each(['history_v1', 'balances_v1_filler'])(
  'a view that lost %s is stopped, alone, until it is reset',
  async (name) => {
    const { log } = fresh(20)
    const projections = await start([log])
    await projections.waitFor(new Map([[0, log.head().sequence]]), PATIENCE_MS)
    await projections.stop()
    await store.command(`DROP TABLE ${name} SYNC`)
    const table = name.replace('_filler', '')
    const [view] = BUILT_IN_PROJECTIONS.filter(({ tables }) =>
      tables.some((one) => `${one.name}_v1` === table),
    )
    // Twice: what is missing was not made by the first try.
    for (const again of [await start([log]), await start([log])]) {
      await eventually(async () => again.status().some(({ state }) => state === 'stopped'))
      for (const { name: one, state, failure } of again.status())
        if (one === view!.name)
          expect([state, failure]).toEqual(['stopped', expect.stringContaining(`${name} is not there`)])
        else expect(state).toBe('live')
      await again.stop()
    }
    const anew = await start([log])
    await anew.reset()
    expect(await anew.waitFor(new Map([[0, log.head().sequence]]), PATIENCE_MS)).toBe(true)
    expect(anew.status().map(({ state, version }) => [state, version])).toEqual(
      BUILT_IN_PROJECTIONS.map(() => ['live', 2]),
    )
  },
)

it.each([
  ['a gap', (log: MemoryLog, next: SampleWallet) => sealed(0, next.events.slice(-3), log.head().sequence + 3n, log.head().hash), /after \d+ comes/],
  ['a foreign hash', (log: MemoryLog, next: SampleWallet) => sealed(0, next.events.slice(-3), log.head().sequence + 1n, new Uint8Array(32).fill(7)), /previous hash/],
] as const)('%s in the log stops the views before anything of it is written', async (_, bad, message) => {
  const { wallet, log } = fresh(20)
  const projections = await start([log])
  await projections.waitFor(new Map([[0, log.head().sequence]]), PATIENCE_MS)
  const position = projections.position()
  log.push(bad(log, wallet))
  await eventually(async () => projections.status()[0]!.state === 'stopped')
  expect(projections.status()[0]!.failure).toMatch(message)
  expect(projections.position()).toEqual(position)
  expect((await readCheckpoints(store)).get('audit 1')?.get(0)?.sequence).toBe(position.get(0))
}) // prettier-ignore

it('a frame that comes again is passed over', async () => {
  const { wallet, log } = fresh(20)
  const projections = await start([log])
  const again = log.frames.slice(-3)
  const honest = log.frames.at(-1)!
  for (const frame of again) log.push(frame)
  // What comes next continues the chain, not the repeat before it.
  log.push(sealed(0, [], honest.firstSequence + BigInt(honest.count), honest.hash))
  grow(wallet, log, 10)
  await projections.waitFor(new Map([[0, BigInt(wallet.events.length)]]), PATIENCE_MS)
  expect(projections.status()[0]!.state).toBe('live')
})

it('a log that ends before the views refuses the start, and one of another history stops them', async () => {
  const { wallet, log } = fresh(60)
  const projections = await start([log])
  await projections.waitFor(new Map([[0, log.head().sequence]]), PATIENCE_MS)
  await projections.stop()
  const shorter = new MemoryLog(0)
  shorter.append(wallet.events.slice(0, 7))
  await expect(start([shorter])).rejects.toThrow(LogBehindViewsError)
  const other = new MemoryLog(0)
  for (let at = 0; at < wallet.events.length; at += 7) other.append(wallet.events.slice(at, at + 7))
  const stopped = await start([other])
  await eventually(async () => stopped.status()[0]!.state === 'stopped')
  expect(stopped.status()[0]!.failure).toMatch(/another history/)
})

it('paused views stay where they are until resumed; reset makes them anew from the log', async () => {
  const { wallet, log } = fresh(40)
  const projections = await start([log])
  await projections.waitFor(new Map([[0, log.head().sequence]]), PATIENCE_MS)
  await projections.pause()
  const position = projections.position()
  grow(wallet, log, 40)
  expect(await projections.waitFor(new Map([[0, log.head().sequence]]), 200)).toBe(false)
  expect(projections.status()[0]!.state).toBe('paused')
  expect(projections.position()).toEqual(position)
  projections.resume()
  expect(await projections.waitFor(new Map([[0, log.head().sequence]]), PATIENCE_MS)).toBe(true)
  await store.command('TRUNCATE TABLE history_v1')
  await projections.reset()
  expect(await projections.waitFor(new Map([[0, log.head().sequence]]), PATIENCE_MS)).toBe(true)
  await expectViewsOf(log, log.head().sequence, projections.serving())
})

it('whoever remembers how far the views are hears that they hold nothing before a reset takes anything away', async () => {
  const { log } = fresh(40)
  const projections = await start([log])
  await projections.waitFor(new Map([[0, log.head().sequence]]), PATIENCE_MS)
  const heard: [position: bigint, isThere: Promise<unknown>][] = []
  const stopListening = projections.onAdvance(() =>
    heard.push([
      projections.position().get(0) ?? 0n,
      store.query('SELECT 1 FROM history_v1 LIMIT 1').then(
        (rows) => rows.length > 0,
        () => false,
      ),
    ]),
  )
  await projections.reset()
  stopListening()
  const [position, isThere] = heard[0]!
  expect([position, await isThere]).toEqual([0n, true])
})

it('a replay finds a view that was tampered with, and names it; live views that moved on do not disturb it', async () => {
  const { wallet, log } = fresh(80)
  const projections = await start([log])
  const upTo = log.head().sequence
  await projections.waitFor(new Map([[0, upTo]]), PATIENCE_MS)
  grow(wallet, log, 30)
  await projections.waitFor(new Map([[0, log.head().sequence]]), PATIENCE_MS)
  await expectViewsOf(log, upTo)
  await store.command(
    `ALTER TABLE history_v1 UPDATE credits_posted = credits_posted + 1 WHERE account = 2 AND version = 2 SETTINGS mutations_sync = 2`,
  )
  const { equal, differences } = await proveByReplay({ store, log, upTo, projections: BUILT_IN_PROJECTIONS })
  expect(equal).toBe(false)
  expect(differences.map(({ live }) => live.table)).toEqual(['history'])
  const databases = await store.query(
    `SELECT name FROM system.databases WHERE startsWith(name, 'purser_replay')`,
  )
  expect(databases).toEqual([])
})

it('two partitions share the views and stand at one position', async () => {
  const zero = fresh(50, 0)
  const one = fresh(70, 1)
  const projections = await start([zero.log, one.log])
  const head = new Map([
    [0, zero.log.head().sequence],
    [1, one.log.head().sequence],
  ])
  expect(await projections.waitFor(head, PATIENCE_MS)).toBe(true)
  expect(projections.position()).toEqual(head)
  const both = await balancesOf(
    servedStore(store, projections.serving()),
    [
      { partition: 0, account: 1 },
      { partition: 1, account: 1 },
    ],
    head,
  )
  expect(both.map(({ partition }) => partition)).toEqual([0, 1])
  await expectViewsOf(zero.log)
  await expectViewsOf(one.log)
})

it('reads of a store that is gone end in an outage, within a bound', async () => {
  const gone = createViewStore({ url: 'http://127.0.0.1:9', username: 'x', password: 'y', retryMsMax: 100 })
  onTestFinished(() => gone.close())
  await expect(gone.query('SELECT 1')).rejects.toThrow(OutageError)
  await expect(gone.insertPayload('INSERT INTO t FORMAT RowBinary', [new Uint8Array(8)])).rejects.toThrow(OutageError)
  await expect(store.query('SELECT nothing_like_it')).rejects.toMatchObject({ type: 'UNKNOWN_IDENTIFIER' })
  await expect(store.query('SELECT sleep(3)', {}, { timeoutSeconds: 1 })).rejects.toThrow(OutageError)
  expect(new BrokenChainError('x').code).toBe('CHAIN_BROKEN')
}) // prettier-ignore

it('an insert that is never answered leaves no projection live, and says since when', async () => {
  const { wallet, log } = fresh(30)
  let answer: () => void = () => undefined
  let [isHanging, hasBegun, aheadMs] = [false, false, 0]
  const silent = bent({
    insertPayload: async (...given) => {
      hasBegun ||= isHanging
      if (isHanging) await new Promise<void>((resolve) => (answer = resolve))
      return store.insertPayload(...given)
    },
  })
  const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + aheadMs }
  const projections = await start([log], { store: silent, clock })
  await projections.waitFor(new Map([[0, log.head().sequence]]), 60_000)
  isHanging = true
  grow(wallet, log, 5)
  await eventually(async () => hasBegun)
  aheadMs = 12_000
  const held = projections.position().get(0)
  for (const { state, failure, pumpAgeSeconds } of projections.status()) {
    expect(state).toBe('stalled')
    expect(failure).toMatch(new RegExp(`^behind 0:${held}, the view store has not answered for 1\\d s$`))
    expect(pumpAgeSeconds).toBeGreaterThan(10)
  }
  isHanging = false
  answer()
  await eventually(async () => projections.status()[0]!.lagEvents === 0n)
  expect(projections.status()[0]).toMatchObject({ state: 'live', failure: undefined })
})
