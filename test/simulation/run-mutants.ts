/**
 * Mutants: the built program with one fault planted in a copy of it, so that production code carries no switches. The
 * simulator of that copy, in a process of its own, has to find a seed that fails.
 */
import { copyFileSync, linkSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs' // prettier-ignore
import os from 'node:os'
import path from 'node:path'
import { UsageError } from './command-line.ts'
import { PieceError, runJobs, type Simulated } from './jobs.ts'
import { MUTANTS, type Mutant } from './mutants.ts'
import { BUILT_TREE, ROOT, transpile } from './repository-paths.ts'
import type { FailedSeed } from './tally.ts'

export interface MutantsToRun {
  /** Only this one. */
  readonly name: string | undefined
  /** Only those that this has to find. */
  readonly found?: Simulated | undefined
  readonly from: number
  /** Seeds within which each has to be caught. */
  readonly seeds: number
  readonly jobs: number
  /** Told of each result as it is there. */
  readonly onResult: (result: MutantResult) => void
}

export interface MutantResult {
  readonly name: string
  /**
   * Only `caught` is good. `crashed`: the planted code fell over by itself (a TypeError, a ReferenceError, a SyntaxError), so
   * nothing was shown of what the simulator sees. `did not end`: its seeds were stopped when their time was over.
   */
  readonly outcome: 'caught' | 'survived' | 'crashed' | 'did not end'
  /** The first seed that failed, if it was caught. */
  readonly caughtBy: number | undefined
  readonly failure: string | undefined
}

/** Failures that say nothing but that the code is no code; the log's thread passes on no more than an error's message. */
const CRASH =
  /^(Type|Reference|Syntax)Error\b|is not (a function|a constructor|defined|iterable)|Cannot (read|set) propert|before initialization|constant variable|Cannot mix BigInt/

/** Built folders that the simulation runs from. */
const FOLDERS = ['schemas', 'eventlog', 'writer', 'projectors', 'gateway', 'test']
/** Seeds that one process runs before it is seen whether the mutant is caught. */
const PIECE_SEEDS = 20

/** The mutant's sources: file → patched text. Throws if a patch does not apply exactly once. */
export function patchedSources(mutant: Mutant): Map<string, string> {
  const texts = new Map<string, string>()
  for (const { file, find, replace } of mutant.patches) {
    const text = texts.get(file) ?? readFileSync(path.join(ROOT, file), 'utf8')
    const found = text.split(find).length - 1
    if (found !== 1)
      throw new Error(
        `mutant ${JSON.stringify(mutant.name)}: its patch of ${file} applies ${found} times, not once`,
      )
    texts.set(
      file,
      text.replace(find, () => replace),
    )
  }
  return texts
}

/** Runs the mutants one after the other. */
export async function runMutants(run: MutantsToRun): Promise<MutantResult[]> {
  const chosen = MUTANTS.filter(
    ({ name, found }) =>
      (run.name === undefined || name === run.name) && (run.found === undefined || found === run.found),
  )
  if (chosen.length === 0) throw new UsageError(`--mutant: no mutant is called ${JSON.stringify(run.name)}`)
  const results: MutantResult[] = []
  // All of them first: a patch that no longer applies is known at once.
  for (const mutant of chosen) patchedSources(mutant)
  for (const mutant of chosen) {
    const result = await runMutant(mutant, run)
    run.onResult(result)
    results.push(result)
  }
  return results
}

/** Runs one. `pieceMsMax`: longest time that so many seeds as one process runs may take, in ms. */
export async function runMutant(
  mutant: Mutant,
  run: Pick<MutantsToRun, 'from' | 'seeds' | 'jobs'>,
  pieceMsMax?: number,
): Promise<MutantResult> {
  const { name, found = 'whole' } = mutant
  const tree = mkdtempSync(path.join(os.tmpdir(), 'purser-mutant-'))
  try {
    for (const folder of FOLDERS) linkTree(path.join(BUILT_TREE, folder), path.join(tree, folder))
    writeFileSync(path.join(tree, 'package.json'), '{"type":"module"}')
    symlinkSync(path.join(ROOT, 'node_modules'), path.join(tree, 'node_modules'))
    for (const [file, text] of patchedSources(mutant)) {
      const built = path.join(tree, file.replace(/\.ts$/, '.js'))
      // Not into it: it is a link to the built program.
      rmSync(built)
      writeFileSync(built, await transpile(text))
    }
    const { jobs, from, seeds: count } = run
    const work = { tree, from, count, jobs, stopAtFailure: true, pieceSeeds: PIECE_SEEDS, what: found, pieceMsMax } // prettier-ignore
    const [failed] = (await runJobs(work)).failed
    return { name, ...judge(failed) }
  } catch (error) {
    if (!(error instanceof PieceError)) throw error
    return { name, outcome: error.outcome, caughtBy: undefined, failure: error.message }
  } finally {
    rmSync(tree, { recursive: true, force: true })
  }
}

/** The program's files once more, without a copy of what they hold where both folders are on one disk. */
function linkTree(from: string, to: string): void {
  mkdirSync(to)
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [path.join(from, entry.name), path.join(to, entry.name)]
    if (entry.isDirectory()) linkTree(source, target)
    else if (entry.name.endsWith('.js')) linkOrCopy(source, target)
  }
}

function linkOrCopy(source: string, target: string): void {
  try {
    linkSync(source, target)
  } catch {
    copyFileSync(source, target)
  }
}

function judge(failed: FailedSeed | undefined): Omit<MutantResult, 'name'> {
  if (failed === undefined) return { outcome: 'survived', caughtBy: undefined, failure: undefined }
  const { seed, failure } = failed
  if (CRASH.test(failure.split('\n')[0]!)) return { outcome: 'crashed', caughtBy: undefined, failure }
  return { outcome: 'caught', caughtBy: seed, failure }
}
