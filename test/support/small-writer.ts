/**
 * A writer of one partition on Kafka with nothing but what its readers need: the real core, frames sealed as everywhere, and
 * one record decided as one batch. It takes over by reading to the end and opening an epoch of its own.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { seal } from '../../eventlog/file/seal.ts'
import { chainAfter, emptyChain, type ChainEnd } from '../../eventlog/file/segments.ts'
import { createKafka, createProducer } from '../../eventlog/kafka/client.ts'
import { decodeCommandRecord } from '../../eventlog/kafka/command-record.ts'
import { openKafkaEventLog } from '../../eventlog/kafka/kafka-event-log.ts'
import { encodeFrameRecord } from '../../eventlog/kafka/record.ts'
import { topicNames, type KafkaSettings } from '../../eventlog/kafka/settings.ts'
import { openTopicReader } from '../../eventlog/kafka/topic-reader.ts'
import { EVENT_SCHEMA_VERSION } from '../../schemas/events.ts'
import { FRAME_BYTES_MAX, FRAME_HEADER_BYTES } from '../../schemas/limits.ts'
import { createCore } from '../../writer/core/core.ts'

export interface SmallWriter {
  readonly epoch: bigint
  /** Ends it where it stands, between two records. */
  stop(): Promise<void>
}

export async function startSmallWriter(settings: KafkaSettings, partition: number): Promise<SmallWriter> {
  const quiet = (): void => undefined
  const { commands, events } = topicNames(settings)
  const core = createCore({ partition, accountsInitial: 64, holdsMax: 1_024 })
  let chain: ChainEnd = emptyChain(partition)
  const log = await openKafkaEventLog({
    settings,
    partition,
    log: quiet,
    onCatchUp: (frame) => {
      if (frame.count > 0) core.apply(frame.payload)
      chain = chainAfter(frame)
    },
  })
  log.close()
  const epoch = chain.epoch + 1n
  const producer = createProducer(createKafka(settings, quiet))
  await producer.connect()

  async function append(offset: bigint, index: number, payload: Uint8Array, count: number): Promise<void> {
    const content = {
      schemaVersion: EVENT_SCHEMA_VERSION,
      epoch,
      firstSequence: chain.sequence + 1n,
      count,
      timeNs: nowNs(),
      nextCommandOffset: offset,
      nextCommandIndex: index,
      payload,
    }
    const frame = seal(content, chain, chain.sequence)
    await producer.send({
      topic: events,
      acks: -1,
      messages: [{ value: encodeFrameRecord(frame.bytes), partition }],
    })
    chain = chainAfter(frame)
  }

  await append(chain.nextCommandOffset, chain.nextCommandIndex, new Uint8Array(0), 0)
  const over = new AbortController()
  const reader = openTopicReader({ settings, topic: commands, partition, log: quiet })
  const out = new Uint8Array(FRAME_BYTES_MAX - FRAME_HEADER_BYTES)
  const working = (async () => {
    for await (const records of reader.read(chain.nextCommandOffset, { signal: over.signal }))
      for (const { offset, value } of records) {
        if (over.signal.aborted) return
        const record = decodeCommandRecord(value)
        if (record.kind === 'bad') throw new Error(record.reason)
        const { bytes, events: count } = core.decide(record.slots, record.count, nowNs(), out, 0, out.length)
        // So slowly that records of several gateways gather.
        await delay(2)
        await append(offset + 1n, 0, out.slice(0, bytes), count)
      }
  })()
  return {
    epoch,
    stop: async () => {
      over.abort()
      await working
      reader.close()
      await producer.disconnect()
    },
  }
}

function nowNs(): bigint {
  return BigInt(Date.now()) * 1_000_000n
}
