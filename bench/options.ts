/** What can be said on the command line of a benchmark, the same for all of them. */
import { parseArgs } from 'node:util'
import { messageOf } from '../schemas/errors.ts'
import { BATCH_COMMANDS_MAX } from '../schemas/limits.ts'

export interface BenchOptions {
  readonly json: boolean
  /** Small sizes: shows that all of it works, and measures nothing. */
  readonly quick: boolean
  /** The runs that take long as well. */
  readonly long: boolean
  /** Leaves the data folder where it is, and uses the one there. */
  readonly keep: boolean
  /** Commit and its own queue, without a socket. */
  readonly inProcess: boolean
  /** No account has a limit. */
  readonly unlimited: boolean
  /** Undefined: what the benchmark takes by itself. */
  readonly workloads: readonly string[] | undefined
  /** Project: the sections to measure, by name. Undefined: all of them. */
  readonly only: readonly string[] | undefined
  readonly accounts: number | undefined
  readonly batch: number | undefined
  readonly seconds: number | undefined
  readonly events: number | undefined
  /** Commit and kafka, full load: messages under way on the connection. */
  readonly inFlight: number | undefined
  /** Takeover: kills of each kind. */
  readonly kills: number | undefined
  /** Takeover: minutes of full load in which nobody may be replaced. */
  readonly minutes: number | undefined
  readonly seed: number
  /** Where data folders are made. Default: the system's folder for temporary files. */
  readonly dir: string | undefined
}

export class UsageError extends Error {
  override name = 'UsageError'
}

export const OPTIONS_HELP = `Options:
  --json             one JSON object on standard output
  --workload NAMES   only these workloads, separated by commas
  --only NAMES       project: only these sections, separated by commas
  --accounts N       accounts opened before anything is timed
  --batch N          commands in a batch, 1 to ${BATCH_COMMANDS_MAX}
  --seconds S        least time measured, for each run
  --events N         least number of commands (core; commit and kafka under full load), or of transfers in the log (restart)
  --in-flight N      commit and kafka under full load: batches sent and not yet answered (default 4)
  --kills N          takeover: kills of each kind (default 10)
  --minutes M        takeover: minutes of full load in which nobody may be replaced (default 10)
  --unlimited        accounts without limits: no balance check can refuse
  --seed N           another order of the same kind of commands (default 1)
  --dir FOLDER       where data folders are made (default: the system's for temporary files)
  --keep             restart: keep the data folder, and use the one that was kept
  --in-process       commit: only the shapes without sockets
  --long             the runs that take long as well
  --quick            small sizes: shows that it works, measures nothing`

/** Throws UsageError on what cannot be understood. */
export function parseOptions(args: readonly string[]): { names: readonly string[]; options: BenchOptions } {
  const { values, positionals } = parse(args)
  const batch = wholeNumber('batch', values.batch, 1)
  if (batch !== undefined && batch > BATCH_COMMANDS_MAX)
    throw new UsageError(`--batch ${batch}: a batch has at most ${BATCH_COMMANDS_MAX} commands`)
  const seconds = values.seconds === undefined ? undefined : Number(values.seconds)
  if (seconds !== undefined && !(seconds > 0 && seconds <= 3_600))
    throw new UsageError(`--seconds ${values.seconds}: between 0 and 3600`)
  const minutes = values.minutes === undefined ? undefined : Number(values.minutes)
  if (minutes !== undefined && !(minutes > 0 && minutes <= 1_440))
    throw new UsageError(`--minutes ${values.minutes}: between 0 and 1440`)
  return {
    names: positionals,
    options: {
      json: values.json,
      quick: values.quick,
      long: values.long,
      keep: values.keep,
      inProcess: values['in-process'],
      unlimited: values.unlimited,
      workloads: values.workload?.split(','),
      only: values.only?.split(','),
      accounts: wholeNumber('accounts', values.accounts, 4),
      batch,
      seconds,
      events: wholeNumber('events', values.events, 1),
      inFlight: wholeNumber('in-flight', values['in-flight'], 1),
      kills: wholeNumber('kills', values.kills, 1),
      minutes,
      seed: wholeNumber('seed', values.seed, 0) ?? 1,
      dir: values.dir,
    },
  }
}

function parse(args: readonly string[]) {
  const flag = { type: 'boolean', default: false } as const
  const text = { type: 'string' } as const
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        json: flag,
        quick: flag,
        long: flag,
        keep: flag,
        'in-process': flag,
        unlimited: flag,
        workload: text,
        only: text,
        accounts: text,
        batch: text,
        seconds: text,
        events: text,
        'in-flight': text,
        kills: text,
        minutes: text,
        seed: text,
        dir: text,
      },
    })
  } catch (error) {
    throw new UsageError(messageOf(error), { cause: error })
  }
}

/** Takes `1000000`, `1_000_000`, `1e6`. */
function wholeNumber(name: string, text: string | undefined, least: number): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text.replaceAll('_', ''))
  if (!Number.isSafeInteger(value) || value < least)
    throw new UsageError(`--${name} ${text}: a whole number, at least ${least}`)
  return value
}
