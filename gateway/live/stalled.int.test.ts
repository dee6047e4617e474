/** Subscribers that do not read, on real sockets: their cost is bounded over all of them, and nothing of it stays. */
import type net from 'node:net'
import v8 from 'node:v8'
import vm from 'node:vm'
import http from 'node:http'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import { BoundedQueue } from './streams.ts'
import { SubscriberMemory, type MemoryShare } from './subscriber-memory.ts'
import { gatewayUnderTest, openAccounts, pay, type GatewayUnderTest } from '../gateway-under-test.testing.ts'

const MIB = 2 ** 20
const BYTES_MAX = 4 * MIB
const MEMO = 'm'.repeat(200)

describe('the memory of all subscribers', () => {
  test('is never above its bound, and never below what waits; the largest lets go first', () => {
    const step = fc.record({
      who: fc.nat(5),
      what: fc.constantFrom('add', 'remove', 'close'),
      bytes: fc.nat(400),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const memory = new SubscriberMemory(1_000)
        const held = new Map<MemoryShare, number>()
        const join = (): MemoryShare => {
          const share: MemoryShare = memory.join(() => {
            const others = [...held].filter(([other]) => other !== share).map(([, bytes]) => bytes)
            expect(held.get(share)).toBeGreaterThanOrEqual(Math.max(0, ...others))
            held.set(share, 0)
          })
          held.set(share, 0)
          return share
        }
        const shares = Array.from({ length: 6 }, join)
        for (const { who, what, bytes } of steps) {
          const share = shares[who]!
          if (what === 'add') {
            held.set(share, held.get(share)! + bytes)
            share.add(bytes)
          } else if (what === 'remove') {
            const removed = Math.min(bytes, held.get(share)!)
            held.set(share, held.get(share)! - removed)
            share.remove(removed)
          } else {
            held.delete(share)
            share.close()
            shares[who] = join()
          }
          expect(memory.bytes).toBe([...held.values()].reduce((sum, one) => sum + one, 0))
          expect(memory.bytes).toBeLessThanOrEqual(1_000)
        }
        for (const share of shares) share.close()
        expect(memory.bytes).toBe(0)
      }),
    )
  })

  test('a queue that had to let go says so at once; the others go on, and what it had is free', async () => {
    const memory = new SubscriberMemory(100)
    const bytesOf = (item: string): number => item.length
    const slow = new BoundedQueue<string>(1_000, { memory, bytesOf })
    const quick = new BoundedQueue<string>(1_000, { memory, bytesOf })
    quick.push('x'.repeat(20))
    for (let index = 0; index < 9; index++) slow.push('x'.repeat(10))
    expect(memory.bytes).toBe(20)
    expect(slow.shed).toBe(true)
    expect(await slow.take()).toEqual({ kind: 'lagged' })
    slow.restart()
    slow.push('later')
    expect(await slow.take()).toEqual({ kind: 'lagged' })
    expect(await quick.take()).toEqual({ kind: 'item', item: 'x'.repeat(20) })
    expect(memory.bytes).toBe(0)
    // What a reader keeps beside its queue counts, and can be what has to go.
    quick.keepBeside(90)
    quick.keepBeside(60)
    expect(memory.bytes).toBe(60)
    quick.push('x'.repeat(41))
    expect({ shed: quick.shed, bytes: memory.bytes }).toEqual({ shed: true, bytes: 0 })
    quick.close()
    slow.close()
    expect(memory.bytes).toBe(0)
  })
})

