/** Arithmetic on the four totals, exact in signed 64 bits, and without allocating: every number stays in its array. */
import { LINE } from './account-lines.ts'
import type { Accounts } from './accounts.ts'

/**
 * True if the account at `line` has at least the amount available, or needs not to.
 *
 * A total and the pending one beside it never exceed 2⁶³ − 1 together (see `overflows`), so net cannot leave 64 bits;
 * adding the overdraft limit or subtracting the amount could, which is why net's sign decides how to compare.
 */
export function hasFunds(
  accounts: Accounts,
  line: number,
  amounts: BigInt64Array,
  amountAt: number,
): boolean {
  // The only overdraft limit below zero is the unlimited one.
  if (accounts.words32[(line + LINE.overdraft) * 2 + 1]! < 0) return true
  const words = accounts.words
  const amount = amounts[amountAt]!
  const net = BigInt.asIntN(
    64,
    BigInt.asIntN(64, words[line + LINE.creditsPosted]! - words[line + LINE.debitsPosted]!) -
      words[line + LINE.debitsPending]!,
  )
  const overdraft = words[line + LINE.overdraft]!
  if (net < 0n) return amount <= BigInt.asIntN(64, net + overdraft)
  return BigInt.asIntN(64, amount - net) <= overdraft
}

/**
 * True if the posted total at `at`, the pending one behind it, and the amount exceed 2⁶³ − 1 together. Both kinds of
 * movement ask this, so what was reserved can always be posted.
 */
export function overflows(
  words: BigInt64Array,
  at: number,
  amounts: BigInt64Array,
  amountAt: number,
): boolean {
  const sum = BigInt.asIntN(64, words[at]! + words[at + 1]!)
  return BigInt.asIntN(64, sum + amounts[amountAt]!) < 0n
}
