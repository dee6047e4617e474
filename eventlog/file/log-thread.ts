/** The log thread: the worker in which the log server works. See log-messages.ts for what it is told and tells. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { nodeDisk } from './disk.ts'
import { IDLE_MARK_MS_DEFAULT, type CoreToLog, type LogThreadStart } from './log-messages.ts'
import { LogServer } from './log-server.ts'
import { openSlabPool } from './slabs.ts'

function serve(start: LogThreadStart): void {
  const { corePort, idleMarkMs = IDLE_MARK_MS_DEFAULT } = start
  let whenQuiet: (() => void) | undefined
  let idleTimer: NodeJS.Timeout | undefined
  const server = new LogServer(start, {
    disk: nodeDisk,
    slabs: openSlabPool(start.slabs),
    tellCore: (message) => {
      corePort.postMessage(message)
    },
    tellMain: (message) => {
      const frames = message.kind === 'frames' ? message.frames : []
      parentPort!.postMessage(
        message,
        frames.map((frame) => frame.bytes.buffer as ArrayBuffer),
      )
    },
    next: () => receiveMessageOnPort(corePort)?.message as CoreToLog | undefined,
    whenQuiet: (task) => {
      whenQuiet = task
      // One timer for ever, set back each time: cheaper than one for each group.
      if (task === undefined) clearTimeout(idleTimer)
      else if (idleTimer === undefined) idleTimer = setTimeout(() => whenQuiet?.(), idleMarkMs)
      else idleTimer.refresh()
    },
    ended: () => {
      corePort.close()
    },
  })
  corePort.on('message', (first: CoreToLog) => {
    server.take(first)
  })
}

serve(workerData as LogThreadStart)
