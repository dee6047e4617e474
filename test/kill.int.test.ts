/** kill -9 under load, through all three doors: what was acknowledged is there once, and what was not is there once or not at all. */
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { formatId } from '../schemas/ids.ts'
import { BulkLoad } from './support/bulk-load.ts'
import { expectBalance, knowNothing, openAccounts, pause, resend, startLoad } from './support/load.ts'
import { eachEventIn } from './support/log.ts'
import { onlyJson, purser, startSmallServer, withFolder } from './support/purser.ts'
import { rounds } from './support/rounds.ts'

/** Lives of the platform that end by kill -9; a longer run says how many. */
const ROUNDS = Number(process.env['PURSER_KILL_ROUNDS'] ?? rounds(5, 10))
const ROUND_MS_MAX = 20_000
/** How long a kill waits for a snapshot that is under way. */
const SNAPSHOT_MS_MAX = 2_000

test(
  'what was acknowledged survives kill -9, once [J9]',
  () =>
    withFolder(async (folder) => {
      const known = knowNothing()
      const bulk = new BulkLoad()
      let underWay = 0
      for (let round = 0; round < ROUNDS; round++) {
        const server = await startSmallServer(folder)
        await openAccounts(server.url)
        await resend(server.url, known)
        await bulk.resend(server.url)
        await expectBalance(server.url, known, bulk.acknowledged.length)
        const load = startLoad(server.url, known)
        const bulkOver = bulk.run(server.url)
        await load.acknowledged(200)
        await pause(Math.random() * 400)
        // Every second one falls while a snapshot is made.
        if (round % 2 === 0 && (await snapshotUnderWay(server.url))) underWay++
        await server.kill()
        await Promise.all([load.over, bulkOver])
      }
      const last = await startSmallServer(folder)
      await resend(last.url, known)
      await bulk.resend(last.url)
      await expectBalance(last.url, known, bulk.acknowledged.length)
      const beside = onlyJson((await purser('audit', '--data', folder, '--json')).stdout)
      expect(beside).toMatchObject({ ok: true, running: true })
      await last.stop()
      const atRest = onlyJson((await purser('audit', '--data', folder, '--json')).stdout)
      expect(atRest).toMatchObject({ ok: true, running: false, trialBalance: { EUR: '0' } })
      // The audits have compared the views with the log; the log has each transfer once, and no gap.
      const left = new Set([...known.acknowledged, ...bulk.acknowledged])
      expect(left.size).toBe(known.acknowledged.length + bulk.acknowledged.length)
      expect(bulk.acknowledged.length).toBeGreaterThan(ROUNDS * 2_048)
      expect(known.acknowledged.length).toBeGreaterThan(ROUNDS * 200)
      let sequence = 0n
      for (const event of eachEventIn(folder)) {
        if (event.sequence !== ++sequence) expect.fail(`${event.sequence} stands where ${sequence} should`)
        if (event.kind !== 'TransferPosted') continue
        const id = formatId(event.transferId)
        if (!left.delete(id)) expect.fail(`${id} is in the log twice, or nobody was told of it`)
      }
      expect([...left]).toEqual([])
      // What the kills met: segments that had rolled, and snapshots that were being written.
      expect(readdirSync(path.join(folder, 'log', '0')).filter((name) => name.endsWith('.seg')).length).toBeGreaterThan(1) // prettier-ignore
      expect(underWay).toBeGreaterThan(0)
    }),
  60_000 + ROUNDS * ROUND_MS_MAX,
)

/** True as soon as a snapshot is under way; false if none begins in time. */
async function snapshotUnderWay(url: string): Promise<boolean> {
  const deadlineMs = performance.now() + SNAPSHOT_MS_MAX
  while (performance.now() < deadlineMs) {
    const { writers } = (await (await fetch(`${url}/readyz`)).json()) as {
      writers: { snapshotUnderWay: boolean }[]
    }
    if (writers[0]!.snapshotUnderWay) return true
  }
  return false
}
