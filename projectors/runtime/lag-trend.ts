/** Where the lag of each view is going: the slope of samples over the last quarter of an hour, which are bounded in number. */
import type { Clock } from './ports.ts'
import type { ProjectionStatus } from './status.ts'
import { systemClock } from './system-clock.ts'

export interface LagTrend {
  readonly direction: 'growing' | 'shrinking' | 'level'
  /** By how many events a second the lag grows; below 0: it shrinks. */
  readonly eventsPerSecond: number
  /** Over how many seconds that was seen: 900 at most. */
  readonly seconds: number
}

const WINDOW_MS = 15 * 60_000
const EVERY_MS = 10_000
/** Less than this is the breath of a view that follows. */
const LEVEL_EVENTS_PER_SECOND = 1
const LEVEL_SHARE = 0.02

interface Sample {
  readonly atMs: number
  readonly lagEvents: bigint
}

/** The samples of one view. */
export class LagSamples {
  readonly #samples: Sample[] = []

  /** @param atMs by a clock that never goes back */
  add(atMs: number, lagEvents: bigint): void {
    this.#samples.push({ atMs, lagEvents })
    while (atMs - this.#samples[0]!.atMs > WINDOW_MS) this.#samples.shift()
  }

  /** The line that fits the samples best; undefined while there are fewer than two. */
  trend(): LagTrend | undefined {
    const [first, ...others] = this.#samples
    const last = others.at(-1)
    if (first === undefined || last === undefined || last.atMs === first.atMs) return undefined
    const points = this.#samples.map(({ atMs, lagEvents }) => [(atMs - first.atMs) / 1_000, Number(lagEvents)] as const)
    const meanTime = mean(points.map(([time]) => time))
    const meanLag = mean(points.map(([, lag]) => lag))
    const [together, alone] = points.reduce(
      ([product, square], [time, lag]) => [product + (time - meanTime) * (lag - meanLag), square + (time - meanTime) ** 2],
      [0, 0],
    )
    const slope = together / alone
    const seconds = (last.atMs - first.atMs) / 1_000
    const isLevel = Math.abs(slope) < LEVEL_EVENTS_PER_SECOND || Math.abs(slope) * seconds < meanLag * LEVEL_SHARE
    return {
      direction: isLevel ? 'level' : slope > 0 ? 'growing' : 'shrinking',
      eventsPerSecond: Math.round(slope * 10) / 10,
      seconds: Math.round(seconds),
    }
  } // prettier-ignore
}

/** The trends of all views, sampled by themselves. */
export class LagTrends {
  readonly #status: () => readonly ProjectionStatus[]
  readonly #clock: Clock
  readonly #samples = new Map<string, LagSamples>()
  #callOff: () => void = () => undefined
  #isStopped = false

  /** Takes the first sample at once. */
  constructor(status: () => readonly ProjectionStatus[], clock: Clock = systemClock) {
    this.#status = status
    this.#clock = clock
    this.#sample()
  }

  /** The same, each with its trend. */
  seen(statuses: readonly ProjectionStatus[]): readonly ProjectionStatus[] {
    return statuses.map((status) => {
      const trend = this.#samples.get(keyOf(status))?.trend()
      return trend === undefined ? status : { ...status, trend }
    })
  }

  stop(): void {
    this.#isStopped = true
    this.#callOff()
  }

  #sample(): void {
    if (this.#isStopped) return
    const statuses = this.#status()
    const there = new Set(statuses.map(keyOf))
    for (const key of this.#samples.keys()) if (!there.has(key)) this.#samples.delete(key)
    for (const status of statuses) {
      const samples = this.#samples.get(keyOf(status)) ?? new LagSamples()
      this.#samples.set(keyOf(status), samples)
      samples.add(this.#clock.monotonicMs(), status.lagEvents)
    }
    this.#callOff = this.#clock.after(EVERY_MS, () => this.#sample())
  }
}

/** A new version begins a new trend. */
function keyOf({ name, version }: ProjectionStatus): string {
  return `${name} ${version}`
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
