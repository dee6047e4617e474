import { expect, test } from 'vitest'
import { NIL_ID } from '../../../schemas/ids.ts'
import { CommandMaker } from '../commands-of.ts'
import { readRow, type ImportRow } from './rows.ts'

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

test('texts of CSV mean what numbers and truth values of JSON mean; null means not given', () => {
  const fromCsv = readRow({ ...account, scale: '2', overdraftLimit: '500', system: 'false' }, 1)
  const fromJson = { ...account, scale: 2, overdraftLimit: 500, system: false, effectiveAt: null }
  expect(fromCsv).toEqual(readRow(fromJson, 1))
  expect(fromCsv).toMatchObject({ row: { scale: 2, overdraftLimit: '500' } })
})

test('nothing that a row says by accident means "not given"', () => {
  for (const field of ['effectiveAt', 'code', 'reference', 'linked'])
    expect(readRow({ ...transfer, [field]: '' }, 1)).toMatchObject({
      fault: expect.stringContaining(`${field}: `) as string,
    })
  for (const field of ['scale', 'overdraftLimit', 'system'])
    expect(readRow({ ...account, [field]: '' }, 1)).toMatchObject({
      fault: expect.stringContaining('an empty text') as string,
    })
  expect(readRow({ ...transfer, effectiveAt: '1970-01-01' }, 1)).toMatchObject({
    row: { effectiveAt: '1970-01-01T00:00:00Z' },
  })
  expect(readRow({ ...transfer, code: 0, linked: false }, 1)).toMatchObject({
    row: { code: 0, linked: false },
  })
  const maker = new CommandMaker()
  const commandOf = (raw: object) => maker.commandOf((readRow(raw, 1) as { row: ImportRow }).row, NIL_ID)
  expect(commandOf({ ...transfer, effectiveAt: '1970-01-01' })).toHaveProperty('effectiveAtNs', 0n)
  expect(commandOf(transfer).effectiveAtNs).toBeUndefined()
  expect(commandOf(transfer).reference).toBeUndefined()
})

test('what a row says is shown without what a terminal would obey', () => {
  const fault = (raw: object): string => (readRow(raw, 1) as { fault: string }).fault
  expect(fault({ ...transfer, ['\u001b[2J\u202e']: 1 })).toMatch(/^\\u\{1b\}\[2J\\u\{202e\}: /)
  expect(fault({ ...transfer, amount: '1\u009b"' })).toContain('"1\\u{9b}\\""')
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
  [{ ...transfer, id: '00000000-0000-0000-0000-000000000000' }, 'id'],
  [{ ...transfer, reference: '00000000-0000-0000-0000-000000000000' }, 'reference'],
  [{ ...transfer, debit: 'M\ufffdller' }, 'debit'],
  [{ ...transfer, id: '\ufffd' }, 'id'],
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
