import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildSchema, schemaText } from '../schema/schema.ts'
import {
  gatewayUnderTest,
  openAccounts,
  TRANSFER,
  uuid,
  type GatewayUnderTest,
} from '../gateway-under-test.testing.ts'
import { BUILT_IN_VIEWS } from '../../projectors/views/built-in.ts'

let under: GatewayUnderTest
let cash: string
let account: string
let other: string
let owner: string
/** Position after each of ten payments of 1, 2, … 10; effective on that day of January 2020, in reverse order. */
const positions: string[] = []
const times: string[] = []

beforeAll(async () => {
  under = await gatewayUnderTest({ limits: { readWaitMs: 10_000 } })
  const opened = await openAccounts(under, 2)
  ;[account, other] = opened.accounts as [string, string]
  cash = opened.cash
  owner = opened.owner
  for (let index = 1; index <= 10; index++) {
    const { transfer } = await under.data<{
      transfer: { position: string; transfer: { timeline: { committed: string } } }
    }>(TRANSFER, {
      input: {
        id: uuid(), debitAccountId: account, creditAccountId: other, amount: String(index), currency: 'EUR',
        effectiveAt: `2020-01-${String(11 - index).padStart(2, '0')}T00:00:00Z`, code: index % 2,
      }, // prettier-ignore
    })
    positions.push(transfer.position)
    times.push(transfer.transfer.timeline.committed)
  }
})
afterAll(() => under.stop())

interface Page {
  readonly edges: {
    cursor: string
    node: { amount: { minor: string }; kind: string; balance: { balance: { minor: string } } }
  }[]
  readonly pageInfo: {
    hasNextPage: boolean
    hasPreviousPage: boolean
    startCursor: string
    endCursor: string
  }
}

async function page(args: string): Promise<Page> {
  const query = `query($id: UUID!, $after: Position) { history(accountId: $id, afterPosition: $after, ${args}) {
    edges { cursor node { amount { minor } kind balance { balance { minor } } } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`
  return (await under.data<{ history: Page }>(query, { id: account, after: positions.at(-1) })).history
}

const amounts = ({ edges }: Page): string[] => edges.map(({ node }) => node.amount.minor)

describe('history', () => {
  test('pages forward and backward meet, without gap or repeat, in the order of the log', async () => {
    const first = await page('first: 5')
    const second = await page(`first: 5, after: "${first.pageInfo.endCursor}"`)
    const third = await page(`first: 5, after: "${second.pageInfo.endCursor}"`)
    expect([...amounts(first), ...amounts(second), ...amounts(third)]).toEqual([
      '0',
      '100000',
      '1',
      '2',
      '3',
      '4',
      '5',
      '6',
      '7',
      '8',
      '9',
      '10',
    ])
    expect([first, second, third].map(({ pageInfo }) => pageInfo.hasNextPage)).toEqual([true, true, false])
    const last = await page('last: 3')
    expect(amounts(last)).toEqual(['8', '9', '10'])
    expect(last.pageInfo).toMatchObject({ hasPreviousPage: true, hasNextPage: false })
    expect(amounts(await page(`last: 3, before: "${last.pageInfo.startCursor}"`))).toEqual(['5', '6', '7'])
    expect(amounts(await page(`first: 20, after: "${last.pageInfo.endCursor}"`))).toEqual([])
    expect(second.edges[0]!.node.balance.balance.minor).toBe(String(100_000 - 1 - 2 - 3 - 4))
  })

  test('filters hold together, their bounds included', async () => {
    expect(amounts(await page('filter: { amountMin: "3", amountMax: "6", code: 1 }'))).toEqual(['3', '5'])
    expect(amounts(await page('filter: { kinds: [AccountOpened] }'))).toEqual(['0'])
    expect(amounts(await page('filter: { direction: CREDIT }'))).toEqual(['100000'])
    expect(amounts(await page(`filter: { counterpartyAccountId: "${cash}" }`))).toEqual(['100000'])
    expect(amounts(await page(`filter: { counterpartyAccountId: "${uuid()}" }`))).toEqual([])
    expect(
      amounts(
        await page('filter: { effectiveFrom: "2020-01-01T00:00:00Z", effectiveTo: "2020-01-02T00:00:00Z" }'),
      ),
    ).toEqual(['9', '10'])
    expect(amounts(await page(`filter: { recordedFrom: "${times[7]}", recordedTo: "${times[8]}" }`))).toEqual(
      ['8', '9'],
    )
  })
})

