/** A ClickHouse server that starts together with a role may come a little later. */
import { retryOutage } from '../../eventlog/retry-outage.ts'
import { OutageError } from '../../projectors/clickhouse/view-store.ts'

export interface ViewsPatience {
  /** How long the view store may not answer at the start, in ms. Default: 60,000. */
  readonly startForMs?: number
  /** Takes a line for the operator. */
  readonly log: (line: string) => void
  /** Ends a start that is under way: it rejects with the signal's reason, and nothing is left running. */
  readonly signal?: AbortSignal | undefined
}

const START_FOR_MS_DEFAULT = 60_000
const RETRY_MS = 500

/**
 * What a question to the view store comes to, which has to be harmless when asked again.
 * @throws OutageError if the store stays away; the signal's reason when it aborts
 */
export function viewsWhenThere<T>(
  question: () => Promise<T>,
  { startForMs = START_FOR_MS_DEFAULT, log, signal }: ViewsPatience,
): Promise<T> {
  return retryOutage(question, {
    isOutage: (error) => error instanceof OutageError,
    forMs: startForMs,
    pauseMs: RETRY_MS,
    log,
    signal,
  })
}
