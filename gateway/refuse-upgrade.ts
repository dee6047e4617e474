/** The answer to an upgrade that a door does not grant. */
import type { Duplex } from 'node:stream'

/** How long a peer that was refused may take to close its side, in ms. */
const LINGER_MS = 2_000

/**
 * Answers with a status and closes. The server lets connections be open on one side alone: a peer that never closes its own
 * is cut, and what it still sends is read past, so that the answer is not lost to a reset.
 * @param status code and reason: `503 Service Unavailable`
 * @param headers further ones, each ending in CRLF
 */
export function refuseUpgrade(socket: Duplex, status: string, headers = ''): void {
  socket.resume()
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n${headers}Content-Length: 0\r\n\r\n`)
  const linger = setTimeout(() => socket.destroy(), LINGER_MS).unref()
  socket.once('close', () => clearTimeout(linger))
}
