/** Load through both doors, and what its clients know of it: what they were told, and what they heard nothing of. */
import { expect } from 'vitest'
import { newId as makeId } from '../../client/new-id.ts'
import { formatId } from '../../schemas/ids.ts'
import { graphql } from '../../cli/graphql-client.ts'
import { sendCommands, type LaneCommand } from './json-lane.ts'
import { PATIENCE_MS } from './patience.ts'

const BATCH = 40
/** How far behind a heavy load the views may be, in ms. */
const VIEWS_MS_MAX = PATIENCE_MS
export const CASH = '00000000-0000-8000-8000-000000000001'
export const CUSTOMER = '00000000-0000-8000-8000-000000000002'

/** A new transfer id, of now. */
export const newId = (): string => formatId(makeId())
const transferInput = (id: string): Record<string, string> => ({
  id, debitAccountId: CASH, creditAccountId: CUSTOMER, amount: '1', currency: 'EUR',
}) // prettier-ignore
const TRANSFER = `mutation($input: TransferInput!) { transfer(input: $input) { __typename } }`
const HISTORY = `query($id: UUID!, $after: Cursor, $head: Position) { history(accountId: $id, first: 200, after: $after, afterPosition: $head, filter: { kinds: [TransferPosted] }) {
  nodes { transferId } pageInfo { hasNextPage endCursor } } }`

/** What clients know: ids whose outcome they were told, and ids that they sent and heard nothing of. */
export interface Known {
  readonly acknowledged: string[]
  readonly open: Set<string>
}

/** Load that runs until the server is gone, answers that it takes no more, or the load is ended. */
export interface Load {
  /** Waits until this many more have been acknowledged than when it was called. Throws if the load ends before. */
  acknowledged(more: number): Promise<void>
  /** Waits for the answers under way and sends no more. */
  end(): Promise<void>
  /** Resolves when no client sends any more. */
  readonly over: Promise<void>
}

export function knowNothing(): Known {
  return { acknowledged: [], open: new Set() }
}

/** One client of the bulk lane and two of GraphQL, each with one request under way at a time. */
export function startLoad(url: string, known: Known): Load {
  const ended = new AbortController()
  const clients = [
    bulkLoad(url, known, ended.signal),
    graphqlLoad(url, known, ended.signal),
    graphqlLoad(url, known, ended.signal),
  ]
  let isOver = false
  const over = Promise.all(clients).then(() => {
    isOver = true
  })
  return {
    over,
    async acknowledged(more) {
      const wanted = known.acknowledged.length + more
      while (known.acknowledged.length < wanted) {
        if (isOver) throw new Error(`the load ended ${wanted - known.acknowledged.length} transfers short`)
        await pause(5)
      }
    },
    end() {
      ended.abort()
      return over
    },
  }
}

/** Opens the accounts between which the load moves money; harmless if they are open. */
export async function openAccounts(url: string): Promise<void> {
  await sendCommands(
    url,
    [
      { kind: 'openAccount', accountId: CASH, currency: 'EUR', system: true },
      { kind: 'openAccount', accountId: CUSTOMER, currency: 'EUR' },
    ],
    () => undefined,
  )
}

/** Sends batches, one after the other. */
async function bulkLoad(url: string, known: Known, ended: AbortSignal): Promise<void> {
  while (!ended.aborted) {
    const ids = Array.from({ length: BATCH }, newId)
    const commands = ids.map((id): LaneCommand => ({ kind: 'transfer', ...transferInput(id) }))
    for (const id of ids) known.open.add(id)
    try {
      const response = await fetch(`${url}/commands`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ commands }),
      })
      const { results } = (await response.json()) as { results: { id: string; status: string }[] }
      for (const { id, status } of results) if (status === 'accepted') acknowledge(known, id)
    } catch {
      return
    }
  }
}

/** Sends one transfer after the other. */
async function graphqlLoad(url: string, known: Known, ended: AbortSignal): Promise<void> {
  while (!ended.aborted) {
    const id = newId()
    known.open.add(id)
    try {
      await graphql(url, TRANSFER, { input: transferInput(id) })
      acknowledge(known, id)
    } catch {
      return
    }
  }
}

function acknowledge(known: Known, id: string): void {
  known.open.delete(id)
  known.acknowledged.push(id)
}

/** Sends again what nobody heard of, under the same ids, as a client does after a restart. */
export async function resend(url: string, known: Known): Promise<void> {
  const ids = [...known.open]
  if (ids.length === 0) return
  const commands = ids.map((id): LaneCommand => ({ kind: 'transfer', ...transferInput(id) }))
  const results = await sendCommands(url, commands, () => undefined)
  expect(results.map(({ kind }) => kind)).toEqual(ids.map(() => 'accepted'))
  for (const id of ids) acknowledge(known, id)
}

/** The customer's history has each acknowledged transfer once, nothing else, and the balance says so, too. */
export async function expectOnce(url: string, known: Known): Promise<void> {
  const head = await headOf(url)
  const found: string[] = []
  let after: string | null = null
  for (let more = true; more;) {
    type Page = {
      history: {
        nodes: { transferId: string }[]
        pageInfo: { hasNextPage: boolean; endCursor: string | null }
      }
    }
    const { history }: Page = await graphql<Page>(url, HISTORY, { id: CUSTOMER, after, head })
    found.push(...history.nodes.map(({ transferId }) => transferId))
    ;({ hasNextPage: more, endCursor: after } = history.pageInfo)
  }
  expect(found.sort()).toEqual([...known.acknowledged].sort())
  await expectBalance(url, known)
}

/**
 * The customer has what was acknowledged, each transfer counted once: quick, however many there are.
 * @param more acknowledged to others
 */
export async function expectBalance(url: string, known: Known, more = 0): Promise<void> {
  const head = await headOf(url)
  const { balance } = await onceViewsFollow(() =>
    graphql<{ balance: { balance: { minor: string } } }>(
      url,
      'query($id: UUID!, $head: Position) { balance(accountId: $id, after: $head) { balance { minor } } }',
      { id: CUSTOMER, head },
    ),
  )
  expect(balance.balance.minor).toBe(String(known.acknowledged.length + more))
}

/** Asks again where the views have not come so far within the time that one answer takes. */
async function onceViewsFollow<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  const deadlineMs = performance.now() + VIEWS_MS_MAX
  for (;;)
    try {
      return await ask()
    } catch (error) {
      const isLate = error instanceof Error && error.message.includes('do not include this position yet')
      if (!isLate || performance.now() > deadlineMs) throw error
    }
}

async function headOf(url: string): Promise<string> {
  const { projections } = await graphql<{ projections: { head: string }[] }>(url, '{ projections { head } }')
  return projections[0]!.head
} // prettier-ignore

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
