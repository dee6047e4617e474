/** The demo on a platform that runs already, with several partitions: what README and docs/distributed.md start with. */
import { expect, test } from 'vitest'
import { onlyJson, purser, startServer, withFolder } from './support/purser.ts'

test('the story holds on a running platform of several partitions, again and again', () =>
  withFolder(async (folder) => {
    const server = await startServer(folder, '--partitions', '3')
    for (let time = 0; time < 2; time++) {
      const { exitCode, stdout, stderr } = await purser('demo', '--url', server.url, '--json')
      const { ok, steps } = onlyJson(stdout) as { ok: boolean; steps: { title: string; holds: boolean }[] }
      expect({ exitCode, ok, failed: steps.filter(({ holds }) => !holds) }, stderr).toEqual({
        exitCode: 0,
        ok: true,
        failed: [],
      })
    }
    await server.stop()
  }))
