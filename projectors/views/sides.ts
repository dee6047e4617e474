/**
 * An event moves up to two accounts: the tables that stand by account take a row for each, in one pass.
 * `arrayJoin` of the same array stands once per row however often it is written, so the debit side (1) comes first,
 * then the credit side (0); a side without an account (number 0) is filtered out by the table's `where`.
 */
export const DEBIT_SIDE = 'arrayJoin([1, 0])'

/** The column of whichever side the row is about: `debit_account` or `credit_account`, as `account`. */
export function bothSides(column: string): string {
  return `if(${DEBIT_SIDE} = 1, debit_${column}, credit_${column}) AS ${column}`
}