describe('balances', () => {
  const at = async (moment: string): Promise<string> =>
    (await under.data<{ balance: { balance: { minor: string } } }>(
      `query($id: UUID!) { balance(accountId: $id, at: ${moment}) { balance { minor } } }`, { id: account },
    )).balance.balance.minor // prettier-ignore

  test('as of a position, a recorded time and an effective time', async () => {
    expect(await at(`{ position: "${positions[3]}" }`)).toBe('99990')
    expect(await at(`{ time: "${times[3]}" }`)).toBe('99990')
    expect(await at(`{ time: "1990-01-01T00:00:00Z" }`)).toBe('0')
    expect(await at('{ effectiveTime: "2020-01-02T00:00:00Z" }')).toBe('-19')
  })

  test('asked for again they come from memory, and say the same as the view at a position that is not behind it', async () => {
    const query =
      'query($id: UUID!, $after: Position) { balance(accountId: $id, after: $after) { accountId balance { minor } held { minor } available { minor } version position recordedAt } }'
    let before = 0n
    for (let round = 0; round < 20; round++) {
      const { transfer } = await under.data<{ transfer: { position: string } }>(TRANSFER, {
        input: { id: uuid(), debitAccountId: other, creditAccountId: account, amount: '1', currency: 'EUR' },
      })
      const [hot, viewed] = await Promise.all([
        under.data<{ balance: Record<string, unknown> & { version: string } }>(query, {
          id: account,
          after: transfer.position,
        }),
        under.data<{ account: { balance: unknown } }>(
          'query($id: UUID!, $after: Position) { account(id: $id, after: $after) { balance { accountId balance { minor } held { minor } available { minor } version position recordedAt } } }',
          { id: account, after: transfer.position },
        ),
      ])
      expect(hot.balance).toEqual(viewed.account.balance)
      expect(BigInt(hot.balance.version)).toBeGreaterThan(before)
      before = BigInt(hot.balance.version)
    }
  })

  test('fields of one request are answered at one position, that of the latest that is asked for', async () => {
    const { transfer } = await under.data<{ transfer: { position: string } }>(TRANSFER, {
      input: { id: uuid(), debitAccountId: other, creditAccountId: account, amount: '1', currency: 'EUR' },
    })
    const answer = await under.data<
      Record<'account' | 'history' | 'accounts' | 'audit', { position: string }>
    >(
      `query($id: UUID!, $owner: String!, $after: Position) {
        account(id: $id) { position } history(accountId: $id) { position } accounts(owner: $owner) { position }
        audit(after: $after) { position } }`,
      { id: account, owner, after: transfer.position },
    )
    expect(new Set(Object.values(answer).map(({ position }) => position)).size).toBe(1)
  })

  test('views that stand still make reads wait, then fail as not yet; without "after" they answer as of then', async () => {
    await under.projections.pause()
    const { transfer } = await under.data<{ transfer: { position: string } }>(TRANSFER, {
      input: { id: uuid(), debitAccountId: other, creditAccountId: account, amount: '1', currency: 'EUR' },
    })
    const query =
      'query($id: UUID!, $after: Position) { account(id: $id, after: $after) { position status } }'
    const late = await under.graphql(query, { id: account, after: transfer.position })
    expect(late.errors?.[0]?.extensions).toMatchObject({
      code: 'NOT_YET',
      retryable: true,
      position: expect.any(String) as string,
    })
    expect((await under.data<{ account: { status: string } }>(query, { id: account })).account.status).toBe(
      'OPEN',
    )
    const projections =
      'query($after: Position) { projections(after: $after) { name state lagEvents lagSeconds } }'
    const { projections: lagging } = await under.data<{
      projections: { lagEvents: string; state: string }[]
    }>(projections)
    expect(lagging[0]).toMatchObject({ state: 'PAUSED' })
    expect(Number(lagging[0]!.lagEvents)).toBeGreaterThan(0)
    under.projections.resume()
    const { projections: live } = await under.data<{ projections: { name: string; lagEvents: string }[] }>(
      projections,
      { after: transfer.position },
    )
    expect(live.map(({ name }) => name)).toEqual(['balances', 'history', 'audit', 'crossings'])
    expect(live[0]!.lagEvents).toBe('0')
  })
})

