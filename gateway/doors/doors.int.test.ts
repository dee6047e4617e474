import { serverAudits } from 'graphql-http'
import { createClient, type Client } from 'graphql-ws'
import http from 'node:http'
import net from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import {
  gatewayUnderTest,
  OPEN,
  openAccounts,
  TRANSFER,
  uuid,
  type GatewayUnderTest,
} from '../gateway-under-test.testing.ts'

/** How long a check is repeated: the machine may be busy with other tests. */

let under: GatewayUnderTest
let account: string
let other: string
beforeAll(async () => {
  under = await gatewayUnderTest({ limits: { subscriptionsPerSocketMax: 5, drainMs: 300 } })
  const { accounts } = await openAccounts(under, 2)
  account = accounts[0]!
  other = accounts[1]!
})
afterAll(() => under.stop())

function client(): Client {
  return createClient({
    url: `${under.url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
  })
}

/** The results of one operation over a socket. */
async function overSocket(
  socket: Client,
  query: string,
  variables: Record<string, unknown> = {},
): Promise<unknown[]> {
  const results: unknown[] = []
  for await (const result of socket.iterate({ query, variables })) results.push(result)
  return results
}

describe('GraphQL over HTTP', () => {
  test('no MUST of the specification fails, nor any SHOULD', async () => {
    const audits = serverAudits({ url: `${under.url}/graphql`, fetchFn: fetch })
    const failed: string[] = []
    for (const audit of audits) {
      const result = await audit.fn()
      if (result.status === 'error' || result.status === 'warn')
        failed.push(`${result.status} ${audit.name}: ${result.reason}`)
    }
    expect(audits).toHaveLength(61)
    expect(failed).toEqual([])
  })

  test('a browser gets GraphiQL; a body without a length is read as well', async () => {
    const page = await fetch(`${under.url}/graphql`, { headers: { accept: 'text/html' } })
    expect(page.headers.get('content-type')).toContain('text/html')
    const chunked = await fetch(`${under.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: new ReadableStream({
        start(controller) {
          controller.enqueue(new TextEncoder().encode('{"query":"{ __'))
          controller.enqueue(new TextEncoder().encode('typename }"}'))
          controller.close()
        },
      }),
      duplex: 'half',
    } as RequestInit)
    expect(await chunked.json()).toEqual({ data: { __typename: 'Query' } })
  })

  test('live and ready are told; what is nowhere is 404 in JSON', async () => {
    expect((await fetch(`${under.url}/livez`)).status).toBe(200)
    expect(await (await fetch(`${under.url}/readyz`)).json()).toMatchObject({ ready: true, reasons: [] })
    const nowhere = await fetch(`${under.url}/graphql/../admin`)
    expect(nowhere.status).toBe(404)
    expect(await nowhere.json()).toMatchObject({ error: { code: 'NOT_FOUND' } })
  })
})

