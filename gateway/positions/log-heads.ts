/**
 * How far the logs go, as far as anybody can know: what this gateway has read, and where that is not enough, what is stored.
 * A position behind the end is told from one that only this gateway has not heard of yet.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { EventLog } from '../../eventlog/ports.ts'
import { earliestPosition, type Position } from '../../schemas/positions.ts'

/** A log's end is asked for within this. */
const ASK_MS_MAX = 5_000
/** What is stored may be told of a moment later here than elsewhere: so long a position just behind the end is waited for. */
const NEWS_MS = 1_000
const LOOK_MS = 25
/** More events than a log could come by in that time: what is further behind its end is not waited for. */
const NEAR_EVENTS = 5_000_000n

/** Whether the logs hold a position; `unknown`: their ends could not be asked for in time. */
export type Reach = 'held' | 'ahead' | 'unknown'

export class LogHeads {
  readonly #ends: readonly LogEnd[]

  /** @param logs one per partition, in the order of their numbers */
  constructor(logs: readonly EventLog[]) {
    this.#ends = logs.map((log) => new LogEnd(log))
  }

  /** Where the logs end, as far as it is known here. */
  position(): Position {
    return new Map(this.#ends.map(({ log, sequence }) => [log.partition, sequence]))
  }

  /** As much of a position as the logs hold, as far as it is known here. */
  within(position: Position): Position {
    return earliestPosition([position, this.position()])
  }

  /** True if the logs are known here to hold all of it. */
  holds(position: Position): boolean {
    return this.#missing(position).length === 0
  }

  /** Whether the logs hold all of a position, asked of where they are stored; at most `waitMs`. */
  async reach(position: Position, waitMs: number): Promise<Reach> {
    const missing = this.#missing(position)
    if (missing.length === 0) return 'held'
    const bound = new AbortController()
    try {
      const asked = Promise.all(missing.map(({ end }) => end.ask())).then(() => true)
      const late = sleep(waitMs, false, { signal: bound.signal })
      if (!(await Promise.race([asked, late]))) return 'unknown'
    } catch {
      return 'unknown'
    } finally {
      bound.abort()
    }
    for (let waitedMs = 0; ; waitedMs += LOOK_MS) {
      const still = this.#missing(position)
      if (still.length === 0) return 'held'
      if (waitedMs >= Math.min(NEWS_MS, waitMs)) return 'ahead'
      if (still.some(({ end, sequence }) => sequence - end.sequence > NEAR_EVENTS)) return 'ahead'
      await sleep(LOOK_MS)
    }
  }

  #missing(position: Position): { readonly end: LogEnd; readonly sequence: bigint }[] {
    const missing = []
    for (const [partition, sequence] of position) {
      const end = this.#ends[partition]
      if (end !== undefined && end.sequence < sequence) missing.push({ end, sequence })
    }
    return missing
  }
}

/** The end of one log. Asked for once at a time, however many want to know. */
class LogEnd {
  readonly log: EventLog
  #asked: Promise<void> | undefined
  #next: Promise<void> | undefined

  constructor(log: EventLog) {
    this.log = log
  }

  get sequence(): bigint {
    return this.log.head().sequence
  }

  /**
   * Resolves when everything is known here that was stored at the call. An answer under way may be older than what is asked
   * about: who comes meanwhile shares the next one.
   * @throws what the log does where it cannot be asked
   */
  ask(): Promise<void> {
    if (this.#asked === undefined) return this.#ask()
    return (this.#next ??= this.#asked
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined
        return this.#ask()
      }))
  }

  #ask(): Promise<void> {
    const asked = this.#answer().finally(() => {
      if (this.#asked === asked) this.#asked = undefined
    })
    return (this.#asked = asked)
  }

  async #answer(): Promise<void> {
    await this.log.currentHead(AbortSignal.timeout(ASK_MS_MAX))
  }
}
