/** The door of a deployment: HAProxy with the deployment's own configuration, but for the addresses. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'

const root = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))))

export interface Door {
  /** Where clients go. */
  readonly url: string
  /** Where HAProxy says whether a gateway is ready: `/readyz`. */
  readonly healthUrl: string
  close(): Promise<void>
}

/**
 * Opens it.
 * @param folder for its configuration
 * @param gateways URLs of both
 */
export async function openDoor(folder: string, gateways: readonly string[]): Promise<Door> {
  const [port, healthPort] = [await freePort(), await freePort()]
  const own = readFileSync(path.join(root, 'deploy/haproxy/haproxy.cfg'), 'utf8')
  const text = gateways
    .reduce((config, url, index) => config.replaceAll(`gateway-${index + 1}:4000`, new URL(url).host), own)
    .replace('bind :4000', `bind 127.0.0.1:${port}`)
    .replace('127.0.0.1:8404', `127.0.0.1:${healthPort}`)
    .replaceAll(' resolvers docker', '')
    .replace(/^resolvers docker\n( {4}.*\n)+/m, '')
  expect(text).not.toContain('docker')
  const file = path.join(folder, 'haproxy.cfg')
  writeFileSync(file, text)
  const haproxy = spawn('haproxy', ['-f', file], { stdio: 'ignore' })
  return {
    url: `http://127.0.0.1:${port}`,
    healthUrl: `http://127.0.0.1:${healthPort}`,
    close: async () => {
      const isGone = once(haproxy, 'exit')
      haproxy.kill()
      await isGone
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