describe('twenty sockets that do not read', () => {
  let under: GatewayUnderTest
  beforeAll(async () => {
    under = await gatewayUnderTest({
      limits: { subscriberBytesMax: BYTES_MAX, subscriberQueueMax: 100_000, socketSendMs: 120_000 },
    })
  })
  afterAll(() => under.stop())

  test('cost no more than the bound; the slowest are told where to resume, one that reads gets everything', async () => {
    const { accounts } = await openAccounts(under, 2)
    const [from, to] = accounts as [string, string]
    await collected()
    const before = process.memoryUsage()
    const stalled = await Promise.all(Array.from({ length: 20 }, () => subscribed(from)))
    for (const { inside } of stalled) inside.pause()
    const reader = await subscribed(from)
    await expect.poll(() => under.gateway.figures().subscriptions).toBe(21)
    let most = 0
    for (let round = 0; round < 100; round++) {
      // So few at a time that one frame of them is no burst that fills the bound by itself.
      await pay(under, from, to, 100, MEMO)
      most = Math.max(most, under.gateway.figures().subscriberBytes)
    }
    expect(most).toBeLessThanOrEqual(BYTES_MAX)
    expect(most).toBeGreaterThan(0)
    await expect.poll(() => reader.versions().length).toBe(10_000)
    expect(reader.versions()).toEqual(Array.from({ length: 10_000 }, (_, index) => index + 3))

    // Whoever begins to read again is told, alone, and has everything up to the place that it is told.
    for (const { inside } of stalled) inside.resume()
    await expect.poll(() => stalled.every(({ ended }) => ended())).toBe(true)
    const lagged = stalled.filter(({ lagged: errors }) => errors() !== undefined)
    expect(lagged.length).toBeGreaterThan(0)
    for (const one of lagged) {
      expect(one.lagged()).toMatchObject({ code: 'SUBSCRIPTION_LAGGED', retryable: true })
      const versions = one.versions()
      expect(versions).toEqual(versions.map((_, index) => index + 3))
      expect(one.lagged()!['position']).toBe(one.position())
    }
    for (const { socket } of [...stalled, reader]) socket.terminate()
    await expect.poll(() => under.gateway.figures()).toMatchObject({ sockets: 0, subscriptions: 0, subscriberBytes: 0 }) // prettier-ignore

    await collected()
    const after = process.memoryUsage()
    // Frames of the log that the gateway keeps for repeats are buffers, and were there before.
    expect(after.heapUsed - before.heapUsed).toBeLessThan(24 * MIB)
  }, 120_000)

  test('so do streams of events', async () => {
    const { accounts } = await openAccounts(under, 2)
    const [from, to] = accounts as [string, string]
    const query = `subscription { accountActivity(accountId: "${from}") { version position ${memos(100)} } }`
    const streams = await Promise.all(
      Array.from(
        { length: 5 },
        () =>
          new Promise<http.IncomingMessage>(
            (resolve) =>
            http.get(`${under.url}/graphql?query=${encodeURIComponent(query)}`, { headers: { accept: 'text/event-stream' } }, resolve), // prettier-ignore
          ),
      ),
    )
    for (const stream of streams) stream.on('error', () => undefined).socket.pause()
    await expect.poll(() => under.gateway.figures().subscriptions).toBe(5)
    for (let round = 0; round < 10; round++) {
      await pay(under, from, to, 500, MEMO)
      expect(under.gateway.figures().subscriberBytes).toBeLessThanOrEqual(BYTES_MAX)
    }
    for (const stream of streams) stream.destroy()
    await expect.poll(() => under.gateway.figures()).toMatchObject({ subscriptions: 0, subscriberBytes: 0 })
    expect(under.lines).toEqual([])
  }, 60_000)

  interface Subscribed {
    readonly socket: WebSocket
    /** The TCP socket within. */
    readonly inside: net.Socket
    readonly versions: () => number[]
    readonly position: () => string | undefined
    readonly lagged: () => Record<string, unknown> | undefined
    readonly ended: () => boolean
  }

  async function subscribed(account: string): Promise<Subscribed> {
    const socket = new WebSocket(`${under.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
    const versions: number[] = []
    let position: string | undefined
    let lagged: Record<string, unknown> | undefined
    let ended = false
    let ready = false
    socket.on('message', (data: Buffer) => {
      const { type, payload } = JSON.parse(data.toString()) as Message
      if (type === 'connection_ack') ready = true
      if (type === 'complete') ended = true
      lagged ??= payload?.errors?.[0]?.extensions
      const entry = payload?.data?.accountActivity
      if (entry === undefined) return
      versions.push(Number(entry.version))
      position = entry.position
    })
    socket.on('close', () => (ended = true))
    await new Promise((resolve) => socket.once('open', resolve))
    socket.send('{"type":"connection_init"}')
    await expect.poll(() => ready).toBe(true)
    const query = `subscription($a: UUID!) { accountActivity(accountId: $a) { version position ${memos(20)} } }`
    socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query, variables: { a: account } } }))
    return {
      socket,
      inside: (socket as unknown as { _socket: net.Socket })._socket,
      versions: () => versions,
      position: () => position,
      lagged: () => lagged,
      ended: () => ended,
    }
  }
})

interface Message {
  readonly type: string
  readonly payload?: {
    readonly data?: { readonly accountActivity: { readonly version: string; readonly position: string } }
    readonly errors?: readonly { readonly extensions: Record<string, unknown> }[]
  }
}

/** A selection that makes entries large, so that the system's own buffers are soon full. */
function memos(count: number): string {
  return Array.from({ length: count }, (_, index) => `memo${index}: memo`).join(' ')
}

/** Lets the collector run, so that what is measured is what is held. */
async function collected(): Promise<void> {
  v8.setFlagsFromString('--expose-gc')
  const collect = vm.runInNewContext('gc') as () => void
  for (let round = 0; round < 3; round++) {
    await new Promise((resolve) => setTimeout(resolve, 50))
    collect()
  }
}
