/**
 * `purser/projections/kit`: tests for views. A scenario gives commands to the real core, and says which rows and answers are
 * to come of them; then the same events come in other cuts, are delivered twice, the runtime is ended between any two of its
 * writes, and the view is built anew and promoted. Each time readers have to see the same rows.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import { checkView } from '../../platform/projections/check/check.ts'
import { ProjectionUnfitError } from '../../platform/projections/errors.ts'
import { loadOne } from '../../platform/projections/load.ts'
import { startEngine, type Engine } from '../engine/supervisor.ts'
import { BUILT_IN_VIEWS } from '../views/built-in.ts'
import type { View } from '../../gateway/view.ts'
import type { WalletEvent } from '../../schemas/events.ts'
import { BEGINNING, eventsOf, ScenarioError, type Given } from './scenario-commands.ts'
import { expectRows, expectSame, type RowsByTable } from './scenario-rows.ts'
import { ScenarioRun, type Cut } from './scenario-run.ts'

export { accountId, ScenarioError, transferId, type Given } from './scenario-commands.ts'
export type { Row, RowsByTable } from './scenario-rows.ts'

/** A question to the gateway, and its whole answer. */
export interface Asked {
  readonly query: string
  readonly variables?: Readonly<Record<string, unknown>>
  /** What `data` of the answer has to be. */
  readonly data: unknown
}

export interface Scenario {
  /** The file that exports the view: `new URL('./daily-volume.ts', import.meta.url)`. */
  readonly view: string | URL
  /** When it begins, RFC 3339. Default: the first of March 2026, nine o'clock UTC. */
  readonly from?: string
  readonly given: readonly Given[]
  /**
   * Rows by table, in the order of the log, then of the key. Columns that are left out may hold anything; numbers, times
   * (nanoseconds of a code projection) and bigints are compared as text.
   */
  readonly rows?: RowsByTable
  readonly graphql?: readonly Asked[]
  /** Called behind every run, for what the kit does not see: what a sink was given. */
  readonly verify?: (run: string) => unknown
}

export interface ScenarioReport {
  /** How many events came of the commands. */
  readonly events: number
  /** What was run, in order. */
  readonly runs: readonly string[]
  /** What readers saw, each time. */
  readonly rows: RowsByTable
}

const ENGINE_MEMORY_BYTES = 1024 ** 3
/** Writes that a run is ended at, at most, spread over all. */
const CRASHES_MAX = 6

/**
 * Plays a scenario, in half a minute or less.
 * @throws ProjectionUnfitError if the view itself is wrong; ScenarioError for what does not come out as it says
 */
export async function scenario(given: Scenario): Promise<ScenarioReport> {
  const events = eventsOf(given.given, given.from ?? BEGINNING)
  if (events.length === 0) throw new ScenarioError('given: no event comes of these commands.')
  const folder = await mkdtemp(path.join(os.tmpdir(), 'purser-scenario-'))
  try {
    const file = given.view instanceof URL ? fileURLToPath(given.view) : given.view
    const authored = await loadOne(file, folder)
    const { faults } = await checkView(authored, path.join(folder, 'check'))
    if (faults.length > 0) throw new ProjectionUnfitError(faults)
    const engine = await startEngine({
      dataDir: path.join(folder, 'views'),
      memoryBytesMax: ENGINE_MEMORY_BYTES,
    })
    try {
      return await new Play(engine, authored.view, events, given).play()
    } finally {
      await engine.stop()
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

class Play {
  readonly #engine: Engine
  readonly #view: View
  readonly #events: readonly WalletEvent[]
  readonly #given: Scenario
  readonly #runs: string[] = []
  #first: RowsByTable | undefined

  constructor(engine: Engine, view: View, events: readonly WalletEvent[], given: Scenario) {
    this.#engine = engine
    this.#view = view
    this.#events = events
    this.#given = given
  }

  async play(): Promise<ScenarioReport> {
    const all = this.#events.length
    await this.#run('as it comes', { frame: 7, range: 7 }, [...BUILT_IN_VIEWS, this.#view], async (run) => {
      await run.fill(7)
      await this.#look('as it comes', run)
      await run.withGateway((url) => this.#ask(url))
    })
    await this.#run('one by one', { frame: 1, range: 1 }, [this.#view], async (run) => {
      await run.fill(1)
      await this.#look('one by one', run)
    })
    let writes = 0
    await this.#run('all at once', { frame: all, range: all }, [this.#view], async (run) => {
      await run.fill(all)
      writes = run.writes
      await this.#look('all at once', run)
    })
    await this.#crashes(writes)
    await this.#run('built anew and promoted', { frame: 5, range: 5 }, [...BUILT_IN_VIEWS, this.#view], async (run) => {
      await run.fill(5)
      await run.rebuildAndPromote()
      await this.#look('built anew and promoted', run)
      await run.withGateway((url) => this.#ask(url))
    })
    return { events: all, runs: this.#runs, rows: this.#first ?? {} }
  } // prettier-ignore

  /** Ended at writes from the first to the last: what was written before is delivered again, in other cuts. */
  async #crashes(writes: number): Promise<void> {
    const all = this.#events.length
    const count = Math.min(CRASHES_MAX, writes)
    for (let index = 0; index < count; index++) {
      const write = writes - index
      const isStored = index % 2 === 0
      const name = `ended ${isStored ? 'behind' : 'before'} write ${write}, then delivered again`
      await this.#run(name, { frame: 3, range: all }, [this.#view], async (run) => {
        await run.crash(all, { write, isStored })
        await run.fill(2)
        await this.#look(name, run)
      })
    }
  }

  async #run(
    name: string,
    cut: Cut,
    views: readonly View[],
    work: (run: ScenarioRun) => Promise<void>,
  ): Promise<void> {
    const run = await ScenarioRun.begin(this.#engine, name, this.#runs.length, views, this.#events, cut)
    this.#runs.push(name)
    try {
      await work(run)
      await this.#given.verify?.(name)
    } finally {
      await run.end()
    }
  }

  async #look(name: string, run: ScenarioRun): Promise<void> {
    const rows = await run.rows()
    if (this.#first === undefined) expectRows(name, rows, this.#given.rows ?? {})
    else expectSame(name, rows, this.#first)
    this.#first ??= rows
  }

  async #ask(url: string): Promise<void> {
    const run = this.#runs.at(-1)!
    for (const { query, variables = {}, data } of this.#given.graphql ?? []) {
      const response = await fetch(`${url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query, variables }),
      })
      const answer = (await response.json()) as { readonly data?: unknown; readonly errors?: unknown }
      if (answer.errors === undefined && isDeepStrictEqual(answer.data, data)) continue
      throw new ScenarioError(
        `${run}: ${query} is answered ${JSON.stringify(answer)}; expected is ${JSON.stringify({ data })}.`,
      )
    }
  }
}
