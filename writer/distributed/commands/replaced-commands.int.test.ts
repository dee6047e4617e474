/** The commands topic is made anew under a log that has consumed another one, in every way in which that can come about. */
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { encodeCommandRecord } from '../../../eventlog/kafka/commands/command-record.ts'
import { asAdmin, readValues, replaceTopic } from '../../../eventlog/kafka/testing.ts'
import { topicNames, type KafkaSettings } from '../../../eventlog/kafka/settings.ts'
import { encodeCommands, type Command } from '../../../schemas/commands.ts'
import { topicPartOf } from '../../../schemas/commands-topic.ts'
import { formatId } from '../../../schemas/ids.ts'
import { withKafka } from '../../../test/support/kafka.ts'
import { openFolderStore } from '../../snapshot-store/folder-store.ts'
import { openAccount, transfer } from '../../testing.ts'
import { adoptCommands } from './adopt-commands.ts'
import { PartitionSupervisor, type PartitionSupervisorOptions } from '../partition-supervisor.ts'
import { NO_SNAPSHOTS, openCommandSource, readLog, until, type CommandSource } from '../testing.ts'

const folders: string[] = []
const seats: PartitionSupervisor[] = []
const sources: CommandSource[] = []
afterEach(async () => {
  for (const seat of seats.splice(0)) await seat.release()
  for (const source of sources.splice(0)) await source.close()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
})

function newFolder(): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'purser-replaced-'))
  folders.push(folder)
  return folder
}

function sit(
  settings: KafkaSettings,
  storeDir: string,
  lines: string[],
  options: Partial<PartitionSupervisorOptions> = {},
): PartitionSupervisor {
  const seat = new PartitionSupervisor({
    settings,
    partition: 0,
    partitions: 1,
    scratchDir: newFolder(),
    store: openFolderStore(storeDir),
    snapshots: NO_SNAPSHOTS,
    log: (line) => lines.push(line),
    confirmed: () => Promise.resolve(),
    onBroken: (error) => {
      throw error
    },
    pauseMsMin: 50,
    ...options,
  })
  seats.push(seat)
  seat.hold()
  return seat
}

/** A record's value. */
function record(commands: readonly Command[]): Buffer {
  const received = commands.map((command) => ({ ...command, receivedAtNs: BigInt(Date.now()) * 1_000_000n }))
  return encodeCommandRecord(encodeCommands(received), commands.length)
}

async function sourceOf(settings: KafkaSettings): Promise<CommandSource> {
  const source = await openCommandSource(settings)
  sources.push(source)
  return source
}

async function transferIds(settings: KafkaSettings): Promise<string[]> {
  const { events } = await readLog(settings)
  return events.filter(({ command }) => command === 'Transfer').map(({ transferId }) => formatId(transferId))
}

function reaches(seat: PartitionSupervisor, sequence: bigint): Promise<void> {
  return until(`sequence ${sequence}`, () => (seat.serving()?.status().sequence ?? 0n) >= sequence, 60_000)
}

await withKafka('a commands topic that is made anew', (kafka) => {
  const first = transfer('cash', 'a', 5n)

  /** A partition that is served and has decided three commands, of two records. */
  async function served(): Promise<{
    settings: KafkaSettings
    commands: string
    storeDir: string
    seat: PartitionSupervisor
    lines: string[]
  }> {
    const settings = await kafka.deployment()
    const storeDir = newFolder()
    const source = await sourceOf(settings)
    const lines: string[] = []
    const seat = sit(settings, storeDir, lines)
    await source.send([openAccount('cash', -1n), openAccount('a')])
    await source.send([first])
    await reaches(seat, 3n)
    await until('the store knows', async () => (await openFolderStore(storeDir).readWitness(0)) !== undefined)
    return { settings, commands: topicNames(settings).commands, storeDir, seat, lines }
  }

  describe('a commands topic that is made anew', () => {
    it('while the writer runs: it goes on behind one frame that names the new one’s place, and an id counts once over both', async () => {
      const { settings, commands, seat, lines } = await served()
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
      const { settings, commands, seat, storeDir, lines } = await served()
      // It has stopped taking, and others go on sending.
      await seat.release()
      const stopped = sit(settings, storeDir, lines)
      await until('it serves', () => stopped.serving() !== undefined)
      const source = await sourceOf(settings)
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
      const { settings, commands, seat, storeDir, lines } = await served()
      await seat.release()
      const others = Array.from({ length: 6 }, (_, index) => transfer('cash', 'a', BigInt(index + 10)))
      await replaceTopic(
        settings,
        commands,
        others.map((one) => record([one])),
      )
      const next = sit(settings, storeDir, lines)
      await reaches(next, 9n)
      expect(await transferIds(settings)).toEqual([first, ...others].map(({ id }) => formatId(id)))
    })

    it('longer at once, under a writer that runs: no record of it is passed over', async () => {
      const { settings, commands, seat } = await served()
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
      const { settings, commands, seat, storeDir, lines } = await served()
      await seat.release()
      const before = await readValues(settings, topicNames(settings).events, 0)
      await asAdmin(settings, (admin) => admin.deleteTopics({ topics: [commands] }))
      const next = sit(settings, storeDir, lines, { outageMsMax: 200 })
      const tried = lines.length
      await until('it has tried', () => lines.length > tried + 3)
      expect(next.status().reason).toContain(`There is no topic ${commands} with a partition 0`)
      expect(await readValues(settings, topicNames(settings).events, 0)).toEqual(before)
      await replaceTopic(settings, commands, [record([transfer('cash', 'a', 2n)])])
      await reaches(next, 4n)
    })

    it('under a copy of the log: refused without a frame, until an operator takes it up; ids count once over both', async () => {
      const { settings, seat } = await served()
      await seat.release()
      const whole = await readValues(settings, topicNames(settings).events, 0)
      // Another cluster: a mirrored events topic, a commands topic that knows nothing, a store that knows nothing.
      const copy = await kafka.deployment()
      await replaceTopic(copy, topicNames(copy).events, whole)
      const source = await sourceOf(copy)
      const next = transfer('cash', 'a', 7n)
      await source.send([first, next])
      await source.send([next])
      await source.send([next])
      const lines: string[] = []
      const there = sit(copy, newFolder(), lines)
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
