/** One seed of crossings: trouble, then a time without any, in which everything ends; and at last all that came too late. */
import { createRandom } from '../random.ts'
import { insist, SimulationFailure } from '../insist.ts'
import { resultOf, type SeedResult } from '../seed.ts'
import { createWorld, type SimulatedWorld } from '../world.ts'
import { CrossingClients } from './clients.ts'
import { SimulatedCoordinator } from './coordinator.ts'
import { Ledger } from './ledger.ts'
import { Network } from './network.ts'
import { PartitionNode } from './node.ts'
import { drawCrossingOptions, type CrossingOptions } from './options.ts'

/** What has to have happened over a run of seeds. */
export const CROSSING_COVERAGE: readonly string[] = [
  'TransferReserved', 'TransferConfirmed', 'TransferCancelled', 'TransferDebited', 'TransferRecalled', 'TransferCompensated',
  'TransferCompleted', 'CancelAcknowledged', 'TransferReminded', 'CreditReserved', 'TransferCredited', 'CreditCancelled',
  'StepAnswered', 'cancelled by the deadline', 'mark of an empty Cancel', 'channel given on', 'steps at a closed door',
  'credit_account_not_found', 'credit_account_frozen', 'credit_account_closed', 'currency_mismatch', 'insufficient_funds',
  'debit_account_frozen', 'account_not_empty', 'accounts_full', 'balance_overflow', 'HoldReserved', 'HoldConfirmed', 'HoldDrawn', 'HoldReleased', 'ReleaseCompleted', 'CreditDrawn',
  'a hold expired', 'a post closed its hold', 'a post behind its release', 'amount_exceeds_hold', 'hold_not_open', 'restart', 'clean stop', 'a day late changed nothing',
  'a step was read again', 'a coordinator dropped steps', 'IdClaimed', 'id_reused', 'a claim that nobody used',
] // prettier-ignore
export const CROSSING_FAULTS: readonly string[] = [
  'steps lost', 'steps late', 'steps repeated', 'door killed', 'coordinator killed', 'coordinator paused', 'queue of steps busy', 'kill', 'power loss',
  'power loss in the middle of an operation', 'clock set forward', 'clock set back', 'clock stands still',
] // prettier-ignore

const STEPS_MAX = 200_000
/** Virtual time in which everything ends once nothing goes wrong any more: what was late, the longest reminder, and a few more. */
const REST_NS_MAX = 94_000_000_000n
const REST_PAUSE_NS = 50_000_000
const QUIET_TICKS = 4

export async function runCrossings(
  seed: number,
  turn: () => Promise<void>,
  onLine?: (line: string) => void,
): Promise<SeedResult<CrossingOptions>> {
  const world = createWorld(seed, onLine)
  const options = drawCrossingOptions(createRandom(seed ^ 0xc505))
  const run = new CrossingsRun(world, options)
  const failure = await run.toEnd(turn)
  return resultOf(seed, options, failure, world)
}

class CrossingsRun {
  readonly #world: SimulatedWorld
  readonly #options: CrossingOptions
  readonly #ledger: Ledger
  readonly #nodes: readonly PartitionNode[]
  readonly #network: Network
  readonly #coordinators: readonly SimulatedCoordinator[]
  readonly #clients: CrossingClients
  #phase: 'trouble' | 'rest' | 'late' | 'over' = 'trouble'
  #restsFromNs = 0n
  #sequences: readonly number[] = []
  #quietTicks = 0
  #failure: unknown

