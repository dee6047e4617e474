/**
 * `commit`: transfers into an embedded platform without views, from a client in another process over loopback, durable
 * before they are acknowledged. Held against what the core alone reaches in the same run. Afterwards the log is replayed:
 * every acknowledged command stands in it, once.
 */
import { LANE_RESULT_BYTES } from '../schemas/lane-results.ts'
import { LANE_HEADER_BYTES } from '../schemas/lane.ts'
import { COMMAND_SLOT_BYTES, EVENT_ROW_BYTES, FRAME_HEADER_BYTES } from '../schemas/limits.ts'
import type { Benchmark } from './benchmark.ts'
import { Session, type Measured } from './commit-session.ts'
import { shapesOf, type Shape } from './commit-shapes.ts'
import { measureCore } from './core.ts'
import { inNewFolder } from './data-folder.ts'
import { Histogram } from './histogram.ts'
import { describeMachine } from './machine.ts'
import type { BenchOptions } from './options.ts'
import { measureSha256, measureWriteSync } from './raw-limits.ts'
import {
  atLeast,
  atMost,
  reportOf,
  verified,
  type Report,
  type Run,
  type Target,
  type Verified,
} from './report.ts'
import { verifyLog } from './verify-log.ts'
import { WORKLOADS, workloadOf } from './workloads.ts'

export const commitBenchmark: Benchmark = {
  name: 'commit',
  measures: 'durable commits over the bulk lane, by batch, rate and number of connections',
  takes: 'about 60 s and 5 GB of disk',
  run: (options, say) => inNewFolder(options, (folder) => measure(folder, options, say)),
}

async function measure(dataDir: string, options: BenchOptions, say: (line: string) => void): Promise<Report> {
  const { quick } = options
  const shapes = shapesOf(options)
  const workloads = workloadsOf(options)
  const accounts = options.accounts ?? (quick ? 2_000 : 1_000_000)
  const frameBytes = shapes[0]!.batch * EVENT_ROW_BYTES + FRAME_HEADER_BYTES
  const writeSyncBytesPerSecond = measureWriteSync(dataDir, frameBytes, quick ? 0.05 : 1)
  const machine = describeMachine({
    sha256BytesPerSecond: measureSha256(quick ? 0.02 : 0.5),
    writeSyncBytesPerSecond,
    writeSyncCommandsPerSecond:
      (writeSyncBytesPerSecond / Math.ceil(frameBytes / 4_096) / 4_096) * shapes[0]!.batch,
  })
  const coreLimits = new Map<string, number>()
  for (const workload of workloads) {
    say(`commit: the core alone, ${workload}`)
    coreLimits.set(workload, await measureCore(workload, options, accounts))
  }
  const { seed, unlimited } = options
  const session = new Session({ dataDir, accounts, seed, unlimited })
  try {
    say(`commit: open ${accounts} accounts in ${dataDir}`)
    await session.open()
    const all: Measured[] = []
    for (const shape of shapes) {
      // The others are measured under full load.
      for (const workload of shape === shapes[0] ? workloads : workloads.slice(0, 1)) {
        say(`commit: ${shape.name}, ${workload}`)
        all.push(await session.measure(shape, workload, rateOf(shape, all)))
      }
    }
    const acknowledged = await session.stop()
    await session.end()
    say('commit: replay the log and count')
    const log = verifyLog(dataDir, accounts, acknowledged)
    const counts = {
      sent: session.loads.sent,
      accepted: log.accepted,
      refused: log.refused,
      repeated: session.loads.repeated,
    }
    const proof = verified(counts, log.trialBalance)
    const runs = all.map((one) =>
      runOf(one, { accounts, seed, coreLimit: coreLimits.get(one.workload)!, proof }),
    )
    return reportOf('commit', machine, runs, targetsOf(all, runs))
  } finally {
    await session.end()
  }
}

function workloadsOf(options: BenchOptions): readonly string[] {
  if (options.workloads !== undefined) return options.workloads.map((name) => workloadOf(name).name)
  return options.long ? WORKLOADS.map(({ name }) => name) : ['spread']
}

