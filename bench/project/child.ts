/** The processes of `project`: one builds a log, others fill views from it, by the runtime or by ClickHouse itself. */
import { closeSync, openSync, writeSync } from 'node:fs'
import { digestViews, type ViewDigest } from '../../projectors/proof/digest.ts'
import { allTogether } from '../../projectors/projection.ts'
import { fixedServing, servedStore } from '../../projectors/serving.ts'
import { startProjections } from '../../projectors/runtime/runtime.ts'
import type { ViewStore } from '../../projectors/clickhouse/view-store.ts'
import { BUILT_IN_PROJECTIONS } from '../../projectors/views/built-in.ts'
import { trialBalance } from '../../projectors/views/balances/trial-balance.ts'
import type { Position } from '../../schemas/positions.ts'
import { startEmbeddedWriter, type EmbeddedWriter } from '../../writer/embedded.ts'
import { answerParent } from '../child.ts'
import { fillLog, type Outcomes } from '../filler.ts'
import { CommandGenerator, type Made } from '../generator.ts'
import { processStatusBytes } from '../machine.ts'
import { cpuBetween, RoleClock, type RoleCpu } from '../role-cpu.ts'
import { workloadOf } from '../workloads.ts'
import { BenchEngine } from './engine.ts'
import { insertByItself, type OwnSettings } from './own-inserts.ts'
import { whenHeld } from './when-held.ts'

/** More events than any run makes: the only snapshot is the one at a stop. */
const NEVER = 2 ** 50

export interface LogAsk {
  readonly dataDir: string
  /** Gets the event rows of the whole log, one behind the other: what ClickHouse calls RowBinary. */
  readonly rowsFile: string
  readonly workload: string
  readonly accounts: number
  readonly commands: number
  readonly seed: number
  readonly unlimited: boolean
}

export interface BuiltLog {
  readonly outcomes: Outcomes
  readonly made: Made
  readonly rowBytes: number
}

/** What the views hold in the end, by which two ways of filling them are compared. */
export interface ViewsHeld {
  readonly digests: readonly ViewDigest[]
  readonly trialBalance: ReadonlyMap<string, bigint>
}

export interface Filled extends ViewsHeld {
  /** From the start of the runtime until the views held everything. */
  readonly seconds: number
  /** Until merges had ended as well. */
  readonly engineCpuSeconds: number
  /** Of the process that reads the log and sends the ranges. */
  readonly cpuSeconds: RoleCpu
  readonly ranges: number
  readonly rssBytes: number
}

export interface FilledByItself extends ViewsHeld {
  readonly seconds: Readonly<Record<string, number>>
  readonly engineCpuSeconds: number
}

/** A type and not an interface, so that it fits `Dialogue`. */
export type ProjectDialogue = {
  readonly build: { readonly ask: LogAsk; readonly answer: BuiltLog }
  readonly fill: {
    readonly ask: { readonly dataDir: string; readonly viewsDir: string }
    readonly answer: Filled
  }
  readonly own: {
    readonly ask: {
      readonly rowsFile: string
      readonly events: number
      readonly viewsDir: string
      readonly settings: OwnSettings
    }
    readonly answer: FilledByItself
  }
}

const clock = new RoleClock()

async function build(ask: LogAsk): Promise<BuiltLog> {
  const { dataDir, rowsFile, accounts, seed, unlimited } = ask
  const writer = await startEmbeddedWriter({
    dataDir,
    snapshots: { everyEvents: NEVER },
    core: { accountsInitial: accounts },
  })
  const generator = new CommandGenerator(workloadOf(ask.workload), { accounts, seed, unlimited })
  const outcomes = await fillLog(writer, generator, accounts, ask.commands)
  const rowBytes = await writeRows(writer, rowsFile)
  await writer.stop()
  return { outcomes, made: generator.made(), rowBytes }
}

async function writeRows({ log }: EmbeddedWriter, rowsFile: string): Promise<number> {
  const file = openSync(rowsFile, 'wx')
  const end = log.head().sequence
  const over = new AbortController()
  let bytes = 0
  try {
    for await (const { firstSequence, count, payload } of log.tail(1n, over.signal)) {
      for (let done = 0; done < payload.length;) done += writeSync(file, payload, done)
      bytes += payload.length
      if (firstSequence + BigInt(count) > end) break
    }
  } finally {
    closeSync(file)
  }
  return bytes
}

async function fill({ dataDir, viewsDir }: ProjectDialogue['fill']['ask']): Promise<Filled> {
  const engine = await BenchEngine.start(viewsDir)
  const writer = await startEmbeddedWriter({ dataDir, snapshots: { everyEvents: NEVER } })
  const { partition, sequence } = writer.log.head()
  const head: Position = new Map([[partition, sequence]])
  // Without a log it makes the tables and does nothing else yet.
  const options = { store: engine.store, projections: allTogether(BUILT_IN_PROJECTIONS), partitions: 1 }
  const projections = await startProjections({ ...options, logs: [] })
  await engine.whenQuiet()
  let ranges = 0
  projections.onAdvance(() => (ranges += 1))
  const before = { cpu: clock.now(), engine: engine.cpuSeconds(), ms: performance.now() }
  await projections.add(writer.log)
  await whenHeld(projections, head)
  const seconds = (performance.now() - before.ms) / 1_000
  const cpuSeconds = cpuBetween(before.cpu, clock.now())
  const rssBytes = processStatusBytes('VmRSS')
  await engine.whenQuiet()
  const engineCpuSeconds = engine.cpuSeconds() - before.engine
  const held = await heldBy(engine.store, head)
  await projections.stop()
  await writer.stop()
  await engine.stop()
  return { seconds, engineCpuSeconds, cpuSeconds, ranges, rssBytes, ...held }
}

async function own(ask: ProjectDialogue['own']['ask']): Promise<FilledByItself> {
  const engine = await BenchEngine.start(ask.viewsDir)
  const inserted = await insertByItself(engine, ask.rowsFile, ask.settings)
  const held = await heldBy(engine.store, new Map([[0, BigInt(ask.events)]]))
  await engine.stop()
  return { ...inserted, ...held }
}

async function heldBy(store: ViewStore, position: Position): Promise<ViewsHeld> {
  const digests = await digestViews(store, BUILT_IN_PROJECTIONS, position)
  const sums = await trialBalance(servedStore(store, fixedServing(BUILT_IN_PROJECTIONS)), position)
  return { digests, trialBalance: new Map(sums.map(({ currency, sum }) => [currency, sum])) }
}

answerParent<ProjectDialogue>({ build, fill, own })
