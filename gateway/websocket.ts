/** GraphQL over WebSocket (graphql-transport-ws), on the pipeline that HTTP uses, with the bounds that nothing sets for us. */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { DocumentNode, ExecutionArgs, GraphQLError, GraphQLSchema } from 'graphql'
import {
  CloseCode,
  handleProtocols,
  makeServer,
  type OperationResult,
  type Server,
  type SubscribePayload,
} from 'graphql-ws'
import { WebSocketServer, type WebSocket } from 'ws'
import type { GatewayLimits } from './bounds.ts'
import { answerOf } from './error-answers.ts'
import { fault } from './errors.ts'
import type { GraphqlPipeline } from './graphql.ts'
import { refuseUpgrade } from './refuse-upgrade.ts'
import type { RequestContext } from './services.ts'

export interface Sockets {
  /** Sockets open now. */
  count(): number
  /** Takes over a connection that asked for an upgrade at `/graphql`. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
  /** Closes all with 1012 (restart: clients come back), a few at a time over the drain window. */
  drain(overMs: number): Promise<void>
  /** Cuts what is left. */
  stop(): void
}

/** What an open socket is to us, beside what graphql-ws keeps. */
interface Extra {
  readonly socket: WebSocket
}

/** Bytes that may wait for a slow reader, whoever queued them. */
const BUFFERED_BYTES_MAX = 4 * 1024 * 1024
const PING_EVERY_MS = 12_000
const SWEEP_EVERY_MS = 1_000
const DRAIN_STEP_MS = 50
const RESTART = 1012

export function openSockets(
  pipeline: GraphqlPipeline,
  limits: GatewayLimits,
  log: (line: string) => void,
): Sockets {
  const webSockets = new WebSocketServer({
    noServer: true,
    maxPayload: limits.socketMessageBytesMax,
    perMessageDeflate: false,
    handleProtocols,
    clientTracking: true,
  })
  const protocol = protocolServer(pipeline, limits, log)
  const connections = new Map<WebSocket, Connection>()
  webSockets.on('connection', (socket: WebSocket) => {
    const connection = new Connection(socket, protocol, log)
    connections.set(socket, connection)
    socket.once('close', () => connections.delete(socket))
  })
  const sweeper = setInterval(() => {
    const nowMs = performance.now()
    for (const connection of connections.values()) connection.check(nowMs, limits.socketSendMs)
  }, SWEEP_EVERY_MS).unref()

  return {
    count: () => webSockets.clients.size,
    upgrade: (request, socket, head) => {
      if (webSockets.clients.size >= limits.socketsMax)
        return refuseUpgrade(socket, '503 Service Unavailable')
      if (!isSameOrigin(request)) return refuseUpgrade(socket, '403 Forbidden')
      webSockets.handleUpgrade(request, socket, head, (opened) =>
        webSockets.emit('connection', opened, request),
      )
    },
    drain: async (overMs) => {
      const open = [...webSockets.clients]
      const perStep = Math.max(1, Math.ceil((open.length * DRAIN_STEP_MS) / overMs))
      for (let from = 0; from < open.length; from += perStep) {
        // All at once would bring all of them back at once.
        for (const socket of open.slice(from, from + perStep)) socket.close(RESTART, 'Restart')
        await new Promise((resolve) => setTimeout(resolve, DRAIN_STEP_MS))
      }
    },
    stop: () => {
      clearInterval(sweeper)
      for (const socket of webSockets.clients) socket.terminate()
      webSockets.close()
    },
  }
}

/** A browser says where a page comes from; one of another site may not open a socket in its visitor's name. */
function isSameOrigin(request: IncomingMessage): boolean {
  const { origin, host } = request.headers
  if (origin === undefined) return true
  return URL.canParse(origin) && new URL(origin).host === host
}

