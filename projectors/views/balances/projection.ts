/**
 * Balances: what every account is and has now.
 *
 * `accounts`: one row per account event. The row of AccountOpened (version 1) holds what never changes; the owner and the
 * overdraft limit are those of the latest row that says them (AccountOpened, AccountChanged), the status is the kind of the
 * latest other one. `account_ids` and `account_owners` lead from an id or an owner to the number, the latter also from
 * owners of before.
 * `balances`: a row per event and side, of which the highest version counts.
 */
import { EVENT_KINDS } from '../../../schemas/events.ts'
import type { SqlProjection } from '../../projection.ts'
import { bothSides } from '../sides.ts'

const opened = `kind = ${EVENT_KINDS.AccountOpened}`
const changed = `kind = ${EVENT_KINDS.AccountChanged}`
const time = "DateTime64(9, 'UTC')"

export const balances = {
  kind: 'sql',
  name: 'balances',
  version: 1,
  tables: [
    {
      name: 'accounts',
      columns: [
        ['partition', 'UInt16'],
        ['account', 'UInt32'],
        ['version', 'UInt64'],
        ['sequence', 'UInt64'],
        ['recorded_at', time],
        ['kind', 'UInt8'],
        ['account_id', 'UUID'],
        ['owner', 'String'],
        ['currency', 'String'],
        ['scale', 'UInt8'],
        ['overdraft_limit', 'Int64'],
      ],
      key: ['account', 'version'],
      select: `partition, debit_account AS account, debit_version AS version, sequence, recorded_at, kind,
        related_id AS account_id, owner, toStringCutToZero(currency) AS currency, scale, amount AS overdraft_limit`,
      where: `(kind BETWEEN ${EVENT_KINDS.AccountOpened} AND ${EVENT_KINDS.AccountClosed} OR ${changed})`,
    },
    {
      name: 'account_ids',
      columns: [
        ['partition', 'UInt16'],
        ['account_id', 'UUID'],
        ['account', 'UInt32'],
        ['sequence', 'UInt64'],
      ],
      key: ['account_id'],
      select: 'partition, related_id AS account_id, debit_account AS account, sequence',
      where: opened,
    },
    {
      name: 'account_owners',
      columns: [
        ['partition', 'UInt16'],
        ['owner', 'String'],
        ['account', 'UInt32'],
        ['sequence', 'UInt64'],
      ],
      // An account may come to be the same owner's again.
      key: ['owner', 'account', 'sequence'],
      select: 'partition, owner, debit_account AS account, sequence',
      where: `(${opened} OR (${changed} AND owner != ''))`,
    },
    {
      name: 'balances',
      columns: [
        ['partition', 'UInt16'],
        ['account', 'UInt32'],
        ['version', 'UInt64'],
        ['sequence', 'UInt64'],
        ['recorded_at', time],
        ['debits_posted', 'Int64'],
        ['debits_pending', 'Int64'],
        ['credits_posted', 'Int64'],
        ['credits_pending', 'Int64'],
      ],
      key: ['account'],
      highest: { column: 'version', past: 'history' },
      select: `partition, ${bothSides('account')}, ${bothSides('version')}, sequence, recorded_at,
        ${bothSides('debits_posted')}, ${bothSides('debits_pending')},
        ${bothSides('credits_posted')}, ${bothSides('credits_pending')}`,
      where: 'refusal = 0 AND account != 0',
    },
  ],
} as const satisfies SqlProjection
