/**
 * One life of the views' process: the real runtime, on a clock, a log and a store that end with it. Whatever the dead
 * process still waits for never comes, so none of its code runs again.
 */
import { LogBehindViewsError } from '../../../projectors/runtime/lanes/chain.ts'
import type { Clock } from '../../../projectors/runtime/ports.ts'
import { startProjections, type RunningProjections } from '../../../projectors/runtime/runtime.ts'
import { OutageError } from '../../../projectors/clickhouse/view-store.ts'
import { LogCorruptError } from '../../../eventlog/errors.ts'
import type { EventLog } from '../../../eventlog/ports.ts'
import type { Frame } from '../../../schemas/frames.ts'
import type { World } from '../world.ts'
import { keyOf } from './check.ts'
import { RegistryView } from './store/registry-view.ts'
import type { SimulatedStore, StoreConnection } from './store/store.ts'
import { inlineAuthor } from '../../../projectors/code/author/inline-author.ts'
import { CodeTarget } from '../../../projectors/code/code-target.ts'
import { RowsStore } from '../../../projectors/code/rows-store.ts'
import { declaredOf } from '../../../projectors/code/tables.ts'
import type { Projection, ProjectionSet } from '../../../projectors/projection.ts'
import type { Version } from '../../../projectors/registry/versions.ts'
import type { Target } from '../../../projectors/runtime/lanes/target.ts'

/** How the runtime is set for a seed: small ranges, so that there are many of them. */
export interface RuntimeSettings {
  readonly rangeEventsMax: number
  readonly rangeBytesMax: number
  readonly lingerMs: number
  readonly pollMs: number
  readonly projections: ProjectionSet
  /** States that a code projection keeps in memory. */
  readonly statesMax: number
}

/** Frames as the process is given them; a test may bend them. */
export type Delivery = (frames: AsyncIterable<Frame>) => AsyncIterable<Frame>

/** 2026, in ms: where the wall clocks of projectors begin. */
const WALL_MS = 1_780_000_000_000
const START_AGAIN_NS = 1_000_000_000n

const FENCED = 'is filled by another process since'
const EXPECTED = 'cannot take the event'

export class ViewsProcess {
  readonly #world: World
  readonly #registry: RegistryView
  readonly #log: EventLog
  readonly #settings: RuntimeSettings
  readonly #deliver: Delivery
  readonly #connection: StoreConnection
  readonly #unreadable: () => void
  #isAlive = true
  #isLogUnreadable = false
  #isFrozen = false
  /** What comes to a process that is stopped as by SIGSTOP. */
  #waiting: (() => void)[] = []
  /** The wall clock's error, ms. */
  #wallErrorMs = 0
  #running: RunningProjections | undefined
  #failure: Error | undefined

  /** @param unreadable called when a read of the log failed, which ends the runtime: it has to be started again */
  constructor(
    world: World,
    store: SimulatedStore,
    log: EventLog,
    settings: RuntimeSettings,
    deliver: Delivery = (frames) => frames,
    unreadable: () => void = () => undefined,
  ) {
    this.#world = world
    this.#registry = new RegistryView(store)
    this.#log = log
    this.#settings = settings
    this.#deliver = deliver
    this.#unreadable = unreadable
    this.#connection = store.connect()
    this.#start()
  }

  /** The runtime, once it has started. */
  get running(): RunningProjections | undefined {
    return this.#running
  }

  get isAlive(): boolean {
    return this.#isAlive
  }

