/**
 * Try-Confirm/Cancel as two tables. Both sides reserve; the source's decision is one event, TransferConfirmed or
 * TransferCancelled; from then on nothing can refuse. It begins with TransferReserved at the source.
 */
import { IGNORED, REMINDED, type DestinationTable, type SourceTable } from './rules.ts'

export const TCC_SOURCE: SourceTable<'reserved' | 'confirmed' | 'cancelled'> = {
  /** The amount is held on the debit account. Whoever comes first decides: the other side's answer, or the deadline. */
  reserved: {
    ConfirmTransfer: { event: 'TransferConfirmed', to: 'confirmed' },
    CancelTransfer: { event: 'TransferCancelled', to: 'free' },
    CompleteTransfer: IGNORED,
    reminder: REMINDED,
    deadline: { event: 'TransferCancelled', to: 'cancelled' },
    release: IGNORED,
  },
  /** The money is in transit. It stays so until it is credited, however long that takes. */
  confirmed: {
    ConfirmTransfer: IGNORED,
    CancelTransfer: IGNORED,
    CompleteTransfer: { event: 'TransferCompleted', to: 'free' },
    reminder: REMINDED,
    deadline: REMINDED,
    release: IGNORED,
  },
  /** Released by the deadline. The other side may have reserved, so it is told until it answers. */
  cancelled: {
    ConfirmTransfer: IGNORED,
    CancelTransfer: { event: 'CancelAcknowledged', to: 'free' },
    CompleteTransfer: IGNORED,
    reminder: REMINDED,
    deadline: REMINDED,
    release: IGNORED,
  },
}

export const TCC_DESTINATION: DestinationTable = {
  none: {
    TryCredit: {
      event: 'CreditReserved',
      to: 'reserved',
      unless: { event: 'CreditRefused', to: 'refused' },
    },
    // No source confirms what was not reserved here.
    CreditTransfer: IGNORED,
    // A Cancel that comes before its Try leaves its mark.
    CancelCredit: { event: 'CreditCancelled', to: 'cancelled' },
    // A part of a hold, by a channel of its own.
    DrawCredit: { event: 'CreditDrawn', to: 'credited' },
  },
  reserved: {
    TryCredit: { again: 'CreditReserved', to: 'reminded' },
    CreditTransfer: { event: 'TransferCredited', to: 'credited' },
    CancelCredit: { event: 'CreditCancelled', to: 'cancelled' },
    DrawCredit: IGNORED,
  },
  credited: {
    TryCredit: IGNORED,
    CreditTransfer: { again: 'TransferCredited', to: 'reminded' },
    // Decided once: what was confirmed is not cancelled.
    CancelCredit: IGNORED,
    DrawCredit: { again: 'CreditDrawn', to: 'reminded' },
  },
  refused: {
    TryCredit: { again: 'CreditRefused', to: 'reminded' },
    CreditTransfer: IGNORED,
    CancelCredit: { again: 'CreditRefused', to: 'all' },
    DrawCredit: IGNORED,
  },
  cancelled: {
    // The late Try is refused for ever, and nobody waits for an answer.
    TryCredit: IGNORED,
    CreditTransfer: IGNORED,
    CancelCredit: { again: 'CreditCancelled', to: 'reminded' },
    DrawCredit: IGNORED,
  },
}
