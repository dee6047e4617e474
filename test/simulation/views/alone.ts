/** One seed of the views alone: a small log that grows, processes that die, a log that is exchanged, and the end in peace. */
import type { MemoryLog } from '../../support/memory-log.ts'
import { lastSequence } from '../../../schemas/frames.ts'
import { nodeTurn } from '../turn.ts'
import { createWorld } from '../world.ts'
import { lying, type Lie } from './lies.ts'
import type { ViewsProcess } from './process.ts'
import { SmallWriter } from './small-log.ts'
import { createSimulatedViews, VIEWS_COVERAGE } from './views.ts'
import { ViewsBrokenError } from './store/tables.ts'
import { PROJECTIONS, TABLES_OF } from './rows.ts'

/** What has to have happened over a run of seeds of the views alone. */
export const ALONE_COVERAGE = [
  ...VIEWS_COVERAGE,
  'views: log behind views refused',
  'views: log of another history refused',
  'views: broken chain refused',
  'views: lost table refused',
  'views: older runtime fenced',
  'views: event skipped',
  'views: rolled back',
  'views: bounded rebuild',
  'views: promotion of other rows refused',
] as const

export interface SeedReport {
  readonly seed: number
  /** What went wrong, with the last lines; undefined if nothing did. */
  readonly failure: string | undefined
  readonly steps: number
  readonly coverage: ReadonlyMap<string, number>
  readonly faults: ReadonlyMap<string, number>
  readonly traceHash: string
}

const MS = 1_000_000n
/** Virtual time in which healed views have to reach the head of the log. */
const CATCH_UP_NS_MAX = 300_000n * MS
/** Tasks after which a refusal has to have come. */
const TURNS_MAX = 20_000
const CALM_NS = 60_000n * MS
const LINES_SHOWN = 40

