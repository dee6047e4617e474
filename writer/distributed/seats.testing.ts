/** Seats of partition 0, for tests: processes that hold it, each on a machine of its own. */
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { KafkaSettings } from '../../eventlog/kafka/settings.ts'
import type { Command } from '../../schemas/commands.ts'
import type { TestKafka } from '../../test/support/kafka.ts'
import { until } from '../../test/support/until.ts'
import { openFolderStore } from '../snapshot-store/folder-store.ts'
import type { SnapshotStore } from '../snapshot-store/snapshot-store.ts'
import { openAccount, transfer } from '../../test/support/commands.ts'
import { PartitionSupervisor, type PartitionSupervisorOptions } from './partition-supervisor.ts'
import { NO_SNAPSHOTS, openCommandSource, type CommandSource } from './writers.testing.ts'

/** A partition that is served and has decided three commands, of two records. */
export interface Served {
  readonly settings: KafkaSettings
  readonly store: SnapshotStore
  readonly seat: PartitionSupervisor
  /** What its processes said to the operator. */
  readonly lines: string[]
  /** The one transfer. */
  readonly first: Command
}

export class Seats {
  readonly #folders: string[] = []
  readonly #seats: PartitionSupervisor[] = []
  readonly #sources: CommandSource[] = []

  /** A process that holds the partition from now on. Without options it says nothing to anybody. */
  sit(
    settings: KafkaSettings,
    store: SnapshotStore,
    options: Partial<PartitionSupervisorOptions> = {},
  ): PartitionSupervisor {
    const seat = new PartitionSupervisor({
      settings,
      partition: 0,
      partitions: 1,
      scratchDir: this.#newFolder(),
      store,
      snapshots: NO_SNAPSHOTS,
      log: () => undefined,
      confirmed: () => Promise.resolve(),
      onBroken: (error) => {
        throw error
      },
      pauseMsMin: 50,
      ...options,
    })
    this.#seats.push(seat)
    seat.hold()
    return seat
  }

  async sourceOf(settings: KafkaSettings): Promise<CommandSource> {
    const source = await openCommandSource(settings)
    this.#sources.push(source)
    return source
  }

  /** A snapshot store that knows nothing. */
  newStore(): SnapshotStore {
    return openFolderStore(this.#newFolder())
  }

  /** There is no snapshot, and the store knows how far the log has come. */
  async served(kafka: TestKafka): Promise<Served> {
    const settings = await kafka.deployment()
    const source = await this.sourceOf(settings)
    const store = this.newStore()
    const lines: string[] = []
    const first = transfer('cash', 'a', 5n)
    const seat = this.sit(settings, store, { log: (line) => lines.push(line) })
    await source.send([openAccount('cash', -1n), openAccount('a')])
    await source.send([first])
    await reaches(seat, 3n)
    await until('the store knows', async () => (await store.readWitness(0)) !== undefined)
    return { settings, store, seat, lines, first }
  }

  /** Ends all that was started, and removes what it left. */
  async end(): Promise<void> {
    for (const seat of this.#seats.splice(0)) await seat.release()
    for (const source of this.#sources.splice(0)) await source.close()
    for (const folder of this.#folders.splice(0))
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }

  #newFolder(): string {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'purser-seat-'))
    this.#folders.push(folder)
    return folder
  }
}

/** Waits until the seat's writer has decided up to this sequence. */
export async function reaches(seat: PartitionSupervisor, sequence: bigint): Promise<void> {
  await until(`sequence ${sequence}`, () => (seat.serving()?.status().sequence ?? 0n) >= sequence, 60_000)
}
