/** What operators and reads ask of the projections. */
import type { Position } from '../../schemas/positions.ts'
import type { Serving } from '../serving.ts'
import type { LagTrend } from './lag-trend.ts'

export type ProjectionState =
  'catching-up' | 'live' | 'paused' | 'retrying' | 'stalled' | 'stopped' | 'complete'

export interface ProjectionStatus {
  readonly name: string
  readonly version: number
  /** True if the ledger's own fields are read from it: then nothing is read as long as it holds nothing. */
  readonly isRequired: boolean
  /**
   * `live`: it follows. `catching-up`: it has work, and does it. `stalled`: what it asked of the store, or of who runs it, has
   * had no answer for long. `retrying`: it was refused, and asks again. `paused` by an operator, `stopped` until an operator
   * acts. `complete`: it was to end somewhere, and has.
   */
  readonly state: ProjectionState
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
  /** Where the lag has been going, over 15 minutes at most; undefined: it is not known yet. */
  readonly trend?: LagTrend
}

/** A pump that has not looked for work for so long is not alive, whatever its lag says. */
const PUMP_AGE_SECONDS_MAX = 30

/** True if the pump of a view moves, or would if there were work and nobody had paused it. */
export function isPumpAlive({
  state,
  pumpAgeSeconds,
}: Pick<ProjectionStatus, 'state' | 'pumpAgeSeconds'>): boolean {
  return state !== 'stopped' && state !== 'stalled' && pumpAgeSeconds <= PUMP_AGE_SECONDS_MAX
}

/** The running projections, as the gateway and the operator's door see them. */
export interface Projections {
  status(): readonly ProjectionStatus[]
  /** Up to where all required views hold everything: what the others hold is asked one by one. */
  position(): Position
  /** Up to where a view holds everything, required or not; empty if there is none of this name. */
  positionOf(name: string): Position
  /** What readers read, as it is now and as it comes to be. */
  serving(): Serving
  /** Why there is nothing that could be read, in a sentence, if that is known; what is behind is there. */
  absent(): string | undefined
  /** Up to this recorded time all required views hold everything, in every partition: nanoseconds since 1970; 0 if one is empty. */
  settledNs(): bigint
  /**
   * Waits until all required views include `position`, at most `timeoutMs`.
   * @param name waits for the view of this name alone
   * @returns false if they do not by then
   */
  waitFor(position: Position, timeoutMs: number, name?: string): Promise<boolean>
  /**
   * Somebody reads who names no position: for a while the views are filled as if he waited, so that others find them fresh.
   * @returns undefined if they are filled so already; else it resolves when they hold what there was, or after a moment
   */
  attend(): Promise<unknown> | undefined
  /** Called after each advance of the required views; returns the way to stop. */
  onAdvance(listener: () => void): () => void
  stop(): Promise<void>
}
