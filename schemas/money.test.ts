import fc from 'fast-check'
import { expect, it } from 'vitest'
import { AMOUNT_MAX } from './limits.ts'
import {
  formatMajor,
  isCurrencyCode,
  ISO_CURRENCIES,
  isScale,
  packCurrency,
  parseAmount,
  parseMinor,
  unpackCurrency,
} from './money.ts'
import { ISO_4217_AMENDMENT, ISO_4217_COMPARED } from './iso-currencies.ts'

it('minor units are read as they are written, over the whole 64-bit range and not beyond', () => {
  fc.assert(
    fc.property(fc.bigInt(-AMOUNT_MAX - 1n, AMOUNT_MAX), (value) => {
      expect(parseMinor(value.toString())).toBe(value)
      expect(parseAmount(value.toString())).toBe(value > 0n ? value : undefined)
    }),
  )
  expect(parseMinor((AMOUNT_MAX + 1n).toString())).toBeUndefined()
  expect(parseMinor((-AMOUNT_MAX - 2n).toString())).toBeUndefined()
})

it('nothing but a plain whole number is an amount', () => {
  for (const bad of [
    '',
    '-',
    '+1',
    '01',
    '-0',
    '1.0',
    '1,000',
    '1e3',
    '0x10',
    ' 1',
    '1 ',
    '1\n',
    '１',
    '٣',
    '1n',
    'NaN',
    'Infinity',
    '1_000',
    '9'.repeat(20),
    '9'.repeat(1_000_000),
  ])
    // prettier-ignore
    expect(parseMinor(bad), bad.slice(0, 30)).toBeUndefined()
})

it('a currency code is packed and unpacked unchanged, first letter lowest', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[A-Z][A-Z0-9]{0,7}$/), (code) => {
      expect(unpackCurrency(packCurrency(code))).toBe(code)
      expect(isCurrencyCode(code)).toBe(true)
    }),
  )
  expect(packCurrency('CZK')).toBe(0x4b5a43n)
  for (const bad of ['', 'czk', '1CZ', 'CZKCZKCZK', 'CZ K', 'ČZK', 'CZK\n'])
    expect(() => packCurrency(bad), bad).toThrow(RangeError)
})

it('a major number shows every minor unit', () => {
  expect([
    formatMajor(12_345n, 2),
    formatMajor(5n, 2),
    formatMajor(-5n, 2),
    formatMajor(0n, 0),
    formatMajor(-7n, 0),
    formatMajor(1n, 18),
    formatMajor(-AMOUNT_MAX - 1n, 3),
  ]).toEqual(['123.45', '0.05', '-0.05', '0', '-7', '0.000000000000000001', '-9223372036854775.808'])
  fc.assert(
    fc.property(fc.bigInt(-AMOUNT_MAX, AMOUNT_MAX), fc.nat(18), (minor, scale) => {
      expect(BigInt(formatMajor(minor, scale).replace('.', ''))).toBe(minor)
    }),
  )
})

it('known currencies have codes and scales that are allowed', () => {
  for (const [code, currency] of ISO_CURRENCIES) {
    expect(isCurrencyCode(code)).toBe(true)
    expect(isScale(currency.scale)).toBe(true)
    expect(currency.code).toBe(code)
  }
  expect(['CZK', 'JPY', 'BHD', 'CLF'].map((code) => ISO_CURRENCIES.get(code)?.scale)).toEqual([2, 0, 3, 4])
  expect(isScale(19) || isScale(-1) || isScale(1.5)).toBe(false)
})

it('the currencies of ISO 4217 are those of its last amendment, with their minor units', () => {
  const scales = ['XCG', 'ZWG', 'VED', 'XAD', 'SLE', 'UYI', 'UYW', 'VND', 'ISK', 'MGA', 'MRU', 'IQD', 'TND', 'USN', 'CHW']
  expect(scales.map((code) => ISO_CURRENCIES.get(code)?.scale)).toEqual([2, 2, 2, 2, 2, 0, 4, 0, 0, 2, 2, 3, 3, 2, 2])
  // Withdrawn ones stay, because accounts may have been opened in them; what has no minor unit never comes in.
  expect(['HRK', 'ANG', 'BGN'].every((code) => ISO_CURRENCIES.has(code))).toBe(true)
  expect(['XAU', 'XDR', 'XTS', 'XSU', 'XUA'].some((code) => ISO_CURRENCIES.has(code))).toBe(false)
  expect(ISO_CURRENCIES.size).toBe(171)
  expect(ISO_4217_AMENDMENT).toBe(180)
}) // prettier-ignore

it('the list of ISO 4217 was compared within two years: when this fails, compare it again (schemas/iso-currencies.ts)', () => {
  const ageDays = (Date.now() - Date.parse(ISO_4217_COMPARED)) / 86_400_000
  expect(ageDays).toBeLessThan(2 * 365)
})
