/**
 * When a snapshot is due: so seldom that writing snapshots stays small beside writing the log, and so often that a start
 * replays no more than it can in the time it has.
 */
import { EVENT_ROW_BYTES } from '../../schemas/limits.ts'

export interface SnapshotRuleOptions {
  /** Events since the newest snapshot before another is due, at least. */
  readonly everyEvents: number
  /** Bytes of events since then for every byte of the newest snapshot's file, at least. */
  readonly logRatio: number
  /** After so many milliseconds without a frame a snapshot is due already for `everyEvents / QUIET_SHARE` events. */
  readonly quietMs: number
}

export const SNAPSHOT_RULE_DEFAULT: SnapshotRuleOptions = {
  everyEvents: 4_000_000,
  logRatio: 2,
  quietMs: 10_000,
}

/**
 * Where another writer takes over in the middle of the load. It reads what is behind the newest snapshot from Kafka while
 * clients wait, so that there is less of it: with a quarter of a million events for each of two partitions a takeover took
 * two seconds longer than with none, on two cores that ran brokers and load as well. A large snapshot comes more seldom
 * all the same, by `logRatio`.
 */
export const SNAPSHOT_RULE_DISTRIBUTED: SnapshotRuleOptions = {
  ...SNAPSHOT_RULE_DEFAULT,
  everyEvents: 100_000,
  logRatio: 1,
}

/** A quiet writer keeps a snapshot for this part of the events that a busy one waits for. */
const QUIET_SHARE = 16
/** After a failure, nothing is tried for so long; doubled with each further one. */
const PAUSE_MS_MIN = 10_000
const PAUSE_MS_MAX = 600_000

export class SnapshotRule {
  private readonly options: SnapshotRuleOptions
  private lastFrameMs: number
  private failures = 0
  /** Nothing is tried before this. */
  private pausedUntilMs = 0

  constructor(options: SnapshotRuleOptions, nowMs: number) {
    this.options = options
    this.lastFrameMs = nowMs
  }

  framed(nowMs: number): void {
    this.lastFrameMs = nowMs
  }

  saved(): void {
    this.failures = 0
  }

  /** Returns the milliseconds for which nothing is tried now. */
  failed(nowMs: number): number {
    const pauseMs = Math.min(PAUSE_MS_MIN * 2 ** this.failures, PAUSE_MS_MAX)
    this.failures += 1
    this.pausedUntilMs = nowMs + pauseMs
    return pauseMs
  }

  /**
   * True if one is due while commands come in.
   * @param fileBytes of the newest snapshot, 0 if there is none
   */
  isDue(eventsSince: bigint, fileBytes: number, nowMs: number): boolean {
    const { everyEvents, logRatio } = this.options
    // An event's row without text: the log has at least these bytes.
    const least = Math.max(everyEvents, (logRatio * fileBytes) / EVENT_ROW_BYTES)
    return eventsSince > 0n && Number(eventsSince) >= least && nowMs >= this.pausedUntilMs
  }

  isQuietDue(eventsSince: bigint, nowMs: number): boolean {
    return this.quietInMs(eventsSince, nowMs) === 0
  }

  /** Whole milliseconds until one is due if nothing happens until then; undefined if none will be. */
  quietInMs(eventsSince: bigint, nowMs: number): number | undefined {
    const { everyEvents, quietMs } = this.options
    if (eventsSince === 0n || Number(eventsSince) * QUIET_SHARE < everyEvents) return undefined
    return Math.ceil(Math.max(this.lastFrameMs + quietMs, this.pausedUntilMs, nowMs) - nowMs)
  }
}
