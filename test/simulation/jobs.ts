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
  /** Seeds that one process runs: after each such piece it is seen whether to go on. Default: an even share. */
  readonly pieceSeeds?: number
}

/** Longest time that one piece may take, in ms: a mutant may never end. */
const PIECE_MS_MAX = 20 * 60_000

export async function runJobs(run: JobsToRun): Promise<Tally> {
  const total = emptyTally()
  const share = Math.ceil(run.count / run.jobs)
  const pieceSeeds = Math.min(run.pieceSeeds ?? share, share)
  let next = run.from
  const end = run.from + run.count
  async function work(): Promise<void> {
    while (next < end && !(run.stopAtFailure && total.failed.length > 0)) {
      const from = next
      const count = Math.min(pieceSeeds, end - from)
      next += count
      addTally(total, await runChild(run.tree, from, count, run.stopAtFailure))
    }
  }
  await Promise.all(Array.from({ length: run.jobs }, work))
  total.failed.sort((left, right) => left.seed - right.seed)
  return total
}

function runChild(tree: string, from: number, count: number, stopAtFailure: boolean): Promise<Tally> {
  return new Promise((resolve, reject) => {
    const program = path.join(tree, 'test', 'simulation', 'child.js')
    const args = [program, String(from), String(count), stopAtFailure ? 'stop' : 'all']
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: PIECE_MS_MAX })
    let out = ''
    let errors = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
    child.once('error', reject)
    child.once('close', (code) => {
      if (code === 0) resolve(JSON.parse(out) as Tally)
      else
        reject(new Error(`seeds ${from} to ${from + count - 1} ended with ${code}: ${errors.slice(-2_000)}`))
    })
  })
}
