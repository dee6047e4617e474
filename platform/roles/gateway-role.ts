/**
 * The gateway role: doors over Kafka and a ClickHouse server. It keeps nothing itself: commands go to the topic, outcomes
 * and activity come from the log, everything else from the views, so any number of gateways serve side by side.
 */
import { openKafkaCommandQueue } from '../../eventlog/kafka/commands/command-queue.ts'
import { unlessAborted } from '../../eventlog/abort.ts'
import { retryOutage } from '../../eventlog/retry-outage.ts'
import { LogError } from '../../eventlog/errors.ts'
import { frameBytesOf } from '../../eventlog/frame-budget.ts'
import { openKafkaEventLog } from '../../eventlog/kafka/events/kafka-event-log.ts'
import { OutageWatch } from '../../eventlog/kafka/kafkajs/outage-watch.ts'
import { OUTAGE_MS_MAX_DEFAULT } from '../../eventlog/kafka/partition/partition-link.ts'
import type { KafkaSettings } from '../../eventlog/kafka/settings.ts'
import { settledPartitions } from '../../eventlog/kafka/topics/topics.ts'
import { lagLimit, type GatewayLimits } from '../../gateway/bounds.ts'
import { startGateway, type Gateway, type GatewayOptions } from '../../gateway/gateway.ts'
import { missingTablesAsOutage } from '../../gateway/read/views-as-outage.ts'
import { projectionsOf, requiredOf, type View } from '../../gateway/view.ts'
import { CorruptLog } from '../../gateway/remote/corrupt-log.ts'
import { RemoteWriter, type RemoteLog } from '../../gateway/remote/remote-writer.ts'
import { createStoreImportRegistry } from '../../gateway/imports/store-import-registry.ts'
import type { Checkpoint } from '../../projectors/runtime/lanes/chain.ts'
import {
  heldByAll,
  readAnyCheckpoints,
  tablesThere,
  type Checkpoints,
} from '../../projectors/runtime/checkpoints.ts'
import { createViewStore } from '../../projectors/clickhouse/clickhouse-store.ts'
import { createImportsTable, IMPORTS_TABLE } from '../../projectors/clickhouse/imports-table.ts'
import { BUILT_IN_VIEWS } from '../../projectors/views/built-in.ts'
import { watchProjections } from '../../projectors/runtime/remote-projections.ts'
import type { Projections } from '../../projectors/runtime/status.ts'
import { OutageError, type ViewStore } from '../../projectors/clickhouse/view-store.ts'
import { NS_PER_MS } from '../../schemas/time.ts'
import type { ClickHouseConfig } from '../configuration/config.ts'
import { DOOR_DEFAULTS, type WithDefaults } from '../defaults.ts'
import type { PlatformError } from '../errors.ts'
import { failureOf, startAsPlatform } from '../known-errors.ts'
import { assembleOf, Parts, startTogether, stopTogether } from '../parts.ts'
import { operationsOf } from '../projections/operations.ts'
import type { OutageBounds } from './outage-bounds.ts'
import type { RoleStatus, RunningRole } from './role.ts'

export interface GatewayRoleOptions
  extends
    Pick<GatewayOptions, 'host' | 'allowHosts' | 'port' | 'currencies' | 'graphiql' | 'limits'>,
    OutageBounds {
  readonly kafka: KafkaSettings
  readonly clickhouse: ClickHouseConfig
  /** What is read here, whoever fills it. Default: the built-in views. */
  readonly views?: readonly View[]
  /** How long the views may lack an event before reads are refused, in seconds. Default: as gateway/bounds.ts says. */
  readonly viewsLagSecondsMax?: number
  /** Takes a line for the operator. */
  readonly log: (line: string) => void
  /** Ends a start that is under way: it rejects with the signal's reason, and nothing is left running. */
  readonly signal?: AbortSignal | undefined
}

export interface GatewayRole extends RunningRole {
  /** Where it serves: `http://127.0.0.1:4000`. */
  readonly url: string
  readonly gateway: Gateway
}

/** By so much another gateway may be quicker to tell of an event. */
const ELSEWHERE_MS = 250

