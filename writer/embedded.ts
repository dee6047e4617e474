/**
 * The embedded writer: the core in one thread, hashing and writing in another, the doors in this one.
 *
 *   queue (here) ──commands──▶ core thread ──frames, by shared memory──▶ log thread ──durable frames──▶ log (here)
 *
 * It starts where it was: the newest usable snapshot, the tail of the log behind it, then an opening frame with the next
 * epoch. It serves once that frame has come back accepted and durable.
 */
import type { FileEventLog } from '../eventlog/file/file-event-log.ts'
import { openFileLog, type RunningFileLog } from '../eventlog/file/open-file-log.ts'
import type { RecoveryReport } from '../eventlog/file/recovery/open-log.ts'
import { createMemoryQueue, type MemoryQueue } from '../eventlog/queue/memory-queue.ts'
import type { LogHead } from '../eventlog/ports.ts'
import type { Position } from '../schemas/positions.ts'
import { STATUS, STATUS_WORDS, type LoadedSnapshot } from './thread/core-messages.ts'
import type { CoreOptions } from './core/core.ts'
import { CoreThreadHandle, WriterBrokenError } from './thread/core-thread-handle.ts'
import type { Replayed } from './recovery/load-state.ts'
import { SNAPSHOT_RULE_DEFAULT, type SnapshotRuleOptions } from './snapshots/snapshot-rule.ts'
import { SNAPSHOTS_KEPT_DEFAULT } from './snapshots/snapshot-folder.ts'
import type { NewestSnapshot, Writer, WriterStatus } from './writer.ts'

export interface EmbeddedWriterOptions {
  /** The data folder; made if missing. The caller holds its lock for as long as the writer runs. */
  readonly dataDir: string
  /** Default: 0. */
  readonly partition?: number
  /** Size at which a log segment is closed. */
  readonly segmentBytesMax?: number
  /** When a snapshot is due; what is left out is as in SNAPSHOT_RULE_DEFAULT. */
  readonly snapshots?: Partial<SnapshotRuleOptions>
  /** Snapshots to keep, the newest included: at least 1. Default: SNAPSHOTS_KEPT_DEFAULT. */
  readonly snapshotsKept?: number
  /** Slots of commands taken whose frame is not yet durable; beyond it an offer is answered `busy`. */
  readonly queueSlotsMax?: number
  /** Bytes of recent frames kept for live readers. Default: as of a process's only partition. */
  readonly windowBytesMax?: number
  /** How the core is dimensioned. */
  readonly core?: Omit<CoreOptions, 'partition'>
  /** What the views are known to hold: a log that ends before it is refused. */
  readonly viewsPosition?: Position
  /** Takes a line for the operator. */
  readonly log?: (line: string) => void
}

/** How the writer came to its state. */
export interface WriterRecovery {
  /** What opening the log found at its end. */
  readonly log: RecoveryReport
  /** The snapshot started from; undefined: the log was replayed from its first event. */
  readonly snapshot: { readonly file: string; readonly sequence: bigint } | undefined
  /** Newer snapshots that could not be used, and why. */
  readonly unusable: LoadedSnapshot['unusable']
  /** What was replayed behind the snapshot. */
  readonly replayed: Replayed
  /** Where the log ended, before the opening frame. */
  readonly head: LogHead
  readonly milliseconds: number
}

export interface EmbeddedWriter extends Writer {
  readonly queue: MemoryQueue
  readonly recovery: WriterRecovery
  /**
   * SHA-256 of the core's state of now, which a replay of the log up to here comes to as well. Copies the state: for
   * auditors and tests. Rejects if the writer stops before it is known.
   */
  digest(): Promise<string>
}

/**
 * Starts the writer of one partition and returns once it takes commands.
 * @throws LogError if the log is corrupt, went backwards or cannot be written; WriterBrokenError
 */
export async function startEmbeddedWriter(options: EmbeddedWriterOptions): Promise<EmbeddedWriter> {
  const startedMs = performance.now()
  const { dataDir, partition = 0, log: tell = () => undefined } = options
  const status = new SharedArrayBuffer(STATUS_WORDS * BigInt64Array.BYTES_PER_ELEMENT)
  let writer: Embedded | undefined
  let failedEarly: Error | undefined
  const core = new CoreThreadHandle(
    {
      dataDir,
      core: { ...options.core, partition },
      snapshotRule: { ...SNAPSHOT_RULE_DEFAULT, ...options.snapshots },
      snapshotsKept: options.snapshotsKept ?? SNAPSHOTS_KEPT_DEFAULT,
      status,
    },
    {
      notice: tell,
      failed: (error) => {
        failedEarly = error
        writer?.fail(error)
      },
    },
  )
  let file: RunningFileLog | undefined
  try {
    const { file: snapshotFile, sequence, unusable } = await core.loaded()
    const viewsSequence = options.viewsPosition?.get(partition) ?? 0n
    file = await openFileLog({
      dir: dataDir,
      partition,
      durableAtLeast: viewsSequence > sequence ? viewsSequence : sequence,
      ...(options.segmentBytesMax === undefined ? {} : { segmentBytesMax: options.segmentBytesMax }),
      ...(options.windowBytesMax === undefined ? {} : { windowBytesMax: options.windowBytesMax }),
    })
    const { head, log } = file
    const queue = createMemoryQueue({
      partition,
      nextOffset: head.nextCommandOffset,
      core,
      soon: setImmediate,
      ...(options.queueSlotsMax === undefined ? {} : { slotsMax: options.queueSlotsMax }),
    })
    core.takeFrom(queue)
    // A log that fails meanwhile rejects `stopped`; it cannot stop for another reason before the core has served.
    const serving = await Promise.race([core.recover(head, file.slabs, file.corePort), file.stopped])
    if (serving === undefined) throw new Error('the log stopped before the core served')
    await Promise.race([untilEpoch(log, serving.epoch), file.stopped])
    if (failedEarly !== undefined) throw failedEarly
    writer = new Embedded(core, file, queue, status, {
      log: file.recovery,
      snapshot: snapshotFile === undefined ? undefined : { file: snapshotFile, sequence },
      unusable,
      replayed: serving.replayed,
      head,
      milliseconds: Math.round(performance.now() - startedMs),
    })
    return writer
  } catch (error) {
    await core.end()
    await file?.abandon()
    throw error
  }
}

