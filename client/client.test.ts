/** What a client does for its callers: batches, bounds, and what a platform does not take. */
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { decodeCommands } from '../schemas/command-codec.ts'
import type { Command } from '../schemas/commands.ts'
import { sameId } from '../schemas/ids.ts'
import { ANY_PARTITION, encodeBusy, encodeSentence, LANE_HEADER_BYTES } from '../schemas/lane.ts'
import { COMMAND_SLOT_BYTES } from '../schemas/limits.ts'
import { partitionOf } from '../schemas/partitions.ts'
import { accept, type ReceivedRequest } from './fake-platform.testing.ts'

import { connected, errorOf, newId, slotsOf, transfer } from './client.testing.ts'

describe('batches', () => {
  test('what is submitted in one turn travels together, and each gets the result of its own place', async () => {
    const { platform, client } = await connected()
    const results = await Promise.all(Array.from({ length: 100 }, () => client.submit(transfer())))
    expect(platform.requests.map(({ header }) => header.count)).toEqual([100])
    expect(results.map((result) => result.status === 'accepted' && result.sequence)).toEqual(
      results.map((_, index) => BigInt(index)),
    )
  })

  test('what is submitted while requests are under way travels together', async () => {
    const held: ReceivedRequest[] = []
    const { platform, client } = await connected({ onRequest: (request) => held.push(request) })
    const settled: Promise<unknown>[] = []
    for (let turn = 0; turn < 12; turn++) {
      settled.push(client.submit(transfer()))
      await delay(2)
    }
    expect(platform.requests.map(({ header }) => header.count)).toEqual([1, 1])
    held.splice(0).forEach(accept)
    await expect.poll(() => platform.requests.length).toBe(3)
    held.splice(0).forEach(accept)
    await Promise.all(settled)
    expect(platform.requests.map(({ header }) => header.count)).toEqual([1, 1, 10])
  })

  test('a batch never exceeds the commands and bytes that the platform takes, nor cuts a linked group', async () => {
    const { platform, client } = await connected({ hello: { commandsPerRequestMax: 5 } })
    const [, , , group] = await Promise.all([
      client.submit(transfer()),
      client.submit(transfer()),
      client.submit(transfer()),
      client.submitLinked([transfer(), transfer(), transfer()]),
      client.submit(transfer()),
      client.submit(transfer()),
    ])
    expect(group).toHaveLength(3)
    expect(platform.requests.map(({ header }) => header.count)).toEqual([3, 5])
    expect(decodeCommands(platform.requests[1]!.slots).map(({ linked }) => linked)).toEqual([true, true, false, false, false]) // prettier-ignore

    const bytesPerRequestMax = LANE_HEADER_BYTES + 4 * 160
    const small = await connected({ hello: { bytesPerRequestMax } })
    await Promise.all([200, 200, 1, 0].map((length) => small.client.submit(transfer({ memo: 'm'.repeat(length) })))) // prettier-ignore
    expect(small.platform.requests.map(({ header }) => header.length).every((length) => length <= bytesPerRequestMax)).toBe(true) // prettier-ignore
    expect(small.platform.requests.reduce((sum, { header }) => sum + header.count, 0)).toBe(4)
  })

  test.each<[string, Partial<Command>]>([
    ['an amount beyond 64 bits', { amount: 2n ** 63n }],
    ['a code beyond 32 bits', { code: 2 ** 32 }],
    ['a memo that is too long', { memo: 'ä'.repeat(129) }],
    ['a memo with a NUL', { memo: 'a\0b' }],
    ['half a surrogate pair', { memo: '\ud800' }],
    ['a currency that is none', { currency: 'eur' }],
    ['an id that is no UUIDv7', { id: { high: 1n, low: 1n } }],
    ['no credit account', { credit: { high: 0n, low: 0n } }],
    ['a linked flag alone', { linked: true }],
    ['a checked sequence', { checkedSequence: 1n }],
  ])('a command with %s is refused alone, and nothing of it is sent', async (_, wrong) => {
    const { platform, client } = await connected()
    const [error, result] = await Promise.all([
      errorOf(client.submit(transfer(wrong))),
      client.submit(transfer()),
    ])
    expect(error).toMatchObject({ code: 'malformed', mayHaveHappened: false })
    expect(result.status).toBe('accepted')
    expect(platform.requests.map(({ header }) => header.count)).toEqual([1])
    await client.close()
  })

  test('an account whose scale is left out gets the platform’s own', async () => {
    const { platform, client } = await connected()
    await client.submit({ kind: 'OpenAccount', id: newId(), debit: newId(), currency: 'EUR' })
    expect(decodeCommands(platform.requests[0]!.slots)[0]!.scale).toBe(undefined)
  })

  test('with several partitions, each gets its own; what names no account or lives in two is looked up', async () => {
    const { platform, client } = await connected({ hello: { partitions: 4 } })
    const commands = Array.from({ length: 40 }, () => transfer())
    const [first] = commands
    const elsewhere = commands.find(({ debit }) => partitionOf(debit!, 4) !== partitionOf(first!.debit!, 4))!
    const hold: Command = { kind: 'VoidHold', id: newId(), related: newId() }
    await Promise.all([
      ...commands.map((command) => client.submit(command)),
      client.submit(hold),
      client.submitLinked([transfer({ debit: first!.debit! }), transfer({ debit: elsewhere.debit! })]),
    ])
    const toAny = platform.requests.filter(({ header }) => header.partition === ANY_PARTITION)
    expect(toAny.map(({ header }) => header.count)).toEqual([3])
    const placed = platform.requests.filter(({ header }) => header.partition !== ANY_PARTITION)
    expect(placed).toHaveLength(4)
    for (const { header, slots } of placed) {
      const sent = decodeCommands(slots)
      expect(sent.map(({ debit }) => partitionOf(debit!, 4))).toEqual(sent.map(() => header.partition))
      const own = commands.filter(({ debit }) => partitionOf(debit!, 4) === header.partition)
      expect(sent.every(({ id }, index) => sameId(id, own[index]!.id))).toBe(true)
    }
  })
})

