/** The commands topic is made anew under a log that has consumed another one, in every way in which that can come about. */
import { afterEach, describe, expect, it } from 'vitest'
import { encodeCommandRecord } from '../../../eventlog/kafka/commands/command-record.ts'
import { asAdmin, readValues, replaceTopic } from '../../../test/support/kafka/topics.ts'
import { topicNames, type KafkaSettings } from '../../../eventlog/kafka/settings.ts'
import { encodeCommands } from '../../../schemas/command-codec.ts'
import type { Command } from '../../../schemas/commands.ts'
import { topicPartOf } from '../../../schemas/commands-topic.ts'
import { formatId } from '../../../schemas/ids.ts'
import { withKafka } from '../../../test/support/kafka.ts'
import { until } from '../../../test/support/until.ts'
import { transfer } from '../../../test/support/commands.ts'
import type { PartitionSupervisor, PartitionSupervisorOptions } from '../partition-supervisor.ts'
import { reaches, Seats, type Served } from '../seats.testing.ts'
import { readLog } from '../writers.testing.ts'
import { adoptCommands } from './adopt-commands.ts'

const seats = new Seats()
afterEach(() => seats.end())

/** Another process that holds the partition, and says it to the same operator. */
function sitAfter({ settings, store, lines }: Omit<Served, 'seat' | 'first'>, options: Partial<PartitionSupervisorOptions> = {}): PartitionSupervisor {
  return seats.sit(settings, store, { log: (line) => lines.push(line), ...options })
} // prettier-ignore

/** A record's value. */
function record(commands: readonly Command[]): Buffer {
  const received = commands.map((command) => ({ ...command, receivedAtNs: BigInt(Date.now()) * 1_000_000n }))
  return encodeCommandRecord(encodeCommands(received), commands.length)
}

async function transferIds(settings: KafkaSettings): Promise<string[]> {
  const { events } = await readLog(settings)
  return events.filter(({ command }) => command === 'Transfer').map(({ transferId }) => formatId(transferId))
}

