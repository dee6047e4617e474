/**
 * Views for tests that kill them: `bin/run.js test/support/killable-views.ts <JSON>`. An engine and a runtime over a log that is the
 * same in every life, since it is drawn by count; it grows by itself all the time. What it knows it says in lines of JSON.
 */
import { createViewStore } from '../../projectors/clickhouse/clickhouse-store.ts'
import { OutageError } from '../../projectors/clickhouse/view-store.ts'
import { startCodeTarget } from '../../projectors/code/start.ts'
import { startEngine } from '../../projectors/engine/supervisor.ts'
import { allTogether } from '../../projectors/projection.ts'
import { startProjections } from '../../projectors/runtime/runtime.ts'
import { BUILT_IN_PROJECTIONS } from '../../projectors/views/built-in.ts'
import { AMOUNTS, GrowingLog } from './growing-log.ts'
import tally from './tally-view.ts'

export interface KillableViewsOptions {
  readonly folder: string
  /** How often the log had grown when the life before ended. */
  readonly ticks: number
  readonly rangeEventsMax: number
  /** An engine that runs already, in place of one of its own. */
  readonly engine?: { readonly url: string; readonly username: string; readonly password: string }
}

/** A line that it says. `ticks` is said before the log grows so far. */
export type KillableViewsSaid =
  | { readonly ready: { readonly url: string; readonly username: string; readonly password: string } }
  | { readonly enginePid: number }
  /** It ends before it is ready: its store was away for longer than a start waits. */
  | { readonly outage: string }
  | { readonly ticks: number }
  | { readonly states: readonly string[]; readonly failures: readonly string[] }

const TALLY = new URL('./tally-view.ts', import.meta.url).href
const TICK_MS = 20
const ENGINE_BYTES = 512 * 1024 * 1024

export async function main(args: readonly string[]): Promise<void> {
  const { folder, ticks, rangeEventsMax, engine: given } = JSON.parse(args[0]!) as KillableViewsOptions
  const say = (line: KillableViewsSaid): void => void process.stdout.write(`${JSON.stringify(line)}\n`)
  const log = (line: string): void => void process.stderr.write(`${line}\n`)
  const grown = new GrowingLog()
  grown.growTo(ticks)
  const own =
    given === undefined
      ? await startEngine({ dataDir: folder, memoryBytesMax: ENGINE_BYTES, log })
      : undefined
  const { url, username, password } = given ?? own!
  const sayPid = (): void => {
    if (own?.pid !== undefined) say({ enginePid: own.pid })
  }
  own?.onState((state) => {
    if (state === 'ready') sayPid()
    if (state === 'failed') process.exit(1)
  })
  sayPid()
  const store = createViewStore({ url, username, password, retryMsMax: 500 })
  const running = await startProjections({
    store,
    projections: allTogether([...BUILT_IN_PROJECTIONS, AMOUNTS, tally]),
    required: BUILT_IN_PROJECTIONS.map(({ name }) => name),
    targetOfCode: ({ version }) =>
      startCodeTarget({ store, layout: {}, projection: tally, version, module: TALLY, log }),
    logs: [grown.log],
    rangeEventsMax,
    lingerMs: 5,
    log,
  }).catch((error: unknown) => {
    if (error instanceof OutageError) say({ outage: error.message })
    throw error
  })
  say({ ready: { url, username, password } })
  setInterval(() => {
    say({ ticks: grown.ticks + 1 })
    grown.growTo(grown.ticks + 1)
    if (grown.ticks % 10 !== 0) return
    const status = running.status()
    say({
      states: status.map(({ state }) => state),
      failures: status.flatMap(({ failure }) => (failure === undefined ? [] : [failure])),
    })
  }, TICK_MS)
}
