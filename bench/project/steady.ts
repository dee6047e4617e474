/**
 * What the views cost while transfers come in at a steady rate: the engine's CPU time, and what the platform's process uses
 * over what it uses under the same load without views.
 */
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { Child } from '../child.ts'
import { Histogram } from '../histogram.ts'
import { LoadSeries, type LoadSizes } from '../load-series.ts'
import type { Load } from '../load.ts'
import { COMMAND_SLOT_BYTES } from '../../schemas/limits.ts'
import { atMost, verified, type Latency, type Run, type Verified } from '../report.ts'
import { SerialSet } from '../serial-set.ts'
import { verifyLog } from '../verify-log.ts'
import { WORKLOADS } from '../workloads.ts'
import type { Bench, Measured, Section } from './section.ts'
import type { SteadyDialogue, SteadyLoad } from './steady-child.ts'

/** Transfers a second, and the share of a core that the views may cost at it. */
const RATES = [
  { perSecond: 1_000, coresMax: 0.05 },
  { perSecond: 10_000, coresMax: 0.15 },
  { perSecond: 50_000, coresMax: 0.35 },
] as const
const MESSAGES_PER_SECOND = 100
/** Merges are part of the cost: of each table one in sixteen ranges. */
const SECONDS = 40
const SECONDS_WITHOUT = 15
const WORKLOAD = WORKLOADS[0]!.name

export const steadySection: Section = { name: 'steady', measure }

async function measure({ folder, options, say }: Bench): Promise<Measured> {
  const { quick, seed, unlimited } = options
  const sizes = { accounts: options.accounts ?? (quick ? 500 : 100_000), seed, unlimited }
  const seconds = options.seconds ?? (quick ? 0.2 : SECONDS)
  const warmUpSeconds = quick ? 0.05 : 2
  const without = await onPlatform(sizes, path.join(folder, 'without-views'), async (platform) => {
    await platform.load(RATES[0].perSecond, warmUpSeconds)
    const loads: SteadyLoad[] = []
    for (const { perSecond } of RATES) {
      say(`project: ${perSecond} transfers/s without views`)
      loads.push(await platform.load(perSecond, Math.min(seconds, SECONDS_WITHOUT)))
    }
    await platform.stop()
    return loads
  })
  return onPlatform(sizes, path.join(folder, 'with-views'), async (platform) => {
    await platform.startViews()
    await platform.load(RATES[0].perSecond, warmUpSeconds)
    const loads: SteadyLoad[] = []
    for (const { perSecond } of RATES) {
      say(`project: ${perSecond} transfers/s with the views`)
      loads.push(await platform.load(perSecond, seconds))
    }
    say('project: writes that are waited for, one by one')
    const readable = await platform.waitedFor(quick ? 2 : 30)
    const proof = await platform.stop()
    const common = { accounts: sizes.accounts, seed, proof, readable }
    const runs = RATES.map(({ perSecond }, index) => runOf(perSecond, without[index]!, loads[index]!, common))
    const targets = RATES.map(({ perSecond, coresMax }, index) =>
      atMost(
        `${perSecond.toLocaleString('en')} transfers/s: cores for the views`,
        runs[index]!.ratio,
        coresMax,
      ),
    )
    return { runs, targets }
  })
}

/** A platform in a process and a folder of its own, with its accounts opened. */
async function onPlatform<T>(
  sizes: LoadSizes,
  folder: string,
  work: (platform: SteadyPlatform) => Promise<T>,
): Promise<T> {
  const platform = new SteadyPlatform(sizes, folder)
  try {
    await platform.open()
    return await work(platform)
  } finally {
    await platform.end()
  }
}

class SteadyPlatform {
  readonly #sizes: LoadSizes
  readonly #dataDir: string
  readonly #viewsDir: string
  readonly #series: LoadSeries
  readonly #child = new Child<SteadyDialogue>(new URL('./steady-child.ts', import.meta.url))

