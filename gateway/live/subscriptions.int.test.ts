import { createClient, type Client } from 'graphql-ws'
import type net from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import {
  gatewayUnderTest,
  openAccounts,
  pay,
  TRANSFER,
  uuid,
  type GatewayUnderTest,
} from '../gateway-under-test.testing.ts'

let under: GatewayUnderTest
beforeAll(async () => {
  under = await gatewayUnderTest({
    limits: { subscriberQueueMax: 50, subscriptionsPerSocketMax: 500, drainMs: 200 },
  })
})
afterAll(() => under.stop())

function connect(): Client {
  return createClient({
    url: `${under.url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    lazy: false,
  })
}

const MEMO = 'm'.repeat(256)

const ACTIVITY = `subscription($accountId: UUID!, $after: Position) { accountActivity(accountId: $accountId, after: $after) {
  version position kind amount { minor } balance { balance { minor } } } }`
interface Activity {
  readonly data?: { accountActivity: { version: string; position: string; kind: string } } | null
  readonly errors?: readonly { extensions: Record<string, unknown> }[]
}

function activity(client: Client, accountId: string, after?: string): AsyncIterableIterator<Activity> {
  return client.iterate({ query: ACTIVITY, variables: { accountId, after } }) as never
}

/** The versions of the next so many entries. */
async function take(
  stream: AsyncIterableIterator<Activity>,
  count: number,
): Promise<{ versions: number[]; position: string }> {
  const versions: number[] = []
  let position = ''
  while (versions.length < count) {
    const { value } = (await stream.next()) as { value: Activity }
    if (!value.data) throw new Error(JSON.stringify(value))
    versions.push(Number(value.data.accountActivity.version))
    position = value.data.accountActivity.position
  }
  return { versions, position }
}

function upTo(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index)
}

describe('accountActivity', () => {
  test('a subscriber with a cursor misses nothing and sees nothing twice, however often it comes back', async () => {
    const { accounts } = await openAccounts(under, 2)
    const [account, other] = accounts as [string, string]
    let busy = true
    const load = (async () => {
      let rounds = 0
      for (; busy && rounds < 200; rounds++) await pay(under, account, other, 5, MEMO)
      return rounds
    })()
    let position = (await under.data<{ history: { nodes: { position: string }[] } }>(
      'query($accountId: UUID!) { history(accountId: $accountId, first: 1) { nodes { position } } }', { accountId: account },
    )).history.nodes[0]!.position // prettier-ignore
    let next = 2
    for (let visit = 0; visit < 12; visit++) {
      const client = connect()
      const seen = await take(activity(client, account, position), 10 + 3 * visit)
      expect(seen.versions).toEqual(upTo(next, next + seen.versions.length - 1))
      next += seen.versions.length
      position = seen.position
      await client.dispose()
    }
    busy = false
    const rounds = await load
    const client = connect()
    const rest = 2 + rounds * 5 - (next - 1)
    if (rest > 0)
      expect((await take(activity(client, account, position), rest)).versions).toEqual(
        upTo(next, next + rest - 1),
      )
    await client.dispose()
    expect(rounds).toBeGreaterThan(10)
  })

  test('without a cursor it begins now; an account opened a moment ago is found', async () => {
    const { accounts } = await openAccounts(under, 2)
    const client = connect()
    const stream = activity(client, accounts[0]!)
    const first = stream.next() as Promise<{ value: Activity }>
    await expect.poll(() => under.gateway.figures().subscriptions).toBe(1)
    await pay(under, accounts[0]!, accounts[1]!, 1, MEMO)
    expect((await first).value.data?.accountActivity).toMatchObject({
      version: '3',
      kind: 'TransferPosted',
      balance: { balance: { minor: '99999' } },
    })
    await client.dispose()
  })

  test('a slow subscriber is told that it lags and where to resume, and goes on from there without a gap', async () => {
    const { accounts } = await openAccounts(under, 2)
    const [account, other] = accounts as [string, string]
    const socket = new WebSocket(`${under.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
    await new Promise((resolve) => socket.once('open', resolve))
    const messages: { type: string; payload?: Activity }[] = []
    socket.on('message', (data: Buffer) => messages.push(JSON.parse(data.toString()) as never))
    socket.send('{"type":"connection_init"}')
    await expect.poll(() => messages.at(0)?.type).toBe('connection_ack')
    socket.send(
      JSON.stringify({
        id: '1',
        type: 'subscribe',
        payload: {
          query: `subscription($accountId: UUID!) { accountActivity(accountId: $accountId) { version position ${Array.from({ length: 80 }, (_, index) => `memo${index}: memo`).join(' ')} } }`,
          variables: { accountId: account },
        },
      }),
    )
    await expect.poll(() => under.gateway.figures().subscriptions).toBe(1)
    const inside = (socket as unknown as { _socket: net.Socket })._socket
    inside.pause()
    for (let round = 0; round < 3; round++) await pay(under, account, other, 1_000, MEMO)
    await expect.poll(() => under.gateway.figures().pendingCommands).toBe(0)
    inside.resume()
    await expect.poll(() => messages.at(-1)?.type).toBe('complete')
    const lagged = messages.at(-2)?.payload?.errors?.[0]?.extensions
    expect(lagged).toMatchObject({ code: 'SUBSCRIPTION_LAGGED', retryable: true })
    const entries = messages
      .filter((message) => message.payload?.data)
      .map(({ payload }) => payload!.data!.accountActivity)
    expect(entries.map(({ version }) => Number(version))).toEqual(upTo(3, 2 + entries.length))
    expect(lagged!['position']).toBe(entries.at(-1)!.position)
    expect(under.gateway.figures().subscriptions).toBe(0)
    socket.terminate()
    const client = connect()
    const resumed = await take(
      activity(client, account, lagged!['position'] as string),
      3_000 - entries.length,
    )
    expect(resumed.versions).toEqual(upTo(3 + entries.length, 3_002))
    await client.dispose()
  })

  test('a storm of subscribers that come and go leaves nobody behind', async () => {
    const { accounts } = await openAccounts(under, 1)
    for (let round = 0; round < 5; round++) {
      const client = connect()
      await expect.poll(() => under.gateway.figures().sockets).toBe(1)
      const streams = Array.from({ length: 60 }, () => activity(client, accounts[0]!))
      const firsts = streams.map((stream) => stream.next().catch(() => undefined))
      if (round % 2 === 0) await expect.poll(() => under.gateway.figures().subscriptions).toBe(60)
      for (const stream of streams.slice(0, 30)) void stream.return?.()
      if (round % 3 === 0) client.terminate()
      await client.dispose()
      await Promise.all(firsts)
      await expect.poll(() => under.gateway.figures().sockets).toBe(0)
    }
    await expect.poll(() => under.gateway.figures().subscriptions).toBe(0)
    await expect.poll(() => under.gateway.figures().sockets).toBe(0)
  })
})

