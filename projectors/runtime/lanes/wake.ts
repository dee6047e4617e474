/** A sleeping loop, and what wakes it. */
import type { Clock } from '../ports.ts'

/** Lets one or more loops sleep until something changes. */
export class Wake {
  readonly #clock: Clock
  readonly #sleepers = new Set<() => void>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Loops that sleep now. */
  get sleepers(): number {
    return this.#sleepers.size
  }

  /** Wakes everyone who sleeps now. */
  now(): void {
    for (const wake of [...this.#sleepers]) wake()
  }

  /** Sleeps until woken, at most `ms`. */
  async sleep(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      // Removes the sleeper on timeout too, or idle loops leak.
      const wake = (): void => {
        callOff()
        this.#sleepers.delete(wake)
        resolve()
      }
      const callOff = this.#clock.after(ms, wake)
      this.#sleepers.add(wake)
    })
  }
}
