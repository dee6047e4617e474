/** Points in time: outside RFC 3339 text with up to nine decimals, inside nanoseconds since 1970. */
import { TIME_NS_MAX, TIME_NS_MIN, TIMES_TEXT } from '../../schemas/limits.ts'
import { NS_PER_MS } from '../../schemas/time.ts'

const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?([Zz]|([+-])(\d\d):(\d\d))$/
/** RFC 3339 with more decimals than we keep. */
const FINER_THAN_NANOSECONDS = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d\.\d{10,}(?:[Zz]|[+-]\d\d:\d\d)$/
const CHARACTERS_MAX = 40
const DAYS_IN_MONTH = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/** A time, or what is wrong with its text (the end of a sentence). */
export type TimeReading = { readonly ns: bigint } | { readonly wrong: string }

/**
 * Reads an RFC 3339 date and time whose instant lies in the years 1900 to 2261. Returns undefined for anything else.
 */
export function parseTime(text: string): bigint | undefined {
  const reading = readTime(text)
  return 'ns' in reading ? reading.ns : undefined
}

/** Reads an RFC 3339 date and time whose instant lies in the years 1900 to 2261, or says what is wrong with it. */
export function readTime(text: string): TimeReading {
  const match = text.length > CHARACTERS_MAX ? null : RFC3339.exec(text)
  if (match === null)
    return {
      wrong: FINER_THAN_NANOSECONDS.test(text)
        ? 'has more than nine decimals, and times are kept to the nanosecond'
        : 'is no RFC 3339 date and time such as "2026-11-24T09:30:00.123456789Z"',
    }
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number, number, number, number, number, number,
  ] // prettier-ignore
  const offsetHours = Number(match[10] ?? 0)
  const offsetMinutes = Number(match[11] ?? 0)
  const wrong = wrongPart(year, month, day, hour, minute, second) ?? wrongOffset(offsetHours, offsetMinutes)
  if (wrong !== undefined) return { wrong }
  const offsetMs = (offsetHours * 60 + offsetMinutes) * 60_000 * (match[9] === '-' ? -1 : 1)
  const ms = utcMs(year, month, day) + ((hour * 60 + minute) * 60 + second) * 1_000 - offsetMs
  const ns = BigInt(ms) * NS_PER_MS + BigInt((match[7] ?? '').padEnd(9, '0'))
  return ns < TIME_NS_MIN || ns > TIME_NS_MAX
    ? { wrong: `lies outside what can be kept, ${TIMES_TEXT}` }
    : { ns }
}

/** Midnight of a day in UTC, milliseconds since 1970. Date.UTC would take the years 0 to 99 for 1900 to 1999. */
function utcMs(year: number, month: number, day: number): number {
  return new Date(0).setUTCFullYear(year, month - 1, day)
}

function wrongPart(
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
): string | undefined {
  if (month < 1 || month > 12) return `has no month ${month}`
  const isLeap = new Date(utcMs(year, 2, 29)).getUTCMonth() === 1
  const days = month === 2 && !isLeap ? 28 : DAYS_IN_MONTH[month - 1]!
  if (day < 1 || day > days) return `names day ${day} of a month that has ${days}`
  if (hour > 23) return `has hour ${hour}: hours are 0 to 23`
  if (minute > 59) return `has minute ${minute}: minutes are 0 to 59`
  if (second === 60) return 'has second 60: leap seconds are not kept, write second 59 or the next minute'
  return second > 59 ? `has second ${second}: seconds are 0 to 59` : undefined
}

function wrongOffset(hours: number, minutes: number): string | undefined {
  if (hours <= 23 && minutes <= 59) return undefined
  return 'has an offset from UTC of more than 23:59'
}

/** Formats nanoseconds since 1970 as RFC 3339 in UTC, with as many decimals as needed: none, or up to nine. */
export function formatTime(ns: bigint): string {
  const second = ns >= 0n ? ns / 1_000_000_000n : -((-ns + 999_999_999n) / 1_000_000_000n)
  const rest = ns - second * 1_000_000_000n
  const base = new Date(Number(second) * 1000).toISOString().slice(0, 19)
  return rest === 0n ? `${base}Z` : `${base}.${rest.toString().padStart(9, '0').replace(/0+$/, '')}Z`
}

/** The system's clock, in nanoseconds since 1970, in steps of a millisecond. */
export function wallClockNs(): bigint {
  return BigInt(Date.now()) * NS_PER_MS
}