/** Waits until a frame of this epoch has come back from the log, accepted and durable. */
async function untilEpoch(log: FileEventLog, epoch: bigint): Promise<void> {
  if (log.head().epoch >= epoch) return
  const found = new AbortController()
  for await (const frame of log.tail(log.head().sequence + 1n, found.signal))
    if (frame.epoch >= epoch) found.abort()
}

function newestSnapshotIn(status: BigInt64Array): NewestSnapshot | undefined {
  const sequence = status[STATUS.snapshotSequence]!
  if (sequence === 0n) return undefined
  const durationMs = Number(status[STATUS.snapshotDurationMs]!)
  return {
    sequence,
    takenAtNs: status[STATUS.snapshotTakenAtNs]!,
    bytes: Number(status[STATUS.snapshotBytes]!),
    durationMs: durationMs < 0 ? undefined : durationMs,
  }
}

class Embedded implements EmbeddedWriter {
  readonly queue: MemoryQueue
  readonly log: FileEventLog
  readonly recovery: WriterRecovery
  private readonly core: CoreThreadHandle
  private readonly file: RunningFileLog
  private readonly words: BigInt64Array
  private readonly listeners: ((reason: string) => void)[] = []
  private readonly over = new AbortController()
  /** Resolves when all that was taken is durable, once the queue takes no more; rejects at a failure. */
  private readonly drained: Promise<void>
  private onDrained: () => void = () => undefined
  private onFailed: (error: Error) => void = () => undefined
  private failure: Error | undefined
  private stopping: Promise<void> | undefined
  private isStopped = false

  constructor(
    core: CoreThreadHandle,
    file: RunningFileLog,
    queue: MemoryQueue,
    status: SharedArrayBuffer,
    recovery: WriterRecovery,
  ) {
    this.core = core
    this.file = file
    this.queue = queue
    this.log = file.log
    this.words = new BigInt64Array(status)
    this.recovery = recovery
    this.drained = new Promise((resolve, reject) => {
      this.onDrained = resolve
      this.onFailed = reject
    })
    // Whoever stops the writer hears of it; nobody has to.
    this.drained.catch(() => undefined)
    file.onFailure((error) => this.fail(error))
    this.follow().catch((error: unknown) => this.fail(new WriterBrokenError(error)))
  }

  status(): WriterStatus {
    const { words, failure } = this
    return {
      state: failure !== undefined ? 'failed' : this.isStopped ? 'stopped' : 'ready',
      failure: failure?.message,
      epoch: this.log.head().epoch,
      accounts: Number(words[STATUS.accounts]),
      holdsOpen: Number(words[STATUS.holdsOpen]),
      snapshot: { newest: newestSnapshotIn(words), isUnderWay: words[STATUS.snapshotUnderWay] === 1n },
    }
  }

  onFailure(listener: (reason: string) => void): void {
    if (this.failure === undefined) this.listeners.push(listener)
    else listener(this.failure.message)
  }

  digest(): Promise<string> {
    return this.core.digest()
  }

  stop(): Promise<void> {
    return (this.stopping ??= this.stopOnce())
  }

  private async stopOnce(): Promise<void> {
    this.queue.stop()
    if (this.queue.waiting() === 0) this.onDrained()
    await this.drained
    await Promise.all([this.core.stop(), this.file.stopped])
    this.isStopped = true
    this.over.abort()
  }

  /** Ends the writer where it stands: what is on disk is known again only after a restart. */
  fail(error: Error): void {
    if (this.failure !== undefined || this.isStopped) return
    this.failure = error
    this.queue.stop()
    this.onFailed(error)
    this.over.abort()
    void this.core.end().then(() => this.file.abandon())
    for (const listener of this.listeners) listener(error.message)
  }

  /** Frees the queue's room as its commands come back from the log, durable. */
  private async follow(): Promise<void> {
    const { log, queue, over } = this
    for await (const frame of log.tail(log.head().sequence + 1n, over.signal)) {
      queue.consumed(frame.nextCommandOffset)
      if (this.stopping !== undefined && queue.waiting() === 0) this.onDrained()
    }
  }
}
