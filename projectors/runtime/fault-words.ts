/**
 * What stops versions here, written down for those who ask elsewhere: operators skip only what is written there. So each word is
 * written until it stands, however long the store is away; of two words of one version the later one counts.
 */
import { messageOf } from '../../schemas/errors.ts'
import { OutageError, type ViewStore } from '../clickhouse/view-store.ts'
import { writeFault, type Fault } from '../registry/faults.ts'
import { versionKey } from './checkpoints.ts'
import type { Clock } from './ports.ts'

export interface FaultWordsOptions {
  readonly store: ViewStore
  readonly clock: Clock
  readonly report: (line: string) => void
}

/** A cause that is empty: it goes on. */
export type FaultWord = Omit<Fault, 'atMs'>

const AGAIN_MS = 1_000

export class FaultWords {
  readonly #options: FaultWordsOptions
  /** What does not stand in the store yet, by version and partition. */
  readonly #words = new Map<string, FaultWord>()
  #isStopped = false

  constructor(options: FaultWordsOptions) {
    this.#options = options
  }

  /** Returns at once; what cannot be written is reported. */
  say(word: FaultWord): void {
    const key = `${versionKey(word)}/${word.partition}`
    const isUnderWay = this.#words.has(key)
    this.#words.set(key, word)
    if (!isUnderWay) void this.#write(key)
  }

  /** Nothing is tried again from here on. */
  stop(): void {
    this.#isStopped = true
  }

  async #write(key: string): Promise<void> {
    const { store, clock, report } = this.#options
    for (let isFirst = true; ; isFirst = false) {
      const word = this.#words.get(key)!
      try {
        await writeFault(store, { ...word, atMs: clock.nowMs() })
        if (this.#words.get(key) === word) break
      } catch (error) {
        const isOutage = error instanceof OutageError && !this.#isStopped
        // That a version goes on need not be said any more once all of them have ended.
        if ((!isOutage || isFirst) && (word.cause !== '' || !this.#isStopped))
          report(`projections: what stopped ${word.name} cannot be written down: ${messageOf(error)}${isOutage ? ' Trying again.' : ''}`)
        if (!isOutage) break
        await new Promise<void>((resolve) => clock.after(AGAIN_MS, resolve))
        if (this.#isStopped) break
      }
    }
    this.#words.delete(key)
  } // prettier-ignore
}
