/**
 * A hold across partitions as a table: Try-Confirm/Cancel that waits for its client between Try and Confirm. It begins with
 * HoldReserved at the source. Each post of a part begins with HoldDrawn, on a channel of its own; the destination's side of both
 * stands in tcc.ts.
 */
import { IGNORED, REMINDED, type SourceTable } from './rules.ts'

export const HOLD_SOURCE: SourceTable<'holding' | 'held' | 'released' | 'drawn'> = {
  /** The amount is held on the debit account. Whoever comes first decides: the other side's answer, or the deadline. */
  holding: {
    ConfirmTransfer: { event: 'HoldConfirmed', to: 'held' },
    CancelTransfer: { event: 'TransferCancelled', to: 'free' },
    CompleteTransfer: IGNORED,
    reminder: REMINDED,
    deadline: { event: 'TransferCancelled', to: 'cancelled' },
    release: IGNORED,
  },
  /** Both sides hold it, and the client has the word. Nobody waits for the other side, so nobody is reminded. */
  held: {
    ConfirmTransfer: IGNORED,
    CancelTransfer: IGNORED,
    CompleteTransfer: IGNORED,
    reminder: IGNORED,
    deadline: IGNORED,
    release: { event: 'HoldReleased', to: 'released' },
  },
  /** What was left is free here. The other side is told until it answers, and its posts are waited for. */
  released: {
    ConfirmTransfer: IGNORED,
    CancelTransfer: { event: 'ReleaseCompleted', to: 'free', onceDrawn: true },
    CompleteTransfer: IGNORED,
    reminder: REMINDED,
    deadline: REMINDED,
    release: IGNORED,
  },
  /** A part is posted here, and in transit until it is credited there. Nothing can refuse it: it was reserved. */
  drawn: {
    ConfirmTransfer: IGNORED,
    CancelTransfer: IGNORED,
    CompleteTransfer: { event: 'TransferCompleted', to: 'free' },
    reminder: REMINDED,
    deadline: REMINDED,
    release: IGNORED,
  },
}
