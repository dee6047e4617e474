/** The one HTTP server: which path is which door, and the bounds of connections. Bad input never gets a 500, nor a stack. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { LANE_PATH } from '../schemas/lane.ts'
import type { Admission, Operation } from './admission.ts'
import type { GatewayLimits } from './bounds.ts'
import { runCommands } from './bulk.ts'
import { answerOf } from './error-answers.ts'
import { fault, type Fault } from './errors.ts'
import type { GraphqlPipeline } from './graphql.ts'
import { checkJson, checkLength, parseObject, readBody, sendError, sendJson } from './http.ts'
import type { ImportRegistry } from './import-registry.ts'
import { beginTime, importPathOf, IMPORT_BODY_BYTES_MAX, listKnown, listTimes } from './imports.ts'
import type { Lane } from './lane/lane.ts'
import { PartitionShares } from './partition-shares.ts'
import { purposesOf, type Purpose, type Readiness } from './readiness.ts'
import { refuseUpgrade } from './refuse-upgrade.ts'
import type { Services, Transport } from './services.ts'
import type { Sockets } from './websocket.ts'

/** A client that dawdles over its headers or its body is cut. Answers (SSE among them) may take as long as they like. */
const HEADERS_MS_MAX = 10_000
const REQUEST_MS_MAX = 60_000
const KEEP_ALIVE_MS = 65_000
const HEADERS_MAX = 100
const NS_PER_MS = 1_000_000n

export interface Doors {
  readonly services: Services
  readonly admission: Admission
  readonly pipeline: GraphqlPipeline
  readonly sockets: Sockets
  readonly lane: Lane
  readonly imports: ImportRegistry
  readonly readiness: (purposes: readonly Purpose[]) => Readiness
  readonly limits: GatewayLimits
}

export interface HttpServer {
  readonly port: number
  /** Requests that are being answered; streams do not count, they have no end of their own. */
  answering(): number
  /** Takes no more connections. */
  close(): void
  /** Cuts what is still open: streams, and clients that keep their connection. */
  cut(): Promise<void>
}

/** Opens the server. @throws the system's error where the address cannot be used */
export async function openServer(doors: Doors, host: string, port: number): Promise<HttpServer> {
  const server = createServer({
    headersTimeout: HEADERS_MS_MAX,
    requestTimeout: REQUEST_MS_MAX,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: 2_000,
    requireHostHeader: true,
  })
  server.maxHeadersCount = HEADERS_MAX
  server.maxConnections = doors.limits.connectionsMax
  let answering = 0
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (!wantsStream(request)) {
      answering++
      response.once('close', () => answering--)
    }
    handle(doors, request, response).catch((error: unknown) => fail(doors, request, response, error))
  })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => undefined)
    if (pathOf(request) === '/graphql' && !doors.admission.draining)
      return doors.sockets.upgrade(request, socket, head)
    // The server is one of TCP: what it hands over is its sockets.
    if (pathOf(request) === LANE_PATH) return doors.lane.upgrade(request, socket as Socket, head)
    refuseUpgrade(socket, '404 Not Found')
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

function wantsStream(request: IncomingMessage): boolean {
  return request.headers.accept?.includes('text/event-stream') === true
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
  const path = pathOf(request)
  switch (path) {
    case '/graphql':
      return graphql(doors, request, response)
    case LANE_PATH:
      return commands(doors, request, response)
    case '/livez':
      return sendJson(response, 200, { status: 'live' })
    case '/readyz': {
      const readiness = doors.readiness(purposesOf(request.url))
      return sendJson(response, readiness.ready ? 200 : 503, readiness)
    }
    default:
      return elsewhere(doors, path, request, response)
  }
}

async function graphql(doors: Doors, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method === 'POST') {
    checkJson(request)
    checkLength(request, doors.limits.graphqlBodyBytesMax)
    // A body that does not say how long it is, is counted here; one that does, is held to it by Node.
    if (request.headers['content-length'] === undefined) {
      const body = await readBody(request, doors.limits.graphqlBodyBytesMax)
      Object.assign(request, { body: body.toString('utf8') })
    }
  }
  const transport: Transport = wantsStream(request) ? 'sse' : 'http'
  await doors.pipeline.handle(request, response, { transport })
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

/** Bulk requests under way, of servers with the same bound: it is the process's memory that they fill. */
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
    if (what === 'all') return sendJson(response, 200, await listTimes(imports, name))
    checkJson(request)
    const body = parseObject(await readBody(request, IMPORT_BODY_BYTES_MAX))
    if (what === 'known') return sendJson(response, 200, await listKnown(services, imports, name, body))
    const nowMs = Number(services.commands.clock() / NS_PER_MS)
    return sendJson(response, 200, await beginTime(services, imports, name, body, nowMs))
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

/** @throws Fault METHOD_NOT_ALLOWED */
function allow(request: IncomingMessage, methods: readonly string[]): void {
  if (!methods.includes(request.method ?? ''))
    throw fault('METHOD_NOT_ALLOWED', `Use ${methods.join(' or ')} here.`, { allow: methods.join(', ') })
}

function fail(doors: Doors, request: IncomingMessage, response: ServerResponse, error: unknown): void {
  // The client went away in the middle of its request: there is nobody to answer.
  if (request.destroyed && !request.complete) return
  sendError(request, response, error, (hidden) => answerOf(hidden, doors.services.log) as Fault)
}

/** A request that is no HTTP, too long in its headers, or too slow: answered in a line, where anyone still listens. */
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
