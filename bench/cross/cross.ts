/**
 * `cross`: transfers across partitions by TCC and by Saga, held against the same load within one partition, in one run. Four
 * partitions in one process, each with its writer and its coordinator; a message is answered when all its transfers have
 * ended. Afterwards the logs are replayed: every transfer ended once.
 */
import type { Coordination } from '../../schemas/commands.ts'
import { COMMAND_SLOT_BYTES } from '../../schemas/limits.ts'
import type { Benchmark } from '../benchmark.ts'
import { Child } from '../child.ts'
import { inNewFolder } from '../data-folder.ts'
import { Histogram } from '../histogram.ts'
import { describeMachine } from '../machine.ts'
import type { BenchOptions } from '../options.ts'
import { atLeast, atMost, reportOf, verified, type Report, type Run, type Target, type Verified } from '../report.ts' // prettier-ignore
import { SerialSet } from '../serial-set.ts'
import type { CrossDialogue, CrossLoad, CrossResult } from './platform-process.ts'
import { verifyLogs } from './verify-logs.ts'

export const crossBenchmark: Benchmark = {
  name: 'cross',
  measures: 'transfers across partitions, by TCC and Saga, against the same load within one partition',
  takes: 'about 60 s and 4 GB of disk',
  run: (options, say) => inNewFolder(options, (folder) => measure(folder, options, say)),
}

const PARTITIONS = 4

interface Shape {
  readonly name: string
  readonly acrossShare: number
  readonly coordination: Coordination
  /** As in CrossLoad. */
  readonly isClaimed: boolean
}

/** The first is what the others are held against. */
const WITHIN: Shape = { name: 'within one partition', acrossShare: 0, coordination: 'tcc', isClaimed: false }
/** Three of four ids live elsewhere. */
const ANYWHERE: Shape = { ...WITHIN, name: 'within, ids from anywhere', isClaimed: true }
const SHAPES: readonly Shape[] = [
  WITHIN,
  ANYWHERE,
  ...(['tcc', 'saga'] as const).flatMap((coordination) =>
    [10, 50, 100].map((percent) => ({
      name: `${coordination === 'tcc' ? 'TCC' : 'Saga'}, ${percent} % across`,
      acrossShare: percent / 100,
      coordination,
      isClaimed: false,
    })),
  ),
]

interface Measured {
  readonly shape: Shape
  readonly result: CrossResult
}

async function measure(dataDir: string, options: BenchOptions, say: (line: string) => void): Promise<Report> {
  const { quick, seed } = options
  const accounts = options.accounts ?? (quick ? 2_000 : 100_000)
  const batch = options.batch ?? (quick ? 64 : 2_048)
  const machine = describeMachine()
  const platform = new Child<CrossDialogue>(new URL('./platform-process.ts', import.meta.url))
  try {
    say(`cross: open ${accounts} accounts in ${PARTITIONS} partitions in ${dataDir}`)
    await platform.ask('open', { dataDir, partitions: PARTITIONS, accounts, seed })
    let sent = 0
    let loads = 0
    const load = async (shape: Shape, seconds: number): Promise<CrossResult> => {
      const { acrossShare, coordination, isClaimed } = shape
      const ask: CrossLoad = { acrossShare, coordination, isClaimed, batch, seconds, seed: seed + loads++, firstSerial: sent, inFlight: options.inFlight ?? 4 } // prettier-ignore
      const result = await platform.ask('load', ask)
      sent += result.transfers
      return result
    }
    const all: Measured[] = []
    for (const shape of SHAPES) {
      say(`cross: ${shape.name}`)
      await load(shape, quick ? 0.05 : 1)
      all.push({ shape, result: await load(shape, options.seconds ?? (quick ? 0.1 : 4)) })
    }
    const told = new SerialSet()
    told.addAll(await platform.ask('stop', {}))
    say('cross: replay the logs and count')
    const logs = verifyLogs(dataDir, PARTITIONS, told)
    if (logs.timedOut > 0) throw new Error(`${logs.timedOut} transfers were not answered in time`)
    const proof = verified(
      { sent, accepted: logs.accepted, refused: logs.refused, repeated: 0 },
      logs.trialBalance,
    )
    const within = perSecond(all[0]!.result)
    const runs = all.map((one) => runOf(one, { accounts, batch, seed, within, proof }))
    return reportOf('cross', machine, runs, targetsOf(runs))
  } finally {
    await platform.kill()
  }
}

function perSecond({ transfers, wallSeconds }: CrossResult): number {
  return transfers / wallSeconds
}

interface Common {
  readonly accounts: number
  readonly batch: number
  readonly seed: number
  readonly within: number
  readonly proof: Verified
}

function runOf({ shape, result }: Measured, { accounts, batch, seed, within, proof }: Common): Run {
  const { transfers, messages, cpuSeconds } = result
  const histogram = new Histogram()
  histogram.add(result.buckets, result.maxMs)
  const throughput = perSecond(result)
  const cpu = Object.values(cpuSeconds).reduce((sum, seconds) => sum + seconds, 0)
  return {
    workload: {
      name: shape.name,
      accounts,
      batch,
      commands: transfers,
      seed,
      shareHot: 0,
      shareChecked: 1,
      shareRepeated: 0,
      shareRefused: result.refused / transfers,
    },
    throughput,
    unit: 'transfers/s',
    latencyMs: histogram.latency(),
    cpuSeconds,
    bytes: { written: result.bytes, received: transfers * COMMAND_SLOT_BYTES, sent: 0 },
    limit: { name: 'the same load within one partition', value: within },
    ratio: throughput / within,
    memory: { rssBytesBefore: result.rssBytesBefore, rssBytes: result.rssBytes },
    verified: proof,
    further: {
      messages,
      seconds: result.wallSeconds,
      shareAcross: result.across / transfers,
      eventsPerTransfer: result.events / transfers,
      stepsPerTransfer: result.stepsSent / transfers,
      framesPerThousandTransfers: (result.frames / transfers) * 1_000,
      eventsPerFrame: result.events / result.frames,
      bytesPerTransfer: result.bytes / transfers,
      cpuMicrosecondsPerTransfer: (cpu / transfers) * 1e6,
      stepsReminded: result.stepsReminded,
      stepsDropped: result.stepsDropped,
    },
  }
}

function targetsOf(runs: readonly Run[]): Target[] {
  const of = (name: string): Run => runs.find(({ workload }) => workload.name === name)!
  const all = of('TCC, 100 % across')
  return [
    atLeast('TCC, 100 % across: over the same load within', all.ratio, 0.25),
    atMost('TCC, 100 % across: p99 over that within', all.latencyMs.p99 / of(WITHIN.name).latencyMs.p99, 5),
    atLeast('TCC, 10 % across: over the same load within', of('TCC, 10 % across').ratio, 0.7),
  ]
}
