/**
 * Projections that run in other processes, as their checkpoints in the store tell of them. Polled: often while the views
 * are behind the log, rarely while they hold all of it. What runs them is not known here, only how far they are, and since
 * when they have not moved.
 */
import { unlessAborted } from '../../eventlog/abort.ts'
import type { EventLog } from '../../eventlog/ports.ts'
import { messageOf } from '../../schemas/errors.ts'
import { lastSequence, type Frame } from '../../schemas/frames.ts'
import { earliestPosition, includesPosition, type Position } from '../../schemas/positions.ts'
import type { Checkpoint } from './lanes/chain.ts'
import {
  heldBy,
  heldByAll,
  positionOf,
  readCheckpoints,
  settledNsOf,
  tablesThere,
  versionKey,
  type Checkpoints,
  type VersionKey,
} from './checkpoints.ts'
import { readFaults, type Fault } from '../registry/faults.ts'
import { REGISTRY_TABLES } from '../registry/tables.ts'
import { readVersions, knownVersions, type Version } from '../registry/versions.ts'
import type { Clock } from './ports.ts'
import type { Projection } from '../projection.ts'
import { PointedServing } from '../serving-pointer.ts'
import type { Serving } from '../serving.ts'
import type { Projections, ProjectionStatus } from './status.ts'
import { systemClock } from './system-clock.ts'
import { OutageError, type ViewStore } from '../clickhouse/view-store.ts'
import { PositionWaiters } from './position-waiters.ts'
import { NS_PER_MS } from '../../schemas/time.ts'

export interface RemoteProjectionsOptions {
  readonly store: ViewStore
  /** Those whose views are looked at. */
  readonly projections: readonly Projection[]
  /** Names of those that reads wait for and go by; default, and where none is named: all. */
  readonly required?: readonly string[]
  /** One per partition: what the views are to catch up with. */
  readonly logs: readonly EventLog[]
  /** Gets a line of text for whatever an operator should see. */
  readonly log?: (line: string) => void
  /** Pause between two looks at the checkpoints while the views are behind, in ms; default 40. */
  readonly pollMs?: number
  /** Default: the machine's. */
  readonly clock?: Clock
  /** After which time without movement views that are behind count as stalled, in ms; default 30,000. */
  readonly stalledMs?: number
  /** Why the store is known not to answer now: then nobody waits for the first look, and it is asked again and again. */
  readonly outage?: string | undefined
  /** Ends the first look; those behind it go on until `stop`. */
  readonly signal?: AbortSignal | undefined
}

const POLL_MS = 40
const POLL_IDLE_MS = 1_000
const FIRST_LOOK_MS_MAX = 5_000
/** A projector that is killed is replaced in less. */
const STALLED_MS = 30_000
/** Frames whose time is remembered until the views hold them: beyond it, every second one. */
const TIMES_MAX = 4_096

/** How old what is known of the registry may be, once it says anything. */
const REGISTRY_EVERY_MS = 1_000

/** What the registry says. */
interface Registry {
  readonly versions: readonly Version[]
  readonly faults: readonly Fault[]
}

const NOTHING_SAID: Registry = { versions: [], faults: [] }

interface FrameTime {
  readonly sequence: bigint
  readonly timeNs: bigint
}

/**
 * Reads how far the views are, and goes on looking. A store that cannot be reached is asked again until it can: by then
 * the views hold nothing, and every status says why.
 * @throws what says that something other than an outage is wrong; the signal's reason when it aborts
 */
export async function watchProjections(options: RemoteProjectionsOptions): Promise<Projections> {
  const remote = new RemoteProjections(options)
  await remote.start(options.signal)
  return remote
}

