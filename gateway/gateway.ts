/** The gateway, wired by hand: feed, views, submission, and the doors over them. */
import { randomBytes } from 'node:crypto'
import type { EventLog } from '../eventlog/ports.ts'
import type { ProjectionOperations } from '../projectors/registry/operations.ts'
import { LagTrends } from '../projectors/runtime/lag-trend.ts'
import type { Projections } from '../projectors/runtime/status.ts'
import { seenWithStore, StoreWatch } from '../projectors/clickhouse/store-watch.ts'
import type { ViewStore } from '../projectors/clickhouse/view-store.ts'
import { servedStore } from '../projectors/serving.ts'
import type { Currency } from '../schemas/money.ts'
import type { Coordinator } from '../writer/coordinator/coordinator.ts'
import type { Writer } from '../writer/writer.ts'
import { Admission, type AdmissionListener } from './admission/admission.ts'
import { DEFAULT_LIMITS, type GatewayLimits } from './bounds.ts'
import { CurrencyScales } from './commands/currency-scales.ts'
import { Deployment } from './positions/deployment.ts'
import { startFeed } from './live/feed.ts'
import { createPipeline } from './doors/graphql/graphql.ts'
import { HotTotals } from './live/hot-totals.ts'
import { AllowedHosts } from './doors/hosts.ts'
import { Hub } from './live/hub.ts'
import type { ImportRegistry } from './imports/import-registry.ts'
import { openLane } from './lane/lane.ts'
import { LogHeads } from './positions/log-heads.ts'
import { missingTablesAsOutage } from './read/views-as-outage.ts'
import { DeploymentTokens } from './positions/deployment-tokens.ts'
import { ReadPoints } from './read/read-points.ts'
import { createReadiness } from './doors/readiness.ts'
import { openServer } from './doors/server.ts'
import { buildSchema } from './schema/schema.ts'
import type { View } from './view.ts'
import type { Services } from './services.ts'
import { SubscriberMemory } from './live/subscriber-memory.ts'
import { findRecent, PendingCommands, reachedBy } from './outcomes/pending.ts'
import { CommandRouter } from './submit/command-router.ts'
import { Submitter } from './submit/submit.ts'
import { wallClockNs } from './positions/times.ts'
import { Views } from './read/views.ts'
import { ViewsGate } from './read/views-gate.ts'
import { openSockets } from './doors/graphql/websocket.ts'

export interface GatewayOptions {
  /** One per partition, in the order of their numbers. */
  readonly writers: readonly Writer[]
  readonly store: ViewStore
  /** What they bring to the schema is served. */
  readonly views: readonly View[]
  readonly projections: Projections
  /** What operators may do with them. Default: nothing, and they are told so. */
  readonly operations?: ProjectionOperations
  /** Currencies whose scale may be left out when an account is opened, by code. */
  readonly currencies: ReadonlyMap<string, Currency>
  readonly imports: ImportRegistry
  readonly host: string
  /** Names and addresses by which clients may call it, besides loopback and `host`. Default: none. */
  readonly allowHosts?: readonly string[]
  /** 0: any free port. */
  readonly port: number
  /** Serves GraphiQL to browsers at `/graphql`. */
  readonly graphiql: boolean
  /** Nanoseconds since 1970. Default: the system's. */
  readonly clock?: () => bigint
  /** Gets a line for the operator. */
  readonly log: (line: string) => void
  readonly limits?: Partial<GatewayLimits>
  /** One per partition, if they run in this process: readiness shows what they do. Default: none do. */
  readonly coordinators?: readonly Pick<Coordinator, 'status'>[]
  /** Called with each operation that is admitted. */
  readonly onAdmitted?: AdmissionListener
}

/** A running gateway. */
export interface Gateway {
  /** Its address: `http://127.0.0.1:4000`. */
  readonly url: string
  readonly port: number
  /**
   * Stops in order: takes no new work, closes sockets a few at a time, finishes what is under way, cuts the rest.
   * Idempotent.
   */
  stop(): Promise<void>
  /** Figures for operators and tests. */
  figures(): GatewayFigures
}

export interface GatewayFigures {
  readonly sockets: number
  /** Connections of the binary bulk lane. */
  readonly laneConnections: number
  readonly subscriptions: number
  /** Bytes that wait for subscribers that do not read. */
  readonly subscriberBytes: number
  readonly operations: number
  readonly pendingCommands: number
}

const DRAIN_CHECK_MS = 10
/** Longer than another writer needs to take over. */
const UNDECIDED_MS_MAX = 15_000

