/** The projections at work: their versions as the registry has them, the lanes of each partition, and what operators and reads ask of them. */
import { frameBytesOf } from '../../eventlog/frame-budget.ts'
import type { EventLog } from '../../eventlog/ports.ts'
import { messageOf } from '../../schemas/errors.ts'
import { earliestPosition, includesPosition, type Position } from '../../schemas/positions.ts'
import { NS_PER_MS } from '../../schemas/time.ts'
import { formerViews } from '../clickhouse/former-views.ts'
import { OutageError, type ViewStore } from '../clickhouse/view-store.ts'
import type { Layout, Projection, ProjectionSet } from '../projection.ts'
import { writeFault } from '../registry/faults.ts'
import { readSkips } from '../registry/skips.ts'
import { readRestored } from '../registry/restore.ts'
import { createRegistry } from '../registry/tables.ts'
import {
  readVersions,
  resetting,
  tablesOfVersion,
  writeVersions,
  type Version,
} from '../registry/versions.ts'
import { PointedServing } from '../serving-pointer.ts'
import type { Serving } from '../serving.ts'
import { adopted } from './adopt.ts'
import { LogBehindViewsError } from './chain.ts'
import {
  heldByAny,
  noCheckpoint,
  readCheckpoints,
  settledNsOf,
  takeOverCheckpoints,
  versionKey,
  type Checkpoints,
  type VersionKey,
} from './checkpoints.ts'
import { FencedError } from './guard.ts'
import type { LaneFault, Member } from './lane.ts'
import { Members } from './members.ts'
import { PartitionLanes, type MemberStatus } from './partition-lanes.ts'
import type { Clock } from './ports.ts'
import { PositionWaiters } from './position-waiters.ts'
import { RANGES, type RangeLimits } from './range.ts'
import type { Projections, ProjectionState, ProjectionStatus } from './status.ts'
import { systemClock } from './system-clock.ts'
import type { Target } from './target.ts'

export interface ProjectionsOptions extends Partial<RangeLimits> {
  readonly store: ViewStore
  /** One log per partition; more may come, and these may go, while they run. */
  readonly logs: readonly EventLog[]
  /** How many partitions may have to be followed here: they share the memory for ranges. Default: as many as `logs`. */
  readonly partitions?: number
  /** Those of the deployment, and which of them run here. */
  readonly projections: ProjectionSet
  /** Names of those that reads wait for and go by; default, and where none of them is here: all. */
  readonly required?: readonly string[]
  /** Makes the target of a version that needs code. Default: there is none. */
  readonly targetOfCode?: (version: Version, projection: Projection) => Target
  /** Default: one server, the database of the store. */
  readonly layout?: Layout
  /** Gets a line of text for whatever an operator should see. */
  readonly log?: (line: string) => void
  /** How long the first events of a range wait for more, in ms, while nobody waits for them; default as in range.ts. */
  readonly lingerMs?: number
  /** How often the registry is read for what others have said there, in ms. Default: only when `refresh` is called. */
  readonly pollMs?: number
  /** Default: the machine's. */
  readonly clock?: Clock
}

const REFRESH_AGAIN_MS = 1_000
/** How often it is looked whether the registry is there still. */
const WATCH_MS = 3_000

/** Running projections, with what an operator may do to them. */
export interface RunningProjections extends Projections {
  /**
   * Stops all views where they are; resolves when nothing is being written, or `resume` was called. Lasts until `resume` or
   * the process ends, also across a reset.
   */
  pause(): Promise<void>
  resume(): void
  /**
   * Gives every view that runs here a new version that serves at once and is filled from the beginning of the log; the
   * versions before it are dropped.
   * @throws OutageError if the store went away before that was said: nothing has changed then
   */
  reset(): Promise<void>
  /** Reads the registry again, and acts on what is new in it. @throws OutageError */
  refresh(): Promise<void>
  /**
   * Follows one more log, from where the views are in its partition. Where they are further than what is known of the log,
   * that is waited for first: another process may just have written both.
   * @param signal ends that waiting
   * @throws as `startProjections`; what ends the log; RangeError if a log of that partition is followed already
   */
  add(log: EventLog, signal?: AbortSignal): Promise<void>
  /** Follows a partition's log no longer; resolves when nothing of it is being written. Harmless if it is not followed. */
  remove(partition: number): Promise<void>
  /** How a version is here, in each partition that is followed. */
  versionStatus(key: VersionKey): ReadonlyMap<number, MemberStatus>
}

