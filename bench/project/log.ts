/** The log that sections fill views from, and the processes that do it. */
import { mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { Child, type Dialogue } from '../child.ts'
import type { BenchOptions } from '../options.ts'
import type { Verified, WorkloadFigures } from '../report.ts'
import { verified } from '../report.ts'
import { workloadOf } from '../workloads.ts'
import type { BuiltLog, LogAsk, ProjectDialogue } from './child.ts'

/** A log that is there, its rows in one file, and what it was made of. */
export interface LogThere extends BuiltLog {
  readonly sizes: LogAsk
}

export async function makeLog(
  folder: string,
  options: BenchOptions,
  say: (line: string) => void,
): Promise<LogThere> {
  const { quick, seed, unlimited } = options
  const dataDir = path.join(folder, 'log')
  mkdirSync(dataDir)
  const sizes = {
    dataDir,
    rowsFile: path.join(folder, 'events.bin'),
    workload: workloadOf(options.workloads?.[0] ?? 'spread').name,
    accounts: options.accounts ?? (quick ? 500 : 100_000),
    commands: options.events ?? (quick ? 5_000 : 3_000_000),
    seed,
    unlimited,
  }
  say(`project: a log of ${sizes.accounts} accounts and ${sizes.commands} commands in ${folder}`)
  const program = new URL('./child.ts', import.meta.url)
  return { sizes, ...(await asking<ProjectDialogue, 'build'>(program, 'build', sizes)) }
}

/** Each question has a process of its own: none runs on what another has warmed or left behind. */
export async function asking<D extends Dialogue, Kind extends keyof D & string>(
  program: URL,
  kind: Kind,
  ask: D[Kind]['ask'],
): Promise<D[Kind]['answer']> {
  const child = new Child<D>(program)
  try {
    return await child.ask(kind, ask)
  } finally {
    await child.kill()
  }
}

/** Makes room for views, and removes them when the work is done. */
export async function inViewsFolder<T>(folder: string, work: (viewsDir: string) => Promise<T>): Promise<T> {
  const viewsDir = path.join(folder, 'views')
  try {
    return await work(viewsDir)
  } finally {
    rmSync(viewsDir, { recursive: true, force: true })
  }
}

/** What a report says of a log that was filled from in so many ranges. */
export function workloadFigures(
  name: string,
  { sizes, made, outcomes }: LogThere,
  ranges: number,
): WorkloadFigures {
  return {
    name: `${name} (${sizes.workload})`,
    accounts: sizes.accounts,
    batch: Math.round(outcomes.events / ranges),
    commands: made.commands,
    seed: sizes.seed,
    shareHot: made.hot / made.commands,
    shareChecked: made.checked / made.commands,
    shareRepeated: made.repeated / made.commands,
    shareRefused: outcomes.refused / made.commands,
  }
}

export function verifiedLog(
  { sizes, made, outcomes }: LogThere,
  trialBalance: ReadonlyMap<string, bigint>,
): Verified {
  const { events, refused } = outcomes
  const sent = sizes.accounts + made.commands
  return verified({ sent, accepted: events - refused, refused, repeated: made.repeated }, trialBalance)
}
