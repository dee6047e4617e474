/**
 * The bank's file: CSV with a header, one booked transaction a line, in booking order. Amounts are haléř (1 CZK = 100), and
 * `balance_after_haler` is what the bank itself recorded after the transaction.
 */
import { readCsvFile } from '../../cli/import/file/read-file.ts'
import { CommandFailure } from '../../cli/output/failure.ts'
import { parseAmount, parseMinor } from '../../schemas/money.ts'
import { parseTime } from '../../gateway/positions/times.ts'

export interface BankTransaction {
  readonly line: number
  readonly transactionId: string
  /** `1993-01-31`. */
  readonly date: string
  /** The customer's account. */
  readonly account: string
  /** `cash`, `interest`, `fees`, or an account of another bank. */
  readonly counterparty: string
  /** `credit`: money comes to the account. */
  readonly direction: 'credit' | 'debit'
  readonly amount: bigint
  readonly balanceAfter: bigint
  readonly operation: string
  readonly purpose: string
}

const COLUMNS = [
  'transaction_id', 'date', 'account', 'counterparty', 'direction', 'amount_haler', 'balance_after_haler',
  'operation', 'purpose',
] as const // prettier-ignore

type Values = Readonly<Record<string, string>>
const NAME_CHARACTERS_MAX = 60

/** A row, or the line that is none and why. */
export type BankLine = BankTransaction | { readonly line: number; readonly fault: string }

/** Reads the file, plain or gzip, in bounded memory. */
export async function* readBankFile(file: string): AsyncGenerator<BankLine> {
  for await (const row of readCsvFile(file, checkHeader))
    yield 'fault' in row ? row : toTransaction(row.line, row.values)
}

function checkHeader(columns: readonly string[]): void {
  const missing = COLUMNS.filter((column) => !columns.includes(column))
  if (missing.length > 0)
    throw new CommandFailure('bad_line', `Line 1: the header has no ${missing.join(', ')}. Is this a file of the bank's format?`)
} // prettier-ignore

function toTransaction(line: number, values: Values): BankLine {
  const text = (column: (typeof COLUMNS)[number]): string => values[column] ?? ''
  const amount = parseAmount(text('amount_haler'))
  const balanceAfter = parseMinor(text('balance_after_haler'))
  const direction = text('direction')
  const date = text('date')
  const fault = (column: (typeof COLUMNS)[number], wanted: string): BankLine => ({
    line,
    fault: `${column}: expected ${wanted}, got "${text(column).slice(0, NAME_CHARACTERS_MAX)}"`,
  })
  for (const column of ['transaction_id', 'account', 'counterparty'] as const)
    if (text(column) === '' || text(column).length > NAME_CHARACTERS_MAX || !text(column).isWellFormed())
      return fault(column, `1 to ${NAME_CHARACTERS_MAX} characters`)
  for (const column of ['operation', 'purpose'] as const)
    if (text(column).length > NAME_CHARACTERS_MAX) return fault(column, `at most ${NAME_CHARACTERS_MAX} characters`)
  if (!/^\d{4}-\d\d-\d\d$/.test(date) || parseTime(`${date}T00:00:00Z`) === undefined)
    return fault('date', 'a day such as 1993-01-31')
  if (direction !== 'credit' && direction !== 'debit') return fault('direction', 'credit or debit')
  if (amount === undefined) return fault('amount_haler', 'a whole number above zero')
  if (balanceAfter === undefined) return fault('balance_after_haler', 'a whole number')
  return {
    line,
    transactionId: text('transaction_id'),
    date,
    account: text('account'),
    counterparty: text('counterparty'),
    direction,
    amount,
    balanceAfter,
    operation: text('operation'),
    purpose: text('purpose'),
  }
} // prettier-ignore