export async function runAlone(seed: number, onLine?: (line: string) => void): Promise<SeedReport> {
  const world = createWorld(seed, onLine)
  const { random } = world
  const writer = new SmallWriter(random)
  const views = createSimulatedViews(world, 1n)
  const crashes = random.chance(0.6)
  const lies = random.chance(0.3)
  let told: Lie | undefined
  let framesLeft = random.between(5, 120)
  let isOver = false

  function launch(log: MemoryLog = writer.log): ViewsProcess {
    told = undefined
    return views.launch(
      log,
      lies && !isOver
        ? lying(world, (lie) => {
            told ??= lie
          })
        : undefined,
    )
  }

  function grow(): void {
    writer.write()
    if (--framesLeft > 0) world.schedule(BigInt(random.between(0, 300)) * MS, 'writes', grow)
    else isOver = true
  }

  function crash(): void {
    if (isOver) return
    if (random.chance(0.3) && views.replace(writer.log)) {
      told = undefined
      return world.schedule(BigInt(random.between(50, 4_000)) * MS, 'crash', crash)
    }
    world.fault('views process killed')
    views.crash()
    world.schedule(BigInt(random.between(1, 500)) * MS, 'views process starts', () => {
      if (!isOver) launch()
      world.schedule(BigInt(random.between(50, 4_000)) * MS, 'crash', crash)
    })
  }

  async function step(): Promise<void> {
    if (!world.step()) throw new ViewsBrokenError('nothing is left to happen')
    await nodeTurn()
    if (told !== undefined && views.process()?.failure !== undefined) refused(views.process()!.failure!)
    views.check(writer.events)
  }

  /** The runtime saw through a lie: the process is started again, with the truth. */
  function refused(failure: Error): void {
    if (!failure.message.includes('The log does not continue the views')) throw failure
    world.cover('views: broken chain refused')
    views.crash()
    launch()
  }

  try {
    launch()
    await nodeTurn()
    world.schedule(0n, 'writes', grow)
    if (crashes) world.schedule(BigInt(random.between(50, 4_000)) * MS, 'crash', crash)
    while (!isOver) await step()
    await mishap()
    views.crash()
    views.heal()
    launch()
    const untilNs = world.nowNs() + CATCH_UP_NS_MAX
    while (views.position() < writer.log.head().sequence) {
      if (world.nowNs() > untilNs)
        throw new ViewsBrokenError(
          `healed views stand at ${views.position()} of ${writer.log.head().sequence}`,
        )
      await step()
    }
    await step()
    views.checkAll(writer.events)
    return report(undefined)
  } catch (error) {
    return report(error instanceof Error ? error : new Error(String(error)))
  }

  function report(error: Error | undefined): SeedReport {
    const { coverage, faults } = world
    const failure =
      error === undefined
        ? undefined
        : [String(error.stack), ...world.lastLines().slice(-LINES_SHOWN)].join('\n')
    return { seed, failure, steps: world.steps(), coverage, faults, traceHash: world.traceHash() }
  }

  /** Until all that was under way has come to its end. */
  async function calm(): Promise<void> {
    views.crash()
    const untilNs = world.nowNs() + CALM_NS
    world.schedule(CALM_NS, 'calm', () => undefined)
    while (world.nowNs() < untilNs) await step()
  }

  /** Starts the views on a log until they refuse to go on. */
  async function refusal(
    log: MemoryLog,
  ): Promise<{ readonly process: ViewsProcess; readonly message: string }> {
    const process = views.launch(log)
    for (let turns = 0; turns < TURNS_MAX && process.failure === undefined; turns++) {
      world.step()
      await nodeTurn()
    }
    return { process, message: process.failure?.message ?? 'nothing' }
  }

  /** Up to where every version that is there holds everything: one that is behind a fork would follow it. */
  function leastHeld(): bigint {
    const held = views.registry.versions().filter(({ role }) => role !== 'dropped').map(({ checkpoint }) => BigInt(checkpoint?.sequence ?? 0)) // prettier-ignore
    return held.reduce((least, one) => (one < least ? one : least), held[0] ?? 0n)
  }

  /** The log is brought back from an older copy, which may have gone on by itself: the views must not follow it. */
  async function exchangeLog(way: 'older' | 'forked'): Promise<void> {
    const position = leastHeld()
    const { frames } = writer.log
    const held = frames.findIndex((frame) => frame.count > 0 && lastSequence(frame) >= position)
    const kept = random.below(Math.max(1, held))
    const other = way === 'older' ? writer.older(kept) : writer.forked(kept)
    const { process, message } = await refusal(other)
    if (way === 'older' ? !process.isLogBehind : !message.includes('made from another history'))
      throw new ViewsBrokenError(
        `views at ${position} took a log that ends at ${other.head().sequence}: ${message}`,
      )
    world.cover(way === 'older' ? 'views: log behind views refused' : 'views: log of another history refused')
  }

  /** A table is gone: it must not come back empty behind a checkpoint. */
  async function loseTable(): Promise<void> {
    const { name } = random.pick(PROJECTIONS.all)
    const version = views.registry.serving(name)!
    views.store.lose(`${random.pick(TABLES_OF.get(name)!)}_v${version.version}`)
    const { message } = await refusal(writer.log)
    if (!message.includes('not there')) throw new ViewsBrokenError(`a lost table was not noticed: ${message}`)
    world.cover('views: lost table refused')
    let isReset = false
    // A reset that could not be said because the store is away has changed nothing: the operator says it again.
    const reset = (): void =>
      void views
        .process()!
        .running!.reset()
        .then(() => (isReset = true), reset)
    reset()
    for (let turns = 0; turns < TURNS_MAX && !isReset; turns++) {
      world.step()
      await nodeTurn()
    }
  }

  async function mishap(): Promise<void> {
    const way = random.pick(['none', 'older', 'forked', 'lost table'] as const)
    if (way === 'none') return
    views.quiet()
    await calm()
    if (leastHeld() === 0n) return
    await (way === 'lost table' ? loseTable() : exchangeLog(way))
  }
}