/**
 * Makes what is missing, finds out how far the views are, and starts to follow the logs. A view of which a table is gone is
 * stopped, alone, and says so.
 * @throws LogBehindViewsError if a log ends before the views do
 * @throws OutageError if the store cannot be reached
 */
export async function startProjections(options: ProjectionsOptions): Promise<RunningProjections> {
  const runtime = new Runtime(options)
  await runtime.start()
  return runtime
}

class Runtime implements RunningProjections {
  readonly #options: ProjectionsOptions
  readonly #projections: ProjectionSet
  readonly #required: readonly string[]
  readonly #members: Members
  readonly #logs = new Map<number, EventLog>()
  readonly #lanes = new Map<number, PartitionLanes>()
  readonly #report: (line: string) => void
  readonly #listeners = new Set<() => void>()
  readonly #clock: Clock
  readonly #waiters: PositionWaiters
  readonly #serving = new PointedServing()
  #versions: readonly Version[] = []
  /** Dropped versions of which nothing is left. */
  readonly #removed = new Set<string>()
  #settledNs = 0n
  #isTakenOver = false
  #filled: readonly Member[] = []
  #isPaused = false
  #isStopped = false
  /** What changes lanes and versions goes one behind the other. */
  #changing: Promise<void> = Promise.resolve()
  #callOff: () => void = () => undefined
  #callOffWatch: () => void = () => undefined

