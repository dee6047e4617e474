/** What operators and reads ask of the projections. */
import type { Position } from '../../schemas/positions.ts'

export interface ProjectionStatus {
  readonly name: string
  readonly version: number
  /**
   * `live`: it follows. `catching-up`: it has work, and does it. `stalled`: what it asked of the store, or of who runs it, has
   * had no answer for long. `retrying`: it was refused, and asks again. `paused` by an operator, `stopped` for good.
   */
  readonly state: 'catching-up' | 'live' | 'paused' | 'retrying' | 'stalled' | 'stopped'
  /** Up to where its view holds everything. */
  readonly position: Position
  /** Where the log ends, as known here. */
  readonly head: Position
  readonly lagEvents: bigint
  /** Age of the oldest event that is in the log and not in the view; 0 when there is none. */
  readonly lagSeconds: number
  /** Seconds since the pump last moved, or found nothing to do in a store that answers: no lag behind a dead pump is no good news. */
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
  /** Why there is nothing that could be read, in a sentence, if that is known; what is behind is there. */
  absent(): string | undefined
  /** Up to this recorded time all views hold everything, in every partition: nanoseconds since 1970; 0 if a view is empty. */
  settledNs(): bigint
  /**
   * Waits until all views include `position`, at most `timeoutMs`.
   * @returns false if they do not by then
   */
  waitFor(position: Position, timeoutMs: number): Promise<boolean>
  /** Called after each advance of the views; returns the way to stop. */
  onAdvance(listener: () => void): () => void
  stop(): Promise<void>
}
