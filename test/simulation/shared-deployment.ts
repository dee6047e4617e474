/**
 * Writers that replace each other on one shared log: killed, paused and resumed, taken over while they still write, their
 * frames late or repeated, and strangers' frames between. Every reader has to come to the same history.
 */
import { seal } from '../../eventlog/handoff/seal.ts'
import { chainAfter, emptyChain, type ChainEnd } from '../../eventlog/file/layout/segments.ts'
import { createReaderRule } from '../../eventlog/reader-rule.ts'
import { decodeEvents } from '../../schemas/events.ts'
import { sameBytes, type Frame } from '../../schemas/frames.ts'
import { createCore } from '../../writer/core/core.ts'
import type { Door } from './clients.ts'
import { checkSums, compareState } from './compare-state.ts'
import type { Deployment } from './deployment.ts'
import type { DeploymentParts } from './file-deployment.ts'
import { PARTITION } from './file-writer.ts'
import { insist } from './insist.ts'
import { frameOf, SharedWriter, type SharedLog } from './shared-writer.ts'
import { describe } from './truth.ts'

/** How long a frame may be on its way, in ns. */
const LATE_NS_MAX = 3_000_000

export class SharedDeployment implements Deployment {
  private readonly parts: DeploymentParts
  private readonly entries: Uint8Array[] = []
  private readonly rule = createReaderRule(PARTITION)
  private readonly log: SharedLog
  /** Those that live, the newest last. */
  private writers: SharedWriter[] = []
  private end: ChainEnd = emptyChain(PARTITION)
  private isHealed = false
  private isStartDue = false

  constructor(parts: DeploymentParts) {
    this.parts = parts
    this.log = {
      entries: this.entries,
      send: (bytes) => {
        this.send(bytes)
      },
    }
    this.startLater()
  }

  /** Clients do not know who is the newest. */
  door(): Door | undefined {
    const ready = this.writers.filter((writer) => writer.isReady())
    return ready.length === 0 ? undefined : this.parts.world.random.pick(ready)
  }

  trouble(): void {
    const { world, options } = this.parts
    const { random } = world
    const { faults } = options
    if (random.chance(faults.takeover)) {
      world.fault('takeover')
      world.cover('takeover')
      this.startLater()
    }
    const some = this.writers.length === 0 ? undefined : random.pick(this.writers)
    if (some !== undefined && random.chance(faults.kill)) {
      world.fault('kill')
      world.cover('crash')
      some.end()
      this.ended(some, undefined)
    } else if (some !== undefined && random.chance(faults.powerLoss)) {
      world.fault('writer paused')
      some.process.pause(BigInt(random.below(20_000_000)))
    }
    if (random.chance(faults.hostileFrame)) this.sendHostile()
  }

  afterStep(): Promise<void> {
    return Promise.resolve()
  }

  check(): void {
    const { truth } = this.parts
    for (const { core, chain } of this.writers) {
      if (core.sequence() === truth.sequence && sameBytes(chain.hash, truth.hash))
        compareState(core, truth.model)
      else checkSums(core)
    }
  }

  heal(): void {
    this.isHealed = true
  }

  /** There is nothing to stop in good order: whoever is killed is replaced. */
  stop(then: () => void): void {
    for (const writer of [...this.writers]) {
      writer.end()
      this.ended(writer, undefined)
    }
    then()
  }

  isWhole(): boolean {
    return true
  }

  /** A reader from the first entry on, and a core that it feeds, know what the model knows. */
  checkEnd(): void {
    const { truth, clients, options } = this.parts
    const rule = createReaderRule(PARTITION)
    const core = createCore({ partition: PARTITION, ...options.core })
    const accepted: Frame[] = []
    for (const bytes of this.entries) {
      const frame = frameOf(bytes)
      if (rule.judge(frame).kind === 'void') continue
      if (frame.count > 0) core.apply(frame.payload)
      accepted.push(frame)
    }
    insist(accepted.length === truth.frames.length, `${truth.frames.length} accepted frames`, accepted.length)
    compareState(core, truth.model)
    clients.checkAgainst(accepted, (frame) => decodeEvents(frame.payload))
    insist(truth.model.wallet.holds.size === 0, 'no hold left open', truth.model.wallet.holds.size)
  }