describe('GraphQL over WebSocket', () => {
  test('queries, mutations and subscriptions work with the client of graphql-ws', async () => {
    const socket = client()
    expect(await overSocket(socket, '{ __typename }')).toEqual([{ data: { __typename: 'Query' } }])
    const id = uuid()
    const input = { id, debitAccountId: account, creditAccountId: other, amount: '5', currency: 'EUR' }
    expect(await overSocket(socket, TRANSFER, { input })).toMatchObject([
      { data: { transfer: { __typename: 'TransferApplied' } } },
    ])
    const status =
      'subscription($id: UUID!) { transferStatus(id: $id) { state terminal transfer { amount { minor } } } }'
    expect(await overSocket(socket, status, { id })).toEqual([
      { data: { transferStatus: { state: 'POSTED', terminal: true, transfer: { amount: { minor: '5' } } } } },
    ])
    await socket.dispose()
  })

  test('a wrong operation is an error of its own and leaves the socket open', async () => {
    const socket = client()
    const wrong = async (query: string): Promise<unknown> =>
      overSocket(socket, query).then(
        () => undefined,
        (errors: unknown) => errors,
      )
    expect(await wrong('{ balance(')).toMatchObject([{ extensions: { code: 'GRAPHQL_PARSE_FAILED' } }])
    expect(await wrong('{ nothing }')).toMatchObject([{ extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } }])
    expect(
      await overSocket(socket, '{ account(id: "018f3a5e-7c1a-7b3c-9d2e-4f5a6b7c8d9e") { id } }'),
    ).toEqual([{ data: { account: null } }])
    const unknown = `subscription { accountActivity(accountId: "${uuid()}") { kind } }`
    expect(await overSocket(socket, unknown)).toMatchObject([
      { errors: [{ extensions: { code: 'BAD_USER_INPUT', field: 'accountId' } }] },
    ])
    expect(await overSocket(socket, '{ __typename }')).toHaveLength(1)
    await socket.dispose()
  })

  test('a socket has so many subscriptions and no more', async () => {
    const socket = client()
    const activity = `subscription { accountActivity(accountId: "${account}") { kind } }`
    const open = Array.from({ length: 5 }, () => socket.iterate({ query: activity }))
    open.forEach((iterator) => void iterator.next())
    await expect.poll(() => under.gateway.figures().subscriptions).toBe(5)
    await expect(socket.iterate({ query: activity }).next()).rejects.toMatchObject([
      { extensions: { code: 'BUSY' } },
    ])
    await socket.dispose()
    await expect.poll(() => under.gateway.figures().subscriptions).toBe(0)
  })

  test('a frame that is too long, another origin, another protocol and another path are turned away', async () => {
    const address = `${under.url.replace('http', 'ws')}/graphql`
    const closed = (socket: WebSocket): Promise<number> =>
      new Promise((resolve) => {
        socket.on('error', () => undefined)
        socket.on('close', (code) => resolve(code))
      })
    const long = new WebSocket(address, 'graphql-transport-ws')
    long.on('open', () => long.send('x'.repeat(70_000)))
    expect(await closed(long)).toBe(1009)
    expect(
      await closed(new WebSocket(address, 'graphql-transport-ws', { origin: 'https://evil.example' })),
    ).toBe(1006)
    expect(await closed(new WebSocket(address, 'graphql-ws'))).not.toBe(1000)
    expect(await closed(new WebSocket(`${address}/other`, 'graphql-transport-ws'))).toBe(1006)
    const garbage = new WebSocket(address, 'graphql-transport-ws')
    garbage.on('open', () => garbage.send('{"type":'))
    expect(await closed(garbage)).toBe(4400)
    expect(await (await fetch(`${under.url}/livez`)).json()).toEqual({ status: 'live' })
  })
})

describe('SSE', () => {
  test('a subscription is a stream of events that carry data, and ends when it is decided', async () => {
    const id = uuid()
    const query = `subscription { transferStatus(id: "${id}") { state position } }`
    const stream = await fetch(`${under.url}/graphql?query=${encodeURIComponent(query)}`, {
      headers: { accept: 'text/event-stream' },
    })
    expect(stream.headers.get('content-type')).toContain('text/event-stream')
    await expect.poll(() => under.gateway.figures().subscriptions).toBe(1)
    const input = { id, debitAccountId: account, creditAccountId: other, amount: '5', currency: 'EUR' }
    await under.data(TRANSFER, { input })
    const text = await stream.text()
    expect(text).toMatch(
      /event: next\ndata: \{"data":\{"transferStatus":\{"state":"POSTED","position":"p2_[\w-]+"\}\}\}/,
    )
    expect(text).toContain('event: complete')
    expect(under.gateway.figures().subscriptions).toBe(0)
  })
})

test('every transport goes through the one door', async () => {
  const socket = client()
  const before = under.admitted.length
  await under.graphql('query OverHttp { __typename }')
  await overSocket(socket, 'query OverSocket { __typename }')
  await overSocket(
    socket,
    'subscription SubscribedOverSocket($id: UUID!) { transferStatus(id: $id) { state } }',
    { id: await paid() },
  )
  await (
    await fetch(`${under.url}/graphql?query=${encodeURIComponent('query OverSse { __typename }')}`, {
      headers: { accept: 'text/event-stream' },
    })
  ).text()
  await under.post('/commands', { commands: [] })
  await fetch(`${under.url}/imports/x`)
  await socket.dispose()
  const seen = under.admitted
    .slice(before)
    .map(({ operation, transport }) => `${transport} ${operation.kind} ${operation.name ?? ''}`)
  expect(seen).toEqual(
    expect.arrayContaining([
      'http query OverHttp', 'ws query OverSocket', 'ws subscription SubscribedOverSocket', 'sse query OverSse', 'bulk commands ', 'bulk imports ',
    ]),
  ) // prettier-ignore
})

async function paid(): Promise<string> {
  const id = uuid()
  await under.data(TRANSFER, {
    input: { id, debitAccountId: account, creditAccountId: other, amount: '5', currency: 'EUR' },
  })
  return id
}