  constructor(options: ProjectionsOptions) {
    this.#options = options
    this.#projections = options.projections
    const running = options.projections.running.map(({ name }) => name)
    const required = running.filter((name) => options.required?.includes(name) ?? true)
    this.#required = required.length === 0 ? running : required
    for (const log of options.logs) this.#logs.set(log.partition, log)
    this.#clock = options.clock ?? systemClock
    this.#waiters = new PositionWaiters(this.#clock)
    this.#report = options.log ?? (() => undefined)
    this.#members = new Members({
      store: options.store,
      layout: options.layout ?? {},
      projections: options.projections,
      required: this.#required,
      isTakenOver: () => this.#isTakenOver,
      targetOfCode:
        options.targetOfCode ??
        (({ name }) => {
          throw new RangeError(`nothing here runs the code of ${name}`)
        }),
    })
  }

  async start(): Promise<void> {
    const { store, layout } = this.#options
    await this.#commands(createRegistry(layout))
    this.#isTakenOver = await takeOverCheckpoints(store, layout)
    if (this.#isTakenOver) await this.#commands(await formerViews(store, layout))
    await writeVersions(
      store,
      adopted(this.#projections.running, await readVersions(store), await readCheckpoints(store)),
      this.#clock.nowMs(),
    )
    const checkpoints = await this.#readVersions()
    for (const log of this.#logs.values()) await refuseBehind(log, this.#known(checkpoints, log))
    for (const log of this.#logs.values()) await this.#follow(log, checkpoints)
    this.#point()
    this.#refreshLater(this.#options.pollMs)
    this.#watchLater()
  }

  /** Reads what the registry says, and makes the members that follow from it. */
  async #readVersions(): Promise<Checkpoints> {
    const { store } = this.#options
    const [versions, skips] = [await this.#registered(), await readSkips(store)]
    const checkpoints = await readCheckpoints(store)
    this.#refuseStopped()
    this.#filled = await this.#members.of(versions, skips, checkpoints)
    this.#versions = versions
    return checkpoints
  }

  /** What the registry says. What somebody has taken out of it is said again. */
  #registered(): Promise<readonly Version[]> {
    const { store, layout } = this.#options
    const nowMs = (): number => this.#clock.nowMs()
    return readRestored({ store, layout, report: this.#report, nowMs }, this.#versions)
  }

  /** What is gone from the registry has to be seen also where nobody says anything there. */
  #watchLater(): void {
    if (this.#isStopped) return
    this.#callOffWatch = this.#clock.after(WATCH_MS, () => {
      this.#inTurn(async () => {
        if (!this.#isStopped) await this.#registered()
      })
        // An outage is told of by whoever has something to write.
        .catch(() => undefined)
        .finally(() => this.#watchLater())
    })
  }

  async #follow(log: EventLog, checkpoints: Checkpoints): Promise<void> {
    this.#refuseStopped()
    const { partitions = this.#options.logs.length } = this.#options
    const lanes = new PartitionLanes({
      rangeEventsMax: RANGES.eventsMax,
      rangeBytesMax: frameBytesOf(partitions),
      lingerMs: RANGES.lingerMs,
      layout: {},
      ...this.#options,
      clock: this.#clock,
      log,
      isAwaited: () => this.#waiters.areFor(log.partition),
      report: this.#report,
      advanced: () => this.#advanced(),
      faulted: (member, fault) => this.#faulted(log.partition, member, fault),
    })
    if (this.#isPaused) await lanes.pause()
    this.#lanes.set(log.partition, lanes)
    await lanes.change(this.#filled, checkpoints)
  }

  /** Up to where one of the views that are filled here holds something of a log's partition. */
  #known(checkpoints: Checkpoints, { partition }: EventLog): bigint {
    const own = this.#filled.map((one) => [versionKey(one), checkpoints.get(versionKey(one)) ?? new Map()] as const)
    return heldByAny(new Map(own)).get(partition) ?? 0n
  } // prettier-ignore

  refresh(): Promise<void> {
    return this.#inTurn(() => this.#refresh())
  }

  async #refresh(): Promise<void> {
    const checkpoints = await this.#readVersions()
    // Before anything is gone: whoever remembers how far the views are has to hear that what serves holds less.
    this.#advanced()
    for (const lanes of this.#lanes.values()) await lanes.change(this.#filled, checkpoints)
    this.#advanced()
    await this.#removeDropped()
  }

  /** What dropped versions had; also where an outage or the end of a process came between the word and the deed. */
  async #removeDropped(): Promise<void> {
    for (const version of this.#versions) {
      const key = versionKey(version)
      if (version.role !== 'dropped' || this.#removed.has(key)) continue
      await this.#members.drop(version)
      this.#removed.add(key)
    }
  }

  #refreshLater(delayMs: number | undefined): void {
    if (delayMs === undefined || this.#isStopped) return
    this.#callOff()
    this.#callOff = this.#clock.after(delayMs, () => {
      this.refresh()
        .catch((error: unknown) => {
          if (!this.#isStopped) this.#report(`projections: the registry cannot be read: ${messageOf(error)}`)
        })
        .finally(() => this.#refreshLater(this.#options.pollMs))
    })
  }

  async add(log: EventLog, signal?: AbortSignal): Promise<void> {
    for (;;) {
      const known = await this.#inTurn(() => this.#addIfThere(log))
      if (known === undefined) break
      // Not in its turn: the log may take long, and partitions come and go meanwhile.
      await refuseBehind(log, known, signal)
    }
    this.#advanced()
  }

  /** Adds it, unless the views hold more than is known of the log: then says up to where. */
  async #addIfThere(log: EventLog): Promise<bigint | undefined> {
    const { partition } = log
    if (this.#logs.has(partition)) throw new RangeError(`partition ${partition} is followed already`)
    const checkpoints = await this.#readVersions()
    const known = this.#known(checkpoints, log)
    if (log.head().sequence < known) return known
    await this.#follow(log, checkpoints)
    this.#logs.set(partition, log)
    return undefined
  }

  async remove(partition: number): Promise<void> {
    await this.#inTurn(async () => {
      this.#logs.delete(partition)
      const lanes = this.#lanes.get(partition)
      this.#lanes.delete(partition)
      await lanes?.stop()
      this.#point()
    })
  }

  versionStatus(key: VersionKey): ReadonlyMap<number, MemberStatus> {
    const own = [...this.#lanes].flatMap(([partition, lanes]) => {
      const status = lanes.status(key)
      return status === undefined ? [] : [[partition, status] as const]
    })
    return new Map(own)
  }

  status(): readonly ProjectionStatus[] {
    const head = new Map([...this.#logs.values()].map((log) => [log.partition, log.endSequence()]))
    return this.#projections.running.map(({ name, version: declared }) => {
      const version = this.#serving.versionOf(name) ?? declared
      const own = [...this.versionStatus({ name, version }).values()]
      return {
        name,
        version,
        isRequired: this.#required.includes(name),
        state: own.length < this.#logs.size ? 'catching-up' : worst(own.map(({ state }) => state)),
        position: this.positionOf(name),
        head,
        lagEvents: own.reduce((sum, { lagEvents }) => sum + lagEvents, 0n),
        lagSeconds: this.#lagSeconds(own),
        pumpAgeSeconds: this.#pumpAgeSeconds(own),
        recordedAtNs: own.reduce((latest, { checkpoint }) => (checkpoint.recordedAtNs > latest ? checkpoint.recordedAtNs : latest), 0n),
        failure: own.find(({ failure }) => failure !== undefined)?.failure,
      }
    })
  } // prettier-ignore

  #lagSeconds(own: readonly MemberStatus[]): number {
    const nowMs = this.#clock.nowMs()
    const oldest = own
      .map(({ oldestNs, lagEvents, checkpoint }) =>
        lagEvents === 0n ? undefined : (oldestNs ?? (checkpoint.recordedAtNs || undefined)),
      )
      .filter((time) => time !== undefined)
    return (nowMs - Math.min(nowMs, ...oldest.map((time) => Number(time / NS_PER_MS)))) / 1_000
  }

  #pumpAgeSeconds(own: readonly MemberStatus[]): number {
    const nowMs = this.#clock.monotonicMs()
    return (nowMs - Math.min(nowMs, ...own.map(({ movedAtMs }) => movedAtMs))) / 1_000
  }

  position(): Position {
    return earliestPosition(this.#required.map((name) => this.positionOf(name)))
  }

  positionOf(name: string): Position {
    return this.#serving.positionOf(name)
  }

  serving(): Serving {
    return this.#serving
  }

  /** Tells readers what there is to read, and how far it is. */
  #point(): void {
    const known = this.#versions
      .filter(({ role }) => role !== 'dropped')
      .map((version) => ({
        projection: version.name,
        version: version.version,
        isServing: version.role === 'serving',
        position: this.#positionOfVersion(version),
        tables: tablesOfVersion(version),
      }))
    this.#serving.take(known, this.#clock.monotonicMs())
    const isHeld = this.#required.some((name) => {
      const version = this.#serving.versionOf(name) ?? 0
      return !includesPosition(this.positionOf(name), this.#positionOfVersion({ name, version }))
    })
    // Readers who are kept where they are do not see all that is settled by now.
    if (!isHeld) this.#settledNs = this.#settledNow()
  }

  #positionOfVersion(key: VersionKey): Position {
    const own = [...this.#lanes].map(
      ([partition, lanes]) => [partition, lanes.status(key)?.checkpoint.sequence ?? 0n] as const,
    )
    return new Map(own)
  }

  /** The tables were made when it started. */
  absent(): undefined {
    return undefined
  }

  settledNs(): bigint {
    return this.#settledNs
  }

  #settledNow(): bigint {
    const held = [...this.#lanes].map(([partition, lanes]) => {
      const own = this.#required.map((name) => {
        const version = this.#serving.versionOf(name) ?? 0
        return lanes.status({ name, version })?.checkpoint ?? noCheckpoint(partition)
      })
      return [partition, own.reduce((least, one) => (one.sequence < least.sequence ? one : least))] as const
    })
    return settledNsOf([...this.#logs.values()], new Map(held))
  }

  async waitFor(position: Position, timeoutMs: number, name?: string): Promise<boolean> {
    const reached = name === undefined ? this.position() : this.positionOf(name)
    if (includesPosition(reached, position)) return true
    const waiting = this.#waiters.wait(position, timeoutMs, name)
    for (const partition of position.keys()) this.#lanes.get(partition)?.hurry()
    return waiting
  }

  onAdvance(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async pause(): Promise<void> {
    this.#isPaused = true
    await Promise.all([...this.#lanes.values()].map((lanes) => lanes.pause()))
  }

  resume(): void {
    this.#isPaused = false
    for (const lanes of this.#lanes.values()) lanes.resume()
  }

  async reset(): Promise<void> {
    await this.#inTurn(async () => {
      this.#refuseStopped()
      this.#report('projections: reset, filling all views from the beginning of the log')
      const { store } = this.#options
      const names = this.#projections.running.map(({ name }) => name)
      await writeVersions(store, resetting(await readVersions(store), names, 'reset'), this.#clock.nowMs())
      await this.#refreshUntilDone()
    })
  }

  /** What the registry says has been said: it is carried out, however long the store stays away. */
  async #refreshUntilDone(): Promise<void> {
    for (;;) {
      try {
        return await this.#refresh()
      } catch (error) {
        if (!(error instanceof OutageError)) throw error
        this.#report(`projections: ${error.message} Trying again.`)
        await new Promise<void>((resolve) => this.#clock.after(REFRESH_AGAIN_MS, resolve))
        this.#refuseStopped()
      }
    }
  }

  async #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const changed = this.#changing.then(change)
    this.#changing = changed.then(
      () => undefined,
      () => undefined,
    )
    return changed
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#callOff()
    this.#callOffWatch()
    await Promise.all([...this.#lanes.values()].map((lanes) => lanes.stop()))
    await this.#changing
    await Promise.all([...this.#lanes.values()].map((lanes) => lanes.stop()))
    await this.#members.stop()
    this.#waiters.end()
  }

  async #commands(statements: readonly string[]): Promise<void> {
    for (const statement of statements) {
      this.#refuseStopped()
      await this.#options.store.command(statement)
    }
  }

  /** After `stop` nothing may be started or emptied any more. */
  #refuseStopped(): void {
    if (this.#isStopped) throw new Error('the projections have been stopped')
  }

  #faulted(partition: number, { name, version }: Member, fault: LaneFault | undefined): void {
    // It goes on elsewhere: who asks there must not hear that it has stopped.
    if (fault?.error instanceof FencedError) return
    const { sequence = 0n, cause = '' } = fault ?? {}
    writeFault(this.#options.store, { name, version, partition, sequence, cause, atMs: this.#clock.nowMs() }).catch(
      (error: unknown) => this.#report(`projections: what stopped ${name} cannot be written down: ${messageOf(error)}`),
    )
  } // prettier-ignore

  #advanced(): void {
    this.#point()
    this.#waiters.reached((name) => (name === undefined ? this.position() : this.positionOf(name)))
    for (const listener of [...this.#listeners]) listener()
  }
}

/** Judged by what the log holds behind the views' word, not by what had been read of it when they gave it. */
async function refuseBehind(log: EventLog, known: bigint, signal?: AbortSignal): Promise<void> {
  if (log.head().sequence >= known) return
  const { sequence } = await log.currentHead(signal)
  if (sequence >= known) return
  throw new LogBehindViewsError(
    `The log of partition ${log.partition} ends at ${sequence}, but the views hold events up to ${known}. ` +
      'The log was exchanged or comes from an older copy: bring back the right log, or remove the views so that they are made anew.',
  )
}

/** The state an operator has to know of, where partitions differ. */
function worst(states: readonly ProjectionState[]): ProjectionState {
  const order = ['stopped', 'retrying', 'stalled', 'paused', 'catching-up', 'complete', 'live'] as const
  // Nothing to follow is no fault: other processes have the partitions.
  return order.find((state) => states.includes(state)) ?? 'live'
}
