/**
 * `core`: the state machine alone, one thread. Commands in batches are decided, applied and encoded as event rows; nothing
 * is hashed, written or sent. Held against what the same memory traffic takes without any decision.
 */
import { Worker } from 'node:worker_threads'
import { COMMAND_SLOT_BYTES } from '../schemas/limits.ts'
import { runtimeEntry } from '../eventlog/runtime-entry.ts'
import type { Benchmark } from './benchmark.ts'
import type { CoreThreadInput, CoreThreadOutput } from './core-thread.ts'
import { describeMachine } from './machine.ts'
import { measureMemoryLimit, type MemoryLimit } from './memory-limit.ts'
import type { BenchOptions } from './options.ts'
import { atLeast, atMost, reportOf, verified, type Run, type Target } from './report.ts'
import { WORKLOADS, workloadOf } from './workloads.ts'

const ACCOUNTS_DEFAULT = 1_000_000
const BATCH_DEFAULT = 8_192
/** All workloads in turn, in one thread: what code shaped by all of them does. */
const MIXED = 'mixed'
const LONG = 'spread, 50 million'
const LONG_COMMANDS = 50_000_000

export const coreBenchmark: Benchmark = {
  name: 'core',
  measures: 'transfers decided, applied and encoded, one thread, a million accounts, all workloads',
  takes: 'about 50 s',
  async run(options, say) {
    const machine = describeMachine()
    const sizes = sizesOf(options)
    const limit = measureMemoryLimit(sizes.accounts, options.quick ? 0.02 : 1.5)
    const runs: Run[] = []
    for (const name of namesOf(options)) {
      say(`core: ${name}`)
      runs.push(await measure(name, { ...sizes, workloads: workloadsIn(name) }, limit))
    }
    if (options.long) {
      say(`core: ${LONG}`)
      const commandsMin = options.quick ? 200_000 : LONG_COMMANDS
      runs.push(await measure(LONG, { ...sizes, workloads: ['spread'], commandsMin }, limit))
    }
    return reportOf('core', machine, runs, targetsOf(runs))
  },
}

/** What the core reaches on this workload in a thread of its own, commands a second: the limit of `commit`. */
export async function measureCore(
  workload: string,
  options: BenchOptions,
  accounts: number,
): Promise<number> {
  const { quick, seed, unlimited } = options
  const { commands, wallSeconds } = await runThread({
    workloads: [workload],
    accounts,
    batch: quick ? 1_024 : BATCH_DEFAULT,
    seed,
    unlimited,
    warmUpCommands: quick ? 10_000 : 1_000_000,
    seconds: quick ? 0.02 : 1.5,
    commandsMin: quick ? 20_000 : 2_000_000,
  })
  return commands / wallSeconds
}

function sizesOf(options: BenchOptions): Omit<CoreThreadInput, 'workloads'> {
  const { quick } = options
  return {
    accounts: options.accounts ?? (quick ? 2_000 : ACCOUNTS_DEFAULT),
    batch: options.batch ?? (quick ? 1_024 : BATCH_DEFAULT),
    seed: options.seed,
    unlimited: options.unlimited,
    warmUpCommands: quick ? 10_000 : 1_000_000,
    seconds: options.seconds ?? (quick ? 0.02 : 1.5),
    commandsMin: options.events ?? (quick ? 20_000 : 3_000_000),
  }
}

function namesOf(options: BenchOptions): readonly string[] {
  const { workloads } = options
  if (workloads === undefined) return [...WORKLOADS.map(({ name }) => name), MIXED]
  return workloads.map((name) => (name === MIXED ? name : workloadOf(name).name))
}

function workloadsIn(name: string): readonly string[] {
  return name === MIXED ? WORKLOADS.map((workload) => workload.name) : [name]
}

async function measure(name: string, input: CoreThreadInput, limit: MemoryLimit): Promise<Run> {
  const output = await runThread(input)
  const { made, commands, first, last } = output
  const throughput = commands / output.wallSeconds
  return {
    workload: {
      name,
      accounts: input.accounts,
      batch: input.batch,
      commands,
      seed: input.seed,
      shareHot: made.hot / made.commands,
      shareChecked: made.checked / made.commands,
      shareRepeated: made.repeated / made.commands,
      shareRefused: output.refused / output.sent,
    },
    throughput,
    unit: 'commands/s',
    latencyMs: output.latencyMs,
    cpuSeconds: { core: output.cpuSeconds },
    bytes: { written: output.rowBytes, received: commands * COMMAND_SLOT_BYTES, sent: 0 },
    limit: { name: 'the same memory traffic without decisions', value: limit.perSecond },
    ratio: throughput / limit.perSecond,
    memory: {
      stateBytes: last.stateBytes,
      rssBytes: last.rssBytes,
      heapGrowthPerMillion: output.heapGrowthPerMillion,
      heapAllocatedPerMillion: output.heapAllocatedPerMillion,
    },
    verified: verified(output, output.trialBalance),
    further: {
      perCpuSecond: commands / output.cpuSeconds,
      ratioOfCpuSecond: commands / output.cpuSeconds / limit.perCpuSecond,
      filledStateBytes: output.filledStateBytes,
      firstCommands: first.commands,
      firstNanoseconds: first.nanoseconds,
      firstStateBytes: first.stateBytes,
      firstRssBytes: first.rssBytes,
      lastCommands: last.commands,
      lastNanoseconds: last.nanoseconds,
      lastStateBytes: last.stateBytes,
      lastRssBytes: last.rssBytes,
    },
  }
}

function runThread(input: CoreThreadInput): Promise<CoreThreadOutput> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(runtimeEntry(new URL('./core-thread.ts', import.meta.url)), {
      workerData: input,
    })
    let output: CoreThreadOutput | undefined
    worker.once('message', (message: CoreThreadOutput) => (output = message))
    worker.once('error', reject)
    // Only then is its memory free for the next one.
    worker.once('exit', () => {
      if (output === undefined) reject(new Error('the core thread ended without a result'))
      else resolve(output)
    })
  })
}

function targetsOf(runs: readonly Run[]): Target[] {
  const main = runs[0]!
  const targets = [
    atLeast(`${main.workload.name}, row encoded, commands/s`, main.throughput, 1_600_000),
    // With the row encoded this asks for more than it has to.
    atLeast(`${main.workload.name}, decided and applied, commands/s`, main.throughput, 2_000_000),
    atMost('heap growth, bytes per million commands', main.memory['heapGrowthPerMillion']!, 100_000),
    // A byte a command is less than any object: this much is asked for by batches.
    ...runs.map(({ workload, memory }) =>
      atMost(
        `${workload.name}, heap asked for, bytes per million commands`,
        memory['heapAllocatedPerMillion']!,
        1_000_000,
      ),
    ),
  ]
  const long = runs.find(({ workload }) => workload.name === LONG)
  if (long !== undefined) {
    const { further } = long
    targets.push(
      atMost(
        'cost of a transfer after 50 million, over that after one',
        further['lastNanoseconds']! / further['firstNanoseconds']!,
        1.2,
      ),
      atMost(
        'state after 50 million, over that when the remembered ids were full',
        further['lastStateBytes']! / (further['filledStateBytes']! || further['firstStateBytes']!),
        1.2,
      ),
    )
  }
  return targets
}