describe('transferStatus', () => {
  const STATUS =
    'subscription($id: UUID!, $after: Position) { transferStatus(id: $id, after: $after) { state terminal refusal { code } } }'
  async function states(client: Client, id: string): Promise<unknown[]> {
    const items: unknown[] = []
    for await (const item of client.iterate({ query: STATUS, variables: { id } }))
      items.push((item as { data: { transferStatus: unknown } }).data.transferStatus)
    return items
  }

  test('a hold that does not exist yet is waited for, followed, and done when it is decided', async () => {
    const { accounts } = await openAccounts(under, 2)
    const client = connect()
    const id = uuid()
    const told = states(client, id)
    await expect.poll(() => under.gateway.figures().subscriptions).toBe(1)
    const input = {
      id,
      debitAccountId: accounts[0],
      creditAccountId: accounts[1],
      amount: '10',
      currency: 'EUR',
    }
    await under.data('mutation($input: PlaceHoldInput!) { placeHold(input: $input) { __typename } }', {
      input,
    })
    await under.data('mutation($input: VoidHoldInput!) { voidHold(input: $input) { __typename } }', {
      input: { id: uuid(), holdId: id },
    })
    expect(await told).toEqual([
      { state: 'PENDING', terminal: false, refusal: null },
      { state: 'VOIDED', terminal: true, refusal: null },
    ])
    expect(await states(client, id)).toEqual([{ state: 'VOIDED', terminal: true, refusal: null }])
    await client.dispose()
  })

  test('a hold that runs out says so; a refusal says why', async () => {
    const { accounts } = await openAccounts(under, 2)
    const client = connect()
    const hold = {
      id: uuid(),
      debitAccountId: accounts[0],
      creditAccountId: accounts[1],
      amount: '10',
      currency: 'EUR',
      // Long enough that a busy machine subscribes before it runs out.
      timeoutSeconds: 3,
    }
    const told = states(client, hold.id)
    await under.data('mutation($input: PlaceHoldInput!) { placeHold(input: $input) { __typename } }', {
      input: hold,
    })
    expect(await told).toMatchObject([{ state: 'PENDING' }, { state: 'EXPIRED', terminal: true }])
    const refused = {
      id: uuid(),
      debitAccountId: accounts[0],
      creditAccountId: uuid(),
      amount: '10',
      currency: 'EUR',
    }
    await under.data(TRANSFER, { input: refused })
    expect(await states(client, refused.id)).toEqual([
      { state: 'REFUSED', terminal: true, refusal: { code: 'credit_account_not_found' } },
    ])
    await client.dispose()
  })

  test('a subscriber hears of each of many transfers, wherever between queue and view they are', async () => {
    const { accounts } = await openAccounts(under, 2)
    const client = connect()
    const ids = Array.from({ length: 60 }, () => uuid())
    const told = Promise.all(
      ids.map(async (id, index) => {
        await new Promise((resolve) => setTimeout(resolve, index * 10))
        return states(client, id)
      }),
    )
    for (const id of ids)
      await under.data(TRANSFER, {
        input: {
          id,
          debitAccountId: accounts[0],
          creditAccountId: accounts[1],
          amount: '1',
          currency: 'EUR',
        },
      })
    expect((await told).every((items) => items.length === 1)).toBe(true)
    await client.dispose()
    await expect.poll(() => under.gateway.figures().subscriptions).toBe(0)
  })
})
