/** The projections at work: their versions as the registry has them, the lanes of each partition, and what operators and reads ask of them. */
import { frameBytesOf } from '../../eventlog/frame-budget.ts'
import type { EventLog } from '../../eventlog/ports.ts'
import { messageOf } from '../../schemas/errors.ts'
import { includesPosition, type Position } from '../../schemas/positions.ts'
import { formerViews } from '../clickhouse/former-views.ts'
import { OutageError } from '../clickhouse/view-store.ts'
import type { ProjectionSet } from '../projection.ts'
import { readSkips } from '../registry/skips.ts'
import { readRestored } from '../registry/restore.ts'
import { createRegistry } from '../registry/tables.ts'
import { readVersions, resetting, writeVersions, type Version } from '../registry/versions.ts'
import type { Serving } from '../serving.ts'
import { adopted } from './adopt.ts'
import { LogBehindViewsError } from './lanes/chain.ts'
import {
  heldByAny,
  readCheckpoints,
  takeOverCheckpoints,
  versionKey,
  type Checkpoints,
  type VersionKey,
} from './checkpoints.ts'
import { FaultWords } from './fault-words.ts'
import { FencedError } from './lanes/guard.ts'
import type { LaneFault, Member } from './lanes/lane.ts'
import { Members } from './members.ts'
import { PartitionLanes, type MemberStatus } from './lanes/partition-lanes.ts'
import type { Clock } from './ports.ts'
import { PositionWaiters } from './position-waiters.ts'
import { RANGES } from './lanes/range.ts'
import type { ProjectionsOptions, RunningProjections } from './running-projections.ts'
import { Standing } from './standing.ts'
import type { ProjectionStatus } from './status.ts'
import { systemClock } from './system-clock.ts'

export type { ProjectionsOptions, RunningProjections } from './running-projections.ts'

const REFRESH_AGAIN_MS = 1_000
/** For how long after a read ranges are as short as if somebody waited. */
const ATTENDED_MS = 10_000
/** How long the first read for a long time waits for what there is. */
const ATTEND_MS_MAX = 250
/** How often it is looked whether the registry is there still. */
const WATCH_MS = 3_000

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
  readonly #faultWords: FaultWords
  readonly #logs = new Map<number, EventLog>()
  readonly #lanes = new Map<number, PartitionLanes>()
  readonly #report: (line: string) => void
  readonly #listeners = new Set<() => void>()
  readonly #clock: Clock
  readonly #waiters: PositionWaiters
  readonly #standing: Standing
  #versions: readonly Version[] = []
  /** Dropped versions of which nothing is left. */
  readonly #removed = new Set<string>()
  #attendedAtMs = Number.NEGATIVE_INFINITY
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
    this.#faultWords = new FaultWords({ store: options.store, clock: this.#clock, report: this.#report })
    this.#standing = new Standing({
      running: options.projections.running,
      required: this.#required,
      logs: this.#logs,
      lanes: this.#lanes,
      clock: this.#clock,
    })
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
    await this.#say(async () =>
      adopted(this.#projections.running, await readVersions(store), await readCheckpoints(store)),
    )
    const checkpoints = await this.#readVersions()
    for (const log of this.#logs.values()) await refuseBehind(log, this.#known(checkpoints, log))
    for (const log of this.#logs.values()) await this.#follow(log, checkpoints)
    this.#standing.point(this.#versions)
    this.#refreshLater(this.#options.pollMs)
    this.#watchLater()
  }

  /** Says something new of versions; once more, if somebody else has said something of them at the same moment. */
  async #say(news: () => Promise<readonly Version[]>): Promise<void> {
    while (!(await writeVersions(this.#options.store, await news(), this.#clock.nowMs())))
      this.#refuseStopped()
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
      isAwaited: () => this.#waiters.areFor(log.partition) || this.#isAttended(),
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
      this.#standing.point(this.#versions)
    })
  }

  versionStatus(key: VersionKey): ReadonlyMap<number, MemberStatus> {
    return this.#standing.versionStatus(key)
  }

  status(): readonly ProjectionStatus[] {
    return this.#standing.status()
  }

  position(): Position {
    return this.#standing.position()
  }

  positionOf(name: string): Position {
    return this.#standing.positionOf(name)
  }

  serving(): Serving {
    return this.#standing.serving()
  }

  settledNs(): bigint {
    return this.#standing.settledNs()
  }

  /** The tables were made when it started. */
  absent(): undefined {
    return undefined
  }

  async waitFor(position: Position, timeoutMs: number, name?: string): Promise<boolean> {
    const reached = name === undefined ? this.position() : this.positionOf(name)
    if (includesPosition(reached, position)) return true
    const waiting = this.#waiters.wait(position, timeoutMs, name)
    for (const partition of position.keys()) this.#lanes.get(partition)?.hurry()
    return waiting
  }

  attend(): Promise<unknown> | undefined {
    const wasAttended = this.#isAttended()
    this.#attendedAtMs = this.#clock.monotonicMs()
    if (wasAttended) return undefined
    const head = new Map([...this.#logs.values()].map((log) => [log.partition, log.head().sequence]))
    return this.waitFor(head, ATTEND_MS_MAX)
  }

  #isAttended(): boolean {
    return this.#clock.monotonicMs() - this.#attendedAtMs < ATTENDED_MS
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
      await this.#say(async () => resetting(await readVersions(store), names, 'reset'))
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
    this.#faultWords.stop()
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
    const { sequence = 0n, cause = '' } = fault ?? {}
    if (fault?.error instanceof FencedError) {
      // No fault of the view: the other one fills it, and says of it what there is to say.
      this.#options.fenced?.(partition)
      return
    }
    this.#faultWords.say({ name, version, partition, sequence, cause })
  }

  #advanced(): void {
    this.#standing.point(this.#versions)
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
