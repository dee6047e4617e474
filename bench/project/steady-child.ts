/** The platform of the section `steady`: a writer and, once they are asked for, the views, in one process as `npm start` has them. */
import { setTimeout as delay } from 'node:timers/promises'
import { allTogether, tableNameAmong } from '../../projectors/projection.ts'
import { createOperations } from '../../projectors/registry/operations.ts'
import { startProjections, type RunningProjections } from '../../projectors/runtime/runtime.ts'
import { systemClock } from '../../projectors/runtime/system-clock.ts'
import { BUILT_IN_PROJECTIONS } from '../../projectors/views/built-in.ts'
import type { Position } from '../../schemas/positions.ts'
import { startEmbeddedWriter, type EmbeddedWriter } from '../../writer/embedded.ts'
import { answerParent } from '../child.ts'
import { fillLog } from '../filler.ts'
import { CommandGenerator } from '../generator.ts'
import { queueLane } from '../lanes.ts'
import { sendLoad, type Load, type LoadResult } from '../load.ts'
import type { LoadSizes } from '../load-series.ts'
import { processStatusBytes } from '../machine.ts'
import { SerialSet } from '../serial-set.ts'
import { WORKLOADS } from '../workloads.ts'
import { BenchEngine } from './engine.ts'
import { whenHeld } from './when-held.ts'

const LAG_LOOK_MS = 100

export interface SteadyLoad {
  readonly result: LoadResult
  /** Of this process, all of its threads, until the views held everything. */
  readonly cpuSeconds: number
  /** Of the engine, until it had merged as well; 0 without views. */
  readonly engineCpuSeconds: number
  readonly ranges: number
  readonly lagSecondsMax: number
  readonly rssBytes: number
}

export interface SteadyEnd {
  /** Serials of the commands that were acknowledged. */
  readonly acknowledged: Uint8Array
  /** Events that the audit view holds; undefined without views. */
  readonly viewed: number | undefined
  /** Where the log ends. */
  readonly head: number
}

export interface Rebuilt {
  /** Events that there were when it began. */
  readonly events: number
  readonly seconds: number
}

/** A type and not an interface, so that it fits `Dialogue`. */
export type SteadyDialogue = {
  /** Starts the writer and opens the accounts. */
  readonly open: { readonly ask: LoadSizes & { readonly dataDir: string }; readonly answer: undefined }
  readonly load: { readonly ask: Load; readonly answer: SteadyLoad }
  /** Starts the views; answers when they hold everything. */
  readonly views: { readonly ask: { readonly viewsDir: string }; readonly answer: undefined }
  /** Sends it, and waits until the views hold it: how long that took. */
  readonly readable: {
    readonly ask: Load
    readonly answer: { readonly result: LoadResult; readonly ms: number }
  }
  /** Begins a new version of a view beside the one that serves, as an operator would. */
  readonly rebuild: {
    readonly ask: { readonly name: string; readonly share: number }
    readonly answer: undefined
  }
  /** What has come of it: undefined as long as it does not hold all that there was when it began. */
  readonly rebuilt: { readonly ask: object; readonly answer: Rebuilt | undefined }
  readonly stop: { readonly ask: object; readonly answer: SteadyEnd }
}

/** The writer's state has to be one for all loads: it is there from `open` on. */
class SteadyPlatform {
  readonly #acknowledged = new SerialSet()
  #writer: EmbeddedWriter | undefined
  #engine: BenchEngine | undefined
  #projections: RunningProjections | undefined
  #ranges = 0
  #rebuilt: Rebuilt | undefined

