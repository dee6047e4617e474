/** One partition over its lives: a machine, its disk, and the real writer on it, killed and started again. */
import { LogError } from '../../../eventlog/errors.ts'
import { readFramesSync } from '../../../eventlog/file/read/reader.ts'
import type { LogHead } from '../../../eventlog/ports.ts'
import { decodeEvents } from '../../../schemas/events.ts'
import { sameBytes, type Frame } from '../../../schemas/frames.ts'
import type { WalletCore } from '../../../writer/core/core.ts'
import { replayLog } from '../../../writer/recovery/replay-log.ts'
import { digestSections } from '../../../writer/recovery/state-digest.ts'
import { checkSums } from '../compare-state.ts'
import { DATA_FOLDER, FileWriter, type FileWriterOptions } from '../file-writer.ts'
import { insist } from '../insist.ts'
import { isDiskTrouble, SimulatedDisk } from '../simulated-disk.ts'
import { WallClock } from '../wall-clock.ts'
import type { World } from '../world.ts'
import type { Ledger } from './ledger.ts'
import type { CrossingOptions } from './options.ts'

/** A writer's life in good order: from its start until it is asked for nothing more. */
const RESTART_NS_MAX = 5_000_000

export interface NodeListener {
  /** Frames that are durable, the next ones of the partition. */
  accepted(frame: Frame): void
  /** The writer that had this epoch is gone, and what it did not answer is unknown. */
  lost(epoch: bigint): void
  fail(error: unknown): void
}

export class PartitionNode {
  readonly partition: number
  readonly clock: WallClock
  readonly frames: Frame[] = []
  writer: FileWriter
  readonly #world: World
  readonly #options: CrossingOptions
  readonly #core: FileWriterOptions['core']
  readonly #ledger: Ledger
  readonly #listener: NodeListener
  readonly #disk: SimulatedDisk
  #isUp = true
  /** Sequence at which the live core was last looked at. */
  #checked = -1n
  #isStopping = false

  constructor(
    world: World,
    options: CrossingOptions,
    partition: number,
    ledger: Ledger,
    listener: NodeListener,
  ) {
    this.partition = partition
    this.#world = world
    this.#options = options
    this.#ledger = ledger
    this.#listener = listener
    this.clock = new WallClock(world)
    this.#disk = new SimulatedDisk(world, options.faults)
    const { accountsMax, partitions, transferDeadlineMs, coordination } = options
    this.#core = {
      accountsInitial: 4,
      accountsMax,
      idsPerGeneration: 256,
      partitions,
      transferDeadlineMs,
      coordination,
    }
    this.writer = this.#start()
  }

  isReady(): boolean {
    return this.#isUp && this.writer.isReady() && !this.#isStopping
  }

  trouble(): void {
    const { random } = this.#world
    const { faults } = this.#options
    if (random.chance(faults.clockStill)) this.clock.standStill()
    if (random.chance(faults.clockJump)) this.clock.jump()
    if (!this.#isUp) return
    if (random.chance(faults.writeBack)) this.#disk.writeBack()
    if (random.chance(faults.writeFails)) this.#disk.planFailure('write')
    if (random.chance(faults.syncFails)) this.#disk.planFailure('sync')
    if (random.chance(faults.powerLossAtOperation)) this.#disk.planPowerLoss()
    if (random.chance(faults.powerLoss)) this.#losePower()
    else if (random.chance(faults.kill)) this.#kill()
    else if (random.chance(faults.cleanStop) && this.isReady()) {
      this.#isStopping = true
      this.writer.stop()
    }
  }

  heal(): void {
    this.#disk.heal()
    this.clock.heal()
  }

  async afterStep(turn: () => Promise<void>): Promise<void> {
    if (!this.#disk.disk.isDown()) return
    this.writer.end()
    await turn()
    this.#losePower()
  }

  /** The live core, which may be ahead of what is durable, balances at any moment. */
  check(): void {
    const { core } = this.writer
    if (core === undefined || !this.writer.process.isAlive() || core.sequence() === this.#checked) return
    this.#checked = core.sequence()
    checkSums(core)
    if (core.sequence() === BigInt(this.#ledger.events[this.partition]!.length))
      this.#ledger.books[this.partition]!.compare(core)
  }

  #start(): FileWriter {
    const { clock, partition } = this
    const world = this.#world
    this.#checked = -1n
    const writer: FileWriter = new FileWriter(
      world,
      clock,
      { writer: this.#options.writer, core: this.#core },
      this.#disk,
      {
        opened: (_, head) => {
          this.#checkOpened(head)
        },
        decided: () => undefined,
        durable: (frame) => {
          if (!this.frames.some(({ hash }) => sameBytes(hash, frame.hash))) this.#accept(frame)
        },
        recovered: (core) => {
          this.#checkRecovered(core, writer.log!.head())
        },
        died: (error) => {
          this.#died(error)
        },
        stopped: (core) => {
          world.cover('clean stop')
          this.#checkReplay(core)
          this.#bury(false)
        },
      },
      0n,
      partition,
    )
    return writer
  }

  #accept(frame: Frame): void {
    const last = this.frames.at(-1)
    insist(
      last === undefined || sameBytes(frame.previousHash, last.hash),
      'frames that follow each other',
      frame.firstSequence,
    )
    this.frames.push(frame)
    this.#ledger.take(this.partition, decodeEvents(frame.payload))
    this.#listener.accepted(frame)
  }

  /** What was durable is all there; what else is there is durable from now on. */
  #checkOpened(head: LogHead): void {
    let place = 0
    for (const frame of readFramesSync(this.#disk.disk, DATA_FOLDER, this.partition, 1n, head)) {
      const known = this.frames[place++]
      if (known === undefined) this.#accept(frame)
      else insist(sameBytes(known.hash, frame.hash), `durable frame ${place} in its place`, 'another')
    }
    insist(place === this.frames.length, `${this.frames.length} durable frames`, place)
  }

  #checkRecovered(core: WalletCore, head: LogHead): void {
    this.#checkReplay(core, head)
    this.#ledger.books[this.partition]!.compare(core)
  }

  #checkReplay(core: WalletCore, until?: LogHead): void {
    this.#disk.quietly(() => {
      const { digest } = replayLog(DATA_FOLDER, this.partition, {
        disk: this.#disk.disk,
        core: this.#core,
        ...(until && { until }),
      })
      insist(digest === digestSections(core.save()), 'the state to be that of a replay from zero', 'another')
    })
  }

  #died(error: unknown): void {
    const isOfDisk = isDiskTrouble(error) || this.#disk.disk.isDown()
    if (!isOfDisk || (error instanceof LogError && error.code === 'log_corrupt')) this.#listener.fail(error)
    else {
      this.#world.cover('writer died of its disk')
      this.#bury(false)
    }
  }

  #kill(): void {
    this.#world.fault('kill')
    this.writer.end()
    this.#bury(false)
  }

  #losePower(): void {
    this.#disk.losePower()
    this.#bury(true)
  }

  #bury(isPowerLost: boolean): void {
    if (!isPowerLost) this.#disk.disk.kill()
    const { epoch } = this.writer
    this.writer.bury()
    if (!this.#isUp) return
    this.#isUp = false
    this.#isStopping = false
    this.#listener.lost(epoch)
    this.#world.schedule(
      BigInt(this.#world.random.below(RESTART_NS_MAX)),
      'the operator starts it again',
      () => {
        this.#disk.disk.kill()
        this.#world.cover('restart')
        this.#isUp = true
        this.writer = this.#start()
      },
    )
  }
}
