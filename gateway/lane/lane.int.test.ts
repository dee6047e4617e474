/** Peers that break the rules of the bulk lane, over raw sockets (docs/bulk-lane.md). */
import { connect, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { encodeCommands } from '../../schemas/command-codec.ts'
import type { Command } from '../../schemas/commands.ts'
import { makeUuidV7, type Id } from '../../schemas/ids.ts'
import { LaneResults } from '../../schemas/lane-results.ts'
import {
  ANY_PARTITION,
  LANE_HEADER_BYTES,
  LANE_PATH,
  LANE_PROTOCOL,
  readBusy,
  readLaneHeader,
  readSentence,
  requestHeader,
  writeLaneHeader,
  type LaneHeader,
} from '../../schemas/lane.ts'
import { BATCH_COMMANDS_MAX } from '../../schemas/limits.ts'
import type { Writer } from '../../writer/writer.ts'
import type { GatewayLimits } from '../bounds.ts'
import type { Gateway } from '../gateway.ts'
import { HeldWriter } from '../held-writer.testing.ts'
import { furtherGateway, gatewayUnderTest, type GatewayUnderTest } from '../gateway-under-test.testing.ts'

const WAIT_MS = 15_000

let under: GatewayUnderTest
const closers: (() => unknown)[] = []
beforeAll(async () => {
  under = await gatewayUnderTest()
})
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})
afterAll(() => under.stop())

const newId = (): Id => makeUuidV7(Date.now(), crypto.getRandomValues(new Uint8Array(10)))

/** Transfers between accounts that nobody opened: each is decided, and refused. */
function transfers(count: number): Uint8Array {
  const [debit, credit] = [newId(), newId()]
  return encodeCommands(
    Array.from({ length: count }, (): Command => ({ kind: 'Transfer', id: newId(), debit, credit, amount: 1n, currency: 'EUR' })), // prettier-ignore
  )
}

function request(requestId: number, count = 1, partition = ANY_PARTITION): Buffer {
  const slots = transfers(count)
  return Buffer.concat([requestHeader(requestId, partition, count, slots.length), slots])
}

interface Message {
  readonly header: LaneHeader
  readonly body: Buffer
}

/** One raw connection: what came over it, as messages. */
class Peer {
  readonly socket: Socket
  readonly messages: Message[] = []
  /** The answer to the upgrade. */
  answer = ''
  isEnded = false
  isClosed = false
  private bytes = Buffer.alloc(0)

  constructor(port: number, upgrade = upgradeFor(LANE_PROTOCOL)) {
    this.socket = connect(port, '127.0.0.1')
    this.socket.on('error', () => undefined)
    this.socket.on('end', () => (this.isEnded = true))
    this.socket.on('close', () => (this.isClosed = true))
    this.socket.on('data', (chunk) => {
      this.bytes = Buffer.concat([this.bytes, chunk])
      this.read()
    })
    this.socket.write(upgrade)
    closers.push(() => this.socket.destroy())
  }

  async upgraded(): Promise<this> {
    await until(() => this.messages.length > 0)
    expect(this.answer).toMatch(/^HTTP\/1\.1 101 /)
    expect(this.messages.shift()!.header.kind).toBe('hello')
    return this
  }

  send(bytes: Uint8Array): void {
    this.socket.write(bytes)
  }

  async next(): Promise<Message> {
    await until(() => this.messages.length > 0)
    return this.messages.shift()!
  }

  private read(): void {
    if (this.answer === '') {
      const end = this.bytes.indexOf('\r\n\r\n')
      if (end === -1) return
      this.answer = this.bytes.subarray(0, end).toString()
      this.bytes = this.bytes.subarray(end + 4)
    }
    // Behind a refusal comes JSON.
    if (!this.answer.startsWith('HTTP/1.1 101 ')) return
    while (this.bytes.length >= LANE_HEADER_BYTES) {
      const header = readLaneHeader(this.bytes, 0)
      if (header.kind === 'bad') throw new Error(header.reason)
      if (this.bytes.length < header.length) return
      this.messages.push({ header, body: this.bytes.subarray(LANE_HEADER_BYTES, header.length) })
      this.bytes = this.bytes.subarray(header.length)
    }
  }
}

function upgradeFor(protocol: string, method = 'GET'): string {
  return `${method} ${LANE_PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`
}

async function until(isSo: () => boolean): Promise<void> {
  await expect.poll(isSo, { timeout: WAIT_MS, interval: 5 }).toBe(true)
}

/** The platform's writer, of which nothing is heard until it is let go. */
function heldWriter(): HeldWriter {
  const held = new HeldWriter(under.writer)
  held.hold()
  closers.push(() => held.letGo())
  return held
}

