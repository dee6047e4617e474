/** `/livez` and `/readyz` of a role that has no door of its own, on a port beside it. */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { RoleStatus } from './role.ts'

export interface HealthServer {
  readonly port: number
  close(): Promise<void>
}

const CONNECTIONS_MAX = 64
const REQUEST_MS_MAX = 5_000

/**
 * Opens the health port. `/livez` answers 200 as long as the process answers at all; `/readyz` 200 or 503, with the status.
 * @throws the system's error where the address cannot be used
 */
export async function openHealthServer(
  host: string,
  port: number,
  status: () => RoleStatus,
): Promise<HealthServer> {
  const server = createServer(
    { headersTimeout: REQUEST_MS_MAX, requestTimeout: REQUEST_MS_MAX },
    (request, response) => {
      const path = request.url?.split('?', 1)[0]
      if (request.method !== 'GET' && request.method !== 'HEAD')
        return answer(response, 405, { status: 'Use GET here.' })
      if (path === '/livez') return answer(response, 200, { status: 'live' })
      if (path === '/readyz' && asksFor(request.url))
        return answer(response, 400, { status: 'This role does one thing: ask for /readyz without "for".' })
      if (path === '/readyz') return answerStatus(response, status)
      answer(response, 404, { status: 'There are /livez and /readyz here.' })
    },
  )
  server.maxConnections = CONNECTIONS_MAX
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** What a gateway is asked for, and a role that does one thing is not: a probe that was put at the wrong port is told. */
function asksFor(url = ''): boolean {
  return new URLSearchParams(url.split('?').slice(1).join('?')).has('for')
}

function answerStatus(response: ServerResponse, status: () => RoleStatus): void {
  const seen = status()
  answer(response, seen.ready ? 200 : 503, seen)
}

function answer(response: ServerResponse, code: number, body: object): void {
  // Whole numbers beyond 53 bits are text, as on every wire of the platform.
  const text = JSON.stringify(body, (_key, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  )
  response.writeHead(code, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
  })
  response.end(text)
}