test('slots go to the partition that is named; where none is, the platform finds out', async () => {
  const { platform, client } = await connected({ hello: { partitions: 4 } })
  await client.submitSlots(slotsOf(1), 1, 3)
  await client.submitSlots(slotsOf(1), 1)
  const single = await connected()
  await single.client.submitSlots(slotsOf(1), 1)
  const named = [platform, single.platform].flatMap(({ requests }) => requests.map(({ header }) => header.partition)) // prettier-ignore
  expect(named).toEqual([3, ANY_PARTITION, 0])
})

describe('bounds', () => {
  test('as many requests are in flight as the platform allows; the others wait in their order', async () => {
    const held: ReceivedRequest[] = []
    const { client } = await connected({
      hello: { requestsInFlightMax: 2 },
      onRequest: (request) => held.push(request),
    })
    const all = [1, 2, 3, 4, 5].map((count) => client.submitSlots(slotsOf(count), count))
    const order: number[] = []
    while (order.length < 5) {
      await expect.poll(() => held.length).toBe(Math.min(2, 5 - order.length))
      await delay(5)
      expect(held.length).toBeLessThanOrEqual(2)
      const next = held.shift()!
      order.push(next.header.count)
      accept(next)
    }
    expect(order).toEqual([1, 2, 3, 4, 5])
    expect((await Promise.all(all)).map(({ count }) => count)).toEqual([1, 2, 3, 4, 5])
  })

  test('one command more than may be under way is refused as busy, and ready() says when there is room', async () => {
    const held: ReceivedRequest[] = []
    const { client } = await connected({ onRequest: (request) => held.push(request) }, { commandsMax: 3 })
    const first = client.submitSlots(slotsOf(2), 2)
    const second = client.submit(transfer())
    expect((await errorOf(client.submit(transfer()))).code).toBe('busy')
    expect((await errorOf(client.submitSlots(slotsOf(1), 1))).code).toBe('busy')
    let isReady = false
    const ready = client.ready().then(() => (isReady = true))
    await expect.poll(() => held.length).toBe(2)
    expect(isReady).toBe(false)
    expect(client.underWay).toBe(3)
    accept(held.shift()!)
    await Promise.all([ready, first])
    const third = client.submit(transfer())
    await expect.poll(() => held.length).toBe(2)
    held.forEach(accept)
    await Promise.all([second, third])
    expect(client.underWay).toBe(0)
  })

  test.each([
    [0, 0],
    [1, 0],
    [2, 1],
    [1, 5],
    [1.5, 2],
    [8_193, 8_193],
  ])('%d commands in %d slots are no request', async (count, slots) => {
    const { platform, client } = await connected()
    const error = await errorOf(client.submitSlots(new Uint8Array(slots * COMMAND_SLOT_BYTES), count))
    expect(error.code).toBe('malformed')
    expect(platform.requests).toEqual([])
  })

  test('close() takes nothing more, and waits until all that is under way has its result', async () => {
    const held: ReceivedRequest[] = []
    const { client } = await connected({ onRequest: (request) => held.push(request) })
    const under = client.submit(transfer())
    let isClosed = false
    const closing = client.close().then(() => (isClosed = true))
    expect((await errorOf(client.submit(transfer()))).code).toBe('closed')
    await expect.poll(() => held.length).toBe(1)
    expect(isClosed).toBe(false)
    accept(held[0]!)
    await Promise.all([closing, under])
  })
})

