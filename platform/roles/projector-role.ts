/**
 * The projector role: shares the partitions of the event log with the other projectors of the same projections, and fills
 * the views from those that are its own. A partition begins where its checkpoint says, at the place in the topic that
 * stands in it. Who holds which partition is only a hint: two that believe the same one theirs write the same rows.
 */
import { unlessAborted } from '../../eventlog/abort.ts'
import { LogError } from '../../eventlog/errors.ts'
import { frameBytesOf } from '../../eventlog/frame-budget.ts'
import { followKafkaEventLog, type KafkaEventLog } from '../../eventlog/kafka/events/kafka-event-log.ts'
import { joinGroup, type Membership } from '../../eventlog/kafka/group/membership.ts'
import { OutageWatch } from '../../eventlog/kafka/kafkajs/outage-watch.ts'
import { OUTAGE_MS_MAX_DEFAULT } from '../../eventlog/kafka/partition/partition-link.ts'
import { topicNames, type KafkaSettings } from '../../eventlog/kafka/settings.ts'
import { settledPartitions } from '../../eventlog/kafka/topics/topics.ts'
import { heldByAll, readCheckpoints } from '../../projectors/runtime/checkpoints.ts'
import { createViewStore, type ViewStoreOptions } from '../../projectors/clickhouse/clickhouse-store.ts'
import { createImportsTable } from '../../projectors/clickhouse/imports-table.ts'
import { allTogether, someTogether, type ProjectionSet } from '../../projectors/projection.ts'
import { BUILT_IN_VIEWS } from '../../projectors/views/built-in.ts'
import {
  startProjections,
  type ProjectionsOptions,
  type RunningProjections,
} from '../../projectors/runtime/runtime.ts'
import { RANGES } from '../../projectors/runtime/range.ts'
import { seenWithStore, StoreWatch } from '../../projectors/clickhouse/store-watch.ts'
import { OutageError, type ViewStore } from '../../projectors/clickhouse/view-store.ts'
import { projectionsOf, requiredOf, type View } from '../../gateway/view.ts'
import { formatPosition } from '../../schemas/positions.ts'
import { PlatformError } from '../errors.ts'
import { DOOR_DEFAULTS, type WithDefaults } from '../defaults.ts'
import { failureOf, startAsPlatform } from '../known-errors.ts'
import { codeTargets } from '../projections/code-targets.ts'
import { Shares } from './shares.ts'
import type { OutageBounds } from './outage-bounds.ts'
import type { RoleStatus, RunningRole } from './role.ts'
import { viewsWhenThere, type ViewsPatience } from './views-when-there.ts'

export interface ProjectorRoleOptions extends Pick<OutageBounds, 'outageMsMax'>, ViewsPatience {
  readonly kafka: KafkaSettings
  readonly clickhouse: ViewStoreOptions
  /** Those that run here. Projectors of the same ones share the partitions. Default: all the built-in ones. */
  readonly projections?: ProjectionSet
  /** Those of the deployment, with the files of those that are code. Default: the built-in ones. */
  readonly views?: readonly View[]
  /** For tests: after which silence a member is replaced, in ms. */
  readonly sessionTimeoutMs?: number
  /** For tests: how ranges are cut. */
  readonly ranges?: Pick<ProjectionsOptions, 'rangeEventsMax' | 'lingerMs'>
}

export interface ProjectorRole extends RunningRole {
  /** Partitions whose views are filled here now. */
  partitions(): readonly number[]
}

/** How soon what an operator has said to a gateway is seen here, in ms. */
const REGISTRY_POLL_MS = 1_000

/**
 * The projections of these names, apart from the others; all of them for none.
 * @param views those of the deployment; by default the built-in ones
 * @throws PlatformError `usage` for a name that there is not, or twice
 */
export function projectionsNamed(
  names: readonly string[],
  views: readonly View[] = BUILT_IN_VIEWS,
): ProjectionSet {
  const all = projectionsOf(views)
  if (names.length === 0) return allTogether(all)
  try {
    return someTogether(all, names)
  } catch (error) {
    throw new PlatformError('usage', (error as RangeError).message)
  }
}

/**
 * Makes the tables that are missing, joins the group, and returns when the group has said which partitions are this one's.
 * @throws PlatformError, `views_failed` if the view store stays away; the signal's reason when it aborts
 */
export function startProjectorRole(options: WithDefaults<ProjectorRoleOptions>): Promise<ProjectorRole> {
  return startAsPlatform(() => start({ log: DOOR_DEFAULTS.log, ...options }), options.signal)
}

