/** For tests: something that speaks the lane as a platform does, and as one never would. */
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { LANE_RESULT_BYTES, LANE_RESULT_WORDS, LANE_STATUS, writeResult } from '../schemas/lane-results.ts'
import {
  encodeHello,
  LANE_HEADER_BYTES,
  LANE_PROTOCOL,
  LANE_VERSION,
  LANE_REQUEST_BYTES_MAX,
  readLaneHeader,
  writeLaneHeader,
  type LaneHeader,
  type LaneHello,
} from '../schemas/lane.ts'

/** A request as it came. */
export interface ReceivedRequest {
  readonly header: LaneHeader
  readonly slots: Buffer
  readonly socket: Socket
  /** Over which connection, from 1. */
  readonly connection: number
}

export interface FakePlatform {
  readonly url: string
  /** All that came, in order. */
  readonly requests: ReceivedRequest[]
  connections(): number
  readonly stop: () => Promise<void>
}

export interface FakeOptions {
  readonly hello?: Partial<LaneHello>
  /** Instead of the 101 and the hello. */
  readonly greeting?: string | Uint8Array
  /** Left out: every command is accepted. */
  readonly onRequest?: (request: ReceivedRequest, all: readonly ReceivedRequest[]) => void
}

export const UPGRADED = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${LANE_PROTOCOL}\r\n\r\n`

export const HELLO: LaneHello = {
  version: LANE_VERSION,
  partitions: 1,
  commandsPerRequestMax: 8_192,
  bytesPerRequestMax: LANE_REQUEST_BYTES_MAX,
  requestsInFlightMax: 16,
}

export function fakePlatform({ hello, greeting, onRequest = accept }: FakeOptions = {}): Promise<FakePlatform> {
  const requests: ReceivedRequest[] = []
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createServer((socket) => {
    const connection = ++connections
    let bytes = Buffer.alloc(0)
    let isUpgraded = false
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk])
      if (!isUpgraded) {
        const end = bytes.indexOf('\r\n\r\n')
        if (end === -1) return
        bytes = bytes.subarray(end + 4)
        isUpgraded = true
        socket.write(greeting ?? Buffer.concat([Buffer.from(UPGRADED), encodeHello({ ...HELLO, ...hello })]))
      }
      while (bytes.length >= LANE_HEADER_BYTES) {
        const header = readLaneHeader(bytes, 0)
        if (header.kind === 'bad') throw new Error(header.reason)
        if (bytes.length < header.length) return
        const slots = Buffer.from(bytes.subarray(LANE_HEADER_BYTES, header.length))
        bytes = bytes.subarray(header.length)
        const request = { header, slots, socket, connection }
        requests.push(request)
        onRequest(request, requests)
      }
    })
  })
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () =>
      resolve({
        url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        requests,
        connections: () => connections,
        stop: () => {
          for (const socket of sockets) socket.destroy()
          return new Promise((stopped) => server.close(() => stopped()))
        },
      }),
    )
  })
} // prettier-ignore

/** Says that all of a request's commands were accepted, each with its place in the request as its sequence. */
export function accept({ header, socket }: ReceivedRequest): void {
  socket.write(accepted(header))
}

/** The message that says so. */
export function accepted({ requestId, count, partition }: LaneHeader): Uint8Array {
  const bytes = new Uint8Array(LANE_HEADER_BYTES + count * LANE_RESULT_BYTES)
  writeLaneHeader(bytes, 0, { kind: 'results', length: bytes.length, requestId, count, partition })
  const words = new Int32Array(bytes.buffer, LANE_HEADER_BYTES)
  for (let index = 0; index < count; index++)
    writeResult(words, index * LANE_RESULT_WORDS, LANE_STATUS.accepted, 0, 0, 0, index, 0)
  return bytes
}
