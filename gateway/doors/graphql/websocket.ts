/**
 * GraphQL over WebSocket (graphql-transport-ws), on the pipeline that HTTP uses. graphql-ws bounds nothing; the bounds
 * of sockets, operations, memory and time are set here.
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { ExecutionArgs, GraphQLError } from 'graphql'
import {
  CloseCode,
  handleProtocols,
  makeServer,
  type OperationResult,
  type Server,
  type SubscribePayload,
} from 'graphql-ws'
import { WebSocketServer, type WebSocket } from 'ws'
import type { GatewayLimits } from '../../bounds.ts'
import { messageOf } from '../../../schemas/errors.ts'
import { jsonFaultSentence, readStrictJson, type JsonFault } from '../../../schemas/strict-json.ts'
import { publicError, answerOf } from './error-answers.ts'
import { fault } from '../../errors.ts'
import { checkParams } from './graphql-request.ts'
import { prepareOperation, type GraphqlPipeline, type PreparedOperation } from './graphql.ts'
import { jsonFault } from '../http.ts'
import { refuseUpgrade } from '../../admission/refuse-upgrade.ts'
import type { MemoryShare, SubscriberMemory } from '../../live/subscriber-memory.ts'

export interface Sockets {
  /** Sockets open now. */
  count(): number
  /** Takes over a connection that asked for an upgrade at `/graphql`. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
  /** Closes all sockets with 1012 (restart: clients come back), a few at a time over the drain window. */
  drain(overMs: number): Promise<void>
  /** Cuts the sockets that are still open. */
  stop(): void
}

/** Our own state of an open socket, beside graphql-ws's. */
interface Extra {
  readonly connection: Connection
}

/** Bytes that may wait for a slow reader, from all its operations. */
const BUFFERED_BYTES_MAX = 4 * 1024 * 1024
const PING_EVERY_MS = 12_000
const SWEEP_EVERY_MS = 1_000
const DRAIN_STEP_MS = 50
const RESTART = 1012
const UNSUPPORTED_DATA = 1003
/** A close frame has 123 bytes for its reason. */
const REASON_MAX = 60