/** How long the store may take at the start to say how far the views are, in ms: beyond it the gateway starts without them. */
const CHECKPOINTS_MS_MAX = 6_000
/** Between two tries to find or make the table of imports, in ms. */
const IMPORTS_TABLE_AGAIN_MS = 2_000

/**
 * Starts a gateway and returns once it serves: the end of every partition's log has been read. The log is read from where
 * the views are; if they do not say, from its first event. Views that are away cost reads, and nothing else.
 * @throws PlatformError; the signal's reason when it aborts
 */
export function startGatewayRole(options: WithDefaults<GatewayRoleOptions>): Promise<GatewayRole> {
  const whole = { ...DOOR_DEFAULTS, ...options }
  return startAsPlatform(
    () => assembleOf(new GatewayParts(), (parts) => assemble(whole, parts)),
    options.signal,
  )
}

class GatewayParts extends Parts {
  store: ViewStore | undefined
  writers: RemoteWriter[] = []
  projections: Projections | undefined
  gateway: Gateway | undefined
  /** Ends what goes on beside the gateway. */
  readonly over = new AbortController()

  protected steps(): readonly (() => unknown)[] {
    const { gateway, writers, projections, store, over } = this
    return [
      () => over.abort(),
      () => gateway?.stop(),
      () => stopTogether(writers),
      () => projections?.stop(),
      () => store?.close(),
    ]
  }
}

async function assemble(options: GatewayRoleOptions, parts: GatewayParts): Promise<GatewayRole> {
  const {
    kafka,
    clickhouse,
    log,
    signal,
    limits = {},
    host,
    allowHosts = [],
    port,
    currencies,
    graphiql,
    views = BUILT_IN_VIEWS,
  } = options
  const { outageMsMax = OUTAGE_MS_MAX_DEFAULT } = options
  const store = (parts.store = createViewStore(clickhouse))
  const partitions = await settledPartitions(kafka, log, { outageMsMax, signal })
  const { checkpoints, outage } = await checkpointsIfThere(options, store)
  // From where reads go on: one that holds little, and that they do not wait for, is not worth the whole log.
  const required = requiredOf(views)
  const held = heldByAll(
    checkpoints,
    projectionsOf(views).filter(({ name }) => required.includes(name)),
  )
  const watches = Array.from({ length: partitions }, () => new OutageWatch())
  const logs = await openLogs(options, watches, held)
  parts.writers = logs.map((events) => remoteWriter(options, events, watches[events.partition]!))
  const { writers } = parts
  const projections = (parts.projections = await watchProjections({
    store,
    projections: projectionsOf(views),
    required,
    logs,
    log,
    outage,
    signal,
  }))
  void provideImportsTable(store, clickhouse, log, parts.over.signal)
  const allLimits: Partial<GatewayLimits> = {
    elsewhereWaitMs: ELSEWHERE_MS,
    ...lagLimit(options.viewsLagSecondsMax),
    ...limits,
  }
  const gateway = (parts.gateway = await startGateway({
    host,
    allowHosts,
    port,
    currencies,
    graphiql,
    writers,
    store,
    views,
    projections,
    operations: operationsOf({
      serving: projections.serving(),
      store: missingTablesAsOutage(store),
      views,
      head: () => new Map(logs.map((one) => [one.partition, one.head().sequence])),
    }),
    imports: createStoreImportRegistry(store),
    clock: distinctClock,
    log,
    limits: allLimits,
  }))
  return {
    url: gateway.url,
    gateway,
    status: () => statusOf(writers, projections),
    failed: whatEnds(logs),
    stop: () => parts.stop(),
  }
}

/** What both ways to a partition's writer meet is watched together. */
function remoteWriter(
  { kafka: settings, log, commandOutageMsMax }: GatewayRoleOptions,
  events: RemoteLog,
  outages: OutageWatch,
): RemoteWriter {
  const queue = openKafkaCommandQueue({
    settings,
    partition: events.partition,
    outages,
    log,
    ...(commandOutageMsMax === undefined ? {} : { outageMsMax: commandOutageMsMax }),
  })
  return new RemoteWriter(queue, events, () => outages.outages())
}

/**
 * What ends a gateway. A log that is corrupt does not, as long as another one is not: no other gateway would read it either,
 * and its partition alone takes nothing any more.
 */
