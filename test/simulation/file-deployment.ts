/** The embedded deployment over its lives: one disk, one writer at a time, trouble, and what has to hold after each. */
import { LogError } from '../../eventlog/errors.ts'
import { readFramesSync } from '../../eventlog/file/read/reader.ts'
import type { LogHead } from '../../eventlog/ports.ts'
import { decodeEvents } from '../../schemas/events.ts'
import { sameBytes, type Frame } from '../../schemas/frames.ts'
import type { WalletCore } from '../../writer/core/core.ts'
import type { LoadedState } from '../../writer/recovery/load-state.ts'
import { replayLog } from '../../writer/recovery/replay-log.ts'
import { digestSections } from '../../writer/recovery/state-digest.ts'
import type { Clients, Door } from './clients.ts'
import { checkSums, compareState } from './compare-state.ts'
import { Damage, LOG_FOLDER } from './damage.ts'
import type { Deployment } from './deployment.ts'
import { DATA_FOLDER, FileWriter, PARTITION } from './file-writer.ts'
import { insist } from './insist.ts'
import type { SeedOptions } from './options.ts'
import { isDiskTrouble, SimulatedDisk } from './simulated-disk.ts'
import { describe, type Truth } from './truth.ts'
import type { SimulatedViews } from './views-port.ts'
import type { WallClock } from './wall-clock.ts'
import type { World } from './world.ts'

export interface DeploymentParts {
  readonly world: World
  readonly options: SeedOptions
  readonly clock: WallClock
  readonly truth: Truth
  readonly clients: Clients
  readonly views: SimulatedViews | undefined
  /** Ends the seed: something does not hold. */
  readonly fail: (error: unknown) => void
}

export class FileDeployment implements Deployment {
  private readonly parts: DeploymentParts
  private readonly disk: SimulatedDisk
  private readonly damage: Damage
  private writer: FileWriter
  private isHealed = false
  private isUp = true
  /** Since a log was last open, and with it its mark exact. */
  private wasPowerLost = false
  private stops = 0
  private whenStopped: (() => void) | undefined

  constructor(parts: DeploymentParts) {
    this.parts = parts
    this.disk = new SimulatedDisk(parts.world, parts.options.faults)
    this.damage = new Damage(parts.world, this.disk, parts.truth)
    this.writer = this.start()
  }

  door(): Door | undefined {
    return this.isUp && this.writer.isReady() && this.whenStopped === undefined ? this.writer : undefined
  }

  trouble(): void {
    const { world, options, truth } = this.parts
    const { random } = world
    const { faults } = options
    if (!this.isUp) return
    if (random.chance(faults.writeBack)) this.disk.writeBack()
    if (random.chance(faults.writeFails)) this.disk.planFailure('write')
    if (random.chance(faults.syncFails))
      this.disk.planFailure(random.pick(['sync', 'sync', 'syncFolder', 'create']))
    if (random.chance(faults.readFails)) this.disk.planReadFailure()
    if (random.chance(faults.diskFull)) this.disk.fillUp()
    if (random.chance(faults.powerLossAtOperation)) this.disk.planPowerLoss()
    if (random.chance(0.2))
      this.readFrom(1n + random.bigBelow(truth.sequence + 1n)).catch((error: unknown) => {
        if (!isDiskTrouble(error)) this.parts.fail(error)
      })
    if (random.chance(faults.viewsCrash)) this.crashViews()
    if (random.chance(faults.powerLoss)) this.losePower()
    else if (random.chance(faults.kill)) this.kill()
    else if (random.chance(faults.cleanStop)) this.stop(() => undefined)
  }

  /** After each step: a disk that lost power in the middle of its work takes the machine with it. */
  async afterStep(turn: () => Promise<void>): Promise<void> {
    if (!this.disk.disk.isDown()) return
    this.writer.end()
    await turn()
    this.losePower()
  }

  check(): void {
    const { core } = this.writer
    const { truth, views } = this.parts
    views?.check(truth.model.events)
    if (core === undefined || !this.writer.process.isAlive()) return
    if (core.sequence() === truth.model.wallet.sequence) compareState(core, truth.model)
    else checkSums(core)
  }

