/**
 * `kafka`: commands in and outcomes out through a real broker: a client stores commands on one topic, the writer role decides
 * them, and the client learns what became of them from the other topic, as a gateway does. Held against Kafka's own producer
 * benchmark with the same bytes, and against the platform embedded, both in the same run. Afterwards the events are read
 * again from the first one: every acknowledged command stands there, once.
 */
import path from 'node:path'
import { COMMAND_SLOT_BYTES } from '../schemas/limits.ts'
import type { Benchmark } from './benchmark.ts'
import { Session, type Measured } from './commit-session.ts'
import { shapesOf } from './commit-shapes.ts'
import { inNewFolder } from './data-folder.ts'
import { Histogram } from './histogram.ts'
import { openBroker, type BenchBroker } from './kafka-broker.ts'
import { KafkaSession, type KafkaMeasured } from './kafka-session.ts'
import { kafkaShapesOf } from './kafka-shapes.ts'
import type { LoadSizes } from './load-series.ts'
import { describeMachine } from './machine.ts'
import type { BenchOptions } from './options.ts'
import { measureProducer } from './producer-benchmark.ts'
import { atLeast, atMost, reportOf, verified, type Report, type Run, type Verified } from './report.ts'
import { countTopic, type CountedRecord, type TopicCount } from './topic-count.ts'
import { verifyLog } from './verify-log.ts'
import { workloadOf } from './workloads.ts'

export const kafkaBenchmark: Benchmark = {
  name: 'kafka',
  measures: 'commands in and outcomes out through a real Kafka broker, by batch and rate',
  takes: 'about 70 s and 4 GB of disk; needs Java, and Maven the first time',
  run: (options, say) => inNewFolder(options, (folder) => measure(folder, options, say)),
}

async function measure(folder: string, options: BenchOptions, say: (line: string) => void): Promise<Report> {
  const accounts = options.accounts ?? (options.quick ? 2_000 : 1_000_000)
  const sizes: LoadSizes = { accounts, seed: options.seed, unlimited: options.unlimited }
  const workload = workloadOf(options.workloads?.[0] ?? 'spread').name
  const machine = describeMachine()
  say('kafka: start a broker')
  const broker = await openBroker(say)
  try {
    say('kafka: full load, embedded')
    const embedded = await measureEmbedded(path.join(folder, 'embedded'), sizes, workload, options)
    const { all, count, proof } = await measureTopics(broker, folder, sizes, workload, options, say)
    const totals = all.map((one) => totalsOf(one, count.records))
    const producer = await measureProducers(broker, totals[0]!, options, say)
    const common = { sizes, workload, proof, voids: count.voids, producer, embedded }
    const [full, ...others] = all.map((one, index) => runOf(one, totals[index]!, common))
    const further = {
      ...full!.further,
      ...beside(full!, totals[0]!, common),
      shareOfFrameOfOne:
        cpuPerFrame(others.find(({ workload: { batch } }) => batch === 1)!) / cpuPerFrame(full!),
    }
    const compared = { ...full!, further }
    const half = others.find((_run, index) => all[index + 1]!.shape.isHalf)!
    const targets = [
      atLeast(
        `${compared.workload.name}: bytes of frames a second, over Kafka's producer with one request in flight`,
        compared.ratio,
        0.7,
      ),
      atMost(`${half.workload.name}: command to outcome, p99, ms`, half.latencyMs.p99, 50),
    ]
    return reportOf('kafka', machine, [compared, ...others], targets)
  } finally {
    await broker.stop()
  }
}

/** `commit` under full load, over the bulk lane. */
async function measureEmbedded(
  dataDir: string,
  sizes: LoadSizes,
  workload: string,
  options: BenchOptions,
): Promise<Measured> {
  const session = new Session({ ...sizes, dataDir })
  try {
    await session.open()
    const measured = await session.measure(
      shapesOf({ ...options, inProcess: false })[0]!,
      workload,
      undefined,
    )
    const acknowledged = await session.stop()
    await session.end()
    const { accepted, refused, trialBalance } = verifyLog(dataDir, sizes.accounts, acknowledged)
    const { sent, repeated } = session.loads
    verified({ sent, accepted, refused, repeated }, trialBalance)
    return measured
  } finally {
    await session.end()
  }
}

interface TopicsMeasured {
  readonly all: readonly KafkaMeasured[]
  readonly count: TopicCount
  readonly proof: Verified
}

async function measureTopics(
  broker: BenchBroker,
  folder: string,
  sizes: LoadSizes,
  workload: string,
  options: BenchOptions,
  say: (line: string) => void,
): Promise<TopicsMeasured> {
  const settings = await broker.deployment()
  const session = new KafkaSession(broker, sizes)
  try {
    say(`kafka: open ${sizes.accounts} accounts`)
    await session.open(settings, folder)
    const all: KafkaMeasured[] = []
    for (const shape of kafkaShapesOf(options)) {
      say(`kafka: ${shape.name}, ${workload}`)
      const half = shape.isHalf ? commandsPerSecond(all[0]!) / 2 / shape.batch : undefined
      all.push(await session.measure(shape, workload, half))
    }
    const acknowledged = await session.stop()
    await session.end()
    say('kafka: read the events from the first one and count')
    const count = await countTopic(settings, sizes.accounts, acknowledged)
    const { sent, repeated } = session.loads
    const { accepted, refused, trialBalance } = count
    return { all, count, proof: verified({ sent, accepted, refused, repeated }, trialBalance) }
  } finally {
    await session.end()
  }
}

function commandsPerSecond({ result }: Pick<Measured, 'result'>): number {
  return result.made.commands / result.wallSeconds
}

