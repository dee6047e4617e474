/**
 * A whole deployment of the distributed platform in real processes: writers, projectors and gateways as a user starts them,
 * a ClickHouse server's place taken by the embedded engine, in a process of its own behind a proxy. Kafka is the suite's.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { nodeDisk } from '../../eventlog/disk/disk.ts'
import { asAdmin } from '../../eventlog/kafka/testing.ts'
import type { OutageBounds } from '../../platform/roles/outage-bounds.ts'
import type { KafkaSettings } from '../../eventlog/kafka/settings.ts'
import { heldByAll, readAnyCheckpoints } from '../../projectors/runtime/checkpoints.ts'
import { createViewStore } from '../../projectors/clickhouse/clickhouse-store.ts'
import { startEngine, type Engine } from '../../projectors/engine/supervisor.ts'
import { BUILT_IN_PROJECTIONS } from '../../projectors/views/built-in.ts'
import type { ViewStore } from '../../projectors/clickhouse/view-store.ts'
import { formatPosition } from '../../schemas/positions.ts'
import { loadNewestState } from '../../writer/recovery/load-state.ts'
import { digestSections } from '../../writer/recovery/state-digest.ts'
import { startSwitchedProxy, type SwitchedProxy } from './kafka/switched-proxy.ts'
import { RoleProcess, type ReadyAnswer } from './role-process.ts'

export interface DeploymentOptions {
  readonly kafka: KafkaSettings
  /** As the topics were made. */
  readonly partitions: number
  /** Default: 1. */
  readonly projectors?: number
  /** Brokers that the first writer, projector and gateway begin with; default: those of all. */
  readonly firstBrokers?: readonly string[]
  /** How long a role may run before it is killed, in ms. Default: as long as any suite takes. */
  readonly lifeMsMax?: number
}

const WRITERS = 2
const GATEWAYS = 2
const ENGINE_BYTES = 1024 ** 3
const READY_MS_MAX = 60_000
const LOOK_EVERY_MS = 100

export interface PartitionShown {
  readonly partition: number
  readonly state: string
  /** Of a writer that serves, as text. */
  readonly epoch?: string
  readonly recordsSkipped: number
}

export class Deployment {
  readonly kafka: KafkaSettings
  readonly partitions: number
  readonly writers: readonly RoleProcess[]
  readonly projectors: readonly RoleProcess[]
  readonly gateways: readonly RoleProcess[]
  readonly engine: Engine
  /** Between every role and the engine. */
  readonly engineProxy: SwitchedProxy
  /** The views, beside the proxy. */
  readonly store: ViewStore
  /** Of this deployment alone. */
  readonly folder: string
  readonly #firstBrokers: readonly string[]

