/** Tries again what failed because of an outage, with growing pauses, within a bound. */
import { setTimeout as sleep } from 'node:timers/promises'

export const RETRY_FOR_MS_DEFAULT = 30_000
const PAUSE_MS_MIN = 100
const PAUSE_MS_MAX = 5_000

export interface RetryOptions {
  /** No further try begins after this; the one under way has bounds of its own. */
  readonly forMs: number
  /** False: trying again is of no use. */
  readonly isOutage: (error: unknown) => boolean
  /** No further try begins once it has aborted. */
  readonly signal: AbortSignal
}

/** @throws what the last try threw, or that the pause behind it was ended */
export async function retrying<T>(attempt: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { forMs, isOutage, signal } = options
  const giveUpMs = performance.now() + forMs
  for (let pauseMs = PAUSE_MS_MIN; ; pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX)) {
    try {
      return await attempt()
    } catch (error) {
      if (!isOutage(error) || performance.now() + pauseMs > giveUpMs) throw error
      await sleep(pauseMs, undefined, { signal })
    }
  }
}
