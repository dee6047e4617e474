/**
 * Crossings: where each transfer between partitions stands.
 *
 * `crossings`: a row per event at a source that changes where a crossing stands. `channels`: of each channel the newest of
 * them, so there are no more rows than channels were ever in use at once, and what is open is read from few rows.
 * `credits_across`: a row per credit at a destination, with the event of the source that it answers; cuts that are
 * consistent are found by it.
 *
 * Every such event says both account ids, source, channel, turn and what it answers in its text (schemas/crossing.ts).
 */
import { EVENT_KINDS } from '../../../schemas/events.ts'
import { CHANNELS_MAX } from '../../../schemas/limits.ts'
import type { SqlProjection } from '../../projection.ts'

const { TransferReserved, TransferCancelled, TransferCompensated, CancelAcknowledged, TransferCredited } =
  EVENT_KINDS
const { HoldReserved, ReleaseCompleted, CreditDrawn } = EVENT_KINDS

const TEXT = 'base64Decode(named_accounts)'
/** @param from byte of the text's bytes at which it begins, counted from 1 */
const account = (from: number): string =>
  `toUUID(UUIDNumToString(toFixedString(substring(${TEXT}, ${from}, 16), 16)))`
/** A number with its most significant byte first. */
const number = (from: number, bits: 32 | 64): string =>
  `reinterpretAsUInt${bits}(reverse(substring(${TEXT}, ${from}, ${bits / 8})))`
const DEBIT = account(17)
const CREDIT = account(33)
const SOURCE = `toUInt16(bitShiftRight(${number(1, 32)}, 20))`
const CHANNEL = `toUInt32(bitAnd(${number(1, 32)}, ${CHANNELS_MAX}))`
const TURN = number(5, 32)
const ANSWERS = number(9, 64)

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
const select = `partition, ${CHANNEL} AS channel, sequence, ${TURN} AS turn, recorded_at, expires_at, kind,
  if(kind IN (${TransferCancelled}, ${TransferCompensated}), toUInt8(fingerprint), 0) AS reason, transfer_id,
  ${DEBIT} AS debit_id, ${CREDIT} AS credit_id,
  toStringCutToZero(currency) AS currency, scale, amount`
/** Reminders change nothing. */
const where = `(kind BETWEEN ${TransferReserved} AND ${CancelAcknowledged} OR kind BETWEEN ${HoldReserved} AND ${ReleaseCompleted})`

export const crossings = {
  kind: 'sql',
  name: 'crossings',
  // 2: holds across partitions.
  version: 1,
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
      select: `partition, sequence, ${SOURCE} AS source, ${ANSWERS} AS answers`,
      where: `kind IN (${TransferCredited}, ${CreditDrawn})`,
      indexes: ['INDEX by_answers answers TYPE minmax GRANULARITY 1'],
    },
  ],
} as const satisfies SqlProjection