  /** Use `startDeployment`. */
  constructor(options: DeploymentOptions, folder: string, engine: Engine, engineProxy: SwitchedProxy) {
    const { kafka, partitions, projectors = 1, lifeMsMax } = options
    const roles = (kind: string, count: number, args: (number: number) => readonly string[]): RoleProcess[] =>
      rolesOf(kind, count, args, lifeMsMax)
    this.kafka = kafka
    this.#firstBrokers = options.firstBrokers ?? kafka.brokers
    this.partitions = partitions
    this.folder = folder
    this.engine = engine
    this.engineProxy = engineProxy
    const { username, password } = engine
    this.store = createViewStore({ url: engine.url, username, password, database: DATABASE })
    this.writers = roles('writer', WRITERS, (number) => this.#writerArguments(number))
    this.projectors = roles('projector', projectors, (number) => [
      ...this.viewArguments(this.#brokersOf(number)),
      ...['--health-port', '0'],
    ])
    this.gateways = roles('gateway', GATEWAYS, (number) => [
      ...this.viewArguments(this.#brokersOf(number)),
      ...['--port', '0', '--graphiql', 'false'],
    ])
  }

  /** Everything that is to be stopped. */
  roles(): readonly RoleProcess[] {
    return [...this.writers, ...this.projectors, ...this.gateways]
  }

  /** @param bounds the roles' patience with Kafka. Default: that of any role */
  async start(bounds?: OutageBounds): Promise<void> {
    await Promise.all([...this.writers, ...this.projectors].map((role) => role.start(bounds)))
    // Gateways want views to read.
    await Promise.all(this.gateways.map((role) => role.start(bounds)))
    await this.untilServed()
  }

  /** Where clients go: gateways that run. */
  urls(): readonly string[] {
    return this.gateways.filter((gateway) => gateway.isRunning()).map(({ url }) => url)
  }

  /** What the writers that answer say of the partitions that they hold. */
  async held(writer: RoleProcess): Promise<readonly PartitionShown[]> {
    const ready = await writer.ready()
    return (ready?.['partitions'] ?? []) as readonly PartitionShown[]
  }

  /** The state of a partition as the newest snapshot of any writer has it; undefined if there is none. */
  newestSnapshot(partition: number): { readonly sequence: bigint; readonly digest: string } | undefined {
    const found = this.writers
      .map((_, index) => loadNewestState(nodeDisk, this.#scratchDir(index + 1), { partition }))
      .flatMap(({ core, snapshot }) =>
        snapshot === undefined ? [] : [{ core, position: snapshot.position }],
      )
      .sort((left, right) => Number(right.position.sequence - left.position.sequence))[0]
    if (found === undefined) return undefined
    return { sequence: found.position.sequence, digest: digestSections(found.core.save()) }
  }

  /** Waits until each partition is served by one of these writers. */
  async untilServed(by: readonly RoleProcess[] = this.writers): Promise<void> {
    await this.until('every partition is served', async () => {
      const held = (await Promise.all(by.map((writer) => this.held(writer)))).flat()
      const served = held.filter(({ state }) => state === 'serving').map(({ partition }) => partition)
      return new Set(served).size === this.partitions
    })
  }

  /** The consumer groups of its roles. */
  async groups(): Promise<readonly string[]> {
    const { groups } = await asAdmin(this.kafka, (admin) => admin.listGroups())
    return groups.map(({ groupId }) => groupId).filter((id) => id.startsWith(`${this.kafka.topicPrefix}.`))
  }

  /** Waits until each of these says that it is ready. */
  untilReady(roles: readonly RoleProcess[] = this.roles()): Promise<void> {
    return this.#untilEach(roles, 'is ready', ({ ready }) => ready)
  }

  /** Waits until each of these says that it is not ready because Kafka does not answer. */
  untilKafkaIsMissed(roles: readonly RoleProcess[] = this.roles()): Promise<void> {
    return this.#untilEach(
      roles,
      'misses Kafka',
      ({ ready, reasons }) => !ready && reasons.some((reason) => reason.includes('Kafka has not answered')),
    )
  }

  #untilEach(
    roles: readonly RoleProcess[],
    what: string,
    holds: (answer: ReadyAnswer) => boolean,
  ): Promise<void> {
    return this.until(`each of ${roles.map(({ name }) => name).join(', ')} ${what}`, async () => {
      const answers = await Promise.all(roles.map((role) => role.ready()))
      return answers.every((answer) => answer !== undefined && holds(answer))
    })
  }

  /** Waits until the views hold so much. */
  untilViewed(position: ReadonlyMap<number, bigint>): Promise<void> {
    return this.until(`the views hold ${formatPosition(position)}`, async () => {
      // A store that does not answer now will.
      const checkpoints = await readAnyCheckpoints(this.store).catch(() => new Map<string, never>())
      const held = heldByAll(checkpoints, BUILT_IN_PROJECTIONS)
      return [...position].every(([partition, wanted]) => (held.get(partition)?.sequence ?? 0n) >= wanted)
    })
  }

  /** Waits, within a bound, and says what was waited for, and what the roles said, where it does not come. */
  async until(what: string, holds: () => Promise<boolean> | boolean, msMax = READY_MS_MAX): Promise<void> {
    const deadlineMs = performance.now() + msMax
    while (!(await holds())) {
      if (performance.now() > deadlineMs)
        throw new Error(`It did not come that ${what}, within ${msMax / 1_000} s.\n${this.story()}`)
      await pause(LOOK_EVERY_MS)
    }
  }

  /** The last lines of every role: for who has to find out. */
  story(): string {
    return this.roles()
      .map((role) => `── ${role.name}\n${role.log().split('\n').slice(-25).join('\n')}`)
      .join('\n')
  }

  async stop(): Promise<void> {
    // Nothing is proven by how they end here.
    await Promise.all(
      this.roles()
        .filter((role) => role.isRunning())
        .map((role) => role.kill()),
    )
    await this.store.close()
    await this.engineProxy.close()
    await this.engine.stop()
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 })
  }

  #scratchDir(number: number): string {
    return path.join(this.folder, `scratch-${number}`)
  }

  #brokersOf(number: number): readonly string[] {
    return number === 1 ? this.#firstBrokers : this.kafka.brokers
  }

  #writerArguments(number: number): string[] {
    return [
      ...this.#kafkaArguments(this.#brokersOf(number)),
      ...['--snapshots', path.join(this.folder, 'snapshots')],
      ...['--scratch', this.#scratchDir(number)],
      ...['--health-port', '0'],
    ]
  }

  /** Which topics and views are meant. */
  viewArguments(brokers = this.kafka.brokers): string[] {
    const { username } = this.engine
    return [
      ...this.#kafkaArguments(brokers),
      ...['--clickhouse-url', `http://${this.engineProxy.address}`, '--clickhouse-database', DATABASE],
      ...['--clickhouse-user', username, '--clickhouse-password-file', path.join(this.folder, PASSWORD_FILE)],
    ]
  }

  #kafkaArguments(brokers: readonly string[]): string[] {
    return [
      '--json',
      ...brokers.flatMap((broker) => ['--brokers', broker]),
      ...['--topic-prefix', this.kafka.topicPrefix],
    ]
  }
}

const DATABASE = 'purser'
const PASSWORD_FILE = 'views-password'

function rolesOf(
  kind: string,
  count: number,
  args: (number: number) => readonly string[],
  lifeMsMax: number | undefined,
): RoleProcess[] {
  return Array.from(
    { length: count },
    (_, index) => new RoleProcess(`${kind}-${index + 1}`, [kind, ...args(index + 1)], lifeMsMax),
  )
}

/** Starts it all and returns when each partition is served. The suite stops it. */
export async function startDeployment(options: DeploymentOptions): Promise<Deployment> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'purser-deployment-'))
  const engine = await startEngine({ dataDir: path.join(folder, 'views'), memoryBytesMax: ENGINE_BYTES })
  const { url, username, password } = engine
  const admin = createViewStore({ url, username, password })
  await admin.command(`CREATE DATABASE IF NOT EXISTS ${DATABASE}`)
  await admin.close()
  await writeFile(path.join(folder, PASSWORD_FILE), password)
  const engineProxy = await startSwitchedProxy(Number(new URL(url).port))
  const deployment = new Deployment(options, folder, engine, engineProxy)
  try {
    await deployment.start()
  } catch (error) {
    await deployment.stop()
    throw error
  }
  return deployment
}
