/**
 * How far the logs go. This gateway knows what it has read; if that is not enough, it asks the log's storage. So a
 * position beyond the end of the log is told from one that only this gateway has not heard of yet.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { EventLog } from '../../eventlog/ports.ts'
import { earliestPosition, type Position } from '../../schemas/positions.ts'

/** Bound of asking for a log's end. */
const ASK_MS_MAX = 5_000
/**
 * News of a stored frame may reach this gateway a moment later than others. A position just beyond the end is waited
 * for this long.
 */
const NEWS_MS = 1_000
const LOOK_MS = 25
/** More events than a log could grow by in that time. A position further beyond the end is not waited for. */
const NEAR_EVENTS = 5_000_000n

/** Whether the logs hold a position. `unknown`: their ends could not be read in time. */
export type Reach = 'held' | 'ahead' | 'unknown'

export class LogHeads {
  readonly #ends: readonly LogEnd[]

  /** @param logs one per partition, in the order of their numbers */
  constructor(logs: readonly EventLog[]) {
    this.#ends = logs.map((log) => new LogEnd(log))
  }

  /** The ends of the logs, as far as this gateway knows them. */
  position(): Position {
    return new Map(this.#ends.map(({ log, sequence }) => [log.partition, sequence]))
  }

  /** The part of a position that the logs hold, as far as this gateway knows them. */
  within(position: Position): Position {
    return earliestPosition([position, this.position()])
  }

  /** True if this gateway knows that the logs hold all of the position. */
  holds(position: Position): boolean {
    return this.#missing(position).length === 0
  }

  /**
   * Whether the logs hold all of a position. If this gateway does not know, it asks their storage, for at most
   * `waitMs`.
   */
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

/** The end of one log. Only one question is under way at a time, however many callers ask. */
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
   * Resolves when this gateway knows everything that was stored at the time of the call. An answer under way may be
   * older than the call, so calls that come meanwhile share the next question.
   * @throws what the log throws if it cannot be asked
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
