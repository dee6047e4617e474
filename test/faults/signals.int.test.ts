/** Signals under load: ended in order, held still for a while, and the engine's process killed. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { graphql } from '../../cli/graphql-client.ts'
import { expectOnce, knowNothing, openAccounts, pause, resend, startLoad } from '../support/load.ts'
import { onlyJson, purser, startServer, withFolder } from '../support/purser.ts'

const STILL_MS = 3_000

test('SIGTERM under load: all that was taken is answered, the exit code is 0, and nothing is lost', () =>
  withFolder(async (folder) => {
    const known = knowNothing()
    const server = await startServer(folder)
    await openAccounts(server.url)
    const load = startLoad(server.url, known)
    await load.acknowledged(300)
    const ended = await server.stop()
    await load.over
    expect(ended.exitCode).toBe(0)
    expect(ended.stderr).toContain('Everything acknowledged is in the log')
    const audit = onlyJson((await purser('audit', '--data', folder, '--json')).stdout)
    expect(audit).toMatchObject({ ok: true, running: false, trialBalance: { EUR: '0' } })
    const again = await startServer(folder)
    // Whoever heard nothing was not taken: the log holds what was answered, and no more.
    await expectOnce(again.url, known)
    await resend(again.url, known)
    await expectOnce(again.url, known)
    await again.stop()
  }))

test('a platform that is held still goes on where it was, with the same clients', () =>
  withFolder(async (folder) => {
    const known = knowNothing()
    const server = await startServer(folder)
    await openAccounts(server.url)
    const load = startLoad(server.url, known)
    await load.acknowledged(200)
    server.child.kill('SIGSTOP')
    await pause(STILL_MS)
    server.child.kill('SIGCONT')
    await load.acknowledged(200)
    await load.end()
    expect(known.open.size).toBe(0)
    await expectOnce(server.url, known)
    expect((await server.stop()).exitCode).toBe(0)
  }))

test('the engine killed under load: commits go on, and the views catch up', () =>
  withFolder(async (folder) => {
    const known = knowNothing()
    const server = await startServer(folder)
    await openAccounts(server.url)
    const load = startLoad(server.url, known)
    let killed: number | undefined
    for (let kill = 0; kill < 2; kill++) {
      await load.acknowledged(100)
      let engine = childOf(server.pid)
      for (; engine === undefined || engine === killed; engine = childOf(server.pid)) await pause(10)
      process.kill(engine, 'SIGKILL')
      killed = engine
      await load.acknowledged(300)
    }
    await load.end()
    expect(known.open.size).toBe(0)
    await untilViewsAnswer(server.url)
    await expectOnce(server.url, known)
    expect((await server.stop()).exitCode).toBe(0)
  }))

/** The one child process of a platform: its engine, while there is one. */
function childOf(pid: number): number | undefined {
  const child = /\d+/.exec(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8'))
  return child === null ? undefined : Number(child[0])
}

async function untilViewsAnswer(url: string): Promise<void> {
  for (const giveUpAtMs = Date.now() + 20_000; ;) {
    try {
      await graphql(url, '{ projections { head } }')
      return
    } catch (error) {
      if (Date.now() > giveUpAtMs) throw error
      await pause(100)
    }
  }
}
