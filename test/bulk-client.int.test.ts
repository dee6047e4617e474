/** The client of the bulk lane against the platform's own doors, over sockets that break as well. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectBulk, type BulkClient } from '../client/client.ts'
import { gatewayUnderTest, type GatewayUnderTest } from '../gateway/gateway-under-test.testing.ts'
import { encodePosition } from '../gateway/positions/tokens.ts'
import { encodeCommands } from '../schemas/command-codec.ts'
import type { Command } from '../schemas/commands.ts'
import { formatId, makeUuidV7, type Id } from '../schemas/ids.ts'

/** Below what the tests send at once, so that the platform answers busy. */
const PENDING_MAX = 600

let under: GatewayUnderTest
let client: BulkClient
let cash: Id
beforeAll(async () => {
  under = await gatewayUnderTest({ limits: { pendingCommandsMax: PENDING_MAX } })
  client = await connectBulk({ url: under.url })
  cash = newId()
  await client.submit({ kind: 'OpenAccount', id: newId(), debit: cash, currency: 'EUR', system: true })
})
afterAll(async () => {
  await client.close()
  await under.stop()
})

function newId(): Id {
  return makeUuidV7(Date.now(), crypto.getRandomValues(new Uint8Array(10)))
}

function transfer(debit: Id, credit: Id, amount: bigint): Command {
  return { kind: 'Transfer', id: newId(), debit, credit, amount, currency: 'EUR' }
}

async function opened(): Promise<Id> {
  const account = newId()
  expect(await client.submit({ kind: 'OpenAccount', id: newId(), debit: account, currency: 'EUR', owner: 'Zoë' })).toMatchObject({ status: 'accepted' }) // prettier-ignore
  return account
}

/** Behind all that was committed before. */
async function balanceOf(account: Id): Promise<string> {
  const after = encodePosition(new Map([[0, under.writer.log.head().sequence]]))
  const data = await under.data<{ account: { scale: number; balance: { balance: { minor: string } } } }>(
    'query($id: UUID!, $after: Position) { account(id: $id, after: $after) { scale balance { balance { minor } } } }',
    { id: formatId(account), after },
  )
  expect(data.account.scale).toBe(2)
  return data.account.balance.balance.minor
}

test('results come in the order of the commands, and say what the other doors say', async () => {
  const account = await opened()
  const commands = [5n, 7n, 1_000n, 2n].map((amount, index) =>
    index % 2 === 0 ? transfer(account, cash, amount) : transfer(cash, account, amount),
  )
  const results = await Promise.all(commands.map((command) => client.submit(command)))
  expect(results).toMatchObject([
    { status: 'refused', code: 'insufficient_funds', replayed: false },
    { status: 'accepted', replayed: false },
    { status: 'refused', code: 'insufficient_funds' },
    { status: 'accepted' },
  ])
  expect(await client.submit(commands[1]!)).toEqual({ ...results[1], replayed: true })
  expect(await client.submit({ ...commands[1]!, amount: 8n })).toMatchObject({ status: 'refused', code: 'id_reused' }) // prettier-ignore
  expect(await client.submit({ kind: 'ReverseTransfer', id: newId(), related: newId() })).toMatchObject({ status: 'refused', code: 'transfer_not_found' }) // prettier-ignore
  expect(await balanceOf(account)).toBe('9')
})

test('a linked group happens whole or not at all', async () => {
  const account = await opened()
  const group = [transfer(cash, account, 3n), transfer(account, cash, 4n)]
  expect(await client.submitLinked(group)).toMatchObject([{ status: 'refused', code: 'linked_failed' }, { status: 'refused', code: 'insufficient_funds' }]) // prettier-ignore
  const good = await client.submitLinked([transfer(cash, account, 3n), transfer(account, cash, 3n)])
  expect(good).toMatchObject([{ status: 'accepted' }, { status: 'accepted' }])
  expect(await balanceOf(account)).toBe('0')
})

test('a platform that is busy gets the same again until all is taken, and takes each once', async () => {
  const account = await opened()
  const all = await Promise.all(
    Array.from({ length: 6 }, () => {
      const commands = Array.from({ length: 500 }, () => transfer(cash, account, 1n))
      return client.submitSlots(encodeCommands(commands), commands.length)
    }),
  )
  expect(all.map((results) => results.tally())).toEqual(
    all.map(() => ({ decided: 500, refused: 0, faults: 0, replayed: 0 })),
  )
  expect(await balanceOf(account)).toBe('3000')
})

test('cut in the middle of answers again and again, each command takes effect once', async () => {
  const account = await opened()
  const proxy = await cuttingProxy(under.gateway.port, 5)
  const overProxy = await connectBulk({ url: `http://127.0.0.1:${proxy.port}` })
  let replayed = 0
  for (let round = 0; round < 30; round++) {
    const results = await Promise.all(
      Array.from({ length: 20 }, () => overProxy.submit(transfer(cash, account, 1n))),
    )
    expect(results.map(({ status }) => status)).toEqual(results.map(() => 'accepted'))
    replayed += results.filter((result) => result.status === 'accepted' && result.replayed).length
  }
  await overProxy.close()
  await proxy.stop()
  expect(await balanceOf(account)).toBe('600')
  // Cut behind the commit: what was sent again had happened.
  expect(proxy.cuts()).toBe(5)
  expect(replayed).toBeGreaterThan(0)
})

test('what the platform cannot read as commands is malformed as a whole, in its words', async () => {
  const slots = encodeCommands([transfer(cash, newId(), 1n), transfer(cash, newId(), 1n)])
  slots[160] = 77
  await expect(client.submitSlots(slots, 2)).rejects.toMatchObject({
    code: 'malformed',
    message: expect.stringContaining('command 1: kind is 77') as string,
  })
})

interface Proxy {
  readonly port: number
  cuts(): number
  stop(): Promise<void>
}

/** Passes bytes on, and cuts so many connections, each within the third piece that the platform answers. */
async function cuttingProxy(port: number, cutsMax: number): Promise<Proxy> {
  const sockets = new Set<Socket>()
  let cuts = 0
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1')
    let answers = 0
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        near.destroy()
        far.destroy()
      })
    }
    near.on('data', (chunk) => far.write(chunk))
    far.on('data', (chunk) => {
      if (cuts >= cutsMax || ++answers < 4) return void near.write(chunk)
      cuts++
      near.end(chunk.subarray(0, 25))
      far.destroy()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    cuts: () => cuts,
    stop: () => {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}
