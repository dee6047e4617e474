/** How each kind of event is moved to another number of partitions. */
import type { CommandKind } from '../../schemas/commands.ts'
import type { EventKind } from '../../schemas/events.ts'

/** What an event is to who moves it. */
export type Part =
  | 'opens'
  | 'account'
  | 'moves money'
  | 'refusal'
  | 'begins crossing'
  | 'at source'
  | 'ends crossing'
  | 'at destination'
  | 'said again'
  | 'claim'
  | 'horizon'

export const PARTS: Readonly<Record<EventKind, Part>> = {
  AccountOpened: 'opens',
  AccountFrozen: 'account',
  AccountUnfrozen: 'account',
  AccountClosed: 'account',
  AccountChanged: 'account',
  AccountRefused: 'account',
  TransferPosted: 'moves money',
  HoldPlaced: 'moves money',
  HoldPosted: 'moves money',
  HoldPostedInPart: 'moves money',
  HoldVoided: 'moves money',
  HoldExpired: 'moves money',
  TransferReversed: 'moves money',
  TransferReversedInPart: 'moves money',
  TransferReversedByForce: 'moves money',
  TransferRefused: 'refusal',
  TransferReserved: 'begins crossing',
  TransferDebited: 'begins crossing',
  TransferConfirmed: 'at source',
  TransferRecalled: 'at source',
  TransferCancelled: 'ends crossing',
  TransferCompensated: 'ends crossing',
  TransferCompleted: 'ends crossing',
  CancelAcknowledged: 'ends crossing',
  TransferReminded: 'said again',
  CreditReserved: 'at destination',
  CreditRefused: 'at destination',
  TransferCredited: 'at destination',
  CreditCancelled: 'at destination',
  StepAnswered: 'said again',
  HoldReserved: 'begins crossing',
  HoldConfirmed: 'at source',
  HoldDrawn: 'begins crossing',
  HoldReleased: 'at source',
  ReleaseCompleted: 'ends crossing',
  CreditDrawn: 'at destination',
  IdClaimed: 'claim',
  IdsForgotten: 'horizon',
}

/** The arrival that stands for an event at its credit account's partition, and the step that makes such a one. */
export const ARRIVALS: Readonly<Partial<Record<EventKind, readonly [EventKind, CommandKind]>>> = {
  HoldPlaced: ['CreditReserved', 'TryCredit'],
  HoldVoided: ['CreditCancelled', 'CancelCredit'],
  HoldExpired: ['CreditCancelled', 'CancelCredit'],
}
/** Of all others. */
export const CREDITED: readonly [EventKind, CommandKind] = ['TransferCredited', 'CreditTransfer']
