/** What an event leaves of a hold or a transfer, which stands where others have the time of an expiry. */
import type { EventKind, WalletEvent } from './events.ts'

/** Kinds whose `expires_at` is no time, but what is left: minor units that stay held, or that can still be reversed. */
const SAYS_LEFT: ReadonlySet<EventKind> = new Set<EventKind>([
  'HoldPostedInPart',
  'HoldDrawn',
  'TransferReversedInPart',
  'TransferReversedByForce',
])

/** Kinds of events that reverse a transfer, or a part of it. */
export const REVERSAL_KINDS = [
  'TransferReversed',
  'TransferReversedInPart',
  'TransferReversedByForce',
] as const satisfies readonly EventKind[]

/** True for a reversal. */
export function isReversal({ kind }: Pick<WalletEvent, 'kind'>): boolean {
  return (REVERSAL_KINDS as readonly EventKind[]).includes(kind)
}

/** What the event says is left, in minor units; undefined: its kind says no such thing. */
export function leftOf({ kind, expiresAtNs }: Pick<WalletEvent, 'kind' | 'expiresAtNs'>): bigint | undefined {
  return SAYS_LEFT.has(kind) ? expiresAtNs : undefined
}

/** Kinds of holds across partitions whose `expires_at` is a deadline of the protocol, or a place. */
const SAYS_NO_EXPIRY: ReadonlySet<EventKind> = new Set<EventKind>(['HoldReserved', 'CreditDrawn'])

/** When the hold that the event is about expires, nanoseconds since 1970; undefined: never, or it is about none. */
export function expiryOf({
  kind,
  expiresAtNs,
}: Pick<WalletEvent, 'kind' | 'expiresAtNs'>): bigint | undefined {
  return expiresAtNs === 0n || SAYS_LEFT.has(kind) || SAYS_NO_EXPIRY.has(kind) ? undefined : expiresAtNs
}
