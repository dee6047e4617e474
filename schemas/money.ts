/** Amounts and currencies. An amount is a whole number of minor units, never a float; on every wire it is a decimal string. */
import { AMOUNT_MAX, SCALE_MAX } from './limits.ts'

/** A currency: its code and the number of decimal places of its minor unit. */
export interface Currency {
  /** 1 to 8 characters `A-Z 0-9`, first a letter: `CZK`, `USDC`. */
  readonly code: string
  /** 0 to 18. */
  readonly scale: number
}

/**
 * What an event, the state and the views have as the overdraft limit of a system account, which has none. No command can
 * say it: a limit below zero is refused, and a system account is asked for by a flag.
 */
export const OVERDRAFT_UNLIMITED = -1n

const DECIMAL_TEXT = /^(0|-?[1-9][0-9]{0,18})$/

/**
 * Reads a decimal string of minor units in the signed 64-bit range. Digits only: no sign but a minus, no exponent,
 * no leading zero, no other script's digits. Length is checked before anything is parsed.
 * Returns undefined for anything else.
 */
export function parseMinor(text: string): bigint | undefined {
  if (text.length > 20 || !DECIMAL_TEXT.test(text)) return undefined
  const value = BigInt(text)
  return value > AMOUNT_MAX || value < -AMOUNT_MAX - 1n ? undefined : value
}

/** Reads an amount to move: as `parseMinor`, and above zero. */
export function parseAmount(text: string): bigint | undefined {
  const value = parseMinor(text)
  return value === undefined || value <= 0n ? undefined : value
}

const CODE_TEXT = /^[A-Z][A-Z0-9]{0,7}$/

export function isCurrencyCode(code: string): boolean {
  return CODE_TEXT.test(code)
}

export function isScale(scale: number): boolean {
  return Number.isInteger(scale) && scale >= 0 && scale <= SCALE_MAX
}

/**
 * Packs a code into the 64 bits that rows and slots carry: its ASCII characters, first one lowest, zero-padded.
 * Written little-endian that is ClickHouse's `FixedString(8)`.
 */
export function packCurrency(code: string): bigint {
  if (!isCurrencyCode(code)) throw new RangeError(`not a currency code: ${JSON.stringify(code)}`)
  let packed = 0n
  for (let index = code.length - 1; index >= 0; index--)
    packed = (packed << 8n) | BigInt(code.charCodeAt(index))
  return packed
}

export function unpackCurrency(packed: bigint): string {
  let code = ''
  for (let rest = BigInt.asUintN(64, packed); rest !== 0n; rest >>= 8n)
    code += String.fromCharCode(Number(rest & 0xffn))
  return code
}

/** Writes minor units as a decimal number for people: `formatMajor(12345n, 2)` is `123.45`. Never for calculation. */
export function formatMajor(minor: bigint, scale: number): string {
  const sign = minor < 0n ? '-' : ''
  const digits = (minor < 0n ? -minor : minor).toString().padStart(scale + 1, '0')
  return scale === 0 ? sign + digits : `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}

export { ISO_CURRENCIES } from './iso-currencies.ts'
