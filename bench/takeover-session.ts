/** One session of `takeover`: a deployment in processes of its own on three brokers, under load, and what is killed of it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { createKafka } from '../eventlog/kafka/kafkajs/client.ts'
import { topicNames } from '../eventlog/kafka/settings.ts'
import { startDeployment, type Deployment } from '../test/support/deployment.ts'
import { startKafkaCluster, type TestBroker, type TestCluster } from '../test/support/kafka/cluster.ts'
import type { RoleProcess } from '../test/support/role-process.ts'
import { createTopics } from '../eventlog/kafka/topics/topics.ts'
import { TakeoverLoad, type Pace } from './takeover-load.ts'

export const PARTITIONS = 4
const BROKERS = 3
interface Times {
  /** Between one fault and the next: all is as it was, and has been for a moment. */
  readonly settleMs: number
  /** Observed behind a fault: what is slow to come back counts. */
  readonly afterMs: number
  readonly lookEveryMs: number
}

const MEASURED: Times = { settleMs: 2_000, afterMs: 3_000, lookEveryMs: 10 }
const SHOWN: Times = { settleMs: 200, afterMs: 300, lookEveryMs: 100 }
const WAIT_MS_MAX = 120_000

/** What one fault cost. */
export interface FaultMeasured {
  /** Longest time of some partition between two answers that clients got, from the last one before the fault on. */
  readonly awayMs: number
  /** From the fault until another writer said that the victim gives no sign of life; undefined: nobody was missed. */
  readonly missedMs: number | undefined
  /** From the fault until the last partition was served from elsewhere; undefined: none was. */
  readonly servedMs: number | undefined
  /** From the fault until the brokers say that each partition is led by another one; undefined: no broker was killed. */
  readonly ledMs: number | undefined
  /** The same as `awayMs`, when the victim came back and took its share; undefined: it takes none. */
  readonly handBackMs: number | undefined
}

export class TakeoverSession {
  readonly load: TakeoverLoad
  readonly deployment: Deployment
  readonly #cluster: TestCluster
  readonly #times: Times

  private constructor(cluster: TestCluster, deployment: Deployment, times: Times) {
    this.#cluster = cluster
    this.#times = times
    this.deployment = deployment
    this.load = new TakeoverLoad(PARTITIONS, () => deployment.urls())
  }

  /**
   * @param lifeMsMax longest time that any process may run
   * @param isMeasured whether times matter: if not, brokers compile less and waits are short
   */
  static async open(
    lifeMsMax: number,
    isMeasured: boolean,
    log: (line: string) => void,
  ): Promise<TakeoverSession> {
    const cluster = await startKafkaCluster({ brokers: BROKERS, isMeasured })
    try {
      const kafka = { brokers: cluster.addresses, clientId: 'purser', topicPrefix: 'takeover' }
      await createTopics(kafka, { partitions: PARTITIONS, replication: BROKERS }, log)
      const session = new TakeoverSession(
        cluster,
        await startDeployment({ kafka, partitions: PARTITIONS, lifeMsMax }),
        isMeasured ? MEASURED : SHOWN,
      )
      await session.load.openAccounts()
      return session
    } catch (error) {
      await cluster.stop()
      throw error
    }
  }

  async end(): Promise<void> {
    await this.deployment.stop()
    await this.#cluster.stop()
  }

  /** Kills writers in turn, and starts each again. */
  killWriter(round: number): Promise<FaultMeasured> {
    return this.#writerFault(round, (victim) => victim.kill(), (victim) => victim.start())
  } // prettier-ignore

  /** Has writers stand still in turn, with their connections open, until others have their partitions. */
  freezeWriter(round: number): Promise<FaultMeasured> {
    return this.#writerFault(round, (victim) => victim.pause(), (victim) => victim.resume())
  } // prettier-ignore

