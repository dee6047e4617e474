/** What the writer of a partition does with a commands topic that others wrote to or deleted from. */
import { afterEach, describe, expect, it } from 'vitest'
import { UNPACKED_BYTES_MAX } from '../../../eventlog/kafka/wire/batch-codecs.ts'
import { topicNames, type KafkaSettings } from '../../../eventlog/kafka/settings.ts'
import { deleteRecordsBefore, sendGzipped, setTopicProperty } from '../../../test/support/kafka/topics.ts'
import { sendWithOffsetDeltas } from '../../../eventlog/kafka/wire/odd-batches.testing.ts'
import { SKIP_REASONS } from '../../../schemas/frame-notes.ts'
import { formatId } from '../../../schemas/ids.ts'
import { TIME_NS_MIN } from '../../../schemas/limits.ts'
import { withKafka } from '../../../test/support/kafka.ts'
import { until } from '../../../test/support/until.ts'
import { damageBatch } from '../../../test/support/kafka/disk.ts'
import { need } from '../../../test/support/left-out.ts'
import { PACKERS, sendByKcat } from '../../../test/support/kcat.ts'
import { haveTools } from '../../../test/support/tools.ts'
import { openAccount } from '../../../test/support/commands.ts'
import { Machines, readLog, untilConsumed, type WriterSetup } from '../writers.testing.ts'

const machines = new Machines()
afterEach(() => machines.end())

/** As soon as can be seen. */
const SOON = { skipAfterMs: 20 }
const NEVER = { skipAfterMs: 3_600_000 }

function deleteCommandsBefore(settings: KafkaSettings, logOffset: bigint): Promise<void> {
  return deleteRecordsBefore(settings, topicNames(settings).commands, [{ partition: 0, logOffset }])
}

