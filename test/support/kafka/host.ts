/**
 * The broker that all suites of one run share. The test runner's main process has it: it is started when the first suite
 * asks, and ends with the run.
 */
import { existsSync, renameSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { messageOf } from '../../../schemas/errors.ts'
import { startKafkaCluster, type TestCluster } from './cluster.ts'
import { kafkaProgram } from './java.ts'

export interface KafkaHost {
  /** Where suites ask. */
  readonly url: string
  stop(): Promise<void>
}

/** What a suite is answered. */
export type KafkaAnswer = { readonly brokers: readonly string[] } | { readonly unavailable: string }

export async function startKafkaHost(): Promise<KafkaHost> {
  let cluster: Promise<TestCluster> | undefined
  const given = process.env['KAFKA_BROKERS']
  async function answer(): Promise<KafkaAnswer> {
    if (given !== undefined && given !== '') return { brokers: given.split(',') }
    try {
      return { brokers: (await (cluster ??= startShared())).addresses }
    } catch (error) {
      return { unavailable: messageOf(error) }
    }
  }
  const server = createServer((_request, response) => {
    void answer().then((told) => response.end(JSON.stringify(told)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async stop() {
      server.closeAllConnections()
      server.close()
      await cluster?.then((running) => running.stop()).catch(() => undefined)
    },
  }
}

async function startShared(): Promise<TestCluster> {
  await makeArchive()
  return startKafkaCluster()
}

/** Once on each machine, for the starts that follow: it takes what five of them save. */
async function makeArchive(): Promise<void> {
  const { archive } = await kafkaProgram()
  if (existsSync(archive)) return
  // Made aside and renamed, so that a run that is killed leaves no half of it.
  const archiveTo = `${archive}.${process.pid}`
  await (await startKafkaCluster({ archiveTo })).stop()
  if (existsSync(archiveTo)) renameSync(archiveTo, archive)
}
