import type { Producer } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDeployments, withKafka } from '../../../test/support/kafka.ts'
import { damageBatch } from '../../../test/support/kafka/disk.ts'
import { need } from '../../../test/support/left-out.ts'
import { PACKERS, sendByKcat } from '../../../test/support/kcat.ts'
import { haveTools } from '../../../test/support/tools.ts'
import { lastSequence, sameBytes, type Frame } from '../../../schemas/frames.ts'
import { describeEventLog } from '../../contract.ts'
import { seal } from '../../handoff/seal.ts'
import { chainAfter, emptyChain } from '../../file/layout/segments.ts'
import { nextFrame } from '../../log-on-disk.testing.ts'
import { UNPACKED_BYTES_MAX } from '../wire/batch-codecs.ts'
import { createKafka, createProducer } from '../kafkajs/client.ts'
import { followKafkaEventLog, openKafkaEventLog, type KafkaEventLogOptions } from './kafka-event-log.ts'
import type { LogAnchor } from './log-anchor.ts'
import { FrameIndex } from './frame-index.ts'
import { encodeFrameRecord } from './record.ts'
import { topicNames, type KafkaSettings } from '../settings.ts'
import { deleteRecordsBefore, sendGzipped, sendRecords } from '../../../test/support/kafka/topics.ts'
import { openKafkaLogUnderTest, type KafkaLogUnderTest } from '../kafka-log-under-test.testing.ts'

const PARTITION = 2
const quiet = (): void => undefined

