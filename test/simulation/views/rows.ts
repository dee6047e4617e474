/** What the built-in views keep of an event, row by row: the SELECTs of the projections, said once more in plain code. */
import { allTogether, tablesOf, type ProjectionSet } from '../../../projectors/projection.ts'
import { audit } from '../../../projectors/views/audit/projection.ts'
import { balances } from '../../../projectors/views/balances/projection.ts'
import { history } from '../../../projectors/views/history/projection.ts'
import type { Side, WalletEvent } from '../../../schemas/events.ts'
import { formatId, isNilId, sameId } from '../../../schemas/ids.ts'
import { turnoverOf } from './turnover.ts'

export const SQL_PROJECTIONS = allTogether([balances, history, audit])

/** What the simulated deployment has: views of SQL, and one of code. @param poison the event that the code cannot take */
export function projectionsOf(poison?: bigint): ProjectionSet {
  return allTogether([balances, history, audit, turnoverOf(poison)])
}

export const PROJECTIONS = projectionsOf()

/** The tables that hold the rows of a projection, as its author calls them. */
export const TABLES_OF: ReadonlyMap<string, readonly string[]> = new Map(
  PROJECTIONS.all.map((one) => [one.name, tablesOf(one)]),
)

/** A row: what names it within its table, and all the rest of it as one text. */
export interface Row {
  /** As its author calls it. */
  readonly table: string
  readonly key: string
  readonly sequence: bigint
  /** Where a table keeps only the latest row of a key, the highest wins. */
  readonly version: bigint
  readonly text: string
}

const ACCOUNT_KINDS = new Set([
  'AccountOpened',
  'AccountFrozen',
  'AccountUnfrozen',
  'AccountClosed',
  'AccountChanged',
])

/** All rows that come of one event, of all views of SQL. */
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
      'accounts',
      `${event.debit.number}/${event.debit.version}`,
      `${event.recordedAtNs} ${kind} ${relatedId} ${event.owner} ${event.currency} ${event.scale} ${event.amount}`,
    )
  if (kind === 'AccountOpened') row('account_ids', relatedId, `${event.debit.number}`)
  if (kind === 'AccountOpened' || (kind === 'AccountChanged' && event.owner !== ''))
    row('account_owners', `${event.owner}/${event.debit.number}/${sequence}`, '')
  if (refusal === undefined)
    for (const [side, other, isDebit] of [
      [event.debit, event.credit, 1],
      [event.credit, event.debit, 0],
    ] as const) {
      if (side.number === 0) continue
      const totals = `${side.debitsPosted} ${side.debitsPending} ${side.creditsPosted} ${side.creditsPending}`
      row('balances', `${side.number}`, `${event.recordedAtNs} ${totals}`, side.version)
      row(
        'history',
        `${side.number}/${side.version}`,
        `${event.recordedAtNs} ${event.effectiveAtNs} ${kind} ${isDebit} ${other.number} ${event.amount} ${totals} ` +
          `${transferId} ${relatedId} ${formatId(event.reference)} ${event.expiresAtNs} ${event.code} ${event.memo}`,
      )
    }
  row('events', `${sequence}`, textOfEvent(event))
  row('event_ids', `${transferId}/${sequence}`, '')
  if (!ACCOUNT_KINDS.has(kind) && kind !== 'AccountRefused' && isRelation(event))
    row('event_relations', `${relatedId}/${sequence}`, kind)
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
