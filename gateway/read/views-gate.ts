/**
 * The gate in front of the views: whether they may be read as the state of the log. They may not
 *
 *   - while the store does not answer,
 *   - until they hold all that the log held when this gateway started, or when they were last emptied: what they lack
 *     then is no lag but most of the money,
 *   - while they have been behind for longer than the operator allows.
 *
 * While the gate is closed, reads wait a while or are told to ask again. A read that names a position which the views
 * hold is answered all the same.
 */
import { includesPosition, type Position } from '../../schemas/positions.ts'
import type { Projections } from '../../projectors/runtime/status.ts'
import type { StoreWatch } from '../../projectors/clickhouse/store-watch.ts'
import { fault, type Fault } from '../errors.ts'

export interface ViewsGateOptions {
  readonly projections: Pick<Projections, 'position' | 'absent' | 'onAdvance'>
  /** Up to where this gateway knows the log, without partitions that are no longer followed. */
  readonly head: () => Position
  readonly watch: Pick<StoreWatch, 'outage' | 'onAnswer'>
  /** How long the views may lack an event that this gateway has seen, in ms. */
  readonly lagMsMax: number
  /** A clock that never goes back. Default: the process's. */
  readonly nowMs?: () => number
}

/** Why the gate is closed. */
export interface Closed {
  /** `away`: the store does not answer. `behind`: the views lack too much. */
  readonly kind: 'away' | 'behind'
  /** The reason, a sentence. */
  readonly reason: string
}

/** Reads that may wait at a time for the gate to open. One more is refused at once. */
const WAITING_MAX = 256
const LOOK_EVERY_MS = 250
/** Heads that are remembered with their time: enough to know the lag to a sixtieth of its bound. */
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
  /** What the views have to hold before the gate opens; undefined: they have reached it. */
  #goal: Position | undefined
  /**
   * True if they lacked most of a partition when the goal was set: they are being rebuilt. An outage of a projector
   * never costs that much.
   */
  #isAnew = false
  /** Their position at the last look. */
  #seen: Position = new Map()
  /** Heads of the log with their time, oldest first. Only those that the views do not hold yet. */
  #samples: Sample[] = []
  /** Why the views were behind at the last look; undefined: they were not. */
  #reason: string | undefined

  constructor(options: ViewsGateOptions) {
    this.#options = options
    this.#nowMs = options.nowMs ?? (() => performance.now())
  }

  /** Starts looking. The head of the log as it is known now becomes the goal of the views. */
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

  /** Why the gate is closed; undefined if it is open. */
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
   * Waits until the gate is open.
   * @throws Fault NOT_YET if it stays closed within the bound, or too many wait; VIEWS_UNAVAILABLE at once
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

  /** Resolves when the gate may have opened, at the latest after `forMs`. */
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

  /** Sets the present head of the log as the goal of the views. */
  #aim(): void {
    const position = this.#options.projections.position()
    const head = this.#options.head()
    this.#seen = position
    this.#goal = includesPosition(position, head) ? undefined : head
    this.#isAnew = [...head].some(([partition, sequence]) => (position.get(partition) ?? 0n) * 2n < sequence)
  }

  #observe(): void {
    const position = this.#options.projections.position()
    // Views go back only if they are emptied, or if another store takes the place of theirs.
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
    // The oldest sample decides. Of the others, every second one is enough.
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

  /**
   * The lag counts from when this gateway saw the event, not from when the event was recorded: writers' clocks may be
   * wrong.
   */
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

/** Leaves out partitions that are no longer followed: views may never hold what was last seen of them. */
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
