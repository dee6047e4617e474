/** The broker of a benchmark: a real one, started for it from Apache's own jars, or those that KAFKA_BROKERS names. */
import { randomBytes } from 'node:crypto'
import { createKafka } from '../eventlog/kafka/kafkajs/client.ts'
import { topicNames, type KafkaSettings } from '../eventlog/kafka/settings.ts'
import { createTopics } from '../eventlog/kafka/topics/topics.ts'
import { startKafkaCluster } from '../test/support/kafka/cluster.ts'
import { processCpuSeconds } from './thread-cpu.ts'

export interface BenchBroker {
  /** Makes the topics of a new deployment of one partition. */
  deployment(): Promise<KafkaSettings>
  /** CPU time that the broker has used; undefined: it is not ours, or the system does not tell. */
  cpuSeconds(): number | undefined
  /** Ends it with all its data, or deletes the topics made here. */
  stop(): Promise<void>
}

/** @throws KafkaUnavailableError where none can be started */
export async function openBroker(log: (line: string) => void): Promise<BenchBroker> {
  const given = process.env['KAFKA_BROKERS']
  const cluster =
    given === undefined || given === '' ? await startKafkaCluster({ isMeasured: true }) : undefined
  const brokers = cluster?.addresses ?? given!.split(',')
  const made: KafkaSettings[] = []
  return {
    async deployment() {
      const topicPrefix = `bench-${randomBytes(4).toString('hex')}`
      const settings = { brokers, clientId: 'purser-bench', topicPrefix }
      await createTopics(settings, { partitions: 1, replication: 1 }, log)
      made.push(settings)
      return settings
    },
    cpuSeconds: () => (cluster === undefined ? undefined : processCpuSeconds(cluster.brokers[0]!.pid())),
    stop: () => (cluster === undefined ? deleteTopics(made, log) : cluster.stop()),
  }
}

async function deleteTopics(made: readonly KafkaSettings[], log: (line: string) => void): Promise<void> {
  if (made.length === 0) return
  const admin = createKafka(made[0]!, log).admin()
  await admin.connect()
  await admin.deleteTopics({
    topics: made.flatMap((settings) => Object.values<string>({ ...topicNames(settings) })),
  })
  await admin.disconnect()
}