await withKafka('a commands topic that is made anew', (kafka) => {
  describe('a commands topic that is made anew', () => {
    it('while the writer runs: it goes on behind one frame that names the new one’s place, and an id counts once over both', async () => {
      const { settings, seat, lines, first } = await seats.served(kafka)
      const { commands } = topicNames(settings)
      const next = transfer('cash', 'a', 7n)
      await replaceTopic(settings, commands, [record([first, next])])
      await reaches(seat, 4n)
      expect(await transferIds(settings)).toEqual([first, next].map(({ id }) => formatId(id)))
      const { frames } = await readLog(settings)
      expect(frames.map(({ epoch }) => epoch).at(-1)).toBe(2n)
      const opening = frames.find(({ epoch }) => epoch === 2n)!
      expect(opening).toMatchObject({ count: 0, nextCommandOffset: 0n, nextCommandIndex: 0 })
      const parts = new Set(frames.map(({ commandsTopic }) => topicPartOf(commandsTopic)))
      expect(parts.size).toBe(2)
      expect(parts).not.toContain(0)
      expect(lines).toContainEqual(
        expect.stringContaining('is not the one whose commands the log has consumed'),
      )
      expect(lines).toContainEqual(expect.stringContaining('from offset 2 on'))
      // And once more.
      const last = transfer('cash', 'a', 9n)
      await replaceTopic(settings, commands, [record([last])])
      await reaches(seat, 5n)
      expect(await transferIds(settings)).toHaveLength(3)
      expect((await readLog(settings)).frames.at(-1)!.epoch).toBe(3n)
    })

    it('with records that no writer took: the loss is counted, with its offsets', async () => {
      const served = await seats.served(kafka)
      const { settings, seat, lines } = served
      const { commands } = topicNames(settings)
      // It has stopped taking, and others go on sending.
      await seat.release()
      const stopped = sitAfter(served)
      await until('it serves', () => stopped.serving() !== undefined)
      const source = await seats.sourceOf(settings)
      const poison = [await source.poison(), await source.poison(), await source.poison()]
      expect(poison).toEqual([2n, 3n, 4n])
      // Skipped at the end of the topic: not yet said by a frame.
      await until('it has read them', () => stopped.serving()?.status().recordsSkipped === 3)
      await replaceTopic(settings, commands, [])
      await until('it has gone on', () => (stopped.serving()?.status().epoch ?? 0n) === 3n, 60_000)
      expect(stopped.status().writer).toMatchObject({ recordsDeleted: 3, next: { offset: 0n, index: 0 } })
      expect(lines).toContainEqual(expect.stringContaining('from offset 2 to 4 at least is lost (3 records)'))
    })

    it('while no writer runs, and already longer than what was consumed: no record of it is passed over', async () => {
      const served = await seats.served(kafka)
      const { settings, seat, first } = served
      const { commands } = topicNames(settings)
      await seat.release()
      const others = Array.from({ length: 6 }, (_, index) => transfer('cash', 'a', BigInt(index + 10)))
      await replaceTopic(
        settings,
        commands,
        others.map((one) => record([one])),
      )
      const next = sitAfter(served)
      await reaches(next, 9n)
      expect(await transferIds(settings)).toEqual([first, ...others].map(({ id }) => formatId(id)))
    })

    it('longer at once, under a writer that runs: no record of it is passed over', async () => {
      const { settings, seat, first } = await seats.served(kafka)
      const { commands } = topicNames(settings)
      const others = Array.from({ length: 6 }, (_, index) => transfer('cash', 'a', BigInt(index + 10)))
      await replaceTopic(
        settings,
        commands,
        others.map((one) => record([one])),
      )
      await reaches(seat, 9n)
      expect(await transferIds(settings)).toEqual([first, ...others].map(({ id }) => formatId(id)))
    })

    it('as long as it is missing, tries cost no epoch; when it is there the writer serves by itself', async () => {
      const served = await seats.served(kafka)
      const { settings, seat, lines } = served
      const { commands } = topicNames(settings)
      await seat.release()
      const before = await readValues(settings, topicNames(settings).events, 0)
      await asAdmin(settings, (admin) => admin.deleteTopics({ topics: [commands] }))
      const next = sitAfter(served, { outageMsMax: 200 })
      const tried = lines.length
      await until('it has tried', () => lines.length > tried + 3)
      expect(next.status().reason).toContain(`There is no topic ${commands} with a partition 0`)
      expect(await readValues(settings, topicNames(settings).events, 0)).toEqual(before)
      await replaceTopic(settings, commands, [record([transfer('cash', 'a', 2n)])])
      await reaches(next, 4n)
    })

    it('under a copy of the log: refused without a frame, until an operator takes it up; ids count once over both', async () => {
      const { settings, seat, first } = await seats.served(kafka)
      await seat.release()
      const whole = await readValues(settings, topicNames(settings).events, 0)
      // Another cluster: a mirrored events topic, a commands topic that knows nothing, a store that knows nothing.
      const copy = await kafka.deployment()
      await replaceTopic(copy, topicNames(copy).events, whole)
      const source = await seats.sourceOf(copy)
      const next = transfer('cash', 'a', 7n)
      await source.send([first, next])
      await source.send([next])
      await source.send([next])
      const lines: string[] = []
      const there = sitAfter({ settings: copy, store: seats.newStore(), lines })
      await until('it has tried', () => lines.filter((line) => line.includes('topics --adopt')).length > 3)
      expect(there.status()).toMatchObject({ writer: undefined })
      expect(there.status().reason).toContain('purser topics --adopt')
      expect(await readValues(copy, topicNames(copy).events, 0)).toEqual(whole)

      const options = { settings: copy, partition: 0, partitions: 1, log: () => undefined }
      expect(await adoptCommands(options)).toEqual({
        partition: 0,
        left: { offset: 2n, index: 0 },
        start: { offset: 0n, index: 0 },
      })
      await reaches(there, 4n)
      expect(await transferIds(copy)).toEqual([first, next].map(({ id }) => formatId(id)))
      expect(await adoptCommands(options)).toBeUndefined()
    })
  })
})
