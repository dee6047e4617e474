/**
 * `restart`: how long until a writer takes commands again. A data folder with many accounts, a snapshot and a tail of
 * events behind it is built; a new process starts from it, another one replays the log from its first event. Both must come
 * to the same state.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { logFolder } from '../eventlog/file/layout/segments.ts'
import { snapshotsFolder } from '../writer/snapshots/snapshot-folder.ts'
import type { Benchmark } from './benchmark.ts'
import { Child } from './child.ts'
import { inNewFolder, keptFolder } from './data-folder.ts'
import { describeMachine, type Machine } from './machine.ts'
import type { BenchOptions } from './options.ts'
import { bytesOf, filesIn, measureReadAndHash, measureSha256 } from './raw-limits.ts'
import { atLeast, atMost, reportOf, verified, type Report, type Run } from './report.ts'
import type { BuildAsk, Built, Replayed, RestartDialogue, Started } from './restart-child.ts'
import { workloadOf } from './workloads.ts'

const PARTITION = 0
const BATCH = 8_192
const RECEIPT = 'bench.json'

export const restartBenchmark: Benchmark = {
  name: 'restart',
  measures: 'ten million accounts: a start from the snapshot, and a replay of the log from zero',
  takes: 'about 60 s and 4 GB of disk',
  async run(options, say) {
    if (!options.keep) return inNewFolder(options, (folder) => measure(folder, options, say))
    return measure(keptFolder(options, 'restart'), options, say)
  },
}

type Sizes = Omit<BuildAsk, 'dataDir'>

async function measure(dataDir: string, options: BenchOptions, say: (line: string) => void): Promise<Report> {
  const machine: Machine = describeMachine({
    sha256BytesPerSecond: measureSha256(options.quick ? 0.02 : 1),
  })
  const sizes = sizesOf(options)
  const built = await buildOrReuse(dataDir, sizes, say)
  say('restart: start from the snapshot')
  const started = await inChild((child) => child.ask('start', { dataDir }))
  say('restart: replay from zero')
  const replayed = await inChild((child) => child.ask('replay', { dataDir }))
  check(sizes, built, started, replayed)
  const startRun = runOfStart(dataDir, sizes, built, started, replayed)
  const replayRun = runOfReplay(dataDir, sizes, built, replayed)
  return reportOf(
    'restart',
    machine,
    [startRun, replayRun],
    [
      atMost('start from the snapshot, seconds', started.milliseconds / 1_000, 10),
      atLeast('replay, events/s', replayRun.throughput, 2_000_000),
    ],
  )
}

function sizesOf(options: BenchOptions): Sizes {
  const { quick } = options
  const commands = options.events ?? (quick ? 20_000 : 5_000_000)
  const tailCommands = Math.ceil(commands / 10)
  return {
    workload: workloadOf(options.workloads?.[0] ?? 'spread').name,
    accounts: options.accounts ?? (quick ? 10_000 : 10_000_000),
    commands: commands - tailCommands,
    tailCommands,
    seed: options.seed,
    unlimited: options.unlimited,
  }
}

/** A kept folder is used again if the same was asked for. */
async function buildOrReuse(dataDir: string, sizes: Sizes, say: (line: string) => void): Promise<Built> {
  const receipt = path.join(dataDir, RECEIPT)
  const asked = JSON.stringify(sizes)
  if (existsSync(receipt)) {
    const kept = JSON.parse(readFileSync(receipt, 'utf8')) as { asked: string; built: Built }
    if (kept.asked === asked) return kept.built
  }
  say(`restart: open ${sizes.accounts} accounts in ${dataDir}`)
  for (const folder of ['log', 'snapshots'])
    rmSync(path.join(dataDir, folder), { recursive: true, force: true })
  const built = await inChild((child) => child.ask('build', { ...sizes, dataDir }))
  writeFileSync(receipt, JSON.stringify({ asked, built }))
  return built
}