  heal(): void {
    this.isHealed = true
    this.disk.heal()
    this.parts.views?.heal()
  }

  /** Stops the writer cleanly and calls back when it has; it starts again by itself. */
  stop(then: () => void): void {
    if (!this.writer.isReady() || this.whenStopped !== undefined) return
    this.whenStopped = then
    this.writer.stop()
  }

  isWhole(): boolean {
    const { truth, views } = this.parts
    return views === undefined || views.position() === truth.sequence
  }

  /** The log from its first byte to its last is what was acknowledged, and nothing else. */
  checkEnd(): void {
    const { truth, clients, views } = this.parts
    const frames = [...readFramesSync(this.disk.disk, DATA_FOLDER, PARTITION, 1n)]
    // A writer that has just started again may have written what it has not told yet.
    const told = this.isUp ? frames.slice(0, truth.frames.length) : frames
    insist(told.length === truth.frames.length, `${truth.frames.length} frames in the log`, told.length)
    told.forEach((frame, place) => {
      insist(truth.placeOf(frame.hash) === place, `frame ${place} as it was acknowledged`, 'another')
    })
    clients.checkAgainst(frames, (frame) => decodeEvents(frame.payload))
    insist(truth.model.wallet.holds.size === 0, 'no hold left open', truth.model.wallet.holds.size)
    views?.check(truth.model.events)
  }

  private start(): FileWriter {
    const { world, options, clock, truth, views } = this.parts
    const writer: FileWriter = new FileWriter(
      world,
      clock,
      options,
      this.disk,
      {
        opened: (log, head, cut) => {
          if (cut !== undefined) {
            world.cover('torn tail cut')
            world.trace(`cut ${cut.bytesCut} bytes of ${cut.file}: ${cut.reason}`)
          }
          this.checkOpened(head)
          this.wasPowerLost = false
          views?.start(log)
        },
        decided: (frame) => {
          truth.decide(frame, clock.nowNs())
        },
        durable: (frame) => {
          this.durable(frame)
        },
        recovered: (core, state) => {
          this.checkRecovered(core, state, writer.log!.head())
        },
        died: (error) => {
          this.died(error)
        },
        stopped: (core) => {
          this.stopped(core)
        },
      },
      views?.position() ?? 0n,
    )
    return writer
  }

  /** What was acknowledged is all there, in its place; what else is there is accepted from now on. */
  private checkOpened(head: LogHead): void {
    const { truth, world } = this.parts
    let place = 0
    for (const frame of readFramesSync(this.disk.disk, DATA_FOLDER, PARTITION, 1n, head)) {
      const known = truth.frames[place]
      if (known === undefined) {
        truth.accept(frame)
        world.cover('unacknowledged frame kept')
      } else insist(sameBytes(known.frame.hash, frame.hash), `acknowledged frame ${place}`, 'another one')
      place++
    }
    if (this.disk.disk.list(LOG_FOLDER).filter((name) => name.endsWith('.seg')).length > 1)
      world.cover('segment rolled')
    insist(place === truth.frames.length, `${truth.frames.length} acknowledged frames`, place)
    insist(sameBytes(head.hash, truth.hash), 'a head that is the last frame', head.sequence)
    insist(head.nextCommandOffset === truth.nextCommandOffset, 'its command offset', head.nextCommandOffset)
  }

  /** Snapshot and tail are the log replayed from zero, and what the model knows. */
  private checkRecovered(core: WalletCore, state: LoadedState, head: LogHead): void {
    const { truth, options, world } = this.parts
    const { disk } = this.disk
    const replay = replayLog(DATA_FOLDER, PARTITION, { disk, core: options.core, until: head })
    insist(
      replay.digest === digestSections(core.save()),
      'snapshot and tail equal to a full replay',
      'another state',
    )
    compareState(core, truth.model)
    world.cover(state.snapshot === undefined ? 'recovered from the log alone' : 'recovered from a snapshot')
  }

