/** The platform inside another program: what it does where nothing is said, and what its starts fail of. */
import { readFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import path from 'node:path'
import { expect, test } from 'vitest'
import { withFolder } from '../test/support/purser.ts'
import { PLATFORM_ERRORS, PlatformError, startPlatform, type PlatformOptions } from './index.ts'

test('with a folder alone it serves loopback on a free port, without a console, and stops twice as well as once', () =>
  withFolder(async (dataDir) => {
    const platform = await startPlatform({ dataDir })
    expect(platform.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    const headers = { accept: 'text/html' }
    expect((await fetch(`${platform.url}/graphql`, { headers })).headers.get('content-type')).not.toContain('text/html')
    expect((await fetch(`${platform.url}/readyz`)).status).toBe(200)
    await Promise.all([platform.stop(), platform.stop()])
    await expect(fetch(`${platform.url}/livez`)).rejects.toThrow()
  })) // prettier-ignore

test('a start that fails says of what in a code and a sentence, and leaves the folder free', () =>
  withFolder(async (folder) => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    const { port } = taken.address() as AddressInfo
    const dataDir = path.join(folder, 'data')
    expect(await failureOf({ dataDir, port })).toMatchObject({ code: 'port_in_use', message: expect.stringContaining(`Port ${port} is in use`) as string }) // prettier-ignore
    taken.close()
    expect(await failureOf({ dataDir, host: '203.0.113.1' })).toMatchObject({
      code: 'usage',
      message: 'This machine has no such address. Check `host`.',
    })
    expect(await failureOf({ dataDir, partitions: 2 })).toMatchObject({
      code: 'partitions_differ',
      details: { partitions: 1, asked: 2 },
      message: expect.stringContaining('leave `partitions` out') as string,
    })
    expect(await failureOf({ dataDir: path.join(folder, 'other'), partitions: 33 })).toMatchObject({
      code: 'usage',
      message: expect.stringContaining('`partitions`: at most 32') as string,
    })

    const platform = await startPlatform({ dataDir })
    const second = await failureOf({ dataDir })
    expect(second).toMatchObject({ code: 'folder_in_use', name: 'PlatformError' })
    expect(second.cause).toBeInstanceOf(Error)
    await platform.stop()
  }))

test('docs/embedding.md lists every code with its meaning', () => {
  const text = readFileSync(new URL('../docs/embedding.md', import.meta.url), 'utf8')
  const rows = [...text.matchAll(/^\| `(\w+)` \| (.+) \|$/gm)].map(([, code, meaning]) => [code, meaning])
  expect(rows).toEqual(Object.entries(PLATFORM_ERRORS))
})

async function failureOf(options: PlatformOptions): Promise<PlatformError> {
  try {
    await (await startPlatform(options)).stop()
  } catch (error) {
    if (error instanceof PlatformError) return error
    throw error
  }
  throw new Error('It started.')
}
