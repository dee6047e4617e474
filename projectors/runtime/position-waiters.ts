/** Reads that wait until the views include a position. */
import { includesPosition, type Position } from '../../schemas/positions.ts'
import type { Clock } from './ports.ts'
import { OutageError } from '../clickhouse/view-store.ts'

/** Reads that may wait at a time; the next one is told that the views are busy. */
const WAITERS_MAX = 10_000

interface Waiter {
  /** The view that is waited for; undefined: the required ones. */
  readonly name: string | undefined
  readonly position: Position
  readonly settle: (reached: boolean) => void
}

export class PositionWaiters {
  readonly #clock: Clock
  readonly #waiting = new Set<Waiter>()
  /** How many wait, by partition. */
  readonly #counts = new Map<number, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * Resolves to true when `reached` is told a position of the view that includes this one, to false after `timeoutMs`.
   * @param name of the view; without it, the required ones are waited for
   * @throws OutageError if too many wait already
   */
  async wait(position: Position, timeoutMs: number, name?: string): Promise<boolean> {
    if (this.#waiting.size >= WAITERS_MAX)
      throw new OutageError(`${WAITERS_MAX} reads wait for the views already`)
    return new Promise((resolve) => {
      const waiter: Waiter = {
        name,
        position,
        settle: (reached: boolean) => {
          callOff()
          this.#waiting.delete(waiter)
          this.#count(position, -1)
          resolve(reached)
        },
      }
      const callOff = this.#clock.after(timeoutMs, () => waiter.settle(false))
      this.#waiting.add(waiter)
      this.#count(position, 1)
    })
  }

  /** True if any of those who wait has to have something of this partition. */
  areFor(partition: number): boolean {
    return (this.#counts.get(partition) ?? 0) > 0
  }

  #count(position: Position, change: 1 | -1): void {
    for (const partition of position.keys())
      this.#counts.set(partition, (this.#counts.get(partition) ?? 0) + change)
  }

  /** @param positionOf up to where a view is; of undefined: the required ones. Asked once for each that is waited for */
  reached(positionOf: (name: string | undefined) => Position): void {
    const positions = new Map<string | undefined, Position>()
    for (const waiter of this.#waiting) {
      const position = positions.get(waiter.name) ?? positionOf(waiter.name)
      positions.set(waiter.name, position)
      if (includesPosition(position, waiter.position)) waiter.settle(true)
    }
  }

  /** Nobody will be served any more. */
  end(): void {
    for (const waiter of this.#waiting) waiter.settle(false)
  }
}
