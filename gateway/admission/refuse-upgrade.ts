/** The answer to an upgrade that a door refuses. */
import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { codeOf, httpStatusOf, type Fault } from '../errors.ts'
import { errorBody, errorHeaders, type ErrorShape } from '../doors/http.ts'

/** A refused peer may take this long to close its side, in ms. */
const LINGER_MS = 2_000

/**
 * Answers with an error, as to any other request, and closes. The server allows half-open connections, so a peer that
 * never closes its own side is cut. What it still sends is read and dropped, so that a reset does not swallow the
 * answer.
 * @param status by default, that of the error's code
 * @param headers further ones
 */
export function refuseUpgrade(
  socket: Duplex,
  error: Fault,
  status = httpStatusOf(codeOf(error) ?? 'INTERNAL'),
  headers: Readonly<Record<string, string>> = {},
  shape: ErrorShape = 'plain',
): void {
  const body = JSON.stringify(errorBody(error, shape))
  const all = {
    Connection: 'close',
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': String(Buffer.byteLength(body)),
    ...errorHeaders(error.extensions),
    ...headers,
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.resume()
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]!}\r\n${lines.join('')}\r\n${body}`)
  const linger = setTimeout(() => socket.destroy(), LINGER_MS).unref()
  socket.once('close', () => clearTimeout(linger))
}