async function start(options: ProjectorRoleOptions): Promise<ProjectorRole> {
  const store = createViewStore(options.clickhouse)
  let running: RunningProjections | undefined
  try {
    const { kafka, log, outageMsMax = OUTAGE_MS_MAX_DEFAULT, signal } = options
    const partitions = await settledPartitions(kafka, log, { outageMsMax, signal })
    running = await startWhenThere(options, store, partitions)
    return await Role.start(options, store, running, partitions)
  } catch (error) {
    await running?.stop()
    await store.close()
    throw error
  }
}

function startWhenThere(
  options: ProjectorRoleOptions,
  store: ViewStore,
  partitions: number,
): Promise<RunningProjections> {
  const {
    clickhouse,
    log,
    ranges,
    views = BUILT_IN_VIEWS,
    projections = projectionsNamed([], views),
  } = options
  const { database, cluster } = clickhouse
  const layout = cluster === undefined ? {} : { database: database ?? 'default', cluster }
  return viewsWhenThere(async () => {
    // Not of the log, but of the same database: gateways may not make tables.
    await createImportsTable(store, layout)
    // Without a log nothing runs yet that would have to be stopped if nobody waits for it any more.
    const targetOfCode = codeTargets({ store, layout, views, partitions, log })
    return startProjections({
      store,
      logs: [],
      partitions,
      projections,
      required: requiredOf(views),
      targetOfCode,
      layout,
      log,
      pollMs: REGISTRY_POLL_MS,
      // Who waits for the views waits in a gateway, of which this process hears nothing: so each range is as if awaited.
      lingerMs: RANGES.lingerAwaitedMs,
      ...ranges,
    })
  }, options)
}

class Role implements ProjectorRole {
  readonly failed: Promise<PlatformError>
  #fail: (error: PlatformError) => void = () => undefined
  readonly #options: ProjectorRoleOptions
  readonly #projections: ProjectionSet
  readonly #store: ViewStore
  readonly #running: RunningProjections
  readonly #shares: Shares<KafkaEventLog>
  readonly #outages = new OutageWatch()
  readonly #storeWatch: StoreWatch
  #membership: Membership | undefined
  /** Partitions of the deployment: each of them may come to be this one's. */
  readonly #count: number
  #failure: Error | undefined
  /** Partitions whose log is corrupt: nobody fills their views any further, and the others’ go on. */
  readonly #corrupt = new Map<number, string>()
  /** Corrupt partitions on their way out of what runs. */
  #dropping: Promise<void> = Promise.resolve()
  #stopping: Promise<void> | undefined

  private constructor(
    options: ProjectorRoleOptions,
    store: ViewStore,
    running: RunningProjections,
    count: number,
  ) {
    this.#count = count
    this.#options = options
    this.#projections = options.projections ?? projectionsNamed([], options.views)
    this.#store = store
    this.#storeWatch = new StoreWatch(store)
    this.#running = running
    this.failed = new Promise((resolve) => (this.#fail = resolve))
    this.#shares = new Shares({
      open: (partition, signal) => this.#open(partition, signal),
      close: async (log, partition) => {
        await running.remove(partition)
        log.close()
      },
      isPassing: isOutage,
      failed: (partition, error) => {
        if (isCorrupt(error)) this.#isCorrupt(partition, error)
        else this.#broke(cannotFollow(partition, error))
      },
      log: options.log,
    })
    running.onAdvance(() => {
      if (running.status()[0]?.state === 'stopped') void this.#lookAgain()
    })
  } // prettier-ignore

  static async start(
    options: ProjectorRoleOptions,
    store: ViewStore,
    running: RunningProjections,
    partitions: number,
  ): Promise<Role> {
    const role = new Role(options, store, running, partitions)
    try {
      await role.#join()
      return role
    } catch (error) {
      role.#storeWatch.stop()
      await role.#shares.end()
      throw error
    }
  }