async function inChild<T>(work: (child: Child<RestartDialogue>) => Promise<T>): Promise<T> {
  const child = new Child<RestartDialogue>(new URL('./restart-child.ts', import.meta.url))
  try {
    return await work(child)
  } finally {
    await child.kill()
  }
}

/** Snapshot and tail, the whole log, and what was sent agree. */
function check(sizes: Sizes, built: Built, started: Started, replayed: Replayed): void {
  const problems = [
    started.digest !== replayed.digest && 'the state started from is not the one that the log comes to',
    started.accounts !== sizes.accounts && `${started.accounts} accounts after the start`,
    replayed.accounts !== sizes.accounts && `${replayed.accounts} accounts after the replay`,
    replayed.events !== built.outcomes.events && `${replayed.events} events in the log`,
    started.snapshotSequence + started.eventsReplayed !== replayed.events &&
      'the tail is not all behind the snapshot',
  ].filter((problem) => problem !== false)
  if (problems.length > 0) throw new Error(`restart went wrong: ${problems.join('; ')}`)
}

function commonOf(
  sizes: Sizes,
  built: Built,
  replayed: Replayed,
): Pick<Run, 'verified'> & { workload: Run['workload'] } {
  const { made, outcomes } = built
  const sent = sizes.accounts + made.commands
  return {
    workload: {
      name: sizes.workload,
      accounts: sizes.accounts,
      batch: BATCH,
      commands: made.commands,
      seed: sizes.seed,
      shareHot: made.hot / made.commands,
      shareChecked: made.checked / made.commands,
      shareRepeated: made.repeated / made.commands,
      shareRefused: outcomes.refused / made.commands,
    },
    verified: verified(
      {
        sent,
        accepted: outcomes.events - outcomes.refused,
        refused: outcomes.refused,
        repeated: made.repeated,
      },
      replayed.trialBalance,
    ),
  }
}

function runOfStart(dataDir: string, sizes: Sizes, built: Built, started: Started, replayed: Replayed): Run {
  const common = commonOf(sizes, built, replayed)
  const snapshot = filesIn(path.join(dataDir, snapshotsFolder('.', PARTITION))).slice(-1)
  const raw = measureReadAndHash(snapshot)
  const limit = { name: 'reading and hashing the snapshot', value: sizes.accounts / raw.seconds }
  const throughput = (sizes.accounts / started.milliseconds) * 1_000
  return {
    ...common,
    workload: { ...common.workload, name: `start from a snapshot (${sizes.workload})` },
    throughput,
    unit: 'accounts/s',
    latencyMs: { p50: started.milliseconds, p99: started.milliseconds, max: started.milliseconds },
    cpuSeconds: started.cpuSeconds,
    bytes: { written: 0, received: raw.bytes, sent: 0 },
    limit,
    ratio: throughput / limit.value,
    memory: { rssBytes: started.rssBytes },
    further: { snapshotBytes: raw.bytes, eventsReplayed: started.eventsReplayed },
  }
}

function runOfReplay(dataDir: string, sizes: Sizes, built: Built, replayed: Replayed): Run {
  const common = commonOf(sizes, built, replayed)
  const segments = filesIn(path.join(dataDir, logFolder(PARTITION)))
  const raw = measureReadAndHash(segments)
  const limit = { name: 'reading and hashing the log', value: replayed.events / raw.seconds }
  const throughput = replayed.events / replayed.seconds
  const milliseconds = replayed.seconds * 1_000
  return {
    ...common,
    workload: { ...common.workload, name: `replay from zero (${sizes.workload})` },
    throughput,
    unit: 'events/s',
    latencyMs: { p50: milliseconds, p99: milliseconds, max: milliseconds },
    cpuSeconds: replayed.cpuSeconds,
    bytes: { written: 0, received: bytesOf(segments), sent: 0 },
    limit,
    ratio: throughput / limit.value,
    memory: { rssBytes: replayed.rssBytes },
    further: { events: replayed.events, frames: replayed.frames },
  }
}
