/**
 * What a process holds for each partition that is its own, opened and closed as partitions come and go. Each partition goes
 * its own way, one step behind the other; a step that has been overtaken by a newer word is undone by the next one.
 */
import { messageOf } from '../../schemas/errors.ts'

export interface SharesOptions<Held> {
  /** The signal aborts when the partition is not this one's any more: then nobody waits for what comes of it. */
  readonly open: (partition: number, signal: AbortSignal) => Promise<Held>
  readonly close: (held: Held, partition: number) => Promise<void>
  /** True for what passes by itself: opening is tried again, for as long as the partition is this one's. */
  readonly isPassing: (error: unknown) => boolean
  /** Told of any other failure. */
  readonly failed: (partition: number, error: unknown) => void
  readonly log: (line: string) => void
  /** Pause before opening is tried again, in ms. Default: 1,000. */
  readonly retryMs?: number
}

const RETRY_MS = 1_000

export class Shares<Held> {
  readonly #options: SharesOptions<Held>
  readonly #held = new Map<number, Held>()
  readonly #working = new Map<number, Promise<void>>()
  /** Ends openings under way. */
  readonly #openings = new Map<number, AbortController>()
  #wanted: ReadonlySet<number> = new Set()
  #wake = new AbortController()

  constructor(options: SharesOptions<Held>) {
    this.#options = options
  }

  /** What is this one's from now on. */
  assign(partitions: ReadonlySet<number>): void {
    this.#wanted = new Set(partitions)
    this.#wake.abort()
    this.#wake = new AbortController()
    for (const [partition, opening] of this.#openings)
      if (!partitions.has(partition))
        opening.abort(new Error(`Partition ${partition} is not this one’s any more.`))
    for (const partition of new Set([...partitions, ...this.#held.keys()])) this.#work(partition)
  }

  /** Partitions that are open. */
  held(): readonly number[] {
    return [...this.#held.keys()].sort((left, right) => left - right)
  }

  /** Partitions that are this one's and not open yet. */
  opening(): readonly number[] {
    return [...this.#wanted].filter((partition) => !this.#held.has(partition)).sort((left, right) => left - right)
  } // prettier-ignore

  /** Ends what is being opened, and closes all. */
  async end(): Promise<void> {
    this.assign(new Set())
    while (this.#working.size > 0) await Promise.all(this.#working.values())
  }

  #work(partition: number): void {
    if (this.#working.has(partition)) return
    const work = this.#settle(partition).then(
      () => {
        this.#working.delete(partition)
        // A word that came in the turn in which the last step ended.
        if (this.#wanted.has(partition) !== this.#held.has(partition)) this.#work(partition)
      },
      (error: unknown) => {
        this.#working.delete(partition)
        this.#options.failed(partition, error)
      },
    )
    this.#working.set(partition, work)
  }

  /** Until what is open is what is wanted. */
  async #settle(partition: number): Promise<void> {
    const { open, close } = this.#options
    for (;;) {
      const held = this.#held.get(partition)
      const isWanted = this.#wanted.has(partition)
      if (isWanted === (held !== undefined)) return
      if (held !== undefined) {
        this.#held.delete(partition)
        await close(held, partition)
        continue
      }
      const opening = new AbortController()
      this.#openings.set(partition, opening)
      try {
        this.#held.set(partition, await open(partition, opening.signal))
      } catch (error) {
        if (opening.signal.aborted) continue
        if (!this.#options.isPassing(error)) throw error
        this.#options.log(`Partition ${partition}: ${messageOf(error)} Trying again.`) // prettier-ignore
        await this.#pause()
      } finally {
        this.#openings.delete(partition)
      }
    }
  }

  /** Until it is time to try again, or another word has come. */
  #pause(): Promise<void> {
    const { signal } = this.#wake
    return new Promise((resolve) => {
      const go = (): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', go)
        resolve()
      }
      const timer = setTimeout(go, this.#options.retryMs ?? RETRY_MS)
      signal.addEventListener('abort', go)
    })
  }
}