class RemoteProjections implements Projections {
  readonly #store: ViewStore
  readonly #projections: RemoteProjectionsOptions['projections']
  readonly #required: RemoteProjectionsOptions['projections']
  readonly #logs: readonly EventLog[]
  readonly #report: (line: string) => void
  readonly #pollMs: number
  readonly #stalledMs: number
  readonly #clock: Clock
  readonly #waiters: PositionWaiters
  readonly #listeners = new Set<() => void>()
  readonly #over = new AbortController()
  readonly #followers: Promise<void>[] = []
  /** By partition: when the frames were made that the views do not hold yet. */
  readonly #times = new Map<number, FrameTime[]>()
  readonly #serving = new PointedServing()
  #registry: Registry = NOTHING_SAID
  #registryAtMs = Number.NEGATIVE_INFINITY
  #checkpoints: Checkpoints = new Map()
  #held: ReadonlyMap<number, Checkpoint> = new Map()
  /** What all hold, required or not: what is older need not be remembered. */
  #heldByEvery: ReadonlyMap<number, Checkpoint> = new Map()
  /** By `Clock.monotonicMs`: when each view last moved in a partition, or held everything of it. Key: name, partition. */
  readonly #movedAtMs = new Map<string, number>()
  readonly #startedAtMs: number
  #outage: string | undefined
  #isTableThere = false
  #isPolling = false
  /** The pause until the next look is a long one. */
  #isResting = false
  /** Reads that wait now. */
  #waitersNow = 0
  #callOff: () => void = () => undefined

  constructor(options: RemoteProjectionsOptions) {
    this.#store = options.store
    this.#projections = options.projections
    const required = options.projections.filter(({ name }) => options.required?.includes(name) ?? true)
    this.#required = required.length === 0 ? options.projections : required
    this.#logs = options.logs
    this.#report = options.log ?? (() => undefined)
    this.#pollMs = options.pollMs ?? POLL_MS
    this.#clock = options.clock ?? systemClock
    this.#waiters = new PositionWaiters(this.#clock)
    this.#outage = options.outage
    this.#stalledMs = options.stalledMs ?? STALLED_MS
    this.#startedAtMs = this.#clock.monotonicMs()
  }

  async start(signal: AbortSignal | undefined): Promise<void> {
    if (this.#outage === undefined) await this.#lookFirst(signal)
    for (const log of this.#logs) this.#followers.push(this.#follow(log))
    this.#pollLater()
  }

  async #lookFirst(signal: AbortSignal | undefined): Promise<void> {
    try {
      this.#take(await unlessAborted(signal, () => this.#firstLook()))
    } catch (error) {
      signal?.throwIfAborted()
      if (!(error instanceof OutageError)) throw error
      this.#isOut(error)
    }
  }

  status(): readonly ProjectionStatus[] {
    const head = this.#head()
    const nowMs = this.#clock.nowMs()
    return this.#projections.map((projection) => {
      const { name } = projection
      const version = this.#serving.versionOf(name) ?? projection.version
      const own = this.#checkpoints.get(versionKey({ name, version })) ?? new Map<number, Checkpoint>()
      const position = positionOf(own)
      const lagEvents = behind(position, head)
      const ageMs = this.#clock.monotonicMs() - this.#leastMovedAtMs(name)
      const isStalled = lagEvents > 0n && ageMs > this.#stalledMs
      const fault = this.#registry.faults.find((one) => one.name === name && one.version === version)
      const isPaused = this.#registry.versions.some(
        (one) => one.name === name && one.version === version && one.isPaused,
      )
      const moving = isStalled ? 'stalled' : lagEvents === 0n ? 'live' : 'catching-up'
      const state = fault !== undefined ? 'stopped' : isPaused ? 'paused' : moving
      return {
        name,
        version,
        isRequired: this.#required.includes(projection),
        state: this.#outage !== undefined ? 'retrying' : state,
        position,
        head,
        lagEvents,
        lagSeconds: Math.max(0, (nowMs - this.#oldestMs(position, nowMs)) / 1_000),
        pumpAgeSeconds: ageMs / 1_000,
        recordedAtNs: latest(own),
        failure:
          this.#outage ??
          (fault === undefined ? (state === 'stalled' ? notFilled(ageMs) : undefined) : causeOf(fault)),
      }
    })
  }