await withKafka('the event log on Kafka', (kafka) => {
  let producer: Producer
  const deployments: KafkaSettings[] = []
  const producerOn = createProducer(createKafka({ brokers: kafka.brokers, clientId: 'purser-tests', topicPrefix: '' }, quiet)) // prettier-ignore
  beforeAll(async () => {
    producer = producerOn
    await producer.connect()
  })
  afterAll(() => producer.disconnect())

  /** A new, empty topic; many are made at a time. */
  async function fresh(): Promise<KafkaSettings> {
    if (deployments.length === 0)
      deployments.push(...(await createDeployments(kafka.brokers, PARTITION + 1, 25)))
    return deployments.pop()!
  }
  const open = async (more: { windowBytesMax?: number; sparse?: number; isAnchored?: boolean }) => {
    const { sparse, ...others } = more
    return openKafkaLogUnderTest({
      settings: await fresh(),
      partition: PARTITION,
      producer,
      chain: emptyChain(PARTITION),
      log: quiet,
      ...others,
      ...(sparse === undefined ? {} : { frameIndex: new FrameIndex(sparse, 1) }),
    })
  }

  describeEventLog('a log on Kafka', () => open({}))
  describeEventLog('a log on Kafka whose window holds one frame', () => open({ windowBytesMax: 1 }))
  describeEventLog('a log on Kafka that is opened again at a place, its window a few frames', () =>
    open({ windowBytesMax: 8_000, sparse: 4, isAnchored: true }),
  )

  describe('a log on Kafka', () => {
    const frames = (count: number): Frame[] => {
      let chain = emptyChain(PARTITION)
      return Array.from({ length: count }, (_, index) => {
        const frame = nextFrame(chain, 1 + (index % 2), 700)
        chain = chainAfter(frame)
        return frame
      })
    }
    const record = (frame: Frame): Buffer => encodeFrameRecord(frame.bytes)

    it('tells of each frame behind the anchor that is there, waits for each, and skips what is void', async () => {
      const settings = await fresh()
      const { events } = topicNames(settings)
      const [first, second, third] = frames(3) as [Frame, Frame, Frame]
      const stranger = nextFrame(chainAfter(first), 3, 700)
      const values = [first, second, first, stranger, second, third].map(record)
      await sendRecords(producer, events, PARTITION, values)
      const told: string[] = []
      const voids: string[] = []
      let isBusy = false
      const options = {
        settings,
        partition: PARTITION,
        log: quiet,
        onCatchUp: async (frame: Frame, logOffset: bigint) => {
          expect(isBusy).toBe(false)
          isBusy = true
          await new Promise((resolve) => setTimeout(resolve, 2))
          isBusy = false
          told.push(`${frame.firstSequence}@${logOffset}`)
        },
        onVoid: (frame: Frame, logOffset: bigint, reason: string) => {
          voids.push(`${frame.firstSequence}@${logOffset} ${reason}`)
        },
      }
      const whole = await openKafkaEventLog(options)
      expect(told.splice(0)).toEqual(['1@0', '2@1', '4@5'])
      expect(voids.splice(0)).toEqual(['1@2 sequence', '2@3 sequence', '2@4 sequence'])
      expect(whole.voids()).toBe(3)
      expect(whole.head().sequence).toBe(4n)
      whole.close()
      const anchored = await openKafkaEventLog({ ...options, anchor: { logOffset: 1n, hash: second.hash } })
      expect(told).toEqual(['4@5'])
      // What stands before the anchor is read from the topic's beginning.
      const places: (bigint | undefined)[] = []
      for await (const frame of anchored.read(1n)) places.push(anchored.logOffsetOf(frame))
      expect(places).toEqual([0n, 1n, 5n])
      anchored.close()
    })

    it('a frame that was written as one of another number of partitions ends the reading; a void one does not', async () => {
      const settings = await fresh()
      const { events } = topicNames(settings)
      const [first] = frames(1) as [Frame]
      const next = (partitions: number): Frame =>
        seal({ ...first, firstSequence: 2n, partitions }, chainAfter(first), 1n)
      const stranger = seal({ ...first, partitions: 7 }, emptyChain(PARTITION), 0n)
      await sendRecords(producer, events, PARTITION, [first, stranger, next(3)].map(record))
      const at = (partitions: number, anchor?: LogAnchor) =>
        openKafkaEventLog({
          settings,
          partition: PARTITION,
          partitions,
          log: quiet,
          ...(anchor && { anchor }),
        })
      const log = await at(3)
      expect(log.head().sequence).toBe(2n)
      const failed = new Promise((resolve) => log.onFailure(resolve))
      await sendRecords(producer, events, PARTITION, [record(seal({ ...first, firstSequence: 3n, partitions: 4 }, chainAfter(next(3)), 2n))]) // prettier-ignore
      expect(await failed).toMatchObject({ code: 'partitions_differ' })
      expect(log.head().sequence).toBe(2n)
      await expect(at(4)).rejects.toMatchObject({ code: 'partitions_differ' })
      await expect(at(4, { logOffset: 2n, hash: next(3).hash })).rejects.toMatchObject({
        code: 'partitions_differ',
      })
    })

    it('an anchor that is another frame, no frame or beyond the end is refused', async () => {
      const settings = await fresh()
      const { events } = topicNames(settings)
      const [first, second] = frames(2) as [Frame, Frame]
      await sendRecords(producer, events, PARTITION, [record(first), record(second), Buffer.from('poison')])
      const at = (logOffset: bigint, hash: Uint8Array) =>
        openKafkaEventLog({ settings, partition: PARTITION, log: quiet, anchor: { logOffset, hash }, anchorAnswersMax: 1 }) // prettier-ignore
      await expect(at(1n, first.hash)).rejects.toMatchObject({ code: 'log_regressed' })
      await expect(at(2n, first.hash)).rejects.toMatchObject({ code: 'log_regressed' })
      for (const logOffset of [3n, 9n])
        await expect(at(logOffset, first.hash)).rejects.toMatchObject({ code: 'log_regressed' })
    })

    it('knows announced records by their bytes and judges them like all others; what has other bytes is read', async () => {
      const settings = await fresh()
      const { events } = topicNames(settings)
      const [first, second, third] = frames(3) as [Frame, Frame, Frame]
      const stranger = nextFrame(chainAfter(first), 3, 700)
      const log = await openKafkaEventLog({ settings, partition: PARTITION, log: quiet })
      const seen: (readonly [Frame, string])[] = []
      log.observe((frame, _place, { kind }) => seen.push([frame, kind]))
      for (const frame of [first, stranger, second, third]) log.expect(record(frame), frame)
      // A repeat, one that was not announced, and one whose like comes later; the rest as announced.
      const values = [first, first, second, stranger, second, third].map(record)
      await sendRecords(producer, events, PARTITION, values)
      await expect.poll(() => seen.length, { interval: 5 }).toBe(6)
      expect(seen.map(([, kind]) => kind)).toEqual([
        'accepted',
        'void',
        'accepted',
        'void',
        'void',
        'accepted',
      ])
      expect(seen.map(([frame]) => [first, stranger, second, third].includes(frame))).toEqual([
        true,
        false,
        false,
        true,
        true,
        true,
      ])
      expect(log.head().sequence).toBe(lastSequence(third))
      log.close()
    })

    it('stops loudly at a record that is no frame, at its opening and later, and names topic, partition and offset', async () => {
      const settings = await fresh()
      const { events } = topicNames(settings)
      const [first, second] = frames(2) as [Frame, Frame]
      await sendRecords(producer, events, PARTITION, [record(first)])
      const log = await openKafkaEventLog({ settings, partition: PARTITION, log: quiet })
      const failed = new Promise((resolve) => {
        log.onFailure(resolve)
      })
      const seen: bigint[] = []
      const tailing = (async () => {
        for await (const frame of log.tail(1n, new AbortController().signal)) seen.push(frame.firstSequence)
      })()
      const corrupt = {
        code: 'log_corrupt',
        message: expect.stringContaining(
          `The log is corrupt at sequence 2, offset 1 of partition 2 of ${events}`,
        ) as string,
      }
      // Asked before it is sent: the reader may have it before the producer knows.
      const tailEnded = expect(tailing).rejects.toMatchObject(corrupt)
      const damaged = Buffer.from(record(second))
      damaged[damaged.length - 1]! ^= 1
      await sendRecords(producer, events, PARTITION, [damaged, record(second)])
      await tailEnded
      expect(await failed).toMatchObject(corrupt)
      // What had been accepted stays readable; nothing behind the poison is.
      expect(seen).toEqual([1n])
      expect(log.head().sequence).toBe(1n)
      log.close()
      await expect(openKafkaEventLog({ settings, partition: PARTITION, log: quiet })).rejects.toMatchObject(
        corrupt,
      )
    })

    if (haveTools('an events topic that others packed', 'kcat')) {
      it.each(PACKERS)('frames that a mirror packed with %s are the same log', async (packer) => {
        const settings = await fresh()
        const target = { ...settings, topic: topicNames(settings).events, partition: PARTITION }
        const sent = frames(5)
        await sendByKcat(target, packer, sent.map(record))
        const log = await openKafkaEventLog({ settings, partition: PARTITION, log: quiet, follows: false })
        const last = sent.at(-1)!
        expect(log.head().sequence).toBe(lastSequence(last))
        expect(sameBytes(log.head().hash, last.hash)).toBe(true)
        expect(log.voids()).toBe(0)
        log.close()
      })
    }

    it('stops at a batch that would unpack to more than the bound, and names its place', async () => {
      const settings = await fresh()
      const { events: topic } = topicNames(settings)
      const [first] = frames(1) as [Frame]
      await sendRecords(producer, topic, PARTITION, [record(first)])
      await sendGzipped(settings, topic, PARTITION, Buffer.alloc(UNPACKED_BYTES_MAX))
      const logOffset = `sequence 2, offset 1 of partition 2 of ${topic}: its batch cannot be read (gzip: `
      await expect(openKafkaEventLog({ settings, partition: PARTITION, log: quiet })).rejects.toMatchObject({
        code: 'log_corrupt',
        message: expect.stringContaining(logOffset) as string,
      })
    })

    it('stops at a batch that was damaged on the broker’s disk, behind what stands before it, and names its place', async (context) => {
      const settings = await fresh()
      const { events: topic } = topicNames(settings)
      for (const frame of frames(3)) await sendRecords(producer, topic, PARTITION, [record(frame)])
      const isHere = await damageBatch(settings, topic, PARTITION, 1n)
      need(context, isHere, 'the disk of the broker is not on this machine', 'kafka')
      const seen: bigint[] = []
      const opening = openKafkaEventLog({
        settings,
        partition: PARTITION,
        log: quiet,
        onCatchUp: ({ firstSequence }) => void seen.push(firstSequence),
      })
      await expect(opening).rejects.toMatchObject({
        code: 'log_corrupt',
        message: expect.stringContaining(
          `hold offset 1 of partition 2 of ${topic} is damaged: its checksum is wrong`,
        ) as string,
      })
      expect(seen).toEqual([1n])
      await damageBatch(settings, topic, PARTITION, 2n)
      const followed = await followKafkaEventLog({ settings, partition: PARTITION, log: quiet })
      expect(followed.endSequence()).toBe(0n)
      await expect(followed.currentHead()).rejects.toMatchObject({ code: 'log_corrupt' })
      expect(followed.head().sequence).toBe(1n)
      followed.close()
    })

    it('a record without a value is no frame either', async () => {
      const settings = await fresh()
      await producer.send({
        topic: topicNames(settings).events,
        messages: [{ value: null, partition: PARTITION }],
      })
      await expect(openKafkaEventLog({ settings, partition: PARTITION, log: quiet })).rejects.toMatchObject({
        code: 'log_corrupt',
        message: expect.stringContaining('only 0 bytes') as string,
      })
    })

    it('that is followed reads what is there once, as its tail takes it, and then goes on', async () => {
      const settings = await fresh()
      const { events } = topicNames(settings)
      const all = frames(60)
      for (let sent = 0; sent < 50; sent += 5)
        await sendRecords(producer, events, PARTITION, all.slice(sent, sent + 5).map(record))
      const log = await followKafkaEventLog({ settings, partition: PARTITION, log: quiet, windowBytesMax: 16_000 })
      expect(log.head().sequence).toBe(0n)
      const ends = new Set([log.endSequence()])
      const over = new AbortController()
      const tail = log.tail(1n, over.signal)[Symbol.asyncIterator]()
      const ahead: bigint[] = []
      for (const frame of all.slice(0, 50)) {
        const { value } = (await tail.next()) as { value: Frame }
        expect(Buffer.from(value.hash)).toEqual(Buffer.from(frame.hash))
        ahead.push(log.head().sequence - lastSequence(frame))
        ends.add(log.endSequence())
        // As a tail does that has work to do.
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
      // What it had not taken yet was in memory all the time: eight frames are less than the window.
      expect(ahead.filter((sequences) => sequences > 8n)).toEqual([])
      expect(ahead.some((sequences) => sequences > 1n)).toBe(true)
      expect((await log.currentHead()).sequence).toBe(lastSequence(all[49]!))
      // Where it ends was known from the beginning.
      expect([...ends]).toEqual([lastSequence(all[49]!)])
      await sendRecords(producer, events, PARTITION, all.slice(50).map(record))
      expect((await log.currentHead()).sequence).toBe(lastSequence(all[59]!))
      for (const frame of all.slice(50)) {
        const { value } = (await tail.next()) as { value: Frame }
        expect(value.firstSequence).toBe(frame.firstSequence)
      }
      const ended = tail.next()
      over.abort()
      expect((await ended).done).toBe(true)
      log.close()
    }) // prettier-ignore

    it('that is followed by nobody says where it ends, and from where its first tail wants it gives all of it', async () => {
      const settings = await fresh()
      const all = frames(40)
      await sendRecords(producer, topicNames(settings).events, PARTITION, all.map(record))
      const log = await followKafkaEventLog({ settings, partition: PARTITION, log: quiet, windowBytesMax: 8_000 })
      expect((await log.currentHead()).sequence).toBe(lastSequence(all[39]!))
      const over = new AbortController()
      const got: bigint[] = []
      for await (const frame of log.tail(1n, over.signal)) {
        got.push(frame.firstSequence)
        if (got.length === all.length) over.abort()
      }
      expect(got).toEqual(all.map(({ firstSequence }) => firstSequence))
      log.close()
    }) // prettier-ignore

    it('that is followed ends where the newest record says until that has been judged: then where the chain does', async () => {
      const settings = await fresh()
      const { events } = topicNames(settings)
      const [first, second] = frames(2) as [Frame, Frame]
      const replaced = nextFrame(chainAfter(first), 300, 700)
      await sendRecords(producer, events, PARTITION, [first, second, replaced].map(record))
      const follow = () => followKafkaEventLog({ settings, partition: PARTITION, log: quiet })
      const log = await follow()
      expect(log.endSequence()).toBe(lastSequence(replaced))
      expect((await log.currentHead()).sequence).toBe(lastSequence(second))
      expect(log.endSequence()).toBe(lastSequence(second))
      await sendRecords(producer, events, PARTITION, [Buffer.from('no frame')])
      const corrupt = await follow()
      expect(corrupt.endSequence()).toBe(0n)
      await expect(corrupt.currentHead()).rejects.toMatchObject({ code: 'log_corrupt' })
      for (const one of [log, corrupt]) one.close()
    })

    it('an opening ends when its signal aborts, wherever it is', async () => {
      const settings = await fresh()
      const [first, second] = frames(2) as [Frame, Frame]
      await sendRecords(producer, topicNames(settings).events, PARTITION, [first, second].map(record))
      const open = (signal: AbortSignal, more: Partial<KafkaEventLogOptions>) =>
        openKafkaEventLog({ settings, partition: PARTITION, log: quiet, signal, ...more })
      const reason = new Error('not mine any more')
      await expect(open(AbortSignal.abort(reason), {})).rejects.toBe(reason)
      // While it waits for the record of its anchor, for a broker, and for who takes what it reads.
      for (const more of [
        { anchor: { logOffset: 2n, hash: second.hash } },
        { settings: { ...settings, brokers: ['127.0.0.1:1'] } },
      ]) {
        const over = new AbortController()
        const opened = expect(open(over.signal, more)).rejects.toBe(reason)
        await new Promise((resolve) => setTimeout(resolve, 50))
        over.abort(reason)
        await opened
      }
      const over = new AbortController()
      await expect(open(over.signal, { onCatchUp: () => over.abort(reason) })).rejects.toBe(reason)
    })

    it('says where it ends as soon as it has read all that stood there when it was asked', async () => {
      const settings = await fresh()
      const { events } = topicNames(settings)
      const all = frames(40)
      const log = await openKafkaEventLog({ settings, partition: PARTITION, log: quiet })
      expect((await log.currentHead()).sequence).toBe(0n)
      for (const frame of all) {
        // What is void stands behind it, as a repeated send leaves it.
        await sendRecords(producer, events, PARTITION, [record(frame), record(frame)])
        expect((await log.currentHead()).sequence).toBe(lastSequence(frame))
        if (frame.firstSequence > 8n) break
      }
      const over = AbortSignal.abort(new Error('enough'))
      await expect(log.currentHead(over)).rejects.toThrow('enough')
      log.close()
      await expect(log.currentHead()).rejects.toMatchObject({ code: 'log_closed' })
    })

    it('what fails while the log is caught up fails its opening', async () => {
      const settings = await fresh()
      await sendRecords(producer, topicNames(settings).events, PARTITION, frames(1).map(record))
      const onCatchUp = () => Promise.reject(new Error('the core would not take it'))
      await expect(
        openKafkaEventLog({ settings, partition: PARTITION, log: quiet, onCatchUp }),
      ).rejects.toThrow('the core would not take it')
    })

    it('a reader from behind an anchor with events needs nothing of what stands before it, however far it falls behind', async () => {
      const settings = await fresh()
      const { events } = topicNames(settings)
      const all = [...frames(9)]
      let chain = chainAfter(all.at(-1)!)
      for (const count of [0, 1, 0, 0, 2, 1]) {
        all.push(nextFrame(chain, count, 700))
        chain = chainAfter(all.at(-1)!)
      }
      await sendRecords(producer, events, PARTITION, all.map(record))
      await deleteRecordsBefore(settings, events, [{ partition: PARTITION, logOffset: 8n }])
      const anchor = { logOffset: 8n, hash: all[8]!.hash }
      for (const windowBytesMax of [1, 1_000_000]) {
        const log = await openKafkaEventLog({ settings, partition: PARTITION, anchor, log: quiet, windowBytesMax })
        const hashes: string[] = []
        for await (const frame of log.read(lastSequence(all[8]!) + 1n)) hashes.push(Buffer.from(frame.hash).toString('hex'))
        expect(hashes).toEqual(all.slice(9).map(({ hash }) => Buffer.from(hash).toString('hex')))
        log.close()
      }
    }) // prettier-ignore

    it('readers that keep up touch no topic; one that falls behind begins near where it was', async () => {
      const under: KafkaLogUnderTest = await open({ windowBytesMax: 1, sparse: 64 })
      for (let count = 0; count < 30; count++) await under.append(1)
      const got: bigint[] = []
      for await (const frame of under.log.read(25n)) got.push(frame.firstSequence)
      expect(got).toEqual([25n, 26n, 27n, 28n, 29n, 30n])
      await under.close()
    })
  })
})
