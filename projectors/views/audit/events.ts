/** Events as the audit view holds them: by position and by id, with the totals that history holds for them. */
import type { CommandKind } from '../../../schemas/commands.ts'
import { COMMAND_KIND_NAMES } from '../../../schemas/commands.ts'
import { REVERSAL_KINDS } from '../../../schemas/event-left.ts'
import { EVENT_KIND_NAMES, EVENT_KINDS, type EventKind, type Totals } from '../../../schemas/events.ts'
import type { Position } from '../../../schemas/positions.ts'
import { REFUSAL_CODES, refusalOf, type Refusal } from '../../../schemas/refusals.ts'
import type { QueryParameters, ViewStore } from '../../clickhouse/view-store.ts'
import {
  idOrNone,
  nanoseconds,
  rowsOf,
  timeParameter,
  whole,
  within,
  withinPartition,
  type AccountKey,
} from '../../sql.ts'
import { totalsOf, TOTALS_COLUMNS, type StoredTotals } from '../totals.ts'

/** One side of an event: totals after it; for a refusal, as seen. Number 0: no account, totals zero. */
export interface PublicEventSide extends Totals {
  readonly account: number
  readonly version: bigint
}

/** One event. Ids are text; times are nanoseconds since 1970. */
export interface PublicEvent {
  readonly partition: number
  readonly sequence: bigint
  readonly recordedAtNs: bigint
  readonly effectiveAtNs: bigint
  readonly receivedAtNs: bigint
  readonly kind: EventKind
  readonly command: CommandKind
  readonly refusal: Refusal | undefined
  readonly transferId: string
  readonly relatedId: string | undefined
  readonly reference: string | undefined
  readonly fingerprint: bigint
  readonly currency: string
  readonly scale: number
  readonly amount: bigint
  /** 0: never. */
  readonly expiresAtNs: bigint
  readonly debit: PublicEventSide
  readonly credit: PublicEventSide
  readonly code: number
  readonly linkIndex: number
  readonly memo: string
  readonly owner: string
  readonly namedAccounts: string
}

interface StoredEvent {
  readonly partition: number
  readonly sequence: string
  readonly recorded_at_ns: string
  readonly effective_at_ns: string
  readonly received_at_ns: string
  readonly kind: number
  readonly command: number
  readonly refusal: number
  readonly transfer_id: string
  readonly related_id: string
  readonly reference: string
  readonly fingerprint: string
  readonly currency_code: string
  readonly scale: number
  readonly amount: string
  readonly expires_at_ns: string
  readonly debit_account: number
  readonly debit_version: string
  readonly credit_account: number
  readonly credit_version: string
  readonly code: number
  readonly link_index: number
  readonly memo: string
  readonly owner: string
  readonly named_accounts: string
}

const COLUMNS = `partition, sequence, ${nanoseconds('recorded_at')}, ${nanoseconds('effective_at')},
  ${nanoseconds('received_at')}, kind, command, refusal, transfer_id, related_id, reference, fingerprint,
  toStringCutToZero(currency) AS currency_code, scale, amount, ${nanoseconds('expires_at')}, debit_account, debit_version,
  credit_account, credit_version, code, link_index, memo, owner, named_accounts`

/** Events of one page or one lookup, at most. */
export const EVENTS_PER_QUERY_MAX = 1_000

/** What an audit page is kept to. Bounds are included. */
export interface EventFilter {
  readonly kinds?: readonly EventKind[]
  readonly refusals?: readonly Refusal[]
  readonly account?: number
  readonly recordedFromNs?: bigint
  readonly recordedToNs?: bigint
}

