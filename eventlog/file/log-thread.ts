/** The log thread: the worker in which the log server works. See log-messages.ts for what it is told and tells. */
import { parentPort, receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads'
import { nodeDisk } from '../disk/disk.ts'
import { FrameMemory } from '../handoff/frame-memory.ts'
import {
  IDLE_FRAME_MS_DEFAULT,
  type CoreToLog,
  type FrameSent,
  type LogThreadStart,
  type LogThreadToMain,
  type LogToCore,
  type LogToMain,
} from '../handoff/log-messages.ts'
import { FileLogServer, type FileLogServerPorts } from './file-log-server.ts'
import { openSlabPool, type SlabPool } from '../handoff/slabs.ts'

/** The log server in its thread: its ports are this thread's messages, its one timer, and the memory it shares. */
class LogThread implements FileLogServerPorts {
  readonly disk = nodeDisk
  readonly slabs: SlabPool
  readonly #main: MessagePort
  readonly #core: MessagePort
  readonly #memory: FrameMemory
  readonly #idleFrameMs: number
  #onQuiet: (() => void) | undefined
  #idleTimer: NodeJS.Timeout | undefined

  constructor(main: MessagePort, start: LogThreadStart) {
    this.#main = main
    this.#core = start.corePort
    this.slabs = openSlabPool(start.slabs)
    this.#memory = new FrameMemory(start.frames)
    this.#idleFrameMs = start.idleFrameMs ?? IDLE_FRAME_MS_DEFAULT
  }

  readonly take = (bytes: number): Uint8Array => this.#memory.take(bytes)

  next(): CoreToLog | undefined {
    return receiveMessageOnPort(this.#core)?.message as CoreToLog | undefined
  }

  tellCore(message: LogToCore): void {
    this.#core.postMessage(message)
  }

  tellMain(message: LogToMain): void {
    if (message.kind !== 'frames') {
      this.#main.postMessage(message satisfies LogThreadToMain)
      return
    }
    const frames = message.frames.map((frame): FrameSent => {
      const { bytes, payload: _payload, hash: _hash, previousHash: _previousHash, ...header } = frame
      return { ...header, bytesRef: this.#memory.refOf(bytes) }
    })
    // What stands in no chunk moves.
    const moved = frames.flatMap(({ bytesRef }) =>
      'own' in bytesRef ? [bytesRef.own.buffer as ArrayBuffer] : [],
    )
    this.#main.postMessage({ kind: 'frames', frames } satisfies LogThreadToMain, moved)
  }

  whenQuiet(task: (() => void) | undefined): void {
    this.#onQuiet = task
    // One timer for ever, set back each time: cheaper than one for each group.
    if (task === undefined) clearTimeout(this.#idleTimer)
    else if (this.#idleTimer === undefined)
      this.#idleTimer = setTimeout(() => this.#onQuiet?.(), this.#idleFrameMs)
    else this.#idleTimer.refresh()
  }

  ended(): void {
    this.#core.close()
  }
}

function serve(main: MessagePort, start: LogThreadStart): void {
  const server = new FileLogServer(start, new LogThread(main, start))
  start.corePort.on('message', (first: CoreToLog) => {
    server.take(first)
  })
}

serve(parentPort!, workerData as LogThreadStart)
