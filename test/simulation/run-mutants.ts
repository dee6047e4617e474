/**
 * Mutants: the built program with one fault planted in a copy of it, so that production code carries no switches. The
 * simulator of that copy, in a process of its own, has to find a seed that fails.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { runJobs } from './jobs.ts'
import { MUTANTS, type Mutant } from './mutants.ts'
import { BUILT_TREE, ROOT, transpile } from './places.ts'

export interface MutantsToRun {
  /** Only this one. */
  readonly name: string | undefined
  readonly from: number
  /** Seeds within which each has to be caught. */
  readonly seeds: number
  readonly jobs: number
  /** Told of each result as it is there. */
  readonly onResult: (result: MutantResult) => void
}

export interface MutantResult {
  readonly name: string
  /** The first seed that failed; undefined: it survived. */
  readonly caughtBy: number | undefined
  readonly failure: string | undefined
}

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
  const chosen = MUTANTS.filter(({ name }) => run.name === undefined || name === run.name)
  if (chosen.length === 0) throw new RangeError(`no mutant is called ${JSON.stringify(run.name)}`)
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

async function runMutant(mutant: Mutant, run: MutantsToRun): Promise<MutantResult> {
  const tree = mkdtempSync(path.join(os.tmpdir(), 'purser-mutant-'))
  try {
    for (const folder of FOLDERS)
      cpSync(path.join(BUILT_TREE, folder), path.join(tree, folder), { recursive: true })
    writeFileSync(path.join(tree, 'package.json'), '{"type":"module"}')
    symlinkSync(path.join(ROOT, 'node_modules'), path.join(tree, 'node_modules'))
    for (const [file, text] of patchedSources(mutant))
      writeFileSync(path.join(tree, file.replace(/\.ts$/, '.js')), await transpile(text))
    const { jobs, from, seeds: count } = run
    const tally = await runJobs({ tree, from, count, jobs, stopAtFailure: true, pieceSeeds: PIECE_SEEDS })
    const caught = tally.failed[0]
    return { name: mutant.name, caughtBy: caught?.seed, failure: caught?.failure }
  } finally {
    rmSync(tree, { recursive: true, force: true })
  }
}
