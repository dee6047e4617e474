/** An embedded engine of its own for one measurement, and what it has cost so far. */
import { setTimeout as delay } from 'node:timers/promises'
import { createViewStore } from '../../projectors/clickhouse/clickhouse-store.ts'
import type { ViewStore } from '../../projectors/clickhouse/view-store.ts'
import { startEngine, type Engine } from '../../projectors/engine/supervisor.ts'
import { processCpuSeconds } from '../thread-cpu.ts'

const LOOK_MS = 200
/** Looks in a row at which no merge may run: one that is due begins within that time. */
const QUIET_LOOKS = 3

export class BenchEngine {
  readonly store: ViewStore
  readonly #engine: Engine

  private constructor(engine: Engine) {
    this.#engine = engine
    this.store = createViewStore(engine)
  }

  /** @param dataDir a folder of its own; whoever gave it removes it */
  static async start(dataDir: string): Promise<BenchEngine> {
    const log = (line: string): void => void process.stderr.write(`${line}\n`)
    return new BenchEngine(await startEngine({ dataDir, log }))
  }

  get pid(): number | undefined {
    return this.#engine.pid
  }

  /** Of the engine's process, since it began. @throws Error where the system does not tell */
  cpuSeconds(): number {
    const seconds = this.#engine.pid === undefined ? undefined : processCpuSeconds(this.#engine.pid)
    if (seconds === undefined) throw new Error('the system does not tell what the engine has cost')
    return seconds
  }

  /** Resolves when the engine merges nothing any more. */
  async whenQuiet(): Promise<void> {
    for (let looks = 0; looks < QUIET_LOOKS; looks++) {
      await delay(LOOK_MS)
      const [merges] = await this.store.query<{ readonly running: string }>(
        'SELECT count() AS running FROM system.merges',
      )
      if (merges!.running !== '0') looks = -1
    }
  }

  async stop(): Promise<void> {
    await this.store.close()
    await this.#engine.stop()
  }
}
