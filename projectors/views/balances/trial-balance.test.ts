import { expect, test } from 'vitest'
import type { ViewStore } from '../../clickhouse/view-store.ts'
import { trialBalance } from './trial-balance.ts'

test('sums of partitions are added up by currency and scale: amounts of two scales never are', async () => {
  const row = (partition: number, currency_scale: number, posted: string): Record<string, unknown> => ({
    partition, currency_code: 'COINX', currency_scale, accounts: '2', sum_debits_posted: posted, sum_debits_pending: '1',
    sum_credits_posted: posted, sum_credits_pending: '1', in_transit: '3', newest: '4',
  }) // prettier-ignore
  const asked: string[] = []
  const store = {
    query: (sql: string) => {
      asked.push(sql)
      return Promise.resolve([row(0, 0, '500'), row(0, 2, '70'), row(1, 2, '30')])
    },
  } as unknown as ViewStore
  const rows = await trialBalance(store, new Map([[0, 9n], [1, 9n]])) // prettier-ignore
  expect(rows).toMatchObject([
    { currency: 'COINX', scale: 0, accounts: 2n, debitsPosted: 500n, sum: 0n, held: 1n, inTransit: 3n },
    { currency: 'COINX', scale: 2, accounts: 4n, debitsPosted: 100n, sum: 0n, held: 2n, inTransit: 6n },
  ])
  expect(asked.every((sql) => sql.includes('GROUP BY partition, currency_code, currency_scale'))).toBe(true)
})
