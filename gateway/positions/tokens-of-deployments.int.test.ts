/** Positions that are not in this log, at every field that takes one. Waiting for one costs other clients nothing. */
import { isInputObjectType, getNamedType, type GraphQLArgument } from 'graphql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildSchema } from '../schema/schema.ts'
import {
  gatewayUnderTest,
  openAccounts,
  pay,
  uuid,
  type GatewayUnderTest,
} from '../gateway-under-test.testing.ts'
import { encodeCursor, encodePosition, readCursor, readPosition, type CursorToken } from './tokens.ts'
import { BUILT_IN_VIEWS } from '../../projectors/views/built-in.ts'

/** Operations and waits so few that a test can take them all. */
const OPERATIONS_MAX = 4
const WAITING_MAX = 6

let under: GatewayUnderTest
let owner: string
let accounts: string[]
let position: string
beforeAll(async () => {
  under = await gatewayUnderTest({
    limits: { operationsMax: OPERATIONS_MAX, waitingReadsMax: WAITING_MAX, readWaitMs: 20_000 },
  })
  ;({ owner, accounts, position } = await openAccounts(under, 2))
})
afterAll(() => under.stop())

const OTHER = 'bbbbbbbbbbbb'

/** What each field needs beside its position, and what it is asked for. */
const FIELDS: Readonly<Record<string, { readonly args: () => string; readonly selection: string }>> = {
  node: { args: () => `id: "${accounts[0]}"`, selection: '{ id }' },
  account: { args: () => `id: "${accounts[0]}"`, selection: '{ id }' },
  accounts: { args: () => `owner: "${owner}"`, selection: '{ position }' },
  balance: { args: () => `accountId: "${accounts[0]}"`, selection: '{ version }' },
  history: { args: () => `accountId: "${accounts[0]}"`, selection: '{ position }' },
  transfer: { args: () => `id: "${uuid()}"`, selection: '{ id }' },
  trialBalance: { args: () => '', selection: '{ currency }' },
  openCrossings: { args: () => '', selection: '{ count }' },
  projections: { args: () => '', selection: '{ name }' },
  audit: { args: () => '', selection: '{ hasMore }' },
  transferStatus: { args: () => `id: "${uuid()}"`, selection: '{ state }' },
  accountActivity: { args: () => `accountId: "${accounts[0]}"`, selection: '{ version }' },
}

const schema = buildSchema(BUILT_IN_VIEWS)
/** Every argument of the schema's root fields that is a position: where it stands, and how one is given. */
const arguments_ = [schema.getQueryType()!, schema.getSubscriptionType()!].flatMap((type) =>
  Object.values(type.getFields()).flatMap((field) =>
    field.args.flatMap((argument) =>
      positionsIn(argument).map(({ name, given }) => ({
        operation: type.name.toLowerCase(),
        field: field.name,
        name,
        given,
      })),
    ),
  ),
)

function positionsIn({ name, type }: Pick<GraphQLArgument, 'name' | 'type'>) {
  const named = getNamedType(type)
  if (named.name === 'Position') return [{ name, given: (token: string) => `${name}: "${token}"` }]
  if (!isInputObjectType(named)) return []
  return Object.values(named.getFields())
    .filter((inner) => getNamedType(inner.type).name === 'Position')
    .map((inner) => ({
      name: `${name}.${inner.name}`,
      given: (token: string) => `${name}: { ${inner.name}: "${token}" }`,
    }))
}

interface Told {
  readonly code: unknown
  readonly field: unknown
  readonly retryable: unknown
  readonly position: unknown
}

