/** The platform as a process: what it says, who may use its folder, how it ends. */
import { createServer } from 'node:net'
import { writeFileSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { graphql } from '../cli/graphql-client.ts'
import { flipBit } from './support/damage.ts'
import { onlyJson, purser, startServer, withFolder } from './support/purser.ts'

const OPEN = `mutation($input: OpenAccountInput!) { openAccount(input: $input) { __typename } }`
const ACCOUNT = `query($id: UUID!) { account(id: $id) { owner } }`

describe('a platform in a process of its own', () => {
  test('it is ready when it says so, refuses a second process, and starts again where it was', () =>
    withFolder(async (folder) => {
      const id = '00000000-0000-8000-8000-000000000001'
      const first = await startServer(folder)
      expect((await fetch(`${first.url}/readyz`)).status).toBe(200)
      await graphql(first.url, OPEN, { input: { accountId: id, owner: 'me', currency: 'EUR' } })

      const second = await purser('start', '--data', folder, '--port', '0', '--json')
      expect(second.exitCode).toBe(1)
      expect(onlyJson(second.stdout)).toMatchObject({ ok: false, error: { code: 'folder_in_use' } })
      expect(second.stdout).toContain(String(first.pid))

      const views = onlyJson((await purser('projections', '--data', folder, '--json')).stdout)
      expect(views).toMatchObject({ ok: true, url: first.url })

      const young = onlyJson((await purser('status', '--data', folder, '--json')).stdout)
      expect(young).toMatchObject({ ok: true, url: first.url, writers: [{ partition: 0, snapshot: null }] })

      const stopped = await first.stop()
      expect(stopped.exitCode).toBe(0)
      onlyJson(stopped.stdout)

      const again = await startServer(folder)
      const status = await purser('status', '--url', again.url, '--json')
      expect(status.exitCode).toBe(0)
      const { writers } = onlyJson(status.stdout) as {
        writers: { state: string; snapshot: Record<string, number | string> }[]
      }
      expect(writers).toMatchObject([{ state: 'ready', snapshot: { durationMs: null } }])
      const { sequence, ageSeconds, bytes } = writers[0]!.snapshot
      expect(Number(sequence)).toBeGreaterThan(0)
      expect(ageSeconds).toBeLessThan(60)
      expect(bytes).toBeGreaterThan(0)
      expect(await graphql(again.url, ACCOUNT, { id })).toEqual({ account: { owner: 'me' } })
      await again.stop()
    }))

  test('a port that another program has is named, and nothing is begun in the folder', () =>
    withFolder(async (folder) => {
      const other = createServer().listen(0, '127.0.0.1')
      await new Promise((resolve) => other.once('listening', resolve))
      const { port } = other.address() as { port: number }
      const refused = await purser('start', '--data', folder, '--port', String(port), '--json')
      other.close()
      expect(refused.exitCode).toBe(1)
      expect(onlyJson(refused.stdout)).toMatchObject({ error: { code: 'port_in_use' } })
      expect(refused.stdout).toContain(String(port))
      expect(await readdir(folder)).toEqual([])
    }))

  test('a damaged log stops it with the place, and nothing is changed', () =>
    withFolder(async (folder) => {
      const server = await startServer(folder)
      const input = { accountId: '00000000-0000-8000-8000-000000000001', currency: 'EUR' }
      await graphql(server.url, OPEN, { input })
      await server.stop()
      const segment = path.join(folder, 'log', '0')
      const file = flipBit(segment, 4_096 + 200)
      const refused = await purser('start', '--data', folder, '--port', '0', '--json')
      expect(refused.exitCode).toBe(1)
      expect(onlyJson(refused.stdout)).toMatchObject({ ok: false, error: { code: 'log_corrupt' } })
      expect(refused.stdout).toContain(path.basename(file))
      expect((await purser('audit', '--data', folder, '--json')).exitCode).toBe(1)
    }))

  test('views that know more than the log stop it, with a sentence that says what to do', () =>
    withFolder(async (folder) => {
      const server = await startServer(folder)
      const input = { accountId: '00000000-0000-8000-8000-000000000001', currency: 'EUR' }
      await graphql(server.url, OPEN, { input })
      await server.stop()
      // As if an older copy of the log had been put back, without the views.
      for (const part of ['log', 'snapshots'])
        await rm(path.join(folder, part), { recursive: true, force: true })
      const refused = await purser('start', '--data', folder, '--port', '0', '--json')
      expect(refused.exitCode).toBe(1)
      expect(onlyJson(refused.stdout)).toMatchObject({ ok: false, error: { code: 'log_regressed' } })
      expect(refused.stdout).toContain('went backwards')
    }))
})

describe('what a user does wrong is said in a sentence, with exit code 2 and no stack', () => {
  test.each([
    [['start', '--port', 'http'], '--port'],
    [['start', '--currency', 'euro'], '--currency'],
    [['import'], 'FILE'],
    [['import', 'x', '--on-error', 'ignore'], '--on-error'],
    [['projections', '--url', 'somewhere'], '--url'],
    [['frobnicate'], 'frobnicate'],
    [['start', '--colour', 'red'], '--colour'],
    [['id', 'account', ''], 'NAME'],
  ])('%j', async (args, named) => {
    const { exitCode, stdout, stderr } = await purser(...args, '--json')
    expect(exitCode).toBe(2)
    expect(onlyJson(stdout)).toMatchObject({ ok: false })
    expect(stdout + stderr).toContain(named)
    expect(stdout + stderr).not.toMatch(/\n\s+at /)
  })

  test('a data folder that is a file', () =>
    withFolder(async (folder) => {
      const file = path.join(folder, 'data')
      writeFileSync(file, '')
      const { exitCode, stdout } = await purser('start', '--data', file, '--port', '0', '--json')
      expect(exitCode).toBe(1)
      expect(onlyJson(stdout)).toMatchObject({ error: { code: 'folder_unusable' } })
    }))
})
