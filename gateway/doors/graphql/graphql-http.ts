/** GraphQL over HTTP: one operation per request, answered as JSON or as a stream of events (SSE). */
import {
  getOperationAST,
  OperationTypeNode,
  type ExecutionResult,
  type GraphQLError,
  type GraphQLFormattedError,
} from 'graphql'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { answerOf, publicError } from './error-answers.ts'
import { fault, httpStatusOf, type ErrorCode } from '../../errors.ts'
import { graphiqlPage } from './graphiql.ts'
import { paramsOfBody, paramsOfSearch, type GraphqlParams } from './graphql-request.ts'
import {
  prepareOperation,
  type GraphqlPipeline,
  type OperationOutcome,
  type PreparedOperation,
} from './graphql.ts'
import { allow, checkJson, errorHeaders, readBody, sendJson, sendText } from '../http.ts'
import { preferredType } from '../media-types.ts'
import { sendEvents } from './sse.ts'
import type { GatewayLimits } from '../../bounds.ts'
import type { SubscriberMemory } from '../../live/subscriber-memory.ts'

export interface GraphqlDoor {
  readonly pipeline: GraphqlPipeline
  readonly limits: GatewayLimits
  readonly memory: SubscriberMemory
  /** Serves GraphiQL to browsers. */
  readonly graphiql: boolean
  readonly log: (line: string) => void
}

/** Media types of answers. Clients that take anything get the first one. */
const MEDIA_TYPES = ['application/json', 'application/graphql-response+json', 'text/event-stream'] as const
type MediaTypeHere = (typeof MEDIA_TYPES)[number]

/** True if the client prefers a stream of events, an answer without an end of its own. */
export function wantsEvents({ headers: { accept } }: IncomingMessage): boolean {
  return preferredType(accept, MEDIA_TYPES) === 'text/event-stream'
}

/**
 * Answers one request.
 * @throws Fault if the request is wrong before GraphQL begins: method, media types, body, parameters
 */
export async function answerGraphql(
  door: GraphqlDoor,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  allow(request, ['GET', 'POST'])
  const { accept } = request.headers
  if (door.graphiql && request.method === 'GET' && preferredType(accept, PAGE_TYPES) === 'text/html')
    return sendText(response, 200, 'text/html; charset=utf-8', graphiqlPage(), PAGE_HEADERS)
  const mediaType = preferredType(accept, MEDIA_TYPES)
  // Checked before anything is executed: the outcome of a mutation must not be lost to a 406.
  if (mediaType === undefined)
    throw fault('NOT_ACCEPTABLE', `Answers here are ${MEDIA_TYPES.join(', ')}: let Accept name one of them.`)
  const params = await readParams(door, request)
  const outcome = await run(door, params, request, mediaType)
  if (isStream(outcome) || mediaType === 'text/event-stream') {
    const results = isStream(outcome) ? outcome : justOne(outcome)
    return sendEvents(response, results, {
      memory: door.memory,
      sendMs: door.limits.socketSendMs,
      textOf: (result) => JSON.stringify(publicResult(result, door.log)),
      failureOf: (error) => JSON.stringify({ errors: [publicError(error, door.log)] }),
    })
  }
  const answer = publicResult(outcome, door.log)
  const { status, headers } = statusOf(answer, mediaType)
  sendJson(response, status, answer, { ...headers, 'content-type': `${mediaType}; charset=utf-8` })
}

/** A browser prefers `text/html`; a client that takes anything does not. */
const PAGE_TYPES = [...MEDIA_TYPES, 'text/html'] as const

/**
 * Forbids other sites to frame the page, where a visitor would press its buttons without seeing them (clickjacking).
 */
const PAGE_HEADERS = { 'content-security-policy': "frame-ancestors 'none'", 'x-frame-options': 'DENY' }

async function readParams(door: GraphqlDoor, request: IncomingMessage): Promise<GraphqlParams> {
  if (request.method === 'GET') {
    const question = request.url!.indexOf('?')
    return paramsOfSearch(question < 0 ? '' : request.url!.slice(question + 1))
  }
  checkJson(request)
  return paramsOfBody(await readBody(request, door.limits.graphqlBodyBytesMax))
}

/** Runs an operation. Its errors are part of the answer, except for those that the method or the media type causes. */
async function run(
  door: GraphqlDoor,
  params: GraphqlParams,
  request: IncomingMessage,
  mediaType: MediaTypeHere,
): Promise<Awaited<OperationOutcome>> {
  const prepared = prepare(door, params, mediaType)
  if ('errors' in prepared) return prepared
  const kind = getOperationAST(prepared.document, params.operationName)?.operation
  if (kind === OperationTypeNode.MUTATION && request.method === 'GET')
    throw fault('METHOD_NOT_ALLOWED', 'A mutation is sent with POST.', { allow: 'POST' })
  if (kind === OperationTypeNode.SUBSCRIPTION && mediaType !== 'text/event-stream')
    throw fault(
      'NOT_ACCEPTABLE',
      'A subscription is answered as text/event-stream: let Accept name it, or use a WebSocket.',
    )
  const args = await prepared.args()
  return kind === OperationTypeNode.SUBSCRIPTION ? prepared.subscribe(args) : prepared.execute(args)
}

function prepare(
  door: GraphqlDoor,
  params: GraphqlParams,
  mediaType: MediaTypeHere,
): PreparedOperation | { readonly errors: readonly GraphQLError[] } {
  try {
    const transport = mediaType === 'text/event-stream' ? 'sse' : 'http'
    const prepared = prepareOperation(door.pipeline, transport, params)
    return 'document' in prepared ? prepared : { errors: prepared }
  } catch (error) {
    return { errors: [answerOf(error, door.log) as GraphQLError] }
  }
}

interface Answer {
  readonly errors?: readonly GraphQLFormattedError[]
  readonly data?: unknown
}

function publicResult({ errors, ...rest }: ExecutionResult, log: (line: string) => void): Answer {
  return errors === undefined ? rest : { errors: errors.map((error) => publicError(error, log)), ...rest }
}

/**
 * The HTTP status of an answer. An executed operation gets 200, whatever its result. One that was not executed gets the
 * status of its code, with an exception: to clients that take `application/json`, wrong text or variables are answered
 * with 200, as the specification has it (GraphQL over HTTP, section 6.4.1).
 */
function statusOf(
  { errors, ...rest }: Answer,
  mediaType: MediaTypeHere,
): { status: number; headers: Record<string, string> } {
  if ('data' in rest || errors === undefined) return { status: 200, headers: {} }
  const { extensions = {} } = errors[0]!
  const status = httpStatusOf((extensions['code'] as ErrorCode | undefined) ?? 'INTERNAL')
  if (status === 400 && mediaType === 'application/json') return { status: 200, headers: {} }
  return { status, headers: errorHeaders(extensions) }
}

function isStream(
  outcome: ExecutionResult | AsyncIterable<ExecutionResult>,
): outcome is AsyncIterable<ExecutionResult> {
  return Symbol.asyncIterator in outcome
}

async function* justOne(result: ExecutionResult): AsyncGenerator<ExecutionResult, void, undefined> {
  yield await Promise.resolve(result)
}
