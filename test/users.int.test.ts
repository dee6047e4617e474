/** `purser users`, against something that speaks as much of ClickHouse's HTTP as it takes: no server can be had here. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { onlyJson, spawnPurser } from './support/purser.ts'

/** Takes statements; refuses as ClickHouse would, where told to. */
async function withServer(
  refuse: boolean,
  use: (url: string, statements: readonly string[]) => Promise<void>,
): Promise<void> {
  const statements: string[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => (body += text))
    request.on('end', () => {
      const asked = new URL(request.url!, 'http://x').searchParams.get('query') ?? ''
      statements.push(`${asked}${body}`)
      if (!refuse) {
        response.end()
        return
      }
      response.writeHead(403, { 'x-clickhouse-exception-code': '497' })
      response.end('Code: 497. DB::Exception: purser_admin: Not enough privileges. (ACCESS_DENIED)')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, statements)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

function users(url: string): ReturnType<typeof spawnPurser>['finished'] {
  const environment = {
    PURSER_VIEWS_WRITER_PASSWORD: 'secret-of-the-writer',
    PURSER_VIEWS_READER_PASSWORD: 'secret-of-the-reader',
  }
  return spawnPurser(['users', '--clickhouse-url', url, '--json'], { environment }).finished
}

test('makes both users, and sends neither of their passwords', () =>
  withServer(false, async (url, statements) => {
    const { exitCode, stdout } = await users(url)
    expect(exitCode).toBe(0)
    expect(onlyJson(stdout)).toEqual({ ok: true, database: 'purser', writer: 'purser_writer', reader: 'purser_reader' }) // prettier-ignore
    const sent = statements.join('\n')
    expect(sent).toMatch(/CREATE USER.*purser_writer/)
    expect(sent).toMatch(/CREATE USER.*purser_reader/)
    expect(sent).not.toContain('secret-of-')
  }))

test('says why the server did not, and what to look at', () =>
  withServer(true, async (url) => {
    const { exitCode, stdout } = await users(url)
    expect(exitCode).toBe(1)
    expect(onlyJson(stdout)).toMatchObject({
      error: { code: 'views_failed', message: expect.stringMatching(/privileges.*Check/s) as string },
    })
  }))

test('wants both passwords before it asks any server', async () => {
  const { exitCode, stdout } = await spawnPurser(['users', '--json']).finished
  expect(exitCode).toBe(2)
  expect((onlyJson(stdout)['faults'] as { setting: string }[]).map(({ setting }) => setting)).toEqual([
    'PURSER_CLICKHOUSE_URL',
    'PURSER_VIEWS_WRITER_PASSWORD_FILE',
    'PURSER_VIEWS_READER_PASSWORD_FILE',
  ])
})
