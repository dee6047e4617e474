/** How the writer of a partition ends, and what that means for whoever started it. */
import { LogError } from '../../eventlog/errors.ts'
import { WriterBrokenError } from '../thread/core-thread-handle.ts'

/** Why a writer has ended. */
export type PartitionEnd =
  | { readonly kind: 'stopped' }
  /** Another writer has taken over. */
  | { readonly kind: 'replaced' }
  /** Kafka failed or refused, or the log is not what it was. A new start may succeed. */
  | { readonly kind: 'failed'; readonly error: Error }
  /** Broken logic: the process should end. */
  | { readonly kind: 'broken'; readonly error: Error }

export function endOf(error: unknown): PartitionEnd {
  if (error instanceof LogError && error.code !== 'log_broken')
    return error.code === 'log_replaced' ? { kind: 'replaced' } : { kind: 'failed', error }
  return { kind: 'broken', error: error instanceof Error ? error : new WriterBrokenError(error) }
}

/** The same as an error, for the caller that waits for the start. */
export function errorOf(end: PartitionEnd, partition: number): Error {
  switch (end.kind) {
    case 'failed':
    case 'broken':
      return end.error
    case 'stopped':
      return new LogError('log_closed', 'The writer was stopped while it started.')
    case 'replaced':
      return new LogError(
        'log_replaced',
        `Another writer has taken over partition ${partition}. Nothing is lost: it goes on from the log.`,
      )
  }
}
