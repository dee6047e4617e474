/** Brokers that die under load: three of them, each topic on all three, two of which have to have a record. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { graphql } from '../../cli/graphql-client.ts'
import { asAdmin } from '../support/kafka/topics.ts'
import { topicNames, type KafkaSettings } from '../../eventlog/kafka/settings.ts'
import { formatId } from '../../schemas/ids.ts'
import { startDeployment, type Deployment } from '../support/deployment.ts'
import { expectExact } from '../support/deployment-check.ts'
import { faultRounds, faultUnderLoad, ROUND_MS_MAX } from '../support/deployment-fault.ts'
import { DeploymentLoad } from '../support/deployment-load.ts'
import { openDoor } from '../support/door.ts'
import { withKafkaCluster, type TestBroker } from '../support/kafka.ts'
import { lastAnswer } from '../support/purser.ts'
import { haveTools } from '../support/tools.ts'

const PARTITIONS = 2
const START_MS_MAX = 180_000
/** What is on its way when the second broker dies may still be told of. */
const SETTLE_MS = 1_000
const ALONE_MS = 4_000
const BALANCE = `query($id: UUID!) { balance(accountId: $id) { balance { minor } } }`
const IMPATIENT_WITH_COMMANDS = { commandOutageMsMax: 2_000 }
const IMPATIENT = { outageMsMax: 3_000 }

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

    /** Waits until a transfer of each partition is decided that goes in there. */
    const untilTaken = (url: string): Promise<void> =>
      deployment.until(`transfers are taken at ${url}`, async () => {
        const faults = await Promise.all(
          load.pairs.map(({ partition }) => load.faultAt(url, partition).catch(() => 'no answer')),
        )
        return faults.every((fault) => fault === undefined)
      })

    const round = (title: string, fault: () => Promise<void>): void =>
      faultRounds(title, () => faultUnderLoad(title, deployment, load, fault))

    round('kill -9 of the broker that leads a partition: the others go on, and it comes back', async () => {
      const leader = await leaderOf(deployment.kafka, cluster.brokers)
      await leader.kill()
      const before = load.count(0)
      await deployment.until('transfers go on without it', () => load.count(0) > before + 100)
      await leader.restart()
    })

    round(
      'a broker that leads a partition stands still, its connections open: the others go on, and it comes back',
      async () => {
        const leader = await leaderOf(deployment.kafka, cluster.brokers)
        leader.pause()
        try {
          const before = load.count(0)
          await deployment.until('transfers go on without it', () => load.count(0) > before + 100)
        } finally {
          leader.resume()
        }
      },
    )

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

    if (haveTools('what becomes of the door in an outage', 'haproxy'))
      test(
        'all brokers silent for longer than commands wait, and nobody who asks: each role says so, and serves again by itself',
        async () => {
          const { gateways } = deployment
          await Promise.all(gateways.map((gateway) => gateway.stop()))
          await Promise.all(gateways.map((gateway) => gateway.start(IMPATIENT_WITH_COMMANDS)))
          const door = await openDoor(deployment.folder, deployment.urls())
          try {
            await untilTaken(door.url)
            for (const broker of cluster.brokers) broker.pause()
            // The last ones for as long as it lasts: nobody waits for what becomes of them.
            await Promise.allSettled(
              load.pairs.flatMap(({ partition }) => gateways.map(({ url }) => load.faultAt(url, partition))),
            )
            await deployment.untilKafkaIsMissed()
            await deployment.until('the door knows', async () => !(await isReady(door.healthUrl)))
            // It leads to somebody all the same, who can answer from the views.
            expect(await graphql(door.url, BALANCE, { id: formatId(load.pairs[0]!.bank) })).toMatchObject({
              balance: { balance: {} },
            })
            await deployment.until('commands are given up', () =>
              gateways.every((gateway) =>
                load.pairs.every(({ partition }) => gateway.log().includes(`commands of partition ${partition} cannot be stored`)),
              ),
            )
            for (const broker of cluster.brokers) broker.resume()
            await deployment.untilReady()
            await deployment.until('the door knows', () => isReady(door.healthUrl))
            await untilTaken(door.url)
          } finally {
            for (const broker of cluster.brokers) broker.resume()
            await door.close()
          }
          await expectExact(deployment, load)
        },
        ROUND_MS_MAX,
      ) // prettier-ignore

    test(
      'an outage beyond the bound of the roles ends each of them with a sentence and a code',
      async () => {
        await Promise.all(deployment.roles().map((role) => role.stop()))
        await deployment.start(IMPATIENT)
        await Promise.all(cluster.brokers.map((broker) => broker.kill()))
        for (const role of deployment.roles()) {
          const ended = await role.finished()
          expect({ role: role.name, exitCode: ended.exitCode, ...lastAnswer(ended) }).toEqual({
            role: role.name,
            exitCode: 1,
            ok: false,
            error: {
              code: 'kafka_unreachable',
              message: expect.stringMatching(/Kafka.* Check .*the brokers run/) as string,
            },
          })
        }
      },
      ROUND_MS_MAX,
    )
  })
})

/** The broker that leads the first partition of the events. */
async function leaderOf(settings: KafkaSettings, brokers: readonly TestBroker[]): Promise<TestBroker> {
  const { topics } = await asAdmin(settings, (admin) =>
    admin.fetchTopicMetadata({ topics: [topicNames(settings).events] }),
  )
  const { leader } = topics[0]!.partitions.find(({ partitionId }) => partitionId === 0)!
  return brokers.find(({ nodeId }) => nodeId === leader)!
}

async function isReady(url: string): Promise<boolean> {
  return (await fetch(`${url}/readyz`).catch(() => undefined))?.status === 200
}
