/** What both sinks send: a message for each movement of money. */
import type { ProjectionEvent } from 'purser/projections'

/** A type, not an interface: messages are plain values. */
export type Movement = {
  readonly transfer: string
  readonly kind: string
  readonly debit: number
  readonly credit: number
  readonly amount: bigint
  readonly currency: string
  readonly recordedAtNs: bigint
}

/** The last four between an account and that of money in transit: a transfer between partitions is a movement in each. */
const MOVING: ReadonlySet<string> = new Set([
  'TransferPosted',
  'HoldPosted',
  'HoldPostedInPart',
  'TransferReversed',
  'TransferReversedInPart',
  'TransferReversedByForce',
  'TransferConfirmed',
  'TransferDebited',
  'TransferCompensated',
  'TransferCredited',
])

/** The messages of an event: one where money moved, else none. */
export function movementsOf(event: ProjectionEvent): Movement[] {
  const { kind, transferId, debit, credit, amount, currency, recordedAtNs } = event
  if (!MOVING.has(kind)) return []
  return [{ transfer: transferId, kind, debit: debit.number, credit: credit.number, amount, currency, recordedAtNs }]
} // prettier-ignore
