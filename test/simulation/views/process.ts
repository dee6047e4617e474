/**
 * One life of the views' process: the real runtime, on a clock, a log and a store that end with it. Whatever the dead
 * process still waits for never comes, so none of its code runs again.
 */
import { LogBehindViewsError } from '../../../projectors/runtime/chain.ts'
import type { Clock } from '../../../projectors/runtime/ports.ts'
import { startProjections, type RunningProjections } from '../../../projectors/runtime/runtime.ts'
import { OutageError } from '../../../projectors/clickhouse/view-store.ts'
import { LogCorruptError } from '../../../eventlog/errors.ts'
import type { EventLog } from '../../../eventlog/ports.ts'
import type { Frame } from '../../../schemas/frames.ts'
import type { World } from '../world.ts'
import type { SimulatedStore, StoreConnection } from './store/store.ts'
import { PROJECTIONS } from './rows.ts'

/** How the runtime is set for a seed: small ranges, so that there are many of them. */
export interface RuntimeSettings {
  readonly rangeEventsMax: number
  readonly rangeBytesMax: number
  readonly lingerMs: number
}

/** Frames as the process is given them; a test may bend them. */
export type Delivery = (frames: AsyncIterable<Frame>) => AsyncIterable<Frame>

/** 2026, in ms: where the wall clocks of projectors begin. */
const WALL_MS = 1_780_000_000_000
const START_AGAIN_NS = 1_000_000_000n

export class ViewsProcess {
  readonly #world: World
  readonly #store: SimulatedStore
  readonly #log: EventLog
  readonly #settings: RuntimeSettings
  readonly #deliver: Delivery
  readonly #connection: StoreConnection
  readonly #unreadable: () => void
  #isAlive = true
  #isLogUnreadable = false
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
    this.#store = store
    this.#log = log
    this.#settings = settings
    this.#deliver = deliver
    this.#unreadable = unreadable
    this.#connection = this.#store.connect()
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
    const stopped = this.#running?.status().find(({ state }) => state === 'stopped')
    return stopped === undefined ? undefined : new Error(stopped.failure ?? 'stopped, and does not say why')
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
      projections: PROJECTIONS,
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
    this.#world.schedule(delayNs, what, () => {
      if (this.#isAlive) task()
    })
  }

  /** The log, for as long as the process lives. */
  #ownLog(): EventLog {
    const log = this.#log
    const isAlive = (): boolean => this.#isAlive
    const deliver = this.#deliver
    const failed = (error: unknown): void => {
      if (error instanceof LogCorruptError) return
      this.#isLogUnreadable = true
      this.#unreadable()
    }
    async function* whileAlive(frames: AsyncIterable<Frame>): AsyncIterable<Frame> {
      try {
        for await (const frame of frames) {
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
