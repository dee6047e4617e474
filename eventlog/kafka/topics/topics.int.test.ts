/** Topics on a real broker: as they are created, and as others left them. */
import { randomBytes } from 'node:crypto'
import { afterAll, describe, expect, test } from 'vitest'
import { withKafka, withKafkaCluster } from '../../../test/support/kafka.ts'
import { damageBatch } from '../../../test/support/kafka/disk.ts'
import { need } from '../../../test/support/left-out.ts'
import { EVENT_SCHEMA_VERSION } from '../../../schemas/events.ts'
import { seal } from '../../handoff/seal.ts'
import { chainAfter, emptyChain } from '../../file/layout/segments.ts'
import { createKafka, createProducer } from '../kafkajs/client.ts'
import { encodeFrameRecord } from '../events/record.ts'
import { topicNames, type KafkaSettings } from '../settings.ts'
import { addPartitions, asAdmin, sendRecords } from '../../../test/support/kafka/topics.ts'
import { checkTopics, createTopics, settledPartitions } from './topics.ts'
import { judgeTopics, topicRules, type FoundTopic } from './topic-rules.ts'

const quiet = (): void => undefined
const OPENING = {
  schemaVersion: EVENT_SCHEMA_VERSION,
  epoch: 1n,
  firstSequence: 1n,
  count: 0,
  timeNs: 1n,
  nextCommandOffset: 0n,
  nextCommandIndex: 0,
  payload: new Uint8Array(0),
}
const names = { commands: 'x.commands', events: 'x.events' }

function goodTopic(kind: keyof typeof names, replicas = 3): FoundTopic {
  return {
    name: names[kind],
    partitions: [0, 1].map(() => ({ replicas, inSync: replicas, hasLeader: true })),
    config: new Map(topicRules(kind, replicas).map(({ property, value }) => [property, value])),
  }
}

function faultsWith(kind: keyof typeof names, change: Partial<FoundTopic> | readonly [string, string]): readonly string[] {
  const topic = goodTopic(kind)
  const other = goodTopic(kind === 'events' ? 'commands' : 'events')
  const changed = 'length' in change ? { ...topic, config: new Map([...topic.config, change]) } : { ...topic, ...change }
  return judgeTopics(names, { partitions: undefined, replication: 3 }, [changed, other]).map(({ property }) => property)
} // prettier-ignore

describe('what topics have to be like', () => {
  test('topics as they are created have no fault', () => {
    expect(judgeTopics(names, { partitions: 2, replication: 3 }, [goodTopic('commands'), goodTopic('events')])).toEqual([])
  }) // prettier-ignore

  test.each([
    ['min.insync.replicas', '1'],
    ['min.insync.replicas', '3'],
    ['unclean.leader.election.enable', 'true'],
    ['cleanup.policy', 'compact,delete'],
    ['retention.ms', '604800000'],
    ['retention.bytes', '1073741824'],
    ['max.message.bytes', '1048588'],
    ['message.timestamp.type', 'CreateTime'],
    ['compression.type', 'zstd'],
    ['compression.type', 'producer'],
  ])('events with %s = %s', (property, value) => {
    expect(faultsWith('events', [property, value])).toEqual([property])
  })

  test('commands may be deleted after seven days, and not before', () => {
    expect(faultsWith('commands', ['retention.ms', '604800000'])).toEqual([])
    expect(faultsWith('commands', ['retention.ms', '604799999'])).toEqual(['retention.ms'])
  })

  test('a property that the brokers do not tell is a fault, not a pass', () => {
    expect(faultsWith('events', { config: new Map() })).toHaveLength(topicRules('events', 3).length)
  })

  test('replicas that are missing, behind or without a leader are told apart', () => {
    const at = (partition: object) => ({
      partitions: [goodTopic('events').partitions[0]!, { replicas: 3, inSync: 3, hasLeader: true, ...partition }],
    })
    expect(faultsWith('events', at({ replicas: 2, inSync: 2 }))).toEqual(['replication'])
    expect(faultsWith('events', at({ inSync: 2 }))).toEqual(['in-sync'])
    expect(faultsWith('events', at({ hasLeader: false, inSync: 0 }))).toEqual(['leader'])
  }) // prettier-ignore

  test('both topics have the same partitions, and those that were asked for', () => {
    const [commands, events] = [goodTopic('commands'), goodTopic('events')]
    const fewer = { ...commands, partitions: commands.partitions.slice(1) }
    expect(judgeTopics(names, { partitions: undefined, replication: 3 }, [fewer, events])).toMatchObject([
      { topic: 'x.commands', property: 'partitions', found: '1', wanted: '2' },
    ])
    expect(judgeTopics(names, { partitions: 1, replication: 3 }, [fewer, events])).toMatchObject([
      { topic: 'x.events', property: 'partitions', found: '2', wanted: '1' },
    ])
  })
})

