/**
 * The second pass: the bank's rows become lines of the neutral import format. Every booking is a transfer between two
 * accounts: the customer's, and one for cash, interest, fees or the account at another bank. Those others are system
 * accounts, where money enters and leaves, so that the whole sums to zero.
 */
import type { ImportLine } from '../../cli/import/file/rows.ts'
import type { BankTransaction } from './bank-file.ts'
import { readBankFile } from './bank-file.ts'
import type { Survey } from './survey.ts'

export const CURRENCY = 'CZK'
const OWN_COUNTERPARTIES = new Set(['cash', 'interest', 'fees'])

/** Names of accounts; `purser id account NAME` says their ids. */
export function customerName(account: string): string {
  return `czech-bank/customer/${account}`
}
export function counterpartyName(counterparty: string): string {
  return OWN_COUNTERPARTIES.has(counterparty) ? `czech-bank/${counterparty}` : `czech-bank/other-bank/${counterparty}`
} // prettier-ignore
export function transactionName(transactionId: string): string {
  return `czech-bank/transaction/${transactionId}`
}

/** Lines to import: each account in front of its first transfer, and the transfers in booking order. */
export async function* convert(file: string, { customers }: Survey): AsyncGenerator<ImportLine> {
  const opened = new Set<string>()
  for await (const row of readBankFile(file)) {
    if ('fault' in row) throw new Error(`line ${row.line} was right a moment ago: the file changes while it is read`)
    const { line, account } = row
    const customer = customerName(account)
    if (!opened.has(customer)) {
      opened.add(customer)
      const overdraftLimit = (-(customers.get(account)?.lowest ?? 0n)).toString()
      yield { line, row: { type: 'account', id: customer, owner: `customer ${account}`, currency: CURRENCY, overdraftLimit } }
    }
    const counterparty = counterpartyName(row.counterparty)
    if (!opened.has(counterparty)) {
      opened.add(counterparty)
      yield { line, row: { type: 'account', id: counterparty, owner: row.counterparty, currency: CURRENCY, system: true } }
    }
    yield { line, row: transferOf(row, customer, counterparty) }
  }
} // prettier-ignore

function transferOf(row: BankTransaction, customer: string, counterparty: string): Extract<ImportLine, { row: unknown }>['row'] {
  const isCredit = row.direction === 'credit'
  return {
    type: 'transfer',
    id: row.transactionId,
    debit: isCredit ? counterparty : customer,
    credit: isCredit ? customer : counterparty,
    amount: row.amount.toString(),
    currency: CURRENCY,
    effectiveAt: `${row.date}T00:00:00Z`,
    reference: transactionName(row.transactionId),
    memo: `${row.operation} / ${row.purpose}`,
  }
} // prettier-ignore
