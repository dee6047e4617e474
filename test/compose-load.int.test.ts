/** The load and the account of it that `npm run test:compose` relies on, on an embedded platform that is killed under it. */
import { createServer, connect, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { startLoad } from './compose/load.ts'
import { startServer, withFolder, type Server } from './support/purser.ts'

test('a load through one address accounts for each of its transfers, whatever was killed behind it', () =>
  withFolder(async (folder) => {
    let server: Server = await startServer(folder, '--partitions', '2')
    const door = await openDoor(() => Number(new URL(server.url).port))
    const load = await startLoad(door.url, 2)
    await expect.poll(() => load.acknowledged()).toBeGreaterThan(20)
    await server.kill()
    const before = load.acknowledged()
    server = await startServer(folder, '--partitions', '2')
    await expect.poll(() => load.acknowledged()).toBeGreaterThan(before + 20)
    const findings = await load.finish()
    expect(findings.filter(({ holds }) => !holds)).toEqual([])
    expect(findings).toHaveLength(5)
    door.close()
    await server.stop()
  }))

/** One address for a platform that comes back on another port. */
async function openDoor(port: () => number): Promise<{ url: string; close: () => void }> {
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const behind = connect(port(), '127.0.0.1')
    for (const socket of [client, behind]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.once('close', () => {
        client.destroy()
        behind.destroy()
      })
    }
    client.pipe(behind).pipe(client)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}
