/** The projections at work: tables, one pump per partition, and what operators and reads ask of them. */
import { frameBytesOf } from '../../eventlog/frame-budget.ts'
import type { EventLog } from '../../eventlog/ports.ts'
import { messageOf } from '../../schemas/errors.ts'
import { includesPosition, type Position } from '../../schemas/positions.ts'
import { LogBehindViewsError } from './chain.ts'
import {
  heldByAll,
  heldByAny,
  noCheckpoint,
  readCheckpoints,
  settledNsOf,
  takeOverCheckpoints,
  type Checkpoints,
} from './checkpoints.ts'
import { refuseIncomplete } from './completeness.ts'
import { createStatements, dropStatements } from '../clickhouse/view-tables.ts'
import type { Clock } from './ports.ts'
import type { Layout, ProjectionSet } from '../projection.ts'
import { Pump, type PumpState } from './pump.ts'
import type { RangeLimits } from './range.ts'
import { fixedServing, type Serving } from '../serving.ts'
import type { Projections, ProjectionStatus } from './status.ts'
import { systemClock } from './system-clock.ts'
import type { ViewStore } from '../clickhouse/view-store.ts'
import { PositionWaiters } from './position-waiters.ts'
import { NS_PER_MS } from '../../schemas/time.ts'

export interface ProjectionsOptions extends Partial<RangeLimits> {
  readonly store: ViewStore
  /** One log per partition; more may come, and these may go, while they run. */
  readonly logs: readonly EventLog[]
  /** How many partitions may have to be followed here: they share the memory for ranges. Default: as many as `logs`. */
  readonly partitions?: number
  /** Those of the deployment, and which of them run here. */
  readonly projections: ProjectionSet
  /** Names of those that reads wait for and go by; default: all that run here. */
  readonly required?: readonly string[]
  /** Default: one server, the database of the store. */
  readonly layout?: Layout
  /** Gets a line of text for whatever an operator should see. */
  readonly log?: (line: string) => void
  /** How long the first events of a range wait for more, in ms; default 40. */
  readonly lingerMs?: number
  /** Default: the machine's. */
  readonly clock?: Clock
}

const RANGE_EVENTS_MAX = 131_072
const LINGER_MS = 40

/** Running projections, with what an operator may do to them. They share one pass, so they are paused and reset together. */
export interface RunningProjections extends Projections {
  /**
   * Stops the views where they are; resolves when nothing is being written, or `resume` was called. Lasts until `resume`
   * or the process ends, also across a reset.
   */
  pause(): Promise<void>
  resume(): void
  /**
   * Empties all views and fills them again from the beginning of the log.
   * @throws OutageError if the store went away meanwhile: the views then stand still until they are reset again
   */
  reset(): Promise<void>
  /**
   * Follows one more log, from where the views are in its partition. Where they are further than what is known of the log,
   * that is waited for first: another process may just have written both.
   * @param signal ends that waiting
   * @throws as `startProjections`; what ends the log; RangeError if a log of that partition is followed already
   */
  add(log: EventLog, signal?: AbortSignal): Promise<void>
  /** Follows a partition's log no longer; resolves when nothing of it is being written. Harmless if it is not followed. */
  remove(partition: number): Promise<void>
}

