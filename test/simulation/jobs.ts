/** Seeds spread over child processes, each running the built simulator of a tree. */
import { spawn } from 'node:child_process'
import path from 'node:path'
import { addTally, emptyTally, type Tally } from './tally.ts'

export interface JobsToRun {
  /** The folder of the built program. */
  readonly tree: string
  readonly from: number
  readonly count: number
  readonly jobs: number
  readonly stopAtFailure: boolean
  /** Seeds that one process runs at most: after each such piece it is seen whether to go on. */
  readonly pieceSeeds?: number
  /** What a seed simulates. Default: the whole deployment. */
  readonly what?: Simulated
  /** Longest time that a piece may take, in ms. */
  readonly pieceMsMax?: number | undefined
}

/**
 * `whole`: the deployment of `seed.ts`. `views`: the views alone, of `views/alone.ts`. `crossings`: transfers between the
 * partitions of `crossings/run.ts`.
 */
export type Simulated = 'whole' | 'views' | 'crossings'

/**
 * Fifty times the processor time of so many seeds, for machines that do much else; and shorter than any test waits, so that
 * what never ends is told by its name.
 */
const PIECE_MS_MAX = 100_000
const PIECE_SEEDS_MAX = 40

/** A piece came to no result. */
export class PieceError extends Error {
  override readonly name = 'PieceError'
  /** `did not end`: it was stopped when its time was over. `crashed`: its process ended by itself. */
  readonly outcome: 'did not end' | 'crashed'

  constructor(outcome: PieceError['outcome'], message: string) {
    super(message)
    this.outcome = outcome
  }
}

/** Throws PieceError if a process came to no result. */
export async function runJobs(run: JobsToRun): Promise<Tally> {
  const total = emptyTally()
  const share = Math.ceil(run.count / run.jobs)
  const pieceSeeds = Math.min(run.pieceSeeds ?? PIECE_SEEDS_MAX, share)
  let next = run.from
  const end = run.from + run.count
  async function work(): Promise<void> {
    while (next < end && !(run.stopAtFailure && total.failed.length > 0)) {
      const from = next
      const count = Math.min(pieceSeeds, end - from)
      next += count
      addTally(total, await runChild(run, from, count))
    }
  }
  await Promise.all(Array.from({ length: run.jobs }, work))
  total.failed.sort((left, right) => left.seed - right.seed)
  return total
}

function runChild(run: JobsToRun, from: number, count: number): Promise<Tally> {
  return new Promise((resolve, reject) => {
    const program = path.join(run.tree, 'test', 'simulation', 'child.js')
    const args = [String(from), String(count), run.stopAtFailure ? 'stop' : 'all', run.what ?? 'whole']
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    const seeds = `seeds ${from} to ${from + count - 1}`
    const msMax = run.pieceMsMax ?? PIECE_MS_MAX
    let out = ''
    let errors = ''
    let isLate = false
    // Broken code may sit in a loop, where no gentler signal is heard.
    const timer = setTimeout(() => {
      isLate = true
      child.kill('SIGKILL')
    }, msMax)
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
    child.once('error', reject)
    child.once('close', (code) => {
      clearTimeout(timer)
      if (isLate) reject(new PieceError('did not end', `${seeds} did not end within ${msMax / 1_000} s`))
      else if (code === 0) resolve(JSON.parse(out) as Tally)
      else reject(new PieceError('crashed', `${seeds} ended with ${code}: ${errors.slice(-2_000)}`))
    })
  })
}
