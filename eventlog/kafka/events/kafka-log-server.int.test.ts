import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { withKafka, withKafkaCluster } from '../../../test/support/kafka.ts'
import { lastSequence, sameBytes, type Frame } from '../../../schemas/frames.ts'
import type { FrameReceipt } from '../../handoff/log-messages.ts'
import { openKafkaEventLog } from './kafka-event-log.ts'
import { decodeFrameRecord } from './record.ts'
import { openRecordSender } from '../partition/record-sender.ts'
import { topicNames, type KafkaSettings } from '../settings.ts'
import { TestWriter, type TestWriterOptions } from './test-writer.testing.ts'
import { openTopicReader } from '../partition/topic-reader.ts'
import { rounds } from '../../../test/support/rounds.ts'

const quiet = (): void => undefined
const writers: TestWriter[] = []
afterEach(() => {
  for (const writer of writers.splice(0)) writer.end()
})

async function start(
  settings: KafkaSettings,
  more: Omit<TestWriterOptions, 'settings'> = {},
): Promise<TestWriter> {
  const writer = await TestWriter.start({ settings, ...more })
  writers.push(writer)
  return writer
}

/** What any reader takes for the log, and the frames found void. */
async function readLog(
  settings: KafkaSettings,
): Promise<{ frames: Frame[]; places: bigint[]; voids: number }> {
  const frames: Frame[] = []
  const places: bigint[] = []
  const log = await openKafkaEventLog({
    settings,
    partition: 0,
    log: quiet,
    onCatchUp: (frame, logOffset) => {
      frames.push(frame)
      places.push(logOffset)
    },
  })
  log.close()
  return { frames, places, voids: log.voids() }
}

async function recordsOf(settings: KafkaSettings): Promise<Buffer[]> {
  const reader = openTopicReader({ settings, topic: topicNames(settings).events, partition: 0, log: quiet })
  const { end } = await reader.bounds()
  const values: Buffer[] = []
  for await (const records of reader.read(0n, { upTo: end }))
    values.push(...records.map(({ value }) => value))
  reader.close()
  return values
}

const until = (holds: () => boolean): Promise<void> => expect.poll(holds, { interval: 5 }).toBe(true)