/** Half of what the full load of the same way reached, in messages a second. */
function rateOf(shape: Shape, all: readonly Measured[]): number | undefined {
  if (!shape.isHalf) return undefined
  const full = all.find((one) => one.shape.via === shape.via && !one.shape.isHalf)!
  return commandsPerSecond(full) / 2 / shape.batch
}

function commandsPerSecond({ result }: Measured): number {
  return result.made.commands / result.wallSeconds
}

interface Common {
  readonly accounts: number
  readonly seed: number
  readonly coreLimit: number
  readonly proof: Verified
}

function runOf(measured: Measured, { accounts, seed, coreLimit, proof }: Common): Run {
  const { shape, workload, result, echo } = measured
  const { made, messages } = result
  const heapGrowth = measured.heapGrowthPerMillion
  const histogram = new Histogram()
  histogram.add(result.buckets, result.maxMs)
  const throughput = commandsPerSecond(measured)
  const limit =
    echo === undefined
      ? { name: 'core alone, row encoded', value: coreLimit }
      : { name: 'messages echoed by a bare Node server', value: echo.messagesPerSecond * shape.batch }
  const overSockets = shape.via === 'bulk'
  const serverSeconds = Object.entries(measured.cpuSeconds).reduce(
    (sum, [role, seconds]) => (role === 'client' ? sum : sum + seconds),
    0,
  )
  return {
    workload: {
      name: `${workload}, ${shape.name}`,
      accounts,
      batch: shape.batch,
      commands: made.commands,
      seed,
      shareHot: made.hot / made.commands,
      shareChecked: made.checked / made.commands,
      shareRepeated: made.repeated / made.commands,
      shareRefused: proof.refused / proof.sent,
    },
    throughput,
    unit: 'commands/s',
    latencyMs: histogram.latency(),
    cpuSeconds: measured.cpuSeconds,
    bytes: {
      written: measured.diskBytes,
      received: made.commands * COMMAND_SLOT_BYTES + (overSockets ? messages * LANE_HEADER_BYTES : 0),
      sent: overSockets ? made.commands * LANE_RESULT_BYTES + messages * LANE_HEADER_BYTES : 0,
    },
    limit,
    ratio: throughput / limit.value,
    memory: {
      rssBytesBefore: measured.rssBytesBefore,
      rssBytes: measured.rssBytes,
      heapGrowthPerMillion: Object.values(heapGrowth).reduce((sum, bytes) => sum + bytes, 0),
    },
    verified: proof,
    further: {
      connections: shape.connections,
      inFlight: shape.inFlight,
      messages,
      seconds: result.wallSeconds,
      serverCpuSecondsPerMillion: (serverSeconds / made.commands) * 1e6,
      mainHeapGrowthPerMillion: heapGrowth['main'] ?? 0,
      coreHeapGrowthPerMillion: heapGrowth['core'] ?? 0,
      logHeapGrowthPerMillion: heapGrowth['log'] ?? 0,
      ...(echo === undefined
        ? {}
        : {
            echoMessagesPerSecond: echo.messagesPerSecond,
            echoServerCpuSeconds: (echo.cpuSeconds['main'] ?? 0) + (echo.cpuSeconds['other'] ?? 0),
          }),
    },
  }
}

function targetsOf(all: readonly Measured[], runs: readonly Run[]): Target[] {
  return all.flatMap(({ shape }, index) => {
    const { throughput, ratio, latencyMs, workload } = runs[index]!
    const { name } = workload
    if (shape.isHalf) return [atMost(`${name}: p99, ms`, latencyMs.p99, 25)]
    if (shape.batch === 1) return [atLeast(`${name}: commands/s`, throughput, 20_000)]
    if (shape.connections > 1) return [atLeast(`${name}: commands/s`, throughput, 350_000)]
    return [
      atLeast(`${name}: commands/s`, throughput, 1_000_000),
      atLeast(`${name}: over core with the row encoded`, ratio, 0.6),
    ]
  })
}
