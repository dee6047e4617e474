/** What operators and reads ask of the projections. */
import type { Position } from '../schemas/positions.ts'

export interface ProjectionStatus {
  readonly name: string
  readonly version: number
  readonly state: 'catching-up' | 'live' | 'paused' | 'retrying' | 'stopped'
  /** Up to where its view holds everything. */
  readonly position: Position
  /** Where the log ends, as known here. */
  readonly head: Position
  readonly lagEvents: bigint
  /** Age of the oldest event that is in the log and not in the view; 0 when there is none. */
  readonly lagSeconds: number
  /** Seconds since the pump last moved or found nothing to do: zero lag behind a dead pump is no good news. */
  readonly pumpAgeSeconds: number
  /** recorded_at of the last event in the view, nanoseconds since 1970; 0 if empty. */
  readonly recordedAtNs: bigint
  /** What it stopped or retries for: position and cause. */
  readonly failure: string | undefined
}

/** The running projections, as the gateway and the operator's door see them. */
export interface Projections {
  status(): readonly ProjectionStatus[]
  /** Up to where all views hold everything. */
  position(): Position
  /** recorded_at of the last event that all views hold, nanoseconds since 1970. */
  recordedAtNs(): bigint
  /**
   * Waits until all views include `position`, at most `timeoutMs`.
   * @returns false if they do not by then
   */
  waitFor(position: Position, timeoutMs: number): Promise<boolean>
  /** Called after each advance of the views; returns the way to stop. */
  onAdvance(listener: () => void): () => void
  stop(): Promise<void>
}
