import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { withKafka, withKafkaCluster } from '../../../test/support/kafka.ts'
import { adoptedTopic, sameTopic, topicPartOfId } from '../../../schemas/commands-topic.ts'
import { encodeCommands } from '../../../schemas/command-codec.ts'
import { makeUuidV7 } from '../../../schemas/ids.ts'
import { describeCommandQueue, type TakenBatch } from '../../contract.ts'
import type { Consumed } from '../../queue/offer-offsets.ts'
import type { OfferOffsets } from '../../ports.ts'
import { openKafkaCommandQueue, type KafkaCommandQueue } from './command-queue.ts'
import { decodeCommandRecord } from './command-record.ts'
import { topicNames, type KafkaSettings } from '../settings.ts'
import { OutageWatch } from '../kafkajs/outage-watch.ts'
import { replaceTopic } from '../../../test/support/kafka/topics.ts'
import { openTopicReader, type TopicReader } from '../partition/topic-reader.ts'

const quiet = (): void => undefined

function readerOf(settings: KafkaSettings): TopicReader {
  return openTopicReader({ settings, topic: topicNames(settings).commands, partition: 0, log: quiet })
}

/** Batches as a writer takes them: a record is one. */
async function* batchesOf(reader: TopicReader): AsyncGenerator<TakenBatch, void, undefined> {
  for await (const records of reader.read(0n))
    for (const { offset, value } of records) {
      const record = decodeCommandRecord(value)
      if (record.kind === 'bad') throw new Error(record.reason)
      const { slots, count } = record
      yield { slots, count, places: Array.from({ length: count }, (_, index) => ({ offset, index })) }
    }
}

const transfer = (number: number): Uint8Array =>
  encodeCommands([
    {
      kind: 'Transfer',
      id: makeUuidV7(1_700_000_000_000, new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 0, number])),
      debit: { high: 0n, low: 1n },
      credit: { high: 0n, low: 2n },
      amount: 1n,
      currency: 'EUR',
    },
  ])

/** What a frame says of commands that goes by the topic of that id; of no topic, where it does not say. */
function upTo(nextCommandOffset: bigint, nextCommandIndex: number, commandsTopic = 0): Consumed {
  return { nextCommandOffset, nextCommandIndex, commandsTopic }
}

/** Offers one command that is to be taken; resolves to its place. */
function place(queue: KafkaCommandQueue, number: number): Promise<OfferOffsets | undefined> {
  return new Promise((resolve) => {
    expect(queue.offer(transfer(number), 1, resolve)).toEqual({ kind: 'taken' })
  })
}

