/** Connections that break, and peers that are no platform of this version. */
import fc from 'fast-check'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { encodeBusy, encodeHello, encodeSentence, LANE_HEADER_BYTES } from '../schemas/lane.ts'
import { connectBulk } from './client.ts'
import { BulkError } from './errors.ts'
import { accept, accepted, HELLO, UPGRADED, type ReceivedRequest } from './fake-platform.testing.ts'

import { connected, errorOf, platformOf, slotsOf, transfer } from './client.testing.ts'

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

describe('what is no platform of this version', () => {
  test.each<[string, string | Uint8Array, string]>([
    ['another version', Buffer.concat([Buffer.from(UPGRADED), encodeHello({ ...HELLO, version: 1 })]), 'version'],
    ['another protocol', UPGRADED.replace('purser-bulk/2', 'purser-bulk/9'), 'version'],
    ['an upgrade that is wanted otherwise', 'HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n', 'version'],
    ['a name by which it does not go', 'HTTP/1.1 421 Misdirected Request\r\nContent-Length: 0\r\n\r\n', 'protocol'],
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