/** What one load left on the events topic. */
interface Totals {
  readonly frames: number
  readonly events: number
  readonly frameBytes: number
  readonly recordBytes: number
}

function totalsOf({ result }: KafkaMeasured, records: readonly CountedRecord[]): Totals {
  const { firstRecord, endRecord } = result
  const own = records.filter(({ offset }) => offset >= firstRecord && offset < endRecord)
  const sum = (of: (record: CountedRecord) => number): number =>
    own.reduce((total, record) => total + of(record), 0)
  return {
    frames: own.length,
    events: sum(({ events }) => events),
    frameBytes: sum(({ frameBytes }) => frameBytes),
    recordBytes: sum(({ recordBytes }) => recordBytes),
  }
}

/** Kafka's own producer with one request in flight, records a second: as large as frames are, and as ours are compressed. */
interface Producer {
  readonly frameBytes: number
  readonly framesPerSecond: number
  readonly recordBytes: number
  readonly recordsPerSecond: number
  readonly eventsPerFrame: number
}

async function measureProducers(
  broker: BenchBroker,
  { frames, events, frameBytes, recordBytes }: Totals,
  options: BenchOptions,
  say: (line: string) => void,
): Promise<Producer> {
  const bytes = (options.quick ? 4 : 300) * 1e6
  const of = async (size: number): Promise<number> => {
    say(`kafka: Kafka's own producer benchmark, records of ${size} bytes`)
    const settings = await broker.deployment()
    return measureProducer({ settings, recordBytes: size, bytes, inFlight: 1 })
  }
  const [frame, record] = [Math.round(frameBytes / frames), Math.round(recordBytes / frames)]
  return {
    frameBytes: frame,
    framesPerSecond: await of(frame),
    recordBytes: record,
    recordsPerSecond: await of(record),
    eventsPerFrame: events / frames,
  }
}

interface Common {
  readonly sizes: LoadSizes
  readonly workload: string
  readonly proof: Verified
  readonly voids: number
  readonly producer: Producer
  readonly embedded: Measured
}

function runOf(measured: KafkaMeasured, totals: Totals, common: Common): Run {
  const { shape, result, cpuSeconds, rssBytes } = measured
  const { sizes, workload, proof, voids, producer } = common
  const { made, wallSeconds } = result
  const { commands } = made
  const histogram = new Histogram()
  histogram.add(result.buckets, result.maxMs)
  const throughput = commandsPerSecond(measured)
  const limit = producer.framesPerSecond * producer.eventsPerFrame
  const serverSeconds = sumOf(cpuSeconds, ['client'])
  return {
    workload: {
      name: `${workload}, ${shape.name}`,
      accounts: sizes.accounts,
      batch: shape.batch,
      commands,
      seed: sizes.seed,
      shareHot: made.hot / commands,
      shareChecked: made.checked / commands,
      shareRepeated: made.repeated / commands,
      shareRefused: proof.refused / proof.sent,
    },
    throughput,
    unit: 'commands/s',
    latencyMs: histogram.latency(),
    cpuSeconds,
    bytes: {
      written: totals.recordBytes,
      received: commands * COMMAND_SLOT_BYTES,
      sent: totals.frameBytes,
    },
    limit: {
      name: `Kafka's own producer, one request in flight, records of ${producer.frameBytes} bytes`,
      value: limit,
    },
    ratio: throughput / limit,
    memory: { rssBytes },
    verified: proof,
    further: {
      inFlight: shape.inFlight,
      seconds: wallSeconds,
      frames: totals.frames,
      framesPerSecond: totals.frames / wallSeconds,
      eventsPerFrame: totals.events / totals.frames,
      frameMegabytesPerSecond: totals.frameBytes / wallSeconds / 1e6,
      recordMegabytesPerSecond: totals.recordBytes / wallSeconds / 1e6,
      voids,
      ...Object.fromEntries(
        Object.entries(cpuSeconds).map(([role, seconds]) => [
          `${role}CpuSecondsPerMillion`,
          (seconds / commands) * 1e6,
        ]),
      ),
      serverCpuSecondsPerMillion: (serverSeconds / commands) * 1e6,
      serverCpuMicrosecondsPerFrame: (serverSeconds / totals.frames) * 1e6,
    },
  }
}

/** What was measured beside the full load. */
function beside(full: Run, totals: Totals, { producer, embedded }: Common): Readonly<Record<string, number>> {
  const embeddedSeconds = sumOf(embedded.cpuSeconds, ['client'])
  const recordBytesPerSecond = totals.recordBytes / full.further['seconds']!
  const producerBytesPerSecond = producer.recordsPerSecond * producer.recordBytes
  return {
    producerMegabytesPerSecond: (producer.framesPerSecond * producer.frameBytes) / 1e6,
    producerMegabytesPerSecondOfRecords: producerBytesPerSecond / 1e6,
    overProducerOfRecords: recordBytesPerSecond / producerBytesPerSecond,
    embeddedCommandsPerSecond: commandsPerSecond(embedded),
    embeddedServerCpuSecondsPerMillion: (embeddedSeconds / embedded.result.made.commands) * 1e6,
    overEmbedded: full.throughput / commandsPerSecond(embedded),
  }
}

function cpuPerFrame({ further }: Run): number {
  return further['serverCpuMicrosecondsPerFrame']!
}

function sumOf(cpuSeconds: Readonly<Record<string, number>>, without: readonly string[]): number {
  return Object.entries(cpuSeconds).reduce(
    (sum, [role, seconds]) => (without.includes(role) ? sum : sum + seconds),
    0,
  )
}
