/** Starts the log thread of one partition and joins it to the main thread's view of the log. */
import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads'
import { LogError, type LogErrorCode } from '../errors.ts'
import type { LogHead } from '../ports.ts'
import { pageAlignedMemory } from '../disk/direct-write.ts'
import { nodeDisk } from '../disk/disk.ts'
import { FileEventLog } from './file-event-log.ts'
import { createFrameMemoryShare, FrameViews } from '../handoff/frame-memory.ts'
import type { LogThreadStart, LogThreadToMain } from '../handoff/log-messages.ts'
import type { RecoveryReport } from './recovery/open-log.ts'
import { frameOver } from '../handoff/seal.ts'
import { createSlabShare, type SlabShare } from '../handoff/slabs.ts'
import { runtimeEntry } from '../runtime-entry.ts'

export interface OpenFileLogOptions extends Omit<LogThreadStart, 'slabs' | 'frames' | 'corePort'> {
  /** Slabs in the pool between core and log thread. Default: SLABS_DEFAULT. */
  readonly slabs?: number
  /** Bytes of recent frames kept for live readers. Default: as of a process's only partition. */
  readonly windowBytesMax?: number
}

export interface RunningFileLog {
  readonly log: FileEventLog
  /** Where the log ended when it was opened: replay up to here. */
  readonly head: LogHead
  readonly recovery: RecoveryReport
  /** For the core thread: CoreToLog out, LogToCore in. Transfer it. */
  readonly corePort: MessagePort
  /** For the core thread: the memory in which it builds frames. */
  readonly slabs: SlabShare
  /** Told once if the log thread stops by itself. The process has to end then. */
  onFailure(listener: (failure: LogError) => void): void
  /** Resolves when the log thread has closed the log, after the core's `stop`; rejects if it failed. */
  readonly stopped: Promise<void>
  /** Ends the log thread without asking it: for a start that went no further. Not while the core sends frames. */
  abandon(): Promise<void>
}

/**
 * Opens a partition's log and repairs its tail. The caller holds the folder's lock. Rejects with LogError
 * (`log_corrupt`, `log_regressed`, `log_write_failed`), nothing changed.
 */
export async function openFileLog(options: OpenFileLogOptions): Promise<RunningFileLog> {
  const { slabs: slabCount, windowBytesMax, ...start } = options
  const slabs = createSlabShare(slabCount, pageAlignedMemory)
  const frames = createFrameMemoryShare()
  const views = new FrameViews(frames)
  const { port1: logPort, port2: corePort } = new MessageChannel()
  const workerData: LogThreadStart = { ...start, slabs, frames, corePort: logPort }
  const worker = new Worker(runtimeEntry(new URL('./log-thread.ts', import.meta.url)), {
    workerData,
    transferList: [logPort],
  })

  let isOver = false
  let failure: LogError | undefined
  const failureListeners: ((failure: LogError) => void)[] = []
  const ready = deferred<{ log: FileEventLog; head: LogHead; recovery: RecoveryReport }>()
  const stopped = deferred<undefined>()
  // Told through `onFailure` as well: a caller that does not look at it must not crash on it.
  stopped.promise.catch(() => undefined)

  function fail(error: LogError): void {
    if (isOver) return
    isOver = true
    failure = error
    ready.reject(error)
    stopped.reject(error)
    for (const listener of failureListeners) listener(error)
  }
  let log: FileEventLog
  worker.on('message', (message: LogThreadToMain) => {
    switch (message.kind) {
      case 'ready':
        log = new FileEventLog({
          disk: nodeDisk,
          dir: options.dir,
          partition: options.partition,
          head: message.head,
          ...(windowBytesMax === undefined ? {} : { windowBytesMax }),
        })
        ready.resolve({ log, head: message.head, recovery: message.recovery })
        break
      case 'frames':
        for (const { bytesRef, ...header } of message.frames)
          log.deliver(frameOver(views.at(bytesRef), header))
        break
      case 'failed':
        fail(new LogError(message.code as LogErrorCode, message.message))
        break
      case 'stopped':
        isOver = true
        log.close()
        stopped.resolve(undefined)
        break
    }
  })
  worker.on('error', (error) => {
    fail(new LogError('log_broken', `The log thread crashed: ${error.message}`, { cause: error }))
  })
  worker.on('exit', (code) => {
    fail(new LogError('log_broken', `The log thread ended by itself, with code ${code}.`))
  })

  return {
    ...(await ready.promise),
    corePort,
    slabs,
    onFailure(listener) {
      if (failure === undefined) failureListeners.push(listener)
      else listener(failure)
    },
    stopped: stopped.promise,
    async abandon() {
      isOver = true
      log.close()
      corePort.close()
      await worker.terminate()
    },
  }
}

function deferred<T>(): {
  promise: Promise<T>
  resolve: (value: T) => void
  reject: (error: Error) => void
} {
  let resolve!: (value: T) => void
  let reject!: (error: Error) => void
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  return { promise, resolve, reject }
}
