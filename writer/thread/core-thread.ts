/** The core thread's program: it recovers the state, then joins the core server to this thread's ports and timers. */
import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import { nodeDisk } from '../../eventlog/disk/disk.ts'
import { readFramesAhead } from '../../eventlog/file/read/read-ahead.ts'
import { LogError } from '../../eventlog/errors.ts'
import type { CoreToLog, LogToCore } from '../../eventlog/handoff/log-messages.ts'
import { openSlabPool, type SlabPool } from '../../eventlog/handoff/slabs.ts'
import { createClock } from './clock.ts'
import {
  STATUS,
  type CoreThreadStart,
  type CoreToMain,
  type FromThenOn,
  type LoadedSnapshot,
  type MainToCore,
  type Recover,
} from './core-messages.ts'
import { CoreServer, newestSnapshotIn, type CoreServerPorts } from './core-server.ts'
import type { Slab } from './loop.ts'
import {
  TailReplay,
  loadNewestState,
  replayTail,
  type LoadedState,
  type Replayed,
} from '../recovery/load-state.ts'
import type { SectionLength } from '../core/core.ts'
import type { SnapshotPosition } from '../snapshots/snapshot-format.ts'
import { digestInThread, saveInThread } from '../snapshots/snapshot-jobs.ts'
import type { SinkListener, SnapshotSink } from '../snapshots/snapshot-keeper.ts'
import { removeUnfinishedSnapshots } from '../snapshots/snapshot-folder.ts'

/** The core server in its thread, from the opening frame on: its ports are this thread's messages, timers and memory. */
class Service implements CoreServerPorts {
  /** Wall time, for what the core records. */
  readonly nowNs = createClock()
  private readonly main: MessagePort
  private readonly log: MessagePort
  private readonly start: CoreThreadStart
  private readonly state: LoadedState
  private readonly status: BigInt64Array
  private readonly replayed: Replayed
  private keptSequence: bigint
  private readonly pool: SlabPool
  private readonly slabs: readonly Slab[]
  private readonly server: CoreServer
  private timer: NodeJS.Timeout | undefined

  constructor(
    main: MessagePort,
    start: CoreThreadStart,
    state: LoadedState,
    recover: Recover,
    replayed: Replayed,
  ) {
    this.main = main
    this.log = recover.logPort
    this.start = start
    this.state = state
    this.status = new BigInt64Array(start.status)
    this.replayed = replayed
    this.keptSequence = state.snapshot?.position.sequence ?? 0n
    const pool = openSlabPool(recover.slabs)
    this.pool = pool
    this.slabs = Array.from({ length: pool.slabs }, (_, index) => ({ index, payload: pool.payload(index) }))
    this.server = new CoreServer(
      {
        partition: start.core.partition,
        core: state.core,
        head: recover.head,
        snapshotRule: start.snapshotRule,
        newestSnapshot: newestSnapshotIn(state),
      },
      this,
    )
    this.log.on('message', (message: LogToCore) => this.server.onLog(message))
  }

  onMain(message: FromThenOn): void {
    switch (message.kind) {
      case 'commands':
        this.server.take(message)
        return
      case 'digest':
        digestInThread(this.state.core.save()).then(
          (digest) => this.tell({ kind: 'digest', id: message.id, digest, failure: undefined }),
          (error: unknown) =>
            this.tell({ kind: 'digest', id: message.id, digest: undefined, failure: String(error) }),
        )
        return
      case 'stop':
        this.server.stop()
        return
    }
  }

  nowMs(): number {
    return performance.now()
  }

  claim(): Slab | undefined {
    const index = this.pool.claim()
    return index === undefined ? undefined : this.slabs[index]
  }

  toLog(message: CoreToLog): void {
    this.log.postMessage(message)
  }

  serving(): void {
    this.tell({ kind: 'serving', epoch: this.server.epoch, replayed: this.replayed })
  }

  wanted(): void {
    this.tell({ kind: 'wanted' })
  }

  stopped(): void {
    this.tell({ kind: 'stopped' })
  }

  /** Shows it in the shared status, and says so if a snapshot has come to be kept. */
  changed(): void {
    const { core } = this.state
    this.status[STATUS.accounts] = BigInt(core.accounts())
    this.status[STATUS.holdsOpen] = BigInt(core.holdsOpen())
    const newest = this.server.newestSnapshot()
    this.status[STATUS.snapshotSequence] = newest?.sequence ?? 0n
    this.status[STATUS.snapshotTakenAtNs] = newest?.takenAtNs ?? 0n
    this.status[STATUS.snapshotBytes] = BigInt(newest?.fileBytes ?? 0)
    this.status[STATUS.snapshotDurationMs] = BigInt(newest?.durationMs ?? -1)
    this.status[STATUS.snapshotUnderWay] = this.server.isSnapshotUnderWay() ? 1n : 0n
    if (newest === undefined || newest.sequence === this.keptSequence) return
    this.keptSequence = newest.sequence
    this.tell({ kind: 'kept', sequence: newest.sequence })
  }

  notice(line: string): void {
    this.tell({ kind: 'notice', line })
  }

  soon(task: () => void): void {
    setImmediate(task)
  }

  wakeAfter(ms: number | undefined, task: () => void): void {
    clearTimeout(this.timer)
    this.timer = ms === undefined ? undefined : setTimeout(task, ms)
  }

  beginSnapshot(
    position: SnapshotPosition,
    sections: readonly SectionLength[],
    listener: SinkListener,
  ): SnapshotSink {
    const { dataDir, snapshotsKept: kept } = this.start
    const unusable = this.state.unusable.map(({ sequence }) => sequence)
    const job = { dataDir, position, sections, kept, unusable }
    return saveInThread(job, listener, (line) => this.notice(line))
  }

  private tell(message: CoreToMain): void {
    this.main.postMessage(message)
  }
}

function anchorOf({ snapshot }: LoadedState): LoadedSnapshot['anchor'] {
  if (snapshot === undefined) return undefined
  const { logOffset: logOffset, chainHash: hash } = snapshot.position
  return { logOffset, hash }
}

function run(main: MessagePort, start: CoreThreadStart): void {
  const tell = (message: CoreToMain): void => main.postMessage(message)
  let service: Service | undefined
  const unremoved = removeUnfinishedSnapshots(nodeDisk, start.dataDir, start.core.partition)
  if (unremoved !== undefined) tell({ kind: 'notice', line: unremoved })
  const state = loadNewestState(nodeDisk, start.dataDir, start.core)
  const tailReplay = new TailReplay(state)
  main.on('message', (message: MainToCore) => {
    if (message.kind === 'replay') {
      tailReplay.apply(message)
      tell({ kind: 'replayed' })
      return
    }
    if (message.kind !== 'recover') {
      service!.onMain(message)
      return
    }
    try {
      const { head, tail } = message
      const replayed =
        tail === 'fed'
          ? tailReplay.end(head)
          : replayTail(nodeDisk, start.dataDir, start.core.partition, state, head, readFramesAhead)
      service = new Service(main, start, state, message, replayed)
    } catch (error) {
      if (!(error instanceof LogError)) throw error
      tell({ kind: 'failed', code: error.code, message: error.message })
    }
  })
  tell({
    kind: 'loaded',
    file: state.snapshot?.file,
    sequence: state.snapshot?.position.sequence ?? 0n,
    anchor: anchorOf(state),
    unusable: state.unusable,
  })
}

if (parentPort !== null) run(parentPort, workerData as CoreThreadStart)
