/** Projectors on a real Kafka and a real engine: shared, taken over, begun in the middle, and two at once. */
import type { Producer } from 'kafkajs'
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from 'vitest'
import { LogError } from '../../eventlog/errors.ts'
import { createKafka, createProducer } from '../../eventlog/kafka/kafkajs/client.ts'
import { encodeFrameRecord } from '../../eventlog/kafka/events/record.ts'
import { topicNames, type KafkaSettings } from '../../eventlog/kafka/settings.ts'
import { deleteRecordsBefore, sendRecords } from '../../test/support/kafka/topics.ts'
import { heldByAll, readCheckpoints } from '../../projectors/runtime/checkpoints.ts'
import { createViewStore } from '../../projectors/clickhouse/clickhouse-store.ts'
import { engineUnderTest, type EngineUnderTest } from '../../projectors/engine/engine-under-test.testing.ts'
import { dropAll } from '../../projectors/clickhouse/drop-all.testing.ts'
import { proveByReplay } from '../../projectors/proof/prove.ts'
import type { SqlProjection } from '../../projectors/projection.ts'
import { BUILT_IN_PROJECTIONS, BUILT_IN_VIEWS } from '../../projectors/views/built-in.ts'
import { startProjections } from '../../projectors/runtime/runtime.ts'
import { MemoryLog } from '../../test/support/memory-log.ts'
import { SampleWallet } from '../../test/model/sample-wallet.ts'
import { OutageError, type ViewStore } from '../../projectors/clickhouse/view-store.ts'
import { withKafka } from '../../test/support/kafka.ts'
import { startSwitchedProxy } from '../../test/support/kafka/switched-proxy.ts'
import { isOutage, projectionsNamed, startProjectorRole, type ProjectorRole, type ProjectorRoleOptions } from './projector-role.ts' // prettier-ignore

const PARTITIONS = 3
const WAIT = { timeout: 60_000, interval: 30 }
const quiet = (): void => undefined

