/** Points in time as text: RFC 3339 with up to nanoseconds outside, nanoseconds since 1970 inside. */

const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?([Zz]|([+-])(\d\d):(\d\d))$/
const NS_PER_MS = 1_000_000n
/** What ClickHouse's DateTime64(9) can hold, whole years: 1900 to 2261. */
const YEAR_MIN = 1900
const YEAR_MAX = 2261

/** Reads an RFC 3339 date and time, 1900 to 2261. Returns undefined for anything else, 30 February included. */
export function parseTime(text: string): bigint | undefined {
  if (text.length > 40) return undefined
  const match = RFC3339.exec(text)
  if (match === null) return undefined
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number, number, number, number, number, number,
  ] // prettier-ignore
  if (year < YEAR_MIN || year > YEAR_MAX || hour > 23 || minute > 59 || second > 59) return undefined
  const midnight = new Date(Date.UTC(year, month - 1, day))
  if (midnight.getUTCMonth() !== month - 1 || midnight.getUTCDate() !== day) return undefined
  const offsetHours = Number(match[10] ?? 0)
  const offsetMinutes = Number(match[11] ?? 0)
  if (offsetHours > 23 || offsetMinutes > 59) return undefined
  const offsetMs = (offsetHours * 60 + offsetMinutes) * 60_000 * (match[9] === '-' ? -1 : 1)
  const ms = Date.UTC(year, month - 1, day, hour, minute, second) - offsetMs
  return BigInt(ms) * NS_PER_MS + BigInt((match[7] ?? '').padEnd(9, '0'))
}

/** Writes nanoseconds since 1970 as RFC 3339 in UTC, with as many decimals as there are (none, or up to nine). */
export function formatTime(ns: bigint): string {
  const second = ns >= 0n ? ns / 1_000_000_000n : -((-ns + 999_999_999n) / 1_000_000_000n)
  const rest = ns - second * 1_000_000_000n
  const base = new Date(Number(second) * 1000).toISOString().slice(0, 19)
  return rest === 0n ? `${base}Z` : `${base}.${rest.toString().padStart(9, '0').replace(/0+$/, '')}Z`
}

/** The system's clock, in nanoseconds since 1970, in steps of a millisecond. */
export function systemClock(): bigint {
  return BigInt(Date.now()) * NS_PER_MS
}
