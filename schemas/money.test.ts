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
