/** `npm run simulate`: runs seeds, or mutants, and says which failed and what happened in them. */
import os from 'node:os'
import { parseOptions, USAGE, UsageError, type SimulateOptions } from './command-line.ts'
import { missingMarks, missingOfCrossings, SEEDS_FOR_COVERAGE } from './coverage.ts'
import { PieceError, runJobs } from './jobs.ts'
import { BUILT_TREE } from './repository-paths.ts'
import { runMutants, type MutantResult } from './run-mutants.ts'
import { runCrossingsSeeds, runSeeds } from './run-seeds.ts'
import type { FailedSeed, Tally } from './tally.ts'
import { nodeTurn } from './turn.ts'

/** Failed seeds that are shown in full. */
const SHOWN_MAX = 3

/** Exits with 2 where the command line cannot be understood, with 1 where something does not hold or a mutant survives. */
export async function main(args: readonly string[]): Promise<void> {
  try {
    const options = parseOptions(args)
    if (options.help) print(USAGE)
    else process.exitCode = (await (options.mutants ? tryMutants(options) : trySeeds(options))) ? 0 : 1
  } catch (error) {
    if (error instanceof PieceError) {
      process.stderr.write(`${error.message}\n`)
      process.exitCode = 1
      return
    }
    if (!(error instanceof UsageError)) throw error
    process.stderr.write(`${error.message}\n\n${USAGE}\n`)
    process.exitCode = 2
  }
}

function jobsOf({ jobs, seeds }: SimulateOptions): number {
  return jobs ?? Math.min(os.availableParallelism(), seeds)
}

async function tryMutants(options: SimulateOptions): Promise<boolean> {
  const { mutant: name, from, seeds, json, crossings } = options
  const onResult = json ? () => undefined : showMutant
  const results = await runMutants({
    name,
    found: crossings ? 'crossings' : undefined,
    from,
    seeds,
    jobs: jobsOf(options),
    onResult,
  })
  if (json) print(JSON.stringify({ mutants: results }))
  return results.every(({ outcome }) => outcome === 'caught')
}

async function trySeeds(options: SimulateOptions): Promise<boolean> {
  const { from, seeds, verbose, json, crossings } = options
  const onLine = verbose ? { onLine: print } : {}
  const tally =
    seeds === 1 || verbose
      ? await (crossings ? runCrossingsSeeds : runSeeds)(
          { from, count: seeds, stopAtFailure: false, ...onLine },
          nodeTurn,
        )
      : await runJobs({
          tree: BUILT_TREE,
          from,
          count: seeds,
          jobs: jobsOf(options),
          stopAtFailure: false,
          what: crossings ? 'crossings' : 'whole',
        })
  const missing = crossings ? missingOfCrossings(tally) : missingMarks(tally)
  if (json) print(JSON.stringify(reportOf(tally, missing)))
  else show(tally, missing)
  return tally.failed.length === 0 && (missing.length === 0 || seeds < SEEDS_FOR_COVERAGE)
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
  if (missing.length > 0)
    print(`never happened, and has to in ${SEEDS_FOR_COVERAGE} seeds or more: ${missing.join(', ')}`)
  print(`${tally.seeds} seeds, ${tally.steps} steps, ${tally.failed.length} failed`)
}

function showMutant({ name, outcome, caughtBy, failure }: MutantResult): void {
  const how = caughtBy === undefined ? outcome.toUpperCase() : `caught by seed ${caughtBy}`
  print(`${how}: ${name}${failure === undefined ? '' : ` (${failure.split('\n')[0]})`}`)
}

function showFailed({ seed, failure, options, lines }: FailedSeed): void {
  print(
    `── seed ${seed}; alone: npm run simulate -- ${options !== undefined && 'coordinators' in options ? '--crossings ' : ''}--seed ${seed}`,
  )
  print(JSON.stringify(options, null, 2))
  for (const line of lines) print(line)
  print(`seed ${seed} failed: ${failure}`)
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
