/** Transfers across partitions on every change: seeds that have to hold. Their planted faults run with all others. */
import os from 'node:os'
import { expect, test } from 'vitest'
import { rounds } from '../../support/rounds.ts'
import { missingOfCrossings, SEEDS_FOR_COVERAGE } from '../coverage.ts'
import { runJobs } from '../jobs.ts'
import { BUILT_TREE } from '../repository-paths.ts'
import { nodeTurn } from '../turn.ts'
import { runCrossings } from './run.ts'

test('money crosses once, whoever is killed and whatever is lost, late or repeated, and everything ends', async () => {
  const tally = await runJobs({
    tree: BUILT_TREE,
    from: 1,
    count: rounds(SEEDS_FOR_COVERAGE, 1_000),
    jobs: Math.min(2, os.availableParallelism()),
    stopAtFailure: false,
    what: 'crossings',
  })
  expect(tally.failed.map(({ seed, failure }) => `seed ${seed}: ${failure}`)).toEqual([])
  expect(missingOfCrossings(tally)).toEqual([])
}, 300_000)

test('a seed of crossings is a whole history: the same one gives the same trace', async () => {
  for (let seed = 1; seed <= 4; seed++)
    expect((await runCrossings(seed, nodeTurn)).traceHash).toBe(
      (await runCrossings(seed, nodeTurn)).traceHash,
    )
})
