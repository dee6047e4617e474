/** The log thread: the worker in which the log server works. See log-messages.ts for what it is told and tells. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { nodeDisk } from '../disk/disk.ts'
import { FrameMemory } from '../handoff/frame-memory.ts'
import {
  IDLE_MARK_MS_DEFAULT,
  type CoreToLog,
  type FrameSent,
  type LogThreadStart,
  type LogThreadToMain,
} from '../handoff/log-messages.ts'
import { LogServer } from './log-server.ts'
import { openSlabPool } from '../handoff/slabs.ts'

function serve(start: LogThreadStart): void {
  const { corePort, idleMarkMs = IDLE_MARK_MS_DEFAULT } = start
  const memory = new FrameMemory(start.frames)
  const tell = (message: LogThreadToMain, transferList: readonly ArrayBuffer[] = []): void => {
    parentPort!.postMessage(message, transferList)
  }
  let whenQuiet: (() => void) | undefined
  let idleTimer: NodeJS.Timeout | undefined
  const server = new LogServer(start, {
    disk: nodeDisk,
    slabs: openSlabPool(start.slabs),
    take: (bytes) => memory.take(bytes),
    tellCore: (message) => {
      corePort.postMessage(message)
    },
    tellMain: (message) => {
      if (message.kind !== 'frames') {
        tell(message)
        return
      }
      const frames = message.frames.map((frame): FrameSent => {
        const { bytes, payload: _payload, hash: _hash, previousHash: _previousHash, ...header } = frame
        return { ...header, bytesRef: memory.refOf(bytes) }
      })
      // What stands in no chunk moves.
      const moved = frames.flatMap(({ bytesRef }) =>
        'own' in bytesRef ? [bytesRef.own.buffer as ArrayBuffer] : [],
      )
      tell({ kind: 'frames', frames }, moved)
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