/**
 * Makes the tables that are missing, finds out how far the views are, and starts to follow the logs.
 * @throws LogBehindViewsError if a log ends before the views do
 * @throws ViewsIncompleteError if the views hold events, and one of their tables is gone
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
  readonly #logs = new Map<number, EventLog>()
  readonly #report: (line: string) => void
  readonly #listeners = new Set<() => void>()
  readonly #clock: Clock
  readonly #waiters: PositionWaiters
  #pumps: Pump[] = []
  #isPaused = false
  #isStopped = false
  /** The pumps are gone, or going, because they are to begin anew. */
  #isResetting = false
  /** Why there are no pumps, if a reset did not come to its end. */
  #resetFailure: string | undefined
  /** What changes the set of pumps goes one behind the other: two at a time would start two for one partition. */
  #changing: Promise<void> = Promise.resolve()

  constructor(options: ProjectionsOptions) {
    this.#options = options
    this.#projections = options.projections
    for (const log of options.logs) this.#logs.set(log.partition, log)
    this.#clock = options.clock ?? systemClock
    this.#waiters = new PositionWaiters(this.#clock)
    this.#report = options.log ?? (() => undefined)
  }

  async start(): Promise<void> {
    const { store, layout } = this.#options
    await refuseIncomplete(store, this.#projections)
    await this.#commands(createStatements(this.#projections, layout))
    await takeOverCheckpoints(store, layout)
    const logs = [...this.#logs.values()]
    const checkpoints = await readCheckpoints(store)
    for (const log of logs) await refuseBehind(log, this.#known(checkpoints, log))
    this.#startPumps(logs, checkpoints)
  }

  /** Up to where one of the projections at least holds something of a log's partition. */
  #known(checkpoints: Checkpoints, { partition }: EventLog): bigint {
    const own = this.#projections.running.map(
      ({ name }) => [name, checkpoints.get(name) ?? new Map()] as const,
    )
    return heldByAny(new Map(own)).get(partition) ?? 0n
  }

  #startPumps(logs: readonly EventLog[], checkpoints: Checkpoints): void {
    this.#refuseStopped()
    const held = heldByAll(checkpoints, this.#projections.running)
    const { partitions = this.#options.logs.length } = this.#options
    const pumps = logs.map(
      (log) =>
        new Pump({
          rangeEventsMax: RANGE_EVENTS_MAX,
          rangeBytesMax: frameBytesOf(partitions),
          lingerMs: LINGER_MS,
          ...this.#options,
          clock: this.#clock,
          log,
          from: held.get(log.partition) ?? noCheckpoint(log.partition),
          report: this.#report,
          advanced: () => this.#advanced(),
        }),
    )
    this.#pumps = [...this.#pumps, ...pumps]
    for (const pump of pumps) pump.start(this.#isPaused)
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
    const checkpoints = await readCheckpoints(this.#options.store)
    const known = this.#known(checkpoints, log)
    if (log.head().sequence < known) return known
    this.#startPumps([log], checkpoints)
    this.#logs.set(partition, log)
    return undefined
  }

  async remove(partition: number): Promise<void> {
    await this.#inTurn(async () => {
      this.#logs.delete(partition)
      const pump = this.#pumps.find(({ checkpoint }) => checkpoint.partition === partition)
      this.#pumps = this.#pumps.filter((other) => other !== pump)
      await pump?.stop()
    })
  }

  status(): readonly ProjectionStatus[] {
    const nowMs = this.#clock.nowMs()
    const monotonicMs = this.#clock.monotonicMs()
    const oldest = this.#pumps
      .map(({ oldestNs, lagEvents, checkpoint }) =>
        lagEvents === 0n ? undefined : (oldestNs ?? (checkpoint.recordedAtNs || undefined)),
      )
      .filter((time) => time !== undefined)
    const oldestMs = Math.min(nowMs, ...oldest.map((time) => Number(time / NS_PER_MS)))
    const shared = {
      state: this.#state(),
      position: this.position(),
      head: new Map([...this.#logs.values()].map((log) => [log.partition, log.endSequence()])),
      lagEvents: this.#pumps.reduce((sum, pump) => sum + pump.lagEvents, 0n),
      lagSeconds: (nowMs - oldestMs) / 1_000,
      pumpAgeSeconds:
        (monotonicMs - Math.min(monotonicMs, ...this.#pumps.map((pump) => pump.movedAtMs))) / 1_000,
      recordedAtNs: this.#recordedAtNs(),
      failure: this.#pumps.find((pump) => pump.failure !== undefined)?.failure ?? this.#resetFailure,
    }
    const { required } = this.#options
    return this.#projections.running.map(({ name, version }) => ({
      name,
      version,
      isRequired: required?.includes(name) ?? true,
      ...shared,
    }))
  }

  #state(): PumpState {
    if (this.#isResetting) return 'catching-up'
    // Nothing to follow is no fault: other processes have the partitions.
    return this.#logs.size === 0 ? 'live' : worst(this.#pumps.map((pump) => pump.state))
  }

  position(): Position {
    return new Map(this.#pumps.map(({ checkpoint }) => [checkpoint.partition, checkpoint.sequence]))
  }

  /** They share one pass. */
  positionOf(name: string): Position {
    return this.#projections.running.some((one) => one.name === name) ? this.position() : new Map()
  }

  serving(): Serving {
    return { ...fixedServing(this.#projections.all), positionOf: (name) => this.positionOf(name) }
  }

  /** The tables were made when it started. */
  absent(): undefined {
    return undefined
  }

  /** Of the newest event that the views hold. */
  #recordedAtNs(): bigint {
    const times = this.#pumps.map(({ checkpoint }) => checkpoint.recordedAtNs)
    return times.reduce((latest, time) => (time > latest ? time : latest), 0n)
  }

  settledNs(): bigint {
    return settledNsOf(
      [...this.#logs.values()],
      new Map(this.#pumps.map(({ checkpoint }) => [checkpoint.partition, checkpoint])),
    )
  }

  async waitFor(position: Position, timeoutMs: number, name?: string): Promise<boolean> {
    if (name !== undefined && !this.#projections.running.some((one) => one.name === name)) return false
    return includesPosition(this.position(), position) || this.#waiters.wait(position, timeoutMs)
  }

  onAdvance(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async pause(): Promise<void> {
    this.#isPaused = true
    await Promise.all(this.#pumps.map((pump) => pump.pause()))
  }

  resume(): void {
    this.#isPaused = false
    for (const pump of this.#pumps) pump.resume()
  }

  async reset(): Promise<void> {
    await this.#inTurn(() => this.#reset())
  }

  async #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const changed = this.#changing.then(change)
    this.#changing = changed.then(
      () => undefined,
      () => undefined,
    )
    return changed
  }

  async #reset(): Promise<void> {
    this.#refuseStopped()
    this.#isResetting = true
    try {
      await Promise.all(this.#pumps.map((pump) => pump.stop()))
      this.#pumps = []
      // Before anything is gone: whoever remembers how far the views are has to hear that they hold nothing.
      this.#advanced()
      this.#report('projections: reset, filling all views from the beginning of the log')
      await this.#commands(dropStatements(this.#projections, this.#options.layout))
      await this.start()
      this.#resetFailure = undefined
    } catch (error) {
      const cause = messageOf(error)
      this.#resetFailure = `a reset did not come to its end, and has to be repeated: ${cause}`
      this.#report(`projections: ${this.#resetFailure}`)
      throw error
    } finally {
      this.#isResetting = false
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#changing
    await Promise.all(this.#pumps.map((pump) => pump.stop()))
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

  #advanced(): void {
    this.#waiters.reached(() => this.position())
    for (const listener of this.#listeners) listener()
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
function worst(states: readonly PumpState[]): PumpState {
  const order = ['stopped', 'retrying', 'stalled', 'paused', 'catching-up', 'live'] as const
  return order.find((state) => states.includes(state)) ?? 'stopped'
}