  /** Of every partition: where the views hold nothing of one, at 0. */
  position(): Position {
    const least = earliestPosition(this.#required.map(({ name }) => this.positionOf(name)))
    return new Map(this.#logs.map(({ partition }) => [partition, least.get(partition) ?? 0n]))
  }

  positionOf(name: string): Position {
    return this.#serving.positionOf(name)
  }

  serving(): Serving {
    return this.#serving
  }

  /** What readers read of these projections. */
  #read(projections: readonly Pick<Projection, 'name' | 'version'>[]): readonly VersionKey[] {
    return projections.map(({ name, version }) => ({
      name,
      version: this.#serving.versionOf(name) ?? version,
    }))
  }

  absent(): string | undefined {
    if (this.#outage !== undefined) return `${this.#outage.replace(/\.$/, '')}.`
    return this.#isTableThere ? undefined : 'No projector has made the tables of the views yet.'
  }

  settledNs(): bigint {
    return settledNsOf(this.#logs, this.#held)
  }

  async waitFor(position: Position, timeoutMs: number, name?: string): Promise<boolean> {
    if (includesPosition(this.#positionOf(name), position)) return true
    this.#waitersNow++
    this.#hurry()
    try {
      return await this.#waiters.wait(position, timeoutMs, name)
    } finally {
      this.#waitersNow--
    }
  }

  /** Who fills them cannot be told; he makes no range long. */
  attend(): undefined {
    return undefined
  }

  #positionOf(name: string | undefined): Position {
    return name === undefined ? this.position() : this.positionOf(name)
  }

  onAdvance(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async stop(): Promise<void> {
    this.#over.abort()
    this.#callOff()
    this.#waiters.end()
    await Promise.all(this.#followers)
  }

  /** Looks again after a pause that goes by how far the views are. */
  #pollLater(): void {
    if (this.#over.signal.aborted) return
    const isLevel = this.#waitersNow === 0 && includesPosition(this.position(), this.#head())
    this.#isResting = isLevel || this.#outage !== undefined
    this.#callOff = this.#clock.after(this.#isResting ? POLL_IDLE_MS : this.#pollMs, () => void this.#poll())
  }

  /** Something has come, or is waited for: a long pause is cut short. */
  #hurry(): void {
    if (!this.#isResting || this.#isPolling || this.#outage !== undefined) return
    this.#callOff()
    this.#pollLater()
  }

  async #poll(): Promise<void> {
    this.#isPolling = true
    try {
      const checkpoints = await this.#ask()
      if (this.#outage !== undefined) this.#report('projections: the store answers again')
      this.#outage = undefined
      this.#take(checkpoints)
    } catch (error) {
      this.#isOut(error)
    }
    this.#isPolling = false
    this.#pollLater()
  }

  #isOut(error: unknown): void {
    this.#isTableThere = false
    const outage = `The store does not say how far the views are: ${messageOf(error)}`
    if (this.#outage === undefined && !this.#over.signal.aborted) this.#report(`projections: ${outage}`)
    this.#outage = outage
  }

  /** A store that takes the question and keeps silent keeps nobody from starting. */
  async #firstLook(): Promise<Checkpoints> {
    let callOff = (): void => undefined
    const late = new Promise<never>((_, reject) => {
      callOff = this.#clock.after(FIRST_LOOK_MS_MAX, () =>
        reject(new OutageError(`no answer for ${FIRST_LOOK_MS_MAX / 1_000} s`)),
      )
    })
    try {
      return await Promise.race([this.#ask(), late])
    } finally {
      callOff()
    }
  }

  /** Where no projector has made the tables yet, the views hold nothing. */
  async #ask(): Promise<Checkpoints> {
    // One that was just made is not all of them: an answer of a store whose tables are being made is no outage.
    this.#isTableThere ||= (await tablesThere(this.#store, REGISTRY_TABLES)).size === REGISTRY_TABLES.length
    if (!this.#isTableThere) return new Map()
    const nowMs = this.#clock.monotonicMs()
    if (this.#registry.versions.length === 0 || nowMs - this.#registryAtMs >= REGISTRY_EVERY_MS) {
      this.#registry = { versions: await readVersions(this.#store), faults: await readFaults(this.#store) }
      this.#registryAtMs = nowMs
    }
    return readCheckpoints(this.#store)
  }

  #take(checkpoints: Checkpoints): void {
    const before = this.position()
    this.#noteMoves(checkpoints)
    this.#checkpoints = checkpoints
    this.#point()
    this.#held = heldByAll(checkpoints, this.#read(this.#required))
    this.#heldByEvery = heldByAll(checkpoints, this.#read(this.#projections))
    this.#waiters.reached((name) => this.#positionOf(name))
    for (const [partition, times] of this.#times)
      this.#times.set(partition, notHeld(times, this.#heldByEvery.get(partition)?.sequence ?? 0n))
    const position = this.position()
    const hasMoved = !(includesPosition(before, position) && includesPosition(position, before))
    if (!hasMoved) return
    for (const listener of [...this.#listeners]) listener()
  }

  #point(): void {
    const known = knownVersions(this.#registry.versions, (version) => heldBy(this.#checkpoints, version))
    this.#serving.take(known, this.#clock.monotonicMs())
  }

  #noteMoves(checkpoints: Checkpoints): void {
    const nowMs = this.#clock.monotonicMs()
    for (const one of this.#read(this.#projections))
      for (const [partition, head] of this.#head()) {
        const sequence = checkpoints.get(versionKey(one))?.get(partition)?.sequence ?? 0n
        const before = this.#checkpoints.get(versionKey(one))?.get(partition)?.sequence ?? 0n
        if (sequence !== before || sequence >= head) this.#movedAtMs.set(`${one.name} ${partition}`, nowMs)
      }
  }

  /** When the partition of a view moved that has not for the longest time. */
  #leastMovedAtMs(name: string): number {
    const times = this.#logs.map(({ partition }) => this.#movedAtMs.get(`${name} ${partition}`))
    return Math.min(...times.map((time) => time ?? this.#startedAtMs))
  }

  /** Remembers when events came that the views do not hold. A log that fails tells others. */
  async #follow(log: EventLog): Promise<void> {
    try {
      const from = (this.position().get(log.partition) ?? 0n) + 1n
      for await (const frame of log.tail(from, this.#over.signal)) this.#remember(frame)
    } catch {
      return
    }
  }

  #remember(frame: Frame): void {
    if (frame.count === 0) return
    const held = this.#heldByEvery.get(frame.partition)?.sequence ?? 0n
    const times = notHeld(this.#times.get(frame.partition) ?? [], held)
    times.push({ sequence: lastSequence(frame), timeNs: frame.timeNs })
    this.#times.set(
      frame.partition,
      times.length > TIMES_MAX ? times.filter((_, index) => index % 2 === 0) : times,
    )
    this.#hurry()
  }

  #head(): Position {
    return new Map(this.#logs.map((log) => [log.partition, log.head().sequence]))
  }

  /** When the oldest event was made that a view at this position does not hold; now, if there is none. */
  #oldestMs(position: Position, nowMs: number): number {
    let oldestMs = nowMs
    for (const [partition, times] of this.#times) {
      const first = times.find(({ sequence }) => sequence > (position.get(partition) ?? 0n))
      if (first !== undefined) oldestMs = Math.min(oldestMs, Number(first.timeNs / NS_PER_MS))
    }
    return oldestMs
  }
}

function notFilled(ageMs: number): string {
  return `events wait, and the view has not moved for ${Math.floor(ageMs / 1_000)} s: look after the projectors`
}

function causeOf({ partition, sequence, cause }: Fault): string {
  return `stopped ${sequence === 0n ? `in partition ${partition}` : `at ${partition}:${sequence}`}: ${cause}`
}

function notHeld(times: readonly FrameTime[], sequence: bigint): FrameTime[] {
  return times.filter((time) => time.sequence > sequence)
}

function latest(checkpoints: ReadonlyMap<number, Checkpoint>): bigint {
  return [...checkpoints.values()].reduce(
    (time, { recordedAtNs }) => (recordedAtNs > time ? recordedAtNs : time),
    0n,
  )
}

/** Events that a view lacks. */
function behind(position: Position, head: Position): bigint {
  let events = 0n
  for (const [partition, sequence] of head) {
    const lag = sequence - (position.get(partition) ?? 0n)
    if (lag > 0n) events += lag
  }
  return events
}
