/** kill -9 under load, through both doors: what was acknowledged is there once, and what was not is there once or not at all. */
import { expect, test } from 'vitest'
import { formatId } from '../schemas/ids.ts'
import { expectBalance, knowNothing, openAccounts, pause, resend, startLoad } from './support/load.ts'
import { eventsIn } from './support/log.ts'
import { onlyJson, purser, startServer, withFolder } from './support/purser.ts'

/** Lives of the platform that end by kill -9; a longer run says how many. */
const ROUNDS = Number(process.env['PURSER_KILL_ROUNDS'] ?? 10)
const ROUND_MS_MAX = 20_000

test(
  'what was acknowledged survives kill -9, once [J9]',
  () =>
    withFolder(async (folder) => {
      const known = knowNothing()
      for (let round = 0; round < ROUNDS; round++) {
        const server = await startServer(folder)
        await openAccounts(server.url)
        await resend(server.url, known)
        await expectBalance(server.url, known)
        const load = startLoad(server.url, known)
        await load.acknowledged(200)
        await pause(Math.random() * 400)
        await server.kill()
        await load.over
      }
      const last = await startServer(folder)
      await resend(last.url, known)
      await expectBalance(last.url, known)
      const beside = onlyJson((await purser('audit', '--data', folder, '--json')).stdout)
      expect(beside).toMatchObject({ ok: true, running: true })
      await last.stop()
      const atRest = onlyJson((await purser('audit', '--data', folder, '--json')).stdout)
      expect(atRest).toMatchObject({ ok: true, running: false, trialBalance: { EUR: '0' } })
      // The audits have compared the views with the log; the log has each transfer once, and no gap.
      const events = eventsIn(folder)
      events.forEach(({ sequence }, index) => expect(sequence).toBe(BigInt(index + 1)))
      const posted = events
        .filter(({ kind }) => kind === 'TransferPosted')
        .map(({ transferId }) => formatId(transferId))
      expect(posted.sort()).toEqual(known.acknowledged.sort())
      expect(posted.length).toBeGreaterThan(ROUNDS * 200)
    }),
  60_000 + ROUNDS * ROUND_MS_MAX,
)
