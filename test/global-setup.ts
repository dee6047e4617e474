import type { TestProject } from 'vitest/node'
import { ensureBuilt } from '../bin/build.js'
import { startKafkaHost } from './support/kafka/host.ts'

/** Worker threads and child processes run from `dist/`, so it has to be the sources' own before any test. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await ensureBuilt()
  const kafka = await startKafkaHost()
  project.provide('kafkaHost', kafka.url)
  return () => kafka.stop()
}