  constructor(sizes: LoadSizes, folder: string) {
    this.#sizes = sizes
    this.#dataDir = path.join(folder, 'log')
    this.#viewsDir = path.join(folder, 'views')
    mkdirSync(this.#dataDir, { recursive: true })
    this.#series = new LoadSeries(sizes)
  }

  async open(): Promise<void> {
    await this.#child.ask('open', { ...this.#sizes, dataDir: this.#dataDir })
  }

  async startViews(): Promise<void> {
    await this.#child.ask('views', { viewsDir: this.#viewsDir })
  }

  async load(perSecond: number, seconds: number): Promise<SteadyLoad> {
    const load = await this.#child.ask('load', this.#next(perSecond, seconds))
    this.#series.counted(load.result)
    return load
  }

  /** Writes one command at a time, and waits until the views hold it: how long that took. */
  async waitedFor(times: number): Promise<Latency> {
    const latencies = new Histogram()
    for (let time = 0; time < times; time++) {
      // Of so short a load the first message is the only one.
      const { result, ms } = await this.#child.ask('readable', this.#next(MESSAGES_PER_SECOND, 1e-3))
      this.#series.counted(result)
      latencies.record(ms)
    }
    return latencies.latency()
  }

  /** @throws Error if the log does not hold what was acknowledged, or the views not what the log holds */
  async stop(): Promise<Verified> {
    const { acknowledged, viewed, head } = await this.#child.ask('stop', {})
    if (viewed !== undefined && viewed !== head) throw new Error(`the views hold ${viewed} of ${head} events`)
    const serials = new SerialSet()
    serials.addAll(acknowledged)
    const { accepted, refused, trialBalance } = verifyLog(this.#dataDir, this.#sizes.accounts, serials)
    const { sent, repeated } = this.#series
    return verified({ sent, accepted, refused, repeated }, trialBalance)
  }

  async end(): Promise<void> {
    await this.#child.kill()
  }

  #next(perSecond: number, seconds: number): Load {
    const batch = perSecond / MESSAGES_PER_SECOND
    const shape = { batch, inFlight: 32, seconds, commandsMin: 0, warmUpSeconds: 0 }
    return this.#series.next(shape, WORKLOAD, false, MESSAGES_PER_SECOND)
  }
}

interface Common {
  readonly accounts: number
  readonly seed: number
  readonly proof: Verified
  readonly readable: Latency
}

function runOf(
  perSecond: number,
  without: SteadyLoad,
  { result, cpuSeconds, engineCpuSeconds, ranges, lagSecondsMax, rssBytes }: SteadyLoad,
  { accounts, seed, proof, readable }: Common,
): Run {
  const { made, wallSeconds, buckets, maxMs } = result
  const platform = (without.cpuSeconds / without.result.wallSeconds) * wallSeconds
  const runtime = Math.max(0, cpuSeconds - platform)
  const cores = (engineCpuSeconds + runtime) / wallSeconds
  const throughput = made.commands / wallSeconds
  const histogram = new Histogram()
  histogram.add(buckets, maxMs)
  return {
    workload: {
      name: `${perSecond.toLocaleString('en')} transfers/s with the views`,
      accounts,
      batch: perSecond / MESSAGES_PER_SECOND,
      commands: made.commands,
      seed,
      shareHot: made.hot / made.commands,
      shareChecked: made.checked / made.commands,
      shareRepeated: made.repeated / made.commands,
      shareRefused: proof.refused / proof.sent,
    },
    throughput,
    unit: 'transfers/s',
    latencyMs: histogram.latency(),
    cpuSeconds: { engine: engineCpuSeconds, runtime, platform },
    bytes: { written: 0, received: made.commands * COMMAND_SLOT_BYTES, sent: 0 },
    limit: { name: 'what a whole core would carry at that cost', value: throughput / cores },
    ratio: cores,
    memory: { rssBytes },
    verified: proof,
    further: {
      seconds: wallSeconds,
      engineCores: engineCpuSeconds / wallSeconds,
      runtimeCores: runtime / wallSeconds,
      platformCores: platform / wallSeconds,
      engineCpuSecondsPerMillion: (engineCpuSeconds / made.commands) * 1e6,
      ranges,
      lagSecondsMax,
      waitedForMsP50: readable.p50,
      waitedForMsMax: readable.max,
    },
  }
}
