/** The core thread's program: it recovers the state, then drives the loop, and hands copies of the state to be kept. */
import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import { LogError } from '../eventlog/errors.ts'
import type { CoreToLog, FrameReceipt, LogToCore } from '../eventlog/file/log-messages.ts'
import { openSlabPool, type SlabShare } from '../eventlog/file/slabs.ts'
import { createClock } from './clock.ts'
import {
  STATUS,
  type CoreThreadStart,
  type CoreToMain,
  type FromThenOn,
  type MainToCore,
  type Recover,
} from './core-messages.ts'
import { WriterLoop, type LoopPorts, type Slab } from './loop.ts'
import { loadState, replayTail, type LoadedState, type Replayed } from './recovery.ts'
import { SnapshotKeeper } from './snapshot-keeper.ts'
import { digestInThread } from './snapshot-jobs.ts'

/** Longest sleep until a hold's deadline is looked at again: the wall clock may be set meanwhile. */
const SLEEP_MS_MAX = 1_000
/** Batches that are asked for before the last one is decided, so that one is at hand when it is. */
const BATCHES_AHEAD = 2

/** The loop in its thread, from the opening frame on. */
class Server {
  private readonly main: MessagePort
  private readonly log: MessagePort
  private readonly state: LoadedState
  private readonly keeper: SnapshotKeeper
  private readonly loop: WriterLoop
  private readonly status: BigInt64Array
  private readonly nowNs = createClock()
  private readonly epoch: bigint
  private readonly replayed: Replayed
  private framesDurable = 0
  private lastReceipt: FrameReceipt | undefined
  private batchesAsked = 0
  private isStepDue = false
  private timer: NodeJS.Timeout | undefined
  private isStopping = false
  private isStopped = false

  constructor(main: MessagePort, start: CoreThreadStart, state: LoadedState, recover: Recover) {
    const { head } = recover
    this.main = main
    this.log = recover.logPort
    this.state = state
    this.status = new BigInt64Array(start.status)
    this.replayed = replayTail(start.dataDir, start.core.partition, state, head)
    this.epoch = head.epoch + 1n
    this.loop = new WriterLoop(
      { core: state.core, epoch: this.epoch, nextCommandOffset: head.nextCommandOffset },
      this.portsOver(recover.slabs),
    )
    this.keeper = new SnapshotKeeper({
      dataDir: start.dataDir,
      partition: start.core.partition,
      epoch: this.epoch,
      everyEvents: start.snapshotEveryEvents,
      newestSequence: state.snapshot?.position.sequence ?? 0n,
      saved: () => this.showStatus(),
      notice: (line) => this.tell({ kind: 'notice', line }),
    })
    this.log.on('message', (message: LogToCore) => this.onLog(message))
    if (!this.loop.open()) throw new Error('no slab is free for the opening frame')
  }

  onMain(message: FromThenOn): void {
    switch (message.kind) {
      case 'commands':
        this.loop.take(message)
        this.stepSoon()
        return
      case 'digest':
        digestInThread(this.state.core.save()).then(
          (digest) => this.tell({ kind: 'digest', id: message.id, digest, failure: undefined }),
          (error: unknown) =>
            this.tell({ kind: 'digest', id: message.id, digest: undefined, failure: String(error) }),
        )
        return
      case 'stop':
        this.isStopping = true
        this.stepSoon()
        return
    }
  }

  private onLog(message: LogToCore): void {
    // The log thread has told the main thread too, which ends the process.
    if (message.kind === 'failed') return
    for (const receipt of message.frames) {
      this.lastReceipt = receipt
      if (receipt.idleMark) continue
      this.framesDurable++
      if (this.framesDurable === 1) this.serve()
      this.keeper.durable(this.framesDurable, receipt)
    }
    this.stepSoon()
  }

  private serve(): void {
    this.showStatus()
    this.tell({ kind: 'serving', epoch: this.epoch, replayed: this.replayed })
    this.askForBatches()
  }

  private askForBatches(): void {
    for (; this.batchesAsked < this.loop.batchesDecided + BATCHES_AHEAD; this.batchesAsked++)
      this.tell({ kind: 'wanted' })
  }

  /** Steps when the messages that have arrived meanwhile are in: they share a frame. */
  private stepSoon(): void {
    if (this.isStepDue || this.isStopped) return
    this.isStepDue = true
    setImmediate(() => {
      this.isStepDue = false
      this.step()
    })
  }

  private step(): void {
    if (this.isStopped) return
    const step = this.loop.step()
    if (step === 'framed') {
      if (!this.isStopping) this.keeper.offer(this.state.core, this.loop.frames)
      this.askForBatches()
      this.stepSoon()
    }
    this.showStatus()
    this.sleepUntilDeadline()
    // All that was taken is decided and durable.
    const isDrained = step === 'idle' && !this.loop.hasCommands() && this.framesDurable === this.loop.frames
    if (this.isStopping && isDrained) {
      this.isStopped = true
      clearTimeout(this.timer)
      void this.finish()
    }
  }

  private sleepUntilDeadline(): void {
    clearTimeout(this.timer)
    const deadlineNs = this.loop.nextDeadlineNs()
    if (deadlineNs === 0n || this.isStepDue) return
    const leftMs = Number((deadlineNs - this.nowNs()) / 1_000_000n) + 1
    this.timer = setTimeout(() => this.stepSoon(), Math.max(1, Math.min(leftMs, SLEEP_MS_MAX)))
  }

  private async finish(): Promise<void> {
    await this.keeper.finish(this.state.core, this.lastReceipt!)
    const stop: CoreToLog = { kind: 'stop' }
    this.log.postMessage(stop)
    this.tell({ kind: 'stopped' })
  }

  private showStatus(): void {
    const { core } = this.state
    this.status[STATUS.accounts] = BigInt(core.accounts())
    this.status[STATUS.holdsOpen] = BigInt(core.holdsOpen())
    this.status[STATUS.snapshotSequence] = this.keeper.newestSequence
  }

  private tell(message: CoreToMain): void {
    this.main.postMessage(message)
  }

  private portsOver(share: SlabShare): LoopPorts {
    const pool = openSlabPool(share)
    const slabs: readonly Slab[] = Array.from({ length: pool.slabs }, (_, index) => ({
      index,
      payload: pool.payload(index),
    }))
    return {
      nowNs: this.nowNs,
      claim: () => {
        const index = pool.claim()
        return index === undefined ? undefined : slabs[index]
      },
      send: (frame: CoreToLog) => this.log.postMessage(frame),
    }
  }
}

function run(main: MessagePort, start: CoreThreadStart): void {
  const tell = (message: CoreToMain): void => main.postMessage(message)
  let server: Server | undefined
  const state = loadState(start.dataDir, start.core)
  main.on('message', (message: MainToCore) => {
    if (message.kind !== 'recover') {
      server!.onMain(message)
      return
    }
    try {
      server = new Server(main, start, state, message)
    } catch (error) {
      if (!(error instanceof LogError)) throw error
      tell({ kind: 'failed', code: error.code, message: error.message })
    }
  })
  tell({
    kind: 'loaded',
    file: state.snapshot?.file,
    sequence: state.snapshot?.position.sequence ?? 0n,
    passedOver: state.passedOver,
  })
}

if (parentPort !== null) run(parentPort, workerData as CoreThreadStart)
