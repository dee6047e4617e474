/**
 * Crossings: where each transfer between partitions stands.
 *
 * `crossings`: a row per event at a source that changes where a crossing stands. `channels`: of each channel the newest of
 * them, so there are no more rows than channels were ever in use at once, and what is open is read from few rows.
 * `credits_across`: a row per credit at a destination, with the event of the source that it answers; cuts that are
 * consistent are found by it.
 *
 * Every such event says in its text `debit,credit,source channel turn,answers` (schemas/crossing.ts).
 */
import { EVENT_KINDS } from '../../../schemas/events.ts'
import type { SqlProjection } from '../../projection.ts'

const { TransferReserved, TransferCancelled, TransferCompensated, CancelAcknowledged, TransferCredited } =
  EVENT_KINDS
const { HoldReserved, ReleaseCompleted, CreditDrawn } = EVENT_KINDS

/** Characters at which the parts of the text begin, counted from 1, and how many each has. */
const TEXT = {
  debit: [1, 36],
  credit: [38, 36],
  source: [75, 3],
  channel: [78, 5],
  turn: [83, 8],
  answers: [92, 16],
} as const

const account = ([from, length]: readonly [number, number]): string =>
  `toUUID(substring(named_accounts, ${from}, ${length}))`
/** A number of hex digits, most significant first, filled up on the left to whole bytes of its type. */
const hex = ([from, length]: readonly [number, number], bits: 16 | 32 | 64): string =>
  `reinterpretAsUInt${bits}(reverse(unhex(leftPad(substring(named_accounts, ${from}, ${length}), ${bits / 4}, '0'))))`

const columns = [
  ['partition', 'UInt16'],
  ['channel', 'UInt32'],
  ['sequence', 'UInt64'],
  ['turn', 'UInt32'],
  ['recorded_at', "DateTime64(9, 'UTC')"],
  ['expires_at', "DateTime64(9, 'UTC')"],
  ['kind', 'UInt8'],
  ['reason', 'UInt8'],
  ['transfer_id', 'UUID'],
  ['debit_id', 'UUID'],
  ['credit_id', 'UUID'],
  ['currency', 'String'],
  ['scale', 'UInt8'],
  ['amount', 'Int64'],
] as const
const select = `partition, ${hex(TEXT.channel, 32)} AS channel, sequence, ${hex(TEXT.turn, 32)} AS turn, recorded_at, expires_at, kind,
  if(kind IN (${TransferCancelled}, ${TransferCompensated}), toUInt8(fingerprint), 0) AS reason, transfer_id,
  ${account(TEXT.debit)} AS debit_id, ${account(TEXT.credit)} AS credit_id,
  toStringCutToZero(currency) AS currency, scale, amount`
/** Reminders change nothing. */
const where = `(kind BETWEEN ${TransferReserved} AND ${CancelAcknowledged} OR kind BETWEEN ${HoldReserved} AND ${ReleaseCompleted})`

export const crossings = {
  kind: 'sql',
  name: 'crossings',
  // 2: holds across partitions.
  version: 2,
  tables: [
    { name: 'crossings', columns, key: ['channel', 'sequence'], select, where },
    {
      name: 'channels',
      columns,
      key: ['channel'],
      highest: { column: 'sequence', past: 'crossings' },
      select,
      where,
    },
    {
      name: 'credits_across',
      columns: [
        ['partition', 'UInt16'],
        ['sequence', 'UInt64'],
        ['source', 'UInt16'],
        ['answers', 'UInt64'],
      ],
      key: ['sequence'],
      select: `partition, sequence, ${hex(TEXT.source, 16)} AS source, ${hex(TEXT.answers, 64)} AS answers`,
      where: `kind IN (${TransferCredited}, ${CreditDrawn})`,
      indexes: ['INDEX by_answers answers TYPE minmax GRANULARITY 1'],
    },
  ],
} as const satisfies SqlProjection
