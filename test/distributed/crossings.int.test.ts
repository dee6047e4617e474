/**
 * Transfers across partitions while writers and brokers die and stand still: whatever ended, ended once, on both sides or on
 * neither, and nothing stays in transit. Two writers on three brokers; their commands come straight from the test.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { topicNames, type KafkaSettings } from '../../eventlog/kafka/settings.ts'
import { formatId } from '../../schemas/ids.ts'
import { CrossingLoad } from '../support/crossing-load.ts'
import { asAdmin } from '../support/kafka/topics.ts'
import { withKafkaCluster, type TestBroker } from '../support/kafka.ts'
import { RoleProcess } from '../support/role-process.ts'
import { rounds } from '../support/rounds.ts'
import { until } from '../support/until.ts'

const PARTITIONS = 2
const START_MS_MAX = 180_000
const ROUND_MS_MAX = 240_000
const ROUNDS = rounds(1, 5)
/** Transfers from each partition before a fault, and again behind it. */
const AROUND = 100

await withKafkaCluster('transfers across partitions under faults', { brokers: 3 }, (cluster, kafka) => {
  describe('transfers across partitions under faults', () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'purser-crossings-'))
    let settings: KafkaSettings
    let writers: readonly [RoleProcess, RoleProcess]
    let load: CrossingLoad

    beforeAll(async () => {
      settings = await kafka.deployment(PARTITIONS)
      const writer = (number: number): RoleProcess =>
        new RoleProcess(`writer-${number}`, [
          ...['writer', '--json', '--topic-prefix', settings.topicPrefix, '--health-port', '0'],
          ...settings.brokers.flatMap((broker) => ['--brokers', broker]),
          ...[
            '--snapshots',
            path.join(folder, 'snapshots'),
            '--scratch',
            path.join(folder, `scratch-${number}`),
          ],
        ])
      writers = [writer(1), writer(2)]
      load = new CrossingLoad(settings, PARTITIONS)
      await Promise.all(writers.map((one) => one.start()))
      await load.open()
    }, START_MS_MAX)

    afterAll(async () => {
      load.close()
      await Promise.all(writers.filter((one) => one.isRunning()).map((one) => one.kill()))
      await cluster.stop()
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    })

    /** Partitions that a writer serves. */
    async function servedBy(writer: RoleProcess): Promise<number> {
      const ready = await writer.ready()
      const held = (ready?.['partitions'] ?? []) as readonly { readonly state: string }[]
      return held.filter(({ state }) => state === 'serving').length
    }

    const untilShared = (): Promise<unknown> =>
      until('each writer serves a partition', async () => {
        const served = await Promise.all(writers.map(servedBy))
        return served.every((count) => count === 1)
      })

    const round = (title: string, fault: () => Promise<void>): void =>
      test(
        title,
        async () => {
          for (let times = 0; times < ROUNDS; times++) {
            await untilShared()
            load.start()
            await load.untilApplied(AROUND)
            load.mark()
            await fault()
            await load.untilApplied(AROUND)
            const away = load.awaySeconds()
            await load.end()
            expectExact(load)
            process.stdout.write(`${title}: nothing ended for ${away} s; ${load.ends.size} have\n`)
          }
        },
        ROUNDS * ROUND_MS_MAX,
      )

    for (const index of [0, 1] as const)
      round(
        `kill -9 of writer ${index + 1}, and of the coordinator in it: the other takes over`,
        async () => {
          const [victim, other] = [writers[index], writers[1 - index]!]
          await victim.kill()
          await until('the other serves both', async () => (await servedBy(other)) === PARTITIONS)
          await victim.start()
          await untilShared()
        },
      )

    round(
      'a writer that stands still past its session is replaced, and what it sends late does nothing',
      async () => {
        const [victim, other] = writers
        victim.pause()
        await until('the other serves both', async () => (await servedBy(other)) === PARTITIONS)
        victim.resume()
        await untilShared()
      },
    )

    round('both writers die at once, and begin where the logs end', async () => {
      await Promise.all(writers.map((writer) => writer.kill()))
      await Promise.all(writers.map((writer) => writer.start()))
      await untilShared()
    })

    round('kill -9 of the broker that leads a partition: the others go on, and it comes back', async () => {
      const leader = await leaderOf(settings, cluster.brokers)
      await leader.kill()
      await load.untilApplied(AROUND)
      await leader.restart()
    })
  })
})

function expectExact(load: CrossingLoad): void {
  for (const core of load.cores)
    for (const [currency, sum] of core.trialBalance()) expect([currency, sum]).toEqual([currency, 0n])
  expect(load.inTransit()).toBe(0n)
  expect(load.posted).toBeGreaterThan(0)
  const credited = new Map<string, number>()
  for (const { kind, transferId } of load.events.flat())
    if (kind === 'TransferCredited' || kind === 'CreditDrawn')
      credited.set(formatId(transferId), (credited.get(formatId(transferId)) ?? 0) + 1)
  const wrong = [...load.ends].filter(
    ([id, ends]) => ends.length !== 1 || (credited.get(id) ?? 0) !== (ends[0] === 'applied' ? 1 : 0),
  )
  expect(wrong).toEqual([])
  expect([...credited.keys()].filter((id) => !load.ends.has(id))).toEqual([])
  for (let partition = 0; partition < PARTITIONS; partition++)
    expect(load.balance(partition)).toBe(load.expected(partition))
}

/** The broker that leads the first partition of the events. */
async function leaderOf(settings: KafkaSettings, brokers: readonly TestBroker[]): Promise<TestBroker> {
  const { topics } = await asAdmin(settings, (admin) => admin.fetchTopicMetadata({ topics: [topicNames(settings).events] })) // prettier-ignore
  const { leader } = topics[0]!.partitions.find(({ partitionId }) => partitionId === 0)!
  return brokers.find(({ nodeId }) => nodeId === leader)!
}
