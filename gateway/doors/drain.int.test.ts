import { createClient } from 'graphql-ws'
import { expect, test } from 'vitest'
import WebSocket from 'ws'
import { gatewayUnderTest, openAccounts, TRANSFER, uuid } from '../gateway-under-test.testing.ts'

test('a gateway that stops closes sockets so that clients come back, finishes what was taken, and cuts the rest', async () => {
  const under = await gatewayUnderTest({ limits: { drainMs: 10_000 } })
  try {
    const { accounts } = await openAccounts(under, 2)
    const closes: number[] = []
    const client = createClient({
      url: `${under.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      retryAttempts: 0,
      lazy: false,
      on: { closed: (event) => closes.push((event as { code: number }).code) },
      onNonLazyError: () => undefined,
    })
    await expect.poll(() => under.gateway.figures().sockets).toBe(1)
    const query = `subscription { transferStatus(id: "${uuid()}") { state } }`
    const stream = await fetch(`${under.url}/graphql?query=${encodeURIComponent(query)}`, {
      headers: { accept: 'text/event-stream' },
    })
    await expect.poll(() => under.gateway.figures().subscriptions).toBe(1)
    const last = under.graphql(TRANSFER, {
      input: {
        id: uuid(),
        debitAccountId: accounts[0],
        creditAccountId: accounts[1],
        amount: '1',
        currency: 'EUR',
      },
    })
    await expect.poll(() => under.admitted.at(-1)?.operation.name).toBe('Move')
    await under.gateway.stop()
    expect((await last).data).toMatchObject({ transfer: { __typename: 'TransferApplied' } })
    expect(closes).toEqual([1012])
    await expect(stream.text()).rejects.toThrow()
    // Whoever was cut lets go of the hub as soon as the stream notices.
    await expect
      .poll(() => under.gateway.figures())
      .toEqual({ sockets: 0, laneConnections: 0, subscriptions: 0, subscriberBytes: 0, operations: 0, pendingCommands: 0 }) // prettier-ignore
    await expect(fetch(`${under.url}/livez`)).rejects.toThrow()
    await client.dispose()
  } finally {
    await under.stop()
  }
})

test('a writer that has stopped, or views that cannot be read, make it not ready, with reasons', async () => {
  const under = await gatewayUnderTest()
  try {
    const { accounts, position } = await openAccounts(under, 2)
    const account = `account(id: "${accounts[0]}", after: "${position}") { id }`
    // The log ends with its writer: from then on the views hold what they hold.
    await under.data(`{ ${account} }`)
    expect((await fetch(`${under.url}/readyz`)).status).toBe(200)
    await under.writer.stop()
    const told = async (): Promise<string> => {
      const answer = await fetch(`${under.url}/readyz`)
      const { reasons } = (await answer.json()) as { reasons: string[] }
      return `${answer.status} ${reasons.join()}`
    }
    await expect.poll(told).toMatch(/^503 .*writer of partition 0 is stopped/)
    const { errors } = await under.graphql(TRANSFER, {
      input: {
        id: uuid(),
        debitAccountId: accounts[0],
        creditAccountId: accounts[1],
        amount: '1',
        currency: 'EUR',
      },
    })
    expect(errors?.[0]?.extensions).toMatchObject({ code: 'WRITER_STOPPED', retryable: true })
    expect(await under.data(`{ ${account} }`)).toEqual({ account: { id: accounts[0] } })
  } finally {
    await under.stop()
  }
})