await withKafka('the writer’s side of the log on Kafka', (kafka) => {
  describe('a log server on Kafka', () => {
    it('gives a receipt for each frame, in order, with its place and the place of commands in their queue', async () => {
      const settings = await kafka.deployment()
      const writer = await start(settings)
      await writer.sendAll(60, 2)
      await writer.stop()
      await until(() => writer.receipts.length === 61)
      const { frames, places, voids } = await readLog(settings)
      expect(voids).toBe(0)
      expect(writer.receipts.map(({ sequence }) => sequence)).toEqual(
        frames.map((frame) => lastSequence(frame)),
      )
      expect(writer.receipts.map(({ logOffset }) => logOffset)).toEqual(places)
      expect(writer.receipts.every(({ hash }, index) => sameBytes(hash, frames[index]!.hash))).toBe(true)
      // 7 frames with 2 commands each, 3 commands a record: two records and two commands of the next.
      expect(frames[7]).toMatchObject({ nextCommandOffset: 104n, nextCommandIndex: 2, epoch: 1n })
      expect(writer.receipts[7]).toMatchObject({ nextCommandOffset: 104n, nextCommandIndex: 2 })
      // No frame claims more durable than had been read back.
      expect(frames.every(({ durableSequence, firstSequence }) => durableSequence < firstSequence)).toBe(true)
      expect(writer.failures).toEqual([])
    })

    it('acknowledges nothing that it has not read back, though the broker has stored it', async () => {
      const settings = await kafka.deployment()
      const writer = await start(settings)
      await until(() => writer.receipts.length === 1)
      // Blind from here on.
      writer.log.close()
      writer.send(1)
      const reader = openTopicReader({
        settings,
        topic: topicNames(settings).events,
        partition: 0,
        log: quiet,
      })
      await expect.poll(async () => (await reader.bounds()).end).toBe(2n)
      await new Promise((resolve) => setTimeout(resolve, 100))
      expect(writer.receipts).toHaveLength(1)
      reader.close()
    })

    it('holds no more frames than it has slabs, until they are read back', async () => {
      const settings = await kafka.deployment()
      const writer = await start(settings)
      let sent = 1
      while (writer.send(1)) sent++
      expect(sent).toBe(8)
      await until(() => writer.receipts.length === 8)
      expect(writer.send(1)).toBe(true)
    })

    it('a writer that has been replaced stops, and acknowledges nothing more', async () => {
      const settings = await kafka.deployment()
      const zombie = await start(settings)
      await zombie.sendAll(10, 1)
      await until(() => zombie.receipts.length === 11)
      const successor = await start(settings)
      await until(() => successor.receipts.length === 1)
      zombie.send(5)
      await until(() => zombie.failures.length === 1)
      expect(zombie.failures[0]).toMatchObject({ code: 'log_replaced' })
      await until(() => zombie.coreFailures.length === 1)
      expect(zombie.coreFailures).toEqual(['log_replaced'])
      await expect(zombie.server.stopped).rejects.toMatchObject({ code: 'log_replaced' })
      await successor.sendAll(10, 1)
      await successor.stop()
      expect(zombie.receipts).toHaveLength(11)
      const { frames } = await readLog(settings)
      expect(lastSequence(frames.at(-1)!)).toBe(20n)
      expect(frames.at(-1)!.epoch).toBe(2n)
    })

    it('of writers that replace each other under load, each frame acknowledged is in the log once, by one epoch after the other', async () => {
      const settings = await kafka.deployment()
      const all: TestWriter[] = []
      const living = (): TestWriter[] => all.filter(({ failures }) => failures.length === 0)
      // Whoever opens while another one writes may come too late: that ends both, and it is tried again.
      for (let epochs = 0; epochs < 4;) {
        const writer = await start(settings)
        all.push(writer)
        void writer.sendAll(10_000, 3, 60)
        await until(() => writer.receipts.length > 5 || writer.failures.length > 0)
        if (writer.receipts.length > 5) epochs++
        await until(() => living().length <= 1)
      }
      for (const writer of all) writer.end()
      const { frames } = await readLog(settings)
      const accepted = new Set(frames.map(({ hash }) => Buffer.from(hash).toString('hex')))
      const acknowledged = all.flatMap(({ receipts }) =>
        receipts.map(({ hash }) => Buffer.from(hash).toString('hex')),
      )
      expect(new Set(acknowledged).size).toBe(acknowledged.length)
      expect(acknowledged.filter((hash) => !accepted.has(hash))).toEqual([])
      expect(new Set(all.flatMap(({ failures }) => failures.map(({ code }) => code)))).toEqual(
        new Set(['log_replaced']),
      )
      const epochs = frames.map(({ epoch }) => epoch)
      expect(epochs).toEqual([...epochs].sort((left, right) => Number(left - right)))
    })

    it('an opening frame that comes too late is void: its writer never serves, and the one before gives way to the next try', async () => {
      const settings = await kafka.deployment()
      const first = await start(settings)
      await until(() => first.receipts.length === 1)
      const late = await start(settings, {
        beforeOpening: async () => {
          await first.sendAll(3, 1)
          await until(() => first.receipts.length === 4)
        },
      })
      await until(() => late.failures.length === 1)
      expect(late.failures[0]).toMatchObject({ code: 'log_replaced' })
      expect(late.receipts).toEqual([])
      // Whoever sent it was given the partition: a writer that is never quiet would turn it away for ever.
      await until(() => first.failures.length === 1)
      expect(first.failures[0]).toMatchObject({ code: 'log_replaced' })
      expect(first.receipts).toHaveLength(4)
      const next = await start(settings)
      await until(() => next.receipts.length === 1)
      next.send(1)
      await until(() => next.receipts.length === 2)
    })

    it('records that are sent again are void, and disturb nobody', async () => {
      const settings = await kafka.deployment()
      const writer = await start(settings)
      await writer.sendAll(5, 1)
      await until(() => writer.receipts.length === 6)
      const values = await recordsOf(settings)
      const sender = openRecordSender({
        settings,
        topic: topicNames(settings).events,
        partition: 0,
        log: quiet,
      })
      expect(await sender.send(values)).toBe(6n)
      await sender.send(values.slice(2, 4))
      sender.close()
      await writer.sendAll(5, 1)
      await writer.stop()
      await until(() => writer.receipts.length === 11)
      expect(writer.log.voids()).toBe(8)
      const { frames, voids } = await readLog(settings)
      expect(frames).toHaveLength(11)
      expect(voids).toBe(8)
    })

    it('a poison record ends the writer too', async () => {
      const settings = await kafka.deployment()
      const writer = await start(settings)
      await until(() => writer.receipts.length === 1)
      const sender = openRecordSender({
        settings,
        topic: topicNames(settings).events,
        partition: 0,
        log: quiet,
      })
      await sender.send([Buffer.from('not a frame')])
      sender.close()
      await until(() => writer.failures.length === 1)
      expect(writer.failures[0]).toMatchObject({ code: 'log_corrupt' })
      writer.send(1)
      await new Promise((resolve) => setTimeout(resolve, 50))
      expect(await recordsOf(settings)).toHaveLength(2)
    })

    it('frames that wait travel in one batch, no larger than the topic takes', async () => {
      const settings = await kafka.deployment()
      const writer = await start(settings)
      const { randomBytes } = await import('node:crypto')
      // Nothing of it can be compressed: each frame is nearly as long as a frame may be.
      const payload = randomBytes(4_000_000)
      for (let sent = 0; sent < 12;)
        if (writer.send(1, payload)) sent++
        else await new Promise((resolve) => setTimeout(resolve, 1))
      await writer.stop()
      await until(() => writer.receipts.length === 13)
      expect((await recordsOf(settings)).every((value) => decodeFrameRecord(value).kind === 'frame')).toBe(
        true,
      )
    })
  })
})

