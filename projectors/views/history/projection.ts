/**
 * History: every entry of every account, with the totals after it. One row per event and side; refusals move nothing and
 * have none. What an account had at any past moment is the row with the highest version up to then.
 */
import type { SqlProjection } from '../../projection.ts'
import { bothSides, DEBIT_SIDE } from '../sides.ts'

const time = "DateTime64(9, 'UTC')"

export const history = {
  kind: 'sql',
  name: 'history',
  version: 1,
  tables: [
    {
      name: 'history',
      columns: [
        ['partition', 'UInt16'],
        ['account', 'UInt32'],
        ['version', 'UInt64'],
        ['sequence', 'UInt64'],
        ['recorded_at', time],
        ['effective_at', time],
        ['kind', 'UInt8'],
        ['is_debit', 'UInt8'],
        ['counterparty', 'UInt32'],
        ['amount', 'Int64'],
        ['debits_posted', 'Int64'],
        ['debits_pending', 'Int64'],
        ['credits_posted', 'Int64'],
        ['credits_pending', 'Int64'],
        ['transfer_id', 'UUID'],
        ['related_id', 'UUID'],
        ['reference', 'UUID'],
        ['expires_at', time],
        ['code', 'UInt32'],
        ['memo', 'String'],
      ],
      key: ['account', 'version'],
      select: `partition, ${bothSides('account')}, ${bothSides('version')}, sequence, recorded_at, effective_at, kind,
        ${DEBIT_SIDE} AS is_debit, if(${DEBIT_SIDE} = 1, credit_account, debit_account) AS counterparty, amount,
        ${bothSides('debits_posted')}, ${bothSides('debits_pending')},
        ${bothSides('credits_posted')}, ${bothSides('credits_pending')},
        transfer_id, related_id, reference, expires_at, code, memo`,
      where: 'refusal = 0 AND account != 0',
      // Within one busy account sequences rise with versions, so a page far back or a past position is found quickly.
      indexes: ['INDEX sequences sequence TYPE minmax GRANULARITY 1'],
    },
  ],
} as const satisfies SqlProjection
