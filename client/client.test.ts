import fc from 'fast-check'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { decodeCommands, encodeCommands, SCALE_OF_PLATFORM, type Command } from '../schemas/commands.ts'
import { makeUuidV7, sameId, type Id } from '../schemas/ids.ts'
import { ANY_PARTITION, encodeBusy, encodeHello, encodeSentence, LANE_HEADER_BYTES } from '../schemas/lane.ts'
import { COMMAND_SLOT_BYTES } from '../schemas/limits.ts'
import { partitionOf } from '../schemas/partitions.ts'
import { connectBulk, type BulkClient, type BulkOptions } from './client.ts'
import { BulkError } from './errors.ts'
import { accept, accepted, fakePlatform, HELLO, UPGRADED, type FakeOptions, type FakePlatform, type ReceivedRequest } from './testing.ts' // prettier-ignore

const stops: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
})

async function platformOf(options: FakeOptions = {}): Promise<FakePlatform> {
  const platform = await fakePlatform(options)
  stops.push(platform.stop)
  return platform
}

async function connected(
  options: FakeOptions = {},
  clientOptions: Partial<BulkOptions> = {},
): Promise<{ platform: FakePlatform; client: BulkClient }> {
  const platform = await platformOf(options)
  return { platform, client: await connectBulk({ url: platform.url, ...clientOptions }) }
}

let made = 0
function newId(): Id {
  const bits = new Uint8Array(16)
  new DataView(bits.buffer).setUint32(6, ++made)
  return makeUuidV7(1_800_000_000_000, bits)
}

function transfer(more: Partial<Command> = {}): Command {
  return { kind: 'Transfer', id: newId(), debit: newId(), credit: newId(), amount: 5n, currency: 'EUR', ...more }
} // prettier-ignore

function slotsOf(count: number): Uint8Array {
  return encodeCommands(Array.from({ length: count }, () => transfer()))
}

/** The error with which it was rejected. */
async function errorOf(promise: Promise<unknown>): Promise<BulkError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(BulkError)
  return error as BulkError
}

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
    expect(platform.requests[0]!.slots[2]).toBe(SCALE_OF_PLATFORM)
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

