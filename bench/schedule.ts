/**
 * When the messages of an open-loop load are meant to be sent: at a fixed rate, whatever came of the ones before. Latency
 * counts from then, so a stall is charged to every message that it held up, sent or not (no coordinated omission).
 */
export class Schedule {
  readonly #startMs: number
  readonly #intervalMs: number

  /** @param perSecond messages a second */
  constructor(startMs: number, perSecond: number) {
    this.#startMs = startMs
    this.#intervalMs = 1_000 / perSecond
  }

  /** When message `number`, from 0, is meant to be sent. */
  intendedMs(number: number): number {
    return this.#startMs + number * this.#intervalMs
  }
}