await withKafka('topics', (kafka) => {
  const deployment = (): KafkaSettings => ({
    brokers: kafka.brokers,
    clientId: 'purser-tests',
    topicPrefix: `topics-${randomBytes(4).toString('hex')}`,
  })
  const oneBroker = { partitions: 3, replication: 1 }

  describe('topics on a real broker', () => {
    test('missing ones are named; created, they have no fault; created again, nothing happens', async () => {
      const settings = deployment()
      const missing = await checkTopics(settings, oneBroker, quiet)
      expect(missing.faults.map(({ topic, property }) => [topic, property])).toEqual([
        [topicNames(settings).commands, 'exists'],
        [topicNames(settings).events, 'exists'],
      ])
      expect(await createTopics(settings, oneBroker, quiet)).toEqual(
        Object.values({ ...topicNames(settings) }),
      )
      expect((await checkTopics(settings, oneBroker, quiet)).faults).toEqual([])
      expect(await createTopics(settings, oneBroker, quiet)).toEqual([])
    })

    test('two who create at the same time both succeed', async () => {
      const settings = deployment()
      await Promise.all([1, 2].map(() => createTopics(settings, oneBroker, quiet)))
      expect((await checkTopics(settings, oneBroker, quiet)).faults).toEqual([])
    })

    test('one that is missing gets as many partitions as the other has', async () => {
      const settings = deployment()
      await createTopics(settings, oneBroker, quiet)
      const { events } = topicNames(settings)
      await asAdmin(settings, (admin) => admin.deleteTopics({ topics: [events] }))
      await expect
        .poll(() => createTopics(settings, { partitions: undefined, replication: 1 }, quiet))
        .toEqual([events])
      const report = await checkTopics(settings, { partitions: undefined, replication: 1 }, quiet)
      expect(report.topics.map(({ partitions }) => partitions.length)).toEqual([3, 3])
    })

    /** Writes to a partition: frames that follow each other, each of an epoch of its own, as one of so many (0: it does not say). */
    async function begin(settings: KafkaSettings, partition: number, ...said: number[]): Promise<void> {
      const producer = createProducer(createKafka(settings, quiet))
      await producer.connect()
      let chain = emptyChain(partition)
      const records = said.map((partitions, index) => {
        const frame = seal({ ...OPENING, epoch: BigInt(index + 1), partitions }, chain, 0n)
        chain = chainAfter(frame)
        return encodeFrameRecord(frame.bytes)
      })
      await sendRecords(producer, topicNames(settings).events, partition, records)
      await producer.disconnect()
    }

    test('with the first frame the number of partitions is fixed: what is added later is said, and not used', async () => {
      const settings = await kafka.deployment(2)
      const { commands, events } = topicNames(settings)
      const lines: string[] = []
      const settled = (): Promise<number> => settledPartitions(settings, (line) => lines.push(line))
      const check = (partitions?: number) => checkTopics(settings, { partitions, replication: 1 }, quiet)
      const faults = async (partitions?: number): Promise<string[]> =>
        (await check(partitions)).faults.map(({ property }) => property).filter((one) => one === 'partitions')

      await addPartitions(settings, [commands], 3)
      await expect(settled()).rejects.toMatchObject({ code: 'kafka_refused' })
      await addPartitions(settings, [events], 3)
      expect(await settled()).toBe(3)

      await begin(settings, 1, 3)
      await addPartitions(settings, [events], 5)
      expect(lines).toEqual([])
      expect(await settled()).toBe(3)
      expect(lines).toEqual([expect.stringContaining('the log was begun with 3')])
      expect(await check()).toMatchObject({ unused: 2, topics: [{ name: commands }, { name: events }] })
      expect(await faults()).toEqual([])
      expect(await faults(3)).toEqual([])
      expect(await faults(5)).toEqual(['partitions', 'partitions'])
    })

    test('a partition whose newest frame does not say the number leaves it to the others', async () => {
      const settings = await kafka.deployment(2)
      const { commands, events } = topicNames(settings)
      await begin(settings, 0, 0)
      await addPartitions(settings, [commands, events], 3)
      expect(await settledPartitions(settings, quiet)).toBe(3)
      await begin(settings, 1, 0, 2)
      expect(await settledPartitions(settings, quiet)).toBe(2)
    })

    test('a frame that continues no chain does not say the number, however many of them come last', async () => {
      const settings = await kafka.deployment(2)
      await begin(settings, 0, 2, 2, 2)
      for (let stray = 0; stray < 3; stray++) {
        await begin(settings, 0, 5)
        expect(await settledPartitions(settings, quiet)).toBe(2)
      }
    })

    test('a partition whose newest frame was damaged on the broker’s disk leaves it to the others', async (context) => {
      const settings = await kafka.deployment(2)
      const { commands, events } = topicNames(settings)
      await begin(settings, 0, 2)
      const isHere = await damageBatch(settings, events, 0, 0n)
      need(context, isHere, 'the disk of the broker is not on this machine', 'kafka')
      await begin(settings, 1, 2)
      await addPartitions(settings, [commands, events], 3)
      expect(await settledPartitions(settings, quiet)).toBe(2)
    })

    test('topics with fewer partitions than the log was begun with are refused', async () => {
      const settings = await kafka.deployment(2)
      await begin(settings, 0, 3)
      await expect(settledPartitions(settings, quiet)).rejects.toMatchObject({ code: 'partitions_differ' })
      const { faults } = await checkTopics(settings, { partitions: undefined, replication: 1 }, quiet)
      expect(faults.filter(({ property }) => property === 'partitions')).toHaveLength(2)
    })

    test('what others created with the broker’s defaults is wrong in every way at once, and stays as it is', async () => {
      const settings = deployment()
      const { events } = topicNames(settings)
      await asAdmin(settings, (admin) =>
        admin.createTopics({
          waitForLeaders: true,
          topics: [{ topic: events, numPartitions: 2, replicationFactor: 1, configEntries: [
            { name: 'cleanup.policy', value: 'compact' },
            { name: 'unclean.leader.election.enable', value: 'true' },
            { name: 'retention.ms', value: '604800000' },
            { name: 'max.message.bytes', value: '1048588' },
          ] }],
        }),
      ) // prettier-ignore
      const wanted = { partitions: 4, replication: 3 }
      const { faults } = await checkTopics(settings, wanted, quiet)
      expect(faults.map(({ topic, property }) => `${topic.split('.')[1]} ${property}`)).toEqual([
        'commands exists',
        'events partitions',
        'events replication',
        'events min.insync.replicas',
        'events unclean.leader.election.enable',
        'events cleanup.policy',
        'events retention.ms',
        'events max.message.bytes',
        'events message.timestamp.type',
        'events compression.type',
      ])
      expect(faults.every(({ remedy }) => remedy !== '')).toBe(true)
      expect(await createTopics(settings, { partitions: 4, replication: 1 }, quiet)).toEqual([topicNames(settings).commands])
    }) // prettier-ignore

    test('more replicas than brokers: Kafka’s reason, as a refusal', async () => {
      await expect(
        createTopics(deployment(), { partitions: 1, replication: 9 }, quiet),
      ).rejects.toMatchObject({
        code: 'kafka_refused',
        message: expect.stringMatching(/replication/i) as string,
      })
    })

    test('nobody at the address: said as such', async () => {
      const settings = { ...deployment(), brokers: ['127.0.0.1:1'] }
      await expect(checkTopics(settings, oneBroker, quiet)).rejects.toMatchObject({
        code: 'kafka_unreachable',
        message: expect.stringContaining('127.0.0.1:1') as string,
      })
    })
  })
})

await withKafkaCluster('topics on three brokers', { brokers: 3 }, (cluster, kafka) => {
  afterAll(() => cluster.stop())

  test('created on three brokers they have no fault at once, whichever broker is asked first', async () => {
    for (let round = 0; round < 3; round++) {
      const settings: KafkaSettings = {
        brokers: kafka.brokers,
        clientId: 'purser-tests',
        topicPrefix: `three-${randomBytes(4).toString('hex')}`,
      }
      await createTopics(settings, { partitions: 12, replication: 3 }, quiet)
      const reports = await Promise.all(
        kafka.brokers.map((broker) =>
          checkTopics({ ...settings, brokers: [broker] }, { partitions: 12, replication: 3 }, quiet),
        ),
      )
      expect(reports.flatMap(({ faults }) => faults)).toEqual([])
    }
  }, 120_000)
})
