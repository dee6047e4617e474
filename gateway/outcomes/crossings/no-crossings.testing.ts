/** The part of a batch that only transfers across partitions need, for tests that have none. */
import type { PendingBatch } from '../pending-batch.ts'

export const NO_CROSSINGS: Pick<PendingBatch, 'whose' | 'onEnded'> = {
  whose: () => {
    throw new Error('nothing begins a crossing here')
  },
  onEnded: () => {
    throw new Error('no crossing ends here')
  },
}
