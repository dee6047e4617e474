import { describe, expect, it } from 'vitest'
import { withKafka } from '../../../test/support/kafka.ts'
import { createKafka, createProducer } from '../kafkajs/client.ts'
import { topicNames, type KafkaSettings } from '../settings.ts'
import { deleteRecordsBefore } from '../../../test/support/kafka/topics.ts'
import { openTopicReader, type TopicReader, type TopicRecord } from './topic-reader.ts'

const quiet = (): void => undefined

function readerOf(
  settings: KafkaSettings,
  more: { partition?: number; outageMsMax?: number } = {},
): TopicReader {
  return openTopicReader({ settings, topic: topicNames(settings).events, partition: 0, log: quiet, ...more })
}

/** Sends each group as one batch. */
async function send(settings: KafkaSettings, groups: readonly (readonly string[])[]): Promise<void> {
  const producer = createProducer(createKafka(settings, quiet))
  await producer.connect()
  for (const group of groups) {
    const messages = group.map((value) => ({ value: Buffer.from(value), partition: 0 }))
    await producer.send({ topic: topicNames(settings).events, acks: -1, messages })
  }
  await producer.disconnect()
}

async function collect(batches: AsyncIterable<readonly TopicRecord[]>): Promise<TopicRecord[]> {
  const all: TopicRecord[] = []
  for await (const batch of batches) all.push(...batch)
  return all
}

const told = (records: readonly TopicRecord[]): string[] =>
  records.map(({ offset, value }) => `${offset}:${value.toString()}`)

await withKafka('reading a topic without a group', (kafka) => {
  describe('a reader of a topic', () => {
    it('an empty partition holds nothing, and a bounded reading of it ends', async () => {
      const reader = readerOf(await kafka.deployment())
      expect(await reader.bounds()).toEqual({ first: 0n, end: 0n })
      expect(await collect(reader.read(0n, { upTo: 0n }))).toEqual([])
      reader.close()
    })

    it('gives what is there from any offset on, also from the middle of a batch, and no further than is asked', async () => {
      const settings = await kafka.deployment()
      await send(settings, [['a', 'b', 'c'], ['d'], ['e', 'f']])
      const reader = readerOf(settings)
      expect(await reader.bounds()).toEqual({ first: 0n, end: 6n })
      const all = await collect(reader.read(0n, { upTo: 6n }))
      expect(told(all)).toEqual(['0:a', '1:b', '2:c', '3:d', '4:e', '5:f'])
      for (let from = 0; from < 6; from++)
        for (let to = from; to <= 6; to++)
          expect(told(await collect(reader.read(BigInt(from), { upTo: BigInt(to) })))).toEqual(
            told(all.slice(from, to)),
          )
      reader.close()
    })

    it('waits at the end for what comes, and ends when its signal aborts', async () => {
      const settings = await kafka.deployment()
      await send(settings, [['a']])
      const reader = readerOf(settings)
      const abort = new AbortController()
      const got: string[] = []
      const reading = (async () => {
        for await (const batch of reader.read(0n, { signal: abort.signal })) got.push(...told(batch))
      })()
      await expect.poll(() => got).toEqual(['0:a'])
      await send(settings, [['b'], ['c']])
      await expect.poll(() => got).toEqual(['0:a', '1:b', '2:c'])
      abort.abort()
      await reading
      // The reader itself goes on.
      expect(told(await collect(reader.read(2n, { upTo: 3n })))).toEqual(['2:c'])
      reader.close()
    })

    it('ends when it is closed while it waits', async () => {
      const reader = readerOf(await kafka.deployment())
      const reading = collect(reader.read(0n))
      await reader.bounds()
      reader.close()
      expect(await reading).toEqual([])
    })

    it('an offset beyond the end, and one that was deleted, are told apart', async () => {
      const settings = await kafka.deployment()
      await send(settings, [['a'], ['b'], ['c']])
      const reader = readerOf(settings)
      await expect(collect(reader.read(7n, { upTo: 9n }))).rejects.toMatchObject({
        code: 'log_regressed',
        message: expect.stringContaining('holds offsets 0 to 2, but offset 7 is needed') as string,
      })
      await deleteRecordsBefore(settings, topicNames(settings).events, [{ partition: 0, logOffset: 2n }])
      await expect(collect(reader.read(1n, { upTo: 3n }))).rejects.toMatchObject({
        code: 'kafka_offset_gone',
      })
      expect(told(await collect(reader.read(2n, { upTo: 3n })))).toEqual(['2:c'])
      reader.close()
    })

    it('a topic, a partition or a broker that is not there is an outage with a bound, named when it is over', async () => {
      const settings = await kafka.deployment()
      const nobody = { ...settings, brokers: ['127.0.0.1:1'] }
      const missing = [
        [readerOf({ ...settings, topicPrefix: 'nothing' }, { outageMsMax: 200 }), 'topics_missing'],
        [readerOf(settings, { partition: 5, outageMsMax: 200 }), 'topics_missing'],
        [readerOf(nobody, { outageMsMax: 200 }), 'kafka_unreachable'],
      ] as const
      for (const [reader, code] of missing)
        await expect(collect(reader.read(0n, { upTo: 1n }))).rejects.toMatchObject({ code })
    })
  })
})
