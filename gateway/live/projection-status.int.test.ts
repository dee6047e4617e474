/** The subscription to how far the projections are, as clients have it: by server-sent events and by WebSocket. */
import { createClient } from 'graphql-ws'
import { afterAll, beforeAll, expect, test } from 'vitest'
import WebSocket from 'ws'
import { gatewayUnderTest, openAccounts, pay, type GatewayUnderTest } from '../gateway-under-test.testing.ts'

interface Status {
  readonly name: string
  readonly state: string
  readonly lagEvents: string
  readonly position: string
}
type Answer = { readonly data?: { readonly projectionStatus: Status } | null; readonly errors?: readonly unknown[] } // prettier-ignore
type Answers = AsyncIterator<Answer, unknown>

const QUERY =
  'subscription($name: String) { projectionStatus(name: $name) { name state lagEvents position } }'

let under: GatewayUnderTest
beforeAll(async () => {
  under = await gatewayUnderTest()
})
afterAll(() => under.stop())

async function* overSse(name?: string): AsyncGenerator<Answer, undefined> {
  const response = await fetch(`${under.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify({ query: QUERY, variables: { name } }),
  })
  expect(response.headers.get('content-type')).toContain('text/event-stream')
  let text = ''
  // Who ends the iteration ends the connection.
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    const events = `${text}${chunk}`.split('\n\n')
    text = events.pop()!
    for (const event of events) {
      const data = /^data: (.*)$/m.exec(event)?.[1]
      if (/^event: next$/m.test(event)) yield JSON.parse(data!) as Answer
    }
  }
  return undefined
}

async function* overWebSocket(name?: string): AsyncGenerator<Answer, undefined> {
  const url = `${under.url.replace('http', 'ws')}/graphql`
  const client = createClient({ url, webSocketImpl: WebSocket, retryAttempts: 0 })
  try {
    for await (const answer of client.iterate({ query: QUERY, variables: { name } })) yield answer as Answer
  } finally {
    await client.dispose()
  }
  return undefined
}

async function next(answers: Answers): Promise<Status> {
  const { value } = (await answers.next()) as { value: Answer }
  if (!value.data) throw new Error(JSON.stringify(value))
  return value.data.projectionStatus
}

/** Reads on until a view says that it holds everything, from a position on. */
async function untilLevel(answers: Answers, isNew: (one: Status) => boolean): Promise<Status> {
  for (;;) {
    const one = await next(answers)
    if (one.state === 'LIVE' && one.lagEvents === '0' && isNew(one)) return one
  }
}

for (const [transport, open] of [
  ['server-sent events', overSse],
  ['WebSocket', overWebSocket],
] as const) {
  test(`over ${transport}, each view is told of as it is, and again when it has moved`, async () => {
    const answers = open()
    const first = [await next(answers), await next(answers), await next(answers)]
    expect(first.map(({ name }) => name).sort()).toEqual(['audit', 'balances', 'history'])
    const one = open('history')
    const before = await next(one)
    expect(before.name).toBe('history')
    const { accounts } = await openAccounts(under, 2)
    await pay(under, accounts[0]!, accounts[1]!, 3, 'memo')
    const after = await untilLevel(one, ({ position }) => position !== before.position)
    const told = await untilLevel(answers, ({ name, position }) => name === 'history' && position === after.position)
    expect(told).toEqual(after)
    await one.return(undefined)
    await answers.return(undefined)
    await expect.poll(() => under.gateway.figures().subscriptions).toBe(0)
  }) // prettier-ignore

  test(`over ${transport}, a view that there is not is said to be none`, async () => {
    const { value } = (await open('nobody').next()) as { value: Answer }
    expect(value.errors).toMatchObject([
      { message: expect.stringContaining('nobody') as string, extensions: { code: 'BAD_USER_INPUT', field: 'name' } },
    ])
  }) // prettier-ignore
}
