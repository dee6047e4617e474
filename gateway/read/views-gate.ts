/**
 * Whether the views may speak for the log. They may not
 *   - while the store does not answer,
 *   - until they hold all that the log held when this gateway started, or when they were last emptied: what they lack then
 *     is no lag but most of the money,
 *   - while they have been behind for longer than the operator allows.
 * Reads then wait a while, or are told to ask again. Whoever names a position that the views hold is answered all the same.
 */
import { includesPosition, type Position } from '../../schemas/positions.ts'
import type { Projections } from '../../projectors/runtime/status.ts'
import type { StoreWatch } from '../../projectors/clickhouse/store-watch.ts'
import { fault, type Fault } from '../errors.ts'

export interface ViewsGateOptions {
  readonly projections: Pick<Projections, 'position' | 'absent' | 'onAdvance'>
  /** Up to where the log is known here, without partitions that cannot be followed any more. */
  readonly head: () => Position
  readonly watch: Pick<StoreWatch, 'outage' | 'onAnswer'>
  /** How long the views may lack an event that this gateway has seen, in ms. */
  readonly lagMsMax: number
  /** By a clock that never goes back. Default: the process's. */
  readonly nowMs?: () => number
}

/** Why reads are not answered just now. */
export interface Closed {
  /** `away`: nobody answers. `behind`: what is there is not enough. */
  readonly kind: 'away' | 'behind'
  /** A sentence. */
  readonly reason: string
}

/** Reads that may wait at a time for the views to be far enough; the next one is told at once. */
const WAITING_MAX = 256
const LOOK_EVERY_MS = 250
/** Heads that are remembered with their time: as many as tell the lag to a sixtieth of its bound. */
const SAMPLES = 60

interface Sample {
  readonly head: Position
  readonly atMs: number
}

export class ViewsGate {
  readonly #options: ViewsGateOptions
  readonly #nowMs: () => number
  readonly #waiting = new Set<() => void>()
  #stops: (() => void)[] = []
  /** What the views have to hold before they are asked anything; undefined: they did. */
  #goal: Position | undefined
  /** True if they lacked most of a partition when the goal was set: no outage of a projector comes to that. */
  #isAnew = false
  /** How far they were when last looked at. */
  #seen: Position = new Map()
  /** What the log held when, oldest first: only what the views do not hold. */
  #samples: Sample[] = []
  /** As of the last look. */
  #reason: string | undefined

  constructor(options: ViewsGateOptions) {
    this.#options = options
    this.#nowMs = options.nowMs ?? (() => performance.now())
  }