await withKafka('a commands topic that others wrote to', (kafka) => {
  const newPlace = async (): Promise<WriterSetup> => machines.newSetup(await kafka.deployment())

  describe('a commands topic that others wrote to or deleted from', () => {
    it('poison that nothing follows is consumed by a frame without events: a successor begins behind it, deleted or not', async () => {
      const place = await newPlace()
      const first = await machines.start(place, SOON)
      await untilConsumed(first, await place.source.send([openAccount('a')]))
      await place.source.poison()
      const last = await place.source.poison()
      await untilConsumed(first, last)
      await first.abandon()
      await deleteCommandsBefore(place.settings, last + 1n)
      place.lines.length = 0
      const second = await machines.start(place, SOON)
      await untilConsumed(second, await place.source.send([openAccount('b')]))
      expect(second.status()).toMatchObject({ accounts: 2, recordsSkipped: 0, recordsDeleted: 0 })
      expect(place.lines).toEqual([])
      const { frames, events } = await readLog(place.settings)
      expect(events).toHaveLength(2)
      // Two open an epoch. One more says what was skipped, or two, if the first one was quick.
      const empty = frames.filter(({ count }) => count === 0).length
      expect([3, 4]).toContain(empty)
      expect(frames.filter(({ skip }) => skip === SKIP_REASONS.unreadable)).toHaveLength(empty - 2)
    })

    it('what is passed over is a mark of its own in the log: it consumes nothing but that, and a takeover does not undo it', async () => {
      const place = await newPlace()
      const first = await machines.start(place, NEVER)
      await untilConsumed(first, await place.source.send([openAccount('a')]))
      await first.abandon()
      const lost = await place.source.send([openAccount('lost')])
      const poison = await place.source.poison()
      const kept = await place.source.send([openAccount('b')])
      const late = await place.source.poison()
      const last = await place.source.send([openAccount('c')])
      await deleteCommandsBefore(place.settings, lost + 1n)
      const second = await machines.start(place, NEVER)
      await untilConsumed(second, last)
      await second.abandon()
      const { frames } = await readLog(place.settings)
      const told = frames.map(({ skip, count, nextCommandOffset }) => [skip, count, nextCommandOffset])
      const { deleted, unreadable } = SKIP_REASONS
      // Behind the two opening frames; "a" stands between them.
      expect(told.slice(3)).toEqual([
        [deleted, 0, poison],
        [unreadable, 0, kept],
        [0, 1, late],
        [unreadable, 0, last],
        [0, 1, last + 1n],
      ])
    })

    it('an orderly stop leaves no poison to be found again', async () => {
      const place = await newPlace()
      const first = await machines.start(place, NEVER)
      const last = await place.source.poison()
      await until('it is skipped', () => first.status().recordsSkipped === 1)
      await first.stop()
      const second = await machines.start(place, NEVER)
      expect(second.status()).toMatchObject({ next: { offset: last + 1n }, recordsSkipped: 0 })
    })

    it('a writer whose place was deleted goes on at the first record that is there, counts what is lost, and says so', async () => {
      const place = await newPlace()
      const first = await machines.start(place, NEVER)
      await untilConsumed(first, await place.source.send([openAccount('a')]))
      await first.abandon()
      const lost = await place.source.send([openAccount('lost')])
      await place.source.send([openAccount('lost too')])
      const kept = await place.source.send([openAccount('b'), openAccount('c')])
      await deleteCommandsBefore(place.settings, kept)
      place.lines.length = 0
      const second = await machines.start(place, NEVER)
      await untilConsumed(second, kept)
      expect(second.status()).toMatchObject({ accounts: 3, recordsSkipped: 0, recordsDeleted: 2 })
      expect(place.lines).toEqual([
        expect.stringContaining(`offsets ${lost} to ${kept - 1n} of partition 0 of ${topicNames(place.settings).commands} were deleted`),
      ])
      const { events } = await readLog(place.settings)
      expect(events).toHaveLength(3)
      await second.abandon()
      // Its frames say so: it is not found again.
      const third = await machines.start(place, NEVER)
      expect(third.status()).toMatchObject({ accounts: 3, recordsDeleted: 0 })
    }) // prettier-ignore

    it('where all of it was deleted, a writer takes what comes next', async () => {
      const place = await newPlace()
      for (let account = 0; account < 3; account++) await place.source.send([openAccount(account)])
      await deleteCommandsBefore(place.settings, 3n)
      const writer = await machines.start(place, SOON)
      // Without a command too: nobody finds the hole again.
      await untilConsumed(writer, 2n)
      await untilConsumed(writer, await place.source.send([openAccount('a')]))
      expect(writer.status()).toMatchObject({ accounts: 1, recordsDeleted: 3 })
    })

    it('of a record that several senders share, a wrong command is passed over alone: the others have their outcomes, and a successor begins behind it', async () => {
      const place = await newPlace()
      const [good, behind] = [openAccount('a'), openAccount('b')]
      // What a gateway let in that checked the year and not the instant.
      const wrong = { ...openAccount('c'), effectiveAtNs: TIME_NS_MIN - 1n }
      const first = await machines.start(place, SOON)
      await untilConsumed(first, await place.source.send([good, wrong, behind]))
      await untilConsumed(first, await place.source.send([{ ...openAccount('d') }, wrong]))
      expect(first.status()).toMatchObject({ accounts: 3, recordsSkipped: 0, commandsPassedOver: 2 })
      expect(place.lines).toEqual([expect.stringContaining('The record at offset 0 of partition 0 of ')])
      expect(place.lines[0]).toContain('command 1: effectiveAt lies outside 1900-01-01')
      await first.abandon()
      const second = await machines.start(place, SOON)
      await untilConsumed(second, await place.source.send([openAccount('e')]))
      expect(second.status()).toMatchObject({ accounts: 4, recordsSkipped: 0, commandsPassedOver: 0 })
      const { events } = await readLog(place.settings)
      expect(events.map(({ transferId }) => formatId(transferId)).slice(0, 2)).toEqual([formatId(good.id), formatId(behind.id)])
    }) // prettier-ignore

    it('a batch that would unpack to more than the bound is skipped, however few bytes it has', async () => {
      const place = await newPlace()
      const { settings, source } = place
      await sendGzipped(settings, topicNames(settings).commands, 0, Buffer.alloc(UNPACKED_BYTES_MAX))
      const last = await source.send([openAccount('a')])
      const writer = await machines.start(place)
      await untilConsumed(writer, last)
      expect(writer.status()).toMatchObject({ accounts: 1, recordsSkipped: 1 })
      expect(place.lines).toEqual([
        expect.stringContaining('holds no commands: its batch cannot be read (gzip: '),
      ])
    })

    it('a batch that was damaged on the broker’s disk is not skipped: what stands before it is decided, and what behind it when it is deleted', async (context) => {
      const place = await newPlace()
      const { settings, source } = place
      for (const name of ['a', 'lost', 'b']) await source.send([openAccount(name)])
      const isHere = await damageBatch(settings, topicNames(settings).commands, 0, 1n)
      need(context, isHere, 'the disk of the broker is not on this machine', 'kafka')
      const first = await machines.start(place, NEVER)
      const end = await first.ended
      expect(end).toMatchObject({
        kind: 'failed',
        error: { code: 'log_corrupt', message: expect.stringContaining('hold offset 1 of partition 0 of ') as string },
      })
      await deleteCommandsBefore(settings, 2n)
      const second = await machines.start(place, NEVER)
      await untilConsumed(second, 2n)
      expect(second.status()).toMatchObject({ accounts: 2, recordsSkipped: 0, recordsDeleted: 1 })
      const { events } = await readLog(settings)
      expect(events).toHaveLength(2)
    }) // prettier-ignore

    it('a batch whose records say offsets out of order, or of others, is skipped as one', async () => {
      const place = await newPlace()
      const { settings, source } = place
      const writer = await machines.start(place)
      const strange = [Buffer.from('one'), Buffer.from('two')]
      const { commands: topic } = topicNames(settings)
      for (const deltas of [[1, 0], [0, 0], [0, 7]]) await sendWithOffsetDeltas(settings, topic, 0, strange, deltas)
      const last = await source.send([openAccount('a')])
      expect(last).toBe(6n)
      await untilConsumed(writer, last)
      expect(writer.status()).toMatchObject({ accounts: 1, recordsSkipped: 6 })
      expect(place.lines).toEqual([expect.stringContaining('its offsets are not in order')])
    }) // prettier-ignore

    if (!haveTools('packed poison', 'kcat')) return

    const poison = Array.from({ length: 50 }, (_, index) => `${index} ${'no command of anybody '.repeat(9)}`)

    it.each(['producer', 'uncompressed'])(
      'whatever poison is packed with, it is skipped and what stands beside it is decided (compression.type=%s)',
      async (compression) => {
        const place = await newPlace()
        const { settings, source } = place
        const { commands: topic } = topicNames(settings)
        await setTopicProperty(settings, topic, 'compression.type', compression)
        const writer = await machines.start(place)
        const sent = []
        for (const [index, packer] of PACKERS.entries()) {
          await sendByKcat({ ...settings, topic, partition: 0 }, packer, poison)
          sent.push(openAccount(index))
          await source.send([sent[index]!])
        }
        await untilConsumed(writer, BigInt(PACKERS.length * (poison.length + 1) - 1))
        expect(writer.status().recordsSkipped).toBe(PACKERS.length * poison.length)
        const { events } = await readLog(settings)
        expect(events.map(({ transferId }) => formatId(transferId))).toEqual(sent.map(({ id }) => formatId(id)))
      },
    ) // prettier-ignore

    it('a flood of packed poison costs a line and a count, and what comes behind it is decided', async () => {
      const place = await newPlace()
      const { settings, source } = place
      const target = { ...settings, topic: topicNames(settings).commands, partition: 0 }
      const flood = Array.from({ length: 200_000 }, () => 'x')
      await sendByKcat(target, 'zstd', flood)
      const last = await source.send([openAccount('a')])
      const writer = await machines.start(place)
      await untilConsumed(writer, last)
      expect(writer.status()).toMatchObject({ accounts: 1, recordsSkipped: flood.length })
      expect(place.lines).toEqual([expect.stringContaining('offset 0 of partition 0 of ')])
    })
  })
})
