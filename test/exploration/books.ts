/** What each event does to money, written down from docs/coordination.md and apart from the core. One unit is the amount. */
import type { Coordination } from '../../schemas/commands.ts'
import type { CrossingEventKind } from '../../writer/coordinator/next-step.ts'

/** The four accounts of a crossing: payer and first transit account at the source, the others at the destination. */
export type Party = 'payer' | 'sourceTransit' | 'destinationTransit' | 'payee'
type Total = 'debitsPosted' | 'debitsPending' | 'creditsPosted' | 'creditsPending'
export type Effect = readonly [Party, Total, 1 | -1]
export type Effects = Readonly<
  Record<Coordination, Readonly<Partial<Record<CrossingEventKind, readonly Effect[]>>>>
>
export type Books = Readonly<Record<Party, Readonly<Record<Total, number>>>>

const HELD: readonly Effect[] = [
  ['payer', 'debitsPending', 1],
  ['sourceTransit', 'creditsPending', 1],
]
const AWAITED: readonly Effect[] = [
  ['destinationTransit', 'debitsPending', 1],
  ['payee', 'creditsPending', 1],
]
/** What may still come back to the payer of a Saga. */
const RETURNABLE: readonly Effect[] = [
  ['payer', 'creditsPending', 1],
  ['sourceTransit', 'debitsPending', 1],
]
const PAID: readonly Effect[] = [
  ['payer', 'debitsPosted', 1],
  ['sourceTransit', 'creditsPosted', 1],
]
const ARRIVED: readonly Effect[] = [
  ['destinationTransit', 'debitsPosted', 1],
  ['payee', 'creditsPosted', 1],
]
const RETURNED: readonly Effect[] = [
  ['payer', 'creditsPosted', 1],
  ['sourceTransit', 'debitsPosted', 1],
]

export const EFFECTS: Effects = {
  tcc: {
    TransferReserved: HELD,
    TransferConfirmed: [...undone(HELD), ...PAID],
    TransferCancelled: undone(HELD),
    CreditReserved: AWAITED,
    TransferCredited: [...undone(AWAITED), ...ARRIVED],
    // Of a reservation; a mark alone moves nothing.
    CreditCancelled: undone(AWAITED),
  },
  saga: {
    TransferDebited: [...PAID, ...RETURNABLE],
    TransferCredited: ARRIVED,
    TransferCompleted: undone(RETURNABLE),
    TransferCompensated: [...undone(RETURNABLE), ...RETURNED],
  },
}

function undone(effects: readonly Effect[]): readonly Effect[] {
  return effects.map(([party, total, sign]) => [party, total, sign === 1 ? -1 : 1])
}

/** The totals of the four accounts after some events, each of which happened once. */
export function booksAfter(
  effects: Effects,
  by: Coordination,
  happened: readonly CrossingEventKind[],
): Books {
  const none = (): Record<Total, number> => ({
    debitsPosted: 0,
    debitsPending: 0,
    creditsPosted: 0,
    creditsPending: 0,
  })
  const books = { payer: none(), sourceTransit: none(), destinationTransit: none(), payee: none() }
  for (const event of happened) {
    if (event === 'CreditCancelled' && !happened.includes('CreditReserved')) continue
    for (const [party, total, sign] of effects[by][event] ?? []) books[party][total] += sign
  }
  return books
}

export function balanceOf(books: Books, party: Party): number {
  return books[party].creditsPosted - books[party].debitsPosted
}

/** Money that has left the payer and has not come to the payee, nor back. */
export function inTransit(books: Books): number {
  return balanceOf(books, 'sourceTransit') + balanceOf(books, 'destinationTransit')
}
