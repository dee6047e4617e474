/**
 * The views of one seed: the real projections runtime over a simulated store, with an operator who pauses and resets, and
 * the check of what is stored. Started, killed and checked through the simulator's seam.
 */
import type { EventLog } from '../../../eventlog/ports.ts'
import { LogBehindViewsError } from '../../../projectors/runtime/lanes/chain.ts'
import type { WalletEvent } from '../../../schemas/events.ts'
import type { SimulatedViews } from '../views-port.ts'
import type { World } from '../world.ts'
import { ViewsCheck } from './check.ts'
import { ViewsProcess, type Delivery, type RuntimeSettings } from './process.ts'
import type { RegistryView } from './store/registry-view.ts'
import { SimulatedStore } from './store/store.ts'
import { ViewsBrokenError } from './store/tables.ts'
import { PROJECTIONS, projectionsOf, TABLES_OF } from './rows.ts'
import { Operator } from './operator.ts'

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
  'views: rebuild',
  'views: promoted',
  'views: version dropped',
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
  /** The operator begins nothing new. */
  quiet(): void
  /** The process stands still as by SIGSTOP, another one takes its place, and later it goes on, not knowing. */
  replace(log: EventLog, deliver?: Delivery): boolean
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
  const poison = random.chance(0.2)
    ? { table: random.pick([...TABLES_OF.values()].flat()), sequence: BigInt(random.between(1, 80)) }
    : undefined
  const settings: RuntimeSettings = {
    rangeEventsMax: random.between(1, 60),
    rangeBytesMax: random.between(1_000, 20_000),
    lingerMs: random.between(0, 40),
    pollMs: random.between(1_000, 8_000),
    statesMax: random.pick([0, 2, 1_000]),
    projections: projectionsOf(poison?.table === 'turnover' ? poison.sequence : undefined),
  }
  if (poison !== undefined) store.poison(poison.table, poison.sequence)
  const operatorActs = random.chance(0.6)
  let current: ViewsProcess | undefined
  let isHealed = false
  let isQuiet = false
  /** Processes that go on although another one has taken their place. */
  let olders: ViewsProcess[] = []
  const operator = new Operator({
    world,
    store,
    check,
    projections: settings.projections,
    process: () => current,
    head: () => log?.endSequence() ?? 0n,
    acts: random.chance(0.7),
  })
  let checks = 0
  let log: EventLog | undefined
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

  function launch(given: EventLog, deliver?: Delivery): ViewsProcess {
    log = given
    if (given.head().sequence > position()) world.cover('views: catch-up')
    const launched = new ViewsProcess(world, store, given, settings, deliver, () =>
      world.schedule(START_AGAIN_NS, 'views process starts again', () => {
        if (launched !== current) return
        launched.kill()
        launch(given, deliver)
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
      if (!process.isAlive || isQuiet) return
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
    for (const older of olders)
      if (older.isFenced) world.cover('views: older runtime fenced')
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
    start(given) {
      if (given.head().sequence < position())
        throw new LogBehindViewsError(
          `the log ends at ${given.head().sequence}, and the views at ${position()}`,
        )
      launch(given)
    },
    crash() {
      for (const one of [current, ...olders]) one?.kill()
      olders = []
      current = undefined
      if (!isHealed && random.chance(0.5)) store.kill()
    },
    check(events) {
      checkRuntime()
      const isAtRest = isHealed && position() === BigInt(events.length)
      if (isAtRest || checks++ % CHECKS_PER_THOROUGH === 0) check.thorough(events)
      else check.quick(events)
    },
    replace(given, deliver) {
      const older = current
      // One that had not begun would begin last, and rightly take everything over.
      if (older?.running === undefined) return false
      world.fault('views process stopped and replaced')
      older.freeze(true)
      launch(given, deliver)
      world.schedule(BigInt(random.between(10, 4_000)) * MS, 'the older views process goes on', () => {
        if (!older.isAlive) return
        older.freeze(false)
        olders.push(older)
      })
      return true
    },
    quiet() {
      isQuiet = true
      operator.tidy()
    },
    checkAll(events) {
      checkRuntime()
      check.thorough(events)
    },
    heal() {
      isHealed = true
      isQuiet = true
      store.heal()
      operator.tidy()
      current?.running?.resume()
    },
  }
}