  /** From now on it knows what the log holds: that is what the views have to reach. */
  begin(): void {
    const { projections, watch } = this.#options
    this.#aim()
    this.#look()
    const timer = setInterval(() => this.#look(), LOOK_EVERY_MS).unref()
    this.#stops = [
      () => clearInterval(timer),
      projections.onAdvance(() => this.#look()),
      watch.onAnswer(() => this.#look()),
    ]
  }

  /** Why reads are not answered just now; undefined if they are. */
  closed(): Closed | undefined {
    const outage = this.#outage()
    if (outage !== undefined) return { kind: 'away', reason: outage }
    if (!includesPosition(this.#options.projections.position(), this.#seen)) this.#look()
    return this.#reason === undefined ? undefined : { kind: 'behind', reason: this.#reason }
  }

  /** @throws Fault VIEWS_UNAVAILABLE while the store does not answer, or holds no views at all */
  requireStore(): void {
    const outage = this.#outage()
    if (outage !== undefined) throw unavailable(outage)
  }

  /**
   * Waits until the views may be read.
   * @throws Fault NOT_YET if they may not within the bound, or too many wait; VIEWS_UNAVAILABLE at once
   */
  async opened(waitMs: number): Promise<void> {
    const untilMs = this.#nowMs() + waitMs
    for (;;) {
      const closed = this.closed()
      if (closed === undefined) return
      if (closed.kind === 'away') throw unavailable(closed.reason)
      const leftMs = untilMs - this.#nowMs()
      if (leftMs <= 0 || this.#waiting.size >= WAITING_MAX)
        throw fault('NOT_YET', `${closed.reason} Ask again in a moment.`, { retryAfterMs: 1_000 })
      await this.#change(leftMs)
    }
  }

  #outage(): string | undefined {
    const { watch, projections } = this.#options
    return watch.outage() ?? projections.absent()
  }

  stop(): void {
    for (const stop of this.#stops) stop()
    this.#wake()
  }

  /** Resolves when something may have changed. */
  #change(forMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(done)
        resolve()
      }
      const timer = setTimeout(done, forMs)
      this.#waiting.add(done)
    })
  }

  #look(): void {
    this.#observe()
    this.#reason = this.#making() ?? this.#lagging()
    if (this.#waiting.size > 0) this.#wake()
  }

  #wake(): void {
    for (const done of [...this.#waiting]) done()
  }

  /** From here on the views have to come to hold what the log holds now. */
  #aim(): void {
    const position = this.#options.projections.position()
    const head = this.#options.head()
    this.#seen = position
    this.#goal = includesPosition(position, head) ? undefined : head
    this.#isAnew = [...head].some(([partition, sequence]) => (position.get(partition) ?? 0n) * 2n < sequence)
  }

  #observe(): void {
    const position = this.#options.projections.position()
    // Views never go back but by being emptied, or by another store's coming in the place of theirs.
    if (!includesPosition(position, this.#seen)) this.#aim()
    this.#seen = position
    const head = this.#options.head()
    if (this.#goal !== undefined && includesPosition(position, followed(this.#goal, head)))
      this.#goal = undefined
    this.#sample(position, head)
  }

  #sample(position: Position, head: Position): void {
    const held = this.#samples.findIndex((sample) => !includesPosition(position, followed(sample.head, head)))
    this.#samples.splice(0, held < 0 ? this.#samples.length : held)
    if (includesPosition(position, head)) return
    const nowMs = this.#nowMs()
    const last = this.#samples.at(-1)
    if (last !== undefined && nowMs - last.atMs < this.#options.lagMsMax / SAMPLES) return
    this.#samples.push({ head, atMs: nowMs })
    // The oldest decides; of the others, every second one is enough.
    if (this.#samples.length > 4 * SAMPLES)
      this.#samples = this.#samples.filter((_, index) => index % 2 === 0)
  }

  #making(): string | undefined {
    if (this.#goal === undefined) return undefined
    const goal = followed(this.#goal, this.#options.head())
    let [held, all] = [0n, 0n]
    for (const [partition, sequence] of goal) {
      const own = this.#seen.get(partition) ?? 0n
      held += own < sequence ? own : sequence
      all += sequence
    }
    const how = this.#isAnew ? 'are being made anew' : 'are catching up with the log'
    return `The views ${how}: ${grouped(held)} of ${grouped(all)} events.`
  }

  /** By when this gateway saw what they lack, and not by when it was recorded: clocks of writers may be wrong. */
  #lagging(): string | undefined {
    const first = this.#samples[0]
    const { lagMsMax, head } = this.#options
    if (first === undefined) return undefined
    const lagMs = this.#nowMs() - first.atMs
    if (lagMs <= lagMsMax) return undefined
    let missing = 0n
    for (const [partition, sequence] of head()) {
      const own = this.#seen.get(partition) ?? 0n
      if (own < sequence) missing += sequence - own
    }
    return (
      `The views are ${Math.floor(lagMs / 1_000)} s behind the log, by ${grouped(missing)} events, ` +
      `and may be ${lagMsMax / 1_000} s at most.`
    )
  }
}

/** Without partitions that are not followed any more: views may never hold what was seen of them last. */
function followed(position: Position, head: Position): Position {
  return new Map([...position].filter(([partition]) => head.has(partition)))
}

function unavailable(outage: string): Fault {
  return fault('VIEWS_UNAVAILABLE', `The views cannot be read just now. ${outage} Ask again in a moment.`, {
    retryAfterMs: 1_000,
  })
}

/** `9,000,000` */
function grouped(count: bigint): string {
  return count.toLocaleString('en-US')
}
