/**
 * Writers that die, stand still, are cut off and come back, under load through every door. One broker, behind a proxy for
 * the first writer, the projector and the first gateway alone. Whoever believes to be the writer: the accepted chain is one,
 * and what a client was told is in it.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectBulk } from '../../client/client.ts'
import { BulkError, type BulkErrorCode } from '../../client/errors.ts'
import { joinGroup } from '../../eventlog/kafka/group/membership.ts'
import { topicNames } from '../../eventlog/kafka/settings.ts'
import { startDeployment, type Deployment } from '../support/deployment.ts'
import { expectExact, type ChainSeen } from '../support/deployment-check.ts'
import { faultRounds, faultUnderLoad, ROUND_MS_MAX } from '../support/deployment-fault.ts'
import { DeploymentLoad, type Pair } from '../support/deployment-load.ts'
import { withKafkaCluster } from '../support/kafka.ts'
import type { SwitchedProxy } from '../support/kafka/switched-proxy.ts'
import type { RoleProcess } from '../support/role-process.ts'

const PARTITIONS = 2
const START_MS_MAX = 120_000
/** Longer than a request of ours waits for its answer. */
const SILENT_MS = 12_000
const STORM_MS = 8_000
const FLAKY_MS = 6_000
/** More than a gateway keeps of one partition. */
const FULL_BATCH = 8_192
const FULL_BATCHES = 18

/** What writers that took over from each other left in the topic. */
interface Taken {
  /** Frames that are void. */
  readonly voids: number
  /** Of each partition. */
  readonly epochs: readonly bigint[]
}

/** Once by who was left, and once when the share is given back: nobody takes anything from each other in turn. */
function expectNoPingPong(before: Taken, after: Taken): void {
  const sum = ({ epochs }: Taken): bigint => epochs.reduce((total, epoch) => total + epoch, 0n)
  expect(sum(after) - sum(before)).toBe(2n)
}

const taken = (chains: readonly ChainSeen[]): Taken => ({
  voids: chains.reduce((sum, { voids }) => sum + voids, 0),
  epochs: chains.map(({ epoch }) => epoch),
})

