/** What tests of writers on Kafka share: commands onto the topic, the log as any reader sees it, and who acknowledged what. */
import { encodeCommandRecord } from '../../eventlog/kafka/command-record.ts'
import { createKafka, createProducer } from '../../eventlog/kafka/client.ts'
import { openKafkaEventLog } from '../../eventlog/kafka/kafka-event-log.ts'
import { topicNames, type KafkaSettings } from '../../eventlog/kafka/settings.ts'
import { encodeCommands, type Command } from '../../schemas/commands.ts'
import { decodeEvents, type WalletEvent } from '../../schemas/events.ts'
import { lastSequence, type Frame } from '../../schemas/frames.ts'
import type { SnapshotRuleOptions } from '../snapshot-rule.ts'

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

/** Waits until something holds; looks every few milliseconds. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  forMs = 30_000,
): Promise<void> {
  const giveUpMs = performance.now() + forMs
  while (!(await holds())) {
    if (performance.now() > giveUpMs) throw new Error(`not within ${forMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
