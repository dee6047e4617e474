/** Projectors, gateways and the views' server that die or go away under load, and records that nobody of ours wrote. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createKafka, createProducer } from '../../eventlog/kafka/client.ts'
import { openKafkaEventLog } from '../../eventlog/kafka/kafka-event-log.ts'
import { topicNames } from '../../eventlog/kafka/settings.ts'
import { startDeployment, type Deployment } from '../support/deployment.ts'
import { expectExact } from '../support/deployment-check.ts'
import { faultUnderLoad, FAULT_ROUNDS, ROUND_MS_MAX, untilAcknowledged } from '../support/deployment-fault.ts'
import { DeploymentLoad } from '../support/deployment-load.ts'
import { withKafka } from '../support/kafka.ts'
import type { RoleProcess } from '../support/role-process.ts'

const PARTITIONS = 2
const START_MS_MAX = 120_000
/** Longer than one call goes on trying. */
const AWAY_MS = 7_000
const POISON = Buffer.from('nobody of ours wrote this')

await withKafka('a deployment under faults', (kafka) => {
  describe('a deployment under faults', () => {
    let deployment: Deployment
    let load: DeploymentLoad

    beforeAll(async () => {
      const settings = await kafka.deployment(PARTITIONS)
      deployment = await startDeployment({ kafka: settings, partitions: PARTITIONS, projectors: 2 })
      load = new DeploymentLoad(PARTITIONS, () => deployment.urls())
      await load.openAccounts()
    }, START_MS_MAX)

    afterAll(() => deployment.stop())

    const round = (title: string, fault: () => Promise<void>): void =>
      void test(
        title,
        async () => {
          for (let round = 0; round < FAULT_ROUNDS; round++)
            await faultUnderLoad(title, deployment, load, fault)
        },
        FAULT_ROUNDS * ROUND_MS_MAX,
      )

    /** Waits until the views hold what was told when this was called, and says how long that took. */
    async function untilViewsFollow(who: string, alreadyMs = 0): Promise<void> {
      const startedMs = performance.now()
      await deployment.untilViewed(load.told())
      const seconds = ((alreadyMs + performance.now() - startedMs) / 1_000).toFixed(1)
      process.stdout.write(`without ${who} the views stood still for ${seconds} s\n`)
    }

    /** Puts a record where only gateways and writers should. Returns its offset. */
    async function poison(topic: 'commands' | 'events', partition: number): Promise<bigint> {
      const producer = createProducer(createKafka(deployment.kafka, () => undefined))
      await producer.connect()
      const [sent] = await producer.send({
        topic: topicNames(deployment.kafka)[topic],
        acks: -1,
        messages: [{ value: POISON, partition }],
      })
      await producer.disconnect()
      return BigInt(sent!.baseOffset!)
    }

    async function holderOf(partition: number): Promise<RoleProcess> {
      for (const writer of deployment.writers)
        if ((await deployment.held(writer)).some((seat) => seat.partition === partition)) return writer
      throw new Error(`nobody says to hold partition ${partition}`)
    }

    /** Records that the holder of each partition has passed over. */
    async function skipped(): Promise<readonly number[]> {
      const held = (await Promise.all(deployment.writers.map((writer) => deployment.held(writer)))).flat()
      return [0, 1].map((wanted) => held.find(({ partition }) => partition === wanted)!.recordsSkipped)
    }

    round('kill -9 of a projector: another fills the views of its partitions', async () => {
      const [projector] = deployment.projectors as [RoleProcess]
      if (!projector.isRunning()) await projector.start()
      await projector.kill()
      await untilViewsFollow('a projector')
    })

    round('kill -9 of a gateway: its clients learn from another what became of what they sent', async () => {
      const [gateway] = deployment.gateways as [RoleProcess]
      await gateway.kill()
      await sleep(1_000)
      await gateway.start()
    })

    round('the views’ server killed, and out of reach for a while: transfers go on', async () => {
      const { engine, engineProxy } = deployment
      engineProxy.refuse()
      process.kill(engine.pid!, 'SIGKILL')
      const before = load.count(0)
      await sleep(AWAY_MS)
      expect(load.count(0)).toBeGreaterThan(before)
      engineProxy.accept()
      await untilViewsFollow('the views’ server', AWAY_MS)
    })

    round(
      'a record on the commands topic that holds no commands is passed over, counted and named',
      async () => {
        const before = await skipped()
        const { commands } = topicNames(deployment.kafka)
        const offsets = await Promise.all([0, 1].map((partition) => poison('commands', partition)))
        await deployment.until('both are counted', async () => {
          const now = await skipped()
          return now.every((count, partition) => count === before[partition]! + 1)
        })
        for (const partition of [0, 1]) {
          const place = `offset ${offsets[partition]} of partition ${partition} of ${commands}`
          const isNamed = deployment.writers.some((writer) => writer.log().includes(place))
          // Others that follow soon are counted and no more.
          expect(isNamed || before[partition]! > 0).toBe(true)
        }
      },
    )

    test(
      'a record on the events topic that is no frame stops every reader of its partition, and no other',
      async () => {
        const [projector, other] = deployment.projectors as [RoleProcess, RoleProcess]
        const [gateway] = deployment.gateways as [RoleProcess]
        if (!projector.isRunning()) await projector.start()
        load.start()
        await untilAcknowledged(deployment, load, 50)
        const writer = await holderOf(1)
        const offset = await poison('events', 1)
        const { events } = topicNames(deployment.kafka)
        const place = `offset ${offset} of partition 1 of ${events}`
        const isSaidBy = (role: RoleProcess) => (): boolean => role.log().includes(place)
        for (const reader of [writer, ...deployment.gateways])
          await deployment.until(`${reader.name} says where it is`, isSaidBy(reader))
        await deployment.until('a projector says it', () => isSaidBy(projector)() || isSaidBy(other)())

        // The other partition goes on, at every door; this one is refused by its name.
        const before = load.count(0)
        await deployment.until('the other partition goes on', () => load.count(0) > before + 100)
        for (const url of deployment.urls()) expect(await load.faultAt(url, 1)).toBe('WRITER_STOPPED')
        expect(await gateway.ready()).toMatchObject({
          ready: true,
          reasons: [expect.stringContaining(place)],
        })
        // Whoever starts now finds the same.
        await gateway.kill()
        await gateway.start()
        expect(await load.faultAt(gateway.url, 1)).toBe('WRITER_STOPPED')
        await load.end(0)
        await expectExact(deployment, load, 0)
        const reading = openKafkaEventLog({ settings: deployment.kafka, partition: 1, log: () => undefined })
        await expect(reading).rejects.toMatchObject({
          code: 'log_corrupt',
          message: expect.stringContaining(place) as string,
        })
      },
      ROUND_MS_MAX,
    )
  })
})
