/** What `purser projections` shows and asks where a person sits before it. */
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startPlatform, type Platform } from '../../../platform/embedded-platform.ts'
import { formatId, makeUuidV7 } from '../../../schemas/ids.ts'
import { CTRL_C, CTRL_D, ENTER, onTerminal, type Terminal } from '../../../test/support/terminal.ts'
import { onlyJson, purser } from '../../../test/support/purser.ts'
import { haveTools } from '../../../test/support/tools.ts'

if (haveTools('the commands for projections on a terminal', 'python3'))
  describe('on a terminal', () => {
    let folder: string
    let platform: Platform
    beforeAll(async () => {
      folder = await mkdtemp(path.join(os.tmpdir(), 'purser-terminal-'))
      platform = await startPlatform({ dataDir: folder, engineMemoryBytes: 1024 ** 3 })
    })
    afterAll(async () => {
      await platform.stop()
      await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    })

    const person = (...args: readonly string[]): Terminal =>
      onTerminal('projections', ...args, '--url', platform.url)

    async function program(...args: readonly string[]): Promise<Record<string, unknown>> {
      return onlyJson((await purser('projections', ...args, '--url', platform.url, '--json')).stdout)
    }

    async function openAccounts(count: number): Promise<void> {
      const commands = Array.from({ length: count }, () => {
        const accountId = formatId(makeUuidV7(Date.now(), crypto.getRandomValues(new Uint8Array(10))))
        return { kind: 'openAccount', accountId, currency: 'EUR' }
      })
      const response = await fetch(`${platform.url}/commands`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ commands }),
      })
      expect(response.status).toBe(200)
    }

    async function roles(): Promise<readonly string[]> {
      const { versions } = (await program('list')) as { versions: { name: string; version: number; role: string }[] }
      return versions.map(({ name, version, role }) => `${name} ${version} ${role}`)
    } // prettier-ignore

    test('a rebuild shows a bar; Ctrl-C leaves it going, and the command goes on watching when it is run again', async () => {
      expect(await program('rebuild', 'history', '--no-wait')).toMatchObject({ version: 2 })
      // One that stands still, so that nobody is quicker than the keys.
      expect(await program('pause', 'history', '--version', '2')).toMatchObject({ ok: true })
      await openAccounts(20)
      const first = person('rebuild', 'history')
      await first.untilShown(/[█░]+ \d+ % {2}[\d,]+ events\/s/)
      first.press(CTRL_C)
      expect((await first.finished).exitCode).toBe(130)
      expect(first.shown()).toMatch(/Version 2 of history is not level yet\. It goes on by itself; watch it: purser projections rebuild history\r\n$/) // prettier-ignore
      expect(await roles()).toContain('history 2 BUILDING')
      const second = person('rebuild', 'history')
      await second.untilShown(/events\/s/)
      expect(await program('resume', 'history', '--version', '2')).toMatchObject({ ok: true })
      expect((await second.finished).exitCode).toBe(0)
      expect(second.shown()).toContain('Version 2 of history holds 20 events. Next: purser projections compare history')
    }) // prettier-ignore

    test('drop asks, and only a yes removes anything', async () => {
      await program('rebuild', 'audit')
      const question = /Remove version 2 of audit with its tables\? \[y\/N\] /
      for (const keys of [`n${ENTER}`, ENTER, CTRL_C, CTRL_D]) {
        const asked = person('drop', 'audit', '2')
        await asked.untilShown(question)
        asked.press(keys)
        expect([(await asked.finished).exitCode, asked.shown()]).toEqual([2, expect.stringContaining('Nothing was done.')]) // prettier-ignore
        expect(await roles()).toContain('audit 2 BUILDING')
      }
      const asked = person('drop', 'audit', '2')
      await asked.untilShown(question)
      asked.press(`y${ENTER}`)
      expect((await asked.finished).exitCode).toBe(0)
      expect(asked.shown()).toContain('audit version 2 is dropped.')
      expect(await roles()).not.toContain('audit 2 BUILDING')
    })
  })
