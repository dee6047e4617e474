/** kill -9 under load, through both doors: what was acknowledged is there once, and what was not is there once or not at all. */
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { formatId, makeUuidV7 } from '../schemas/ids.ts'
import { graphql } from '../cli/graphql-client.ts'
import { sendCommands, type LaneCommand } from '../cli/import/lane.ts'
import { onlyJson, purser, startServer, withFolder } from './support/purser.ts'

const ROUNDS = 3
const BATCH = 40
const CASH = '00000000-0000-8000-8000-000000000001'
const CUSTOMER = '00000000-0000-8000-8000-000000000002'

const newId = (): string => formatId(makeUuidV7(Date.now(), randomBytes(10)))
const transferInput = (id: string): Record<string, string> => ({
  id, debitAccountId: CASH, creditAccountId: CUSTOMER, amount: '1', currency: 'EUR',
}) // prettier-ignore
const TRANSFER = `mutation($input: TransferInput!) { transfer(input: $input) { __typename } }`
const HISTORY = `query($id: UUID!, $after: Cursor, $head: Position) { history(accountId: $id, first: 200, after: $after, afterPosition: $head, filter: { kinds: [TransferPosted] }) {
  nodes { transferId } pageInfo { hasNextPage endCursor } } }`

/** What clients know: ids whose outcome they were told, and ids that they sent and heard nothing of. */
interface Known {
  readonly acknowledged: string[]
  readonly open: Set<string>
}

test('what was acknowledged survives kill -9, once', () =>
  withFolder(async (folder) => {
    const known: Known = { acknowledged: [], open: new Set() }
    for (let round = 0; round < ROUNDS; round++) {
      const server = await startServer(folder)
      await openAccounts(server.url)
      // What nobody heard of is sent again under the same id, as a client does.
      await resend(server.url, known)
      await expectOnce(server.url, known)
      const loads = [
        bulkLoad(server.url, known),
        graphqlLoad(server.url, known),
        graphqlLoad(server.url, known),
      ]
      const before = known.acknowledged.length
      while (known.acknowledged.length < before + 200) await pause(5)
      await pause(Math.random() * 400)
      await server.kill()
      await Promise.all(loads)
    }
    const last = await startServer(folder)
    await resend(last.url, known)
    await expectOnce(last.url, known)
    const beside = onlyJson((await purser('audit', '--data', folder, '--json')).stdout)
    expect(beside).toMatchObject({ ok: true, running: true })
    await last.stop()
    const atRest = onlyJson((await purser('audit', '--data', folder, '--json')).stdout)
    expect(atRest).toMatchObject({ ok: true, running: false, trialBalance: { EUR: '0' } })
    expect(known.acknowledged.length).toBeGreaterThan(ROUNDS * 200)
  }))

async function openAccounts(url: string): Promise<void> {
  await sendCommands(
    url,
    [
      { kind: 'openAccount', accountId: CASH, currency: 'EUR', system: true },
      { kind: 'openAccount', accountId: CUSTOMER, currency: 'EUR' },
    ],
    () => undefined,
  )
}

/** Sends batches until the server is gone. */
async function bulkLoad(url: string, known: Known): Promise<void> {
  for (;;) {
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

/** Sends one transfer after the other until the server is gone. */
async function graphqlLoad(url: string, known: Known): Promise<void> {
  for (;;) {
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

async function resend(url: string, known: Known): Promise<void> {
  const ids = [...known.open]
  if (ids.length === 0) return
  const commands = ids.map((id): LaneCommand => ({ kind: 'transfer', ...transferInput(id) }))
  const results = await sendCommands(url, commands, () => undefined)
  expect(results.map(({ kind }) => kind)).toEqual(ids.map(() => 'accepted'))
  for (const id of ids) acknowledge(known, id)
}

/** The customer's history has each acknowledged transfer once, nothing else, and the balance says so, too. */
async function expectOnce(url: string, known: Known): Promise<void> {
  const { projections } = await graphql<{ projections: { head: string }[] }>(url, '{ projections { head } }')
  const head = projections[0]!.head
  const found: string[] = []
  let after: string | null = null
  for (let more = true; more; ) {
    type Page = { history: { nodes: { transferId: string }[]; pageInfo: { hasNextPage: boolean; endCursor: string | null } } }
    const { history }: Page = await graphql<Page>(url, HISTORY, { id: CUSTOMER, after, head })
    found.push(...history.nodes.map(({ transferId }) => transferId))
    ;({ hasNextPage: more, endCursor: after } = history.pageInfo)
  }
  expect(found.sort()).toEqual([...known.acknowledged].sort())
  const { balance } = await graphql<{ balance: { balance: { minor: string } } }>(
    url, 'query($id: UUID!, $head: Position) { balance(accountId: $id, after: $head) { balance { minor } } }', { id: CUSTOMER },
  ) // prettier-ignore
  expect(balance.balance.minor).toBe(String(known.acknowledged.length))
} // prettier-ignore

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
