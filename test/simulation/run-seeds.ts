/** Runs seeds one after the other in this process. Every twentieth is run twice: a seed is a whole history, or it is none. */
import { runCrossings } from './crossings/run.ts'
import { runSeed, type SeedResult } from './seed.ts'
import { addResult, emptyTally, type FailedSeed, type Tally } from './tally.ts'
import { runAlone } from './views/alone.ts'

const TWICE_EVERY = 20

export interface SeedsToRun {
  readonly from: number
  readonly count: number
  /** Ends at the first seed that fails. */
  readonly stopAtFailure: boolean
  /** Gets every line of every trace. */
  readonly onLine?: (line: string) => void
}

/** @param turn lets everything run that waits for a promise, and comes back when nothing does */
export function runSeeds(seeds: SeedsToRun, turn: () => Promise<void>): Promise<Tally> {
  return runEach(seeds, (seed, onLine) => runSeed(seed, turn, onLine))
}

/** The same for transfers across partitions. */
export function runCrossingsSeeds(seeds: SeedsToRun, turn: () => Promise<void>): Promise<Tally> {
  return runEach(seeds, (seed, onLine) => runCrossings(seed, turn, onLine))
}

type Run = (seed: number, onLine?: (line: string) => void) => Promise<SeedRun>
type SeedRun = Omit<SeedResult, 'options'> & { readonly options: FailedSeed['options'] }

async function runEach(seeds: SeedsToRun, run: Run): Promise<Tally> {
  const tally = emptyTally()
  for (let seed = seeds.from; seed < seeds.from + seeds.count; seed++) {
    const result = await run(seed, seeds.onLine)
    if (seed % TWICE_EVERY !== 0 || result.failure !== undefined) addResult(tally, result)
    else {
      const again = await run(seed)
      const failure =
        again.traceHash === result.traceHash ? undefined : 'the seed came to another history the second time'
      addResult(tally, { ...result, failure })
    }
    if (seeds.stopAtFailure && tally.failed.length > 0) break
  }
  return tally
}

/** The same for the views alone. Each seed is run once. */
export async function runViewsSeeds(seeds: SeedsToRun): Promise<Tally> {
  const tally = emptyTally()
  for (let seed = seeds.from; seed < seeds.from + seeds.count; seed++) {
    addResult(tally, { ...(await runAlone(seed)), options: undefined, lines: [] })
    if (seeds.stopAtFailure && tally.failed.length > 0) break
  }
  return tally
}