/** Further doors over the same platform, with other bounds. */
async function doors(limits: Partial<GatewayLimits>, writer: Writer = under.writer): Promise<Gateway> {
  const gateway = await furtherGateway(under, { writers: [writer], limits })
  closers.push(() => gateway.stop())
  return gateway
}

function sentenceOf({ header, body }: Message): string {
  return readSentence(body, header.count)
}

async function expectWorks(peer: Peer, requestId = 4_711): Promise<void> {
  peer.send(request(requestId))
  const { header, body } = await peer.next()
  expect(header).toMatchObject({ kind: 'results', requestId, count: 1 })
  expect(new LaneResults(body).at(0)).toMatchObject({ status: 'refused', code: 'debit_account_not_found' })
}

describe('the door', () => {
  test.each([
    ['another protocol', upgradeFor('websocket')],
    ['a version that is not spoken', upgradeFor('purser-bulk/1')],
    ['another method', upgradeFor(LANE_PROTOCOL, 'PUT')],
  ])('%s is 426, with the protocol that is spoken', async (_, upgrade) => {
    const peer = new Peer(under.gateway.port, upgrade)
    await until(() => peer.isEnded)
    expect(peer.answer).toMatch(/^HTTP\/1\.1 426 /)
    expect(peer.answer).toContain(`Upgrade: ${LANE_PROTOCOL}`)
    expect(peer.messages).toEqual([])
  })

  test('one connection too many is 503, and let in when another has gone', async () => {
    const gateway = await doors({ laneConnectionsMax: 2 })
    const first = await new Peer(gateway.port).upgraded()
    const second = await new Peer(gateway.port).upgraded()
    const third = new Peer(gateway.port)
    await until(() => third.isEnded)
    expect(third.answer).toMatch(/^HTTP\/1\.1 503 /)
    await expectWorks(second)
    first.socket.destroy()
    await until(() => gateway.figures().laneConnections === 1)
    await expectWorks(await new Peer(gateway.port).upgraded())
  })
})

