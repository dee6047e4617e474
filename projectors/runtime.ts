/** The projections at work: tables, one pump per partition, and what operators and reads ask of them. */
import type { EventLog } from '../eventlog/ports.ts'
import { includesPosition, type Position } from '../schemas/positions.ts'
import { LogBehindViewsError, type Checkpoint } from './chain.ts'
import { noCheckpoint, readCheckpoints } from './checkpoints.ts'
import { refuseIncomplete } from './completeness.ts'
import { createStatements, dropStatements } from './feed.ts'
import type { Clock } from './ports.ts'
import type { SqlProjection } from './projection.ts'
import { Pump, type PumpState } from './pump.ts'
import type { RangeLimits } from './range.ts'
import { PROJECTIONS } from './registry.ts'
import type { Projections, ProjectionStatus } from './status.ts'
import { systemClock } from './system-clock.ts'
import type { ViewStore } from './view-store.ts'
import { Waiters } from './waiters.ts'

export interface ProjectionsOptions extends Partial<RangeLimits> {
  readonly store: ViewStore
  /** One log per partition. */
  readonly logs: readonly EventLog[]
  /** Gets a line of text for whatever an operator should see. */
  readonly log?: (line: string) => void
  /** How long the first events of a range wait for more, in ms; default 40. */
  readonly lingerMs?: number
  /** Default: the machine's. */
  readonly clock?: Clock
}

const RANGE_EVENTS_MAX = 131_072
const RANGE_BYTES_MAX = 64 * 1024 * 1024
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
  readonly #projections: readonly SqlProjection[] = PROJECTIONS
  readonly #report: (line: string) => void
  readonly #listeners = new Set<() => void>()
  readonly #clock: Clock
  readonly #waiters: Waiters
  #pumps: Pump[] = []
  #isPaused = false
  #isStopped = false
  /** The pumps are gone, or going, because they are to begin anew. */
  #isResetting = false
  /** Why there are no pumps, if a reset did not come to its end. */
  #resetFailure: string | undefined
  /** Ends when no reset is under way. */
  #resetting: Promise<void> = Promise.resolve()

  constructor(options: ProjectionsOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#waiters = new Waiters(this.#clock)
    this.#report = options.log ?? (() => undefined)
  }

  async start(): Promise<void> {
    const { store, logs } = this.#options
    await refuseIncomplete(store, this.#projections)
    await this.#commands(createStatements(this.#projections))
    const checkpoints = await readCheckpoints(store)
    this.#refuseStopped()
    const starts = logs.map((log) => {
      const from = checkpoints.get(log.partition) ?? noCheckpoint(log.partition)
      refuseLogBehind(log, from)
      return new Pump({
        rangeEventsMax: RANGE_EVENTS_MAX,
        rangeBytesMax: RANGE_BYTES_MAX,
        lingerMs: LINGER_MS,
        ...this.#options,
        clock: this.#clock,
        store,
        log,
        from,
        report: this.#report,
        advanced: () => this.#advanced(),
      })
    })
    this.#pumps = starts
    for (const pump of starts) pump.start(this.#isPaused)
  }

  status(): readonly ProjectionStatus[] {
    const nowMs = this.#clock.nowMs()
    const monotonicMs = this.#clock.monotonicMs()
    const oldest = this.#pumps
      .map(({ oldestNs, lagEvents, checkpoint }) =>
        lagEvents === 0n ? undefined : (oldestNs ?? (checkpoint.recordedAtNs || undefined)),
      )
      .filter((time) => time !== undefined)
    const oldestMs = Math.min(nowMs, ...oldest.map((time) => Number(time / 1_000_000n)))
    const shared = {
      state: this.#isResetting ? ('catching-up' as const) : worst(this.#pumps.map((pump) => pump.state)),
      position: this.position(),
      head: new Map(this.#options.logs.map((log) => [log.partition, log.head().sequence])),
      lagEvents: this.#pumps.reduce((sum, pump) => sum + pump.lagEvents, 0n),
      lagSeconds: (nowMs - oldestMs) / 1_000,
      pumpAgeSeconds:
        (monotonicMs - Math.min(monotonicMs, ...this.#pumps.map((pump) => pump.movedAtMs))) / 1_000,
      recordedAtNs: this.recordedAtNs(),
      failure: this.#pumps.find((pump) => pump.failure !== undefined)?.failure ?? this.#resetFailure,
    }
    return this.#projections.map(({ name, version }) => ({ name, version, ...shared }))
  }

  position(): Position {
    return new Map(this.#pumps.map(({ checkpoint }) => [checkpoint.partition, checkpoint.sequence]))
  }

  recordedAtNs(): bigint {
    const times = this.#pumps.map(({ checkpoint }) => checkpoint.recordedAtNs)
    return times.reduce((latest, time) => (time > latest ? time : latest), 0n)
  }

  async waitFor(position: Position, timeoutMs: number): Promise<boolean> {
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
    // One behind the other: two at a time would start two sets of pumps.
    const reset = this.#resetting.then(() => this.#reset())
    this.#resetting = reset.catch(() => undefined)
    await reset
  }

  async #reset(): Promise<void> {
    this.#refuseStopped()
    this.#isResetting = true
    try {
      await Promise.all(this.#pumps.map((pump) => pump.stop()))
      this.#pumps = []
      this.#report('projections: reset, filling all views from the beginning of the log')
      await this.#commands(dropStatements(this.#projections))
      await this.start()
      this.#resetFailure = undefined
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error)
      this.#resetFailure = `a reset did not come to its end, and has to be repeated: ${cause}`
      this.#report(`projections: ${this.#resetFailure}`)
      throw error
    } finally {
      this.#isResetting = false
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#resetting
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
    this.#waiters.reached(this.position())
    for (const listener of this.#listeners) listener()
  }
}

function refuseLogBehind(log: EventLog, from: Checkpoint): void {
  const { sequence } = log.head()
  if (sequence >= from.sequence) return
  throw new LogBehindViewsError(
    `The log of partition ${log.partition} ends at ${sequence}, but the views hold everything up to ${from.sequence}. ` +
      'The log was exchanged or comes from an older copy: bring back the right log, or remove the views so that they are made anew.',
  )
}

/** The state an operator has to know of, where partitions differ. */
function worst(states: readonly PumpState[]): PumpState {
  const order = ['stopped', 'retrying', 'paused', 'catching-up', 'live'] as const
  return order.find((state) => states.includes(state)) ?? 'stopped'
}
