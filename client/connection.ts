/**
 * One connection of the lane, seen from the client: the upgrade, the hello, then whole messages out of bytes.
 *
 * A message's length is believed only within what its kind and count allow (readLaneHeader), before anything is allocated.
 */
import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import type { Socket } from 'node:net'
import {
  LANE_HEADER_BYTES,
  LANE_PATH,
  LANE_PROTOCOL,
  LANE_VERSION,
  readHello,
  readLaneHeader,
  requestHeader,
  type LaneHeader,
  type LaneHello,
} from '../schemas/lane.ts'
import { ConnectionError, ProtocolError, type BulkError } from './errors.ts'

/** Who hears what a connection brings. */
export interface ConnectionListener {
  /** A whole message. Its body is the listener's. A thrown ProtocolError ends the connection. */
  onMessage(header: LaneHeader, body: Uint8Array): void
  /** The connection is over. Called once. */
  onEnd(error: BulkError): void
}

/** Requests up to this size go out in one piece; longer ones as header and slots, not copied. */
const COPIED_BYTES_MAX = 4_096

export class LaneConnection {
  readonly hello: LaneHello
  readonly #socket: Socket
  readonly #reader: MessageReader

  constructor(socket: Socket, hello: LaneHello, reader: MessageReader) {
    this.hello = hello
    this.#socket = socket
    this.#reader = reader
  }

  /** Sends one request. The slots are the connection's until it is answered. */
  send(requestId: number, partition: number, count: number, slots: Uint8Array): void {
    const header = requestHeader(requestId, partition, count, slots.length)
    if (slots.length <= COPIED_BYTES_MAX) {
      const bytes = Buffer.allocUnsafe(LANE_HEADER_BYTES + slots.length)
      bytes.set(header)
      bytes.set(slots, LANE_HEADER_BYTES)
      this.#socket.write(bytes)
      return
    }
    this.#socket.cork()
    this.#socket.write(header)
    this.#socket.write(slots)
    this.#socket.uncork()
  }

  /** Names who hears what comes from now on, its end included, even where that has come already. */
  listen(listener: ConnectionListener): void {
    this.#reader.listen(listener)
  }

  /** Says that nothing more will be sent. */
  end(): void {
    this.#reader.stop()
    this.#socket.destroySoon()
  }

  /** Cuts the connection; the listener hears of this error. */
  cut(error: BulkError): void {
    this.#reader.fail(error)
  }
}

/**
 * Opens a connection and waits for the hello.
 * @param url of the platform; the path is the lane's own
 * @param connectMs how long all of it may take
 * @throws ConnectionError `unreachable`, ProtocolError `version`, `protocol`
 */
export function openConnection(url: URL, connectMs: number): Promise<LaneConnection> {
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? https : http).request(new URL(LANE_PATH, url), {
      headers: { Connection: 'Upgrade', Upgrade: LANE_PROTOCOL },
    })
    let socket: Socket | undefined
    const fail = (error: BulkError): void => {
      clearTimeout(timer)
      request.destroy()
      socket?.destroy()
      reject(error)
    }
    const timer = setTimeout(() => fail(unreachable(url, `did not answer within ${connectMs} ms`)), connectMs)
    request.on('error', (error) => fail(unreachable(url, error.message)))
    request.on('response', (response) => fail(refusedUpgrade(url, response)))
    request.on('upgrade', (response: IncomingMessage, upgraded: Socket, head: Buffer) => {
      socket = upgraded
      if (response.headers.upgrade?.toLowerCase() !== LANE_PROTOCOL)
        return fail(
          new ProtocolError('version', `${url.origin} offers ${response.headers.upgrade}: ${SAME_VERSION}`),
        )
      upgraded.setNoDelay(true)
      upgraded.setKeepAlive(true, KEEP_ALIVE_MS)
      const reader = new MessageReader(upgraded, {
        onMessage: (header, body) => {
          const hello = helloOf(header, body)
          clearTimeout(timer)
          reader.listen(NOBODY)
          resolve(new LaneConnection(upgraded, hello, reader))
        },
        onEnd: (error) => fail(error),
      })
      if (head.length > 0) upgraded.unshift(head)
    })
    request.end()
  })
}

const SAME_VERSION = `this client speaks ${LANE_PROTOCOL}; take a client of the platform's version`
/** A peer that is gone without a word is noticed by TCP, in ms. */
const KEEP_ALIVE_MS = 60_000

function unreachable(url: URL, why: string): ConnectionError {
  return new ConnectionError('unreachable', `No bulk lane answers at ${url.origin}: ${why}.`)
}

