import { expect, test } from 'vitest'
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
