/**
 * `project`: the views. How quickly and at what cost they are filled from a log that is there, beside ClickHouse's own
 * inserts of the same rows; and what they cost while commands come in at a steady rate.
 */
import type { Benchmark } from '../benchmark.ts'
import { inNewFolder } from '../data-folder.ts'
import { describeMachine } from '../machine.ts'
import { UsageError, type BenchOptions } from '../options.ts'
import { measureSha256 } from '../raw-limits.ts'
import { reportOf, type Report } from '../report.ts'
import { codeSection } from './code.ts'
import { fillSection } from './fill.ts'
import { makeLog, type LogThere } from './log.ts'
import { rebuildSection } from './rebuild.ts'
import type { Measured, Section } from './section.ts'
import { steadySection } from './steady.ts'

/** In the order in which they are measured; a new one is a line here. The first one's first run is the main one. */
const SECTIONS: readonly Section[] = [fillSection, codeSection, steadySection, rebuildSection]

export const projectBenchmark: Benchmark = {
  name: 'project',
  measures: `the views: ${SECTIONS.map(({ name }) => name).join(', ')}; filled from a log, and at steady loads`,
  takes: 'about 5 min and 5 GB of disk',
  async run(options, say) {
    const sections = sectionsOf(options)
    return inNewFolder(options, (folder) => measure(sections, folder, options, say))
  },
}

async function measure(
  sections: readonly Section[],
  folder: string,
  options: BenchOptions,
  say: (line: string) => void,
): Promise<Report> {
  const machine = describeMachine({ sha256BytesPerSecond: measureSha256(options.quick ? 0.02 : 0.5) })
  let made: Promise<LogThere> | undefined
  const log = (): Promise<LogThere> => (made ??= makeLog(folder, options, say))
  const all: Measured[] = []
  for (const section of sections) all.push(await section.measure({ folder, options, say, log }))
  return reportOf(
    'project',
    machine,
    all.flatMap(({ runs }) => runs),
    all.flatMap(({ targets }) => targets),
  )
}

function sectionsOf({ only }: BenchOptions): readonly Section[] {
  if (only === undefined) return SECTIONS
  return only.map((name) => {
    const section = SECTIONS.find((other) => other.name === name)
    if (section === undefined)
      throw new UsageError(
        `--only ${name}: project has the sections ${SECTIONS.map((other) => other.name).join(', ')}`,
      )
    return section
  })
}
