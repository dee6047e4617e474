import { fork, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { messageOf } from '../../schemas/errors.ts'
import { THREADS } from './limits.ts'
import type { FromEngine, ToEngine } from './protocol.ts'
import { runtimeEntry } from '../../eventlog/runtime-entry.ts'

const GIB = 1024 * 1024 * 1024
const START_MS_MAX = 60_000
const FOLDER_FREE_MS_MAX = 5_000
const PING_EVERY_MS = 2_000
const LIVENESS_MS_MAX = 30_000
const STOP_MS_MAX = 10_000
const BACK_OFF_MS_MIN = 50
const BACK_OFF_MS_MAX = 5_000
/** Restarts in a row, each sooner than `HEALTHY_MS` after the last, before the engine is given up. */
const RESTARTS_MAX = 8
const HEALTHY_MS = 60_000
const LOG_LINE_CHARACTERS_MAX = 2_000

/** `starting` until it first answers; `restarting` while a replacement comes up; `failed` when it was given up. */
export type EngineState = 'starting' | 'ready' | 'restarting' | 'failed' | 'stopped'

/** What the embedded engine is started with. */
export interface EngineOptions {
  /** Folder that belongs to this engine alone; made if missing. */
  readonly dataDir: string
  /** Memory that the engine may use, in bytes. Default: a quarter of the machine's, 4 GiB at most. */
  readonly memoryBytesMax?: number
  /** Gets a line of text for whatever an operator should see. */
  readonly log?: (line: string) => void
  /** The child's program; by default the built one. */
  readonly entry?: string
  /** Longest time in which the engine has to answer a sign-of-life question, in ms. Default 30,000. */
  readonly livenessMsMax?: number
}

/** A ClickHouse that runs as a child of this process. URL and secret stay the same over restarts. */
export interface Engine {
  readonly url: string
  readonly username: string
  readonly password: string
  /** Process id of the child that runs now, if one does. */
  readonly pid: number | undefined
  state(): EngineState
  /** Calls the listener at every change of state, until the returned function is called. */
  onState(listener: (state: EngineState) => void): () => void
  /** Ends the child: inserts under way finish, within a bound. Idempotent. */
  stop(): Promise<void>
}

/** Why an engine did not start. `folder_in_use`: another process has the data folder open. */
export class EngineStartError extends Error {
  readonly reason: 'folder_in_use' | 'start_failed' | 'start_timeout'

  constructor(reason: EngineStartError['reason'], message: string) {
    super(message)
    this.name = 'EngineStartError'
    this.reason = reason
  }
}

/**
 * Starts the embedded engine and returns once it answers.
 * @throws EngineStartError
 */
export async function startEngine(options: EngineOptions): Promise<Engine> {
  const supervisor = new Supervisor(options)
  await supervisor.start()
  return supervisor
}

class Supervisor implements Engine {
  readonly username = 'purser'
  readonly password = randomBytes(24).toString('base64url')
  readonly #options: EngineOptions
  readonly #log: (line: string) => void
  readonly #listeners = new Set<(state: EngineState) => void>()
  #state: EngineState = 'starting'
  #port = 0
  #child: ChildProcess | undefined
  #restarts = 0
  #readyAtMs = 0
  #stopping: Promise<void> | undefined

  constructor(options: EngineOptions) {
    this.#options = options
    this.#log = options.log ?? (() => undefined)
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  state(): EngineState {
    return this.#state
  }

  onState(listener: (state: EngineState) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Starts the first child. A folder that a dying process still holds is waited for, within a bound. */
  async start(): Promise<void> {
    const deadline = performance.now() + FOLDER_FREE_MS_MAX
    for (;;) {
      try {
        return await this.#spawn()
      } catch (error) {
        const mayFree = error instanceof EngineStartError && error.reason === 'folder_in_use'
        if (mayFree && performance.now() < deadline) {
          await sleep(250)
          continue
        }
        this.#become('failed')
        throw error
      }
    }
  }

  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop())
  }

  async #stop(): Promise<void> {
    const child = this.#child
    this.#become('stopped')
    if (child === undefined || hasEnded(child)) return
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    send(child, { kind: 'stop' })
    const backstop = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX)
    await ended
    clearTimeout(backstop)
  }

  #become(state: EngineState): void {
    if (this.#state === state || this.#state === 'stopped') return
    this.#state = state
    for (const listener of this.#listeners) listener(state)
  }

  async #spawn(): Promise<void> {
    const child = fork(this.#options.entry ?? runtimeEntry(new URL('./main.ts', import.meta.url)), [], {
      execArgv: [],
      // Nothing of the parent's environment is the engine's business; UTC, or times would depend on the machine.
      env: { UV_THREADPOOL_SIZE: String(THREADS), TZ: 'UTC' },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    this.#child = child
    const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
    let folderInUse = false
    for (const stream of [child.stdout!, child.stderr!]) {
      createInterface({ input: stream }).on('line', (line) => {
        folderInUse ||= /Cannot lock file|Another server instance/.test(line)
        this.#log(`engine: ${line.slice(0, LOG_LINE_CHARACTERS_MAX)}`)
      })
    }
    const started = firstWord(child)
    const { username, password } = this
    send(child, {
      kind: 'start',
      dataDir: path.resolve(this.#options.dataDir),
      memoryBytesMax: this.#options.memoryBytesMax ?? Math.min(4 * GIB, Math.floor(os.totalmem() / 4)),
      port: this.#port,
      username,
      password,
    })
    let late = false
    const timer = setTimeout(() => {
      late = true
      child.kill('SIGKILL')
    }, START_MS_MAX)
    const word = await started
    clearTimeout(timer)
    if (word.kind !== 'ready') {
      child.kill('SIGKILL')
      // Only then has everything that it wrote been read.
      if (child.pid !== undefined) await closed
      if (folderInUse) {
        throw new EngineStartError(
          'folder_in_use',
          `Another process has the engine's data open: ${this.#options.dataDir}`,
        )
      }
      if (late)
        throw new EngineStartError('start_timeout', `The engine did not start within ${START_MS_MAX} ms.`)
      throw new EngineStartError('start_failed', `The engine did not start: ${word.message}`)
    }
    if (this.#state === 'stopped') {
      child.kill('SIGKILL')
      return closed
    }
    this.#port = word.port
    this.#readyAtMs = performance.now()
    this.#watch(child)
    this.#become('ready')
  }

  /** Asks for a sign of life again and again; silence or an end brings a replacement. */
  #watch(child: ChildProcess): void {
    const deadlineMs = this.#options.livenessMsMax ?? LIVENESS_MS_MAX
    const everyMs = Math.min(PING_EVERY_MS, deadlineMs / 4)
    let asked = 0
    // Counted in questions, not read from a clock: a parent that was itself asleep must not blame the child.
    let unanswered = 0
    child.on('message', (message: FromEngine) => {
      if (message.kind === 'pong') unanswered = 0
      if (message.kind === 'failed') this.#log(`engine: ${message.message}`)
    })
    const timer = setInterval(() => {
      if (unanswered++ * everyMs > deadlineMs) {
        this.#log(`engine: no sign of life for ${deadlineMs} ms, replacing it`)
        child.kill('SIGKILL')
        return
      }
      send(child, { kind: 'ping', id: ++asked })
    }, everyMs)
    timer.unref()
    child.once('exit', (code, signal) => {
      clearInterval(timer)
      if (this.#state === 'stopped') return
      this.#log(`engine: ended (${signal ?? `code ${code}`})`)
      void this.#restart()
    })
  }

  async #restart(): Promise<void> {
    this.#become('restarting')
    if (performance.now() - this.#readyAtMs > HEALTHY_MS) this.#restarts = 0
    while (this.#state === 'restarting' && this.#restarts < RESTARTS_MAX) {
      await sleep(Math.min(BACK_OFF_MS_MAX, BACK_OFF_MS_MIN * 2 ** this.#restarts++))
      if (this.state() !== 'restarting') return
      try {
        return await this.#spawn()
      } catch (error) {
        this.#log(`engine: ${messageOf(error)}`)
      }
    }
    this.#become('failed')
  }
}

/** The first thing a child has to say; its end counts as a word too. */
function firstWord(child: ChildProcess): Promise<Extract<FromEngine, { kind: 'ready' | 'failed' }>> {
  return new Promise((resolve) => {
    child.on('message', (message: FromEngine) => {
      if (message.kind === 'ready' || message.kind === 'failed') resolve(message)
    })
    child.once('error', (error) => resolve({ kind: 'failed', message: error.message }))
    child.once('exit', (code, signal) =>
      resolve({ kind: 'failed', message: `it ended (${signal ?? `code ${code}`})` }),
    )
  })
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

function send(child: ChildProcess, message: ToEngine): void {
  // It may be gone; its end is noticed elsewhere.
  if (child.connected) child.send(message, () => undefined)
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