describe('a connection that breaks', () => {
  test('in the middle of an answer: what was not answered is sent again as it was, in its order', async () => {
    const { platform, client } = await connected({
      hello: { requestsInFlightMax: 3 },
      onRequest: (request, all) => {
        if (request.connection === 2) return accept(request)
        if (all.length !== 3) return
        // The second is answered, the first half, the third not at all.
        request.socket.write(accepted(all[1]!.header))
        request.socket.write(accepted(all[0]!.header).subarray(0, 21))
        setTimeout(() => request.socket.destroy(), 20)
      },
    })
    const all = [1, 2, 3, 4, 5].map((count) => client.submitSlots(slotsOf(count), count))
    const results = await Promise.all(all)
    expect(results.map(({ count }) => count)).toEqual([1, 2, 3, 4, 5])
    expect(platform.connections()).toBe(2)
    const [first, second] = [1, 2].map((number) => platform.requests.filter(({ connection }) => connection === number)) // prettier-ignore
    expect(first!.slice(0, 3).map(({ header }) => header.count)).toEqual([1, 2, 3])
    expect(second!.map(({ header }) => header.count)).toEqual([1, 3, 4, 5])
    expect(second![0]!.slots.equals(first![0]!.slots)).toBe(true)
  })

  test('half a header and then silence counts as lost; past its patience a request is given up, its fate unknown', async () => {
    const { platform, client } = await connected(
      { onRequest: ({ header, socket }) => socket.write(accepted(header).subarray(0, 7)) },
      { answerMs: 60, patienceMs: 200 },
    )
    const error = await errorOf(client.submit(transfer()))
    expect(error).toMatchObject({ code: 'connection_lost', mayHaveHappened: true })
    expect(platform.connections()).toBeGreaterThan(1)
    // Not broken for ever: the next one has patience of its own.
    expect((await errorOf(client.submit(transfer()))).code).toBe('connection_lost')
  })

  test('with nobody there any more, requests are given up after their patience, and say whether they were sent', async () => {
    const { platform, client } = await connected({}, { patienceMs: 150, connectMs: 100 })
    await platform.stop()
    const error = await errorOf(client.submit(transfer()))
    expect(error.code).toBe('connection_lost')
    await client.close()
  })

  test('while idle: the next request makes a new one', async () => {
    const { platform, client } = await connected({
      onRequest: (request) => {
        accept(request)
        if (request.connection === 1) request.socket.end()
      },
    })
    await client.submit(transfer())
    await delay(20)
    expect(platform.connections()).toBe(1)
    expect((await client.submit(transfer())).status).toBe('accepted')
    expect(platform.connections()).toBe(2)
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

describe('what is no platform of this version', () => {
  test.each<[string, string | Uint8Array, string]>([
    ['another version', Buffer.concat([Buffer.from(UPGRADED), encodeHello({ ...HELLO, version: 2 })]), 'version'],
    ['another protocol', UPGRADED.replace('purser-bulk/1', 'purser-bulk/9'), 'version'],
    ['an upgrade that is wanted otherwise', 'HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n', 'version'],
    ['a full house', 'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n', 'unreachable'],
    ['no HTTP', 'SSH-2.0-nobody\r\n\r\n', 'unreachable'],
    ['silence', UPGRADED, 'unreachable'],
    ['half a hello', Buffer.concat([Buffer.from(UPGRADED), encodeHello(HELLO).subarray(0, 9)]), 'unreachable'],
    ['bounds that cannot be', Buffer.concat([Buffer.from(UPGRADED), encodeHello({ ...HELLO, requestsInFlightMax: 0 })]), 'protocol'],
    ['no hello', Buffer.concat([Buffer.from(UPGRADED), encodeBusy(1, 1)]), 'protocol'],
    ['garbage', Buffer.concat([Buffer.from(UPGRADED), Buffer.alloc(64, 7)]), 'protocol'],
  ])('%s: a typed error', async (_, greeting, code) => {
    const { url } = await platformOf({ greeting })
    expect((await errorOf(connectBulk({ url, connectMs: 300 }))).code).toBe(code)
  }) // prettier-ignore

  test('a web server without a lane, and nobody at all, are unreachable', async () => {
    const server = http.createServer((_, response) => response.writeHead(404).end())
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    expect((await errorOf(connectBulk({ url }))).code).toBe('unreachable')
    await new Promise((resolve) => server.close(resolve))
    expect((await errorOf(connectBulk({ url }))).code).toBe('unreachable')
  })

  test.each<[string, (request: ReceivedRequest) => Uint8Array, string]>([
    ['an answer to nothing', ({ header }) => accepted({ ...header, requestId: 77 }), 'protocol'],
    ['more results than commands', ({ header }) => accepted({ ...header, count: 2 }), 'protocol'],
    ['a second hello', () => encodeHello(HELLO), 'protocol'],
    ['a request', ({ header, slots }) => Buffer.concat([requestBytes(header), slots]), 'protocol'],
    ['a length of four gigabytes', ({ header }) => withLength(accepted(header), 0xffff_fff8), 'protocol'],
    ['a complaint', () => encodeSentence('bad_message', 0, 'no message begins here'), 'bad_message'],
  ])('%s ends the client with a typed error', async (_, answer, code) => {
    const { platform, client } = await connected({ onRequest: (request) => request.socket.write(answer(request)) })
    expect(await errorOf(client.submitSlots(slotsOf(1), 1))).toMatchObject({ code, mayHaveHappened: true })
    expect((await errorOf(client.submit(transfer()))).code).toBe(code)
    expect(platform.connections()).toBe(1)
    await client.close()
  }) // prettier-ignore

  test('bytes of any kind behind the hello are a typed error or wait for more; nothing else is thrown', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 80 }), fc.nat(16), async (bytes, kept) => {
        const { client } = await connected(
          {
            onRequest: ({ header, socket }) => {
              const answer = Buffer.concat([accepted(header).subarray(0, kept), bytes])
              socket.end(answer)
            },
          },
          { answerMs: 50, patienceMs: 1 },
        )
        const outcome = await client.submitSlots(slotsOf(1), 1).then(
          () => 'results',
          (error: unknown) => error instanceof BulkError,
        )
        expect([true, 'results']).toContain(outcome)
        await client.close()
      }),
      { numRuns: 40 },
    )
  })

  test('an answer that comes byte by byte is the same answer', async () => {
    const { client } = await connected({
      onRequest: ({ header, socket }) => {
        const bytes = Buffer.concat([accepted(header), encodeBusy(9_999, 1)]).subarray(0, accepted(header).length) // prettier-ignore
        void (async () => {
          for (const byte of bytes) {
            socket.write(Uint8Array.of(byte))
            await delay(0)
          }
        })()
      },
    })
    const results = await client.submitSlots(slotsOf(3), 3)
    expect([0, 1, 2].map((index) => results.sequence(index))).toEqual([0n, 1n, 2n])
    expect(results.tally()).toEqual({ decided: 3, refused: 0, faults: 0, replayed: 0 })
  })
})

function requestBytes(header: ReceivedRequest['header']): Uint8Array {
  const bytes = accepted({ ...header, count: 1 }).subarray(0, LANE_HEADER_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint8(2, 2)
  view.setUint32(4, header.length, true)
  return bytes
}

function withLength(bytes: Uint8Array, length: number): Uint8Array {
  new DataView(bytes.buffer).setUint32(4, length, true)
  return bytes
}
