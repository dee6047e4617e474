/** Crossings that are under way at a position: the newest row of each channel, where that is no end. */
import { EVENT_KIND_NAMES, EVENT_KINDS, type EventKind } from '../../../schemas/events.ts'
import type { Position } from '../../../schemas/positions.ts'
import { REFUSAL_CODES } from '../../../schemas/refusals.ts'
import type { ViewStore } from '../../clickhouse/view-store.ts'
import { nanoseconds, rowsOf, whole, within } from '../../sql.ts'

/** Crossings in one answer, at most. */
export const OPEN_CROSSINGS_MAX = 1_000

/** Kinds after which a crossing goes on. Of a TransferCancelled only one by the deadline, which waits for the other side. */
export const OPEN_KINDS = [
  'TransferReserved',
  'TransferConfirmed',
  'TransferDebited',
  'TransferRecalled',
  'TransferCancelled',
  'HoldReserved',
  'HoldConfirmed',
  'HoldDrawn',
  'HoldReleased',
] as const satisfies readonly EventKind[]
export type OpenKind = (typeof OPEN_KINDS)[number]

export interface OpenCrossing {
  readonly transferId: string
  /** The newest event that changed where it stands. */
  readonly kind: OpenKind
  readonly source: number
  readonly channel: number
  readonly turn: number
  readonly sequence: bigint
  /** When it began, and since when it stands where it does. Nanoseconds since 1970. */
  readonly begunAtNs: bigint
  readonly sinceNs: bigint
  /** When it is cancelled or asked back if the other side stays silent. */
  readonly deadlineNs: bigint | undefined
  readonly debitAccountId: string
  readonly creditAccountId: string
  readonly currency: string
  readonly scale: number
  readonly amount: bigint
}

export interface OpenCrossings {
  /** How many there are; more than are listed where it says so. */
  readonly count: bigint
  /** Those that have stood still for longest, and behind them holds that are open. */
  readonly crossings: readonly OpenCrossing[]
}

interface StoredCrossing extends TurnKey {
  readonly count: string
  readonly sequence: string
  readonly recorded_at_ns: string
  readonly kind: number
  readonly transfer_id: string
  readonly debit_id: string
  readonly credit_id: string
  readonly currency: string
  readonly scale: number
  readonly amount: string
}

/** The crossings under way at `upTo`, those first that have stood still for longest; holds that are open behind them. */
export async function openCrossings(store: ViewStore, upTo: Position, limit: number): Promise<OpenCrossings> {
  const newest = 'ORDER BY partition, channel, sequence DESC LIMIT 1 BY partition, channel'
  const latest = `SELECT * FROM {channels:Identifier} ${newest}`
  const isSeen = within(upTo)
  // A channel whose newest row is behind the position had another one then, which its past still has.
  const seen = `SELECT * FROM (SELECT * FROM (${latest}) WHERE ${isSeen} UNION ALL
    SELECT * FROM {crossings:Identifier} WHERE ${isSeen}
      AND (partition, channel) IN (SELECT partition, channel FROM (${latest}) WHERE NOT ${isSeen})) ${newest}`
  const kinds = OPEN_KINDS.map((kind) => EVENT_KINDS[kind]).join(', ')
  const { TransferCancelled } = EVENT_KINDS
  const isOpen = `kind IN (${kinds}) AND (kind != ${TransferCancelled} OR reason = ${REFUSAL_CODES.transfer_timed_out})`
  // Of holds that are open nobody waits but their clients: they come behind all others, however old.
  const isHeld = `kind = ${EVENT_KINDS.HoldConfirmed}`
  const rows = await store.query<StoredCrossing>(
    `SELECT count() OVER () AS count, partition, channel, turn, sequence, ${nanoseconds('recorded_at')}, kind,
       transfer_id, debit_id, credit_id, currency, scale, amount
     FROM (${seen}) WHERE ${isOpen} ORDER BY ${isHeld}, recorded_at, partition, channel LIMIT ${rowsOf(limit, OPEN_CROSSINGS_MAX)}`,
  )
  const begun = await beginnings(store, rows, upTo)
  return {
    count: BigInt(rows[0]?.count ?? 0),
    crossings: rows.map((row) => crossingOf(row, begun.get(turnKey(row))!)),
  }
}

/** Of the others none is given up: the other side is asked until it answers, and a hold that is held waits for its client. */
const WITH_DEADLINE: ReadonlySet<number> = new Set([
  EVENT_KINDS.TransferReserved, EVENT_KINDS.TransferConfirmed, EVENT_KINDS.TransferDebited, EVENT_KINDS.TransferRecalled,
  EVENT_KINDS.TransferCancelled, EVENT_KINDS.HoldReserved,
]) // prettier-ignore

interface TurnKey {
  readonly partition: number
  readonly channel: number
  readonly turn: number
}

interface StoredBeginning extends TurnKey {
  readonly begun_at_ns: string
  readonly deadline_ns: string
}

function turnKey({ partition, channel, turn }: TurnKey): string {
  return `${partition}:${channel}:${turn}`
}

/** When the turns of these rows began, and their deadlines: the first event of a turn says both. */
async function beginnings(
  store: ViewStore,
  rows: readonly TurnKey[],
  upTo: Position,
): Promise<ReadonlyMap<string, StoredBeginning>> {
  if (rows.length === 0) return new Map()
  const turns = rows.map((row) => `(${whole(row.partition)}, ${whole(row.channel)}, ${whole(row.turn)})`)
  const found = await store.query<StoredBeginning>(
    `SELECT partition, channel, turn, ${nanoseconds('min(recorded_at)', 'begun_at')}, ${nanoseconds('max(expires_at)', 'deadline')}
     FROM {crossings:Identifier} WHERE (partition, channel, turn) IN (${turns.join(', ')}) AND ${within(upTo)}
     GROUP BY partition, channel, turn`,
  )
  return new Map(found.map((row) => [turnKey(row), row]))
}

function crossingOf(row: StoredCrossing, beginning: StoredBeginning): OpenCrossing {
  return {
    transferId: row.transfer_id,
    kind: EVENT_KIND_NAMES.get(row.kind) as OpenKind,
    source: row.partition,
    channel: row.channel,
    turn: row.turn,
    sequence: BigInt(row.sequence),
    begunAtNs: BigInt(beginning.begun_at_ns),
    sinceNs: BigInt(row.recorded_at_ns),
    deadlineNs: WITH_DEADLINE.has(row.kind) ? BigInt(beginning.deadline_ns) : undefined,
    debitAccountId: row.debit_id,
    creditAccountId: row.credit_id,
    currency: row.currency,
    scale: row.scale,
    amount: BigInt(row.amount),
  }
}
