/**
 * `takeover`: how long a partition is without service when its writer is killed or stands still, or the broker that leads it
 * is killed, on a real deployment under load; and that nobody is taken for dead who is only busy. Afterwards the events are
 * read again from the first one: what clients were told stands there, once.
 */
import { openKafkaEventLog } from '../eventlog/kafka/events/kafka-event-log.ts'
import type { Benchmark } from './benchmark.ts'
import { Histogram } from './histogram.ts'
import { describeMachine } from './machine.ts'
import type { BenchOptions } from './options.ts'
import { atMost, reportOf, verified, type Report, type Run, type Verified } from './report.ts'
import type { Pace } from './takeover-load.ts'
import { PARTITIONS, TakeoverSession, type FaultMeasured } from './takeover-session.ts'
import { LogVerifier } from './verify-log.ts'

export const takeoverBenchmark: Benchmark = {
  name: 'takeover',
  measures: 'time without service when a writer or the broker that leads is killed or frozen, under load',
  takes: 'about 25 minutes; needs Java, and Maven the first time',
  run: (options, say) => measure(options, say),
}

const AWAY_MS_MAX = 4_000
/** Beside the faults: a load that leaves room, so that a takeover is measured and not a queue. */
const MEASURED = { steady: { batch: 64, pauseMs: 40 }, full: { batch: 1_024, pauseMs: 0 } }
/** Where nothing is measured. */
const SHOWN = { steady: { batch: 8, pauseMs: 250 }, full: { batch: 32, pauseMs: 20 } }
/** Accounts of each partition. */
const ACCOUNTS = 2
/** A process of the deployment runs no longer than this, whatever becomes of the benchmark. */
const KILL_MS_MAX = 180_000
const START_MS_MAX = 300_000

interface Phase {
  readonly name: string
  readonly faults: readonly FaultMeasured[]
  readonly transfers: number
  readonly seconds: number
  /** How often any partition was taken over, as its epochs say. */
  readonly takeovers: number
}

async function measure(options: BenchOptions, say: (line: string) => void): Promise<Report> {
  const kills = options.kills ?? (options.quick ? 1 : 10)
  const minutes = options.minutes ?? (options.quick ? 0.01 : 10)
  const { steady, full } = options.quick ? SHOWN : MEASURED
  const machine = describeMachine()
  say('takeover: start three brokers and a deployment')
  const lifeMsMax = 3 * kills * KILL_MS_MAX + minutes * 60_000 + START_MS_MAX
  const session = await TakeoverSession.open(lifeMsMax, !options.quick, say)
  try {
    const phases = [
      await faults(session, steady, 'kill -9 of a writer', kills, (round) => session.killWriter(round), say),
      await faults(session, steady, 'a writer that stands still', kills, (round) => session.freezeWriter(round), say),
      await faults(session, steady, 'kill -9 of a leading broker', kills, (round) => session.killLeader(round), say),
    ]
    say(`takeover: ${minutes} minutes of full load, and nobody is killed`)
    const calm = await session.calm(minutes, full)
    say(`takeover: ${calm.takeovers} taken over, ${Math.round(calm.transfers / calm.seconds)} transfers/s, longest gap ${Math.round(calm.awayMs)} ms`)
    say('takeover: read the events from the first one and count')
    const proof = await prove(session)
    const runs = [
      ...phases.map((phase) => runOf(phase, steady, proof)),
      runOf({ ...calm, name: 'full load, nobody killed', faults: [{ ...NO_FAULT, awayMs: calm.awayMs }] }, full, proof),
    ]
    const targets = [
      ...phases.map(({ name, faults: measured }) => atMost(`${name}: without service, p99 of ${kills}, s`, p99Seconds(measured), AWAY_MS_MAX / 1_000)),
      atMost(`takeovers by mistake in ${minutes} minutes of full load`, calm.takeovers, 0),
      atMost('takeovers by mistake while leading brokers were killed', phases[2]!.takeovers, 0),
    ]
    return reportOf('takeover', machine, runs, targets)
  } finally {
    await session.end()
  }
} // prettier-ignore

const NO_FAULT = { missedMs: undefined, servedMs: undefined, ledMs: undefined, handBackMs: undefined }

