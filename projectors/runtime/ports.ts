/** What the runtime is given of the world beside the logs and the store: time. It takes it from nowhere else. */

export interface Clock {
  /** The time of day, in ms since 1970. It may jump, either way: only good for comparing with what an event says. */
  nowMs(): number
  /** Milliseconds since some moment, never going back: what durations are measured by. */
  monotonicMs(): number
  /**
   * Calls `task` once, `delayMs` from now. Never calls it before it returns.
   * @returns calls it off; harmless once it has run
   */
  after(delayMs: number, task: () => void): () => void
}
