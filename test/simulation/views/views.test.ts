/** The views’ runtime over a store that fails in every way, a hundred times or more, each from its seed. */
import { expect, it } from 'vitest'
import { rounds } from '../../support/rounds.ts'
import { ALONE_COVERAGE, runAlone } from './alone.ts'

const SEEDS = rounds(100, 250)
/** One seed in so many runs twice. */
const SEEDS_PER_REPEAT = 20

it('views are what the log says at every step, and reach its head, whatever their store and process do', async () => {
  const seen = new Set<string>()
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { failure, coverage } = await runAlone(seed)
    expect(failure, `seed ${seed}`).toBeUndefined()
    for (const event of coverage.keys()) seen.add(event)
  }
  for (const event of ALONE_COVERAGE) expect(seen).toContain(event)
})

it('a seed is a whole history: the same one gives the same trace', async () => {
  for (let seed = 1; seed <= SEEDS; seed += SEEDS_PER_REPEAT)
    expect((await runAlone(seed)).traceHash).toBe((await runAlone(seed)).traceHash)
})
