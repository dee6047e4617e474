/** What tests do to topics of a real broker: write records as they are, read them back, replace a topic, set its properties. */
import type { Admin, Producer } from 'kafkajs'
import { createKafka, createProducer } from '../../../eventlog/kafka/kafkajs/client.ts'
import { openTopicReader } from '../../../eventlog/kafka/partition/topic-reader.ts'
import type { KafkaSettings } from '../../../eventlog/kafka/settings.ts'
import { TOPIC_RESOURCE } from '../../../eventlog/kafka/topics/topics.ts'

/** Sends records as they are; resolves with the offset of the first. */
export async function sendRecords(
  producer: Producer,
  topic: string,
  partition: number,
  values: readonly Uint8Array[],
): Promise<bigint> {
  const [stored] = await producer.send({
    topic,
    acks: -1,
    messages: values.map((value) => ({ value: Buffer.from(value), partition })),
  })
  return BigInt(stored!.baseOffset!)
}

/** Kafka's number for gzip, the one codec that the client packs with. */
const GZIP = 1

/** Stores a record in a batch that is packed with gzip. */
export async function sendGzipped(
  settings: KafkaSettings,
  topic: string,
  partition: number,
  value: Buffer,
): Promise<void> {
  const producer = createProducer(createKafka(settings, () => undefined))
  await producer.connect()
  await producer.send({ topic, acks: -1, compression: GZIP, messages: [{ value, partition }] })
  await producer.disconnect()
}

/** Administers the brokers for as long as the work takes. */
export async function asAdmin<T>(settings: KafkaSettings, work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = createKafka(settings, () => undefined).admin()
  await admin.connect()
  return work(admin).finally(() => admin.disconnect())
}

/** Deletes what stands before an offset, as retention does. */
export function deleteRecordsBefore(
  settings: KafkaSettings,
  topic: string,
  places: readonly { readonly partition: number; readonly logOffset: bigint }[],
): Promise<void> {
  return asAdmin(settings, async (admin) => {
    // The client deletes only from topics that it has asked about before.
    await admin.fetchTopicOffsets(topic)
    const partitions = places.map(({ partition, logOffset }) => ({ partition, offset: String(logOffset) }))
    await admin.deleteTopicRecords({ topic, partitions })
  })
}

/** Every record's value of one partition, in order, from the first that is there. */
export async function readValues(
  settings: KafkaSettings,
  topic: string,
  partition: number,
): Promise<Buffer[]> {
  const reader = openTopicReader({ settings, topic, partition, log: () => undefined })
  const { first, end } = await reader.bounds()
  const values: Buffer[] = []
  for await (const records of reader.read(first, { upTo: end }))
    values.push(...records.map(({ value }) => Buffer.from(value)))
  reader.close()
  return values
}

/** Deletes a topic, if it is there, and makes another one, of one partition, under its name; it holds these values, from offset 0 on. */
export async function replaceTopic(
  settings: KafkaSettings,
  topic: string,
  values: readonly Uint8Array[],
): Promise<void> {
  await asAdmin(settings, async (admin) => {
    if ((await admin.listTopics()).includes(topic)) await admin.deleteTopics({ topics: [topic] })
    // Brokers take a while to forget it. Asked again, they may have made it at the first time: that it is there says nothing then.
    await untilSo(async () => !(await admin.listTopics()).includes(topic))
    await admin.createTopics({
      waitForLeaders: false,
      topics: [{ topic, numPartitions: 1, replicationFactor: 1 }],
    })
    await untilSo(() => areLed(admin, [topic], 1))
  })
  const producer = createProducer(createKafka(settings, () => undefined))
  await producer.connect()
  if (values.length > 0) await sendRecords(producer, topic, 0, values)
  await producer.disconnect()
}

/** Kafka's number for a property that was set on a topic. */
const SET_ON_TOPIC = 1

/** Sets a property of a topic, and waits until the broker goes by it. */
export function setTopicProperty(
  settings: KafkaSettings,
  topic: string,
  name: string,
  value: string,
): Promise<void> {
  const resource = { type: TOPIC_RESOURCE, name: topic }
  return asAdmin(settings, async (admin) => {
    const read = async (): Promise<Map<string, string>> => {
      const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [resource] })
      const set = resources[0]!.configEntries.filter(
        ({ configSource }) => Number(configSource) === SET_ON_TOPIC,
      )
      return new Map(set.map(({ configName, configValue }) => [configName, configValue]))
    }
    // The client can only replace all of them.
    const wanted = new Map([...(await read()), [name, value]])
    const configEntries = [...wanted].map(([name, value]) => ({ name, value }))
    await admin.alterConfigs({ validateOnly: false, resources: [{ ...resource, configEntries }] })
    await untilSo(async () => (await read()).get(name) === value)
  })
}

/** Adds partitions to topics, up to so many, and returns when the brokers say so. */
export function addPartitions(
  settings: KafkaSettings,
  topics: readonly string[],
  count: number,
): Promise<void> {
  return asAdmin(settings, async (admin) => {
    await admin.createPartitions({ topicPartitions: topics.map((topic) => ({ topic, count })) })
    await untilSo(() => areLed(admin, topics, count))
  })
}

async function untilSo(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 50))
}

/** True if each topic has so many partitions with a leader. */
async function areLed(admin: Admin, topics: readonly string[], count: number): Promise<boolean> {
  try {
    const { topics: seen } = await admin.fetchTopicMetadata({ topics: [...topics] })
    return seen.every(({ partitions }) => partitions.filter(({ leader }) => leader >= 0).length === count)
  } catch {
    return false
  }
}
