/** What can be said on the command line of the simulator. */
import { parseArgs } from 'node:util'
import { messageOf } from '../../schemas/errors.ts'

export const USAGE = `npm run simulate -- [--seeds N] [--from S] [--jobs J] [--json] [--verbose]
npm run simulate -- --seed S [--json] [--verbose]       one seed by itself
npm run simulate -- --mutants [--mutant NAME] [--seeds N] [--from S] [--jobs J] [--json]
npm run simulate -- --crossings …                        transfers across partitions, with any of these`

export interface SimulateOptions {
  readonly help: boolean
  readonly seeds: number
  readonly from: number
  /** Processes. Undefined: one a core, and no more than seeds. */
  readonly jobs: number | undefined
  /** Transfers between partitions, in place of one partition's deployment. */
  readonly crossings: boolean
  readonly mutants: boolean
  /** Only this one. */
  readonly mutant: string | undefined
  readonly json: boolean
  readonly verbose: boolean
}

/** What was said cannot be understood. The message is for people. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Throws UsageError on what cannot be understood. */
export function parseOptions(args: readonly string[]): SimulateOptions {
  const values = parse(args)
  const one = values.seed === undefined ? undefined : wholeNumber('seed', values.seed, 0)
  return {
    help: values.help,
    seeds: one === undefined ? wholeNumber('seeds', values.seeds ?? '300', 1) : 1,
    from: one ?? wholeNumber('from', values.from ?? '1', 0),
    jobs: values.jobs === undefined ? undefined : wholeNumber('jobs', values.jobs, 1),
    crossings: values.crossings,
    mutants: values.mutants || values.mutant !== undefined,
    mutant: values.mutant,
    json: values.json,
    verbose: values.verbose,
  }
}

function parse(args: readonly string[]) {
  const flag = { type: 'boolean', default: false } as const
  const text = { type: 'string' } as const
  try {
    return parseArgs({
      args: [...args],
      options: {
        seeds: text,
        from: text,
        seed: text,
        jobs: text,
        mutant: text,
        crossings: flag,
        mutants: flag,
        json: flag,
        verbose: flag,
        help: flag,
      },
    }).values
  } catch (error) {
    throw new UsageError(messageOf(error), { cause: error })
  }
}

function wholeNumber(name: string, text: string, least: number): number {
  const value = text.trim() === '' ? Number.NaN : Number(text)
  if (!Number.isSafeInteger(value) || value < least)
    throw new UsageError(`--${name} ${JSON.stringify(text)}: a whole number, at least ${least}`)
  return value
}
