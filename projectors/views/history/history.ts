/** Pages of one account's history. */
import { EVENT_KIND_NAMES, EVENT_KINDS, type EventKind } from '../../../schemas/events.ts'
import type { Position } from '../../../schemas/positions.ts'
import type { ViewStore } from '../../clickhouse/view-store.ts'
import {
  idOrNone,
  nanoseconds,
  rowsOf,
  timeParameter,
  whole,
  withinPartition,
  type AccountKey,
} from '../../sql.ts'
import { balanceOf, TOTALS_COLUMNS, type BalanceRow, type StoredBalance } from '../totals.ts'

/** One entry: what happened to the account, and its totals after it. */
export interface HistoryRow extends BalanceRow {
  readonly effectiveAtNs: bigint
  readonly kind: EventKind
  readonly direction: 'debit' | 'credit'
  /** The other account's number in the same partition; 0: none. */
  readonly counterparty: number
  /** Minor units. HoldPosted: what was posted; AccountOpened, AccountChanged: the overdraft limit. */
  readonly amount: bigint
  readonly transferId: string
  readonly relatedId: string | undefined
  readonly reference: string | undefined
  /** 0: never. HoldPostedInPart: no time, but what stays held (`leftOf` in schemas/events.ts). */
  readonly expiresAtNs: bigint
  readonly code: number
  readonly memo: string
}

/** What a page is kept to. Bounds are included. */
export interface HistoryFilter {
  readonly kinds?: readonly EventKind[]
  readonly direction?: 'debit' | 'credit'
  readonly recordedFromNs?: bigint
  readonly recordedToNs?: bigint
  readonly effectiveFromNs?: bigint
  readonly effectiveToNs?: bigint
  readonly counterparty?: number
  readonly amountMin?: bigint
  readonly amountMax?: bigint
  readonly code?: number
}

export interface HistoryPage {
  readonly limit: number
  readonly order: 'newest first' | 'oldest first'
  /** Only entries with a higher sequence. */
  readonly afterSequence?: bigint
  /** Only entries with a lower sequence. */
  readonly beforeSequence?: bigint
  readonly filter?: HistoryFilter
}

interface StoredEntry extends StoredBalance {
  readonly effective_at_ns: string
  readonly kind: number
  readonly is_debit: number
  readonly counterparty: number
  readonly amount: string
  readonly transfer_id: string
  readonly related_id: string
  readonly reference: string
  readonly expires_at_ns: string
  readonly code: number
  readonly memo: string
}

/** One page of an account's entries up to a position, each once. */
export async function historyPage(
  store: ViewStore,
  { partition, account }: AccountKey,
  page: HistoryPage,
  upTo: Position,
): Promise<HistoryRow[]> {
  const { conditions, parameters } = filterConditions(page.filter ?? {})
  if (page.afterSequence !== undefined) conditions.push(`sequence > ${whole(page.afterSequence)}`)
  if (page.beforeSequence !== undefined) conditions.push(`sequence < ${whole(page.beforeSequence)}`)
  const rows = await store.query<StoredEntry>(
    `SELECT partition, account, version, sequence, ${nanoseconds('recorded_at')}, ${nanoseconds('effective_at')},
       kind, is_debit, counterparty, amount, ${TOTALS_COLUMNS}, transfer_id, related_id, reference,
       ${nanoseconds('expires_at')}, code, memo
     FROM {history:Identifier}
     WHERE account = ${whole(account)} AND ${[withinPartition(partition, upTo), ...conditions].join(' AND ')}
     ORDER BY version ${page.order === 'newest first' ? 'DESC' : 'ASC'} LIMIT 1 BY version LIMIT ${rowsOf(page.limit)}`,
    parameters,
  )
  return rows.map((row) => ({
    ...balanceOf(row),
    effectiveAtNs: BigInt(row.effective_at_ns),
    kind: EVENT_KIND_NAMES.get(row.kind)!,
    direction: row.is_debit === 1 ? 'debit' : 'credit',
    counterparty: row.counterparty,
    amount: BigInt(row.amount),
    transferId: row.transfer_id,
    relatedId: idOrNone(row.related_id),
    reference: idOrNone(row.reference),
    expiresAtNs: BigInt(row.expires_at_ns),
    code: row.code,
    memo: row.memo,
  }))
}

function filterConditions(filter: HistoryFilter): {
  conditions: string[]
  parameters: Record<string, string>
} {
  const conditions: string[] = []
  const parameters: Record<string, string> = {}
  const bound = (
    column: string,
    operator: string,
    name: string,
    value: bigint | undefined,
    isTime = true,
  ): void => {
    if (value === undefined) return
    conditions.push(`${column} ${operator} ${isTime ? timeParameter(name) : `{${name}:Int64}`}`)
    parameters[name] = String(value)
  }
  if (filter.kinds !== undefined) {
    const numbers = filter.kinds.map((kind) => EVENT_KINDS[kind])
    conditions.push(numbers.length === 0 ? '0' : `kind IN (${numbers.join(', ')})`)
  }
  if (filter.direction !== undefined) conditions.push(`is_debit = ${filter.direction === 'debit' ? 1 : 0}`)
  bound('recorded_at', '>=', 'recorded_from', filter.recordedFromNs)
  bound('recorded_at', '<=', 'recorded_to', filter.recordedToNs)
  bound('effective_at', '>=', 'effective_from', filter.effectiveFromNs)
  bound('effective_at', '<=', 'effective_to', filter.effectiveToNs)
  bound('amount', '>=', 'amount_min', filter.amountMin, false)
  bound('amount', '<=', 'amount_max', filter.amountMax, false)
  if (filter.counterparty !== undefined) conditions.push(`counterparty = ${whole(filter.counterparty)}`)
  if (filter.code !== undefined) conditions.push(`code = ${whole(filter.code)}`)
  return { conditions, parameters }
}
