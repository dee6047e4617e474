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
import type { RegistryView } from './store/registry-view.ts'
import { SimulatedStore } from './store/store.ts'
import { ViewsBrokenError } from './store/tables.ts'
import { PROJECTIONS } from './rows.ts'

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
  readonly registry: RegistryView
  /** The process that runs, if one does. */
  process(): ViewsProcess | undefined
  /** As `start`; whether a log behind the views is refused is left to the runtime. */
  launch(log: EventLog, deliver?: Delivery): ViewsProcess
  /** Compares every row now. */
  checkAll(events: readonly WalletEvent[]): void
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
  const check = new ViewsCheck(store)
  const { registry } = check
  const settings: RuntimeSettings = {
    rangeEventsMax: random.between(1, 60),
    rangeBytesMax: random.between(1_000, 20_000),
    lingerMs: random.between(0, 40),
  }
  const operatorActs = random.chance(0.6)
  let current: ViewsProcess | undefined
  let isHealed = false
  let checks = 0
  /** What readers were told last, by projection. */
  let reported = new Map<string, { readonly version: number; readonly told: bigint }>()

  /** While there is trouble, up to where what is read holds everything; afterwards, up to where all that is filled does. */
  function position(): bigint {
    const positions = PROJECTIONS.all.flatMap(({ name }) => {
      const own = registry.versions().filter((one) => one.name === name)
      const counted = own.filter(({ role, isBounded }) => role === 'serving' || (isHealed && role !== 'dropped' && !isBounded))
      return counted.length === 0 ? [0n] : counted.map(({ checkpoint }) => BigInt(checkpoint?.sequence ?? 0))
    })
    return positions.reduce((least, one) => (one < least ? one : least))
  } // prettier-ignore

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
    reported = new Map()
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
    process.running?.reset().then(
      () => world.cover('views: reset'),
      () => {
        // An outage: it has to be repeated, or the views stand still.
        world.schedule(BigInt(random.between(1, 500)) * MS, 'operator', () => {
          if (process.isAlive) reset(process)
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

  /** What the runtime says of itself is never more than what is stored, and readers never go back in time. */
  function checkRuntime(): void {
    if (current?.failure !== undefined && !current.isLogUnreadable)
      throw new ViewsBrokenError(`the views stopped: ${current.failure.message}`)
    const running = current?.running
    if (running === undefined) return
    for (const { name } of PROJECTIONS.all) {
      const version = running.serving().versionOf(name)
      const told = running.positionOf(name).get(0) ?? 0n
      const stored = registry.find(name, version)
      if (told > (stored?.highest ?? 0n))
        throw new ViewsBrokenError(`${name} ${version} says ${told}, and holds ${stored?.highest}`)
      const before = reported.get(name)
      const isGone = before !== undefined && registry.find(name, before.version)?.role === 'dropped'
      if (before !== undefined && told < before.told && !isGone)
        throw new ViewsBrokenError(`${name} said ${before.told} by version ${before.version}, and now ${told} by ${version}`)
      reported.set(name, { version: version ?? 0, told })
    }
  } // prettier-ignore

  return {
    store,
    registry,
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
  }
}
