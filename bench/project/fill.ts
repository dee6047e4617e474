/** All built-in views filled from a log that is there: by the runtime, then by ClickHouse's own INSERT … SELECT of its rows. */
import { rmSync } from 'node:fs'
import { atLeast, atMost, type Run } from '../report.ts'
import type { Filled, FilledByItself, ProjectDialogue, ViewsHeld } from './child.ts'
import { asking, inViewsFolder, verifiedLog, workloadFigures, type LogThere } from './log.ts'
import type { OwnSettings } from './own-inserts.ts'
import type { Bench, Measured, Section } from './section.ts'

const program = new URL('./child.ts', import.meta.url)

export const fillSection: Section = {
  name: 'fill',
  async measure(bench: Bench): Promise<Measured> {
    const { folder, say } = bench
    const log = await bench.log()
    const { dataDir, rowsFile } = log.sizes
    const { events } = log.outcomes
    say(`project: fill the views from it, ${events} events`)
    const filled = await inViewsFolder(folder, (viewsDir) =>
      asking<ProjectDialogue, 'fill'>(program, 'fill', { dataDir, viewsDir }),
    )
    const byItself = async (settings: OwnSettings): Promise<FilledByItself> => {
      say(`project: ClickHouse's own inserts of the same rows, settings: ${settings}`)
      const own = await inViewsFolder(folder, (viewsDir) =>
        asking<ProjectDialogue, 'own'>(program, 'own', { rowsFile, events, viewsDir, settings }),
      )
      refuseDifferent(filled, own)
      return own
    }
    const own = await byItself('default')
    const tuned = await byItself('tuned')
    rmSync(rowsFile)
    const run = runOf(log, filled, own, tuned)
    return {
      runs: [run],
      targets: [
        atLeast('fill: events/s over ClickHouse’s own inserts', run.ratio, 1.2),
        atMost('fill: engine CPU an event over theirs', run.further['overOwnCpu']!, 1.2),
      ],
    }
  },
}

/** Both ways have to come to the same rows in every table. @throws Error, because a speed of other work is none */
function refuseDifferent(ours: ViewsHeld, own: ViewsHeld): void {
  for (const [index, { table, rows, digest }] of ours.digests.entries()) {
    const other = own.digests[index]
    if (other?.digest !== digest || other.rows !== rows)
      throw new Error(`table ${table} has ${rows} rows, by ClickHouse itself ${other?.rows}, or others`)
  }
}

function runOf(log: LogThere, filled: Filled, own: FilledByItself, tuned: FilledByItself): Run {
  const { events } = log.outcomes
  const throughput = events / filled.seconds
  const perSecond = ({ seconds }: FilledByItself): number =>
    events / Object.values(seconds).reduce((sum, value) => sum + value, 0)
  const perMillion = (seconds: number): number => (seconds / events) * 1e6
  const feeding = Object.values(filled.cpuSeconds).reduce((sum, seconds) => sum + seconds, 0)
  const milliseconds = filled.seconds * 1_000
  return {
    workload: workloadFigures('fill', log, filled.ranges),
    throughput,
    unit: 'events/s',
    latencyMs: { p50: milliseconds, p99: milliseconds, max: milliseconds },
    cpuSeconds: { engine: filled.engineCpuSeconds, ...filled.cpuSeconds },
    bytes: { written: 0, received: log.rowBytes, sent: log.rowBytes },
    limit: { name: "ClickHouse's own three INSERT … SELECT from a file", value: perSecond(own) },
    ratio: throughput / perSecond(own),
    memory: { rssBytes: filled.rssBytes },
    verified: verifiedLog(log, filled.trialBalance),
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
        Object.entries(own.seconds).map(([name, seconds]) => [`ownSecondsOf_${name}`, seconds]),
      ),
    },
  }
}