describe('the rest', () => {
  test('accounts of an owner come in pages; nodes are found by id', async () => {
    const query =
      'query($owner: String!, $after: Cursor) { accounts(owner: $owner, first: 1, after: $after) { nodes { id owner } pageInfo { hasNextPage endCursor } } }'
    type Accounts = {
      accounts: { nodes: { id: string }[]; pageInfo: { hasNextPage: boolean; endCursor: string } }
    }
    const first = await under.data<Accounts>(query, { owner })
    const second = await under.data<Accounts>(query, { owner, after: first.accounts.pageInfo.endCursor })
    expect([...first.accounts.nodes, ...second.accounts.nodes].map(({ id }) => id)).toEqual([account, other])
    expect([first, second].map(({ accounts }) => accounts.pageInfo.hasNextPage)).toEqual([true, false])
    const nodes = await under.data<{ a: unknown; b: unknown; c: unknown }>(
      `{ a: node(id: "${account}") { __typename id } b: node(id: "${uuid()}") { id } c: node(id: "x") { id } }`,
    )
    expect(nodes).toEqual({ a: { __typename: 'Account', id: account }, b: null, c: null })
  })

  test('audit tells every event once, refusals included, page after page', async () => {
    await under.data(TRANSFER, {
      input: { id: uuid(), debitAccountId: account, creditAccountId: uuid(), amount: '1', currency: 'EUR' },
    })
    const query =
      'query($from: Position, $filter: AuditFilter) { audit(from: $from, first: 7, filter: $filter) { events { sequence kind refusal debitAccountId creditAccountId } next hasMore } }'
    type Audit = {
      audit: {
        events: { sequence: string; kind: string; refusal: string | null; creditAccountId: string }[]
        next: string
        hasMore: boolean
      }
    }
    const seen: number[] = []
    let from: string | undefined
    for (let more = true; more;) {
      const { audit } = await under.data<Audit>(query, { from })
      seen.push(...audit.events.map(({ sequence }) => Number(sequence)))
      from = audit.next
      more = audit.hasMore
    }
    expect(seen).toEqual(seen.map((_, index) => index + 1))
    expect(seen.length).toBeGreaterThan(30)
    await expect
      .poll(
        async () =>
          (await under.data<Audit>(query, { filter: { refusals: ['credit_account_not_found'] } })).audit
            .events,
      )
      .toMatchObject([
        { kind: 'TransferRefused', refusal: 'credit_account_not_found', debitAccountId: account },
      ])
  })

  test('the trial balance of every currency is zero, now and at any moment', async () => {
    const query =
      'query($at: AsOf) { trialBalance(currency: "EUR", at: $at) { currency accounts sum { minor } debitsPosted { minor } } }'
    for (const moment of [undefined, { position: positions[2] }, { effectiveTime: '2020-01-05T00:00:00Z' }]) {
      const { trialBalance } = await under.data<{ trialBalance: unknown }>(query, { at: moment })
      expect(trialBalance).toMatchObject([{ currency: 'EUR', sum: { minor: '0' } }])
    }
  })

  test('the committed schema is the one of the code', () => {
    expect(readFileSync('gateway/schema.graphql', 'utf8')).toBe(schemaText(buildSchema(BUILT_IN_VIEWS)))
  })
})
