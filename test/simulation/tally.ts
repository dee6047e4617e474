/** What many seeds came to, added up; as a child process sends it, and as a run prints it. */
import type { CrossingOptions } from './crossings/options.ts'
import type { SeedOptions } from './options.ts'
import type { SeedResult } from './seed.ts'

/** A seed that failed, with all that is needed to look at it. */
export interface FailedSeed {
  readonly seed: number
  readonly failure: string
  /** Undefined for one of the views alone, which draws as it goes. */
  readonly options: SeedOptions | CrossingOptions | undefined
  readonly lines: readonly string[]
}

export interface Tally {
  seeds: number
  steps: number
  readonly failed: FailedSeed[]
  readonly faults: Record<string, number>
  readonly coverage: Record<string, number>
}

export function emptyTally(): Tally {
  return { seeds: 0, steps: 0, failed: [], faults: {}, coverage: {} }
}

type Result = Pick<SeedResult, 'seed' | 'failure' | 'steps' | 'faults' | 'coverage' | 'lines'> & {
  readonly options: FailedSeed['options']
}

export function addResult(tally: Tally, result: Result): void {
  const { seed, failure, options, lines } = result
  tally.seeds++
  tally.steps += result.steps
  addCounts(tally.faults, result.faults)
  addCounts(tally.coverage, result.coverage)
  if (failure !== undefined) tally.failed.push({ seed, failure, options, lines })
}

export function addTally(tally: Tally, other: Tally): void {
  tally.seeds += other.seeds
  tally.steps += other.steps
  tally.failed.push(...other.failed)
  addCounts(tally.faults, new Map(Object.entries(other.faults)))
  addCounts(tally.coverage, new Map(Object.entries(other.coverage)))
}

function addCounts(counts: Record<string, number>, more: ReadonlyMap<string, number>): void {
  for (const [name, count] of more) counts[name] = (counts[name] ?? 0) + count
}