  private send(bytes: Uint8Array): void {
    const { world, options } = this.parts
    const { random } = world
    const latencyNs = random.chance(0.9) ? options.writer.latencyNs : LATE_NS_MAX
    world.schedule(BigInt(1 + random.below(latencyNs)), 'a frame arrives', () => {
      this.arrive(bytes)
    })
    if (this.isHealed || !random.chance(options.faults.repeatedAppend)) return
    world.fault('append repeated')
    world.schedule(BigInt(1 + random.below(LATE_NS_MAX)), 'a frame arrives again', () => {
      this.arrive(bytes)
    })
  }

  /** Storage order is decided here. The real rule and the model's have to agree on every frame. */
  private arrive(bytes: Uint8Array): void {
    const { truth, world } = this.parts
    const frame = frameOf(bytes)
    this.entries.push(bytes)
    const expected = truth.continues(frame)
    const isAccepted = this.rule.judge(frame).kind === 'accepted'
    insist(isAccepted === expected, `${describe(frame)} ${expected ? 'accepted' : 'void'}`, 'the opposite')
    if (isAccepted) {
      truth.accept(frame)
      this.end = chainAfter(frame)
    } else world.cover('void frame')
    for (const writer of this.writers) writer.arrived()
  }

  /** A frame that nobody should have written: each kind breaks one part of the rule only. */
  private sendHostile(): void {
    const { world } = this.parts
    const { random } = world
    const { end } = this
    const content = {
      schemaVersion: 1,
      epoch: end.epoch,
      firstSequence: end.sequence + 1n,
      count: 0,
      timeNs: end.timeNs,
      nextCommandOffset: end.nextCommandOffset,
      nextCommandIndex: 0,
      payload: new Uint8Array(0),
    }
    const kinds = ['epoch', 'hash', 'sequence', 'partition', 'repeat'] as const
    const kind = random.pick(kinds)
    if ((kind === 'epoch' && end.epoch === 0n) || (kind === 'repeat' && this.entries.length === 0)) return
    world.fault(`hostile frame: ${kind}`)
    switch (kind) {
      case 'epoch':
        this.arrive(seal({ ...content, epoch: end.epoch - 1n }, end, end.sequence).bytes)
        return
      case 'hash':
        this.arrive(seal(content, { ...end, hash: new Uint8Array(32).fill(7) }, end.sequence).bytes)
        return
      case 'sequence':
        this.arrive(seal({ ...content, firstSequence: end.sequence + 2n }, end, end.sequence).bytes)
        return
      case 'partition':
        this.arrive(seal(content, { ...end, partition: PARTITION + 1 }, end.sequence).bytes)
        return
      case 'repeat':
        this.arrive(random.pick(this.entries))
        return
    }
  }

  private startLater(): void {
    if (this.isStartDue) return
    this.isStartDue = true
    const { world } = this.parts
    world.schedule(BigInt(world.random.below(3_000_000)), 'a writer starts', () => {
      this.isStartDue = false
      this.start()
    })
  }

  private start(): void {
    const { world, clock, options, truth, clients } = this.parts
    world.cover('restart')
    const writer: SharedWriter = new SharedWriter(world, clock, options, this.log, {
      decided: (frame) => {
        truth.decide(frame, clock.nowNs())
      },
      durable: (frame) => {
        insist(truth.placeOf(frame.hash) !== undefined, 'only accepted frames acknowledged', describe(frame))
        clients.acknowledge(frame)
      },
      ended: (error) => {
        this.ended(writer, error)
      },
    })
    this.writers.push(writer)
  }

  private ended(writer: SharedWriter, error: unknown): void {
    const { fail, clients } = this.parts
    this.writers = this.writers.filter((other) => other !== writer)
    if (error !== undefined) fail(error)
    clients.lose(writer)
    if (this.writers.length === 0) this.startLater()
  }
}
