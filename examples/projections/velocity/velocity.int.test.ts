import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { connectBulk, newId } from 'purser/client'
import { BUILT_IN_VIEWS, startPlatform } from 'purser/platform'
import { loadViews } from '../../../platform/projections/load.ts'
import { accountId, scenario, transferId, type Given } from 'purser/projections/kit'

const eur = { currency: 'EUR' }
const ACCOUNTS: readonly Given[] = [
  { kind: 'openAccount', accountId: 'bank', system: true, ...eur },
  { kind: 'openAccount', accountId: 'alice', owner: 'alice', ...eur },
  { kind: 'openAccount', accountId: 'bob', owner: 'bob', ...eur },
  { kind: 'transfer', debitAccountId: 'bank', creditAccountId: 'alice', amount: '900000', ...eur },
]

function pays(id: string, at: string, amount = '100'): Given {
  return { kind: 'transfer', id, at: `2026-03-01T${at}Z`, debitAccountId: 'alice', creditAccountId: 'bob', amount, ...eur }
} // prettier-ignore

test('the sixth payment within an hour is flagged, once, and again only when the account has calmed down', async () => {
  const { rows } = await scenario({
    view: new URL('./velocity.ts', import.meta.url),
    given: [
      ...ACCOUNTS,
      ...['10:00:00', '10:10:00', '10:20:00', '10:30:00', '10:40:00'].map((at, index) => pays(`a${index}`, at)),
      // The first one is an hour old by then, to the nanosecond: still five.
      pays('b', '11:00:00'),
      pays('c', '11:05:00'),
      pays('d', '11:06:00'),
      // By two o'clock all is quiet; then one payment of much.
      pays('e', '14:00:00', '1'),
      { ...pays('f', '14:10:00', '1000001'), debitAccountId: 'bank', creditAccountId: 'bob' },
    ],
    rows: {
      velocity_flags: [
        { account: 2, payments: 6, amount: 600n, transfer: transferId('c') },
        { account: 1, payments: 1, amount: 1_000_001n, transfer: transferId('f') },
      ],
    },
    graphql: [
      {
        query: '{ velocityFlags { accountId payments amount { minor } at transferId } }',
        data: {
          velocityFlags: [
            { accountId: accountId('bank'), payments: 1, amount: { minor: '1000001' }, at: '2026-03-01T14:10:00Z', transferId: transferId('f') },
            { accountId: accountId('alice'), payments: 6, amount: { minor: '600' }, at: '2026-03-01T11:05:00Z', transferId: transferId('c') },
          ],
        },
      },
    ],
  })
  expect(rows['velocity_flags']).toHaveLength(2)
}) // prettier-ignore

test('a flag is pushed to who subscribes, once, and velocityFlags shows it by then', async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'velocity-'))
  const loaded = await loadViews({ folder: import.meta.dirname, files: ['velocity.ts'], modules: folder })
  const views = [...BUILT_IN_VIEWS, ...loaded.map(({ view }) => view)]
  const platform = await startPlatform({ dataDir: path.join(folder, 'data'), views })
  onTestFinished(async () => {
    await platform.stop()
    await rm(folder, { recursive: true, force: true })
  })
  const ask = (query: string, accept: string): Promise<Response> =>
    fetch(`${platform.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept },
      body: JSON.stringify({ query }),
    })
  const flags = await ask('subscription { velocityFlagged { payments transferId } }', 'text/event-stream')
  const client = await connectBulk({ url: platform.url })
  const [bank, alice, last] = [newId(), newId(), newId()]
  for (const [debit, system] of [[bank, true], [alice, false]] as const)
    await client.submit({ kind: 'OpenAccount', id: newId(), debit, currency: 'EUR', ...(system ? { system } : {}) })
  for (const id of [newId(), newId(), newId(), newId(), newId(), last, newId()])
    await client.submit({ kind: 'Transfer', id, debit: bank, credit: alice, amount: 1n, currency: 'EUR' })
  await client.close()
  const reader = flags.body!.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  while (!text.includes('payments')) text += (await reader.read()).value ?? ''
  const answer = (await (await ask('{ velocityFlags { payments transferId } }', 'application/json')).json()) as { data: { velocityFlags: unknown[] } }
  await reader.cancel()
  const pushed = /data: (\{.*payments.*\})/.exec(text)![1]!
  expect((JSON.parse(pushed) as { data: { velocityFlagged: unknown } }).data.velocityFlagged).toEqual(answer.data.velocityFlags[0])
  expect(answer.data.velocityFlags).toHaveLength(1)
}) // prettier-ignore
