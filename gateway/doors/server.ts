/**
 * The one HTTP server: which path leads to which door, and the bounds of connections. Bad input gets neither a 500 nor
 * a stack trace.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { LANE_PATH } from '../../schemas/lane.ts'
import { NS_PER_MS } from '../../schemas/time.ts'
import type { Admission, Operation } from '../admission/admission.ts'
import type { GatewayLimits } from '../bounds.ts'
import { runCommands } from './bulk.ts'
import { answerOf } from './graphql/error-answers.ts'
import { codeOf, fault, type Fault } from '../errors.ts'
import { answerGraphql, wantsEvents, type GraphqlDoor } from './graphql/graphql-http.ts'
import { checkOrigin, type AllowedHosts } from './hosts.ts'
import { allow, checkJson, parseObject, readBody, sendError, sendJson, type ErrorShape } from './http.ts'
import type { ImportRegistry } from '../imports/import-registry.ts'
import { beginTime, importPathOf, IMPORT_BODY_BYTES_MAX, listKnown, listTimes } from '../imports/imports.ts'
import type { Lane } from '../lane/lane.ts'
import { PartitionShares } from '../submit/partition-shares.ts'
import { purposesOf, type Purpose, type Readiness } from './readiness.ts'
import { RequestPoint } from '../read/read-points.ts'
import { refuseUpgrade } from '../admission/refuse-upgrade.ts'
import type { Services } from '../services.ts'
import type { Sockets } from './graphql/websocket.ts'

/**
 * A client that is too slow with its headers or its body is cut. Answers, SSE among them, may take as long as they
 * like.
 */
const HEADERS_MS_MAX = 10_000
const REQUEST_MS_MAX = 60_000
const KEEP_ALIVE_MS = 65_000
const HEADERS_MAX = 100

export interface Doors {
  readonly services: Services
  readonly admission: Admission
  readonly graphql: GraphqlDoor
  readonly hosts: AllowedHosts
  readonly sockets: Sockets
  readonly lane: Lane
  readonly imports: ImportRegistry
  readonly readiness: (purposes: readonly Purpose[]) => Readiness
  readonly limits: GatewayLimits
}

export interface HttpServer {
  readonly port: number
  /** Requests that are being answered. Streams do not count, because they do not end by themselves. */
  answering(): number
  /** Takes no more connections. */
  close(): void
  /** Cuts every connection that is still open: streams, and clients that keep theirs alive. */
  cut(): Promise<void>
}

/**
 * Opens the server.
 * @throws the system's error if the address cannot be used
 */
export async function openServer(doors: Doors, host: string, port: number): Promise<HttpServer> {
  const server = createServer({
    headersTimeout: HEADERS_MS_MAX,
    requestTimeout: REQUEST_MS_MAX,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: 2_000,
    // hosts.ts checks it, and answers in JSON.
    requireHostHeader: false,
  })
  server.maxHeadersCount = HEADERS_MAX
  server.maxConnections = doors.limits.connectionsMax
  let answering = 0
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (!wantsEvents(request)) {
      answering++
      response.once('close', () => answering--)
    }
    handle(doors, request, response).catch((error: unknown) => fail(doors, request, response, error))
  })
  // Safe cast: this server listens on TCP, so each `Duplex` is a `Socket`.
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) =>
    upgrade(doors, request, socket as Socket, head),
  )
  server.on('connect', (request: IncomingMessage, socket: Duplex) => {
    socket.on('error', () => undefined)
    const noProxy = fault('METHOD_NOT_ALLOWED', 'This server is no proxy.')
    refuseUpgrade(socket, misdirectedOr(doors, request, noProxy))
  })
  // A client that sends `Expect` asks before it sends its body. It is answered as far as its headers tell.
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    request.headers.expect = undefined
    const strange = fault('EXPECTATION_FAILED', 'Only "100-continue" can be expected here.')
    fail(doors, request, response, misdirectedOr(doors, request, strange))
  })
  server.on('clientError', answerBrokenRequest)
  await listen(server, host, port)
  return {
    port: (server.address() as AddressInfo).port,
    answering: () => answering,
    close: () => {
      server.close()
      server.closeIdleConnections()
    },
    cut: async () => {
      const closed = new Promise<void>((resolve) => {
        if (server.listening) server.close(() => resolve())
        else resolve()
      })
      server.closeAllConnections()
      await closed
    },
  }
}

/**
 * Only a caller that uses an allowed host learns what is wrong with its request. Others learn that the host is not
 * allowed.
 */
function misdirectedOr(doors: Doors, request: IncomingMessage, otherwise: Fault): Fault {
  try {
    doors.hosts.check(request)
    return otherwise
  } catch (error) {
    return visible(doors, error)
  }
}

