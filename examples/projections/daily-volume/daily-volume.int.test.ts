import { expect, test } from 'vitest'
import { scenario } from 'purser/projections/kit'

const VOLUME = `{ dailyVolume(from: "2026-03-01", to: "2026-03-02") {
  day code transfers moved { minor currency } reversed { minor } } }`
const eur = { currency: 'EUR' }

test('what is moved counts on its business day, by currency and code, whatever comes twice or in pieces', async () => {
  const { runs } = await scenario({
    view: new URL('./daily-volume.ts', import.meta.url),
    from: '2026-03-01T23:50:00Z',
    given: [
      { kind: 'openAccount', accountId: 'bank', system: true, ...eur },
      { kind: 'openAccount', accountId: 'alice', owner: 'alice', ...eur },
      { kind: 'openAccount', accountId: 'bob', owner: 'bob', ...eur },
      { kind: 'transfer', debitAccountId: 'bank', creditAccountId: 'alice', amount: '100000', code: 1, ...eur },
      { kind: 'transfer', id: 'rent', debitAccountId: 'alice', creditAccountId: 'bob', amount: '700', code: 2, ...eur },
      { kind: 'transfer', debitAccountId: 'alice', creditAccountId: 'bob', amount: '300', code: 2, ...eur },
      { kind: 'placeHold', id: 'hold', debitAccountId: 'alice', creditAccountId: 'bob', amount: '500', code: 2, ...eur },
      // After midnight, and what was meant for the day before.
      { kind: 'postHold', at: '2026-03-02T00:10:00Z', holdId: 'hold', amount: '450' },
      { kind: 'reverseTransfer', transferId: 'rent' },
      { kind: 'transfer', debitAccountId: 'alice', creditAccountId: 'bob', amount: '1', effectiveAt: '2026-03-01T12:00:00Z', ...eur },
      // Refused: it counts nowhere.
      { kind: 'transfer', debitAccountId: 'bob', creditAccountId: 'alice', amount: '99999999', ...eur },
    ],
    rows: {
      daily_volume: [
        { day: '2026-03-01', currency: 'EUR', code: 1, amount: 100000n },
        { day: '2026-03-01', code: 2, amount: 700n },
        { day: '2026-03-01', code: 2, amount: 300n },
        { day: '2026-03-02', code: 0, amount: 450n },
        { day: '2026-03-02', is_reversal: 1, amount: 700n },
        { day: '2026-03-01', code: 0, amount: 1n },
      ],
    },
    graphql: [
      {
        query: VOLUME,
        data: {
          dailyVolume: [
            { day: '2026-03-01', code: 0, transfers: '1', moved: { minor: '1', currency: 'EUR' }, reversed: { minor: '0' } },
            { day: '2026-03-01', code: 1, transfers: '1', moved: { minor: '100000', currency: 'EUR' }, reversed: { minor: '0' } },
            { day: '2026-03-01', code: 2, transfers: '2', moved: { minor: '1000', currency: 'EUR' }, reversed: { minor: '0' } },
            { day: '2026-03-02', code: 0, transfers: '2', moved: { minor: '450', currency: 'EUR' }, reversed: { minor: '700' } },
          ],
        },
      },
    ],
  })
  expect(runs).toContain('built anew and promoted')
  expect(runs.filter((run) => run.startsWith('ended'))).not.toEqual([])
}) // prettier-ignore