  /** Kills the broker that leads one of the partitions, and starts it again. */
  async killLeader(round: number): Promise<FaultMeasured> {
    await this.untilShared()
    await this.#untilInSync()
    await sleep(this.#times.settleMs)
    const leader = await this.#leaderOf(round % PARTITIONS)
    this.load.mark()
    const faultMs = performance.now()
    await leader.kill()
    const led = this.#untilLedByOthers(leader.nodeId).then(() => performance.now() - faultMs)
    await this.#until(
      'every partition answers',
      () => this.load.oldestAnswerMs() > faultMs + this.#times.lookEveryMs,
    )
    await sleep(this.#times.afterMs)
    await this.#until('every partition answers', () => this.load.oldestAnswerMs() > performance.now() - 1_000)
    const awayMs = this.load.longestGapMs()
    const ledMs = await led
    await leader.restart()
    return { awayMs, missedMs: undefined, servedMs: undefined, ledMs, handBackMs: undefined }
  }

  /**
   * Load that takes all that there is, and nobody is killed.
   * @returns how often a writer took a partition over nevertheless, the longest time without an answer, and what was done
   */
  async calm(minutes: number, pace: Pace): Promise<{ takeovers: number; awayMs: number; transfers: number; seconds: number }> {
    await this.untilShared()
    await this.#untilInSync()
    const before = await this.epochs()
    const countBefore = this.load.count()
    const startedMs = performance.now()
    this.load.start(pace)
    await sleep(minutes * 60_000)
    const awayMs = this.load.longestGapMs()
    await this.load.end()
    const seconds = (performance.now() - startedMs) / 1_000
    await this.untilShared()
    const takeovers = (await this.epochs()) - before
    return { takeovers, awayMs, transfers: this.load.count() - countBefore, seconds }
  } // prettier-ignore

  /** Sum of the epochs of all partitions: how often any has been taken over. */
  async epochs(): Promise<number> {
    const held = await Promise.all(this.deployment.writers.map((writer) => this.deployment.held(writer)))
    return held.flat().reduce((sum, { epoch }) => sum + Number(epoch ?? 0), 0)
  }

  /** Both writers serve their share. */
  untilShared(): Promise<void> {
    return this.#until('each writer serves its share', async () => {
      const held = await Promise.all(this.deployment.writers.map((writer) => this.deployment.held(writer)))
      return held.every(
        (seats) =>
          seats.length === PARTITIONS / held.length && seats.every(({ state }) => state === 'serving'),
      )
    })
  }

  async #writerFault(
    round: number,
    fault: (victim: RoleProcess) => unknown,
    undo: (victim: RoleProcess) => unknown,
  ): Promise<FaultMeasured> {
    await this.untilShared()
    await sleep(this.#times.settleMs)
    const { writers } = this.deployment
    const victim = writers[round % writers.length]!
    const others = writers.filter((writer) => writer !== victim)
    const saidBefore = others.map((other) => other.log().length)
    const said = (text: string): number =>
      others.reduce((sum, other, at) => sum + other.log().slice(saidBefore[at]).split(text).length - 1, 0)
    this.load.mark()
    const faultMs = performance.now()
    await fault(victim)
    await this.#until('it is missed', () => said('no sign of life') > 0 || said('is served from here') > 0)
    const missedMs = said('no sign of life') > 0 ? performance.now() - faultMs : undefined
    await this.#until('others serve', () => said('is served from here') >= PARTITIONS / writers.length)
    const servedMs = performance.now() - faultMs
    await this.#until('every partition answers', () => this.load.oldestAnswerMs() > faultMs + servedMs)
    const awayMs = this.load.longestGapMs()
    await sleep(this.#times.settleMs)
    this.load.mark()
    await undo(victim)
    await this.untilShared()
    await sleep(this.#times.afterMs)
    return { awayMs, missedMs, servedMs, ledMs: undefined, handBackMs: this.load.longestGapMs() }
  }

  async #leaderOf(partition: number): Promise<TestBroker> {
    const { leader } = (await this.#partitionsSeen()).find(({ partitionId }) => partitionId === partition)!
    return this.#cluster.brokers.find(({ nodeId }) => nodeId === leader)!
  }

  /** Every replica has what its leader has. */
  #untilInSync(): Promise<void> {
    return this.#until('all replicas are in sync', async () => {
      const seen = await this.#partitionsSeen().catch(() => [])
      return seen.length === 2 * PARTITIONS && seen.every(({ isr }) => isr.length === BROKERS)
    })
  }

  #untilLedByOthers(nodeId: number): Promise<void> {
    return this.#until('others lead', async () => {
      const seen = await this.#partitionsSeen().catch(() => [])
      return seen.length === 2 * PARTITIONS && seen.every(({ leader }) => leader >= 0 && leader !== nodeId)
    })
  }

  async #partitionsSeen(): Promise<
    readonly { readonly partitionId: number; readonly leader: number; readonly isr: readonly number[] }[]
  > {
    const { kafka } = this.deployment
    const { events, commands } = topicNames(kafka)
    const admin = createKafka(kafka, () => undefined).admin()
    await admin.connect()
    try {
      const { topics } = await admin.fetchTopicMetadata({ topics: [events, commands] })
      return [...topics]
        .sort((left, right) => Number(right.name === events) - Number(left.name === events))
        .flatMap(({ partitions }) => partitions)
    } finally {
      await admin.disconnect()
    }
  }

  async #until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    const deadlineMs = performance.now() + WAIT_MS_MAX
    while (!(await holds())) {
      if (performance.now() > deadlineMs)
        throw new Error(`It did not come that ${what}.\n${this.deployment.story()}`)
      await sleep(this.#times.lookEveryMs)
    }
  }
}