function refusedUpgrade(url: URL, response: IncomingMessage): BulkError {
  const { statusCode } = response
  if (statusCode === 426) return new ProtocolError('version', `${url.origin} does not upgrade: ${SAME_VERSION}.`)
  if (statusCode === 421)
    return new ProtocolError('protocol', `The platform does not go by the name ${url.host}: its operator names it with --allow-host.`)
  return unreachable(url, `it answers the upgrade with ${statusCode}${statusCode === 503 ? ', which passes' : ''}`)
} // prettier-ignore

function helloOf(header: LaneHeader, body: Uint8Array): LaneHello {
  if (header.kind !== 'hello')
    throw new ProtocolError('protocol', `the platform began with a ${header.kind} message, not with hello`)
  const version = new DataView(body.buffer, body.byteOffset).getUint32(0, true)
  if (version !== LANE_VERSION)
    throw new ProtocolError('version', `the platform speaks version ${version} of the lane: ${SAME_VERSION}`)
  const hello = readHello(body)
  if (hello === undefined) throw new ProtocolError('protocol', 'the platform names bounds that cannot be')
  return hello
}

/** Between the hello and the first request. */
const NOBODY: ConnectionListener = {
  onMessage: () => {
    throw new ProtocolError('protocol', 'the platform answers before anything was asked')
  },
  // Whoever listens next is told.
  onEnd: () => undefined,
}

/** Bytes of a socket → whole messages, until something is wrong. */
class MessageReader {
  #listener: ConnectionListener
  #end: BulkError | undefined
  readonly #socket: Socket
  readonly #head = new Uint8Array(LANE_HEADER_BYTES)
  #headBytes = 0
  /** The message whose body is being received, and as much of it as has come. */
  #header: LaneHeader | undefined
  #body = new Uint8Array(0)
  #bodyBytes = 0
  #isOver = false

  constructor(socket: Socket, listener: ConnectionListener) {
    this.#socket = socket
    this.#listener = listener
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
    socket.on('error', (error) => this.fail(lost(error.message)))
    socket.on('end', () => this.fail(lost('the platform closed it')))
    socket.on('close', () => this.fail(lost('it was closed')))
  }

  listen(listener: ConnectionListener): void {
    this.#listener = listener
    if (this.#end !== undefined) listener.onEnd(this.#end)
  }

  fail(error: BulkError): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#end = error
    this.#socket.destroy()
    this.#listener.onEnd(error)
  }

  /** Lets go without a word to the listener. */
  stop(): void {
    this.#isOver = true
  }

  #read(chunk: Buffer): void {
    try {
      for (let at = 0; at < chunk.length && !this.#isOver;)
        at =
          this.#header === undefined ? this.#readHeader(chunk, at) : this.#readBody(chunk, at, this.#header)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.fail(error)
    }
  }

  #readHeader(chunk: Buffer, at: number): number {
    if (this.#headBytes === 0 && chunk.length - at >= LANE_HEADER_BYTES)
      return this.#begin(chunk, at, at + LANE_HEADER_BYTES)
    const end = Math.min(chunk.length, at + LANE_HEADER_BYTES - this.#headBytes)
    this.#head.set(chunk.subarray(at, end), this.#headBytes)
    this.#headBytes += end - at
    if (this.#headBytes < LANE_HEADER_BYTES) return end
    this.#headBytes = 0
    return this.#begin(this.#head, 0, end)
  }

  /** @param next where in the chunk the header's body begins */
  #begin(bytes: Uint8Array, at: number, next: number): number {
    const header = readLaneHeader(bytes, at)
    if (header.kind === 'bad')
      throw new ProtocolError('protocol', `what came is no message: ${header.reason}`)
    if (header.length === LANE_HEADER_BYTES) return this.#finish(header, new Uint8Array(0), next)
    this.#header = header
    this.#bodyBytes = 0
    return next
  }

  #readBody(chunk: Buffer, at: number, header: LaneHeader): number {
    const length = header.length - LANE_HEADER_BYTES
    if (this.#bodyBytes === 0) {
      // What has come whole is handed on where it stands.
      if (chunk.length - at >= length) return this.#finish(header, chunk.subarray(at, at + length), at + length)
      this.#body = new Uint8Array(length)
    }
    const end = Math.min(chunk.length, at + length - this.#bodyBytes)
    this.#body.set(chunk.subarray(at, end), this.#bodyBytes)
    this.#bodyBytes += end - at
    return this.#bodyBytes < length ? end : this.#finish(header, this.#body, end)
  } // prettier-ignore

  #finish(header: LaneHeader, body: Uint8Array, next: number): number {
    this.#header = undefined
    this.#listener.onMessage(header, body)
    return next
  }
}

function lost(why: string): ConnectionError {
  return new ConnectionError('connection_lost', `The connection to the platform was lost: ${why}.`)
}