await withKafka('projectors on Kafka', (kafka) => {
  let engine: EngineUnderTest
  let store: ViewStore
  let producer: Producer
  beforeAll(async () => {
    engine = await engineUnderTest()
    store = createViewStore(engine.engine)
    producer = createProducer(createKafka({ brokers: kafka.brokers, clientId: 'purser-tests', topicPrefix: '' }, quiet)) // prettier-ignore
    await producer.connect()
  })
  beforeEach(() => dropAll(store))
  afterAll(async () => {
    await producer.disconnect()
    await store.close()
    await engine.stop()
  })

  /** A partition's events, on the topic and in memory. */
  class Town {
    readonly log: MemoryLog
    readonly #wallet: SampleWallet
    readonly #topic: string
    #sent = 0

    constructor(settings: KafkaSettings, partition: number) {
      this.log = new MemoryLog(partition)
      this.#wallet = new SampleWallet(partition)
      this.#topic = topicNames(settings).events
    }

    async grow(steps: number): Promise<void> {
      this.#wallet.grow(steps)
      this.log.catchUp(this.#wallet.events, true)
      const values = this.log.frames.slice(this.#sent).map(({ bytes }) => encodeFrameRecord(bytes))
      this.#sent = this.log.frames.length
      // Each twice, as a retried produce leaves them.
      for (const value of values) await sendRecords(producer, this.#topic, this.log.partition, [value, value])
    }
  }

  async function towns(settings: KafkaSettings, steps: number): Promise<Town[]> {
    const all = Array.from({ length: PARTITIONS }, (_, partition) => new Town(settings, partition))
    await Promise.all(all.map((town) => town.grow(steps)))
    return all
  }

  async function start(
    settings: KafkaSettings,
    names: readonly string[] = [],
    more: Partial<ProjectorRoleOptions> = {},
  ): Promise<ProjectorRole> {
    const role = await startProjectorRole({
      kafka: settings,
      clickhouse: engine.engine,
      projections: projectionsNamed(names),
      log: quiet,
      sessionTimeoutMs: 6_000,
      ranges: { rangeEventsMax: 20 + Math.floor(Math.random() * 40), lingerMs: 1 },
      ...more,
    })
    onTestFinished(() => role.stop())
    return role
  }

  async function untilHeld(all: readonly Town[]): Promise<void> {
    await until(async () => {
      const held = heldByAll(await readCheckpoints(store), BUILT_IN_PROJECTIONS)
      return all.every(({ log }) => held.get(log.partition)?.sequence === log.head().sequence)
    })
  }

  async function expectViewsOf(all: readonly Town[]): Promise<void> {
    await untilHeld(all)
    for (const { log } of all)
      expect(
        (await proveByReplay({ store, log, upTo: log.head().sequence, projections: BUILT_IN_PROJECTIONS }))
          .differences,
      ).toEqual([])
  }

  it('share the partitions, and take over those of one that ends, where it was', async () => {
    const settings = await kafka.deployment(PARTITIONS)
    const all = await towns(settings, 40)
    const first = await start(settings)
    await until(() => first.partitions().length === PARTITIONS)
    const second = await start(settings)
    await until(() => first.partitions().length > 0 && second.partitions().length > 0 && first.partitions().length + second.partitions().length === PARTITIONS) // prettier-ignore
    await expectViewsOf(all)
    expect(first.status()).toMatchObject({ ready: true, reasons: [], partitions: first.partitions() })
    await Promise.all(all.map((town) => town.grow(30)))
    await second.stop()
    await until(() => first.partitions().length === PARTITIONS)
    await Promise.all(all.map((town) => town.grow(30)))
    await expectViewsOf(all)
  }, 120_000)

  it('begin where a checkpoint says: what stands before it in the topic may be gone', async () => {
    const settings = await kafka.deployment(PARTITIONS)
    const all = await towns(settings, 40)
    const first = await start(settings)
    await expectViewsOf(all)
    await first.stop()
    const held = heldByAll(await readCheckpoints(store), BUILT_IN_PROJECTIONS)
    await deleteRecordsBefore(settings, topicNames(settings).events, [...held.values()])
    await Promise.all(all.map((town) => town.grow(30)))
    const second = await start(settings)
    await expectViewsOf(all)
    expect(second.status().ready).toBe(true)
  }, 120_000)

  it('of which two write the same partitions at once leave the views of one, each with checkpoints of its own', async () => {
    const settings = await kafka.deployment(PARTITIONS)
    const all = await towns(settings, 20)
    // Projectors of other projections are another group: both have all partitions, and both fill the balances.
    const roles = [await start(settings), await start(settings, ['balances'])]
    for (let round = 0; round < 4; round++) await Promise.all(all.map((town) => town.grow(25)))
    await expectViewsOf(all)
    for (const role of roles) expect(role.partitions()).toEqual([0, 1, 2])
  }, 120_000)

  it('of which one is fenced by another that ends later take its partitions up again, from where the views are by then', async () => {
    const settings = await kafka.deployment(PARTITIONS)
    const all = await towns(settings, 20)
    const lines: string[] = []
    const role = await start(settings, [], { log: (line) => lines.push(line) })
    await expectViewsOf(all)
    const before = await readCheckpoints(store)
    // Of another group, as one that a group has given the same partitions, or one whose group was late.
    const other = await startProjections({
      store,
      logs: all.map(({ log }) => log),
      projections: projectionsNamed([]),
      lingerMs: 1,
    })
    onTestFinished(() => other.stop())
    await Promise.all(all.map((town) => town.grow(20)))
    const fenced = (): readonly string[] =>
      lines.filter((line) => line.includes('filled by another projector since'))
    await until(() => fenced().length === PARTITIONS)
    await other.waitFor(new Map(all.map(({ log }) => [log.partition, log.head().sequence])), WAIT.timeout)
    await other.stop()
    await Promise.all(all.map((town) => town.grow(20)))
    // Nobody fills them but this one: it has them still, and is to take each of them up by itself.
    await expectViewsOf(all)
    // The other one's epochs are one later than the first ones of this one, and now there are later ones still.
    for (const [key, own] of await readCheckpoints(store))
      for (const [partition, { epoch }] of own)
        expect(beginningsOf(epoch)).toBeGreaterThanOrEqual(
          beginningsOf(before.get(key)!.get(partition)!.epoch) + 2,
        )
    expect(role.partitions()).toEqual([0, 1, 2])
    expect(fenced()).toHaveLength(PARTITIONS)
    await expect.poll(() => role.status(), WAIT).toMatchObject({ ready: true, reasons: [] })
  }, 120_000)

  it('that have had a corrupt partition are ready again when another one has it, and that one says why it is not', async () => {
    const settings = await kafka.deployment(PARTITIONS)
    await towns(settings, 10)
    const first = await start(settings)
    // The one that goes to the next member.
    const corrupt = PARTITIONS - 1
    await sendRecords(producer, topicNames(settings).events, corrupt, [
      Buffer.from('nobody of ours wrote this'),
    ])
    const named = expect.stringContaining(`Partition ${corrupt} cannot be followed any more`) as string
    await expect.poll(() => first.status(), WAIT).toMatchObject({ ready: false, reasons: [named] })
    const second = await start(settings)
    await expect.poll(() => second.status(), WAIT).toMatchObject({ ready: false, reasons: [named] })
    await expect
      .poll(() => first.status(), WAIT)
      .toMatchObject({ ready: true, reasons: [], partitions: [0, 1] })
  }, 120_000)

  it('that begin with views that hold nothing fill them from the first record on, and stop in the middle of that when told to', async () => {
    const settings = await kafka.deployment(PARTITIONS)
    const all = await towns(settings, 90)
    const proxy = await startSwitchedProxy(Number(new URL(engine.engine.url).port))
    onTestFinished(() => proxy.close())
    const { username, password } = engine.engine
    const clickhouse = { url: `http://${proxy.address}`, username, password }
    // One frame at a time, over a network that is slow: it takes long.
    proxy.delay(50)
    const role = await start(settings, [], { clickhouse, ranges: { rangeEventsMax: 1, lingerMs: 1 } })
    const held = async () => [...heldByAll(await readCheckpoints(store), BUILT_IN_PROJECTIONS).values()]
    await until(async () => (await held()).filter(({ sequence }) => sequence > 0n).length === PARTITIONS)
    expect(role.status()).toMatchObject({ ready: true, projections: [{ state: 'catching-up' }, {}, {}, {}] })
    await role.stop()
    const left = await held()
    for (const { partition, sequence } of left) expect(sequence).toBeLessThan(all[partition]!.log.head().sequence)
    await start(settings)
    await untilHeld(all)
    await expectViewsOf(all.slice(0, 1))
  }, 120_000) // prettier-ignore

  it('that are given a partition while Kafka cannot be reached take it up when it can be again, and do not end', async () => {
    const settings = await kafka.deployment(PARTITIONS)
    const all = await towns(settings, 10)
    // Connections begin there, and go on to where brokers say that they are: those that are made already stay.
    const proxy = await startSwitchedProxy(Number(settings.brokers[0]!.split(':')[1]))
    onTestFinished(() => proxy.close())
    const lines: string[] = []
    const more = { outageMsMax: 1_000, log: (line: string) => lines.push(line) }
    const first = await start({ ...settings, brokers: [proxy.address] }, [], more)
    const second = await start(settings)
    await until(() => first.partitions().length > 0 && second.partitions().length > 0)
    proxy.refuse()
    await second.stop()
    await until(() =>
      lines.some((line) => /^Partition \d: Kafka did not answer .* Trying again\.$/.test(line)),
    )
    expect(first.status()).toMatchObject({ ready: false })
    proxy.accept()
    await until(() => first.partitions().length === PARTITIONS)
    await Promise.all(all.map((town) => town.grow(10)))
    await untilHeld(all)
    await expect.poll(() => first.status(), WAIT).toMatchObject({ ready: true, reasons: [] })
  }, 120_000)

  it('that are told to stop while they take a partition up do not wait for that', async () => {
    const settings = await kafka.deployment()
    const proxy = await startSwitchedProxy(Number(settings.brokers[0]!.split(':')[1]))
    onTestFinished(() => proxy.close())
    const first = await start(settings)
    await until(() => first.partitions().length === 1)
    // The next one's connections begin at the proxy: taking up would go on for longer than this test may last.
    const next = await start({ ...settings, brokers: [proxy.address] }, [], { outageMsMax: 600_000 })
    proxy.refuse()
    await first.stop()
    await until(() => next.status().reasons.includes('Partitions 0 are being taken up.'))
    const before = proxy.turnedAway()
    await until(() => proxy.turnedAway() > before + 5)
    await next.stop()
    expect(next.partitions()).toEqual([])
  }, 120_000)

  it('refuse a view that is unfit, before anything of it is made or an event is read; another one’s views are no matter', async () => {
    const settings = await kafka.deployment(PARTITIONS)
    await towns(settings, 5)
    const unfit = {
      kind: 'sql',
      name: 'unfit',
      version: 1,
      tables: [
        {
          name: 'unfit',
          columns: [
            ['partition', 'UInt16'],
            ['sequence', 'UInt64'],
            ['amount', 'Int64'],
          ],
          key: ['sequence'],
          select: 'partition, max(sequence) AS sequence, sum(amount) AS amount',
        },
      ],
    } satisfies SqlProjection
    const views = [...BUILT_IN_VIEWS, { projection: unfit }]
    await expect(
      start(settings, [], { views, projections: projectionsNamed([], views) }),
    ).rejects.toMatchObject({
      code: 'projection_unfit',
      message: expect.stringMatching(/Table unfit: .* several events/) as string,
    })
    expect(await store.query('SELECT name FROM system.tables WHERE database = currentDatabase()')).toEqual([])
    const role = await start(settings, [], { views, projections: projectionsNamed(['audit'], views) })
    await expect.poll(() => role.status(), WAIT).toMatchObject({ ready: true })
  }, 120_000)

  it('say why they stop: a topic that is behind what the views know', async () => {
    const settings = await kafka.deployment(PARTITIONS)
    const all = await towns(settings, 30)
    const role = await start(settings)
    await expectViewsOf(all)
    await role.stop()
    const other = await kafka.deployment(PARTITIONS)
    await towns(other, 3)
    const confused = await start(other)
    expect(await confused.failed).toMatchObject({
      code: 'log_regressed',
      message: expect.stringMatching(
        /Partition \d cannot be followed: .*(not the frame|went backwards|beyond)/,
      ) as string,
    })
    expect(confused.status().ready).toBe(false)
  }, 120_000)
})

it('a partition that could not be taken up because Kafka or the views are away is tried again; nothing else passes', () => {
  expect(isOutage(new OutageError('the views are away'))).toBe(true)
  expect(isOutage(new LogError('kafka_unreachable', 'Kafka is away'))).toBe(true)
  for (const code of ['log_regressed', 'log_corrupt', 'kafka_refused', 'kafka_offset_gone'] as const)
    expect(isOutage(new LogError(code, 'something else'))).toBe(false)
  expect(isOutage(new Error('something else'))).toBe(false)
})

it('projections are named as there are, each once', () => {
  expect(projectionsNamed([]).running).toEqual(BUILT_IN_PROJECTIONS)
  expect(projectionsNamed(['audit', 'balances']).running.map(({ name }) => name)).toEqual(['balances', 'audit'])
  for (const names of [['balance'], ['audit', 'audit']]) expect(() => projectionsNamed(names)).toThrow('no projection')
}) // prettier-ignore

/** How often the same has been begun, as it stands in an epoch. */
function beginningsOf(epoch: bigint): number {
  return Number(epoch >> 32n)
}

async function until(check: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 60_000
  while (!(await check())) {
    if (performance.now() > deadline) throw new Error('It did not happen in time.')
    await new Promise((resolve) => setTimeout(resolve, 30))
  }
}
