/** Words (of 64 bits) of an account's line, and the 32 bits beside it; `accounts.ts` says what they mean. */
import { TOTAL } from '../../../schemas/events.ts'
import { ACCOUNTS_MAX } from '../../../schemas/limits.ts'

export const LINE_WORDS = 8
export const LINE_BYTES = LINE_WORDS * 8
/** Words of a line that an event row's side carries: version and four totals. */
export const SIDE_WORDS = 5
/** Words of a line that change: those, and the overdraft limit behind them. */
export const CHANGING_WORDS = SIDE_WORDS + 1
export const LINE = {
  version: 0,
  debitsPosted: 1 + TOTAL.debitsPosted,
  debitsPending: 1 + TOTAL.debitsPending,
  creditsPosted: 1 + TOTAL.creditsPosted,
  creditsPending: 1 + TOTAL.creditsPending,
  overdraft: 5,
  idHigh: 6,
  idLow: 7,
} as const

/** Of the 32 bits beside a line: currency below, status above. */
export const META_BYTES = 4
export const STATUS_OPEN = 0
export const STATUS_FROZEN = 1
export const STATUS_CLOSED = 2
export const STATUS_SHIFT = 16
export const CURRENCY_MASK = 0xffff

/** Above every account's number: no line has to be kept before it changes. */
export const KEEP_NONE = ACCOUNTS_MAX + 1
