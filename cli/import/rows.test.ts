import { expect, test } from 'vitest'
import { readRow } from './rows.ts'

const transfer = {
  type: 'transfer',
  id: 't1',
  debit: 'cash',
  credit: 'alice',
  amount: '100',
  currency: 'EUR',
}
const account = { type: 'account', id: 'alice', currency: 'EUR' }

test('a row with every field is read as it stands', () => {
  const full = {
    ...transfer,
    effectiveAt: '1993-01-31T08:15:00+01:00', code: 7, reference: 'r', memo: 'groceries', linked: true,
  } // prettier-ignore
  expect(readRow(full, 3)).toEqual({ line: 3, row: full })
})

test('CSV and JSON rows mean the same: texts become numbers and booleans, empty means not given', () => {
  const fromCsv = readRow(
    { ...account, owner: '', scale: '2', overdraftLimit: '500', system: '', debit: '', credit: '' },
    1,
  )
  expect(fromCsv).toEqual(readRow({ ...account, scale: 2, overdraftLimit: 500 }, 1))
  expect(fromCsv).toMatchObject({ row: { scale: 2, overdraftLimit: '500' } })
})

test('a day is its first moment in UTC', () => {
  expect(readRow({ ...transfer, effectiveAt: '1993-01-31' }, 1)).toMatchObject({
    row: { effectiveAt: '1993-01-31T00:00:00Z' },
  })
})

test.each([
  [{ ...transfer, amount: '0' }, 'amount'],
  [{ ...transfer, amount: '-5' }, 'amount'],
  [{ ...transfer, amount: 1.5 }, 'amount'],
  [{ ...transfer, amount: '1e3' }, 'amount'],
  [{ ...transfer, amount: '٣' }, 'amount'],
  [{ ...transfer, amount: 2 ** 53 }, 'amount'],
  [{ ...transfer, amount: '9223372036854775808' }, 'amount'],
  [{ ...transfer, id: '' }, 'id'],
  [{ ...transfer, id: 7 }, 'id'],
  [{ ...transfer, debit: 'x'.repeat(129) }, 'debit'],
  [{ ...transfer, credit: null }, 'credit'],
  [{ ...transfer, credit: '00000000-0000-0000-0000-000000000000' }, 'credit'],
  [{ ...account, id: '00000000-0000-0000-0000-000000000000' }, 'id'],
  [{ ...transfer, effectiveAt: '1900-01-01T00:00:00+02:00' }, 'effectiveAt'],
  [{ ...transfer, currency: 'eur' }, 'currency'],
  [{ ...transfer, effectiveAt: '1993-02-30' }, 'effectiveAt'],
  [{ ...transfer, effectiveAt: 'yesterday' }, 'effectiveAt'],
  [{ ...transfer, code: 2 ** 32 }, 'code'],
  [{ ...transfer, memo: 'é'.repeat(129) }, 'memo'],
  [{ ...transfer, memo: 'a\0b' }, 'memo'],
  [{ ...transfer, linked: 'yes' }, 'linked'],
  [{ ...transfer, owner: 'x' }, 'owner'],
  [{ ...transfer, extra: 1 }, 'extra'],
  [{ ...account, overdraftLimit: '-1' }, 'overdraftLimit'],
  [{ ...account, overdraftLimit: '1', system: true }, 'overdraftLimit'],
  [{ ...account, scale: 19 }, 'scale'],
  [{ ...account, type: 'wallet' }, 'type'],
])('%j is refused, and its field is named', (raw, field) => {
  expect(readRow(raw, 9)).toMatchObject({
    line: 9,
    fault: expect.stringMatching(new RegExp(`^${field}: `)) as string,
  })
})

test.each([[null], [[]], ['text'], [5]])('%j is no row', (raw) => {
  expect(readRow(raw, 1)).toMatchObject({ fault: 'expected an object' })
})

test('a bad row still says whether it belongs together with the next', () => {
  expect(readRow({ ...transfer, amount: 'x', linked: true }, 1)).toMatchObject({ linked: true })
  expect(readRow({ ...transfer, amount: 'x' }, 1)).toMatchObject({ linked: false })
  expect(readRow({ ...transfer, linked: 'maybe' }, 1)).toMatchObject({ linked: undefined })
})
