/** Outlasting an outage: what could not be reached is asked again, within a bound, and for no longer than anybody waits. */
import { setTimeout as pause } from 'node:timers/promises'
import { messageOf } from '../schemas/errors.ts'
import { unlessAborted } from './abort.ts'

export interface OutageRetry {
  /** Tells an outage, which may pass by itself, from what would be the same the next time. */
  readonly isOutage: (error: unknown) => boolean
  /** How long after the first question another one may be asked, in ms. */
  readonly forMs: number
  /** Between the first answer and the next question, in ms. */
  readonly pauseMs: number
  /** Each pause is twice the one before, up to this. Default: all are the same. */
  readonly pauseMsMax?: number
  /** Gets a line for the operator, when it is asked for the second time. */
  readonly log?: (line: string) => void
  /** Ends the waiting; a question under way is left to itself. */
  readonly signal: AbortSignal | undefined
}

/**
 * What the question comes to, which has to be harmless when asked again.
 * @throws what it rejects with that is no outage, or is one still after the bound; the signal's reason when it aborts
 */
export async function retryOutage<T>(question: () => Promise<T>, patience: OutageRetry): Promise<T> {
  const { isOutage, forMs, log, signal } = patience
  const { pauseMsMax = patience.pauseMs } = patience
  const giveUpMs = performance.now() + forMs
  let { pauseMs } = patience
  for (let isFirst = true; ; isFirst = false) {
    try {
      return await unlessAborted(signal, question)
    } catch (error) {
      signal?.throwIfAborted()
      if (!isOutage(error) || performance.now() >= giveUpMs) throw error
      if (isFirst) log?.(`${messageOf(error)} Trying again.`)
      await unlessAborted(signal, () => pause(pauseMs))
      pauseMs = Math.min(pauseMs * 2, pauseMsMax)
    }
  }
}