  /** Why it did not start, or stopped by itself. */
  get failure(): Error | undefined {
    if (this.#failure !== undefined) return this.#failure
    const failure = this.#failures().find((one) => !one.includes(EXPECTED))
    return failure === undefined ? undefined : new Error(failure)
  }

  /** True if it was told that another one fills what it fills. */
  get isFenced(): boolean {
    return this.#failures().some((one) => one.includes(FENCED))
  }

  /** What stopped versions by itself, of all that are filled here. */
  #failures(): readonly string[] {
    const running = this.#running
    if (running === undefined) return []
    return this.#registry.versions().flatMap((version) => {
      const status = running.versionStatus(version).get(0)
      // Whoever reads first that it is dropped takes its tables away; the others find that out a moment later.
      return status?.state === 'stopped' && version.role !== 'dropped'
        ? [`${keyOf(version)}: ${status.failure ?? 'stopped, and does not say why'}`]
        : []
    })
  }

  /** True if it refused to start because the log ends before the views. */
  get isLogBehind(): boolean {
    return this.#failure instanceof LogBehindViewsError
  }

  /** True if it stopped because a read of the log failed. A log that is corrupt fails the seed. */
  get isLogUnreadable(): boolean {
    return this.#isLogUnreadable
  }

  /** Ends it where it stands. */
  kill(): void {
    this.#isAlive = false
    this.#running = undefined
    this.#connection.cut()
  }

  /** The wall clock jumps. */
  jumpMs(ms: number): void {
    this.#wallErrorMs += ms
  }

  #start(): void {
    startProjections({
      ...this.#settings,
      required: ['balances', 'history'],
      targetOfCode: (version, projection) => this.#targetOf(version, projection),
      store: this.#connection,
      logs: [this.#ownLog()],
      clock: this.#clock(),
      log: (line) => this.#world.trace(line),
    }).then(
      (running) => {
        this.#running = running
      },
      (error: unknown) => {
        // A platform whose views are out does not come up, and is started again.
        if (error instanceof OutageError)
          this.#later(START_AGAIN_NS, 'views process starts again', () => this.#start())
        else this.#failure = error as Error
      },
    )
  }

  #targetOf({ version }: Version, projection: Projection): Target {
    if (projection.kind !== 'code') throw new Error(`${projection.name} is not code`)
    const { statesMax } = this.#settings
    return new CodeTarget({
      projection: declaredOf(projection),
      rows: new RowsStore({
        store: this.#connection,
        layout: {},
        projection: declaredOf(projection),
        version,
      }),
      author: inlineAuthor(projection, { statesMax, stateBytesMax: 1e9 }),
    })
  }

  /** Stops it as by SIGSTOP, or lets it go on: it has not noticed. */
  freeze(isFrozen: boolean): void {
    this.#isFrozen = isFrozen
    this.#connection.hold(isFrozen)
    const tasks = this.#waiting
    this.#waiting = []
    for (const task of tasks) this.#run(task)
  }

  #run(task: () => void): void {
    if (this.#isFrozen) this.#waiting.push(task)
    else if (this.#isAlive) task()
  }

  #clock(): Clock {
    const monotonicMs = (): number => Number(this.#world.nowNs()) / 1e6
    return {
      monotonicMs,
      nowMs: () => WALL_MS + monotonicMs() + this.#wallErrorMs,
      after: (delayMs, task) => {
        let isOff = false
        const delayNs = BigInt(Math.ceil(delayMs * 1e6))
        this.#later(delayNs, 'views timer', () => {
          if (!isOff) task()
        })
        return () => {
          isOff = true
        }
      },
    }
  }

  #later(delayNs: bigint, what: string, task: () => void): void {
    this.#world.schedule(delayNs, what, () => this.#run(task))
  }

  /** The log, for as long as the process lives. */
  #ownLog(): EventLog {
    const log = this.#log
    const isAlive = (): boolean => this.#isAlive
    const deliver = this.#deliver
    const thawed = async (): Promise<void> => {
      if (this.#isFrozen) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    const failed = (error: unknown): void => {
      if (error instanceof LogCorruptError) return
      this.#isLogUnreadable = true
      this.#unreadable()
    }
    async function* whileAlive(frames: AsyncIterable<Frame>): AsyncIterable<Frame> {
      try {
        for await (const frame of frames) {
          await thawed()
          if (!isAlive()) await never()
          yield frame
        }
      } catch (error) {
        if (isAlive()) failed(error)
        throw error
      } finally {
        // A writer's crash closes its log and then takes the views down: they must not see the first without the second.
        if (!isAlive()) await never()
      }
    }
    return {
      partition: log.partition,
      head: () => log.head(),
      currentHead: (signal) => log.currentHead(signal),
      endSequence: () => log.endSequence(),
      logOffsetOf: (frame) => log.logOffsetOf(frame),
      read: (from) => whileAlive(log.read(from)),
      tail: (from, signal) => whileAlive(deliver(log.tail(from, signal))),
    }
  }
}

function never(): Promise<never> {
  return new Promise(() => undefined)
}