  constructor(world: SimulatedWorld, options: CrossingOptions) {
    this.#world = world
    this.#options = options
    const cover = (mark: string): void => {
      world.cover(mark)
    }
    const fail = (error: unknown): void => {
      this.#failure ??= error
    }
    const ledger = new Ledger(options.partitions, options.accountsMax, cover)
    this.#ledger = ledger
    this.#nodes = Array.from(
      { length: options.partitions },
      (_, partition) =>
        new PartitionNode(world, options, partition, ledger, {
          accepted: (frame) => {
            for (const coordinator of this.#coordinators) coordinator.accepted(partition)
            this.#clients.accepted(partition, frame)
          },
          lost: (epoch) => {
            this.#clients.lost(partition, epoch)
          },
          fail,
        }),
    )
    this.#network = new Network(world, options.network, this.#nodes)
    const frames = this.#nodes.map((node) => node.frames)
    this.#coordinators = Array.from(
      { length: options.coordinators },
      () => new SimulatedCoordinator(world, options, this.#network, frames, fail),
    )
    this.#clients = new CrossingClients(world, options, ledger, this.#nodes)
    this.#tickLater()
  }

  /** @returns what does not hold; undefined if everything does */
  async toEnd(turn: () => Promise<void>): Promise<string | undefined> {
    const world = this.#world
    try {
      while (this.#phase !== 'over') {
        insist(world.step(), 'something left to do', 'nothing')
        await turn()
        for (const node of this.#nodes) await node.afterStep(turn)
        for (const node of this.#nodes) node.check()
        if (this.#failure !== undefined) throw this.#failure as Error
        insist(world.steps() <= STEPS_MAX, `an end within ${STEPS_MAX} steps`, this.#phase)
        const isLate = this.#phase !== 'trouble' && world.nowNs() - this.#restsFromNs > REST_NS_MAX
        insist(!isLate, 'everything to end once nothing goes wrong', this.#openText())
      }
      return undefined
    } catch (error) {
      return error instanceof SimulationFailure ? error.message : String((error as Error).stack ?? error)
    }
  }

  #tickLater(): void {
    const meanNs = this.#phase === 'trouble' ? this.#options.pauseNs : REST_PAUSE_NS
    this.#world.schedule(BigInt(1 + this.#world.random.below(2 * meanNs)), 'tick', () => {
      this.#tick()
      if (this.#phase !== 'over') this.#tickLater()
    })
  }

  #tick(): void {
    const { random } = this.#world
    const { faults, offers } = this.#options
    switch (this.#phase) {
      case 'trouble':
        this.#clients.offer()
        for (const node of this.#nodes) node.trouble()
        for (const coordinator of this.#coordinators) {
          if (random.chance(faults.coordinatorKilled)) coordinator.kill()
          if (random.chance(faults.coordinatorPaused)) coordinator.pause()
        }
        if (this.#clients.offers >= offers) this.#rest()
        return
      case 'rest':
        this.#clients.finish()
        if (!this.#isQuiet()) return
        this.#ledger.checkRest()
        this.#sequences = this.#ledger.events.map(({ length }) => length)
        this.#network.bringKept()
        this.#phase = 'late'
        return
      case 'late':
        // What has arrived is consumed well before that.
        if (!this.#isQuiet() || ++this.#quietTicks < QUIET_TICKS) return
        for (const [partition, events] of this.#ledger.events.entries()) {
          const late = events.slice(this.#sequences[partition]).find(({ kind }) => kind !== 'StepAnswered')
          insist(late === undefined, 'steps that come a day late to change nothing', late?.kind)
        }
        this.#world.cover('a day late changed nothing')
        this.#phase = 'over'
        return
      case 'over':
        return
    }
  }

  #isQuiet(): boolean {
    return this.#clients.isSettled() && this.#network.isQuiet() && this.#ledger.isAtRest()
  }

  #rest(): void {
    this.#world.trace('from here on nothing goes wrong')
    this.#phase = 'rest'
    this.#restsFromNs = this.#world.nowNs()
    for (const node of this.#nodes) node.heal()
    this.#network.heal()
    for (const coordinator of this.#coordinators) coordinator.heal()
    this.#clients.heal()
  }

  #openText(): string {
    const open = [...this.#ledger.crossings.values()].filter(({ isOver }) => !isOver).length
    return `${open} crossings open, clients ${this.#clients.isSettled() ? 'settled' : 'waiting'}`
  }
}
