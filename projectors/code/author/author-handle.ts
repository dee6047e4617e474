/**
 * Starts the process in which an author's functions run, and starts it again when it ends. What ends it is told apart: its
 * own watch says at which event it was stuck; of any other end the same work is done once more, slowly, and each event is
 * told before it is taken. If that ends too, the event is known; if not, the process was ended by something else.
 */
import { fork, type ChildProcess } from 'node:child_process'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { runtimeEntry } from '../../../eventlog/runtime-entry.ts'
import { messageOf } from '../../../schemas/errors.ts'
import {
  AuthorFault,
  ProjectionLoadError,
  type Author,
  type Made,
  type StoredStates,
  type Work,
} from './port.ts'
import {
  LAST_WORDS_FD,
  type FromAuthor,
  type LastWords,
  type Load,
  type ToAuthor,
} from './process-messages.ts'

/** Time in which a file has to be loaded, in ms. */
const LOAD_MS_MAX = 30_000
/** The end of what a process has said on its error stream that is kept, in characters. */
const SAID_CHARACTERS_MAX = 4_000
/** Lines of it that are passed on. */
const SAID_LINES_MAX = 3

export interface AuthorOptions extends Omit<Load, 'kind'> {
  /** A line for operators. */
  readonly log: (line: string) => void
}

/** The sink has not taken a delivery. @see SinkOutageError */
export class SinkDown extends Error {
  override readonly name = 'SinkDown'
}

/** The process has ended. */
class ProcessEnd extends Error {
  override readonly name = 'ProcessEnd'
  readonly words: LastWords

  constructor(message: string, words: LastWords) {
    super(message)
    this.words = words
  }
}

export class AuthorHandle implements Author {
  readonly #options: AuthorOptions
  #process: AuthorChild | undefined
  /** One after the other, whatever partitions ask for. */
  #turn: Promise<unknown> = Promise.resolve()
  #isStopped = false

  constructor(options: AuthorOptions) {
    this.#options = options
  }

  start(): Promise<void> {
    return this.#inTurn(async () => void (await this.#started()))
  }