await withKafkaCluster('a broker that is killed under a writer', {}, (cluster, kafka) => {
  describe('a log server whose broker is killed and started again', () => {
    afterAll(() => cluster.stop())

    it('goes on, and every frame acknowledged is in the log exactly once', async () => {
      const settings = await kafka.deployment()
      const [broker] = cluster.brokers
      const writer = await start(settings, { outageMsMax: 60_000 })
      const sending = writer.sendAll(400, 2)
      for (const receipts of [50, 150, 250].slice(0, rounds(1, 3))) {
        await until(() => writer.receipts.length >= receipts)
        await broker!.kill()
        await broker!.restart()
      }
      await sending
      await writer.stop()
      expect(writer.failures).toEqual([])
      await until(() => writer.receipts.length === 401)
      const { frames } = await readLog(settings)
      expect(frames.map(({ hash }) => Buffer.from(hash).toString('hex'))).toEqual(
        writer.receipts.map(({ hash }) => Buffer.from(hash).toString('hex')),
      )
      expect(lastSequence(frames.at(-1)!)).toBe(800n)
    })

    it('a broker that is paused is waited for; one that is away for longer than the bound ends the writer by name', async () => {
      const settings = await kafka.deployment()
      const [broker] = cluster.brokers
      const patient = await start(settings, { outageMsMax: 60_000 })
      await until(() => patient.receipts.length === 1)
      broker!.pause()
      patient.send(1)
      await new Promise((resolve) => setTimeout(resolve, 2_000))
      expect(patient.receipts).toHaveLength(1)
      broker!.resume()
      await until(() => patient.receipts.length === 2)
      const impatient = await start(await kafka.deployment(), { outageMsMax: 1_500 })
      await until(() => impatient.receipts.length === 1)
      await broker!.kill()
      impatient.send(1)
      await until(() => impatient.failures.length === 1)
      expect(impatient.failures[0]).toMatchObject({ code: 'kafka_unreachable' })
      await broker!.restart()
    })

    it('a log that is opened while the broker is away waits for it: an outage is not taken for a topic that went backwards', async () => {
      const settings = await kafka.deployment()
      const [broker] = cluster.brokers
      const writer = await start(settings)
      await until(() => writer.receipts.length === 1)
      await writer.stop()
      const [{ hash, logOffset }] = writer.receipts as [FrameReceipt]
      const open = (brokers: readonly string[], outageMsMax: number) =>
        openKafkaEventLog({ settings: { ...settings, brokers }, partition: 0, log: quiet, anchor: { logOffset, hash }, anchorAnswersMax: 1, outageMsMax }) // prettier-ignore
      broker!.pause()
      const opening = open(settings.brokers, 120_000)
      await expect(open(['127.0.0.1:1'], 300)).rejects.toMatchObject({ code: 'kafka_unreachable' })
      broker!.resume()
      const log = await opening
      expect(log.head().sequence).toBe(0n)
      log.close()
    })
  })
})