/** Starts the gateway. Resolves once it listens. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { writers, log } = options
  const store = missingTablesAsOutage(servedStore(options.store, options.projections.serving()))
  writers.forEach(({ queue }, index) => {
    if (queue.partition !== index) throw new RangeError(`writer ${index} is of partition ${queue.partition}`)
  })
  const limits: GatewayLimits = { ...DEFAULT_LIMITS, ...options.limits }
  const clock = options.clock ?? wallClockNs
  const watch = new StoreWatch(store)
  const trends = new LagTrends(() => options.projections.status())
  const projections = withStore(options.projections, watch, trends)
  const gate = new ViewsGate({
    projections,
    head: () => feed.position(),
    watch,
    lagMsMax: limits.viewsLagMsMax,
  })
  const logs = writers.map((writer) => writer.log)
  // There is at least one partition.
  const [firstLog] = logs as [EventLog]
  const deployment = new Deployment(firstLog, log)
  const tokens = new DeploymentTokens(() => deployment.id, writers.length)
  const points = new ReadPoints(projections, clock, limits.readWaitMs, gate, (position) =>
    tokens.position(position),
  )
  const views = new Views(store, points)
  const pending = writers.map(() => new PendingCommands())
  const router = new CommandRouter({
    partitions: writers.length,
    views,
    elsewhereWaitMs: limits.elsewhereWaitMs,
    find: (ids) => findRecent(pending, ids),
    reached: () => reachedBy(pending),
  })
  const submitter = new Submitter({ writers, pending, router, views, limits })
  const hub = new Hub()
  const memory = new SubscriberMemory(limits.subscriberBytesMax)
  const hot = new HotTotals(views, limits.hotAccountsMax)
  // Memory comes first: a client that hears of an outcome then reads a balance that includes it.
  const feed = startFeed(
    logs,
    (partition) => [views, hot, hub, pending[partition]!],
    (partition, reason) => {
      log(`gateway: ${reason}`)
      submitter.stopPartition(partition, reason)
    },
  )
  views.follow(feed)
  const commands = {
    currencies: options.currencies,
    clock,
    randomBits: () => randomBytes(10),
    partitions: writers.length,
  }
  gate.begin()
  const services: Services = {
    views,
    projections,
    operations: options.operations,
    submitter,
    router,
    hub,
    memory,
    feed,
    heads: new LogHeads(logs),
    tokens,
    hot,
    commands,
    scales: new CurrencyScales(submitter, views, commands),
    limits,
    log,
  }
  const admission = new Admission(
    limits,
    () => hub.listeners,
    () => submitter.waiting,
    options.onAdmitted,
  )
  const pipeline = createPipeline(buildSchema(options.views), services, admission)
  const sockets = openSockets(pipeline, limits, memory, log)
  const lane = openLane(services, admission)
  const readiness = createReadiness({
    writers,
    projections,
    feed,
    gate,
    unanswered: (partition) => unansweredOf(partition, pending[partition]!.undecidedMs),
    coordinators: options.coordinators ?? [],
    isDraining: () => admission.draining,
    clock,
  })
  const release = async (): Promise<void> => {
    sockets.stop()
    submitter.stop('The gateway has stopped.')
    lane.stop()
    gate.stop()
    watch.stop()
    trends.stop()
    points.stop()
    await deployment.stop()
    await feed.stop()
  }
  try {
    await deployment.settled(firstLog)
    // The first probe has to know whether the store answers.
    await watch.settled()
    const server = await openServer(
      {
        services,
        admission,
        graphql: { pipeline, limits, memory, graphiql: options.graphiql, log },
        hosts: new AllowedHosts([options.host, ...(options.allowHosts ?? [])]),
        sockets,
        lane,
        imports: options.imports,
        readiness,
        limits,
      },
      options.host,
      options.port,
    )
    let stopping: Promise<void> | undefined
    const stop = async (): Promise<void> => {
      admission.drain()
      server.close()
      lane.drain()
      await sockets.drain(limits.drainMs)
      await settled(() => admission.running + server.answering() + lane.unanswered() === 0, limits.drainMs)
      await server.cut()
      await release()
    }
    return {
      url: `http://${hostInUrl(options.host)}:${server.port}`,
      port: server.port,
      stop: () => (stopping ??= stop()),
      figures: () => ({
        sockets: sockets.count(),
        laneConnections: lane.count(),
        subscriptions: hub.listeners,
        subscriberBytes: memory.bytes,
        operations: admission.running,
        pendingCommands: submitter.pending,
      }),
    }
  } catch (error) {
    await release()
    throw error
  }
}

/** The projections, with what the watch knows of their store, and where their lag is going. */
function withStore(projections: Projections, watch: StoreWatch, trends: LagTrends): Projections {
  return {
    status: () => trends.seen(seenWithStore(projections.status(), watch)),
    position: () => projections.position(),
    positionOf: (name) => projections.positionOf(name),
    serving: () => projections.serving(),
    absent: () => projections.absent(),
    settledNs: () => projections.settledNs(),
    waitFor: (position, timeoutMs, name) => projections.waitFor(position, timeoutMs, name),
    attend: () => projections.attend(),
    onAdvance: (listener) => projections.onAdvance(listener),
    stop: () => projections.stop(),
  }
}

function unansweredOf(partition: number, undecidedMs: number): string | undefined {
  if (undecidedMs <= UNDECIDED_MS_MAX) return undefined
  return `Commands of partition ${partition} have not been decided for ${Math.floor(undecidedMs / 1_000)} s.`
}

/** Waits until `isSettled`, for at most `waitMs`. */
async function settled(isSettled: () => boolean, waitMs: number): Promise<void> {
  const deadlineMs = performance.now() + waitMs
  while (!isSettled() && performance.now() < deadlineMs)
    await new Promise((resolve) => setTimeout(resolve, DRAIN_CHECK_MS))
}

function hostInUrl(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}
