/** Processes of a benchmark: the parent asks, the child answers, one kind of question after the other. */
import { fork, type ChildProcess } from 'node:child_process'
import { pathToFileURL } from 'node:url'
import { runtimeEntry } from '../eventlog/runtime-entry.ts'

/** Questions by kind: what each takes, and what it answers. All of it has to survive a structured clone. */
export type Dialogue = Readonly<Record<string, { readonly ask: object; readonly answer: unknown }>>

interface Question {
  readonly number: number
  readonly kind: string
  readonly ask: object
}

type Answer =
  | { readonly number: number; readonly answer: unknown }
  | { readonly number: number; readonly failure: string }

interface Waiter {
  readonly resolve: (answer: unknown) => void
  readonly reject: (error: Error) => void
}

/** A child process, as its parent sees it. */
export class Child<D extends Dialogue> {
  readonly #child: ChildProcess
  readonly #waiters = new Map<number, Waiter>()
  readonly #exited: Promise<void>
  #asked = 0

  /** @param program `new URL('./some-child.ts', import.meta.url)` */
  constructor(program: URL) {
    const threadNames = runtimeEntry(new URL('./thread-names.ts', import.meta.url))
    this.#child = fork(runtimeEntry(program), [], {
      serialization: 'advanced',
      execArgv: ['--import', pathToFileURL(threadNames).href],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#child.on('message', (message) => this.#onAnswer(message as Answer))
    this.#exited = new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => {
        for (const waiter of this.#waiters.values())
          waiter.reject(new Error(`a process of the benchmark ended early: ${signal ?? code}`))
        this.#waiters.clear()
        resolve()
      })
    })
  }

  /** Rejects if the child fails at it, or ends. */
  ask<Kind extends keyof D & string>(kind: Kind, ask: D[Kind]['ask']): Promise<D[Kind]['answer']> {
    const number = ++this.#asked
    return new Promise((resolve, reject) => {
      this.#waiters.set(number, { resolve, reject })
      this.#child.send({ number, kind, ask } satisfies Question, (error) => {
        if (error !== null) reject(error)
      })
    })
  }

  /** Ends the child where it stands, and returns when it is gone. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#exited
  }

  #onAnswer(answer: Answer): void {
    const waiter = this.#waiters.get(answer.number)
    this.#waiters.delete(answer.number)
    if ('failure' in answer) waiter?.reject(new Error(answer.failure))
    else waiter?.resolve(answer.answer)
  }
}

export type Answers<D extends Dialogue> = {
  readonly [Kind in keyof D]: (ask: D[Kind]['ask']) => D[Kind]['answer'] | Promise<D[Kind]['answer']>
}

/** In the child: answers what the parent asks. The process ends with its parent. */
export function answerParent<D extends Dialogue>(answers: Answers<D>): void {
  process.once('disconnect', () => process.exit(1))
  process.on('message', (message) => {
    const { number, kind, ask } = message as Question
    void (async () => {
      try {
        const answer = await answers[kind]!(ask)
        process.send!({ number, answer } satisfies Answer)
      } catch (error) {
        const failure = error instanceof Error ? (error.stack ?? error.message) : String(error)
        process.send!({ number, failure } satisfies Answer)
      }
    })()
  })
}
