/** One seed from its first step to its last: trouble first, then a time without any, in which everything has to come to rest. */
import { createRandom } from './random.ts'
import { Clients } from './clients.ts'
import type { Deployment } from './deployment.ts'
import { FileDeployment, type DeploymentParts } from './file-deployment.ts'
import { PARTITION } from './file-writer.ts'
import { SimulationFailure } from './insist.ts'
import { drawOptions, type SeedOptions } from './options.ts'
import { SharedDeployment } from './shared-deployment.ts'
import { Truth } from './truth.ts'
import { createSimulatedViews } from './views/views.ts'
import { WallClock } from './wall-clock.ts'
import { createWorld, type SimulatedWorld } from './world.ts'

/** @template Options what the seed drew */
export interface SeedResult<Options = SeedOptions> {
  readonly seed: number
  readonly options: Options
  /** What does not hold; undefined if everything does. */
  readonly failure: string | undefined
  readonly steps: number
  readonly faults: ReadonlyMap<string, number>
  readonly coverage: ReadonlyMap<string, number>
  /** The last lines of the trace. */
  readonly lines: readonly string[]
  readonly traceHash: string
}

/** Steps that a seed takes at most: far more than it needs. */
const STEPS_MAX = 60_000
/** Virtual time in which everything comes to rest once nothing goes wrong any more. */
const REST_NS_MAX = 20_000_000_000n

/**
 * @param turn lets everything run that waits for a promise, and comes back when nothing does
 * @param onLine is told of each line of the trace
 */
export async function runSeed(
  seed: number,
  turn: () => Promise<void>,
  onLine?: (line: string) => void,
): Promise<SeedResult> {
  const world = createWorld(seed, onLine)
  const options = drawOptions(createRandom(seed ^ 0x5eed))
  const run = new SeedRun(world, options)
  await run.toEnd(turn)
  return resultOf(seed, options, run.failure, world)
}

/** What has come of a seed in its world. */
export function resultOf<Options>(
  seed: number,
  options: Options,
  failure: string | undefined,
  world: SimulatedWorld,
): SeedResult<Options> {
  return {
    seed,
    options,
    failure,
    steps: world.steps(),
    faults: world.faults,
    coverage: world.coverage,
    lines: world.lastLines(),
    traceHash: world.traceHash(),
  }
}

class SeedRun {
  failure: string | undefined
  private readonly world: SimulatedWorld
  private readonly options: SeedOptions
  private readonly clock: WallClock
  private readonly truth: Truth
  private readonly clients: Clients
  private readonly deployment: Deployment
  private phase: 'trouble' | 'rest' | 'last start' | 'over' = 'trouble'
  private restsFromNs = 0n

  constructor(world: SimulatedWorld, options: SeedOptions) {
    this.world = world
    this.options = options
    this.clock = new WallClock(world)
    const cover = (event: string): void => {
      world.cover(event)
    }
    this.truth = new Truth(PARTITION, options.core, cover)
    const fail = (error: unknown): void => {
      this.fail(error)
    }
    this.clients = new Clients(world, options, this.truth, () => this.clock.trueNs(), fail)
    const parts: DeploymentParts = {
      world,
      options,
      clock: this.clock,
      truth: this.truth,
      clients: this.clients,
      views: options.views ? createSimulatedViews(world) : undefined,
      fail,
    }
    this.deployment = options.deployment === 'file' ? new FileDeployment(parts) : new SharedDeployment(parts)
    this.tickLater()
  }

  async toEnd(turn: () => Promise<void>): Promise<void> {
    try {
      while (this.phase !== 'over' && this.failure === undefined) {
        if (!this.world.step())
          throw new SimulationFailure('nothing is left to do, and the end is not reached')
        await turn()
        await this.deployment.afterStep(turn)
        this.deployment.check()
        this.truth.checkWhole()
        if (this.world.steps() > STEPS_MAX) throw new SimulationFailure(`no end after ${STEPS_MAX} steps`)
        const isLate = this.phase !== 'trouble' && this.world.nowNs() - this.restsFromNs > REST_NS_MAX
        if (isLate) throw new SimulationFailure(`no rest in ${REST_NS_MAX / 1_000_000n} ms without trouble`)
      }
    } catch (error) {
      this.fail(error)
    }
  }

  private fail(error: unknown): void {
    this.failure ??=
      error instanceof SimulationFailure ? error.message : String((error as Error).stack ?? error)
  }

  private tickLater(): void {
    const meanNs = this.phase === 'trouble' ? this.options.load.pauseNs : 5_000_000
    this.world.schedule(BigInt(1 + this.world.random.below(2 * meanNs)), 'tick', () => {
      this.tick()
      if (this.phase !== 'over') this.tickLater()
    })
  }

  private tick(): void {
    const { deployment, clients, world, options } = this
    const door = deployment.door()
    switch (this.phase) {
      case 'trouble':
        if (door === undefined) return
        clients.offer(door)
        if (clients.offers >= options.offers) {
          this.rest()
          return
        }
        if (world.random.chance(options.faults.clockStill)) this.clock.standStill()
        if (world.random.chance(options.faults.clockJump)) this.clock.jump()
        deployment.trouble()
        return
      case 'rest': {
        if (door === undefined) return
        const isDone = clients.isSettled() && this.truth.model.wallet.holds.size === 0
        if (!isDone) clients.finish(door)
        else if (deployment.isWhole())
          deployment.stop(() => {
            deployment.checkEnd()
            this.phase = 'last start'
          })
        return
      }
      case 'last start':
        // Once more, from what the clean stop left.
        if (door === undefined || !deployment.isWhole()) return
        deployment.checkEnd()
        this.phase = 'over'
        return
      case 'over':
        return
    }
  }

  private rest(): void {
    this.world.trace('from here on nothing goes wrong')
    this.phase = 'rest'
    this.restsFromNs = this.world.nowNs()
    this.deployment.heal()
    this.clock.heal()
  }
}
