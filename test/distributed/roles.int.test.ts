/** Projectors, gateways and the views' server that die or go away under load, and records that nobody of ours wrote. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createKafka, createProducer } from '../../eventlog/kafka/kafkajs/client.ts'
import { topicNames } from '../../eventlog/kafka/settings.ts'
import { setTopicProperty } from '../support/kafka/topics.ts'
import { openTopicReader } from '../../eventlog/kafka/partition/topic-reader.ts'
import { startDeployment, type Deployment } from '../support/deployment.ts'
import { expectExact, expectExactBefore } from '../support/deployment-check.ts'
import { faultRounds, faultUnderLoad, ROUND_MS_MAX, untilAcknowledged } from '../support/deployment-fault.ts'
import { DeploymentLoad } from '../support/deployment-load.ts'
import { withKafka } from '../support/kafka.ts'
import { PACKERS, sendByKcat, type Packer } from '../support/kcat.ts'
import type { RoleProcess } from '../support/role-process.ts'
import { haveTools } from '../support/tools.ts'

const PARTITIONS = 2
const START_MS_MAX = 120_000
/** Longer than one call goes on trying. */
const AWAY_MS = 7_000
/** Long enough that it is packed where that is asked for. */
const POISON = Array.from({ length: 3 }, (_, index) => `${index}: ${'nobody of ours wrote this '.repeat(20)}`)
/** As topics are made by whoever makes them, and as `purser topics` wants them: then brokers unpack what comes. */
const COMPRESSIONS = ['producer', 'uncompressed'] as const
const packers: readonly Packer[] = haveTools('packed poison in a deployment', 'kcat') ? PACKERS : ['none']

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
      faultRounds(title, () => faultUnderLoad(title, deployment, load, fault))

    /** Waits until the views hold what was told when this was called, and says how long that took. */
    async function untilViewsFollow(who: string, alreadyMs = 0): Promise<void> {
      const startedMs = performance.now()
      await deployment.untilViewed(load.told())
      const seconds = ((alreadyMs + performance.now() - startedMs) / 1_000).toFixed(1)
      process.stdout.write(`without ${who} the views stood still for ${seconds} s\n`)
    }

    /** Puts records where only gateways and writers should. Returns the offset of the first one. */
    async function poison(
      which: 'commands' | 'events',
      partition: number,
      packer: Packer = 'none',
    ): Promise<bigint> {
      const { kafka: settings } = deployment
      const topic = topicNames(settings)[which]
      const reader = openTopicReader({ settings, topic, partition, log: () => undefined })
      try {
        const { end: before } = await reader.bounds()
        if (packer === 'none') await sendPlainly(topic, partition)
        else await sendByKcat({ ...settings, topic, partition }, packer, POISON)
        // Others go on writing there.
        for await (const records of reader.read(before))
          for (const { offset, value } of records) if (value.toString() === POISON[0]) return offset
        throw new Error('the topic ended')
      } finally {
        reader.close()
      }
    }

    async function sendPlainly(topic: string, partition: number): Promise<void> {
      const producer = createProducer(createKafka(deployment.kafka, () => undefined))
      await producer.connect()
      await producer.send({ topic, acks: -1, messages: POISON.map((value) => ({ value, partition })) })
      await producer.disconnect()
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
        const offsets: (readonly bigint[])[] = []
        for (const compression of COMPRESSIONS) {
          await setTopicProperty(deployment.kafka, commands, 'compression.type', compression)
          for (const packer of packers)
            offsets.push(await Promise.all([0, 1].map((partition) => poison('commands', partition, packer))))
        }
        await deployment.until('all are counted', async () => {
          const now = await skipped()
          return now.every(
            (count, partition) => count === before[partition]! + offsets.length * POISON.length,
          )
        })
        for (const partition of [0, 1]) {
          const place = `offset ${offsets[0]![partition]} of partition ${partition} of ${commands}`
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
        const { events } = topicNames(deployment.kafka)
        const offset = await poison('events', 1, packers.at(-1))
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
        await expectExactBefore(deployment, load, 1, place)
      },
      ROUND_MS_MAX,
    )

    test(
      'the same where brokers unpack what comes; a gateway that can read no partition any more ends',
      async () => {
        const { events } = topicNames(deployment.kafka)
        const writer = await holderOf(0)
        await setTopicProperty(deployment.kafka, events, 'compression.type', 'uncompressed')
        const offset = await poison('events', 0, packers.at(-1))
        const place = `offset ${offset} of partition 0 of ${events}`
        for (const reader of [writer, ...deployment.gateways])
          await deployment.until(`${reader.name} says where it is`, () => reader.log().includes(place))
        for (const gateway of deployment.gateways)
          expect(await gateway.finished()).toMatchObject({
            exitCode: 1,
            stderr: expect.stringContaining('"code":"log_corrupt"') as string,
          })
        await expectExactBefore(deployment, load, 0, place)
      },
      ROUND_MS_MAX,
    )
  })
})