/** The extensions of the one error with which an operation is answered, by the way that its kind takes. */
async function errorOf(
  { operation, field, given }: (typeof arguments_)[number],
  token: string,
): Promise<Told> {
  const { args, selection } = FIELDS[field]!
  const query = `${operation} { ${field}(${[args(), given(token)].join(' ')}) ${selection} }`
  const response = await fetch(`${under.url}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: operation === 'subscription' ? 'text/event-stream' : 'application/json',
    },
    body: JSON.stringify({ query }),
    signal: AbortSignal.timeout(15_000),
  })
  const text = (await response.text()).replace(/^(:.*\n+)*event: next\ndata: /, '').split('\n')[0]!
  const { errors } = JSON.parse(text) as { errors?: readonly { extensions: Told }[] }
  expect(errors, text).toHaveLength(1)
  return errors![0]!.extensions
}

const own = () => (readPosition(position) as { value: { deployment: string } }).value.deployment

describe.each(arguments_)('$operation $field, $name', (argument) => {
  test('a position of another deployment is refused at once', async () => {
    const told = await errorOf(argument, encodePosition(new Map([[0, 1n]]), OTHER))
    expect(told).toMatchObject({ code: 'BAD_USER_INPUT', field: argument.name, retryable: false })
  })

  test('a position of a partition that does not exist is refused at once, whether or not it says whose it is', async () => {
    for (const deployment of [own(), undefined]) {
      const told = await errorOf(argument, encodePosition(new Map([[1, 0n]]), deployment))
      expect(told).toMatchObject({ code: 'BAD_USER_INPUT', field: argument.name, retryable: false })
    }
  })

  test('a position ahead of the log is an error that says how far the log goes', async () => {
    const head = new Map([[0, under.writer.log.head().sequence]])
    for (const ahead of [1n, 99_999_999n]) {
      const token = encodePosition(new Map([[0, head.get(0)! + ahead]]), own())
      const told = await errorOf(argument, token)
      expect(told).toEqual({
        code: 'POSITION_AHEAD',
        field: argument.name,
        retryable: false,
        position: encodePosition(head, own()),
      })
    }
  })
})

test('the table above has every root field that takes a position', () => {
  expect(new Set(arguments_.map(({ field }) => field))).toEqual(new Set(Object.keys(FIELDS)))
})

interface Page {
  nodes: { cursor: string }[]
}

/** The account's number in a cursor of its history. */
function numberIn(cursor: string): number {
  const token = readCursor(cursor) as { value: CursorToken }
  return token.value.key.account
}

describe('cursors', () => {
  const pageOf = async (what: 'history' | 'accounts', args: string) =>
    (await under.data<Record<string, Page>>(`{ ${what}(${args}) { ${what === 'history' ? 'nodes { cursor }' : 'edges { cursor }'} } }`))[what]! // prettier-ignore
  const errorsAt = async (query: string) => (await under.graphql(query)).errors?.[0]?.extensions

  test('one of another list, another account, another owner or another deployment is refused with its argument', async () => {
    const [one, two] = accounts as [string, string]
    const entries = await pageOf('history', `accountId: "${one}"`)
    const entry = entries.nodes[0]!.cursor
    const listed = (
      (await pageOf('accounts', `owner: "${owner}"`)) as unknown as { edges: { cursor: string }[] }
    ).edges[0]!.cursor
    const foreign = encodeCursor({ list: 'history', partition: 0, account: 1, sequence: 1n }, OTHER)
    const beyond = encodeCursor({ list: 'history', partition: 5, account: 1, sequence: 1n }, own())
    for (const [query, field] of [
      [`history(accountId: "${one}", after: "${listed}") { position }`, 'after'],
      [`history(accountId: "${two}", after: "${entry}") { position }`, 'after'],
      [`history(accountId: "${two}", last: 3, before: "${entry}") { position }`, 'before'],
      [`account(id: "${two}") { history(before: "${entry}") { position } }`, 'before'],
      [`accounts(owner: "${owner}", after: "${entry}") { position }`, 'after'],
      [`accounts(owner: "${owner} junior", after: "${listed}") { position }`, 'after'],
      [`history(accountId: "${one}", after: "${foreign}") { position }`, 'after'],
      [`history(accountId: "${one}", after: "${beyond}") { position }`, 'after'],
    ] as const)
      expect(await errorsAt(`{ ${query} }`), query).toMatchObject({
        code: 'BAD_USER_INPUT',
        field,
        retryable: false,
      })
    // Where they belong, they are taken.
    await under.data(`{ history(accountId: "${one}", after: "${entry}") { position } }`)
    await under.data(`{ accounts(owner: "${owner}", after: "${listed}") { position } }`)
  })

  test('one ahead of the log is an error, not a page with nothing on it', async () => {
    const sequence = under.writer.log.head().sequence + 7n
    const account = await under.data<{ history: Page }>(
      `{ history(accountId: "${accounts[0]}") { nodes { cursor } } }`,
    )
    const number = numberIn(account.history.nodes[0]!.cursor)
    const cursor = encodeCursor({ list: 'history', partition: 0, account: number, sequence }, own())
    for (const args of [`after: "${cursor}"`, `last: 5, before: "${cursor}"`])
      expect(await errorsAt(`{ history(accountId: "${accounts[0]}", ${args}) { position } }`)).toMatchObject({
        code: 'POSITION_AHEAD',
        retryable: false,
      })
  })
})

test('a cursor newer than the views is waited for, as a position is', async () => {
  const nodes = `{ history(accountId: "${accounts[0]}") { nodes { cursor } } }`
  const { history } = await under.data<{ history: Page }>(nodes)
  const number = numberIn(history.nodes[0]!.cursor)
  await under.projections.pause()
  await pay(under, accounts[0]!, accounts[1]!)
  const sequence = under.writer.log.head().sequence
  const cursor = encodeCursor({ list: 'history', partition: 0, account: number, sequence }, own())
  const page = under.graphql<{ history: { nodes: unknown[] } }>(
    `{ history(accountId: "${accounts[0]}", last: 1, before: "${cursor}") { nodes { version } } }`,
  )
  await expect.poll(() => under.gateway.figures().operations).toBe(1)
  under.projections.resume()
  expect((await page).data?.history.nodes).toHaveLength(1)
}, 60_000)

test('a position from before there were tokens of a deployment is taken; what is answered names it', async () => {
  const unsaid = encodePosition(new Map([[0, 1n]]))
  const answer = await under.data<{ balance: { position: string } }>(
    `{ balance(accountId: "${accounts[0]}", after: "${unsaid}") { position } }`,
  )
  expect(answer.balance.position).toMatch(/^p2_/)
})

test('reads that wait for a position take no place from others; beyond their own bound they alone are told BUSY', async () => {
  await under.projections.pause()
  const after = await pay(under, accounts[0]!, accounts[1]!)
  // Several fields of one request wait side by side, and are one that waits.
  const wait = `{ one: transfer(id: "${uuid()}", after: "${after}") { id } two: account(id: "${accounts[0]}", after: "${after}") { id } }`
  const waiting = Array.from({ length: WAITING_MAX }, () => under.graphql(wait))
  await expect.poll(() => under.gateway.figures().operations).toBe(WAITING_MAX)
  const further = await under.graphql(wait)
  expect(further.errors?.map(({ extensions }) => extensions)).toContainEqual(
    expect.objectContaining({ code: 'BUSY', retryable: true }),
  )
  // More than fit at a time if those that wait had places.
  const others = await Promise.all(
    Array.from({ length: OPERATIONS_MAX }, () => under.graphql('{ projections { name } }')),
  )
  for (const other of others) expect(other.errors).toBeUndefined()
  under.projections.resume()
  for (const answer of await Promise.all(waiting)) expect(answer.errors).toBeUndefined()
  await expect.poll(() => under.gateway.figures().operations).toBe(0)
}, 60_000)

test.each<[string, (after: string) => Promise<unknown>]>([
  ['how the views are', (after) => under.graphql(`{ projections(after: "${after}") { name } }`)],
  ['what is known of an import', () => under.post('/imports/waiting/known', { rows: [] })],
])(
  'who waits to be told %s takes no place from others either',
  async (_what, wait) => {
    await under.projections.pause()
    const after = await pay(under, accounts[0]!, accounts[1]!)
    const { sequence } = under.writer.log.head()
    const first = await under.post('/imports/waiting/times', {
      partition: 0,
      beyond: null,
      after: String(sequence),
    })
    const [{ baseTimesMs }] = first.body['partitions'] as [{ baseTimesMs: number[] }]
    const beyond = baseTimesMs.at(-1)
    await under.post('/imports/waiting/times', { partition: 0, beyond, after: String(sequence) })
    const waiting = Array.from({ length: OPERATIONS_MAX }, () => wait(after))
    await expect.poll(() => under.gateway.figures().operations).toBe(OPERATIONS_MAX)
    const other = await under.graphql('{ projections { name } }')
    expect(other.errors).toBeUndefined()
    under.projections.resume()
    for (const answer of await Promise.all(waiting)) expect(answer).not.toHaveProperty('errors')
    await expect.poll(() => under.gateway.figures().operations).toBe(0)
  },
  60_000,
)

test('a base time of an import begins behind no place that the log does not have: its rows would be "not yet" for ever', async () => {
  const after = String(under.writer.log.head().sequence + 99_999_999n)
  const begun = await under.post('/imports/ahead/times', { partition: 0, beyond: null, after })
  expect(begun).toMatchObject({ status: 409, body: { error: { code: 'POSITION_AHEAD', field: 'after' } } })
  expect(await (await fetch(`${under.url}/imports/ahead`)).json()).toMatchObject({ partitions: [] })
  expect((await under.post('/imports/ahead/known', { rows: [] })).status).toBe(200)
})

test('by effective time, a hold dated ahead or posted with an earlier date never takes what nothing had reserved', async () => {
  const [debitAccountId, creditAccountId] = accounts as [string, string]
  const day = (days: number): string => new Date(Date.now() + days * 86_400_000).toISOString()
  const move = { debitAccountId, creditAccountId, currency: 'EUR', amount: '100' }
  const [ahead, march] = [uuid(), uuid()]
  const { body } = await under.post('/commands', {
    commands: [
      { kind: 'placeHold', id: ahead, ...move, effectiveAt: day(30) },
      { kind: 'voidHold', id: uuid(), holdId: ahead },
      { kind: 'placeHold', id: march, ...move, effectiveAt: day(-20) },
      { kind: 'postHold', id: uuid(), holdId: march, amount: '60', effectiveAt: day(-50) },
    ],
  })
  expect((body['results'] as { status: string }[]).map(({ status }) => status)).toEqual(
    Array.from({ length: 4 }, () => 'accepted'),
  )
  const after = body['position'] as string
  for (const days of [-60, -50, -30, -20.001, -19.999, -1, 0.5, 29, 31]) {
    const answer = await under.data<{
      balance: Record<'balance' | 'held' | 'available' | 'creditsPending', { minor: string }>
    }>(
      `{ balance(accountId: "${debitAccountId}", after: "${after}", at: { effectiveTime: "${day(days)}" }) {
        balance { minor } held { minor } available { minor } creditsPending { minor } } }`,
    )
    const { balance, held, available } = answer.balance
    expect([days, held.minor]).toEqual([days, '0'])
    expect(BigInt(available.minor)).toBe(BigInt(balance.minor))
    expect([days, BigInt(balance.minor) < 0n]).toEqual([days, days > -20 && days < 0])
  }
})

test('nothing of all this was a fault of ours', () => {
  expect(under.lines).toEqual([])
})