async function faults(
  session: TakeoverSession,
  pace: Pace,
  name: string,
  count: number,
  fault: (round: number) => Promise<FaultMeasured>,
  say: (line: string) => void,
): Promise<Phase> {
  await session.untilShared()
  const { load } = session
  const epochsBefore = await session.epochs()
  const countBefore = load.count()
  const startedMs = performance.now()
  load.start(pace)
  const measured: FaultMeasured[] = []
  for (let round = 0; round < count; round++) {
    const one = await fault(round)
    measured.push(one)
    say(`takeover: ${name}, ${round + 1} of ${count}: ${JSON.stringify(rounded(one))}`)
  }
  await load.end()
  await session.untilShared()
  return {
    name,
    faults: measured,
    transfers: load.count() - countBefore,
    seconds: (performance.now() - startedMs) / 1_000,
    takeovers: (await session.epochs()) - epochsBefore,
  }
}

function rounded(fault: FaultMeasured): Record<string, number> {
  const known = Object.entries(fault).filter((entry): entry is [string, number] => entry[1] !== undefined)
  return Object.fromEntries(known.map(([name, value]) => [name, Math.round(value)]))
}

/** Holds each partition's log against what clients were told. @throws Error where they differ */
async function prove({ deployment, load }: TakeoverSession): Promise<Verified> {
  let [accepted, refused] = [0, 0]
  const trialBalance = new Map<string, bigint>()
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const verifier = new LogVerifier(ACCOUNTS, partition)
    const log = await openKafkaEventLog({
      settings: deployment.kafka,
      partition,
      follows: false,
      log: () => undefined,
      onCatchUp: (frame) => {
        verifier.take(frame)
      },
    })
    log.close()
    const count = verifier.countFor(load.acknowledged[partition]!)
    accepted += count.accepted
    refused += count.refused
    for (const [currency, sum] of count.trialBalance)
      trialBalance.set(currency, (trialBalance.get(currency) ?? 0n) + sum)
  }
  return verified({ sent: load.count(), accepted, refused, repeated: 0 }, trialBalance)
}

function p99Seconds(measured: readonly FaultMeasured[]): number {
  return awayOf(measured).percentile(0.99) / 1_000
}

function awayOf(measured: readonly FaultMeasured[]): Histogram {
  const histogram = new Histogram()
  for (const { awayMs } of measured) histogram.record(awayMs)
  return histogram
}

function runOf(phase: Phase, { batch }: Pace, proof: Verified): Run {
  const { name, faults: measured, transfers, seconds, takeovers } = phase
  const throughput = transfers / seconds
  const awaySeconds = measured.reduce((sum, { awayMs }) => sum + awayMs, 0) / 1_000
  return {
    workload: {
      name,
      accounts: ACCOUNTS * PARTITIONS,
      batch,
      commands: transfers,
      seed: 1,
      shareHot: 1,
      shareChecked: 0,
      shareRepeated: 0,
      shareRefused: 0,
    },
    throughput,
    unit: 'transfers/s',
    latencyMs: awayOf(measured).latency(),
    cpuSeconds: {},
    bytes: { written: 0, received: 0, sent: 0 },
    limit: {
      name: 'the same without the time without service',
      value: transfers / Math.max(seconds - awaySeconds, seconds / 100),
    },
    ratio: Math.max(1 - awaySeconds / seconds, 0.01),
    memory: {},
    verified: proof,
    further: {
      seconds,
      takeovers,
      ...largest('missedMsMax', measured, ({ missedMs }) => missedMs),
      ...largest('servedMsMax', measured, ({ servedMs }) => servedMs),
      ...largest('ledMsMax', measured, ({ ledMs }) => ledMs),
      ...largest('handBackMsMax', measured, ({ handBackMs }) => handBackMs),
    },
  }
}

function largest(
  name: string,
  measured: readonly FaultMeasured[],
  of: (one: FaultMeasured) => number | undefined,
): Readonly<Record<string, number>> {
  const values = measured.map(of).filter((value) => value !== undefined)
  return values.length === 0 ? {} : { [name]: Math.max(...values) }
}
