/** The core thread, as the main thread handles it: started, told, asked, failed once, ended. */
import { Worker, type MessagePort } from 'node:worker_threads'
import { LogError } from '../../eventlog/errors.ts'
import type { SlabShare } from '../../eventlog/handoff/slabs.ts'
import type { LogHead } from '../../eventlog/ports.ts'
import { runtimeEntry } from '../../eventlog/runtime-entry.ts'
import type { Frame } from '../../schemas/frames.ts'
import type { BatchSink } from '../../eventlog/queue/memory-queue.ts'
import type { CoreThreadStart, CoreToMain, MainToCore, Recover } from './core-messages.ts'

/** The core thread broke down: broken logic, or no memory. What was acknowledged is in the log. */
export class WriterBrokenError extends Error {
  override readonly name = 'WriterBrokenError'
  readonly code = 'writer_broken'
  constructor(cause: unknown) {
    const reason = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)
    super(
      `The writer's core broke down: ${reason}\n` +
        'Nothing that was acknowledged is lost. Start again, and report this if it repeats.',
      { cause },
    )
  }
}

/** Where the core's commands come from. */
export interface BatchSource {
  /** The core wants one more batch: it is to be sent one as soon as there is one. */
  wanted(): void
}

export interface CoreThreadListeners {
  /** A line for the operator. */
  readonly notice: (line: string) => void
  /** A snapshot is durable in the data folder. */
  readonly kept?: (sequence: bigint) => void
  /** Called once, if the thread stops by itself. */
  readonly failed: (error: Error) => void
}

/** Frames on their way to the core while it replays: one is applied while the next ones come. */
const FRAMES_FED_MAX = 4

type Answer<Kind extends CoreToMain['kind']> = Extract<CoreToMain, { kind: Kind }>

interface Waiter {
  readonly resolve: (message: CoreToMain) => void
  readonly reject: (error: Error) => void
}

export class CoreThreadHandle implements BatchSink {
  private readonly worker: Worker
  private readonly listeners: CoreThreadListeners
  /** Who waits for which answer. */
  private readonly waiters = new Map<string, Waiter>()
  private source: BatchSource | undefined
  private failure: Error | undefined
  private isEnding = false
  private digests = 0
  /** Frames sent for replay and not yet applied. */
  private framesFed = 0

  /** Starts the thread: it loads the newest usable snapshot and waits. */
  constructor(start: CoreThreadStart, listeners: CoreThreadListeners) {
    this.listeners = listeners
    this.worker = new Worker(runtimeEntry(new URL('./core-thread.ts', import.meta.url)), {
      name: 'core',
      workerData: start,
    })
    this.worker.on('message', (message: CoreToMain) => this.onMessage(message))
    this.worker.on('error', (error) => this.fail(new WriterBrokenError(error)))
    this.worker.on('exit', (code) => {
      if (!this.isEnding) this.fail(new WriterBrokenError(`its thread ended by itself, with code ${code}`))
    })
  }

  loaded(): Promise<Answer<'loaded'>> {
    return this.answer('loaded')
  }

  /**
   * Feeds the core the next frame behind its snapshot. Returns when there is room for another one: so a log of any length
   * passes through bounded memory. Rejects if the core breaks down.
   */
  async replay(frame: Pick<Frame, 'hash' | 'count' | 'payload'>): Promise<void> {
    const { count } = frame
    // Memory of its own, whatever the frame's is part of.
    const payload = new Uint8Array(frame.payload)
    this.tell({ kind: 'replay', hash: new Uint8Array(frame.hash), count, payload }, [payload.buffer])
    this.framesFed++
    while (this.framesFed > FRAMES_FED_MAX) await this.answer('replayed')
  }

  /** Says where its commands come from. Before `recover`: it asks for none until it serves. */
  takeFrom(source: BatchSource): void {
    this.source = source
  }

  /**
   * Has the core replay the log up to `head`, from files or as it was fed; returns when its opening frame is durable.
   */
  recover(
    head: LogHead,
    slabs: SlabShare,
    logPort: MessagePort,
    tail: Recover['tail'] = 'files',
  ): Promise<Answer<'serving'>> {
    this.tell({ kind: 'recover', tail, head, slabs, logPort }, [logPort])
    return this.answer('serving')
  }

  /** Sends a batch that was wanted, in shared memory that stays as it is until its commands are durable. */
  send(slots: Uint8Array<SharedArrayBuffer>, count: number): void {
    this.tell({ kind: 'commands', slots, count })
  }

  async digest(): Promise<string> {
    const id = ++this.digests
    this.tell({ kind: 'digest', id })
    const { digest, failure } = await this.answer<'digest'>(`digest ${id}`)
    if (digest === undefined) throw new Error(`the digest could not be made: ${failure}`)
    return digest
  }

  /** Has the core commit what it was sent, keep a snapshot and stop the log thread. Rejects if it fails before that. */
  async stop(): Promise<void> {
    this.tell({ kind: 'stop' })
    await this.answer('stopped')
    await this.end()
  }

  /** Ends the thread where it stands. What still waits for an answer is told that there will be none. */
  async end(): Promise<void> {
    this.isEnding = true
    this.rejectWaiters(new Error('the writer has stopped'))
    await this.worker.terminate()
  }

  private tell(message: MainToCore, transferList: readonly (ArrayBuffer | MessagePort)[] = []): void {
    this.worker.postMessage(message, transferList)
  }

  private onMessage(message: CoreToMain): void {
    switch (message.kind) {
      case 'wanted':
        this.source!.wanted()
        return
      case 'notice':
        this.listeners.notice(message.line)
        return
      case 'kept':
        this.listeners.kept?.(message.sequence)
        return
      case 'replayed':
        this.framesFed--
        this.answered('replayed', message)
        return
      case 'failed':
        this.fail(new LogError(message.code, message.message))
        return
      case 'digest':
        this.answered(`digest ${message.id}`, message)
        return
      case 'stopped':
        this.isEnding = true
        this.answered('stopped', message)
        return
      case 'loaded':
      case 'serving':
        this.answered(message.kind, message)
        return
    }
  }

  private answer<Kind extends CoreToMain['kind']>(key: string): Promise<Answer<Kind>> {
    return new Promise((resolve, reject) => {
      if (this.failure !== undefined) reject(this.failure)
      else this.waiters.set(key, { resolve: (message) => resolve(message as Answer<Kind>), reject })
    })
  }

  private answered(key: string, message: CoreToMain): void {
    this.waiters.get(key)?.resolve(message)
    this.waiters.delete(key)
  }

  private fail(error: Error): void {
    if (this.failure !== undefined || this.isEnding) return
    this.failure = error
    this.rejectWaiters(error)
    this.listeners.failed(error)
  }

  private rejectWaiters(error: Error): void {
    for (const waiter of this.waiters.values()) waiter.reject(error)
    this.waiters.clear()
  }
}
