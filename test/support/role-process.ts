/** One role of the distributed platform in a process of its own, which may be killed, stopped in its tracks, and started anew. */
import type { OutageBounds } from '../../platform/roles/outage-bounds.ts'
import { onlyJson, spawnImpatient, spawnPurser, type Finished, type Running } from './purser.ts'

/** No suite keeps a role for longer: one that outlives its suite is killed. */
const LIFE_MS_MAX = 900_000

/** What `/readyz` says. */
export interface ReadyAnswer {
  readonly ready: boolean
  readonly reasons: readonly string[]
  readonly [detail: string]: unknown
}

export class RoleProcess {
  /** `writer-1`. */
  readonly name: string
  readonly #args: readonly string[]
  readonly #lifeMsMax: number
  #running: Running | undefined
  #isPaused = false
  #said = ''
  #where = ''

  constructor(name: string, args: readonly string[], lifeMsMax = LIFE_MS_MAX) {
    this.name = name
    this.#args = args
    this.#lifeMsMax = lifeMsMax
  }

  /** Where it answers: a gateway its clients, others `/readyz`. It changes with each start. */
  get url(): string {
    return this.#where
  }

  isRunning(): boolean {
    return this.#running !== undefined
  }

  /** Lines for the operator, of all its lives. */
  log(): string {
    return this.#said + (this.#running?.stderr() ?? '')
  }

  /**
   * Starts it and waits until it says that it runs. What it serves may come later.
   * @param bounds its patience with Kafka. Default: that of any role
   */
  async start(bounds?: OutageBounds): Promise<void> {
    if (this.#running !== undefined) throw new Error(`${this.name} runs already`)
    const around = { runMsMax: this.#lifeMsMax }
    const running =
      bounds === undefined ? spawnPurser(this.#args, around) : spawnImpatient(bounds, this.#args, around)
    this.#running = running
    const { child, finished } = running
    const told = await Promise.race([
      new Promise<Record<string, unknown>>((resolve) =>
        child.stdout!.on('data', () => {
          if (running.stdout().includes('\n')) resolve(onlyJson(running.stdout()))
        }),
      ),
      finished.then(({ stdout, stderr }) => {
        throw new Error(`${this.name} ended before it ran: ${stdout}${stderr}`)
      }),
    ])
    this.#where = (told['url'] ?? told['health']) as string
  }

  /** SIGKILL, also of one that is paused. */
  kill(): Promise<Finished> {
    return this.#end('SIGKILL')
  }

  /** Ends it in order. */
  stop(): Promise<Finished> {
    this.resume()
    return this.#end('SIGTERM')
  }

  /** SIGSTOP: it stands still, its connections stay. */
  pause(): void {
    this.#running?.child.kill('SIGSTOP')
    this.#isPaused = true
  }

  resume(): void {
    if (this.#isPaused) this.#running?.child.kill('SIGCONT')
    this.#isPaused = false
  }

  /** Resolves when the process is gone, whoever ended it. */
  async finished(): Promise<Finished> {
    return this.#running!.finished
  }

  /** What it says of itself; undefined if it does not answer. */
  async ready(): Promise<ReadyAnswer | undefined> {
    if (this.#running === undefined) return undefined
    try {
      const response = await fetch(`${this.url}/readyz`, { signal: AbortSignal.timeout(5_000) })
      return (await response.json()) as ReadyAnswer
    } catch {
      return undefined
    }
  }

  async #end(signal: NodeJS.Signals): Promise<Finished> {
    const running = this.#running!
    running.child.kill(signal)
    this.#isPaused = false
    const finished = await running.finished
    this.#said += finished.stderr
    this.#running = undefined
    return finished
  }
}
