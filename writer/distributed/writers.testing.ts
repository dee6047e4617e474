/** What tests of writers on Kafka share: machines for them, commands onto the topic, the log as any reader sees it. */
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { LogError } from '../../eventlog/errors.ts'
import { encodeCommandRecord } from '../../eventlog/kafka/commands/command-record.ts'
import { createKafka, createProducer } from '../../eventlog/kafka/kafkajs/client.ts'
import { openKafkaEventLog } from '../../eventlog/kafka/events/kafka-event-log.ts'
import { topicNames, type KafkaSettings } from '../../eventlog/kafka/settings.ts'
import { encodeCommands } from '../../schemas/command-codec.ts'
import type { Command } from '../../schemas/commands.ts'
import { decodeEvents, type WalletEvent } from '../../schemas/events.ts'
import { lastSequence, type Frame } from '../../schemas/frames.ts'
import { until } from '../../test/support/until.ts'
import type { SnapshotRuleOptions } from '../snapshots/snapshot-rule.ts'
import { openFolderStore } from '../snapshot-store/folder-store.ts'
import {
  startPartitionWriter,
  type PartitionWriter,
  type PartitionWriterOptions,
} from './partition-writer.ts'

/** No snapshot but that of an orderly stop. */
export const NO_SNAPSHOTS: SnapshotRuleOptions = {
  everyEvents: Number.MAX_SAFE_INTEGER,
  logRatio: 0,
  quietMs: 3_600_000,
}

export interface CommandSource {
  /** Writes commands as one record; resolves with its offset when it is stored. */
  send(commands: readonly Command[], partition?: number): Promise<bigint>
  /** Writes a record that holds no commands. */
  poison(partition?: number): Promise<bigint>
  close(): Promise<void>
}

export async function openCommandSource(settings: KafkaSettings): Promise<CommandSource> {
  const producer = createProducer(createKafka(settings, () => undefined))
  const { commands: topic } = topicNames(settings)
  await producer.connect()
  const put = async (value: Buffer, partition: number): Promise<bigint> => {
    const [stored] = await producer.send({ topic, acks: -1, messages: [{ value, partition }] })
    return BigInt(stored!.baseOffset!)
  }
  return {
    send: (commands, partition = 0) =>
      put(encodeCommandRecord(encodeCommands(commands.map(received)), commands.length), partition),
    poison: (partition = 0) => put(Buffer.from('not a command'), partition),
    close: () => producer.disconnect(),
  }
}

/** As a gateway prepares it. */
function received(command: Command): Command {
  return { ...command, receivedAtNs: BigInt(Date.now()) * 1_000_000n }
}

/** All accepted frames of a partition as of now, as a reader that starts from zero sees them, and how many were void. */
export async function readLog(
  settings: KafkaSettings,
  partition = 0,
): Promise<{ frames: Frame[]; events: WalletEvent[]; voids: number }> {
  const frames: Frame[] = []
  const log = await openKafkaEventLog({
    settings,
    partition,
    log: () => undefined,
    onCatchUp: (frame) => {
      frames.push(frame)
    },
  })
  const voids = log.voids()
  log.close()
  let sequence = 0n
  for (const frame of frames) {
    if (frame.firstSequence !== sequence + 1n) throw new Error(`a gap behind sequence ${sequence}`)
    sequence = lastSequence(frame)
  }
  return { frames, events: frames.flatMap((frame) => decodeEvents(frame.payload)), voids }
}

/** Waits until commands up to this offset are consumed and durable, as the writer's own log says. */
export async function untilConsumed(writer: PartitionWriter, offset: bigint): Promise<void> {
  await until(`offset ${offset} is consumed`, () => writer.log.head().nextCommandOffset > offset)
}

/** What the writers of a deployment share. */
export interface WriterSetup {
  readonly settings: KafkaSettings
  readonly storeDir: string
  /** What any of them said to the operator. */
  readonly lines: string[]
  readonly source: CommandSource
}

/** Each writer is on a machine of its own. */
export class Machines {
  private readonly folders: string[] = []
  private readonly writers: PartitionWriter[] = []
  private readonly sources: CommandSource[] = []

  readonly newFolder = (): string => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'purser-writer-'))
    this.folders.push(folder)
    return folder
  }

  readonly newSetup = async (settings: KafkaSettings): Promise<WriterSetup> => {
    const source = await openCommandSource(settings)
    this.sources.push(source)
    return { settings, storeDir: this.newFolder(), lines: [], source }
  }

  /** A writer of partition 0 that serves. */
  readonly start = async (
    setup: Omit<WriterSetup, 'source'>,
    options: Partial<PartitionWriterOptions> = {},
  ): Promise<PartitionWriter> => {
    const { settings, storeDir, lines } = setup
    for (;;) {
      try {
        const writer = await startPartitionWriter({
          settings,
          partition: 0,
          partitions: 1,
          scratchDir: this.newFolder(),
          store: openFolderStore(storeDir),
          snapshots: NO_SNAPSHOTS,
          log: (line) => lines.push(line),
          ...options,
        })
        this.writers.push(writer)
        return writer
      } catch (error) {
        // Overtaken by the one that it takes over from: again, from the new end of the log.
        if (!(error instanceof LogError) || error.code !== 'log_replaced') throw error
      }
    }
  }

  /** Ends all that was started, and removes what it left. */
  async end(): Promise<void> {
    for (const writer of this.writers.splice(0)) await writer.abandon()
    for (const source of this.sources.splice(0)) await source.close()
    for (const folder of this.folders.splice(0))
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}
