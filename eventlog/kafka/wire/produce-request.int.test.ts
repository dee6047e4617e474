import { createRequire } from 'node:module'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { withKafka } from '../../../test/support/kafka.ts'
import { connectToLeader } from '../kafkajs/client.ts'
import { encodeProduceRequest, PRODUCE_API_KEY, PRODUCE_API_VERSION } from './produce-request.ts'
import { topicNames } from '../settings.ts'
import { openTopicReader, type TopicRecord } from '../partition/topic-reader.ts'

const require = createRequire(import.meta.url)

interface Encoder {
  writeInt16(value: number): Encoder
  writeInt32(value: number): Encoder
  writeString(value: string): Encoder
  writeEncoder(value: Encoder): Encoder
  size(): number
  readonly buffer: Buffer
}
const KafkaEncoder = require('kafkajs/src/protocol/encoder') as new () => Encoder
const produceOfKafkajs = require('kafkajs/src/protocol/requests/produce/v7/request') as (request: object) => {
  encode(): Promise<Encoder>
}

function header(correlationId: number, clientId: string): Encoder {
  return new KafkaEncoder()
    .writeInt16(PRODUCE_API_KEY)
    .writeInt16(PRODUCE_API_VERSION)
    .writeInt32(correlationId)
    .writeString(clientId)
}

describe('a produce request', () => {
  it('is byte for byte what kafkajs would write, for any records', async () => {
    const value = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.uint8Array({ minLength: 8_150, maxLength: 8_250 }),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(value, { minLength: 1, maxLength: 70 }),
        fc.record({
          topic: fc.string({ minLength: 1, maxLength: 20 }),
          partition: fc.nat(5_000),
          acks: fc.constantFrom(-1, 1),
          timeoutMs: fc.nat(60_000),
          // kafkajs takes 0 for none.
          timestampMs: fc.integer({ min: 1, max: 4_000_000_000_000 }),
        }),
        async (values, { topic, partition, acks, timeoutMs, timestampMs }) => {
          const messages = values.map((bytes) => ({ value: Buffer.from(bytes), timestamp: timestampMs }))
          const theirs = await produceOfKafkajs({
            acks,
            timeout: timeoutMs,
            producerEpoch: -1,
            topicData: [{ topic, partitions: [{ partition, firstSequence: -1, messages }] }],
          }).encode()
          const whole = header(7, 'client').writeEncoder(theirs)
          const expected = new KafkaEncoder().writeInt32(whole.size()).writeEncoder(whole).buffer
          const ours = encodeProduceRequest(header(7, 'client').buffer, {
            topic,
            partition,
            acks,
            timeoutMs,
            values,
            timestampMs,
          })
          expect(ours.equals(expected)).toBe(true)
        },
      ),
      { numRuns: 60 },
    )
  })
})

await withKafka('produce requests', (kafka) => {
  it('records of all sizes stand in the topic as they were given, in order, and the first one’s offset is answered', async () => {
    const settings = await kafka.deployment()
    const { events: topic } = topicNames(settings)
    const { broker, destroy } = await connectToLeader(settings, topic, 0, () => undefined, 0)
    const sizes = [0, 1, 63, 64, 8_191, 8_192, 1_048_575, 1_048_576]
    const values = sizes.map((bytes, index) => Buffer.alloc(bytes, index + 1))
    const request = { topic, partition: 0, acks: -1, timeoutMs: 5_000 }
    expect(await broker.produce({ ...request, values })).toBe(0n)
    expect(await broker.produce({ ...request, values: [Buffer.from('last')] })).toBe(BigInt(sizes.length))
    destroy()
    const reader = openTopicReader({ settings, topic, partition: 0, log: () => undefined })
    const read: TopicRecord[] = []
    for await (const records of reader.read(0n, { upTo: BigInt(sizes.length + 1) })) read.push(...records)
    reader.close()
    expect(read.map(({ offset }) => offset)).toEqual([...sizes.keys(), sizes.length].map(BigInt))
    expect(read.slice(0, -1).every(({ value }, index) => value.equals(values[index]!))).toBe(true)
  })

  it('what the broker refuses rejects with its reason', async () => {
    const settings = await kafka.deployment()
    const { events: topic } = topicNames(settings)
    const { broker, destroy } = await connectToLeader(settings, topic, 0, () => undefined, 0)
    const values = [Buffer.alloc(9 * 1024 * 1024)]
    await expect(
      broker.produce({ topic, partition: 0, acks: -1, timeoutMs: 5_000, values }),
    ).rejects.toMatchObject({
      type: 'MESSAGE_TOO_LARGE',
    })
    destroy()
  })
})