describe('inputs nobody should send', () => {
  const good = (): Record<string, unknown> => ({
    id: uuid(),
    debitAccountId: account,
    creditAccountId: other,
    amount: '5',
    currency: 'EUR',
  })
  test.each([
    ['a negative amount', { amount: '-5' }, 'input.amount'],
    ['zero', { amount: '0' }, 'input.amount'],
    ['a number', { amount: 5 }, 'input.amount'],
    ['a decimal', { amount: '1.5' }, 'input.amount'],
    ['an exponent', { amount: '1e3' }, 'input.amount'],
    ['more than 64 bits', { amount: '9223372036854775808' }, 'input.amount'],
    ['other digits', { amount: '١٢' }, 'input.amount'],
    ['a long number', { amount: '9'.repeat(5000) }, 'input.amount'],
    ['a malformed UUID', { debitAccountId: 'abc' }, 'input.debitAccountId'],
    ['the nil UUID', { creditAccountId: '00000000-0000-0000-0000-000000000000' }, 'input.creditAccountId'],
    ['an id of another version', { id: '018f3a5e-7c1a-4b3c-9d2e-4f5a6b7c8d9e' }, 'input.id'],
    ['no id', { id: undefined }, 'input.id'],
    ['a currency in small letters', { currency: 'eur' }, 'input.currency'],
    ['a memo that is too long', { memo: 'ž'.repeat(129) }, 'input.memo'],
    ['a memo with half a character', { memo: '\ud800' }, 'input.memo'],
    ['a memo with NUL', { memo: 'a\0b' }, 'input.memo'],
    ['a code that is too large', { code: 4294967296 }, 'input.code'],
    ['a date that is none', { effectiveAt: '2026-02-30T00:00:00Z' }, 'input.effectiveAt'],
    ['a field that there is not', { fee: '1' }, 'input'],
  ])('%s is a typed error that names its field', async (_what, change, field) => {
    const before = (await under.data<{ audit: { position: string } }>('{ audit(first: 1) { position } }'))
      .audit.position
    const { errors, data } = await under.graphql(TRANSFER, { input: { ...good(), ...change } })
    expect(data ?? null).toBeNull()
    expect(errors).toHaveLength(1)
    expect(errors![0]!.extensions).toMatchObject({ code: 'BAD_USER_INPUT' })
    expect(String(errors![0]!.extensions['field'])).toContain(field)
    expect(JSON.stringify(errors)).not.toMatch(/\.ts:|node_modules/)
    expect(before).toBeTypeOf('string')
  })

  test('literals in a query are held to the same, field named', async () => {
    const at = (fields: string) => under.graphql(`mutation { transfer(input: { ${fields} }) { __typename } }`)
    const ids = `id: "${uuid()}", debitAccountId: "${account}", creditAccountId: "${other}"`
    expect((await at(`${ids}, amount: 5, currency: "EUR"`)).errors?.[0]?.extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'input.amount',
    })
    expect((await at(`${ids}, amount: "x", currency: "EUR"`)).errors?.[0]?.extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'input.amount',
    })
    const linked = await under.graphql(
      `mutation { linkedTransfers(input: { transfers: [{ ${ids}, amount: "5", currency: "EUR" }, { ${ids}, amount: "no", currency: "EUR" }] }) { __typename } }`,
    )
    expect(linked.errors?.[0]?.extensions).toMatchObject({ field: 'input.transfers[1].amount' })
  })

  test.each([
    ['a page of 0', 'first: 0', 'first'],
    ['a page of 201', 'last: 201', 'last'],
    ['both ends', 'first: 1, last: 1', 'last'],
    ['a cursor from elsewhere', 'first: 1, after: "abc"', 'after'],
    ['a position as a cursor', 'first: 1, after: "p1_MDox"', 'after'],
  ])('history with %s names the argument', async (_what, args, field) => {
    const { errors } = await under.graphql(`{ history(accountId: "${account}", ${args}) { position } }`)
    expect(errors?.[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field })
  })

  test('an account that is not there, a position of the future, a time to come', async () => {
    expect(
      (await under.graphql(`{ balance(accountId: "${uuid()}") { version } }`)).errors?.[0]?.extensions,
    ).toMatchObject({ code: 'BAD_USER_INPUT', field: 'accountId' })
    const future = `p1_${Buffer.from('0:99999999').toString('base64url')}`
    const late = await under.graphql(
      `{ transferFirst: transfer(id: "${uuid()}", after: "${future}") { id } }`,
    )
    expect(late.errors?.[0]?.extensions).toMatchObject({ code: 'POSITION_AHEAD', retryable: false })
    const tomorrow = new Date(Date.now() + 86_400_000).toISOString()
    expect(
      (await under.graphql(`{ balance(accountId: "${account}", at: { time: "${tomorrow}" }) { version } }`))
        .errors?.[0]?.extensions,
    ).toMatchObject({ code: 'BAD_USER_INPUT', field: 'at.time' })
    expect(
      (await under.graphql(`{ balance(accountId: "${account}", at: {}) { version } }`)).errors?.[0]
        ?.extensions['code'],
    ).toBe('GRAPHQL_VALIDATION_FAILED')
  })

  test('queries that are too deep, too wide, too costly or too long are turned away before they run', async () => {
    const code = async (query: string): Promise<unknown> =>
      (await under.graphql(query)).errors?.[0]?.extensions['code']
    const deep = (depth: number): string => (depth === 0 ? 'id' : `related { ${deep(depth - 1)} }`)
    expect(await code(`{ transfer(id: "${uuid()}") { ${deep(30)} } }`)).toBe('OPERATION_TOO_COMPLEX')
    expect(
      await code(`{ ${Array.from({ length: 120 }, (_, index) => `a${index}: __typename`).join(' ')} }`),
    ).toBe('OPERATION_TOO_COMPLEX')
    const entries =
      'history(first: 200) { nodes { kind memo code version position cursor balance { version balance { minor } } } }'
    expect(await code(`{ accounts(owner: "x", first: 200) { nodes { ${entries} } } }`)).toBe(
      'OPERATION_TOO_COMPLEX',
    )
    expect(await code(`{ ${'__typename '.repeat(5000)} }`)).toBe('GRAPHQL_PARSE_FAILED')
    expect(await code(`{ __typename #${'x'.repeat(70_000)}\n}`)).toBe('OPERATION_TOO_COMPLEX')
    const bomb = Array.from(
      { length: 40 },
      (_, index) =>
        `fragment F${index} on Transfer { ${index === 39 ? 'id' : `...F${index + 1} ...F${index + 1}`} }`,
    )
    expect(await code(`{ transfer(id: "${uuid()}") { ...F0 } } ${bomb.join(' ')}`)).toBe(
      'OPERATION_TOO_COMPLEX',
    )
    expect(await code('query A { ...B } fragment B on Query { ...B }')).toBe('GRAPHQL_VALIDATION_FAILED')
  })

  test('bodies: too large is 413 however it is sent, no JSON is 400, another type is 415', async () => {
    const post = (body: BodyInit, type = 'application/json'): Promise<Response> =>
      fetch(`${under.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': type },
        body,
        duplex: 'half',
      } as RequestInit)
    const large = await post(JSON.stringify({ query: `{ __typename } #${'x'.repeat(1_100_000)}` }))
    expect(large.status).toBe(413)
    expect(await large.json()).toMatchObject({ errors: [{ extensions: { code: 'REQUEST_TOO_LARGE' } }] })
    expect((await post('{"query":')).status).toBe(400)
    expect((await post('query=%7B__typename%7D', 'application/x-www-form-urlencoded')).status).toBe(415)
    expect((await post('{}', 'text/plain')).status).toBe(415)
    for (const body of [
      '[]',
      'null',
      '"x"',
      '{"query":5}',
      '{"query":"{a}","variables":"x"}',
      '[{"query":"{__typename}"}]',
    ])
      expect((await post(body)).status).toBe(400)
    const endless = await new Promise<number>((resolve, reject) => {
      const request = http.request(
        `${under.url}/graphql`,
        { method: 'POST', headers: { 'content-type': 'application/json', 'transfer-encoding': 'chunked' } },
        (response) => resolve(response.statusCode!),
      )
      request.on('error', reject)
      const chunk = Buffer.alloc(64 * 1024, 'x')
      for (let index = 0; index < 20; index++) request.write(chunk)
    })
    expect(endless).toBe(413)
  })

  test('what is no HTTP is answered and cut; the server goes on', async () => {
    const answer = await new Promise<string>((resolve) => {
      const socket = net.connect(under.gateway.port, '127.0.0.1', () =>
        socket.write('\x16\x03\x01 hello\r\n\r\n'),
      )
      let text = ''
      socket.on('data', (data) => (text += data.toString()))
      socket.on('close', () => resolve(text))
    })
    expect(answer).toContain('400 Bad Request')
    expect((await under.graphql('{ __typename }')).data).toEqual({ __typename: 'Query' })
  })

  test('nothing of all this was a fault of ours', () => {
    expect(under.lines).toEqual([])
  })
})

test('GET runs queries only', async () => {
  const mutation = `mutation { openAccount(input: { accountId: "${uuid()}", currency: "EUR" }) { __typename } }`
  expect((await fetch(`${under.url}/graphql?query=${encodeURIComponent(mutation)}`)).status).toBe(405)
  expect(OPEN).toContain('mutation')
})