function whatEnds(logs: readonly RemoteLog[]): Promise<PlatformError> {
  return new Promise((resolve) => {
    let corrupt = 0
    for (const log of logs)
      log.onFailure((failure) => {
        if (!isCorrupt(failure) || ++corrupt === logs.length) resolve(failureOf(failure, 'gateway_failed'))
      })
  })
}

function isCorrupt(failure: unknown): failure is LogError {
  return failure instanceof LogError && failure.code === 'log_corrupt'
}

/** All at a time; one that cannot be opened closes the others, unless it is corrupt. */
function openLogs(
  { kafka: settings, log, outageMsMax, signal }: GatewayRoleOptions,
  watches: readonly OutageWatch[],
  held: ReadonlyMap<number, Checkpoint>,
): Promise<RemoteLog[]> {
  const opening = watches.map((outages, partition) => {
    const anchor = held.get(partition)
    // Place 0: it is not known where the frame stands.
    return openKafkaEventLog({
      settings,
      partition,
      partitions: watches.length,
      windowBytesMax: frameBytesOf(watches.length),
      outages,
      log,
      signal,
      ...(outageMsMax === undefined ? {} : { outageMsMax }),
      ...(anchor === undefined || anchor.logOffset === 0n ? {} : { anchor }),
    }).catch((error: unknown): RemoteLog => {
      if (!isCorrupt(error)) throw error
      return new CorruptLog(partition, error)
    })
  })
  return startTogether(opening, (logs) => {
    for (const one of logs) one.close()
  })
}

/** How far the views are; nothing of it where the store does not answer within the bound. */
async function checkpointsIfThere(
  { log, signal }: GatewayRoleOptions,
  store: ViewStore,
): Promise<{ readonly checkpoints: Checkpoints; readonly outage?: string }> {
  const late = AbortSignal.timeout(CHECKPOINTS_MS_MAX)
  const soon = signal === undefined ? late : AbortSignal.any([late, signal])
  try {
    return { checkpoints: await unlessAborted(soon, () => readAnyCheckpoints(store)) }
  } catch (error) {
    signal?.throwIfAborted()
    if (!late.aborted && !(error instanceof OutageError)) throw error
    const outage = error instanceof OutageError ? error.message : 'The view store does not answer.'
    log(`gateway: ${outage} Starting without the views, and reading the log from its first event.`)
    return { checkpoints: new Map(), outage }
  }
}

/**
 * Finds or makes the table of imports, as soon as the store answers. A gateway need not have the right to make tables:
 * projectors make this one as well.
 */
async function provideImportsTable(
  store: ViewStore,
  { database, cluster }: ClickHouseConfig,
  log: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const provide = async (): Promise<void> => {
    if ((await tablesThere(store, [IMPORTS_TABLE])).size === 0)
      await createImportsTable(store, cluster === undefined ? {} : { database, cluster })
  }
  try {
    await retryOutage(provide, {
      isOutage: (error) => error instanceof OutageError,
      forMs: Infinity,
      pauseMs: IMPORTS_TABLE_AGAIN_MS,
      signal,
    })
  } catch {
    if (!signal.aborted) log(`gateway: no imports until a projector has made the table ${IMPORTS_TABLE}`)
  }
}

/**
 * The system's clock, in steps of a millisecond, with a time within the millisecond before that no other gateway is likely
 * to give as well: by the time of receipt a command is told from the same one sent to another gateway at the same moment.
 */
function distinctClock(): bigint {
  return BigInt(Date.now()) * NS_PER_MS - BigInt(Math.floor(Math.random() * Number(NS_PER_MS)))
}

/** What an operator sees beside what the gateway's own port says. */
function statusOf(writers: readonly RemoteWriter[], projections: Projections): RoleStatus {
  const needed = [
    ...writers.map((writer) => writer.status().failure),
    ...projections.status().map(({ isRequired, failure }) => (isRequired ? failure : undefined)),
  ].filter((failure) => failure !== undefined)
  const others = projections
    .status()
    .filter(({ isRequired }) => !isRequired)
    .flatMap(({ name, failure }) => (failure === undefined ? [] : [`The projection ${name}: ${failure}`]))
  return { ready: needed.length === 0, reasons: [...new Set([...needed, ...others])] }
}
