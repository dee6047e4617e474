/** The log thread: the worker that seals, writes and syncs frames. See log-messages.ts for what it is told and tells. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { LogError } from '../errors.ts'
import { nodeDisk } from './disk.ts'
import { createGroupCommit } from './group-commit.ts'
import {
  IDLE_MARK_MS_DEFAULT,
  type CoreToLog,
  type LogFailed,
  type LogThreadStart,
  type LogToCore,
  type LogToMain,
} from './log-messages.ts'
import { openLog } from './recovery.ts'
import { openSlabPool } from './slabs.ts'

function serve(start: LogThreadStart): void {
  const { corePort, idleMarkMs = IDLE_MARK_MS_DEFAULT } = start
  let isOver = false
  let idleTimer: NodeJS.Timeout | undefined

  const tellMain = (message: LogToMain, transfer: ArrayBuffer[] = []): void => {
    parentPort!.postMessage(message, transfer)
  }
  const tellCore = (message: LogToCore): void => {
    corePort.postMessage(message)
  }
  function end(): void {
    isOver = true
    clearTimeout(idleTimer)
    corePort.close()
  }
  /** Whatever goes wrong ends the service for ever: nothing is written, and no frame told of, after it. */
  function guarded(work: () => void): void {
    if (isOver) return
    try {
      work()
    } catch (error) {
      const failure = failureOf(error)
      tellMain(failure)
      tellCore(failure)
      end()
    }
  }

  guarded(() => {
    const { appender, report } = openLog(nodeDisk, start.dir, start)
    const groups = createGroupCommit(appender, openSlabPool(start.slabs), (frames, receipts) => {
      // The core first: it waits to go on. Each frame's memory moves to the main thread.
      tellCore({ kind: 'durable', frames: receipts })
      tellMain(
        { kind: 'frames', frames },
        frames.map((frame) => frame.bytes.buffer as ArrayBuffer),
      )
    })
    tellMain({ kind: 'ready', head: appender.head(), recovery: report })
    idleTimer = setTimeout(() => {
      guarded(() => {
        groups.rest()
      })
    }, idleMarkMs)
    corePort.on('message', (first: CoreToLog) => {
      guarded(() => {
        const isStopped = groups.commit(
          first,
          () => receiveMessageOnPort(corePort)?.message as CoreToLog | undefined,
        )
        if (isStopped) {
          tellMain({ kind: 'stopped', head: appender.head() })
          end()
        } else idleTimer!.refresh()
      })
    })
  })
}

function failureOf(error: unknown): LogFailed {
  return {
    kind: 'failed',
    code: error instanceof LogError ? error.code : 'log_broken',
    message: error instanceof Error ? error.message : String(error),
  }
}

serve(workerData as LogThreadStart)
