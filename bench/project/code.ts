/** Code projections filled from a log that is there: what one core makes of an author's functions. */
import { atLeast, type Run } from '../report.ts'
import type { CodeDialogue, CodeFilled, CodeView } from './code-child.ts'
import { asking, inViewsFolder, verifiedLog, workloadFigures, type LogThere } from './log.ts'
import type { Bench, Measured, Section } from './section.ts'

/** Without states, then with one for each account. */
const VIEWS: readonly CodeView[] = ['flows', 'velocity']
const PER_CORE_MIN = 300_000

export const codeSection: Section = {
  name: 'code',
  async measure(bench: Bench): Promise<Measured> {
    const log = await bench.log()
    const runs: Run[] = []
    for (const view of VIEWS) {
      bench.say(`project: the code projection ${view} over the same log`)
      const filled = await inViewsFolder(bench.folder, (viewsDir) =>
        asking<CodeDialogue, 'fill'>(new URL('./code-child.ts', import.meta.url), 'fill', {
          dataDir: log.sizes.dataDir,
          viewsDir,
          view,
        }),
      )
      runs.push(runOf(view, log, filled))
    }
    const targets = runs.map(({ workload, further }) =>
      atLeast(`${workload.name}: events/s a core`, further['perCoreSecond']!, PER_CORE_MIN),
    )
    return { runs, targets }
  },
}

function runOf(view: CodeView, log: LogThere, filled: CodeFilled): Run {
  const { events, refused } = log.outcomes
  const { engine, author, feeding } = filled.cpuSeconds
  const transfers = events - refused - log.sizes.accounts
  if (view === 'flows' && filled.rows !== transfers)
    throw new Error(`the view has ${filled.rows} rows for ${transfers} transfers`)
  const throughput = events / filled.seconds
  const perCoreSecond = events / (author + feeding)
  const milliseconds = filled.seconds * 1_000
  return {
    workload: workloadFigures(`code projection, ${view}`, log, filled.ranges),
    throughput,
    unit: 'events/s',
    latencyMs: { p50: milliseconds, p99: milliseconds, max: milliseconds },
    cpuSeconds: { engine, author, feeding },
    bytes: { written: 0, received: log.rowBytes, sent: log.rowBytes },
    limit: { name: 'what a core makes of its functions, if it does nothing else', value: perCoreSecond },
    ratio: throughput / perCoreSecond,
    memory: { rssBytes: filled.rssBytes },
    verified: verifiedLog(log, new Map()),
    further: {
      ranges: filled.ranges,
      rows: filled.rows,
      perCoreSecond,
      perCoreSecondWithEngine: events / (author + feeding + engine),
      engineCpuSecondsPerMillion: (engine / events) * 1e6,
      authorCpuSecondsPerMillion: (author / events) * 1e6,
    },
  }
}
