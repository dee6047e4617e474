/** What `project` is made of: sections that measure one thing each, one after the other, in one run. */
import type { BenchOptions } from '../options.ts'
import type { LogThere } from './log.ts'
import type { Run, Target } from '../report.ts'

export interface Bench {
  /** Each section makes its own folders in it. */
  readonly folder: string
  readonly options: BenchOptions
  readonly say: (line: string) => void
  /** The log to fill views from: made when it is first asked for, the same for all sections. */
  log(): Promise<LogThere>
}

export interface Measured {
  readonly runs: readonly Run[]
  readonly targets: readonly Target[]
}

export interface Section {
  /** By which `--only` names it. */
  readonly name: string
  measure(bench: Bench): Promise<Measured>
}
