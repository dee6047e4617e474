/** A sleeping loop, and what wakes it. */

/** Lets one or more loops sleep until something changes. */
export class Wake {
  #sleepers: (() => void)[] = []

  /** Wakes everyone who sleeps now. */
  now(): void {
    const sleepers = this.#sleepers
    this.#sleepers = []
    for (const wake of sleepers) wake()
  }

  /** Sleeps until woken, at most `ms`. */
  async sleep(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms)
      this.#sleepers.push(resolve)
    })
    clearTimeout(timer)
  }
}
