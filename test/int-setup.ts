import type { TestProject } from 'vitest/node'
import { startKafkaHost } from './support/kafka/host.ts'

/** What suites that start something share: a broker, once the first of them asks. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const kafka = await startKafkaHost()
  project.provide('kafkaHost', kafka.url)
  return () => kafka.stop()
}
