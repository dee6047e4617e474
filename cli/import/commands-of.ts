/** Rows of the neutral format → commands of the bulk lane. */
import { accountIdOf, referenceIdOf, rowCommandId } from '../external-ids.ts'
import type { LaneCommand } from './lane.ts'
import type { ImportRow } from './rows.ts'

/** The command of a row, under the base time of its chunk (milliseconds since 1970). */
export function commandOf(row: ImportRow, digest: Uint8Array, baseTimeMs: number): LaneCommand {
  const id = rowCommandId(digest, baseTimeMs)
  const effectiveAt = row.effectiveAt === undefined ? {} : { effectiveAt: row.effectiveAt }
  if (row.type === 'account')
    return {
      kind: 'openAccount',
      id,
      accountId: accountIdOf(row.id),
      currency: row.currency,
      ...(row.owner === undefined ? {} : { owner: row.owner }),
      ...(row.scale === undefined ? {} : { scale: row.scale }),
      ...(row.overdraftLimit === undefined ? {} : { overdraftLimit: row.overdraftLimit }),
      ...(row.system === undefined ? {} : { system: row.system }),
      ...effectiveAt,
    }
  return {
    kind: 'transfer',
    id,
    debitAccountId: accountIdOf(row.debit),
    creditAccountId: accountIdOf(row.credit),
    amount: row.amount,
    currency: row.currency,
    ...(row.code === undefined ? {} : { code: row.code }),
    ...(row.reference === undefined ? {} : { reference: referenceIdOf(row.reference) }),
    ...(row.memo === undefined ? {} : { memo: row.memo }),
    ...(row.linked === true ? { linked: true } : {}),
    ...effectiveAt,
  }
}
