/**
 * The first of two passes over the file: checks every row before anything is loaded, and notes what must come out. Per
 * customer that is the bank's own balance after each transaction, and how far below zero the account goes.
 */
import { CommandFailure } from '../../cli/output/failure.ts'
import { readBankFile } from './bank-file.ts'

export interface Customer {
  /** What its history has to show, in booking order. */
  readonly expected: Expected[]
  /** The running sum of what was booked, and the lowest that it came to: what the overdraft limit has to allow. */
  sum: bigint
  lowest: bigint
}

export interface Expected {
  readonly line: number
  readonly transactionId: string
  readonly date: string
  readonly balanceAfter: bigint
}

export interface Survey {
  readonly transactions: number
  /** By the bank's account number. */
  readonly customers: ReadonlyMap<string, Customer>
}

const FAULTS_NAMED_MAX = 20

/**
 * Reads the whole file once.
 * @throws CommandFailure `bad_line` that names the bad lines
 */
export async function survey(file: string): Promise<Survey> {
  const customers = new Map<string, Customer>()
  const ids = new Set<string>()
  const badLines: { line: number; fault: string }[] = []
  let transactions = 0
  let bad = 0
  for await (const row of readBankFile(file)) {
    const fault =
      'fault' in row ? row.fault : ids.has(row.transactionId) ? `transaction_id: ${row.transactionId} stands on an earlier line as well` : undefined
    if ('fault' in row || fault !== undefined) {
      bad++
      if (badLines.length < FAULTS_NAMED_MAX) badLines.push({ line: row.line, fault: fault ?? '' })
      continue
    }
    ids.add(row.transactionId)
    transactions++
    const customer = customers.get(row.account) ?? { expected: [], sum: 0n, lowest: 0n }
    customers.set(row.account, customer)
    customer.sum += row.direction === 'credit' ? row.amount : -row.amount
    if (customer.sum < customer.lowest) customer.lowest = customer.sum
    const { line, transactionId, date, balanceAfter } = row
    customer.expected.push({ line, transactionId, date, balanceAfter })
  }
  if (bad > 0) throw badFile(bad, badLines)
  return { transactions, customers }
} // prettier-ignore

function badFile(bad: number, badLines: readonly { line: number; fault: string }[]): CommandFailure {
  const named = badLines.map(({ line, fault }) => `  line ${line}: ${fault}`)
  const more = bad > badLines.length ? [`  and ${bad - badLines.length} more`] : []
  return new CommandFailure(
    'bad_line',
    [`${bad} lines of the file are wrong; nothing was loaded.`, ...named, ...more, 'Correct them and run it again.'].join('\n'),
    { badLines },
  )
} // prettier-ignore
