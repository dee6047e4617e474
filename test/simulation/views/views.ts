/**
 * The views of one seed: the real projections runtime over a simulated store, with an operator who pauses and resets, and
 * the check of what is stored. Started, killed and checked through the simulator's seam.
 */
import type { EventLog } from '../../../eventlog/ports.ts'
import { LogBehindViewsError } from '../../../projectors/runtime/chain.ts'
import type { WalletEvent } from '../../../schemas/events.ts'
import type { SimulatedViews } from '../views-port.ts'
import type { World } from '../world.ts'
import { ViewsCheck } from './check.ts'
import { ViewsProcess, type Delivery, type RuntimeSettings } from './process.ts'
import { SimulatedStore } from './store.ts'
import { ViewsBrokenError } from './tables.ts'

/** What has to have happened over a run of seeds. */
export const VIEWS_COVERAGE = [
  'views: insert retried',
  'views: reply lost',
  'views: partial insert',
  'views: duplicate',
  'views: store restarted',
  'views: checkpoint lost',
  'views: catch-up',
  'views: paused',
  'views: reset',
  'views: clock set back',
] as const

/** Checks after which all rows are compared again; as they are when all is quiet. */
const CHECKS_PER_THOROUGH = 30
const MS = 1_000_000n
/** The views' timers are of milliseconds and seconds, a simulated writer's of microseconds: their time goes faster by this. */
const HURRY = 100n
/** After which an unreadable log is tried again. */
const START_AGAIN_NS = 500n * MS

export interface ViewsUnderTest extends SimulatedViews {
  readonly store: SimulatedStore
  /** The process that runs, if one does. */
  process(): ViewsProcess | undefined
  /** As `start`; whether a log behind the views is refused is left to the runtime. */
  launch(log: EventLog, deliver?: Delivery): ViewsProcess
  /** Compares every row now. */
  checkAll(events: readonly WalletEvent[]): void
  /** The log is another one from here on. */
  forget(): void
}

/** @param hurry how many times faster than the world's their time goes */
export function createSimulatedViews(outside: World, hurry = HURRY): ViewsUnderTest {
  const world: World = {
    ...outside,
    nowNs: () => outside.nowNs() * hurry,
    // Rounded up: a timer that runs before its time has come would be set again, for ever at the same moment.
    schedule: (delayNs, what, task) => outside.schedule((delayNs + hurry - 1n) / hurry, what, task),
  }
  const { random } = world
  const store = new SimulatedStore(world)
  const check = new ViewsCheck(store, 0)
  const settings: RuntimeSettings = {
    rangeEventsMax: random.between(1, 60),
    rangeBytesMax: random.between(1_000, 20_000),
    lingerMs: random.between(0, 40),
  }
  const operatorActs = random.chance(0.6)
  let current: ViewsProcess | undefined
  let isHealed = false
  let checks = 0
  let reported = 0n
  let resets = 0

  function position(): bigint {
    return store.checkpoint(0)?.sequence ?? 0n
  }

  function launch(log: EventLog, deliver?: Delivery): ViewsProcess {
    if (log.head().sequence > position()) world.cover('views: catch-up')
    const launched = new ViewsProcess(world, store, log, settings, deliver, () =>
      world.schedule(START_AGAIN_NS, 'views process starts again', () => {
        if (launched !== current) return
        launched.kill()
        launch(log, deliver)
      }),
    )
    current = launched
    reported = 0n
    act(launched)
    return launched
  }

  /** The operator's next turn, for as long as this process lives. */
  function act(process: ViewsProcess): void {
    if (!operatorActs) return
    world.schedule(BigInt(random.between(10, 300)) * MS, 'operator', () => {
      if (!process.isAlive || isHealed) return
      const { running } = process
      if (running !== undefined && process.failure === undefined) {
        const turn = random.below(8)
        if (turn < 2) reset(process)
        else if (turn < 4) pause(process)
        else if (turn < 6) jump(process)
      }
      act(process)
    })
  }

  function pause(process: ViewsProcess): void {
    world.trace('operator pauses the views')
    void process.running?.pause().then(() => {
      if (process.running?.status()[0]?.state === 'paused') world.cover('views: paused')
    })
    world.schedule(BigInt(random.between(1, 2_000)) * MS, 'operator resumes the views', () => {
      if (process.isAlive) process.running?.resume()
    })
  }

  function reset(process: ViewsProcess): void {
    world.trace('operator resets the views')
    resets++
    process.running?.reset().then(
      () => {
        resets--
        world.cover('views: reset')
      },
      () => {
        // An outage: it has to be repeated, or the views stand still.
        world.schedule(BigInt(random.between(1, 500)) * MS, 'operator', () => {
          if (!process.isAlive) return
          resets--
          reset(process)
        })
      },
    )
  }

  function jump(process: ViewsProcess): void {
    const ms = random.between(-7_200_000, 3_600_000)
    if (ms < 0) world.cover('views: clock set back')
    world.fault('views clock jumps')
    process.jumpMs(ms)
  }

  /** What the runtime says of itself is never more than what is stored. */
  function checkRuntime(): void {
    if (resets > 0) {
      reported = 0n
      return
    }
    if (current?.failure !== undefined && !current.isLogUnreadable)
      throw new ViewsBrokenError(`the views stopped: ${current.failure.message}`)
    const status = current?.running?.status()[0]
    if (status === undefined) return
    const told = status.position.get(0) ?? 0n
    if (told > position()) throw new ViewsBrokenError(`the views say ${told}, and hold ${position()}`)
    if (told < reported) throw new ViewsBrokenError(`the views said ${reported}, and now ${told}`)
    reported = told
  }

  return {
    store,
    process: () => current,
    launch,
    position,
    start(log) {
      if (log.head().sequence < position())
        throw new LogBehindViewsError(
          `the log ends at ${log.head().sequence}, and the views at ${position()}`,
        )
      launch(log)
    },
    crash() {
      current?.kill()
      current = undefined
      resets = 0
      if (!isHealed && random.chance(0.5)) store.kill()
    },
    check(events) {
      checkRuntime()
      const isAtRest = isHealed && position() === BigInt(events.length)
      if (isAtRest || checks++ % CHECKS_PER_THOROUGH === 0) check.thorough(events)
      else check.quick(events)
    },
    checkAll(events) {
      checkRuntime()
      check.thorough(events)
    },
    heal() {
      isHealed = true
      store.heal()
      current?.running?.resume()
    },
    forget: () => check.restart(),
  }
}
