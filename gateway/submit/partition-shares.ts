/**
 * A bound that no partition can use up for the others. What is taken in and worked on shares one bound, whichever partition
 * it will turn out to be for. What then waits for the writer of a partition counts with that partition alone, against the
 * same bound: so a writer that pauses fills its own share, and everybody else finds the shared one as it always is.
 */
export class PartitionShares {
  readonly #max: number
  #working = 0
  readonly #waiting = new Map<number, number>()

  /** @param max of what is worked on together, and of what waits for each partition */
  constructor(max: number) {
    this.#max = max
  }

  /** What is worked on now, and waits for no writer. */
  get working(): number {
    return this.#working
  }

  /** What waits for a partition's writer. */
  waiting(partition: number): number {
    return this.#waiting.get(partition) ?? 0
  }

  /** Takes so much in, or undefined: as much is worked on as may be. */
  enter(amount = 1): Share | undefined {
    if (this.#working + amount > this.#max) return undefined
    this.#working += amount
    let partitions: readonly number[] | undefined
    let isOver = false
    return {
      wait: (wanted) => {
        if (isOver || partitions !== undefined) return false
        if (wanted.some((partition) => this.waiting(partition) + amount > this.#max)) return false
        partitions = [...new Set(wanted)]
        this.#working -= amount
        for (const partition of partitions) this.#waiting.set(partition, this.waiting(partition) + amount)
        return true
      },
      end: () => {
        if (isOver) return
        isOver = true
        if (partitions === undefined) this.#working -= amount
        for (const partition of partitions ?? [])
          this.#waiting.set(partition, this.waiting(partition) - amount)
      },
    }
  }
}

/** What was taken in, until it is over. */
export interface Share {
  /**
   * From now on it waits for these partitions, and for nothing else.
   * @returns false: as much waits for one of them as may; nothing has changed
   */
  wait(partitions: readonly number[]): boolean
  /** It is over. Idempotent. */
  end(): void
}
