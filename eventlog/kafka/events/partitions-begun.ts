/**
 * How many partitions a log was begun with. Its frames say so; a process that starts asks the newest ones
 * (docs/decisions/0018-the-log-says-how-many-partitions.md).
 */
import { createReaderRule, headAfter, type ReaderRule } from '../../reader-rule.ts'
import type { Frame } from '../../../schemas/frames.ts'
import type { Log } from '../kafkajs/client.ts'
import { BatchDamagedError, KafkaUnreachableError } from '../errors.ts'
import { decodeTopicRecord } from './record.ts'
import { topicNames, type KafkaSettings } from '../settings.ts'
import { openTopicReader, type TopicReader } from '../partition/topic-reader.ts'

/** Partitions that are asked at a time, and how long each may take to answer. */
const ASKED_TOGETHER = 8
const ANSWER_MS_MAX = 5_000
/** Records to read from a partition's end. Nearly always two will do; void ones may follow them. */
const NEWEST_RECORDS = [2n, 16n, 128n]

/**
 * The number in the newest frame of the first partition that has one; undefined: there is no frame, or all are of versions
 * that did not write the number. A partition without a leader does not matter if another one answers.
 * @param count partitions of the events topic
 * @throws KafkaRefusedError; KafkaUnreachableError if no partition tells, and one does not answer; the signal's reason when
 *   it aborts
 */
export async function partitionsBegun(
  settings: KafkaSettings,
  count: number,
  log: Log,
  signal?: AbortSignal,
): Promise<number | undefined> {
  let silence: KafkaUnreachableError | undefined
  for (let first = 0; first < count; first += ASKED_TOGETHER) {
    signal?.throwIfAborted()
    const asked = Array.from({ length: Math.min(ASKED_TOGETHER, count - first) }, (_, index) =>
      saidBy(settings, first + index, log, signal),
    )
    for (const answer of await Promise.allSettled(asked)) {
      if (answer.status === 'fulfilled') {
        // A frame without the number (0) may be older than another partition's.
        if (answer.value) return answer.value
        continue
      }
      const reason: unknown = answer.reason
      // As a record that is no frame: it stops the partition's readers, and tells nothing here.
      if (reason instanceof BatchDamagedError) continue
      if (!(reason instanceof KafkaUnreachableError)) throw reason
      silence ??= reason
    }
  }
  if (silence !== undefined) throw silence
  return undefined
}

/** The number in one partition's newest frame; undefined: it has none. */
async function saidBy(...asked: Parameters<typeof newestFrame>): Promise<number | undefined> {
  return (await newestFrame(...asked))?.partitions
}

/**
 * The newest frame of one partition that continues another one; undefined: there is none. It is nearly always the log's end;
 * to be sure, one has to read the log from its beginning.
 * @throws KafkaUnreachableError within five seconds, KafkaRefusedError, BatchDamagedError
 */
export async function newestFrame(
  settings: KafkaSettings,
  partition: number,
  log: Log,
  signal?: AbortSignal,
): Promise<Frame | undefined> {
  const { events: topic } = topicNames(settings)
  const reader = openTopicReader({ settings, topic, partition, log, outageMsMax: ANSWER_MS_MAX })
  try {
    const { first, end } = await reader.bounds(signal)
    for (const count of NEWEST_RECORDS) {
      const from = end - count > first ? end - count : first
      const said = await saidWithin(reader, partition, from, end)
      if (said !== undefined || from === first) return said
    }
    return undefined
  } finally {
    reader.close()
  }
}

/**
 * The newest frame between two offsets that continues one before it, or the beginning of the log. Any other may be void, or
 * of another deployment. A record that is no frame is ignored: it stops the partition's readers.
 */
async function saidWithin(
  reader: TopicReader,
  partition: number,
  from: bigint,
  end: bigint,
): Promise<Frame | undefined> {
  const chains: ReaderRule[] = from === 0n ? [createReaderRule(partition)] : []
  let said: Frame | undefined
  for await (const records of reader.read(from, { upTo: end, emptyAnswersMax: 1 }))
    for (const record of records) {
      const read = decodeTopicRecord(record)
      if (read.kind !== 'frame') continue
      const { frame } = read
      if (chains.some((chain) => chain.judge(frame).kind === 'accepted')) said = frame
      else if (from > 0n) chains.push(createReaderRule(partition, headAfter(frame)))
    }
  return said
}