function protocolServer(
  pipeline: GraphqlPipeline,
  limits: GatewayLimits,
  log: (line: string) => void,
): Server<Extra> {
  return makeServer<Record<string, unknown>, Extra>({
    execute: (args) => (args.rootValue as Enveloped).execute(args),
    subscribe: (args) => (args.rootValue as Enveloped).subscribe(args),
    onSubscribe: async (context, _id, payload) => {
      // The one that is being opened is counted already.
      if (Object.keys(context.subscriptions).length > limits.subscriptionsPerSocketMax)
        return [
          fault(
            'BUSY',
            `A socket has at most ${limits.subscriptionsPerSocketMax} operations open at a time.`,
          ),
        ]
      try {
        return await argumentsOf(pipeline, payload)
      } catch (error) {
        // Thrown, it would close the socket with all its other subscriptions.
        return [answerOf(error, log) as GraphQLError]
      }
    },
  })
}

/** The pipeline for one operation; its own types leave open what it works on. */
interface Enveloped {
  readonly schema: GraphQLSchema
  parse(query: string): DocumentNode
  validate(schema: GraphQLSchema, document: DocumentNode): readonly GraphQLError[]
  contextFactory(): Promise<RequestContext> | RequestContext
  execute(args: ExecutionArgs): OperationResult
  subscribe(args: ExecutionArgs): OperationResult
}

/** Parses and validates what came, by the shared pipeline. The upgrade request stays out of it: yoga would see a GET. */
async function argumentsOf(
  pipeline: GraphqlPipeline,
  payload: SubscribePayload,
): Promise<ExecutionArgs | readonly GraphQLError[]> {
  const enveloped = pipeline.getEnveloped({ transport: 'ws', params: payload }) as unknown as Enveloped
  const document = enveloped.parse(payload.query)
  const errors = enveloped.validate(enveloped.schema, document)
  if (errors.length > 0) return errors
  return {
    schema: enveloped.schema,
    document,
    operationName: payload.operationName,
    variableValues: payload.variables,
    contextValue: await enveloped.contextFactory(),
    rootValue: enveloped,
  }
}

/** One socket: hands its messages to the protocol, and watches that it is alive and read. */
class Connection {
  readonly #socket: WebSocket
  /** Frames handed over and not yet written; since when the oldest of them waits. */
  #unsent = 0
  #unsentSinceMs = 0
  #pingedAtMs = performance.now()
  #isAlive = true

  constructor(socket: WebSocket, protocol: Server<Extra>, log: (line: string) => void) {
    this.#socket = socket
    const closed = protocol.opened(
      {
        protocol: socket.protocol,
        send: (data) => this.#send(data),
        close: (code, reason) => socket.close(code, reason),
        onMessage: (handle) =>
          socket.on('message', (data: Buffer) => {
            handle(data.toString('utf8')).catch((error: unknown) => {
              log(`gateway: socket closed: ${error instanceof Error ? error.message : String(error)}`)
              socket.close(CloseCode.InternalServerError, 'Internal server error')
            })
          }),
      },
      { socket },
    )
    socket.on('pong', () => (this.#isAlive = true))
    // A frame that is too long, or a peer that is gone: `close` follows.
    socket.on('error', () => undefined)
    socket.once('close', (code, reason) => void closed(code, String(reason)))
  }

  /** Cuts a socket whose peer neither answers pings nor reads. */
  check(nowMs: number, sendMs: number): void {
    if (this.#unsent > 0 && nowMs - this.#unsentSinceMs > sendMs) return this.#socket.terminate()
    if (nowMs - this.#pingedAtMs < PING_EVERY_MS) return
    if (!this.#isAlive) return this.#socket.terminate()
    this.#isAlive = false
    this.#pingedAtMs = nowMs
    this.#socket.ping()
  }

  #send(data: string): Promise<void> {
    const socket = this.#socket
    if (socket.readyState !== socket.OPEN) return Promise.resolve()
    if (socket.bufferedAmount > BUFFERED_BYTES_MAX) {
      socket.terminate()
      return Promise.resolve()
    }
    if (this.#unsent++ === 0) this.#unsentSinceMs = performance.now()
    return new Promise((resolve) => {
      socket.send(data, () => {
        this.#unsent--
        this.#unsentSinceMs = performance.now()
        // An error means that the socket is closing: `close` lets go of everything.
        resolve()
      })
    })
  }
}
