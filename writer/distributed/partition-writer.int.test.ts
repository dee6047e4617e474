import { cpSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { seal } from '../../eventlog/handoff/seal.ts'
import { chainAfter, emptyChain } from '../../eventlog/file/layout/segments.ts'
import { createKafka, createProducer } from '../../eventlog/kafka/kafkajs/client.ts'
import { encodeFrameRecord } from '../../eventlog/kafka/events/record.ts'
import { encodeCommands } from '../../schemas/command-codec.ts'
import type { Command } from '../../schemas/commands.ts'
import type { WalletEvent } from '../../schemas/events.ts'
import { formatId } from '../../schemas/ids.ts'
import { FRAME_BYTES_MAX } from '../../schemas/limits.ts'
import { createClock } from '../thread/clock.ts'
import { WriterLoop } from '../thread/loop.ts'
import { withKafka } from '../../test/support/kafka.ts'
import { until } from '../../test/support/until.ts'
import { topicNames, type KafkaSettings } from '../../eventlog/kafka/settings.ts'
import { createCore } from '../core/core.ts'
import { openFolderStore } from '../snapshot-store/folder-store.ts'
import { digestSections } from '../recovery/state-digest.ts'
import { openAccount, transfer } from '../../test/support/commands.ts'
import { Machines, readLog, untilConsumed, type WriterSetup } from './writers.testing.ts'

const machines = new Machines()
const { start, newFolder } = machines
afterEach(() => machines.end())

/** A writer that dies when it has written a frame which consumes the first `consumed` commands of the only record. */
async function dieWithinRecord(
  { settings }: WriterSetup,
  commands: readonly Command[],
  consumed: number,
): Promise<void> {
  const payload = new Uint8Array(FRAME_BYTES_MAX)
  const records: Buffer[] = []
  let chain = emptyChain(0)
  const loop = new WriterLoop(
    { core: createCore({ partition: 0 }), epoch: 1n, nextCommandOffset: 0n },
    {
      nowNs: createClock(),
      claim: () => ({ index: 0, payload }),
      toLog: ({ kind: _kind, slab: _slab, payloadBytes, nextCommandOffset: count, ...described }) => {
        const place = { nextCommandOffset: 0n, nextCommandIndex: Number(count) }
        const content = { ...described, ...place, payload: payload.subarray(0, payloadBytes) }
        const frame = seal(content, chain, chain.sequence)
        chain = chainAfter(frame)
        records.push(encodeFrameRecord(frame.bytes))
      },
    },
  )
  loop.open()
  loop.take({ slots: encodeCommands(commands.slice(0, consumed)), count: consumed })
  while (loop.step() !== 'idle');
  const producer = createProducer(createKafka(settings, () => undefined))
  await producer.connect()
  const messages = records.map((value) => ({ value, partition: 0 }))
  await producer.send({ topic: topicNames(settings).events, acks: -1, messages })
  await producer.disconnect()
}

function idOf({ transferId }: WalletEvent): string {
  return formatId(transferId)
}

/** The state that the log from zero comes to. */
async function replayed(settings: KafkaSettings): Promise<string> {
  const core = createCore({ partition: 0 })
  for (const { count, payload } of (await readLog(settings)).frames)
    // At a multiple of 8 bytes.
    if (count > 0) core.apply(new Uint8Array(payload))
  return digestSections(core.save())
}

await withKafka('the writer of a partition on Kafka', (kafka) => {
  const newPlace = async (): Promise<WriterSetup> => machines.newSetup(await kafka.deployment())

  describe('the writer of a partition on Kafka', () => {
    it('turns commands on the topic into frames of the log, in order, with the place of the next command', async () => {
      const place = await newPlace()
      const writer = await start(place)
      await place.source.send([openAccount('cash', -1n), openAccount('a'), openAccount('b')])
      const last = await place.source.send([transfer('cash', 'a', 100n), transfer('a', 'b', 300n)])
      await untilConsumed(writer, last)
      const { frames, events, voids } = await readLog(place.settings)
      expect(events.map(({ kind }) => kind)).toEqual([
        'AccountOpened',
        'AccountOpened',
        'AccountOpened',
        'TransferPosted',
        'TransferRefused',
      ])
      expect(frames[0]).toMatchObject({ epoch: 1n, count: 0, nextCommandOffset: 0n, nextCommandIndex: 0 })
      expect(frames.at(-1)).toMatchObject({ nextCommandOffset: last + 1n, nextCommandIndex: 0 })
      expect(voids).toBe(0)
      const status = { epoch: 1n, sequence: 5n, accounts: 3, recordsSkipped: 0 }
      await expect.poll(() => writer.status()).toMatchObject(status)
      expect(await writer.digest()).toBe(await replayed(place.settings))
    })

    it('commands that wait are decided by whoever comes next, from the middle of a record on', async () => {
      const place = await newPlace()
      const commands = [openAccount('cash', -1n), { ...openAccount('a'), memo: 'with text' }].concat(
        Array.from({ length: 200 }, (_, index) => ({
          ...transfer('cash', 'a', 1n),
          memo: 'm'.repeat(index),
        })),
      )
      const only = await place.source.send(commands)
      await dieWithinRecord(place, commands, 77)
      const before = (await readLog(place.settings)).frames.at(-1)!
      expect(before).toMatchObject({ nextCommandOffset: 0n, nextCommandIndex: 77 })
      const writer = await start(place)
      await untilConsumed(writer, only)
      const { events, frames } = await readLog(place.settings)
      expect(events).toHaveLength(commands.length)
      expect(new Set(events.map(idOf)).size).toBe(commands.length)
      expect(frames.find(({ epoch }) => epoch === 2n)).toMatchObject({ count: 0, nextCommandIndex: 77 })
      expect(await writer.digest()).toBe(await replayed(place.settings))
    })

    it('a record without commands is skipped, counted and told, and what follows is decided', async () => {
      const place = await newPlace()
      const writer = await start(place)
      await place.source.poison()
      await place.source.send([openAccount('a')])
      await place.source.poison()
      const last = await place.source.send([openAccount('b')])
      await untilConsumed(writer, last)
      await expect.poll(() => writer.status()).toMatchObject({ accounts: 2, recordsSkipped: 2 })
      expect(place.lines).toEqual([expect.stringContaining('offset 0 of partition 0 of ')])
      // It is no event, and consumed all the same.
      const { events } = await readLog(place.settings)
      expect(events).toHaveLength(2)
    })

    it('one that is replaced stops at once and acknowledges nothing more; every command has one outcome', async () => {
      const place = await newPlace()
      const first = await start(place)
      await untilConsumed(first, await place.source.send([openAccount('cash', -1n), openAccount('a')]))
      const second = await start(place)
      expect(await first.ended).toEqual({ kind: 'replaced' })
      const headOfFirst = first.log.head()
      const last = await place.source.send(Array.from({ length: 100 }, () => transfer('cash', 'a', 1n)))
      await untilConsumed(second, last)
      expect(second.status().epoch).toBe(2n)
      expect(first.log.head()).toEqual(headOfFirst)
      const { events } = await readLog(place.settings)
      expect(events).toHaveLength(102)
    })

    it('two under load that take over from each other: gap-free, each command once, acknowledged only by its own epoch', async () => {
      const place = await newPlace()
      let writer = await start(place)
      const sent: bigint[] = []
      await place.source.send([openAccount('cash', -1n), openAccount('a')])
      let isOver = false
      const load = (async () => {
        while (!isOver) {
          sent.push(await place.source.send(Array.from({ length: 20 }, () => transfer('cash', 'a', 1n))))
        }
      })()
      try {
        for (let takeover = 0; takeover < 6; takeover++) {
          const before = sent.length
          await until('load', () => sent.length > before + 5)
          const isKilled = takeover % 2 === 0
          if (isKilled) await writer.abandon()
          const next = await start(place)
          if (!isKilled) expect(await writer.ended).toEqual({ kind: 'replaced' })
          writer = next
        }
      } finally {
        isOver = true
        await load
      }
      await untilConsumed(writer, sent.at(-1)!)
      const { events, frames } = await readLog(place.settings)
      const ids = events.filter(({ kind }) => kind === 'TransferPosted').map(idOf)
      expect(new Set(ids).size).toBe(ids.length)
      expect(ids).toHaveLength(sent.length * 20)
      expect(new Set(frames.map(({ epoch }) => epoch))).toEqual(new Set([1n, 2n, 3n, 4n, 5n, 6n, 7n]))
      expect(await writer.digest()).toBe(await replayed(place.settings))
    })

    it('an orderly stop publishes a snapshot, and a start from it on another machine comes to the replay’s state', async () => {
      const place = await newPlace()
      const first = await start(place)
      await place.source.send([openAccount('cash', -1n), openAccount('a')])
      const last = await place.source.send(Array.from({ length: 500 }, () => transfer('cash', 'a', 1n)))
      await untilConsumed(first, last)
      await first.stop()
      expect(await first.ended).toEqual({ kind: 'stopped' })
      expect(await openFolderStore(place.storeDir).list(0)).toMatchObject([{ sequence: 502n }])
      const behind = await place.source.send([transfer('cash', 'a', 7n)])
      const second = await start(place)
      expect(second.recovery).toMatchObject({ snapshot: { sequence: 502n }, replayed: { events: 0n } })
      await untilConsumed(second, behind)
      await second.abandon()
      const third = await start(place)
      expect(third.recovery).toMatchObject({ snapshot: { sequence: 502n }, replayed: { events: 1n } })
      expect(await third.digest()).toBe(await replayed(place.settings))
    })

    it('snapshots are published while it works; a damaged one in the store costs only the one before', async () => {
      const place = await newPlace()
      const first = await start(place, { snapshots: { everyEvents: 100, logRatio: 0 } })
      await place.source.send([openAccount('cash', -1n), openAccount('a')])
      const inStore = (): string[] => {
        try {
          return readdirSync(path.join(place.storeDir, '0')).filter((name) => name.endsWith('.snap'))
        } catch {
          return []
        }
      }
      for (let snapshots = 1; snapshots <= 2; snapshots++) {
        await place.source.send(Array.from({ length: 150 }, () => transfer('cash', 'a', 1n)))
        await until(`${snapshots} snapshots`, () => inStore().length === snapshots)
      }
      await first.abandon()
      const [older, newest] = inStore().map((name) => path.join(place.storeDir, '0', name))
      const bytes = readFileSync(newest!)
      bytes[bytes.length >> 1]! ^= 1
      writeFileSync(newest!, bytes)
      const second = await start(place)
      expect(second.recovery.snapshot!.sequence).toBe(BigInt(path.basename(older!, '.snap')))
      expect(second.recovery.unusable).toMatchObject([{ sequence: BigInt(path.basename(newest!, '.snap')) }])
      expect(await second.digest()).toBe(await replayed(place.settings))
    })

    it('a store that cannot be reached costs the snapshot and what it knows of the log, not the start', async () => {
      const place = await newPlace()
      const first = await start(place)
      await untilConsumed(first, await place.source.send([openAccount('a')]))
      await first.stop()
      const file = path.join(newFolder(), 'file')
      writeFileSync(file, '')
      const second = await start(place, { store: openFolderStore(file) })
      expect(second.recovery).toMatchObject({ snapshot: undefined, replayed: { events: 1n } })
      expect(place.lines.slice(0, 2)).toEqual([
        expect.stringContaining('No snapshot of partition 0 comes from the store'),
        expect.stringContaining('Whether the log of partition 0 went backwards is not known'),
      ])
    })

    it('a snapshot of another history is refused, loudly', async () => {
      const place = await newPlace()
      const first = await start(place)
      await untilConsumed(first, await place.source.send([openAccount('a')]))
      await first.stop()
      const other = await newPlace()
      const second = await start(other)
      await untilConsumed(second, await other.source.send([openAccount('b')]))
      await second.abandon()
      cpSync(place.storeDir, other.storeDir, { recursive: true })
      await expect(start(other)).rejects.toMatchObject({ code: 'log_regressed' })
    })

    it('can be ended while it starts, and leaves nothing running', async () => {
      const place = await newPlace()
      const { PartitionWriter: Writer } = await import('./partition-writer.ts')
      const writer = new Writer({
        settings: place.settings,
        partition: 0,
        partitions: 1,
        scratchDir: newFolder(),
        store: openFolderStore(place.storeDir),
        log: () => undefined,
      })
      const refused = expect(writer.start()).rejects.toMatchObject({ code: 'log_closed' })
      await writer.abandon()
      await refused
      expect(await writer.ended).toEqual({ kind: 'stopped' })
    })
  })
})
