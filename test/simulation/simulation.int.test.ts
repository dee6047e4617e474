/** The simulator on every change: seeds that have to hold, and planted faults that have to be caught. */
import os from 'node:os'
import { expect, test } from 'vitest'
import { missingMarks, SEEDS_FOR_COVERAGE } from './coverage.ts'
import { runJobs } from './jobs.ts'
import { MUTANTS } from './mutants.ts'
import { BUILT_TREE } from './repository-paths.ts'
import { patchedSources, runMutants } from './run-mutants.ts'
import { runSeed } from './seed.ts'
import { nodeTurn } from './turn.ts'
import { rounds } from '../support/rounds.ts'

const JOBS = Math.min(2, os.availableParallelism())
/** Seeds within which a planted fault has to be found. */
const SEEDS_PER_MUTANT = 300

test('the deployment keeps what it promises in every seed, and everything that can happen did', async () => {
  const tally = await runJobs({
    tree: BUILT_TREE,
    from: 1,
    count: rounds(200, SEEDS_FOR_COVERAGE),
    jobs: JOBS,
    stopAtFailure: false,
  })
  expect(tally.failed.map(({ seed, failure }) => `seed ${seed}: ${failure}`)).toEqual([])
  expect(missingMarks(tally)).toEqual([])
}, 180_000)

test('a seed is a whole history: the same one gives the same trace', async () => {
  for (let seed = 1; seed <= 8; seed++)
    expect((await runSeed(seed, nodeTurn)).traceHash).toBe((await runSeed(seed, nodeTurn)).traceHash)
})

test.each(MUTANTS.map((mutant) => [mutant.name, mutant] as const))(
  'the patch of “%s” applies',
  (_, mutant) => {
    expect(patchedSources(mutant).size).toBeGreaterThan(0)
  },
)

test.each(MUTANTS.map(({ name, seed = 1 }) => [name, seed] as const))(
  '“%s” is caught',
  async (name, from) => {
    // Most fall to one of the first seeds: a second process would run others for nothing.
    const run = { name, from, seeds: SEEDS_PER_MUTANT, jobs: 1, onResult: () => undefined }
    const [result] = await runMutants(run)
    expect(result!.outcome, result!.failure).toBe('caught')
  },
  120_000,
)
