/** All built-in views filled from a log that is there: by the runtime, then by ClickHouse's own INSERT … SELECT of its rows. */
import { mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { Child } from '../child.ts'
import { atLeast, atMost, verified, type Run } from '../report.ts'
import { workloadOf } from '../workloads.ts'
import type { BuiltLog, Filled, FilledByItself, LogAsk, ProjectDialogue, ViewsHeld } from './child.ts'
import type { OwnSettings } from './own-inserts.ts'
import type { Bench, Measured, Section } from './section.ts'

export const fillSection: Section = {
  name: 'fill',
  async measure(bench): Promise<Measured> {
    const { folder, say } = bench
    const dataDir = path.join(folder, 'log')
    const rowsFile = path.join(folder, 'events.bin')
    mkdirSync(dataDir)
    const sizes = sizesOf(bench, dataDir, rowsFile)
    say(`project: a log of ${sizes.accounts} accounts and ${sizes.commands} commands in ${folder}`)
    const built = await asking('build', sizes)
    const { events } = built.outcomes
    say(`project: fill the views from it, ${events} events`)
    const filled = await inViewsFolder(folder, (viewsDir) => asking('fill', { dataDir, viewsDir }))
    const byItself = async (settings: OwnSettings): Promise<FilledByItself> => {
      say(`project: ClickHouse's own inserts of the same rows, settings: ${settings}`)
      const own = await inViewsFolder(folder, (viewsDir) =>
        asking('own', { rowsFile, events, viewsDir, settings }),
      )
      refuseDifferent(filled, own)
      return own
    }
    const own = await byItself('default')
    const tuned = await byItself('tuned')
    rmSync(rowsFile)
    const run = runOf(sizes, built, filled, own, tuned)
    const { overOwnCpu } = run.further
    return {
      runs: [run],
      targets: [
        atLeast('fill: events/s over ClickHouse’s own inserts', run.ratio, 1.2),
        atMost('fill: engine CPU an event over theirs', overOwnCpu!, 1.2),
      ],
    }
  },
}

function sizesOf({ options }: Bench, dataDir: string, rowsFile: string): LogAsk {
  const { quick, seed, unlimited } = options
  return {
    dataDir,
    rowsFile,
    workload: workloadOf(options.workloads?.[0] ?? 'spread').name,
    accounts: options.accounts ?? (quick ? 500 : 100_000),
    commands: options.events ?? (quick ? 5_000 : 3_000_000),
    seed,
    unlimited,
  }
}

/** Each question has a process of its own: none runs on what another has warmed or left behind. */
async function asking<Kind extends keyof ProjectDialogue>(
  kind: Kind,
  ask: ProjectDialogue[Kind]['ask'],
): Promise<ProjectDialogue[Kind]['answer']> {
  const child = new Child<ProjectDialogue>(new URL('./child.ts', import.meta.url))
  try {
    return await child.ask(kind, ask)
  } finally {
    await child.kill()
  }
}

async function inViewsFolder<T>(folder: string, work: (viewsDir: string) => Promise<T>): Promise<T> {
  const viewsDir = path.join(folder, 'views')
  try {
    return await work(viewsDir)
  } finally {
    rmSync(viewsDir, { recursive: true, force: true })
  }
}

/** Both ways have to come to the same rows in every table. @throws Error, because a speed of other work is none */
function refuseDifferent(ours: ViewsHeld, own: ViewsHeld): void {
  for (const [index, { table, rows, digest }] of ours.digests.entries()) {
    const other = own.digests[index]
    if (other?.digest !== digest || other.rows !== rows)
      throw new Error(`table ${table} has ${rows} rows, by ClickHouse itself ${other?.rows}, or others`)
  }
}

function runOf(
  sizes: LogAsk,
  { made, outcomes, rowBytes }: BuiltLog,
  filled: Filled,
  own: FilledByItself,
  tuned: FilledByItself,
): Run {
  const { events, refused } = outcomes
  const throughput = events / filled.seconds
  const perSecond = ({ seconds }: FilledByItself): number =>
    events / Object.values(seconds).reduce((sum, value) => sum + value, 0)
  const perMillion = (seconds: number): number => (seconds / events) * 1e6
  const feeding = Object.values(filled.cpuSeconds).reduce((sum, seconds) => sum + seconds, 0)
  const milliseconds = filled.seconds * 1_000
  return {
    workload: {
      name: `fill (${sizes.workload})`,
      accounts: sizes.accounts,
      batch: Math.round(events / filled.ranges),
      commands: made.commands,
      seed: sizes.seed,
      shareHot: made.hot / made.commands,
      shareChecked: made.checked / made.commands,
      shareRepeated: made.repeated / made.commands,
      shareRefused: refused / made.commands,
    },
    throughput,
    unit: 'events/s',
    latencyMs: { p50: milliseconds, p99: milliseconds, max: milliseconds },
    cpuSeconds: { engine: filled.engineCpuSeconds, ...filled.cpuSeconds },
    bytes: { written: 0, received: rowBytes, sent: rowBytes },
    limit: { name: "ClickHouse's own three INSERT … SELECT from a file", value: perSecond(own) },
    ratio: throughput / perSecond(own),
    memory: { rssBytes: filled.rssBytes },
    verified: verified(
      {
        sent: sizes.accounts + made.commands,
        accepted: events - refused,
        refused,
        repeated: made.repeated,
      },
      filled.trialBalance,
    ),
    further: {
      ranges: filled.ranges,
      engineCpuSecondsPerMillion: perMillion(filled.engineCpuSeconds),
      feedingCpuSecondsPerMillion: perMillion(feeding),
      ownEngineCpuSecondsPerMillion: perMillion(own.engineCpuSeconds),
      overOwnCpu: filled.engineCpuSeconds / own.engineCpuSeconds,
      tunedPerSecond: perSecond(tuned),
      tunedEngineCpuSecondsPerMillion: perMillion(tuned.engineCpuSeconds),
      overTuned: throughput / perSecond(tuned),
      overTunedCpu: filled.engineCpuSeconds / tuned.engineCpuSeconds,
      ...Object.fromEntries(
        Object.entries(own.seconds).map(([name, value]) => [`ownSecondsOf_${name}`, value]),
      ),
    },
  }
}