await withKafka('the command queue on Kafka', (kafka) => {
  describeCommandQueue('the queue on Kafka', async (slotsMax) => {
    const settings = await kafka.deployment()
    const queue = openKafkaCommandQueue({ settings, partition: 0, slotsMax, log: quiet })
    const reader = readerOf(settings)
    const batches = batchesOf(reader)
    return {
      queue,
      take: async () => (await batches.next()).value!,
      consumed: ({ offset, index }) => {
        queue.consumed(upTo(offset, index))
      },
      stop: () => {
        queue.stop()
      },
      close: async () => {
        queue.close()
        reader.close()
      },
    }
  })

  describe('the queue on Kafka', () => {
    it('offers that wait while a record is on its way go together in the next one', async () => {
      const settings = await kafka.deployment()
      const queue = openKafkaCommandQueue({ settings, partition: 0, log: quiet })
      const first = place(queue, 0)
      await new Promise((resolve) => setImmediate(resolve))
      const rest = [1, 2, 3].map((number) => place(queue, number))
      expect(await first).toMatchObject({ offset: 0n, index: 0, end: { offset: 1n, index: 0 } })
      expect(await Promise.all(rest)).toMatchObject([0, 1, 2].map((index) => ({ offset: 1n, index })))
      queue.close()
    })

    it('what was consumed before its place was known makes room all the same, and a record in part counts in part', async () => {
      const settings = await kafka.deployment()
      const queue = openKafkaCommandQueue({ settings, partition: 0, slotsMax: 4, log: quiet })
      const places = [0, 1, 2, 3].map((number) => place(queue, number))
      // The record is on its way.
      await new Promise((resolve) => setImmediate(resolve))
      queue.consumed(upTo(0n, 3))
      await Promise.all(places)
      expect(queue.waiting()).toBe(1)
      queue.consumed(upTo(1n, 0))
      expect(queue.waiting()).toBe(0)
      await place(queue, 4)
      queue.close()
    })

    it('closing tells every offer without a place that it is not known', async () => {
      const settings = await kafka.deployment()
      const queue = openKafkaCommandQueue({ settings: { ...settings, brokers: ['127.0.0.1:1'] }, partition: 0, log: quiet }) // prettier-ignore
      const places = [place(queue, 0), place(queue, 1)]
      await new Promise((resolve) => setTimeout(resolve, 20))
      places.push(place(queue, 2))
      queue.close()
      expect(await Promise.all(places)).toEqual([undefined, undefined, undefined])
      await queue.settled()
      expect(queue.waiting()).toBe(0)
      expect(queue.offer(transfer(3), 1, quiet)).toEqual({ kind: 'stopped' })
    })

    it('nothing is taken while the log goes by another topic than the one that is there; what stood in the one that is gone takes no room', async () => {
      const settings = await kafka.deployment()
      const queue = openKafkaCommandQueue({ settings, partition: 0, log: quiet })
      const first = (await place(queue, 0))!
      expect(first.topic).not.toBe(0)
      queue.consumed(upTo(0n, 0, sameTopic(0, first.topic)))
      expect(queue.waiting()).toBe(1)
      await replaceTopic(settings, topicNames(settings).commands, [])
      // Nobody has sent anything: it is noticed all the same.
      await expect.poll(() => queue.look().then(() => queue.outage())).toMatch(/another topic/)
      expect(queue.offer(transfer(1), 1, quiet)).toEqual({ kind: 'stopped' })
      const reader = readerOf(settings)
      await reader.bounds()
      const now = topicPartOfId(reader.topicId())
      reader.close()
      expect(now).not.toBe(first.topic)
      queue.consumed(upTo(0n, 0, adoptedTopic(sameTopic(0, first.topic), now)))
      expect(queue.waiting()).toBe(0)
      expect(queue.outage()).toBeUndefined()
      expect(await place(queue, 2)).toMatchObject({ offset: 0n, topic: now })
      queue.close()
    }) // prettier-ignore

    it('of a record that came to stand before what the log had consumed nobody knows where it is', async () => {
      const settings = await kafka.deployment()
      const queue = openKafkaCommandQueue({ settings, partition: 0, log: quiet })
      queue.consumed(upTo(5n, 0))
      expect(await place(queue, 0)).toBeUndefined()
      expect(queue.waiting()).toBe(0)
      queue.close()
    })
  })
})

await withKafkaCluster('a broker that is away', {}, (cluster, kafka) => {
  describe('while the broker is away', () => {
    let settings: KafkaSettings
    beforeAll(async () => {
      settings = await kafka.deployment()
    })
    afterAll(() => cluster.stop())

    it('offers wait, then it is not known whether they are stored; a full queue is busy; the next ones are stored when it is back', async () => {
      const lines: string[] = []
      const outages = new OutageWatch()
      const queue = openKafkaCommandQueue({
        settings,
        outages,
        partition: 0,
        slotsMax: 2,
        outageMsMax: 1_000,
        log: (line) => lines.push(line),
      })
      expect(await place(queue, 0)).toMatchObject({ offset: 0n })
      queue.consumed(upTo(1n, 0))
      await cluster.brokers[0]!.kill()
      const away = [place(queue, 1), place(queue, 2)]
      expect(queue.offer(transfer(3), 1, quiet)).toEqual({ kind: 'busy' })
      expect(await Promise.all(away)).toEqual([undefined, undefined])
      expect(outages.outages()).toEqual([expect.stringMatching(/did not answer/)])
      expect(queue.waiting()).toBe(0)
      const restarted = cluster.brokers[0]!.restart()
      let stored: OfferOffsets | undefined
      while (stored === undefined) stored = await place(queue, 4)
      await restarted
      expect(outages.outages()).toEqual([])
      expect(lines.filter((line) => line.includes('partition 0'))).toMatchObject([
        expect.stringContaining('cannot be stored'),
        expect.stringContaining('stored again'),
      ])
      queue.close()
    })

    it('a record whose answer does not come is sent again with the same bytes, and says that it may stand there twice', async () => {
      const queue = openKafkaCommandQueue({ settings, partition: 0, outageMsMax: 60_000, log: quiet })
      const before = (await place(queue, 10))!.offset
      cluster.brokers[0]!.pause()
      const waiting = place(queue, 11)
      // Longer than an answer is waited for.
      await new Promise((resolve) => setTimeout(resolve, 11_000))
      cluster.brokers[0]!.resume()
      const found = (await waiting)!
      expect(found.isRepeated).toBe(true)
      const reader = readerOf(settings)
      const { end } = await reader.bounds()
      expect(found.offset).toBeLessThan(end)
      const copies: string[] = []
      for await (const records of reader.read(before + 1n, { upTo: end }))
        copies.push(...records.map(({ value }) => value.toString('hex')))
      expect(new Set(copies).size).toBe(1)
      reader.close()
      queue.close()
    })
  })
})
