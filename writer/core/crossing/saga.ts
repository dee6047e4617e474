/**
 * The orchestrated Saga as two tables. The source debits at once, the destination credits or refuses; what was refused, or
 * not answered by the deadline, is compensated at the source. It begins with TransferDebited at the source.
 */
import { IGNORED, REMINDED, type DestinationTable, type SourceTable } from './rules.ts'

export const SAGA_SOURCE: SourceTable<'debited' | 'recalled'> = {
  /** The money is in transit. The other side decides: it credits or refuses. */
  debited: {
    ConfirmTransfer: IGNORED,
    CancelTransfer: { event: 'TransferCompensated', to: 'free' },
    CompleteTransfer: { event: 'TransferCompleted', to: 'free' },
    reminder: REMINDED,
    deadline: { event: 'TransferRecalled', to: 'recalled' },
    release: IGNORED,
  },
  /** Asked back after the deadline. The other side still decides: it may have credited long ago. */
  recalled: {
    ConfirmTransfer: IGNORED,
    CancelTransfer: { event: 'TransferCompensated', to: 'free' },
    CompleteTransfer: { event: 'TransferCompleted', to: 'free' },
    reminder: REMINDED,
    deadline: REMINDED,
    release: IGNORED,
  },
}

export const SAGA_DESTINATION: DestinationTable = {
  none: {
    TryCredit: IGNORED,
    CreditTransfer: {
      event: 'TransferCredited',
      to: 'credited',
      unless: { event: 'CreditRefused', to: 'refused' },
    },
    // Asked back before it came: it is never credited.
    CancelCredit: { event: 'CreditCancelled', to: 'cancelled' },
    DrawCredit: IGNORED,
  },
  // A Saga reserves nothing at the destination.
  reserved: { TryCredit: IGNORED, CreditTransfer: IGNORED, CancelCredit: IGNORED, DrawCredit: IGNORED },
  credited: {
    TryCredit: IGNORED,
    CreditTransfer: { again: 'TransferCredited', to: 'reminded' },
    // Asked back too late: the source learns that it is done.
    CancelCredit: { again: 'TransferCredited', to: 'all' },
    DrawCredit: IGNORED,
  },
  refused: {
    TryCredit: IGNORED,
    CreditTransfer: { again: 'CreditRefused', to: 'reminded' },
    CancelCredit: { again: 'CreditRefused', to: 'all' },
    DrawCredit: IGNORED,
  },
  cancelled: {
    TryCredit: IGNORED,
    CreditTransfer: IGNORED,
    CancelCredit: { again: 'CreditCancelled', to: 'reminded' },
    DrawCredit: IGNORED,
  },
}