  async open(ask: SteadyDialogue['open']['ask']): Promise<undefined> {
    const { dataDir, accounts } = ask
    const writer = (this.#writer = await startEmbeddedWriter({
      dataDir,
      core: { accountsInitial: accounts },
    }))
    await fillLog(writer, new CommandGenerator(WORKLOADS[0]!, ask), accounts, 0)
    return undefined
  }

  async views(viewsDir: string): Promise<undefined> {
    const engine = (this.#engine = await BenchEngine.start(viewsDir))
    this.#projections = await startProjections({
      store: engine.store,
      projections: allTogether(BUILT_IN_PROJECTIONS),
      logs: [this.#writer!.log],
    })
    this.#projections.onAdvance(() => (this.#ranges += 1))
    await this.#viewed()
    await engine.whenQuiet()
    return undefined
  }

  async load(load: Load): Promise<SteadyLoad> {
    const before = { own: process.cpuUsage(), engine: this.#engine?.cpuSeconds() ?? 0, ranges: this.#ranges }
    const over = new AbortController()
    const lag = this.#watchLag(over.signal)
    const result = await this.#send(load)
    over.abort()
    await this.#viewed()
    const { user, system } = process.cpuUsage(before.own)
    await this.#engine?.whenQuiet()
    return {
      result,
      cpuSeconds: (user + system) / 1e6,
      engineCpuSeconds: (this.#engine?.cpuSeconds() ?? 0) - before.engine,
      ranges: this.#ranges - before.ranges,
      lagSecondsMax: await lag,
      rssBytes: processStatusBytes('VmRSS'),
    }
  }

  async readable(load: Load): Promise<SteadyDialogue['readable']['answer']> {
    const result = await this.#send(load)
    const startedMs = performance.now()
    await this.#viewed()
    return { result, ms: performance.now() - startedMs }
  }

  async rebuild(name: string, share: number): Promise<undefined> {
    const { store } = this.#engine!
    const projections = this.#projections!
    const { partition, sequence } = this.#writer!.log.head()
    const operations = createOperations({
      store,
      projections: BUILT_IN_PROJECTIONS,
      head: () => new Map([[partition, sequence]]),
      compare: () => Promise.reject(new Error('nothing is compared here')),
      validate: () => undefined,
      changed: () => projections.refresh(),
      clock: systemClock,
    })
    const startedMs = performance.now()
    const outcome = await operations.rebuild(name, { share })
    if (outcome.kind === 'refused') throw new Error(outcome.message)
    this.#rebuilt = undefined
    const stop = projections.onAdvance(() => {
      const status = projections.versionStatus(outcome).get(partition)
      if (status === undefined || status.checkpoint.sequence < sequence) return
      stop()
      this.#rebuilt = { events: Number(sequence), seconds: (performance.now() - startedMs) / 1_000 }
    })
    return undefined
  }

  rebuilt(): Rebuilt | undefined {
    return this.#rebuilt
  }

  async stop(): Promise<SteadyEnd> {
    const rows = await this.#engine?.store.query<{ readonly events: string }>(
      `SELECT uniqExact(sequence) AS events FROM ${tableNameAmong(BUILT_IN_PROJECTIONS, 'events')}`,
    )
    const head = Number(this.#writer!.log.head().sequence)
    await this.#projections?.stop()
    await this.#writer!.stop()
    await this.#engine?.stop()
    const viewed = rows === undefined ? undefined : Number(rows[0]!.events)
    return { acknowledged: this.#acknowledged.toBytes(), viewed, head }
  }

  async #send(load: Load): Promise<LoadResult> {
    const lane = queueLane(this.#writer!)
    try {
      return await sendLoad([lane], load, this.#acknowledged)
    } finally {
      await lane.close()
    }
  }

  /** Resolves when the views hold all that the log holds now; at once without views. */
  async #viewed(): Promise<void> {
    const { partition, sequence } = this.#writer!.log.head()
    const head: Position = new Map([[partition, sequence]])
    if (this.#projections !== undefined) await whenHeld(this.#projections, head)
  }

  async #watchLag(over: AbortSignal): Promise<number> {
    let most = 0
    while (this.#projections !== undefined && !over.aborted) {
      for (const { lagSeconds } of this.#projections.status()) most = Math.max(most, lagSeconds)
      await delay(LAG_LOOK_MS)
    }
    return most
  }
}

const platform = new SteadyPlatform()
answerParent<SteadyDialogue>({
  open: (ask) => platform.open(ask),
  load: (load) => platform.load(load),
  views: ({ viewsDir }) => platform.views(viewsDir),
  readable: (load) => platform.readable(load),
  rebuild: ({ name, share }) => platform.rebuild(name, share),
  rebuilt: () => platform.rebuilt(),
  stop: () => platform.stop(),
})
