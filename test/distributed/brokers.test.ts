/** Brokers that die under load: three of them, each topic on all three, two of which have to have a record. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createKafka } from '../../eventlog/kafka/client.ts'
import { topicNames, type KafkaSettings } from '../../eventlog/kafka/settings.ts'
import { startDeployment, type Deployment } from '../support/deployment.ts'
import { faultUnderLoad, FAULT_ROUNDS, ROUND_MS_MAX } from '../support/deployment-fault.ts'
import { DeploymentLoad } from '../support/deployment-load.ts'
import { withKafkaCluster, type TestBroker } from '../support/kafka.ts'

const PARTITIONS = 2
const START_MS_MAX = 180_000
/** What is on its way when the second broker dies may still be told of. */
const SETTLE_MS = 1_000
const ALONE_MS = 4_000

await withKafkaCluster('brokers under faults', { brokers: 3 }, (cluster, kafka) => {
  describe('brokers under faults', () => {
    let deployment: Deployment
    let load: DeploymentLoad

    beforeAll(async () => {
      const settings = await kafka.deployment(PARTITIONS)
      deployment = await startDeployment({ kafka: settings, partitions: PARTITIONS })
      load = new DeploymentLoad(PARTITIONS, () => deployment.urls())
      await load.openAccounts()
    }, START_MS_MAX)

    afterAll(async () => {
      await deployment.stop()
      await cluster.stop()
    })

    const round = (title: string, fault: () => Promise<void>): void =>
      void test(
        title,
        async () => {
          for (let round = 0; round < FAULT_ROUNDS; round++)
            await faultUnderLoad(title, deployment, load, fault)
        },
        FAULT_ROUNDS * ROUND_MS_MAX,
      )

    round('kill -9 of the broker that leads a partition: the others go on, and it comes back', async () => {
      const leader = await leaderOf(deployment.kafka, cluster.brokers)
      await leader.kill()
      const before = load.count(0)
      await deployment.until('transfers go on without it', () => load.count(0) > before + 100)
      await leader.restart()
    })

    round(
      'with one broker left nothing is acknowledged, and all goes on when the others are back',
      async () => {
        const [first, second] = cluster.brokers as [TestBroker, TestBroker]
        await Promise.all([first.kill(), second.kill()])
        await sleep(SETTLE_MS)
        const before = load.acknowledged.size
        await sleep(ALONE_MS)
        expect(load.acknowledged.size).toBe(before)
        await Promise.all([first.restart(), second.restart()])
      },
    )
  })
})

/** The broker that leads the first partition of the events. */
async function leaderOf(settings: KafkaSettings, brokers: readonly TestBroker[]): Promise<TestBroker> {
  const admin = createKafka(settings, () => undefined).admin()
  await admin.connect()
  const { topics } = await admin.fetchTopicMetadata({ topics: [topicNames(settings).events] })
  await admin.disconnect()
  const { leader } = topics[0]!.partitions.find(({ partitionId }) => partitionId === 0)!
  return brokers.find(({ nodeId }) => nodeId === leader)!
}