/** Hands a connection to the door at its path, if its host, its origin and the door itself allow it. */
function upgrade(doors: Doors, request: IncomingMessage, socket: Socket, head: Buffer): void {
  socket.on('error', () => undefined)
  try {
    doors.hosts.check(request)
    checkOrigin(request)
    switch (pathOf(request)) {
      case '/graphql':
        if (doors.admission.draining)
          throw fault('SERVICE_DRAINING', 'This server is going down. Connect again, to the next one.')
        return doors.sockets.upgrade(request, socket, head)
      case LANE_PATH:
        return doors.lane.upgrade(request, socket, head)
      default:
        throw fault('NOT_FOUND', 'There is nothing to upgrade at this path. GraphQL is at /graphql.')
    }
  } catch (error) {
    refuseUpgrade(socket, visible(doors, error), undefined, {}, shapeOf(request))
  }
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

function pathOf(request: IncomingMessage): string {
  return request.url?.split('?', 1)[0] ?? ''
}

async function handle(doors: Doors, request: IncomingMessage, response: ServerResponse): Promise<void> {
  doors.hosts.check(request)
  checkOrigin(request)
  const path = pathOf(request)
  switch (path) {
    case '/graphql':
      return answerGraphql(doors.graphql, request, response)
    case LANE_PATH:
      return commands(doors, request, response)
    case '/livez':
      allow(request, ['GET', 'HEAD'])
      return sendJson(response, 200, { status: 'live' })
    case '/readyz': {
      allow(request, ['GET', 'HEAD'])
      const readiness = doors.readiness(purposesOf(request.url))
      return sendJson(response, readiness.ready ? 200 : 503, readiness)
    }
    default:
      return elsewhere(doors, path, request, response)
  }
}

async function commands(doors: Doors, request: IncomingMessage, response: ServerResponse): Promise<void> {
  allow(request, ['POST'])
  checkJson(request)
  const { limits } = doors
  await admitted(doors, { kind: 'commands', name: undefined }, async () => {
    const share = bulkShares(limits).enter()
    if (share === undefined) throw bulkBusy()
    const waits = (partitions: readonly number[]): void => {
      if (!share.wait(partitions)) throw bulkBusy()
    }
    try {
      const body = parseObject(await readBody(request, limits.bulkBodyBytesMax))
      sendJson(response, 200, await runCommands(doors.services, body, waits))
    } finally {
      share.end()
    }
  })
}

function bulkBusy(): Fault {
  return fault('BUSY', 'As many bulk requests are under way as fit.', { retryAfterMs: 1_000 })
}

/**
 * Bulk requests under way. Servers with the same bound share it, because the memory that they fill is the process's.
 */
function bulkShares({ bulkRequestsMax: max }: GatewayLimits): PartitionShares {
  const shares = bulk.get(max) ?? new PartitionShares(max)
  bulk.set(max, shares)
  return shares
}

const bulk = new Map<number, PartitionShares>()

async function elsewhere(
  doors: Doors,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const found = importPathOf(path)
  if (found === undefined) throw fault('NOT_FOUND', 'There is nothing at this path. GraphQL is at /graphql.')
  const { name, what } = found
  allow(request, [what === 'all' ? 'GET' : 'POST'])
  const { imports, services } = doors
  await admitted(doors, { kind: 'imports', name: undefined }, async () => {
    const point = new RequestPoint(services.views.points)
    point.hasPlace(() => doors.admission.stepAside(1))
    if (what === 'all') return sendJson(response, 200, await listTimes({ services, point }, imports, name))
    checkJson(request)
    const body = parseObject(await readBody(request, IMPORT_BODY_BYTES_MAX))
    if (what === 'known')
      return sendJson(response, 200, await listKnown({ services, point }, imports, name, body))
    const nowMs = Number(services.commands.clock() / NS_PER_MS)
    return sendJson(response, 200, await beginTime({ services, point }, imports, name, body, nowMs))
  })
}

async function admitted(doors: Doors, operation: Operation, run: () => Promise<void>): Promise<void> {
  const release = doors.admission.admit(operation, 'bulk')
  try {
    await run()
  } finally {
    release()
  }
}

function fail(doors: Doors, request: IncomingMessage, response: ServerResponse, error: unknown): void {
  // The client left in the middle of its request: nobody reads an answer.
  if (request.destroyed && !request.complete) return
  sendError(request, response, visible(doors, error), shapeOf(request))
}

/** The part of an error that a caller may see. The rest goes to the log. */
function visible(doors: Doors, error: unknown): Fault {
  return codeOf(error) === undefined ? (answerOf(error, doors.services.log) as Fault) : (error as Fault)
}

function shapeOf(request: IncomingMessage): ErrorShape {
  return pathOf(request) === '/graphql' ? 'graphql' : 'plain'
}

/**
 * Answers a request that is not HTTP, has too long headers, or is too slow. If the peer is gone, only closes the
 * socket.
 */
function answerBrokenRequest(error: Error & { code?: string }, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy()
  const status =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? '431 Request Header Fields Too Large'
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? '408 Request Timeout'
        : '400 Bad Request'
  const body = JSON.stringify({
    error: {
      message: `The request could not be read: ${status.slice(4)}.`,
      code: 'BAD_REQUEST',
      retryable: false,
    },
  })
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  )
}
