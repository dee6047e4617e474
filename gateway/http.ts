/** The plain parts of HTTP: bodies within a bound, JSON answers, errors that are always answered in full. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { codeOf, fault, httpStatusOf, type Fault } from './errors.ts'

/** How long a refused sender may go on sending before its connection is cut, so that it gets to read the answer. */
const LINGER_MS = 1_000

/**
 * Reads a request's body, at most `bytesMax`; nothing is kept beyond it, whatever the headers say.
 * @throws Fault REQUEST_TOO_LARGE
 */
export async function readBody(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
  checkLength(request, bytesMax)
  const chunks: Buffer[] = []
  let bytes = 0
  // Not by iteration: to leave a loop over the request would cut the connection, and with it the answer.
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

/** @throws Fault REQUEST_TOO_LARGE where the announced length says so */
export function checkLength(request: IncomingMessage, bytesMax: number): void {
  const length = request.headers['content-length']
  if (length !== undefined && Number(length) > bytesMax) throw tooLarge(bytesMax)
}

function tooLarge(bytesMax: number): Fault {
  return fault('REQUEST_TOO_LARGE', `A request body has at most ${bytesMax} bytes here.`, { bytesMax })
}

/** @throws Fault UNSUPPORTED_MEDIA_TYPE for anything but JSON: a page of another site cannot send that unasked */
export function checkJson(request: IncomingMessage): void {
  const type = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase()
  if (type !== 'application/json')
    throw fault('UNSUPPORTED_MEDIA_TYPE', 'Send a body of content type application/json.')
}

/** @throws Fault BAD_REQUEST for anything but a JSON object */
export function parseObject(body: Buffer): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(body.toString('utf8'))
  } catch {
    throw fault('BAD_REQUEST', 'The body is not JSON.')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw fault('BAD_REQUEST', 'The body is not a JSON object.')
  return value as Readonly<Record<string, unknown>>
}

export function sendJson(
  response: ServerResponse,
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (response.headersSent || response.destroyed) return
  const body = JSON.stringify(value)
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...headers,
  })
  response.end(body)
}

/**
 * Answers with an error. A sender whose body was not read to its end gets the answer, and then its connection is closed.
 * @param hide turns what is no error of ours into one that may be seen
 */
export function sendError(
  request: IncomingMessage,
  response: ServerResponse,
  error: unknown,
  hide: (error: unknown) => Fault,
  headers: Readonly<Record<string, string>> = {},
): void {
  const seen = codeOf(error) === undefined ? hide(error) : (error as Fault)
  const code = codeOf(seen) ?? 'INTERNAL'
  const retryAfterMs = seen.extensions['retryAfterMs']
  const isCutOff = !request.complete
  sendJson(
    response,
    httpStatusOf(code),
    { error: { message: seen.message, ...seen.extensions } },
    {
      ...(seen.extensions['retryable'] === true
        ? {
            'retry-after': String(
              Math.ceil((typeof retryAfterMs === 'number' ? retryAfterMs : 1_000) / 1_000),
            ),
          }
        : {}),
      ...(isCutOff ? { connection: 'close' } : {}),
      ...headers,
    },
  )
  if (!isCutOff) return
  request.on('error', () => undefined)
  request.resume()
  setTimeout(() => request.destroy(), LINGER_MS).unref()
}
