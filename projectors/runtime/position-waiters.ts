/** Reads that wait until the views include a position. */
import { includesPosition, type Position } from '../../schemas/positions.ts'
import type { Clock } from './ports.ts'
import { OutageError } from '../clickhouse/view-store.ts'

/** Reads that may wait at a time; the next one is told that the views are busy. */
const WAITERS_MAX = 10_000

interface Waiter {
  readonly position: Position
  readonly settle: (reached: boolean) => void
}

export class PositionWaiters {
  readonly #clock: Clock
  readonly #waiting = new Set<Waiter>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * Resolves to true when `reached` is called with a position that includes this one, to false after `timeoutMs`.
   * @throws OutageError if too many wait already
   */
  async wait(position: Position, timeoutMs: number): Promise<boolean> {
    if (this.#waiting.size >= WAITERS_MAX)
      throw new OutageError(`${WAITERS_MAX} reads wait for the views already`)
    return new Promise((resolve) => {
      const waiter = {
        position,
        settle: (reached: boolean) => {
          callOff()
          this.#waiting.delete(waiter)
          resolve(reached)
        },
      }
      const callOff = this.#clock.after(timeoutMs, () => waiter.settle(false))
      this.#waiting.add(waiter)
    })
  }

  reached(position: Position): void {
    for (const waiter of this.#waiting) if (includesPosition(position, waiter.position)) waiter.settle(true)
  }

  /** Nobody will be served any more. */
  end(): void {
    for (const waiter of this.#waiting) waiter.settle(false)
  }
}