  async #join(): Promise<void> {
    const { kafka, log, sessionTimeoutMs, outageMsMax, signal } = this.#options
    const names = this.#projections.running.map(({ name }) => name).sort()
    this.#membership = await joinGroup(kafka, {
      groupId: `${kafka.topicPrefix}.projector.${names.join('-')}`,
      topic: topicNames(kafka).events,
      partitions: this.#count,
      onAssigned: (partitions) => this.#shares.assign(partitions),
      onFailure: (error) => this.#broke(error),
      log,
      signal,
      ...(sessionTimeoutMs === undefined ? {} : { sessionTimeoutMs }),
      ...(outageMsMax === undefined ? {} : { rejoinForMs: outageMsMax }),
    })
  }

  /** From where the views are in this partition: what comes before is not read again. */
  async #open(partition: number, signal: AbortSignal): Promise<KafkaEventLog> {
    const { kafka, log: tell, outageMsMax } = this.#options
    // What was corrupt when it was here before may have been repaired.
    this.#corrupt.delete(partition)
    const checkpoints = await unlessAborted(signal, () => readCheckpoints(this.#store))
    const held = heldByAll(checkpoints, this.#projections.running).get(partition)
    const log = await followKafkaEventLog({
      settings: kafka,
      partition,
      partitions: this.#count,
      windowBytesMax: frameBytesOf(this.#count),
      signal,
      log: tell,
      outages: this.#outages,
      ...(outageMsMax === undefined ? {} : { outageMsMax }),
      ...(held === undefined || held.logOffset === 0n ? {} : { anchor: held }),
    })
    log.onFailure((failure) => {
      if (isCorrupt(failure)) this.#isCorrupt(partition, failure)
      else this.#broke(cannotFollow(partition, failure))
    })
    try {
      await this.#running.add(log, signal)
      return log
    } catch (error) {
      log.close()
      throw error
    }
  }

  partitions(): readonly number[] {
    return this.#shares.held()
  }

  status(): RoleStatus {
    const projections = seenWithStore(this.#running.status(), this.#storeWatch)
    const ownReason = this.#failure?.message ?? this.#membership?.outage()
    const reasons = ownReason === undefined ? [] : [ownReason]
    reasons.push(...this.#outages.outages(), ...this.#corruptHere())
    const opening = this.#shares.opening().filter((partition) => !this.#corrupt.has(partition))
    if (opening.length > 0) reasons.push(`Partitions ${opening.join(', ')} are being taken up.`)
    for (const { name, state, failure } of projections)
      if (state === 'retrying' || state === 'stalled' || state === 'stopped')
        reasons.push(`The projection ${name} is ${state}: ${failure ?? 'no reason given'}.`)
    return {
      ready: reasons.length === 0,
      reasons,
      partitions: this.partitions(),
      projections: projections.map(({ position, head, ...rest }) => ({
        ...rest,
        position: formatPosition(position),
        head: formatPosition(head),
      })),
    }
  }

  /** Why partitions that are this one's now are not followed. */
  #corruptHere(): readonly string[] {
    const own = new Set([...this.#shares.held(), ...this.#shares.opening()])
    return [...this.#corrupt].filter(([partition]) => own.has(partition)).map(([, reason]) => reason)
  }

  /** Others would read no more of it: only an operator can help, and the views of the other partitions go on meanwhile. */
  #isCorrupt(partition: number, error: LogError): void {
    if (this.#corrupt.has(partition)) return
    const reason = `Partition ${partition} cannot be followed any more: ${error.message}`
    this.#corrupt.set(partition, reason)
    this.#options.log(reason)
    this.#dropping = this.#dropping.then(() => this.#running.remove(partition))
  }

  /** What has stopped may be a corrupt partition alone. */
  async #lookAgain(): Promise<void> {
    await this.#dropping
    const [status] = this.#running.status()
    if (status?.state === 'stopped') this.#broke(new Error(`The views have ${status.failure ?? 'stopped'}`))
  }

  #broke(error: Error): void {
    if (this.#failure !== undefined || this.#stopping !== undefined) return
    this.#failure = error
    this.#fail(failureOf(error, 'views_failed'))
  }

  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop())
  }

  /** What is being inserted ends first; then others take over at once. */
  async #stop(): Promise<void> {
    await this.#shares.end()
    await this.#membership?.leave()
    await this.#running.stop()
    this.#storeWatch.stop()
    await this.#store.close()
  }
}

/** True for what passes by itself: neither Kafka nor the view store could be reached. */
export function isOutage(error: unknown): boolean {
  return error instanceof OutageError || (error instanceof LogError && error.code === 'kafka_unreachable')
}

function isCorrupt(error: unknown): error is LogError {
  return error instanceof LogError && error.code === 'log_corrupt'
}

/** Under the code of what it comes from. */
function cannotFollow(partition: number, error: unknown): PlatformError {
  const { code, message } = failureOf(error, 'views_failed')
  return new PlatformError(code, `Partition ${partition} cannot be followed: ${message}`, {}, { cause: error })
} // prettier-ignore
