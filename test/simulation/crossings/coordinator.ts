/**
 * A process that coordinates all partitions: the real coordinators, on logs, queues and a clock that the world rules. It is
 * killed between any two things that it does, and begins anew at the end of the logs; what it had read and not sent is gone.
 * Several run at a time.
 */
import type { Frame } from '../../../schemas/frames.ts'
import { Coordinator } from '../../../writer/coordinator/coordinator.ts'
import type { StepClock, StepQueue } from '../../../writer/coordinator/step-target.ts'
import { Process } from '../threads.ts'
import type { World } from '../world.ts'
import { FollowedLog } from './followed-log.ts'
import type { Network } from './network.ts'
import type { CrossingOptions } from './options.ts'

/** How long it takes to read a frame. */
const LATENCY_NS = 1_000_000
const RESTART_NS_MAX = 400_000_000

export class SimulatedCoordinator {
  readonly #world: World
  readonly #options: CrossingOptions
  readonly #network: Network
  /** Of each partition, its durable frames: they grow. */
  readonly #frames: readonly (readonly Frame[])[]
  readonly #fail: (error: unknown) => void
  #process!: Process
  #logs: readonly FollowedLog[] = []
  #coordinators: readonly Coordinator[] = []
  #isHealed = false

  constructor(
    world: World,
    options: CrossingOptions,
    network: Network,
    frames: readonly (readonly Frame[])[],
    fail: (error: unknown) => void,
  ) {
    this.#world = world
    this.#options = options
    this.#network = network
    this.#frames = frames
    this.#fail = fail
    this.#start()
  }

  /** A frame is durable. It reads each log in order, and every log by itself. */
  accepted(partition: number): void {
    if (this.#process.isAlive()) this.#logs[partition]!.accepted()
  }

  kill(): void {
    if (!this.#process.isAlive()) return
    this.#world.fault('coordinator killed')
    this.#process.end()
    this.#world.schedule(BigInt(this.#world.random.below(RESTART_NS_MAX)), 'a coordinator starts', () => {
      this.#start()
    })
  }

  pause(): void {
    this.#world.fault('coordinator paused')
    this.#process.pause(BigInt(this.#world.random.below(RESTART_NS_MAX)))
  }

  /** Its queues are busy no more, and it does not die of itself. */
  heal(): void {
    this.#isHealed = true
  }

  #start(): void {
    for (const coordinator of this.#coordinators) this.#cover(coordinator)
    const process = new Process(this.#world, LATENCY_NS, this.#fail)
    this.#process = process
    this.#logs = this.#frames.map((frames, partition) => new FollowedLog(partition, process, frames))
    const queues = this.#frames.map((_, partition) => this.#queue(partition, process))
    const { stepsMax } = this.#options
    this.#coordinators = this.#logs.map(
      (log) => new Coordinator({ log, queues, stepsMax, clock: this.#clock(process) }),
    )
    for (const coordinator of this.#coordinators)
      coordinator.run().catch((error: unknown) => {
        process.fail(error)
      })
  }

  /** What of its code was reached in this life. */
  #cover(coordinator: Coordinator): void {
    const { stepsReminded, stepsDropped } = coordinator.status()
    if (stepsReminded > 0) this.#world.cover('a step was read again')
    if (stepsDropped > 0) this.#world.cover('a coordinator dropped steps')
  }

  #queue(partition: number, process: Process): StepQueue {
    const { random } = this.#world
    const { faults, network } = this.#options
    let busyUntilNs = 0n
    return {
      offer: (slots, count, stored) => {
        // What still runs in the turn in which it was killed does nothing any more.
        if (!process.isAlive()) return { kind: 'taken' }
        const nowNs = this.#world.nowNs()
        if (!this.#isHealed && nowNs >= busyUntilNs && random.chance(network.busy)) {
          this.#world.fault('queue of steps busy')
          busyUntilNs = nowNs + BigInt(random.below(network.busyNsMax))
        }
        if (!this.#isHealed && nowNs < busyUntilNs) return { kind: 'busy' }
        if (!this.#isHealed && random.chance(faults.coordinatorKilledAtOffer / 2)) {
          this.kill()
          return { kind: 'taken' }
        }
        const isKept = this.#network.send(partition, { slots: slots.slice(), count })
        stored(isKept ? PLACED : undefined)
        if (!this.#isHealed && random.chance(faults.coordinatorKilledAtOffer / 2)) this.kill()
        return { kind: 'taken' }
      },
    }
  }

  #clock(process: Process): StepClock {
    return {
      monotonicMs: () => Number(this.#world.nowNs()) / 1e6,
      after: (delayMs, task) => {
        let isOff = false
        process.schedule(BigInt(Math.ceil(delayMs * 1e6)), 'a coordinator offers again', () => {
          if (!isOff) task()
        })
        return () => {
          isOff = true
        }
      },
    }
  }
}

/** Somewhere in the queue: a coordinator does not ask where. */
const PLACED = {
  offset: 0n,
  index: 0,
  end: { offset: 0n, index: 0 },
  before: () => 0,
  isRepeated: false,
  topic: 0,
}
