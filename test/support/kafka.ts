/** A real Kafka for suites: one broker for the whole run, each suite on topics of its own; or a cluster of one's own. */
import { randomBytes } from 'node:crypto'
import type { Admin } from 'kafkajs'
import { inject } from 'vitest'
import { createKafka } from '../../eventlog/kafka/kafkajs/client.ts'
import { RECORD_BATCH_BYTES_MAX, topicNames, type KafkaSettings } from '../../eventlog/kafka/settings.ts'
import { startKafkaCluster, type TestCluster, type TestClusterOptions } from './kafka/cluster.ts'
import { KafkaUnavailableError } from './kafka/download.ts'
import type { KafkaAnswer } from './kafka/host.ts'
import { leaveOut } from './left-out.ts'

export type { TestBroker, TestCluster } from './kafka/cluster.ts'

declare module 'vitest' {
  interface ProvidedContext {
    kafkaHost: string
  }
}

/** What a suite gets. */
export interface TestKafka {
  readonly brokers: readonly string[]
  /** Makes both topics of a new deployment; its prefix is in the settings. Default: 1 partition. */
  deployment(partitions?: number): Promise<KafkaSettings>
}

const LEADERS_MS_MAX = 30_000
const LED_ANSWERS = 3

/** Over brokers that are there. */
export function kafkaAt(brokers: readonly string[]): TestKafka {
  return {
    brokers,
    async deployment(partitions = 1) {
      const [settings] = await createDeployments(brokers, partitions, 1)
      return settings!
    },
  }
}

/** Topics of several new deployments, made in one request: cheap where each run of a property wants an empty log. */
export async function createDeployments(
  brokers: readonly string[],
  partitions: number,
  count: number,
): Promise<KafkaSettings[]> {
  const run = randomBytes(4).toString('hex')
  const all = Array.from({ length: count }, (_, index): KafkaSettings => ({
    brokers,
    clientId: 'purser-tests',
    topicPrefix: `test-${run}-${index}`,
  }))
  const admin = createKafka(all[0]!, () => undefined).admin()
  await admin.connect()
  const replicationFactor = Math.min(3, brokers.length)
  const topics = all.flatMap((settings) => {
    const { commands, events } = topicNames(settings)
    return [commands, events]
  })
  await admin.createTopics({
    waitForLeaders: false,
    topics: topics.map((topic) => ({
      topic,
      numPartitions: partitions,
      replicationFactor,
      configEntries: [
        { name: 'max.message.bytes', value: String(RECORD_BATCH_BYTES_MAX) },
        { name: 'min.insync.replicas', value: String(Math.min(2, replicationFactor)) },
        { name: 'retention.ms', value: '-1' },
      ],
    })),
  })
  await untilLed(admin, topics, partitions)
  await admin.disconnect()
  return all
}

/**
 * Waits until every partition has a leader, as every broker sees it, and the leaders answer as such, which may come later:
 * the client's own waiting gives up at the first no.
 */
async function untilLed(admin: Admin, topics: readonly string[], partitions: number): Promise<void> {
  const deadlineMs = performance.now() + LEADERS_MS_MAX
  // Each answer comes from one broker or another.
  for (let led = 0; led < LED_ANSWERS;) {
    try {
      const { topics: seen } = await admin.fetchTopicMetadata({ topics: [...topics] })
      const isLed = seen.every(
        (topic) => topic.partitions.filter(({ leader }) => leader >= 0).length === partitions,
      )
      led = isLed && seen.length === topics.length ? led + 1 : 0
      if (led === LED_ANSWERS) await Promise.all(topics.map((topic) => admin.fetchTopicOffsets(topic)))
    } catch (error) {
      led = 0
      if (performance.now() > deadlineMs) throw error
    }
    if (led === 0) await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/**
 * Runs a suite on the shared broker: `await withKafka('…', (kafka) => { describe(…) })` at the top of a test file. Where
 * Kafka cannot be started, the suite is left out.
 */
export async function withKafka(
  what: string,
  suite: (kafka: TestKafka) => void | Promise<void>,
): Promise<void> {
  const answer = (await (await fetch(inject('kafkaHost'))).json()) as KafkaAnswer
  if ('brokers' in answer) await suite(kafkaAt(answer.brokers))
  else leaveOut(what, answer.unavailable, 'kafka')
}

/** As `withKafka`, on a cluster of the suite's own, which it may kill. The suite stops it. */
export async function withKafkaCluster(
  what: string,
  options: TestClusterOptions,
  suite: (cluster: TestCluster, kafka: TestKafka) => void | Promise<void>,
): Promise<void> {
  let cluster: TestCluster
  try {
    cluster = await startKafkaCluster(options)
  } catch (error) {
    if (!(error instanceof KafkaUnavailableError)) throw error
    leaveOut(what, error.message, 'kafka')
    return
  }
  await suite(cluster, kafkaAt(cluster.addresses))
}
