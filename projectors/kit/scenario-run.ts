/** One run of a scenario: the events in some cut, through the real runtime, into tables of a database of its own. */
import { MemoryLog } from '../../eventlog/memory-log.ts'
import { startGateway, type Gateway } from '../../gateway/gateway.ts'
import { codeTargets } from '../../platform/projections/code-targets.ts'
import { projectionsOf, requiredOf, type View } from '../../gateway/view.ts'
import { createViewStore } from '../clickhouse/clickhouse-store.ts'
import type { ViewStore } from '../clickhouse/view-store.ts'
import type { Engine } from '../engine/supervisor.ts'
import { allTogether, tableName } from '../projection.ts'
import { compareVersions, type VersionToCompare } from '../proof/compare.ts'
import { storedTables } from '../proof/rows-at.ts'
import { createOperations } from '../registry/operations.ts'
import type { Version } from '../registry/versions.ts'
import { startProjections, type RunningProjections } from '../runtime/runtime.ts'
import { systemClock } from '../runtime/system-clock.ts'
import type { WalletEvent } from '../../schemas/events.ts'
import { ISO_CURRENCIES } from '../../schemas/money.ts'
import type { Position } from '../../schemas/positions.ts'
import type { Writer } from '../../writer/writer.ts'
import { ScenarioError } from './scenario-commands.ts'
import { crashingStore, type CrashAt, type CrashingStore } from './scenario-crash.ts'
import { readRows, shown, type RowsByTable } from './scenario-rows.ts'

/** How the same events come. */
export interface Cut {
  /** Events of one frame. */
  readonly frame: number
  /** Events that are written at once. */
  readonly range: number
}

/** How long the views may take for a scenario's few events. */
const WAIT_MS_MAX = 60_000
const LOOK_MS = 50
const NO_CRASH: CrashAt = { write: 0, isStored: false }

export class ScenarioRun {
  readonly #name: string
  readonly #views: readonly View[]
  readonly #view: View
  readonly #base: ViewStore
  readonly #log = new MemoryLog(0)
  readonly #head: Position
  #running: RunningProjections | undefined
  #crashing: CrashingStore | undefined

  private constructor(
    name: string,
    views: readonly View[],
    base: ViewStore,
    events: readonly WalletEvent[],
    cut: Cut,
  ) {
    this.#name = name
    this.#views = views
    this.#view = views.at(-1)!
    this.#base = base
    for (let at = 0; at < events.length; at += cut.frame) this.#log.append(events.slice(at, at + cut.frame))
    this.#head = new Map([[0, this.#log.head().sequence]])
  }

  /**
   * @param views the last of them is the one that the scenario is about
   * @param number tells its database apart from those of other runs
   */
  static async begin(
    engine: Engine,
    name: string,
    number: number,
    views: readonly View[],
    events: readonly WalletEvent[],
    cut: Cut,
  ): Promise<ScenarioRun> {
    const { url, username, password } = engine
    const database = `run_${number}`
    const first = createViewStore({ url, username, password })
    await first.command(`CREATE DATABASE ${database}`).finally(() => first.close())
    const store = createViewStore({ url, username, password, database })
    return new ScenarioRun(name, views, store, events, cut)
  }

  /** Writes to the store so far. */
  get writes(): number {
    return this.#crashing?.writes() ?? 0
  }

  /** Fills the views up to the end of the log. */
  async fill(range: number): Promise<void> {
    await this.#start(range, NO_CRASH)
    await this.#waitFor()
  }

