/** A platform of one process, with its views or without, and a log that is counted in the end. */
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { BATCH_COMMANDS_MAX } from '../../schemas/limits.ts'
import { Child } from '../child.ts'
import { Histogram } from '../histogram.ts'
import { LoadSeries, type LoadSizes } from '../load-series.ts'
import type { Load } from '../load.ts'
import { verified, type Latency, type Verified } from '../report.ts'
import { SerialSet } from '../serial-set.ts'
import { verifyLog } from '../verify-log.ts'
import { WORKLOADS } from '../workloads.ts'
import type { Rebuilt, SteadyDialogue, SteadyLoad } from './steady-child.ts'

/** Steady loads come in so many messages, whatever the rate. */
export const MESSAGES_PER_SECOND = 100
const WORKLOAD = WORKLOADS[0]!.name

/** A platform in a process and a folder of its own, with its accounts opened. */
export async function onPlatform<T>(
  sizes: LoadSizes,
  folder: string,
  work: (platform: PlatformProcess) => Promise<T>,
): Promise<T> {
  const platform = new PlatformProcess(sizes, folder)
  try {
    await platform.open()
    return await work(platform)
  } finally {
    await platform.end()
  }
}

export class PlatformProcess {
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
    return this.#load(this.#next(perSecond, seconds))
  }

  /** At least so many commands, as quickly as they are taken. */
  async loadAtOnce(commands: number): Promise<SteadyLoad> {
    const batch = Math.min(commands, BATCH_COMMANDS_MAX)
    const shape = { batch, inFlight: 4, seconds: 1e-3, commandsMin: commands, warmUpSeconds: 0 }
    return this.#load(this.#series.next(shape, WORKLOAD, false, undefined))
  }

  /** Begins a new version of a view beside the one that serves; `rebuilt` tells when it is there. */
  async rebuild(name: string, share: number): Promise<void> {
    await this.#child.ask('rebuild', { name, share })
  }

  rebuilt(): Promise<Rebuilt | undefined> {
    return this.#child.ask('rebuilt', {})
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

  async #load(ask: Load): Promise<SteadyLoad> {
    const load = await this.#child.ask('load', ask)
    this.#series.counted(load.result)
    return load
  }

  #next(perSecond: number, seconds: number): Load {
    const batch = perSecond / MESSAGES_PER_SECOND
    const shape = { batch, inFlight: 32, seconds, commandsMin: 0, warmUpSeconds: 0 }
    return this.#series.next(shape, WORKLOAD, false, MESSAGES_PER_SECOND)
  }
}