  private durable(frame: Frame): void {
    const { truth, clients } = this.parts
    if (truth.placeOf(frame.hash) === undefined) truth.accept(frame)
    clients.acknowledge(frame)
  }

  private died(error: unknown): void {
    const { world, fail } = this.parts
    const isOfDisk = isDiskTrouble(error) || this.disk.disk.isDown()
    if (!isOfDisk || (error instanceof LogError && error.code === 'log_corrupt')) {
      fail(error)
      return
    }
    world.trace(`the writer died: ${(error as Error).message}`)
    world.cover('writer died of its disk')
    this.bury(false)
  }

  /** Reads the log from somewhere, and compares it with what was acknowledged. */
  private async readFrom(from: bigint): Promise<void> {
    const { truth, world } = this.parts
    const { log } = this.writer
    if (log === undefined) return
    let previous: Frame | undefined
    for await (const frame of log.read(from)) {
      const isNext = previous === undefined || sameBytes(frame.previousHash, previous.hash)
      insist(isNext, 'frames that a reader gets to follow each other', describe(frame))
      const isWanted = frame.firstSequence + BigInt(frame.count) > from || frame.firstSequence >= from
      insist(isWanted, `frames from sequence ${from} on`, describe(frame))
      if (previous === undefined)
        insist(frame.firstSequence <= from, `the reader's first frame to hold ${from}`, describe(frame))
      if (truth.placeOf(frame.hash) !== undefined) world.cover('read back')
      previous = frame
    }
  }

  /** The views fall alone, and are started again. */
  private crashViews(): void {
    const { views } = this.parts
    const { log } = this.writer
    if (views === undefined || log === undefined || !this.writer.isReady()) return
    this.parts.world.fault('views killed')
    views.crash()
    views.start(log)
  }

  private kill(): void {
    this.parts.world.fault('kill')
    this.parts.world.cover('crash')
    this.writer.end()
    this.bury(false)
  }

  private losePower(): void {
    this.parts.world.cover('crash')
    this.disk.losePower()
    this.bury(true)
  }

  /** The process is gone, and will be started again. */
  private bury(isPowerLost: boolean): void {
    const { world, clients, views } = this.parts
    if (!isPowerLost) this.disk.disk.kill()
    this.wasPowerLost ||= isPowerLost
    this.writer.bury()
    if (this.isUp) {
      clients.lose(this.writer)
      views?.crash()
      this.isUp = false
      this.whenStopped = undefined
      world.schedule(BigInt(world.random.below(5_000_000)), 'the operator starts it again', () => {
        this.startAgain()
      })
    }
  }

  private stopped(core: WalletCore): void {
    const { truth, views, clients, world } = this.parts
    const { disk } = this.disk
    this.stops++
    this.disk.quietly(() => {
      const replay = replayLog(DATA_FOLDER, PARTITION, { disk, core: this.parts.options.core })
      insist(
        replay.digest === digestSections(core.save()),
        'the state it stopped with equal to a replay',
        'another',
      )
      compareState(core, truth.model)
    })
    const then = this.whenStopped
    clients.lose(this.writer)
    views?.crash()
    this.writer.bury()
    disk.kill()
    this.isUp = false
    this.whenStopped = undefined
    then?.()
    world.schedule(BigInt(world.random.below(5_000_000)), 'the operator starts it again', () => {
      this.startAgain()
    })
  }

  private startAgain(): void {
    const { world, options } = this.parts
    const { random } = world
    const { faults } = options
    if (!this.isHealed)
      this.disk.quietly(() => {
        if (random.chance(faults.snapshotDamage)) this.damage.damageSnapshot()
        // After a power loss the mark may lag, so that damage on top of it would be a second fault.
        if (!this.wasPowerLost && random.chance(faults.bitFlip)) this.damage.flipBit()
        if (!this.wasPowerLost && random.chance(faults.oldCopy)) this.damage.putOldCopy()
        if (random.chance(faults.oldCopy)) this.damage.keepCopy()
      })
    this.disk.disk.kill()
    world.cover('restart')
    this.isUp = true
    this.writer = this.start()
  }
}