/** One page of a partition's events behind a sequence, in order. */
export async function auditPage(
  store: ViewStore,
  page: {
    readonly partition: number
    readonly afterSequence: bigint
    readonly limit: number
    readonly filter?: EventFilter
  },
  upTo: Position,
): Promise<PublicEvent[]> {
  const { kinds, refusals, account, recordedFromNs, recordedToNs } = page.filter ?? {}
  const conditions = [`sequence > ${whole(page.afterSequence)}`, withinPartition(page.partition, upTo)]
  const parameters: Record<string, string> = {}
  if (kinds !== undefined)
    conditions.push(
      oneOf(
        'kind',
        kinds.map((kind) => EVENT_KINDS[kind]),
      ),
    )
  if (refusals !== undefined)
    conditions.push(
      oneOf(
        'refusal',
        refusals.map((refusal) => REFUSAL_CODES[refusal]),
      ),
    )
  if (account !== undefined)
    conditions.push(`(debit_account = ${whole(account)} OR credit_account = ${whole(account)})`)
  if (recordedFromNs !== undefined) {
    conditions.push(`recorded_at >= ${timeParameter('recorded_from')}`)
    parameters['recorded_from'] = String(recordedFromNs)
  }
  if (recordedToNs !== undefined) {
    conditions.push(`recorded_at <= ${timeParameter('recorded_to')}`)
    parameters['recorded_to'] = String(recordedToNs)
  }
  return selectEvents(store, conditions.join(' AND '), rowsOf(page.limit, EVENTS_PER_QUERY_MAX), parameters)
}

function oneOf(column: string, numbers: readonly number[]): string {
  return numbers.length === 0 ? '0' : `${column} IN (${numbers.join(', ')})`
}

/** Events that say again what an earlier one said: there is no bound to how many an id has. */
const SAID_AGAIN: readonly EventKind[] = ['TransferReminded', 'StepAnswered']
/** Events under one id, those aside: two sides of a crossing, with an end by the deadline. */
const EVENTS_PER_ID_MAX = 8

/**
 * The events under these ids, in order of partition and sequence; at most 1,000 ids. A command has one; an expired hold has
 * a second one; a transfer across partitions has several, in both.
 */
export async function eventsByIds(
  store: ViewStore,
  ids: readonly string[],
  upTo: Position,
): Promise<PublicEvent[]> {
  if (ids.length > EVENTS_PER_QUERY_MAX) throw new RangeError(`${ids.length} ids in one query`)
  if (ids.length === 0) return []
  const found = `SELECT partition, sequence FROM {event_ids:Identifier} WHERE id IN {ids:Array(UUID)} AND ${within(upTo)}`
  const again = oneOf(
    'kind',
    SAID_AGAIN.map((kind) => EVENT_KINDS[kind]),
  )
  const condition = `(partition, sequence) IN (${found}) AND NOT ${again}`
  return selectEvents(store, condition, String(EVENTS_PER_ID_MAX * EVENTS_PER_QUERY_MAX), { ids })
}

/** The events of other commands that name these ids: what came of a hold, what undid a transfer, what was refused in trying. */
export async function eventsRelatedTo(
  store: ViewStore,
  ids: readonly string[],
  upTo: Position,
  kinds?: readonly EventKind[],
): Promise<PublicEvent[]> {
  if (ids.length > EVENTS_PER_QUERY_MAX) throw new RangeError(`${ids.length} ids in one query`)
  if (ids.length === 0) return []
  const kept =
    kinds === undefined
      ? ''
      : `AND ${oneOf(
          'kind',
          kinds.map((kind) => EVENT_KINDS[kind]),
        )}`
  // The newest are kept where someone tried more often than a page holds: among them is what ended it.
  const found = `SELECT partition, sequence FROM {event_relations:Identifier}
    WHERE id IN {ids:Array(UUID)} AND ${within(upTo)} ${kept}
    ORDER BY kind = ${EVENT_KINDS.TransferRefused}, partition, sequence LIMIT 1 BY partition, sequence
    LIMIT ${EVENTS_PER_QUERY_MAX}`
  return selectEvents(store, `(partition, sequence) IN (${found})`, String(EVENTS_PER_QUERY_MAX), { ids })
}

/** Events that follow from one id, the newest of them, that are kept. */
export const CONSEQUENCES_PER_ID_MAX = 20

/** What came of these ids: of each the newest events of other commands that changed it, in order. At most 500 ids. */
export async function consequencesOf(
  store: ViewStore,
  ids: readonly string[],
  upTo: Position,
  kinds: readonly EventKind[],
): Promise<PublicEvent[]> {
  if (ids.length > EVENTS_PER_QUERY_MAX / 2) throw new RangeError(`${ids.length} ids in one query`)
  if (ids.length === 0) return []
  const numbers = kinds.map((kind) => EVENT_KINDS[kind])
  const found = `SELECT partition, sequence FROM (
    SELECT DISTINCT id, partition, sequence FROM {event_relations:Identifier}
    WHERE id IN {ids:Array(UUID)} AND ${within(upTo)} AND ${oneOf('kind', numbers)}
    ORDER BY id, sequence DESC LIMIT ${CONSEQUENCES_PER_ID_MAX} BY id)`
  const limit = String(ids.length * CONSEQUENCES_PER_ID_MAX)
  return selectEvents(store, `(partition, sequence) IN (${found})`, limit, { ids })
}

