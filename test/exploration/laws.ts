/** What has to hold at every event of a crossing, by what had happened to it before. */
import type { Coordination } from '../../schemas/commands.ts'
import { balanceOf, booksAfter, inTransit, type Books, type Effects, type Party } from './books.ts'
import { EVENTS, eventsOf, type Happening } from './state.ts'

export const LAWS = {
  balance: 'every partition balances at every event, and all money together stays the same',
  transit: 'in transit is what has left its payer and has not arrived, nor come back',
  either: 'nothing is both credited and given back',
  decision: 'Confirm and Cancel exclude each other',
  decided: 'what is decided is never refused',
  mark: 'what was cancelled or refused at its destination is never credited there',
  before: 'nothing is credited before the decision',
  told: 'what is told as completed was credited, and once told as refused it never is',
  once: 'nothing happens twice',
  stale: 'a step of an earlier turn changes nothing',
  handedOn: 'a channel is handed on only when both sides are done with its turn',
  end: 'once nothing goes wrong any more, everything ends',
} as const
export type Law = keyof typeof LAWS

/** @returns the law that an event breaks, coming after those of `before` (bits of EVENTS) */
export function lawBrokenBy(
  event: Happening,
  before: number,
  by: Coordination,
  effects: Effects,
): Law | undefined {
  const had = (...events: Happening[]): boolean => events.some((one) => (before & bit(one)) !== 0)
  const after = before | bit(event)
  const has = (...events: Happening[]): boolean => events.some((one) => (after & bit(one)) !== 0)
  if (had(event)) return 'once'
  const isCredit = event === 'TransferCredited'
  if (isCredit && !had('TransferConfirmed', 'TransferDebited')) return 'before'
  if (has('TransferConfirmed') && has('TransferCancelled')) return 'decision'
  if (has('TransferCredited') && has('TransferCancelled', 'TransferCompensated')) return 'either'
  if (has('TransferConfirmed') && has('CreditRefused', 'CreditCancelled')) return 'decided'
  if ((isCredit || event === 'CreditReserved') && had('CreditRefused', 'CreditCancelled')) return 'mark'
  if (event === 'TransferCompleted' && !had('TransferCredited')) return 'told'
  const books = booksAfter(effects, by, eventsOf(after))
  if (!isBalanced(books)) return 'balance'
  const isUnderWay =
    has('TransferConfirmed', 'TransferDebited') && !has('TransferCredited', 'TransferCompensated')
  return inTransit(books) === (isUnderWay ? 1 : 0) ? undefined : 'transit'
}

/** True if a transfer of which these events have happened is over: nothing pending, nothing in transit. */
export function isAtRest(bits: number, by: Coordination, effects: Effects): boolean {
  const books = booksAfter(effects, by, eventsOf(bits))
  const pending = Object.values(books).map((totals) => totals.debitsPending + totals.creditsPending)
  return inTransit(books) === 0 && pending.every((amount) => amount === 0)
}

function isBalanced(books: Books): boolean {
  const totals = Object.values(books)
  const isSane = totals.every((account) => Object.values(account).every((total) => total >= 0 && total <= 1))
  const pending = (party: Party): number => books[party].creditsPending - books[party].debitsPending
  const sums = (left: Party, right: Party): boolean =>
    balanceOf(books, left) + balanceOf(books, right) === 0 && pending(left) + pending(right) === 0
  return isSane && sums('payer', 'sourceTransit') && sums('destinationTransit', 'payee')
}

function bit(event: Happening): number {
  return 1 << EVENTS.indexOf(event)
}
