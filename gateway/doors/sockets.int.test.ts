import { createClient } from 'graphql-ws'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import { rawRequest, requestText } from './raw.testing.ts'
import { gatewayUnderTest, openAccounts, uuid, type GatewayUnderTest } from '../gateway-under-test.testing.ts'

let under: GatewayUnderTest
let account: string
beforeAll(async () => {
  under = await gatewayUnderTest()
  account = (await openAccounts(under, 1)).accounts[0]!
})
afterAll(() => under.stop())

interface Peer {
  readonly socket: WebSocket
  readonly messages: { id?: string; type: string; payload?: unknown }[]
  send(message: string | Buffer | object): void
  /** The code with which the server closed. */
  readonly closed: Promise<number>
}

/** A socket that sends what no client library would. */
async function connect(init = true): Promise<Peer> {
  const socket = new WebSocket(`${under.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
  const messages: Peer['messages'] = []
  socket.on('message', (data: Buffer) => messages.push(JSON.parse(data.toString()) as never))
  socket.on('error', () => undefined)
  const closed = new Promise<number>((resolve) => socket.once('close', resolve))
  await new Promise((resolve) => socket.once('open', resolve))
  const send: Peer['send'] = (message) =>
    socket.send(typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message))
  if (init) {
    send({ type: 'connection_init' })
    await expect.poll(() => messages.at(-1)?.type).toBe('connection_ack')
  }
  return { socket, messages, send, closed }
}

/** What an operation is answered, by its id. */
async function answered(peer: Peer, id: string): Promise<Peer['messages'][number]> {
  await expect.poll(() => peer.messages.some((message) => message.id === id)).toBe(true)
  return peer.messages.find((message) => message.id === id)!
}

const QUERY = '{ __typename }'
const subscribe = (id: string, payload: unknown): object => ({ id, type: 'subscribe', payload })

describe('a message that is wrong', () => {
  test.each<[string, string | Buffer, number]>([
    ['no JSON', '{"type":', 4400],
    ['a type that there is not', '{"type":"nothing"}', 4400],
    ['a list', '[]', 4400],
    ['an operation without an id', '{"type":"subscribe","payload":{"query":"{ __typename }"}}', 4400],
    ['an operation without a query', '{"id":"1","type":"subscribe","payload":{}}', 4400],
    ['an id given twice', '{"id":"1","id":"2","type":"subscribe","payload":{"query":"{ __typename }"}}', 4400],
    ['a query given twice', '{"id":"1","type":"subscribe","payload":{"query":"{ __typename }","query":"{ a }"}}', 4400],
    ['a type given twice', '{"type":"ping","type":"pong"}', 4400],
    ['a second connection_init', '{"type":"connection_init"}', 4429],
    ['bytes in place of text', Buffer.from('{"type":"ping"}'), 1003],
    ['more than a message may have', JSON.stringify({ type: 'ping', payload: { x: 'x'.repeat(70_000) } }), 1009],
    ['variables that are a list', '{"id":"1","type":"subscribe","payload":{"query":"{ __typename }","variables":[]}}', 4400],
    ['nesting without end', `{"type":"ping","payload":{"x":${'['.repeat(500)}${']'.repeat(500)}}}`, 4400],
  ])('%s closes the socket with its code', async (_what, message, code) => {
    const peer = await connect()
    peer.send(message)
    expect(await peer.closed).toBe(code)
  }) // prettier-ignore

  test('text that is no UTF-8 closes the socket: 1007', async () => {
    const peer = await connect()
    // A text frame whose bytes are Latin-1, masked with zeros.
    const text = Buffer.from('{"type":"ping","payload":{"x":"M\xfcller"}}', 'latin1')
    const inside = (peer.socket as unknown as { _socket: { write(bytes: Buffer): void } })._socket
    inside.write(Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), text]))
    expect(await peer.closed).toBe(1007)
  })

  test('an operation before connection_init closes it: 4401; the same id twice: 4409', async () => {
    const early = await connect(false)
    early.send(subscribe('1', { query: QUERY }))
    expect(await early.closed).toBe(4401)
    const twice = await connect()
    const query = `subscription { accountActivity(accountId: "${account}") { kind } }`
    twice.send(subscribe('1', { query }))
    twice.send(subscribe('1', { query }))
    expect(await twice.closed).toBe(4409)
    await expect.poll(() => under.gateway.figures().subscriptions).toBe(0)
  })

  test('parameters of connection_init may be anything: nothing here asks for them', async () => {
    for (const payload of [{}, { authorization: 'x' }, null]) {
      const peer = await connect(false)
      peer.send({ type: 'connection_init', payload })
      await expect.poll(() => peer.messages.at(-1)?.type ?? peer.socket.readyState).toBe('connection_ack')
      peer.socket.terminate()
    }
  })
})

test.each([
  ['another protocol', ['Upgrade: h2c']],
  ['no key', ['Upgrade: websocket', 'Sec-WebSocket-Version: 13']],
  ['another version', ['Upgrade: websocket', 'Sec-WebSocket-Version: 7', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==']],
  ['a list of protocols that is none', ['Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==', 'Sec-WebSocket-Protocol: ,']],
])('an upgrade to %s is 400, in the shape of the path', async (_what, lines) => {
  for (const method of ['GET', 'POST']) {
    const text = requestText([`${method} /graphql HTTP/1.1`, 'Host: localhost', 'Connection: Upgrade', ...lines])
    const answer = await rawRequest(under.gateway.port, text)
    expect(answer.status).toBe(400)
    expect(answer.json()).toMatchObject({ errors: [{ extensions: { code: 'BAD_REQUEST', retryable: false } }] })
  }
}) // prettier-ignore

describe('an operation that is wrong', () => {
  test.each<[string, unknown, string, string | undefined]>([
    ['cannot be parsed', { query: '{ balance(' }, 'GRAPHQL_PARSE_FAILED', undefined],
    ['is not valid', { query: '{ nothing }' }, 'GRAPHQL_VALIDATION_FAILED', undefined],
    ['has a variable of ours that is wrong', { query: 'query($a: UUID!) { account(id: $a) { id } }', variables: { a: 'x' } }, 'BAD_USER_INPUT', 'a'],
    ['has a variable of GraphQL that is wrong', { query: 'query($a: Int!) { history(accountId: "018f3a5e-7c1a-7b3c-9d2e-4f5a6b7c8d9e", first: $a) { position } }', variables: { a: 'x' } }, 'BAD_USER_INPUT', 'a'],
    ['names an operation that there is not', { query: QUERY, operationName: 'Other' }, 'BAD_REQUEST', undefined],
    ['has a parameter that there is not', { query: QUERY, variable: {} }, 'BAD_REQUEST', undefined],
  ])('one that %s is told its code, and nothing of our insides', async (_what, payload, code, field) => {
    const peer = await connect()
    peer.send(subscribe('1', payload))
    const answer = await answered(peer, '1')
    const errors = (answer as { payload: { errors?: unknown } | unknown[] }).payload
    const [error] = (Array.isArray(errors) ? errors : (errors as { errors: unknown[] }).errors) as [{ extensions: object }]
    expect(error.extensions).toEqual({ code, retryable: false, ...(field === undefined ? {} : { field }) })
    expect(JSON.stringify(answer)).not.toMatch(/"http"|\.ts:|node_modules/)
    // The socket goes on.
    peer.send(subscribe('2', { query: QUERY }))
    expect(await answered(peer, '2')).toMatchObject({ type: 'next', payload: { data: { __typename: 'Query' } } })
    peer.socket.terminate()
  }) // prettier-ignore

  test('a key twice in its variables, or a number that no double holds, is an error of its own with the name', async () => {
    const peer = await connect()
    const query = 'mutation($i: TransferInput!) { transfer(input: $i) { __typename } }'
    peer.send(`{"id":"1","type":"subscribe","payload":{"query":"${query}","variables":{"i":{"amount":"1","amount":"1000"}}}}`) // prettier-ignore
    expect(await answered(peer, '1')).toMatchObject({
      type: 'error',
      payload: [{ extensions: { code: 'BAD_USER_INPUT', retryable: false, field: 'i.amount' } }],
    })
    peer.send(`{"id":"2","type":"subscribe","payload":{"query":"${query}","variables":{"i":{"amount":4503599627370497.5}}}}`) // prettier-ignore
    expect(await answered(peer, '2')).toMatchObject({
      payload: [{ extensions: { code: 'BAD_USER_INPUT', field: 'i.amount' } }],
    })
    peer.send(subscribe('3', { query: QUERY }))
    expect(await answered(peer, '3')).toMatchObject({ type: 'next' })
    peer.socket.terminate()
  })

  test('a stream that fails in the middle says so without our insides', async () => {
    const client = createClient({
      url: `${under.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      retryAttempts: 0,
    })
    const query = `subscription { accountActivity(accountId: "${uuid()}") { kind } }`
    const results: unknown[] = []
    for await (const result of client.iterate({ query })) results.push(result)
    expect(results).toMatchObject([{ errors: [{ extensions: { code: 'BAD_USER_INPUT', field: 'accountId', retryable: false } }] }]) // prettier-ignore
    await client.dispose()
  })

  test('nothing of all this was a fault of ours', () => {
    expect(under.lines).toEqual([])
  })
})