export function openSockets(
  pipeline: GraphqlPipeline,
  limits: GatewayLimits,
  memory: SubscriberMemory,
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
    const connection = new Connection(socket, protocol, memory, log)
    connections.set(socket, connection)
    socket.once('close', () => connections.delete(socket))
  })
  webSockets.on('wsClientError', (error: Error, socket: Duplex) =>
    refuseUpgrade(
      socket,
      fault(
        'BAD_REQUEST',
        `This is no upgrade to a WebSocket of version 13 (${error.message}). Ask without an upgrade, in HTTP/1.1.`,
      ),
      undefined,
      {},
      'graphql',
    ),
  )
  const sweeper = setInterval(() => {
    const nowMs = performance.now()
    for (const connection of connections.values()) connection.check(nowMs, limits.socketSendMs)
  }, SWEEP_EVERY_MS).unref()

  return {
    count: () => webSockets.clients.size,
    upgrade: (request, socket, head) => {
      if (webSockets.clients.size >= limits.socketsMax)
        return refuseUpgrade(socket, fault('BUSY', 'As many sockets are open as fit.'), 503, {}, 'graphql')
      webSockets.handleUpgrade(request, socket, head, (opened) =>
        webSockets.emit('connection', opened, request),
      )
    },
    drain: async (overMs) => {
      const open = [...webSockets.clients]
      const perStep = Math.max(1, Math.ceil((open.length * DRAIN_STEP_MS) / overMs))
      for (let from = 0; from < open.length; from += perStep) {
        // Clients closed all at once would all come back at once.
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

function protocolServer(
  pipeline: GraphqlPipeline,
  limits: GatewayLimits,
  log: (line: string) => void,
): Server<Extra> {
  return makeServer<Record<string, unknown>, Extra>({
    execute: (args) => (args as SocketArgs).prepared.execute(args) as OperationResult,
    subscribe: (args) => (args as SocketArgs).prepared.subscribe(args) as OperationResult,
    onNext: (_context, _id, _payload, _args, { errors, data }) =>
      errors === undefined
        ? undefined
        : {
            errors: errors.map((error) => publicError(error, log)),
            ...(data === undefined ? {} : { data }),
          },
    onError: (_context, _id, _payload, errors) => errors.map((error) => publicError(error, log)),
    onSubscribe: async (context, _id, payload) => {
      // Read before the first `await`: until then, the connection's fault belongs to this message.
      const { fault: found } = context.extra.connection
      // graphql-ws has already counted the operation that is being opened.
      if (Object.keys(context.subscriptions).length > limits.subscriptionsPerSocketMax)
        return [
          fault(
            'BUSY',
            `A socket has at most ${limits.subscriptionsPerSocketMax} operations open at a time.`,
          ),
        ]
      try {
        if (found !== undefined) throw jsonFault(found, 'The message')
        return await argumentsOf(pipeline, payload)
      } catch (error) {
        // An error thrown here would close the socket with all its other subscriptions.
        return [answerOf(error, log) as GraphQLError]
      }
    },
  })
}

/** The arguments that graphql-ws hands back for execution. */
interface SocketArgs extends ExecutionArgs {
  readonly prepared: PreparedOperation
}

/** Parses and validates a payload with the shared pipeline. */
async function argumentsOf(
  pipeline: GraphqlPipeline,
  payload: SubscribePayload,
): Promise<SocketArgs | readonly GraphQLError[]> {
  const prepared = prepareOperation(
    pipeline,
    'ws',
    checkParams(payload as unknown as Record<string, unknown>),
  )
  return 'document' in prepared ? { ...(await prepared.args()), prepared } : prepared
}

/** One socket: hands its messages to the protocol, and checks that the peer is alive and reads. */
class Connection {
  readonly #socket: WebSocket
  /** WebSocket frames handed over and not yet written, and since when the oldest of them has waited. */
  #unsent = 0
  #unsentSinceMs = 0
  #pingedAtMs = performance.now()
  #isAlive = true
  readonly #share: MemoryShare
  #fault: JsonFault | undefined

  constructor(
    socket: WebSocket,
    protocol: Server<Extra>,
    memory: SubscriberMemory,
    log: (line: string) => void,
  ) {
    this.#socket = socket
    this.#share = memory.join(() => socket.terminate())
    const closed = protocol.opened(
      {
        protocol: socket.protocol,
        send: (data) => this.#send(data),
        close: (code, reason) => socket.close(code, reason),
        onMessage: (handle) =>
          socket.on('message', (data: Buffer, isBinary: boolean) => {
            // The library checks that text is UTF-8. Binary messages could hold anything.
            if (isBinary) return socket.close(UNSUPPORTED_DATA, 'Messages are text')
            const text = data.toString('utf8')
            const reading = readStrictJson(text)
            this.#fault = 'fault' in reading ? reading.fault : undefined
            // An ambiguous message closes the socket. A fault within its variables does not: it is answered to its
            // operation.
            if (this.#fault !== undefined && !isInVariables(this.#fault))
              return socket.close(CloseCode.BadRequest, jsonFaultSentence(this.#fault).slice(0, REASON_MAX))
            handle(text).catch((error: unknown) => {
              log(`gateway: socket closed: ${messageOf(error)}`)
              socket.close(CloseCode.InternalServerError, 'Internal server error')
            })
            this.#fault = undefined
          }),
      },
      { connection: this },
    )
    socket.on('pong', () => (this.#isAlive = true))
    // Raised by a frame that is too long, or by a peer that is gone. `close` follows.
    socket.on('error', () => undefined)
    socket.once('close', (code, reason) => {
      this.#share.close()
      void closed(code, String(reason))
    })
  }

  /** The fault in the JSON of the message that is being handled. */
  get fault(): JsonFault | undefined {
    return this.#fault
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
    const bytes = Buffer.byteLength(data)
    this.#share.add(bytes)
    return new Promise((resolve) => {
      socket.send(data, () => {
        this.#share.remove(bytes)
        this.#unsent--
        this.#unsentSinceMs = performance.now()
        // Errors are ignored: the socket is closing then, and `close` releases everything.
        resolve()
      })
    })
  }
}

function isInVariables({ path }: JsonFault): boolean {
  return path.startsWith('payload.variables.')
}
