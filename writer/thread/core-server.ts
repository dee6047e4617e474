/**
 * The loop at work, from its opening frame to its stop: asks for batches, steps when messages are in, counts what is
 * durable, sleeps until the next hold ends, drains when told to. It owns no thread, no timer and no port of its own: the
 * core thread hands them in, and so does the simulator.
 */
import type { CoreToLog, FrameReceipt, LogToCore } from '../../eventlog/handoff/log-messages.ts'
import type { LogHead } from '../../eventlog/ports.ts'
import type { WalletCore } from '../core/core.ts'
import { WriterLoop, type CommandBatch, type LoopPorts } from './loop.ts'
import type { LoadedState } from '../recovery/load-state.ts'
import { SnapshotKeeper, type KeptSnapshot, type SnapshotPorts } from '../snapshots/snapshot-keeper.ts'
import type { SnapshotRuleOptions } from '../snapshots/snapshot-rule.ts'
import { NS_PER_MS } from '../../schemas/time.ts'

/** Longest sleep until a hold's deadline is looked at again: the wall clock may be set meanwhile. */
const SLEEP_MS_MAX = 1_000
/** Batches that are asked for before the last one is decided, so that one is at hand when it is. */
const BATCHES_AHEAD = 2

/** The world, as the core server sees it: that of its loop and its snapshots, and what it tells and waits for itself. */
export interface CoreServerPorts extends LoopPorts, SnapshotPorts {
  toLog(message: CoreToLog): void
  /** The opening frame is durable. */
  serving(): void
  /** One more batch of commands is wanted. */
  wanted(): void
  /** All that was taken is durable, a snapshot is kept, and the log was told to stop. */
  stopped(): void
  /** Runs a task after so many milliseconds, in place of the one set before; undefined: only forgets that one. */
  wakeAfter(ms: number | undefined, task: () => void): void
}

export interface CoreServerStart {
  readonly partition: number
  /** Recovered up to the log's head. */
  readonly core: WalletCore
  /** Where the log ends. */
  readonly head: LogHead
  readonly snapshotRule: SnapshotRuleOptions
  /** The newest usable snapshot, if there is one. */
  readonly newestSnapshot: KeptSnapshot | undefined
}

/** The snapshot that a state was loaded from. */
export function newestSnapshotIn({ snapshot }: LoadedState): KeptSnapshot | undefined {
  if (snapshot === undefined) return undefined
  const { fileBytes, position } = snapshot
  return { sequence: position.sequence, takenAtNs: position.takenAtNs, fileBytes, durationMs: undefined }
}

export class CoreServer {
  /** The epoch of every frame of this writer. */
  readonly epoch: bigint
  private readonly ports: CoreServerPorts
  private readonly loop: WriterLoop
  private readonly keeper: SnapshotKeeper
  private framesDurable = 0
  private lastReceipt: FrameReceipt | undefined
  private batchesAsked = 0
  private isStepDue = false
  private isStopping = false
  private isStopped = false

  /** Hands over the opening frame. Throws if no slab is free for it. */
  constructor(start: CoreServerStart, ports: CoreServerPorts) {
    const { core, head } = start
    this.ports = ports
    this.epoch = head.epoch + 1n
    this.loop = new WriterLoop({ core, epoch: this.epoch, nextCommandOffset: head.nextCommandOffset }, ports)
    this.keeper = new SnapshotKeeper(
      {
        core,
        partition: start.partition,
        epoch: this.epoch,
        rule: start.snapshotRule,
        newest: start.newestSnapshot,
      },
      ports,
    )
    if (!this.loop.open()) throw new Error('no slab is free for the opening frame')
  }

  /** The newest snapshot that a start can use, if there is one. */
  newestSnapshot(): KeptSnapshot | undefined {
    return this.keeper.newest
  }

  isSnapshotUnderWay(): boolean {
    return this.keeper.isUnderWay()
  }

  /** Takes a batch that was wanted. */
  take(batch: CommandBatch): void {
    this.loop.take(batch)
    this.stepSoon()
  }

  /** Decides what was taken, waits until it is durable, keeps a snapshot, stops the log. */
  stop(): void {
    this.isStopping = true
    this.stepSoon()
  }

  onLog(message: LogToCore): void {
    // The log thread has told the main thread too, which ends the process.
    if (message.kind === 'failed') return
    for (const receipt of message.frames) {
      this.lastReceipt = receipt
      if (receipt.isIdleFrame) continue
      this.framesDurable++
      if (this.framesDurable === 1) {
        this.ports.changed()
        this.ports.serving()
        this.askForBatches()
      }
      this.keeper.durable(this.framesDurable, receipt)
    }
    this.stepSoon()
  }

  private askForBatches(): void {
    for (; this.batchesAsked < this.loop.batchesDecided + BATCHES_AHEAD; this.batchesAsked++)
      this.ports.wanted()
  }

  /** Steps when the messages that have arrived meanwhile are in: they share a frame. */
  private stepSoon(): void {
    if (this.isStepDue || this.isStopped) return
    this.isStepDue = true
    this.ports.soon(() => {
      this.isStepDue = false
      this.step()
    })
  }

  private step(): void {
    if (this.isStopped) return
    const step = this.loop.step()
    if (step === 'framed') {
      if (!this.isStopping) this.keeper.framed(this.loop.frames)
      this.askForBatches()
      this.stepSoon()
    }
    // All that was taken is decided and durable.
    const isDrained = step === 'idle' && !this.loop.hasCommands() && this.framesDurable === this.loop.frames
    if (isDrained && !this.isStopping) this.keeper.quiet(this.loop.frames, this.lastReceipt!)
    this.ports.changed()
    this.sleep()
    if (!this.isStopping || !isDrained) return
    this.isStopped = true
    this.ports.wakeAfter(undefined, () => undefined)
    void this.finish()
  }

  /** Until the next hold ends, or long enough that a snapshot is kept because nothing happens. */
  private sleep(): void {
    const waits: number[] = []
    if (!this.isStepDue) {
      const deadlineNs = this.loop.nextDeadlineNs()
      const leftMs = Number((deadlineNs - this.ports.nowNs()) / NS_PER_MS) + 1
      if (deadlineNs !== 0n) waits.push(Math.min(leftMs, SLEEP_MS_MAX))
      const quietMs = this.keeper.quietInMs()
      if (quietMs !== undefined) waits.push(quietMs)
    }
    const wakeMs = waits.length === 0 ? undefined : Math.max(1, Math.min(...waits))
    this.ports.wakeAfter(wakeMs, () => {
      this.stepSoon()
    })
  }

  private async finish(): Promise<void> {
    await this.keeper.finish(this.loop.frames, this.lastReceipt!)
    this.ports.toLog({ kind: 'stop' })
    this.ports.stopped()
  }
}