describe('messages', () => {
  const results = new Uint8Array(LANE_HEADER_BYTES + 16)
  writeLaneHeader(results, 0, { kind: 'results', length: 32, requestId: 3, count: 1, partition: 0 })
  const tooLong = requestHeader(3, 0, 1, 0)
  new DataView(tooLong.buffer).setUint32(4, 0xffff_fff0, true)

  test.each([
    ['bytes that are no message', Buffer.alloc(16, 7), 'no message begins here'],
    ['a message that only servers send', results, 'a client does not send messages of kind results'],
    ['a length beyond all bounds', tooLong, 'a request message with count 1 cannot have 4294967280 bytes'],
    ['more commands than a request has', requestHeader(3, 0, BATCH_COMMANDS_MAX + 1, (BATCH_COMMANDS_MAX + 1) * 160), 'cannot have'], // prettier-ignore
  ])('%s: the reason, then the end', async (_, bytes, reason) => {
    const peer = await new Peer(under.gateway.port).upgraded()
    await expectWorks(peer)
    peer.send(bytes)
    const message = await peer.next()
    expect(message.header).toMatchObject({ kind: 'bad_message', requestId: 0 })
    expect(sentenceOf(message)).toContain(reason)
    await until(() => peer.isEnded)
    // A peer that does not close its own side is cut.
    await until(() => under.gateway.figures().laneConnections === 0)
    expect(peer.messages).toEqual([])
  })

  test('a partition that is not there is told, and the connection goes on', async () => {
    const peer = await new Peer(under.gateway.port).upgraded()
    peer.send(request(8, 2, 5))
    const message = await peer.next()
    expect(message.header).toMatchObject({ kind: 'wrong_partition', requestId: 8 })
    expect(sentenceOf(message)).toBe('there are 1 partitions, counted from 0')
    await expectWorks(peer)
  })

  test('a request that comes byte by byte, and two in one piece, are answered all the same', async () => {
    const peer = await new Peer(under.gateway.port).upgraded()
    peer.socket.setNoDelay(true)
    for (const byte of request(1)) {
      peer.send(Uint8Array.of(byte))
      if (byte % 16 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    peer.send(Buffer.concat([request(2), request(3)]))
    const ids = [await peer.next(), await peer.next(), await peer.next()].map(({ header }) => header.requestId) // prettier-ignore
    expect(ids.sort()).toEqual([1, 2, 3])
  })
})

describe('bounds', () => {
  test('more requests in flight than allowed are answered busy, and taken when there is room', async () => {
    const held = heldWriter()
    const gateway = await doors({ laneRequestsPerConnectionMax: 2 }, held.writer)
    const peer = await new Peer(gateway.port).upgraded()
    for (const requestId of [1, 2, 3]) peer.send(request(requestId))
    const busy = await peer.next()
    expect(busy.header).toMatchObject({ kind: 'busy', requestId: 3 })
    expect(readBusy(busy.body)).toBeGreaterThan(0)
    held.letGo()
    const ids = [await peer.next(), await peer.next()].map(({ header }) => [header.kind, header.requestId])
    expect(ids).toEqual([['results', 1], ['results', 2]]) // prettier-ignore
    await expectWorks(peer)
  })

  test('when the memory for requests is in use, over all connections, more are answered busy', async () => {
    const held = heldWriter()
    // Each takes 16 slots of 160 bytes, and 32 bytes more for each.
    const gateway = await doors({ laneBytesMax: 2 * 16 * 192 }, held.writer)
    const [first, second] = [await new Peer(gateway.port).upgraded(), await new Peer(gateway.port).upgraded()]
    first.send(request(1))
    second.send(request(2))
    await until(() => gateway.figures().operations === 2)
    second.send(request(3))
    expect((await second.next()).header).toMatchObject({ kind: 'busy', requestId: 3 })
    held.letGo()
    expect((await first.next()).header).toMatchObject({ kind: 'results', requestId: 1 })
    expect((await second.next()).header).toMatchObject({ kind: 'results', requestId: 2 })
    // One that could never fit is read past, however long it is.
    first.send(request(4, 1_000))
    expect((await first.next()).header).toMatchObject({ kind: 'busy', requestId: 4 })
    await expectWorks(first)
  })

  test('a peer that reads nothing is no longer read from, and cut; others do not notice', async () => {
    const gateway = await doors({ socketSendMs: 500 })
    const deaf = await new Peer(gateway.port).upgraded()
    const other = await new Peer(gateway.port).upgraded()
    deaf.socket.pause()
    let sent = 0
    const bytes = request(1, BATCH_COMMANDS_MAX)
    // As many as it takes until the server stops reading; each has an answer of 128 KiB.
    for (; sent < 400 && gateway.figures().laneConnections === 2; sent++) {
      if (!deaf.socket.write(bytes))
        await Promise.race([drained(deaf.socket), until(() => gateway.figures().laneConnections === 1)])
      if (sent % 8 === 0) await expectWorks(other)
    }
    await until(() => gateway.figures().laneConnections === 1)
    expect(sent).toBeLessThan(400)
    await expectWorks(other)
  }, 60_000)

  test.each([
    ['header', 7],
    ['body', 200],
  ])('a request whose %s is not finished is cut, and its memory is free', async (_, bytes) => {
    const gateway = await doors({ laneRequestMs: 300, laneBytesMax: 16 * 192 })
    const idle = await new Peer(gateway.port).upgraded()
    const slow = await new Peer(gateway.port).upgraded()
    slow.send(request(1, 2).subarray(0, bytes))
    await until(() => slow.isClosed)
    expect(slow.messages).toEqual([])
    // Whoever has begun nothing may stay.
    await expectWorks(idle)
  })
})

describe('the end', () => {
  test('a drain answers what is under way, takes nothing more, and closes each connection behind its last answer', async () => {
    const held = heldWriter()
    const gateway = await doors({ drainMs: WAIT_MS }, held.writer)
    const [idle, busy] = [await new Peer(gateway.port).upgraded(), await new Peer(gateway.port).upgraded()]
    busy.send(request(1, 3))
    await until(() => gateway.figures().operations === 1)
    const stopped = gateway.stop()
    await until(() => idle.isEnded)
    busy.send(request(2))
    const refused = await busy.next()
    expect(refused.header).toMatchObject({ kind: 'stopped', requestId: 2 })
    expect(sentenceOf(refused)).toContain('going down')
    expect(busy.isEnded).toBe(false)
    held.letGo()
    expect((await busy.next()).header).toMatchObject({ kind: 'results', requestId: 1, count: 3 })
    await until(() => busy.isEnded)
    await stopped
    expect(gateway.figures()).toMatchObject({ laneConnections: 0, operations: 0, pendingCommands: 0 })
  })

  test('a drain cuts what does not come to its end in time', async () => {
    const held = heldWriter()
    const gateway = await doors({ drainMs: 200 }, held.writer)
    const peer = await new Peer(gateway.port).upgraded()
    peer.send(request(1))
    await until(() => gateway.figures().operations === 1)
    await Promise.all([gateway.stop(), until(() => peer.isClosed)])
    expect(peer.messages).toEqual([])
  })

  test('a writer that has stopped is told, and the connection stays', async () => {
    const peer = await new Peer(under.gateway.port).upgraded()
    await expectWorks(peer)
    await under.writer.stop()
    for (const requestId of [5, 6]) {
      peer.send(request(requestId))
      const message = await peer.next()
      expect(message.header).toMatchObject({ kind: 'stopped', requestId })
      expect(sentenceOf(message)).not.toBe('')
    }
    expect(peer.isEnded).toBe(false)
  })
})

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('drain', resolve))
}
