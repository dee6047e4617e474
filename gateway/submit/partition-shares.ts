/**
 * A bound that no partition can use up for the others.
 *
 * Whatever is being worked on counts against one shared bound, whichever partition it will turn out to be for. What
 * then waits for the writer of a partition counts against that partition's own bound, of the same size. So a writer
 * that pauses fills its own share only.
 */
export class PartitionShares {
  readonly #max: number
  #working = 0
  readonly #waiting = new Map<number, number>()

  /** @param max bound of what is worked on together, and of what waits for each partition */
  constructor(max: number) {
    this.#max = max
  }

  /** The amount that is worked on now and waits for no writer. */
  get working(): number {
    return this.#working
  }

  /** The amount that waits for a partition's writer. */
  waiting(partition: number): number {
    return this.#waiting.get(partition) ?? 0
  }

  /** Takes an amount in. Undefined: the shared bound is reached. */
  enter(amount = 1): PartitionShare | undefined {
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

/** An amount that was taken in, until it ends. */
export interface PartitionShare {
  /**
   * From now on the amount waits for these partitions, and for nothing else.
   * @returns false if one of them is at its bound; nothing has changed then
   */
  wait(partitions: readonly number[]): boolean
  /** Gives the amount back. Idempotent. */
  end(): void
}
