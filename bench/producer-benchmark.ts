/** The producer benchmark that comes with Kafka (kafka-producer-perf-test), from the same jars as the broker. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { topicNames, type KafkaSettings } from '../eventlog/kafka/settings.ts'
import { kafkaJars } from '../test/support/kafka/download.ts'

export interface ProducerLoad {
  readonly settings: KafkaSettings
  readonly recordBytes: number
  /** Bytes to be sent in the part that is timed, at least one record. */
  readonly bytes: number
  /** Requests under way. */
  readonly inFlight: number
}

const TIMEOUT_MS = 120_000
/** Room for one record of any size that the topic takes. */
const REQUEST_BYTES_MAX = 8 * 1024 * 1024

/**
 * Sends records of one size to the events topic, all replicas asked, and waits for it.
 * @returns records a second, as it reports them
 */
export async function measureProducer(load: ProducerLoad): Promise<number> {
  const records = Math.max(1, Math.round(load.bytes / load.recordBytes))
  const warmUp = Math.max(1, Math.round(records / 4))
  const properties = [
    'acks=all',
    `max.in.flight.requests.per.connection=${load.inFlight}`,
    `max.request.size=${REQUEST_BYTES_MAX}`,
  ]
  const jars = await kafkaJars()
  const { stdout } = await promisify(execFile)(
    'java',
    [
      ...['-Xmx512m', '-cp', `${jars}/*`, 'org.apache.kafka.tools.ProducerPerformance'],
      ...['--bootstrap-server', load.settings.brokers.join(',')],
      ...['--topic', topicNames(load.settings).events],
      ...['--num-records', String(records + warmUp), '--warmup-records', String(warmUp)],
      ...['--record-size', String(load.recordBytes), '--throughput', '-1'],
      ...['--command-property', ...properties],
    ],
    { timeout: TIMEOUT_MS },
  )
  return recordsPerSecond(stdout)
}

/** From the last line that tells a rate: the one of all that was timed. @throws Error if there is none */
export function recordsPerSecond(output: string): number {
  const rates = [...output.matchAll(/records sent, ([\d.]+) records\/sec/g)].map((match) => Number(match[1]))
  const rate = rates.at(-1)
  if (rate === undefined || !(rate > 0))
    throw new Error(`Kafka's producer benchmark told no rate:\n${output.slice(-2_000)}`)
  return rate
}
