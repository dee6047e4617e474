/** What all doors over HTTP share: bodies within a bound, JSON answers, errors that are always sent in full. */
import { isUtf8 } from 'node:buffer'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { jsonFaultSentence, readStrictJson, type JsonFault } from '../../schemas/strict-json.ts'
import { badInput, codeOf, fault, httpStatusOf, type Fault } from '../errors.ts'
import { parseMediaType } from './media-types.ts'

/** A refused sender may go on sending this long before its connection is cut, so that it can read the answer. */
const LINGER_MS = 1_000
const BYTE_ORDER_MARK = '\ufeff'

/**
 * Reads a request's body of at most `bytesMax`. Nothing beyond is kept, whatever the headers claim.
 * @throws Fault REQUEST_TOO_LARGE
 */
export async function readBody(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
  checkLength(request, bytesMax)
  const chunks: Buffer[] = []
  let bytes = 0
  // No `for await`: leaving it early would destroy the connection, and the answer with it.
  return new Promise((resolve, reject) => {
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length
      if (bytes <= bytesMax) return void chunks.push(chunk)
      chunks.length = 0
      request.off('data', onData)
      reject(tooLarge(bytesMax))
    }
    request.on('data', onData)
    request.once('end', () => resolve(Buffer.concat(chunks, bytes)))
    request.once('error', reject)
    request.once('close', () => reject(fault('BAD_REQUEST', 'The body was cut off.')))
  })
}

/** @throws Fault REQUEST_TOO_LARGE if the announced length is over the bound */
export function checkLength(request: IncomingMessage, bytesMax: number): void {
  const length = request.headers['content-length']
  if (length !== undefined && Number(length) > bytesMax) throw tooLarge(bytesMax)
}

function tooLarge(bytesMax: number): Fault {
  return fault('REQUEST_TOO_LARGE', `A request body has at most ${bytesMax} bytes here.`, { bytesMax })
}

/**
 * Checks that a body is plain JSON in UTF-8. A browser lets a page of another site send that only after asking the
 * server.
 * @throws Fault UNSUPPORTED_MEDIA_TYPE for another type, another character set, or a compressed body
 */
export function checkJson({ headersDistinct: headers }: IncomingMessage): void {
  const types = headers['content-type'] ?? []
  const type = types.length === 1 ? parseMediaType(types[0]!) : undefined
  if (type?.essence !== 'application/json')
    throw fault('UNSUPPORTED_MEDIA_TYPE', 'Send a body of content type application/json.')
  const charset = type.parameters.get('charset')
  if (charset !== undefined && !/^utf-?8$/i.test(charset))
    throw fault('UNSUPPORTED_MEDIA_TYPE', 'Send the body in UTF-8; no other character set is read here.')
  const encodings = (headers['content-encoding'] ?? []).flatMap((text) => text.split(','))
  if (encodings.some((encoding) => !['', 'identity'].includes(encoding.trim().toLowerCase())))
    throw fault('UNSUPPORTED_MEDIA_TYPE', 'Send the body as it is: compressed ones are not read here.')
}

/**
 * The JSON object of a body. A lenient parser would silently change some bodies; those are refused: bytes that are not
 * UTF-8, a key given twice, a number with more digits than it can keep. A byte order mark in front is ignored.
 * @throws Fault BAD_REQUEST if the body is no JSON object; BAD_USER_INPUT that names the field
 */
export function parseObject(body: Buffer): Readonly<Record<string, unknown>> {
  if (!isUtf8(body)) throw fault('BAD_REQUEST', 'The body is not UTF-8.')
  const text = body.toString('utf8')
  return objectOf(text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text, 'The body')
}

/**
 * Reads a JSON object strictly.
 * @param what the text's name in a message: `The body`
 * @throws Fault BAD_REQUEST if the text is no JSON object; BAD_USER_INPUT that names the field
 */
export function objectOf(text: string, what: string): Readonly<Record<string, unknown>> {
  const reading = readStrictJson(text)
  if ('fault' in reading) throw jsonFault(reading.fault, what)
  const { value } = reading
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw fault('BAD_REQUEST', `${what} is not a JSON object.`)
  return value as Readonly<Record<string, unknown>>
}

/**
 * The answer to a JSON text that is wrong. A field within GraphQL's variables gets the name that it has in the query.
 */
export function jsonFault(found: JsonFault, what: string): Fault {
  if (found.kind === 'syntax') return fault('BAD_REQUEST', `${what} is not JSON.`)
  if (found.kind === 'deep') return fault('BAD_REQUEST', jsonFaultSentence(found))
  return badInput(found.path.replace(/^(payload\.)?variables\./, ''), jsonFaultSentence(found))
}

/** Answers with JSON that no cache may keep. */
export function sendJson(
  response: ServerResponse,
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  sendText(response, status, 'application/json; charset=utf-8', JSON.stringify(value), headers)
}

/** Answers with a text, given as a string or as its UTF-8. */
export function sendText(
  response: ServerResponse,
  status: number,
  type: string,
  text: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (response.headersSent || response.destroyed) return
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...headers,
  })
  response.end(text)
}

/** @throws Fault METHOD_NOT_ALLOWED */
export function allow(request: IncomingMessage, methods: readonly string[]): void {
  if (!methods.includes(request.method ?? ''))
    throw fault('METHOD_NOT_ALLOWED', `Use ${methods.join(' or ')} here.`, { allow: methods.join(', ') })
}

/** How a path shapes its errors: `{"errors": […]}` as GraphQL does, or `{"error": {…}}` everywhere else. */
export type ErrorShape = 'graphql' | 'plain'

export function errorBody({ message, extensions }: Fault, shape: ErrorShape): object {
  return shape === 'graphql' ? { errors: [{ message, extensions }] } : { error: { message, ...extensions } }
}

/** The headers of an error: when to come back, which methods are allowed. */
export function errorHeaders(extensions: Readonly<Record<string, unknown>>): Record<string, string> {
  const { retryable, retryAfterMs, allow: allowed } = extensions
  const headers: Record<string, string> = {}
  if (retryable === true)
    headers['retry-after'] = String(Math.ceil((typeof retryAfterMs === 'number' ? retryAfterMs : 1_000) / 1_000)) // prettier-ignore
  if (typeof allowed === 'string') headers['allow'] = allowed
  return headers
}

/** Answers with an error. If the request's body was not read to its end, the connection is closed after the answer. */
export function sendError(
  request: IncomingMessage,
  response: ServerResponse,
  error: Fault,
  shape: ErrorShape,
): void {
  const isCutOff = !request.complete
  sendJson(response, httpStatusOf(codeOf(error) ?? 'INTERNAL'), errorBody(error, shape), {
    ...errorHeaders(error.extensions),
    ...(isCutOff ? { connection: 'close' } : {}),
  })
  if (!isCutOff) return
  request.on('error', () => undefined)
  request.resume()
  setTimeout(() => request.destroy(), LINGER_MS).unref()
}
