/** How many commands a client may have under way, and who waits until one more fits. */
export class InFlightLimit {
  readonly #commandsMax: number
  #commands = 0
  readonly #waiting: { readonly count: number; readonly resolve: () => void }[] = []

  /** @param commandsMax taken at a time; a single request may be larger where nothing else is under way */
  constructor(commandsMax: number) {
    this.#commandsMax = commandsMax
  }

  /** Commands under way. */
  get taken(): number {
    return this.#commands
  }

  has(count: number): boolean {
    return this.#commands === 0 || this.#commands + count <= this.#commandsMax
  }

  take(count: number): void {
    this.#commands += count
  }

  give(count: number): void {
    this.#commands -= count
    while (this.#waiting.length > 0 && this.has(this.#waiting[0]!.count)) this.#waiting.shift()!.resolve()
  }

  /** Resolves as soon as so many fit. Those who wait are told in their order, and may find that another was quicker. */
  ready(count: number): Promise<void> {
    if (this.has(count)) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push({ count, resolve }))
  }

  /** Resolves when nothing is under way. */
  empty(): Promise<void> {
    return this.ready(Number.POSITIVE_INFINITY)
  }
}
