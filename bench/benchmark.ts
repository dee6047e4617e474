/** What a benchmark is to the command line: a name, a sentence, and a function that measures and reports. */
import type { BenchOptions } from './options.ts'
import type { Report } from './report.ts'

export interface Benchmark {
  readonly name: string
  /** For people: what it measures. */
  readonly measures: string
  /** For people: how long it takes with no options. */
  readonly takes: string
  /** @param say takes a line on what is being done */
  run(options: BenchOptions, say: (line: string) => void): Promise<Report>
}
