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
import { readVersions } from '../../projectors/registry/versions.ts'
import { heldByAll, readCheckpoints, type VersionKey } from '../../projectors/runtime/checkpoints.ts'
import { createViewStore, type ViewStoreOptions } from '../../projectors/clickhouse/clickhouse-store.ts'
import { createImportsTable } from '../../projectors/clickhouse/imports-table.ts'
import { allTogether, someTogether, type ProjectionSet } from '../../projectors/projection.ts'
import { BUILT_IN_VIEWS } from '../../projectors/views/built-in.ts'
import {
  startProjections,
  type ProjectionsOptions,
  type RunningProjections,
} from '../../projectors/runtime/runtime.ts'
import { RANGES } from '../../projectors/runtime/lanes/range.ts'
import { seenWithStore, StoreWatch } from '../../projectors/clickhouse/store-watch.ts'
import { OutageError, type ViewStore } from '../../projectors/clickhouse/view-store.ts'
import { projectionsOf, requiredOf, type View } from '../../gateway/view.ts'
import { formatPosition } from '../../schemas/positions.ts'
import { PlatformError } from '../errors.ts'
import { DOOR_DEFAULTS, type WithDefaults } from '../defaults.ts'
import { failureOf, startAsPlatform } from '../known-errors.ts'
import { refuseUnfit } from '../projections/check/check.ts'
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
 * @throws PlatformError, `views_failed` if the view store stays away, `projection_unfit` for a view that cannot be taken, before
 *   anything of it is made; the signal's reason when it aborts
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
    // Nothing is followed, and so nothing fenced, before there is a role.
    let fenced: (partition: number) => void = () => undefined
    running = await startWhenThere(options, store, partitions, (partition) => fenced(partition))
    const role = new Role(options, store, running, partitions)
    fenced = (partition) => role.fenced(partition)
    return await role.start()
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
  fenced: (partition: number) => void,
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
  const here = views.filter(({ projection }) => projections.running.includes(projection))
  return viewsWhenThere(async () => {
    await refuseUnfit(store, here)
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
      fenced,
      ...ranges,
    })
  }, options)
}

/** A partition that is followed here, until `over` aborts. */
interface Followed {
  readonly log: KafkaEventLog
  readonly over: AbortController
}

/** How long a partition of which another one fills views is left alone. */
const FENCED_MS = 10_000

class Role implements ProjectorRole {
  readonly failed: Promise<PlatformError>
  #fail: (error: PlatformError) => void = () => undefined
  readonly #options: ProjectorRoleOptions
  readonly #projections: ProjectionSet
  readonly #store: ViewStore
  readonly #running: RunningProjections
  readonly #shares: Shares<Followed>
  readonly #outages = new OutageWatch()
  readonly #storeWatch: StoreWatch
  #membership: Membership | undefined
  /** Partitions of the deployment: each of them may come to be this one's. */
  readonly #count: number
  #failure: Error | undefined
  /** Partitions whose log is corrupt: nobody fills their views any further, and the others’ go on. */
  readonly #corrupt = new Map<number, string>()
  readonly #followed = new Map<number, Followed>()
  /** Partitions that wait to be taken up again. */
  readonly #fencedNow = new Set<number>()
  #stopping: Promise<void> | undefined

  constructor(
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
      close: (own, partition) => this.#close(own, partition),
      isPassing: isOutage,
      failed: (partition, error) => {
        if (isCorrupt(error)) this.#isCorrupt(partition, error)
        else this.#broke(cannotFollow(partition, error))
      },
      log: options.log,
    })
  } // prettier-ignore

  /** Joins the group. @throws PlatformError, with nothing of this role left running but what it was given */
  async start(): Promise<this> {
    try {
      await this.#join()
      return this
    } catch (error) {
      this.#storeWatch.stop()
      await this.#shares.end()
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
  async #open(partition: number, signal: AbortSignal): Promise<Followed> {
    const { kafka, log: tell, outageMsMax } = this.#options
    // What was corrupt when it was here before may have been repaired.
    this.#corrupt.delete(partition)
    const checkpoints = await unlessAborted(signal, () => readCheckpoints(this.#store))
    const held = heldByAll(checkpoints, await this.#serving()).get(partition)
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
      const own = { log, over: new AbortController() }
      this.#followed.set(partition, own)
      return own
    } catch (error) {
      log.close()
      throw error
    }
  }

  async #close(own: Followed, partition: number): Promise<void> {
    own.over.abort(new Error(`Partition ${partition} is not this one’s any more.`))
    this.#followed.delete(partition)
    await this.#running.remove(partition)
    own.log.close()
  }

  /** The versions that are read of those that run here: what others hold, or lack, is no matter of where to begin. */
  async #serving(): Promise<readonly VersionKey[]> {
    const { all, running } = this.#projections
    const names = (running.length === all.length ? [] : all).filter((one) => !running.includes(one))
    const elsewhere = new Set(names.map(({ name }) => name))
    const versions = await readVersions(this.#store)
    return versions.filter(({ name, role }) => role === 'serving' && !elsewhere.has(name))
  }

  /**
   * Somebody else fills a version of this partition, although it is this one's still: the group was late, or another group
   * fills the same. After a pause it is taken up again from where the views are by then, so that nothing stands for ever.
   */
  fenced(partition: number): void {
    const own = this.#followed.get(partition)
    if (own === undefined || this.#fencedNow.has(partition)) return
    this.#fencedNow.add(partition)
    this.#options.log(
      `partition ${partition}: filled by another projector since; taken up again in ${FENCED_MS / 1_000} s, if it is still this one's`,
    )
    const timer = setTimeout(() => {
      this.#fencedNow.delete(partition)
      this.#takeUp(partition, own).catch((error: unknown) => {
        if (own.over.signal.aborted) return
        if (isOutage(error)) this.fenced(partition)
        else if (isCorrupt(error)) this.#isCorrupt(partition, error)
        else this.#broke(cannotFollow(partition, error))
      })
    }, FENCED_MS)
    const callOff = (): void => {
      clearTimeout(timer)
      this.#fencedNow.delete(partition)
    }
    own.over.signal.addEventListener('abort', callOff, { once: true })
  }

  async #takeUp(partition: number, own: Followed): Promise<void> {
    if (own.over.signal.aborted || this.#corrupt.has(partition)) return
    await this.#running.remove(partition)
    if (own.over.signal.aborted) return
    await this.#running.add(own.log, own.over.signal)
    // It may have gone while it was taken up.
    if (own.over.signal.aborted && this.#followed.get(partition) === undefined)
      await this.#running.remove(partition)
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
    void this.#running.remove(partition)
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
