/** docs/subscriptions.md against the code: its example, over connections that are cut, and what it warns of. */
import { readFileSync } from 'node:fs'
import net, { type AddressInfo } from 'node:net'
import { createClient } from 'graphql-ws'
import { afterAll, beforeAll, expect, test } from 'vitest'
import WebSocket from 'ws'
import { followAccount } from '../examples/follow-account.ts'
import {
  gatewayUnderTest,
  openAccounts,
  pay,
  uuid,
  type GatewayUnderTest,
} from '../gateway/gateway-under-test.testing.ts'

let under: GatewayUnderTest
let cutter: Cutter
beforeAll(async () => {
  under = await gatewayUnderTest()
  cutter = await openCutter(under.gateway.port)
})
afterAll(async () => {
  await cutter.close()
  await under.stop()
})

test('docs/subscriptions.md shows the example as it is', () => {
  const source = readFileSync(new URL('../examples/follow-account.ts', import.meta.url), 'utf8')
  const docs = readFileSync(new URL('../docs/subscriptions.md', import.meta.url), 'utf8')
  const shown = source.slice(source.indexOf('const ACTIVITY'))
  expect(docs).toContain(`\`\`\`ts\n${shown}\`\`\``)
})

test('followed through connections that are cut again and again, every entry comes once', async () => {
  const { from, to, position } = await accounts()
  const versions: number[] = []
  const following = (async () => {
    for await (const entry of followAccount(cutter.url, from, position)) {
      versions.push(Number(entry.version))
      if (versions.length === 300) return
    }
  })()
  const first = await versionOf(from)
  for (let round = 0; round < 30; round++) {
    await pay(under, from, to, 10)
    // In the middle of what is being delivered, and before anything is.
    if (round % 3 === 0) cutter.cut()
  }
  await following
  expect(versions).toEqual(Array.from({ length: 300 }, (_, index) => first + 1 + index))
  expect(cutter.cuts()).toBeGreaterThan(1)
  await expect.poll(() => under.gateway.figures().sockets).toBe(0)
}, 60_000)

test('what asking again does not help is thrown', async () => {
  const { position } = await accounts()
  await expect(followAccount(cutter.url, uuid(), position).next()).rejects.toThrow('no account')
})

test('graphql-ws’s own retry repeats the first variables: entries come twice', async () => {
  const { from, to, position } = await accounts()
  const client = createClient({
    url: `${cutter.url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    retryAttempts: 5,
    retryWait: () => Promise.resolve(),
    shouldRetry: () => true,
  })
  const query =
    'subscription($a: UUID!, $p: Position) { accountActivity(accountId: $a, after: $p) { version } }'
  const versions: string[] = []
  const reading = (async () => {
    for await (const result of client.iterate({ query, variables: { a: from, p: position } }))
      versions.push(
        (result as { data: { accountActivity: { version: string } } }).data.accountActivity.version,
      )
  })().catch(() => undefined)
  await pay(under, from, to, 5)
  await expect.poll(() => versions.length).toBe(5)
  cutter.cut()
  await expect.poll(() => versions.length).toBe(10)
  expect(versions.slice(5)).toEqual(versions.slice(0, 5))
  await client.dispose()
  await reading
})

async function accounts(): Promise<{ from: string; to: string; position: string }> {
  const { accounts: opened, position } = await openAccounts(under, 2)
  const [from, to] = opened as [string, string]
  return { from, to, position }
}

async function versionOf(accountId: string): Promise<number> {
  const query = 'query($a: UUID!) { balance(accountId: $a) { version } }'
  const { balance } = await under.data<{ balance: { version: string } }>(query, { a: accountId })
  return Number(balance.version)
}

interface Cutter {
  readonly url: string
  /** Kills every connection that is open. */
  cut(): void
  /** Connections killed so far. */
  cuts(): number
  close(): Promise<void>
}

/** A way to the platform on which connections can be killed. */
async function openCutter(port: number): Promise<Cutter> {
  const open = new Set<net.Socket>()
  let cuts = 0
  const server = net.createServer((near) => {
    const far = net.connect(port, '127.0.0.1')
    for (const [one, other] of [[near, far], [far, near]] as const) {
      one.on('error', () => undefined)
      one.on('close', () => other.destroy())
      one.pipe(other)
    }
    open.add(near)
    near.on('close', () => open.delete(near))
  }) // prettier-ignore
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cut = (): void => {
    for (const socket of open) {
      cuts++
      socket.resetAndDestroy()
    }
  }
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    cuts: () => cuts,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        cut()
      }),
  }
}
