/** One life of test/support/killable-views.ts, as a test sees it: what it has said, and how it is ended. */
import { spawn, type ChildProcess } from 'node:child_process'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { createViewStore } from '../../projectors/clickhouse/clickhouse-store.ts'
import type { ViewStore } from '../../projectors/clickhouse/view-store.ts'
import type { KillableViewsOptions, KillableViewsSaid } from './killable-views.ts'
import { until } from './until.ts'

const RUN = path.join(import.meta.dirname, '..', '..', 'bin', 'run.js')

export class ViewsLife {
  readonly child: ChildProcess
  readonly #ended: Promise<void>
  #hasEnded = false
  /** Process ids of the engines that it has had. */
  readonly engines: number[] = []
  ticks: number
  states: readonly string[] = []
  failures: readonly string[] = []
  #engineKilled = false
  #outage = false
  lines = ''
  #store: ViewStore | undefined

  /** @param under a command that is put around it */
  constructor(options: KillableViewsOptions, under: readonly string[] = []) {
    this.ticks = options.ticks
    const program = [process.execPath, RUN, 'test/support/killable-views.ts', JSON.stringify(options)]
    const [command, ...args] = [...under, ...program]
    this.child = spawn(command!, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    createInterface({ input: this.child.stdout! }).on('line', (line) => {
      this.#hear(JSON.parse(line) as KillableViewsSaid)
    })
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.lines += text))
    this.#ended = new Promise((resolve) => this.child.once('close', () => resolve()))
    void this.#ended.then(() => (this.#hasEnded = true))
  }

  get store(): ViewStore {
    if (this.#store === undefined) throw new Error('it has not said where its store is')
    return this.#store
  }

  get isReady(): boolean {
    return this.#store !== undefined
  }

  async ready(): Promise<void> {
    await until('the views have begun', () => {
      if (this.#hasEnded) throw new Error(`it ended before: ${this.lines}`)
      return this.isReady
    })
  }

  /** Ends the engine, as a power cut would end a process. @returns false if there is none just now */
  killEngine(): boolean {
    const pid = this.engines.at(-1)
    if (pid === undefined) return false
    try {
      process.kill(pid, 'SIGKILL')
      return (this.#engineKilled = true)
    } catch {
      return false
    }
  }

  /** Waits for an engine behind the first so many. @returns false if it has ended before, as it may */
  async engineAfter(count: number): Promise<boolean> {
    await until('another engine has come', () => {
      if (this.#hasEnded) this.#expectMayEnd()
      return this.#hasEnded || this.engines.length > count
    })
    return !this.#hasEnded
  }

  /** Ends the whole of it; resolves when everything that it said has been heard. Throws if it had ended as it may not. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.#ended
    await this.#store?.close()
    if (this.child.signalCode !== 'SIGKILL') this.#expectMayEnd()
  }

  /** A start retries an outage for a while only: it may end by itself if its engine was killed before it was ready. */
  #expectMayEnd(): void {
    if (!this.#engineKilled || !this.#outage) throw new Error(`it ended by itself: ${this.lines}`)
  }

  #hear(said: KillableViewsSaid): void {
    if ('ready' in said) this.#store = createViewStore(said.ready)
    else if ('enginePid' in said) {
      if (this.engines.at(-1) !== said.enginePid) this.engines.push(said.enginePid)
    } else if ('ticks' in said) this.ticks = said.ticks
    else if ('outage' in said) this.#outage = true
    else Object.assign(this, said)
  }
}
