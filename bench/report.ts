/** What a benchmark reports: the shape of its JSON, documented in docs/benchmarks.md. Numbers are plain, units in names. */
import type { Machine } from './machine.ts'

/** What was asked of the program, in counts and in shares of all commands sent. */
export interface WorkloadFigures {
  readonly name: string
  readonly accounts: number
  /** Commands offered in one go. */
  readonly batch: number
  /** Commands sent in the timed part. */
  readonly commands: number
  /** Seed of the generator: equal seeds give equal commands, but for the time in their ids. */
  readonly seed: number
  /** Share that touches an account which is hot. */
  readonly shareHot: number
  /** Share that takes from an account whose overdraft is limited, so that the balance check can refuse it. */
  readonly shareChecked: number
  /** Share that repeats an id sent before. */
  readonly shareRepeated: number
  /** Share refused. */
  readonly shareRefused: number
}

export interface Latency {
  readonly p50: number
  readonly p99: number
  readonly max: number
}

/** Something measured in the same run, which the throughput is held against. */
export interface Limit {
  readonly name: string
  /** In the unit of the throughput. */
  readonly value: number
}

/** Bytes moved by the commands that were timed. */
export interface BytesMoved {
  /** Of event rows or, where there is a disk, of the log's files. */
  readonly written: number
  /** Of commands, into the program measured. */
  readonly received: number
  /** Of results, out of it. */
  readonly sent: number
}

/** What came of all commands, and that it adds up: a report that does not is never printed. */
export interface Verified {
  readonly sent: number
  readonly accepted: number
  readonly refused: number
  readonly repeated: number
  /** Sum over all accounts and currencies. */
  readonly trialBalance: '0'
}

/** One measured workload in one shape. */
export interface Run {
  readonly workload: WorkloadFigures
  /** Commands (or what `unit` says) a second of wall time. */
  readonly throughput: number
  readonly unit: string
  readonly latencyMs: Latency
  readonly cpuSeconds: Readonly<Record<string, number>>
  readonly bytes: BytesMoved
  readonly limit: Limit
  /** Throughput over limit. */
  readonly ratio: number
  readonly memory: Readonly<Record<string, number>>
  readonly verified: Verified
  /** Further figures of this benchmark alone, each explained in docs/benchmarks.md. */
  readonly further: Readonly<Record<string, number>>
}

export interface Target {
  readonly name: string
  readonly value: number
  /** `at_least` or `at_most` the target. */
  readonly is: 'at_least' | 'at_most'
  readonly target: number
  readonly met: boolean
}

export interface Report extends Run {
  readonly name: string
  readonly machine: Machine
  readonly targets: readonly Target[]
  /** The other workloads and shapes; the main one stands at the top. */
  readonly runs: readonly Run[]
}

export function atLeast(name: string, value: number, target: number): Target {
  return { name, value, is: 'at_least', target, met: value >= target }
}

export function atMost(name: string, value: number, target: number): Target {
  return { name, value, is: 'at_most', target, met: value <= target }
}

/** Joins the runs of one benchmark: the first is the main one. Throws RangeError if there is none. */
export function reportOf(
  name: string,
  machine: Machine,
  runs: readonly Run[],
  targets: readonly Target[],
): Report {
  const [main, ...others] = runs
  if (main === undefined) throw new RangeError(`benchmark ${name} has not run anything`)
  return { name, machine, ...main, targets, runs: others }
}

/**
 * Checks that every command sent has exactly one outcome and that no money was made or lost.
 * @throws Error, because a throughput of wrong work is none
 */
export function verified(
  counts: Omit<Verified, 'trialBalance'>,
  trialBalance: ReadonlyMap<string, bigint>,
): Verified {
  const { sent, accepted, refused, repeated } = counts
  if (accepted + refused + repeated !== sent)
    throw new Error(
      `${sent} commands were sent, but ${accepted} were accepted, ${refused} refused and ${repeated} repeated`,
    )
  for (const [currency, sum] of trialBalance)
    if (sum !== 0n) throw new Error(`the trial balance of ${currency} is ${sum}, not zero`)
  return { sent, accepted, refused, repeated, trialBalance: '0' }
}
