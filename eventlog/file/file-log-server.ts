/**
 * The log at work: opens it, commits group after group, rests when it is quiet, and ends for ever at the first thing that
 * goes wrong. It owns no thread, no timer and no port of its own: the log thread hands them in, and so does the simulator.
 */
import { messageOf } from '../../schemas/errors.ts'
import { LogError } from '../errors.ts'
import type { Disk } from '../disk/disk.ts'
import type { TakeFrameMemory } from '../handoff/frame-memory.ts'
import { createGroupCommit, type DurableListeners, type GroupCommit } from './group-commit.ts'
import type { CoreToLog, LogFailed } from '../handoff/log-messages.ts'
import { openLog, type OpenLogOptions } from './recovery/open-log.ts'
import type { LogAppender } from './appender.ts'
import type { SlabPool } from '../handoff/slabs.ts'

/** The world, as the log server sees it. */
export interface FileLogServerPorts extends DurableListeners {
  readonly disk: Disk
  readonly slabs: SlabPool
  /** Makes the memory of a frame that the main thread is told of. Default: an ArrayBuffer of its own. */
  readonly take?: TakeFrameMemory
  /** Takes the core's next message, if one waits. */
  next(): CoreToLog | undefined
  /** Runs a task when no more has come for the quiet time, in place of the one set before; undefined: forgets it. */
  whenQuiet(task: (() => void) | undefined): void
  /** Nothing will be told any more. */
  ended(): void
}

export interface FileLogServerStart extends OpenLogOptions {
  /** The data folder. The caller holds its lock. */
  readonly dir: string
}

export class FileLogServer {
  readonly #ports: FileLogServerPorts
  #appender: LogAppender | undefined
  #groups: GroupCommit | undefined
  #isOver = false

  /** Opens the log and repairs its tail; says `ready`, or `failed`. */
  constructor(start: FileLogServerStart, ports: FileLogServerPorts) {
    this.#ports = ports
    this.#guarded(() => {
      const { appender, report } = openLog(ports.disk, start.dir, start)
      this.#appender = appender
      this.#groups = createGroupCommit(appender, ports.slabs, ports, ports.take)
      ports.tellMain({ kind: 'ready', head: appender.head(), recovery: report })
      this.#waitForQuiet()
    })
  }

  /** Commits the group that begins with `first`. */
  take(first: CoreToLog): void {
    this.#guarded(() => {
      const isStopped = this.#groups!.commit(first, () => this.#ports.next())
      if (isStopped) {
        this.#ports.tellMain({ kind: 'stopped', head: this.#appender!.head() })
        this.#end()
      } else this.#waitForQuiet()
    })
  }

  #waitForQuiet(): void {
    this.#ports.whenQuiet(() => {
      this.#guarded(() => {
        this.#groups!.rest()
      })
    })
  }

  /** Whatever goes wrong ends the service for ever: nothing is written, and no frame told of, after it. */
  #guarded(work: () => void): void {
    if (this.#isOver) return
    try {
      work()
    } catch (error) {
      const failure = failureOf(error)
      this.#ports.tellMain(failure)
      this.#ports.tellCore(failure)
      this.#end()
    }
  }

  #end(): void {
    this.#isOver = true
    this.#ports.whenQuiet(undefined)
    this.#ports.ended()
  }
}

function failureOf(error: unknown): LogFailed {
  return {
    kind: 'failed',
    code: error instanceof LogError ? error.code : 'log_broken',
    message: messageOf(error),
  }
}
