/** The process of the section `code`: hands the ranges of a log to a code projection, as a lane does. */
import { readdirSync, readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { runtimeEntry } from '../../eventlog/runtime-entry.ts'
import { frameBytesOf } from '../../eventlog/frame-budget.ts'
import { startCodeTarget } from '../../projectors/code/start.ts'
import type { CodeProjection } from '../../projectors/code-projection.ts'
import { RangeBuffer, RANGES } from '../../projectors/runtime/lanes/range.ts'
import type { Target } from '../../projectors/runtime/lanes/target.ts'
import { startEmbeddedWriter, type EmbeddedWriter } from '../../writer/embedded.ts'
import { answerParent } from '../child.ts'
import { processStatusBytes } from '../machine.ts'
import { processCpuSeconds } from '../thread-cpu.ts'
import { BenchEngine } from './engine.ts'
import flows from './flows-view.ts'
import velocity from './velocity-view.ts'

const VIEWS = {
  flows: { projection: flows, module: new URL('./flows-view.ts', import.meta.url) },
  velocity: { projection: velocity, module: new URL('./velocity-view.ts', import.meta.url) },
} as const

export type CodeView = keyof typeof VIEWS

export interface CodeFilled {
  readonly seconds: number
  readonly cpuSeconds: { readonly engine: number; readonly author: number; readonly feeding: number }
  readonly ranges: number
  readonly rows: number
  readonly rssBytes: number
}

/** A type and not an interface, so that it fits `Dialogue`. */
export type CodeDialogue = {
  readonly fill: {
    readonly ask: { readonly dataDir: string; readonly viewsDir: string; readonly view: CodeView }
    readonly answer: CodeFilled
  }
}

async function fill({ dataDir, viewsDir, view }: CodeDialogue['fill']['ask']): Promise<CodeFilled> {
  const engine = await BenchEngine.start(viewsDir)
  const writer = await startEmbeddedWriter({ dataDir, snapshots: { everyEvents: 2 ** 50 } })
  const { module } = VIEWS[view]
  const projection: CodeProjection = VIEWS[view].projection
  const target = startCodeTarget({
    store: engine.store,
    layout: {},
    projection,
    version: 1,
    module: pathToFileURL(runtimeEntry(module)).href,
    log: (line) => void process.stderr.write(`${line}\n`),
  })
  await target.prepare()
  await engine.whenQuiet()
  const authors = childrenOf(process.pid).filter((pid) => pid !== engine.pid)
  const authorSeconds = (): number => authors.reduce((sum, pid) => sum + (processCpuSeconds(pid) ?? 0), 0)
  const before = { own: process.cpuUsage(), author: authorSeconds(), engine: engine.cpuSeconds() }
  const startedMs = performance.now()
  const ranges = await handOver(writer, target)
  const seconds = (performance.now() - startedMs) / 1_000
  const { user, system } = process.cpuUsage(before.own)
  const author = authorSeconds() - before.author
  const rssBytes = processStatusBytes('VmRSS')
  await engine.whenQuiet()
  const cpuSeconds = {
    engine: engine.cpuSeconds() - before.engine,
    author,
    feeding: (user + system) / 1e6,
  }
  const [table] = Object.keys(projection.tables)
  const [row] = await engine.store.query<{ readonly made: string }>(
    `SELECT uniqExact(partition, sequence) AS made FROM ${table}_v1`,
  )
  await target.stop()
  await writer.stop()
  await engine.stop()
  return { seconds, cpuSeconds, ranges, rows: Number(row!.made), rssBytes }
}

/** @returns how many ranges that were */
async function handOver({ log }: EmbeddedWriter, target: Target): Promise<number> {
  const buffer = new RangeBuffer({ rangeEventsMax: RANGES.eventsMax, rangeBytesMax: frameBytesOf(1) })
  let ranges = 0
  const write = async (): Promise<void> => {
    const range = buffer.take()
    if (range === undefined) return
    await target.write(range)
    ranges += 1
  }
  for await (const frame of log.read(1n)) {
    if (frame.count === 0) continue
    if (!buffer.hasRoom(frame)) await write()
    buffer.push(frame, 0)
  }
  await write()
  return ranges
}

/** Processes that a process has started. */
function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
        return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1]) === parent
      } catch {
        return false
      }
    })
}

answerParent<CodeDialogue>({ fill })