/** A transfer's whole life: the events under its id, then those that name it, in order. Empty: no such id by `upTo`. */
export async function transferById(
  store: ViewStore,
  id: string,
  upTo: Position,
): Promise<{ readonly own: PublicEvent[]; readonly related: PublicEvent[] }> {
  const [own, related] = await Promise.all([
    eventsByIds(store, [id], upTo),
    eventsRelatedTo(store, [id], upTo),
  ])
  return { own, related }
}

/** The event that reversed a transfer, if one did by `upTo`. */
export async function reversalOf(
  store: ViewStore,
  id: string,
  upTo: Position,
): Promise<PublicEvent | undefined> {
  return (await eventsRelatedTo(store, [id], upTo, REVERSAL_KINDS))[0]
}

async function selectEvents(
  store: ViewStore,
  condition: string,
  limit: string,
  parameters: QueryParameters,
): Promise<PublicEvent[]> {
  const rows = await store.query<StoredEvent>(
    `SELECT ${COLUMNS} FROM {events:Identifier} WHERE ${condition}
     ORDER BY partition, sequence LIMIT 1 BY partition, sequence LIMIT ${limit}`,
    parameters,
  )
  const totals = await totalsBehind(store, rows)
  const side = (partition: number, account: number, version: string): PublicEventSide => ({
    account,
    version: BigInt(version),
    ...(totals.get(entryKey(partition, account, version)) ?? NO_TOTALS),
  })
  return rows.map((row) => ({
    partition: row.partition,
    sequence: BigInt(row.sequence),
    recordedAtNs: BigInt(row.recorded_at_ns),
    effectiveAtNs: BigInt(row.effective_at_ns),
    receivedAtNs: BigInt(row.received_at_ns),
    kind: EVENT_KIND_NAMES.get(row.kind)!,
    command: COMMAND_KIND_NAMES.get(row.command)!,
    refusal: refusalOf(row.refusal),
    transferId: row.transfer_id,
    relatedId: idOrNone(row.related_id),
    reference: idOrNone(row.reference),
    fingerprint: BigInt(row.fingerprint),
    currency: row.currency_code,
    scale: row.scale,
    amount: BigInt(row.amount),
    expiresAtNs: BigInt(row.expires_at_ns),
    debit: side(row.partition, row.debit_account, row.debit_version),
    credit: side(row.partition, row.credit_account, row.credit_version),
    code: row.code,
    linkIndex: row.link_index,
    memo: row.memo,
    owner: row.owner,
    namedAccounts: row.named_accounts,
  }))
}

const NO_TOTALS: Totals = { debitsPosted: 0n, debitsPending: 0n, creditsPosted: 0n, creditsPending: 0n }

function entryKey(partition: number, account: number, version: string): string {
  return `${partition}:${account}:${version}`
}

interface StoredEntryTotals extends AccountKey, StoredTotals {
  readonly version: string
}

/** Totals of all sides of these events, out of history: by (account, version), where each stands once. */
async function totalsBehind(store: ViewStore, events: readonly StoredEvent[]): Promise<Map<string, Totals>> {
  const wanted = new Map<number, Set<string>>()
  for (const event of events)
    for (const [account, version] of [
      [event.debit_account, event.debit_version],
      [event.credit_account, event.credit_version],
    ] as const) {
      if (account === 0) continue
      const entries = wanted.get(event.partition) ?? new Set<string>()
      wanted.set(event.partition, entries.add(`(${account}, ${version})`))
    }
  if (wanted.size === 0) return new Map()
  const conditions = [...wanted].map(
    ([partition, entries]) =>
      `(partition = ${partition} AND (account, version) IN (${[...entries].join(', ')}))`,
  )
  const rows = await store.query<StoredEntryTotals>(
    `SELECT partition, account, version, ${TOTALS_COLUMNS} FROM {history:Identifier}
     WHERE ${conditions.join(' OR ')} LIMIT 1 BY partition, account, version`,
  )
  return new Map(rows.map((row) => [entryKey(row.partition, row.account, row.version), totalsOf(row)]))
}
