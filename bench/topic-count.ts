/** Reads an events topic from its first record after a benchmark, by the reader rule, and counts what stands there. */
import { createReaderRule } from '../eventlog/reader-rule.ts'
import { decodeFrameRecord } from '../eventlog/kafka/events/record.ts'
import { topicNames, type KafkaSettings } from '../eventlog/kafka/settings.ts'
import { openTopicReader } from '../eventlog/kafka/partition/topic-reader.ts'
import type { SerialSet } from './serial-set.ts'
import { LogVerifier, type LogCount } from './verify-log.ts'

const PARTITION = 0

/** An accepted frame with events, and how it stands in the topic. */
export interface CountedRecord {
  readonly offset: bigint
  readonly events: number
  readonly frameBytes: number
  readonly recordBytes: number
}

export interface TopicCount extends LogCount {
  readonly records: readonly CountedRecord[]
  /** Frames that the reader rule found void. */
  readonly voids: number
}

/**
 * @param acknowledged what clients were told is durable, all of them answered
 * @throws Error if a record is no frame; what LogVerifier throws
 */
export async function countTopic(
  settings: KafkaSettings,
  accounts: number,
  acknowledged: SerialSet,
): Promise<TopicCount> {
  const verifier = new LogVerifier(accounts)
  const rule = createReaderRule(PARTITION)
  const records: CountedRecord[] = []
  const { events: topic } = topicNames(settings)
  const reader = openTopicReader({ settings, topic, partition: PARTITION, log: () => undefined })
  try {
    const { end } = await reader.bounds()
    for await (const read of reader.read(0n, { upTo: end }))
      for (const { offset, value } of read) {
        const record = decodeFrameRecord(value)
        if (record.kind === 'bad') throw new Error(`offset ${offset} of ${topic}: ${record.reason}`)
        const { frame } = record
        if (rule.judge(frame).kind === 'void') continue
        verifier.take(frame)
        if (frame.count === 0) continue
        const { count: events, bytes } = frame
        records.push({ offset, events, frameBytes: bytes.length, recordBytes: value.length })
      }
  } finally {
    reader.close()
  }
  return { ...verifier.countFor(acknowledged), records, voids: rule.voids() }
}
