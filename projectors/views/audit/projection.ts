/**
 * Audit: every event by position, and the way from an id to its events. Totals are not repeated here: they stand in
 * `history` under (account, version), for refusals too, whose versions are those that were seen.
 */
import { EVENT_KINDS } from '../../../schemas/events.ts'
import type { SqlProjection } from '../../projection.ts'

const MIB = 1024 * 1024
const time = "DateTime64(9, 'UTC')"
const columns = [
  ['partition', 'UInt16'],
  ['sequence', 'UInt64'],
  ['recorded_at', time],
  ['effective_at', time],
  ['received_at', time],
  ['kind', 'UInt8'],
  ['command', 'UInt8'],
  ['refusal', 'UInt8'],
  ['transfer_id', 'UUID'],
  ['related_id', 'UUID'],
  ['reference', 'UUID'],
  ['fingerprint', 'UInt64'],
  ['currency', 'FixedString(8)'],
  ['scale', 'UInt8'],
  ['amount', 'Int64'],
  ['expires_at', time],
  ['debit_account', 'UInt32'],
  ['debit_version', 'UInt64'],
  ['credit_account', 'UInt32'],
  ['credit_version', 'UInt64'],
  ['code', 'UInt32'],
  ['link_index', 'UInt16'],
  ['memo', 'String'],
  ['owner', 'String'],
  ['named_accounts', 'String'],
] as const

export const audit = {
  kind: 'sql',
  name: 'audit',
  version: 1,
  tables: [
    {
      name: 'events',
      columns,
      key: ['sequence'],
      select: columns.map(([name]) => name).join(', '),
      indexes: ['INDEX times recorded_at TYPE minmax GRANULARITY 1'],
      // Rows come in order, so merging further buys nothing: about a million rows.
      mergedPartBytesMax: 64 * MIB,
    },
    {
      name: 'event_ids',
      columns: [
        ['partition', 'UInt16'],
        ['id', 'UUID'],
        ['sequence', 'UInt64'],
      ],
      key: ['id', 'sequence'],
      select: 'partition, transfer_id AS id, sequence',
      mergedPartBytesMax: 32 * MIB,
    },
    {
      name: 'event_relations',
      columns: [
        ['partition', 'UInt16'],
        ['id', 'UUID'],
        ['sequence', 'UInt64'],
        ['kind', 'UInt8'],
      ],
      key: ['id', 'sequence'],
      select: 'partition, related_id AS id, sequence, kind',
      // What came of a hold, what undid a transfer, and what was refused in trying.
      where: `kind >= ${EVENT_KINDS.TransferPosted} AND related_id != toUUID('00000000-0000-0000-0000-000000000000')
        AND related_id != transfer_id`,
    },
  ],
} as const satisfies SqlProjection