  run(work: Work, load: (keys: readonly string[]) => Promise<StoredStates>): Promise<Made> {
    return this.#inTurn(async () => {
      const answer = await this.#twice(async (child, isCareful) => {
        let refused: Error | undefined
        const answer = await child.ask({ kind: 'run', work, isCareful }, (message) => {
          if (message.kind !== 'asks') return
          load(message.keys).then(
            (states) => child.tell({ kind: 'states', states }),
            (error: unknown) => {
              refused = error instanceof Error ? error : new Error(messageOf(error))
              child.tell({ kind: 'abandon' })
            },
          )
        })
        if (refused !== undefined) throw refused
        return answer
      }, `partition ${work.partition} behind ${work.after}`)
      if (answer.kind === 'made') return answer.made
      throw failureOf(answer)
    })
  }

  /**
   * Has a sink projection deliver what a range makes.
   * @param delivered called with each sequence up to which the sink has taken everything
   * @param deadlineMs time in which the sink has to take something
   * @throws AuthorFault; SinkDown for an outage, and where a delivery is not answered in time
   */
  deliver(work: Work, delivered: (last: bigint) => void, deadlineMs: number): Promise<void> {
    return this.#inTurn(async () => {
      const answer = await this.#twice(async (child, isCareful) => {
        let isLate = false
        const late = (): NodeJS.Timeout =>
          setTimeout(() => {
            isLate = true
            child.kill()
          }, deadlineMs)
        let timer = late()
        try {
          return await child.ask({ kind: 'deliver', work, isCareful }, (message) => {
            if (message.kind !== 'delivered') return
            clearTimeout(timer)
            timer = late()
            delivered(message.last)
          })
        } catch (error) {
          if (isLate) throw new SinkDown(`the sink has not taken a delivery within ${deadlineMs / 1_000} s`)
          throw error
        } finally {
          clearTimeout(timer)
        }
      }, `partition ${work.partition} behind ${work.after}`)
      if (answer.kind !== 'done') throw failureOf(answer)
    })
  }

  keep(partition: number): void {
    this.#process?.tell({ kind: 'keep', partition })
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#process?.end()
  }

  #inTurn<Result>(task: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(task)
    this.#turn = result.catch(() => undefined)
    return result
  }

  /** Does a piece of work; where its process ends over it, once more with care. */
  async #twice(
    work: (child: AuthorChild, isCareful: boolean) => Promise<FromAuthor>,
    what: string,
  ): Promise<FromAuthor> {
    try {
      return await work(await this.#started(), false)
    } catch (error) {
      if (!(error instanceof ProcessEnd) || this.#isStopped) throw error
      if (error.words.why === 'stuck') throw this.#faultOf(error)
      this.#options.log(`${this.#options.declared.name}: ${error.message}, at ${what}. It begins anew.`)
    }
    try {
      return await work(await this.#started(), true)
    } catch (error) {
      if (!(error instanceof ProcessEnd) || this.#isStopped) throw error
      throw this.#faultOf(error)
    }
  }

  #faultOf(end: ProcessEnd): Error {
    const { sequence } = end.words
    return sequence === undefined ? end : new AuthorFault(BigInt(sequence), end.message)
  }

  async #started(): Promise<AuthorChild> {
    if (this.#isStopped) throw new Error('the projection has been stopped')
    if (this.#process?.isAlive === true) return this.#process
    const child = new AuthorChild(this.#options)
    this.#process = child
    const timer = setTimeout(() => child.kill(), LOAD_MS_MAX)
    try {
      const { log: _, ...load } = this.#options
      const answer = await child.ask({ kind: 'load', ...load })
      if (answer.kind === 'unloadable') throw new ProjectionLoadError(answer.message)
    } catch (error) {
      await child.end()
      if (error instanceof ProcessEnd && !this.#isStopped)
        throw new ProjectionLoadError(
          `the file cannot be loaded: ${error.message}, or it did not load within ${LOAD_MS_MAX / 1_000} s`,
        )
      throw error
    } finally {
      clearTimeout(timer)
    }
    return child
  }
}

function failureOf(answer: FromAuthor): Error {
  if (answer.kind === 'fault') return new AuthorFault(answer.sequence, answer.message)
  if (answer.kind === 'outage') return new SinkDown(answer.message)
  return new Error(answer.kind === 'failed' ? answer.message : `an answer out of turn: ${answer.kind}`)
}

/** One process. It answers one message at a time. */
class AuthorChild {
  readonly #child: ChildProcess
  readonly #limits: Load['limits']
  readonly #ended: Promise<void>
  #waiting:
    | {
        onMessage(message: FromAuthor): void
        resolve(message: FromAuthor): void
        reject(error: ProcessEnd): void
      }
    | undefined
  #words: LastWords = {}
  #said = ''
  #end: ProcessEnd | undefined

  constructor({ declared, limits }: AuthorOptions) {
    this.#limits = limits
    const entry = runtimeEntry(new URL('./author-process.ts', import.meta.url))
    this.#child = fork(entry, [], {
      cwd: fileURLToPath(new URL('.', import.meta.url)),
      serialization: 'advanced',
      execArgv: [
        '--enable-source-maps',
        `--max-old-space-size=${limits.memoryMiBMax}`,
        // Ranges are large and most of what is made of them is short-lived; other cores are others' to use.
        '--max-semi-space-size=64',
        '--single-threaded-gc',
      ],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc', 'pipe'],
      // Nothing of this machine may show in a row: neither its time zone nor its language. A sink needs its passwords.
      ...(declared.kind === 'code' ? { env: { TZ: 'UTC' } } : {}),
    })
    this.#child.stderr!.setEncoding('utf8')
    this.#child.stderr!.on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-SAID_CHARACTERS_MAX)
    })
    this.#hear(this.#child.stdio[LAST_WORDS_FD] as Readable)
    this.#child.on('message', (message) => this.#take(message as FromAuthor))
    // Its streams have been read to their end by then: its last words are known.
    this.#ended = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => {
        this.#over(signal ?? `code ${code}`)
        resolve()
      })
      this.#child.once('error', (error) => {
        this.#over(error.message)
        resolve()
      })
    })
  }

  get isAlive(): boolean {
    return this.#end === undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** @param onMessage takes what it says before its answer @throws ProcessEnd */
  ask(message: ToAuthor, onMessage: (message: FromAuthor) => void = () => undefined): Promise<FromAuthor> {
    return new Promise((resolve, reject) => {
      if (this.#end !== undefined) return reject(this.#end)
      this.#waiting = { onMessage, resolve, reject }
      this.tell(message)
    })
  }

  tell(message: ToAuthor): void {
    // A process that is gone is told of by its end.
    if (this.#child.connected) this.#child.send(message, () => undefined)
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  async end(): Promise<void> {
    this.kill()
    await this.#ended
  }

  #take(message: FromAuthor): void {
    const waiting = this.#waiting
    if (waiting === undefined) return
    if (message.kind === 'asks' || message.kind === 'delivered') return waiting.onMessage(message)
    this.#waiting = undefined
    waiting.resolve(message)
  }

  #hear(words: Readable): void {
    let rest = ''
    words.setEncoding('utf8')
    words.on('error', () => undefined)
    words.on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop()!
      const last = lines.at(-1)
      if (last !== undefined) this.#words = JSON.parse(last) as LastWords
    })
  }

  #over(how: string): void {
    this.#end ??= new ProcessEnd(this.#why(how), this.#words)
    this.#waiting?.reject(this.#end)
    this.#waiting = undefined
  }

  #why(how: string): string {
    const { why, message } = this.#words
    const { secondsPerEventMax, memoryMiBMax } = this.#limits
    if (why === 'stuck') return `a function did not come back within ${secondsPerEventMax} s`
    if (why === 'memory' || /heap out of memory|Allocation failed/.test(this.#said))
      return `the functions took more than ${memoryMiBMax} MiB`
    if (why === 'uncaught') return `something that the functions left behind threw: ${message ?? ''}`
    const said = this.#said.trim().split('\n').slice(-SAID_LINES_MAX).join(' | ')
    return `the process of the functions ended (${how}${said === '' ? '' : `: ${said}`})`
  }
}