describe('a platform that does not take a request', () => {
  test('busy: the same request again, later, in front of those behind it', async () => {
    let busyLeft = 2
    const { platform, client } = await connected({
      hello: { requestsInFlightMax: 1 },
      onRequest: (request) => {
        if (busyLeft-- > 0) request.socket.write(encodeBusy(request.header.requestId, 1))
        else accept(request)
      },
    })
    const all = [1, 2].map((count) => client.submitSlots(slotsOf(count), count))
    await Promise.all(all)
    expect(platform.requests.map(({ header }) => header.count)).toEqual([1, 1, 1, 2])
  })

  test('busy to several: again in their order, whichever was told first', async () => {
    const { platform, client } = await connected({
      hello: { requestsInFlightMax: 2 },
      onRequest: (request, all) => {
        if (all.length === 2)
          for (const { header, socket } of [...all].reverse()) socket.write(encodeBusy(header.requestId, 1))
        else if (all.length > 2) accept(request)
      },
    })
    await Promise.all([1, 2].map((count) => client.submitSlots(slotsOf(count), count)))
    expect(platform.requests.map(({ header }) => header.count)).toEqual([1, 2, 1, 2])
  })

  test('busy for longer than its patience: a typed error, of which nothing has happened', async () => {
    const { platform, client } = await connected(
      { onRequest: ({ header, socket }) => socket.write(encodeBusy(header.requestId, 10)) },
      { patienceMs: 150 },
    )
    const error = await errorOf(client.submit(transfer()))
    expect(error).toMatchObject({ code: 'busy', mayHaveHappened: false })
    expect(platform.requests.length).toBeGreaterThan(1)
    expect(platform.requests.length).toBeLessThan(6)
    await client.close()
  })

  test.each(['malformed', 'wrong_partition', 'stopped'] as const)(
    '%s: this request alone is refused, in the platform’s words',
    async (kind) => {
      const { client } = await connected({
        onRequest: (request, all) => {
          if (all.length > 1) return accept(request)
          request.socket.write(encodeSentence(kind, request.header.requestId, 'command 3 is odd'))
        },
      })
      const error = await errorOf(client.submitSlots(slotsOf(1), 1))
      expect(error).toMatchObject({ code: kind, mayHaveHappened: false })
      expect(error.message).toContain('command 3 is odd')
      expect((await client.submit(transfer())).status).toBe('accepted')
    },
  )
})