  /** Begins to fill them, until a write fails; what ran then is gone. */
  async crash(range: number, at: CrashAt): Promise<void> {
    const { crashed } = await this.#start(range, at)
    await Promise.race([crashed, this.#waitFor()])
    await this.#stop()
  }

  /** Builds a new version of the view beside the one that is read, compares them, and lets readers read the new one. */
  async rebuildAndPromote(): Promise<void> {
    const running = this.#running!
    const { name } = this.#view.projection
    const operations = createOperations({
      store: this.#base,
      projections: projectionsOf(this.#views),
      head: () => this.#head,
      compare: (left, right, at) => {
        const sideOf = (version: Version): VersionToCompare => ({
          version: version.version,
          position: at,
          tables: storedTables(this.#view.projection, (table) => tableName(version, table)),
        })
        return compareVersions({ store: this.#base, projection: name, left: sideOf(left), right: sideOf(right), at })
      },
      validate: () => undefined,
      changed: () => running.refresh(),
      clock: systemClock,
    })
    for (const outcome of [await operations.rebuild(name, { share: 1 }), await operations.promote(name)])
      if (outcome.kind === 'refused') {
        const differing = outcome.comparison?.tables.flatMap(({ differences }) => differences) ?? []
        throw new ScenarioError(`${this.#name}: ${outcome.message} ${shown(differing)}`)
      }
    const untilMs = performance.now() + WAIT_MS_MAX
    while (running.serving().versionOf(name) === this.#view.projection.version) {
      if (performance.now() > untilMs) throw new ScenarioError(`${this.#name}: the new version is not read.`)
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
      await running.refresh()
    }
    await this.#waitFor()
  } // prettier-ignore

  /** What readers see. */
  async rows(): Promise<RowsByTable> {
    const { projection } = this.#view
    const tables = this.#running!.serving().tables()
    return readRows(this.#base, projection, (table) => tables[table] ?? tableName(projection, table), this.#head)
  } // prettier-ignore

  /** Works with a gateway over these views: it takes no commands. */
  async withGateway<T>(work: (url: string) => Promise<T>): Promise<T> {
    let gateway: Gateway | undefined
    try {
      gateway = await startGateway({
        writers: [readOnlyWriter(this.#log)],
        store: this.#base,
        views: this.#views,
        projections: this.#running!,
        currencies: ISO_CURRENCIES,
        imports: undefined as never,
        host: '127.0.0.1',
        port: 0,
        graphiql: false,
        log: () => undefined,
      })
      return await work(gateway.url)
    } finally {
      await gateway?.stop()
    }
  }

  async end(): Promise<void> {
    await this.#stop()
    await this.#base.close()
  }

  async #start(range: number, at: CrashAt): Promise<CrashingStore> {
    const crashing = crashingStore(this.#base, at)
    this.#crashing = crashing
    try {
      this.#running = await startProjections({
        store: crashing.store,
        projections: allTogether(projectionsOf(this.#views)),
        required: requiredOf(this.#views),
        logs: [this.#log],
        rangeEventsMax: range,
        lingerMs: 1,
        targetOfCode: codeTargets({
          store: crashing.store,
          views: this.#views,
          partitions: 1,
          log: () => undefined,
        }),
      })
    } catch (error) {
      if (at.write === 0) throw error
    }
    return crashing
  }

  async #waitFor(): Promise<void> {
    const running = this.#running
    if (running === undefined) return
    const { name } = this.#view.projection
    const isThere = await running.waitFor(this.#head, WAIT_MS_MAX, name)
    if (isThere) return
    const status = running.status().find((one) => one.name === name)
    throw new ScenarioError(`${this.#name}: ${name} is ${status?.state ?? 'not there'}: ${status?.failure ?? 'it was too slow'}.`)
  } // prettier-ignore

  async #stop(): Promise<void> {
    await this.#running?.stop()
    this.#running = undefined
  }
}

/** A writer whose log is finished. */
function readOnlyWriter(log: MemoryLog): Writer {
  return {
    queue: { partition: 0, offer: () => ({ kind: 'stopped' }), waiting: () => 0 },
    log,
    status: () => ({
      state: 'ready',
      failure: undefined,
      epoch: 1n,
      accounts: 0,
      holdsOpen: 0,
      snapshot: undefined,
    }),
    onFailure: () => undefined,
    stop: () => Promise.resolve(),
  }
}
