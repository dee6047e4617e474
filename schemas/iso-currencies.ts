/**
 * The currencies known without configuration: list one of ISO 4217, as amended, funds included. Codes without a minor unit
 * (metals, units of account, the codes for tests and for no currency) are not among them, because nobody could say what an amount of them means.
 *
 * A code never changes its scale here and is never taken out: accounts may have been opened in it. To bring the list up to
 * date, compare it with list one of the maintenance agency (SIX), add what is new, move what was withdrawn to its line, and
 * put the number of the last amendment and the day of the comparison below.
 */
import type { Currency } from './money.ts'

/** The last amendment of ISO 4217 that is in the list. */
export const ISO_4217_AMENDMENT = 180
/** The day on which the list was last compared with the agency's. */
export const ISO_4217_COMPARED = '2026-07-20'

/** Codes by the number of their decimal places. */
const CODES: Readonly<Record<number, string>> = {
  0: 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF',
  2:
    'AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY COP ' +
    'COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR ' +
    'JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN ' +
    'NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL ' +
    'THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG ' +
    // Withdrawn since 2021, and in use before: history is loaded in them.
    'ANG BGN CUC HRK SLL ZWL',
  3: 'BHD IQD JOD KWD LYD OMR TND',
  4: 'CLF UYW',
}

/** The currencies known without configuration, by code. */
export const ISO_CURRENCIES: ReadonlyMap<string, Currency> = new Map(
  Object.entries(CODES).flatMap(([scale, codes]) =>
    codes.split(' ').map((code) => [code, { code, scale: Number(scale) }] as const),
  ),
)
