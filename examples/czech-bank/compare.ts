/** Reads every customer's account back through GraphQL, page by page, and holds it against what the bank recorded. */
import { accountIdOf, referenceIdOf } from '../../cli/external-ids.ts'
import { graphql } from '../../cli/graphql-client.ts'
import { customerName, transactionName } from './convert.ts'
import type { Customer, Expected, Survey } from './survey.ts'

const QUERY = `
  query History($id: UUID!, $position: Position, $cursor: Cursor) {
    account(id: $id, after: $position) {
      balance { balance { minor } }
      history(first: 200, after: $cursor, filter: { kinds: [TransferPosted] }) {
        nodes { reference effectiveAt balance { balance { minor } } }
        pageInfo { hasNextPage endCursor }
      }
    }
  }`

interface Entry {
  readonly reference: string | null
  readonly effectiveAt: string
  readonly balance: { readonly balance: { readonly minor: string } }
}

interface Answer {
  readonly account: {
    readonly balance: { readonly balance: { readonly minor: string } }
    readonly history: {
      readonly nodes: readonly Entry[]
      readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null }
    }
  } | null
}

export interface Comparison {
  /** Transactions, and last balances, that are not what the bank recorded. */
  readonly mismatches: number
  /** The first ones, for people. */
  readonly examples: readonly string[]
}

const EXAMPLES_MAX = 20
const READERS = 8

/**
 * Compares all customers' accounts.
 * @param position what the reads have to include: everything that was loaded
 */
export async function compare(url: string, { customers }: Survey, position: string | undefined): Promise<Comparison> {
  const waiting = customers.entries()
  const examples: string[] = []
  let mismatches = 0
  const readOnes = async (): Promise<void> => {
    for (const [account, customer] of waiting)
      for (const mismatch of await compareOne(url, account, customer, position)) {
        mismatches++
        if (examples.length < EXAMPLES_MAX) examples.push(mismatch)
      }
  }
  // All readers take from one list: each account is read once.
  await Promise.all(Array.from({ length: READERS }, readOnes))
  return { mismatches, examples }
} // prettier-ignore

async function compareOne(url: string, account: string, { expected }: Customer, position: string | undefined): Promise<string[]> {
  const id = accountIdOf(customerName(account))
  const mismatches: string[] = []
  let index = 0
  let cursor: string | null = null
  let balance = 'no account'
  for (let hasNextPage = true; hasNextPage; ) {
    const answer: Answer = await graphql<Answer>(url, QUERY, { id, position, cursor })
    if (answer.account === null) break
    balance = answer.account.balance.balance.minor
    for (const entry of answer.account.history.nodes) {
      const difference = differenceOf(expected[index++], entry)
      if (difference !== undefined) mismatches.push(`account ${account}: ${difference}`)
    }
    ;({ hasNextPage, endCursor: cursor } = answer.account.history.pageInfo)
  }
  for (const missing of expected.slice(index)) mismatches.push(`account ${account}: line ${missing.line} is not in the history`)
  const last = expected.at(-1)!.balanceAfter.toString()
  if (balance !== last) mismatches.push(`account ${account}: the balance is ${balance}, the bank's last one ${last}`)
  return mismatches
} // prettier-ignore

function differenceOf(expected: Expected | undefined, entry: Entry): string | undefined {
  const balance = entry.balance.balance.minor
  if (expected === undefined) return `an entry with balance ${balance} that the bank does not have`
  const { line, transactionId, date, balanceAfter } = expected
  if (entry.reference !== referenceIdOf(transactionName(transactionId))) return `line ${line} is another transaction there`
  if (entry.effectiveAt !== `${date}T00:00:00Z`) return `line ${line} has the date ${entry.effectiveAt}, not ${date}`
  if (balance !== balanceAfter.toString()) return `line ${line} leaves ${balance}, the bank recorded ${balanceAfter}`
  return undefined
} // prettier-ignore
