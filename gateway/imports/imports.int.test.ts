/** What a run of an import is told at its beginning. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { gatewayUnderTest, openAccounts, type GatewayUnderTest } from '../gateway-under-test.testing.ts'

let under: GatewayUnderTest
beforeAll(async () => {
  under = await gatewayUnderTest()
})
afterAll(() => under.stop())

test('a run of a known import begins when the views hold all that was acknowledged before; one of a new name at once', async () => {
  const begun = await under.post('/imports/month/times', { partition: 0, beyond: null, after: '0' })
  expect(begun.status).toBe(200)
  await under.projections.pause()
  await openAccounts(under, 1)
  const behind = (): boolean => (under.projections.position().get(0) ?? 0n) < under.writer.log.head().sequence
  expect(behind()).toBe(true)

  expect(await (await fetch(`${under.url}/imports/another`)).json()).toEqual({ partitions: [], ofChunks: [] })
  expect(behind()).toBe(true)

  const run = fetch(`${under.url}/imports/month`).then(({ status }) => ({ status, behind: behind() }))
  expect(await Promise.race([run, sleep(500, 'waits')])).toBe('waits')
  under.projections.resume()
  expect(await run).toEqual({ status: 200, behind: false })
}) // prettier-ignore
