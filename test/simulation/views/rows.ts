/** What the built-in views keep of an event, row by row: the SELECTs of the projections, said once more in plain code. */
import { allTogether, tableNames } from '../../../projectors/projection.ts'
import { audit } from '../../../projectors/views/audit/projection.ts'
import { balances } from '../../../projectors/views/balances/projection.ts'
import { history } from '../../../projectors/views/history/projection.ts'
import type { Side, WalletEvent } from '../../../schemas/events.ts'
import { formatId, isNilId, sameId } from '../../../schemas/ids.ts'
import { checkpointsName } from '../../../projectors/clickhouse/view-tables.ts'

/** What the simulated deployment has. */
export const PROJECTIONS = allTogether([balances, history, audit])

const TABLES = { ...tableNames(balances), ...tableNames(history), ...tableNames(audit) }
/** Names of the tables that hold rows. */
export const ROW_TABLES: readonly string[] = Object.values(TABLES)
export const CHECKPOINTS = checkpointsName()

/** A row: what names it within its table, and all the rest of it as one text. */
export interface Row {
  readonly table: string
  readonly key: string
  readonly sequence: bigint
  /** Where a table keeps only the latest row of a key, the highest wins. */
  readonly version: bigint
  readonly text: string
}

/** The table of which only the row with the highest version counts. */
export const LATEST_ONLY: ReadonlySet<string> = new Set([TABLES.balances])

const ACCOUNT_KINDS = new Set(['AccountOpened', 'AccountFrozen', 'AccountUnfrozen', 'AccountClosed'])

/** All rows that come of one event, of all views. */
export function rowsOf(event: WalletEvent): Row[] {
  const { partition, sequence, kind, refusal } = event
  const rows: Row[] = []
  const row = (table: string, key: string, text: string, version = 0n): void => {
    rows.push({ table, key: `${partition}/${key}`, sequence, version, text })
  }
  const transferId = formatId(event.transferId)
  const relatedId = formatId(event.relatedId)
  if (refusal === undefined && ACCOUNT_KINDS.has(kind))
    row(
      TABLES.accounts,
      `${event.debit.number}/${event.debit.version}`,
      `${event.recordedAtNs} ${kind} ${relatedId} ${event.owner} ${event.currency} ${event.scale} ${event.amount}`,
    )
  if (kind === 'AccountOpened') {
    row(TABLES.account_ids, relatedId, `${event.debit.number}`)
    row(TABLES.account_owners, `${event.owner}/${event.debit.number}`, '')
  }
  if (refusal === undefined)
    for (const [side, other, isDebit] of [
      [event.debit, event.credit, 1],
      [event.credit, event.debit, 0],
    ] as const) {
      if (side.number === 0) continue
      const totals = `${side.debitsPosted} ${side.debitsPending} ${side.creditsPosted} ${side.creditsPending}`
      row(TABLES.balances, `${side.number}`, `${event.recordedAtNs} ${totals}`, side.version)
      row(
        TABLES.history,
        `${side.number}/${side.version}`,
        `${event.recordedAtNs} ${event.effectiveAtNs} ${kind} ${isDebit} ${other.number} ${event.amount} ${totals} ` +
          `${transferId} ${relatedId} ${formatId(event.reference)} ${event.expiresAtNs} ${event.code} ${event.memo}`,
      )
    }
  row(TABLES.events, `${sequence}`, textOfEvent(event))
  row(TABLES.event_ids, `${transferId}/${sequence}`, '')
  if (!ACCOUNT_KINDS.has(kind) && kind !== 'AccountRefused' && isRelation(event))
    row(TABLES.event_relations, `${relatedId}/${sequence}`, kind)
  return rows
}

function isRelation({ relatedId, transferId }: WalletEvent): boolean {
  return !isNilId(relatedId) && !sameId(relatedId, transferId)
}

function textOfEvent(event: WalletEvent): string {
  const at = (side: Side): string => `${side.number}@${side.version}`
  return (
    `${event.recordedAtNs} ${event.effectiveAtNs} ${event.receivedAtNs} ${event.kind} ${event.command} ` +
    `${event.refusal ?? 'done'} ${formatId(event.transferId)} ${formatId(event.relatedId)} ` +
    `${formatId(event.reference)} ${event.fingerprint} ${event.currency} ${event.scale} ${event.amount} ` +
    `${event.expiresAtNs} ${at(event.debit)} ${at(event.credit)} ${event.code} ${event.linkIndex} ` +
    `${event.memo} ${event.owner} ${event.namedAccounts}`
  )
}
