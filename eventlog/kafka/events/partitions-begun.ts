/**
 * How many partitions a log was begun with: its frames say so, and whoever starts asks the newest ones
 * (docs/decisions/0018-the-log-says-how-many-partitions.md).
 */
import { createReaderRule, headAfter, type ReaderRule } from '../../reader-rule.ts'
import type { Frame } from '../../../schemas/frames.ts'
import type { Log } from '../kafkajs/client.ts'
import { BatchDamagedError, KafkaUnreachableError } from '../errors.ts'
import { decodeTopicRecord } from './record.ts'
import { topicNames, type KafkaSettings } from '../settings.ts'
import { openTopicReader, type TopicReader } from '../partition/topic-reader.ts'

/** Partitions that are asked at a time, and how long each may be silent. */
const ASKED_TOGETHER = 8
const ANSWER_MS_MAX = 5_000
/** Records that are read from a partition's end: nearly always two will do, and what is void may stand behind them. */
const NEWEST_RECORDS = [2n, 16n, 128n]

/**
 * What the newest frame says, of the first partition in which it says anything; undefined: there is none, or all were written
 * by versions that did not say so. A partition that nobody leads is passed over if another one tells.
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
        // What does not say it (0) may be older than what another partition holds.
        if (answer.value) return answer.value
        continue
      }
      const reason: unknown = answer.reason
      // As a record that is no frame: it stops whoever follows that partition, and says nothing.
      if (reason instanceof BatchDamagedError) continue
      if (!(reason instanceof KafkaUnreachableError)) throw reason
      silence ??= reason
    }
  }
  if (silence !== undefined) throw silence
  return undefined
}

/** How many partitions the newest frame of one partition says that there are; undefined: there is none. */
async function saidBy(...asked: Parameters<typeof newestFrame>): Promise<number | undefined> {
  return (await newestFrame(...asked))?.partitions
}

/**
 * The newest frame of one partition that continues another one; undefined: there is none. Nearly always the log's end: to
 * know that it is, the log has to be read from its beginning.
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
 * The newest frame between two offsets that continues one before it, or the beginning of the log: one that does not
 * may be void, and of whichever deployment. A record that is no frame says nothing: it stops whoever follows that partition.
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
