/**
 * Adopts the current commands topic for a log that has consumed another one. `purser topics --adopt` does it where no writer
 * may do it unasked. It is a writer of one frame: it opens an epoch behind the log's end, and states in a frame without events
 * where commands go on. Every reader judges that frame as any other.
 */
import { EVENT_SCHEMA_VERSION } from '../../../schemas/events.ts'
import { sameBytes } from '../../../schemas/frames.ts'
import { topicPartOfId } from '../../../schemas/commands-topic.ts'
import { NS_PER_MS } from '../../../schemas/time.ts'
import { LogError } from '../../../eventlog/errors.ts'
import { seal } from '../../../eventlog/handoff/seal.ts'
import { openKafkaEventLog, type KafkaEventLog } from '../../../eventlog/kafka/events/kafka-event-log.ts'
import { encodeFrameRecord } from '../../../eventlog/kafka/events/record.ts'
import { openRecordSender } from '../../../eventlog/kafka/partition/record-sender.ts'
import { topicNames, type KafkaSettings } from '../../../eventlog/kafka/settings.ts'
import { openTopicReader } from '../../../eventlog/kafka/partition/topic-reader.ts'
import type { CommandOffset } from '../../../eventlog/ports.ts'
import { judgeCommands, type CommandStart } from './command-start.ts'

/** What was done for one partition. */
export interface Adoption {
  readonly partition: number
  /** From this offset on, commands of the former topic were never decided. */
  readonly left: CommandOffset
  /** Where commands go on. */
  readonly start: CommandOffset
}

export interface AdoptOptions {
  readonly settings: KafkaSettings
  readonly partition: number
  /** Number of partitions. */
  readonly partitions: number
  readonly log: (line: string) => void
}

/** Bytes of frames kept in memory: small, because they are read once. */
const WINDOW_BYTES_MAX = 1024 * 1024
/** Retries: a writer that wrote meanwhile may have adopted the topic itself. */
const TRIES_MAX = 3
const NOTHING = new Uint8Array(0)

/**
 * Reads a partition's events from the first one, and adopts the current commands topic if the log consumes another one.
 * @returns undefined: the log consumes this one
 * @throws LogError `log_replaced` if a writer wrote to the partition meanwhile: ask again; as `openKafkaEventLog`
 */
export async function adoptCommands(options: AdoptOptions): Promise<Adoption | undefined> {
  for (let tries = 1; ; tries++)
    try {
      return await adoptOnce(options)
    } catch (error) {
      const isReplaced = error instanceof LogError && error.code === 'log_replaced'
      if (!isReplaced || tries === TRIES_MAX) throw error
    }
}

async function adoptOnce(options: AdoptOptions): Promise<Adoption | undefined> {
  const { settings, partition, log } = options
  const events = await openKafkaEventLog({ ...options, windowBytesMax: WINDOW_BYTES_MAX })
  const reader = openTopicReader({ settings, partition, log, topic: topicNames(settings).commands })
  try {
    const bounds = await reader.bounds()
    const start = judgeCommands(
      events.head(),
      { topicPart: topicPartOfId(reader.topicId()), ...bounds },
      true,
    )
    if (start.kind !== 'adopted') return undefined
    await writeStart(options, events, start)
    return { partition, left: start.left, start: start.start }
  } finally {
    reader.close()
    events.close()
  }
}

async function writeStart(
  { settings, partition, partitions, log }: AdoptOptions,
  events: KafkaEventLog,
  { start, commandsTopic }: Extract<CommandStart, { kind: 'adopted' }>,
): Promise<void> {
  const head = events.head()
  const frame = seal(
    {
      schemaVersion: EVENT_SCHEMA_VERSION,
      partitions,
      epoch: head.epoch + 1n,
      firstSequence: head.sequence + 1n,
      count: 0,
      timeNs: BigInt(Date.now()) * NS_PER_MS,
      nextCommandOffset: start.offset,
      nextCommandIndex: start.index,
      commandsTopic,
      payload: NOTHING,
    },
    { ...head, timeNs: 0n },
    head.sequence,
  )
  let isAccepted = false
  events.observe((read, _place, { kind }) => {
    if (kind === 'accepted' && sameBytes(read.hash, frame.hash)) isAccepted = true
  })
  const topic = topicNames(settings).events
  const sender = openRecordSender({ settings, topic, partition, log })
  try {
    await sender.send([encodeFrameRecord(frame.bytes)])
  } finally {
    sender.close()
  }
  await events.currentHead()
  if (!isAccepted)
    throw new LogError(
      'log_replaced',
      `A writer wrote to partition ${partition} of ${topic} meanwhile, so nothing was taken up there. Ask again.`,
    )
}