await withKafkaCluster('writers under faults', { proxied: true }, (cluster, kafka) => {
  describe('writers under faults', () => {
    const proxy: SwitchedProxy = cluster.brokers[0]!.proxy!
    let deployment: Deployment
    let load: DeploymentLoad
    let proxied: RoleProcess
    let direct: RoleProcess
    /** As of the last check. */
    let seen: Taken

    beforeAll(async () => {
      const settings = await kafka.deployment(PARTITIONS)
      deployment = await startDeployment({
        kafka: settings,
        partitions: PARTITIONS,
        firstBrokers: [proxy.address],
      })
      ;[proxied, direct] = deployment.writers as [RoleProcess, RoleProcess]
      load = new DeploymentLoad(PARTITIONS, () => deployment.urls())
      await load.openAccounts()
      seen = taken(await expectExact(deployment, load))
    }, START_MS_MAX)

    afterAll(async () => {
      await deployment.stop()
      await cluster.stop()
    })

    /** Both writers serve something. */
    const untilShared = (): Promise<void> =>
      deployment.until('each writer serves a partition', async () => {
        const held = await Promise.all(deployment.writers.map((writer) => deployment.held(writer)))
        return held.every((seats) => seats.length === 1 && seats[0]!.state === 'serving')
      })

    const round = (
      title: string,
      fault: () => Promise<void>,
      compare: (before: Taken, after: Taken) => void = () => undefined,
    ): void =>
      faultRounds(title, async () => {
        await untilShared()
        const before = seen
        const { chains } = await faultUnderLoad(title, deployment, load, fault)
        seen = taken(chains)
        compare(before, seen)
      })

    round(
      'kill -9 of a writer: another misses its sign of life and takes its partition over',
      async () => {
        await direct.kill()
        await deployment.untilServed([proxied])
        expect(proxied.log()).toContain('has given no sign of life')
        await direct.start()
        await untilShared()
      },
      expectNoPingPong,
    )

    round(
      'a writer that stands still is replaced, and finds that out when it goes on',
      async () => {
        direct.pause()
        await deployment.untilServed([proxied])
        direct.resume()
        await untilShared()
      },
      expectNoPingPong,
    )

    round(
      'a frame that a replaced writer has sent, and that arrives late, is void for every reader',
      async () => {
        // What it sends is held up, what it is sent arrives: it decides, and its frames do not get there.
        proxy.hold('there')
        await deployment.untilServed([direct])
        proxy.flow()
        await untilShared()
      },
      (before, after) => expect(after.voids).toBeGreaterThan(before.voids),
    )

    round(
      'connections of a writer, a projector and a gateway that are slow, and cut again and again',
      async () => {
        proxy.delay(40)
        const overMs = performance.now() + FLAKY_MS
        while (performance.now() < overMs) {
          await sleep(200 + Math.random() * 600)
          proxy.cut()
        }
        proxy.delay(0)
      },
    )

    round(
      'a black hole for longer than requests wait: who is in it says so, who is not goes on',
      async () => {
        const [gateway, other] = deployment.gateways as [RoleProcess, RoleProcess]
        const within = [proxied, ...deployment.projectors, gateway]
        proxy.hold()
        await Promise.all([sleep(SILENT_MS), deployment.untilKafkaIsMissed(within)])
        expect(await other.ready()).toMatchObject({ ready: true, reasons: [] })
        await deployment.untilServed([direct])
        proxy.flow()
        await untilShared()
        await deployment.untilReady(within)
      },
    )

    round(
      'members that join and leave every second, of each group: no writer is replaced, and the views go on',
      async () => {
        const { topicPrefix } = deployment.kafka
        const { commands, events } = topicNames(deployment.kafka)
        const groups = (await deployment.groups()).map((groupId) => ({
          groupId,
          topic: groupId === `${topicPrefix}.writers` ? commands : events,
        }))
        expect(groups).toHaveLength(2)
        const overMs = performance.now() + STORM_MS
        const stormOf = async (group: { groupId: string; topic: string }): Promise<void> => {
          while (performance.now() < overMs) {
            // By its name it comes before all others, wherever names decide.
            const member = await joinGroup(
              { ...deployment.kafka, clientId: '0-storm' },
              {
                ...group,
                onAssigned: () => undefined,
                onFailure: () => undefined,
                log: () => undefined,
              },
            )
            await sleep(1_000)
            await member.leave()
          }
        }
        await Promise.all(groups.map(stormOf))
        await untilShared()
      },
      (before, after) => expect(after.epochs).toEqual(before.epochs),
    )

    test(
      'with no writer the queue fills up and more is refused as busy; with writers again what it took is decided, once',
      async () => {
        await untilShared()
        for (const writer of deployment.writers) await writer.kill()
        const [pair] = load.pairs as [Pair]
        const [url] = deployment.urls() as [string]
        const batches = Array.from({ length: FULL_BATCHES }, () => load.newBatch(pair, FULL_BATCH))
        const answers = Promise.all(batches.map((batch) => offerOnce(url, batch.slots)))
        await deployment.until('the queue is full', async () => {
          // What is taken is not answered, as long as there is no writer.
          const code = await load.faultAt(url, 0, FULL_BATCH).catch(() => undefined)
          return code === 'BUSY'
        })
        await Promise.all(deployment.writers.map((writer) => writer.start()))
        const startedMs = performance.now()
        // Nobody knows yet what became of which: all of it is sent again, elsewhere.
        expect(new Set(await answers)).toContain('busy')
        await Promise.all(batches.map((batch) => load.settleBatch(1, batch)))
        const seconds = Math.round(performance.now() - startedMs) / 1_000
        process.stdout.write(
          `a full queue: ${FULL_BATCHES * FULL_BATCH} transfers known ${seconds} s behind the writers’ start\n`,
        )
        expect(await load.faultAt(url, 0)).toBe(undefined)
        await untilShared()
        await expectExact(deployment, load)
      },
      ROUND_MS_MAX,
    )

    test(
      'writers that are stopped in order leave snapshots of the state that a replay gives',
      async () => {
        await untilShared()
        await Promise.all(deployment.writers.map((writer) => writer.stop()))
        for (const { partition, digest } of await expectExact(deployment, load))
          expect(deployment.newestSnapshot(partition)?.digest).toBe(digest)
      },
      ROUND_MS_MAX,
    )
  })
})

/** Offers transfers over a connection of their own, without patience. */
async function offerOnce(url: string, slots: Uint8Array): Promise<'answered' | BulkErrorCode> {
  const client = await connectBulk({ url, connectMs: 5_000, answerMs: 60_000, patienceMs: 500 })
  try {
    await client.submitSlots(slots, FULL_BATCH, 0)
    return 'answered'
  } catch (error) {
    if (error instanceof BulkError) return error.code
    throw error
  } finally {
    await client.close()
  }
}
