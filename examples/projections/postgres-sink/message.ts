/** What both sinks send: a message for each movement of money. */
import type { ProjectionEvent } from 'purser/projections'

const MOVES: ReadonlySet<string> = new Set([
  'TransferPosted',
  'HoldPosted',
  'HoldPostedInPart',
  'TransferReversed',
])

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

/** The messages of an event: one where money moved, else none. */
export function movementsOf(event: ProjectionEvent): Movement[] {
  const { kind, transferId, debit, credit, amount, currency, recordedAtNs } = event
  if (!MOVES.has(kind)) return []
  return [{ transfer: transferId, kind, debit: debit.number, credit: credit.number, amount, currency, recordedAtNs }]
} // prettier-ignore
