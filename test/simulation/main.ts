/** `npm run simulate`: runs seeds, or mutants, and says which failed and what happened in them. */
import os from 'node:os'
import { parseArgs } from 'node:util'
import { missingMarks, SEEDS_FOR_COVERAGE } from './coverage.ts'
import { runJobs } from './jobs.ts'
import { BUILT_TREE } from './places.ts'
import { runMutants, type MutantResult } from './run-mutants.ts'
import { runSeeds } from './run-seeds.ts'
import type { FailedSeed, Tally } from './tally.ts'
import { nodeTurn } from './turn.ts'

const USAGE = `npm run simulate -- [--seeds N] [--from S] [--jobs J] [--json] [--verbose]
npm run simulate -- --seed S [--json] [--verbose]       one seed by itself
npm run simulate -- --mutants [--mutant NAME] [--seeds N] [--from S] [--jobs J] [--json]`
/** Failed seeds that are shown in full. */
const SHOWN_MAX = 3

export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seeds: { type: 'string' },
      from: { type: 'string' },
      seed: { type: 'string' },
      jobs: { type: 'string' },
      mutant: { type: 'string' },
      mutants: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      verbose: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    print(USAGE)
    return
  }
  const one = values.seed === undefined ? undefined : wholeNumber('seed', values.seed)
  const from = one ?? wholeNumber('from', values.from ?? '1')
  const seeds = one === undefined ? wholeNumber('seeds', values.seeds ?? '300') : 1
  const jobs = Math.max(
    1,
    wholeNumber('jobs', values.jobs ?? String(Math.min(os.availableParallelism(), seeds))),
  )
  if (values.mutants || values.mutant !== undefined) {
    const onResult = values.json ? () => undefined : showMutant
    const results = await runMutants({ name: values.mutant, from, seeds, jobs, onResult })
    if (values.json) print(JSON.stringify({ mutants: results }))
    process.exitCode = results.every(({ caughtBy }) => caughtBy !== undefined) ? 0 : 1
    return
  }
  const onLine = values.verbose ? { onLine: print } : {}
  const tally =
    seeds === 1 || values.verbose
      ? await runSeeds({ from, count: seeds, stopAtFailure: false, ...onLine }, nodeTurn)
      : await runJobs({ tree: BUILT_TREE, from, count: seeds, jobs, stopAtFailure: false })
  const missing = seeds >= SEEDS_FOR_COVERAGE ? missingMarks(new Map(Object.entries(tally.coverage))) : []
  if (values.json) print(JSON.stringify(reportOf(tally, missing)))
  else show(tally, missing)
  process.exitCode = tally.failed.length > 0 || missing.length > 0 ? 1 : 0
}

/** The JSON report: failed seeds by their number, and more of each beside. */
function reportOf(tally: Tally, missing: readonly string[]): object {
  const { seeds, steps, faults, coverage } = tally
  return {
    seeds,
    failed: tally.failed.map(({ seed }) => seed),
    steps,
    faults,
    coverage,
    missing,
    failures: tally.failed.map(({ seed, failure, options, lines }) => ({ seed, failure, options, lines })),
  }
}

function show(tally: Tally, missing: readonly string[]): void {
  for (const failed of tally.failed.slice(0, SHOWN_MAX)) showFailed(failed)
  for (const { seed, failure } of tally.failed.slice(SHOWN_MAX))
    print(`seed ${seed}: ${failure.split('\n')[0]}`)
  const counts = (title: string, of: Readonly<Record<string, number>>): void => {
    print(`${title}:`)
    for (const [name, count] of Object.entries(of).sort(([left], [right]) => left.localeCompare(right)))
      print(`  ${String(count).padStart(9)}  ${name}`)
  }
  counts('faults', tally.faults)
  counts('coverage', tally.coverage)
  for (const mark of missing) print(`never happened, and has to: ${mark}`)
  print(`${tally.seeds} seeds, ${tally.steps} steps, ${tally.failed.length} failed`)
}

function showMutant({ name, caughtBy, failure }: MutantResult): void {
  const how = caughtBy === undefined ? 'SURVIVED' : `caught by seed ${caughtBy}`
  print(`${how}: ${name}${failure === undefined ? '' : ` (${failure.split('\n')[0]})`}`)
}

function showFailed({ seed, failure, options, lines }: FailedSeed): void {
  print(`── seed ${seed}; alone: npm run simulate -- --seed ${seed}`)
  print(JSON.stringify(options, null, 2))
  for (const line of lines) print(line)
  print(`seed ${seed} failed: ${failure}`)
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 0)
    throw new RangeError(`--${name} is not a whole number: ${text}`)
  return value
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
