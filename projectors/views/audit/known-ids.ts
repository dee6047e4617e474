/** Which of many ids have had their outcome: what an import asks before it sends rows that may have come before. */
import { COMMAND_KINDS } from '../../../schemas/commands.ts'
import { EVENT_KINDS } from '../../../schemas/events.ts'
import type { Position } from '../../../schemas/positions.ts'
import type { ViewStore } from '../../clickhouse/view-store.ts'
import { rowsOf, whole, within } from '../../sql.ts'

/** The outcome of an id, as the event of its command says it; of a transfer across partitions, as its end says. */
export interface KnownId {
  readonly id: string
  readonly partition: number
  readonly sequence: string
  /** Number of the refusal; 0: it has happened. */
  readonly refusal: number
  /** True for a transfer across partitions that has no outcome yet. */
  readonly isUnderWay: boolean
  /** Of the command's body, as a decimal number. */
  readonly fingerprint: string
  /** Decimal places with which an account was opened. */
  readonly scale: number
}

/** Ids of one query: their text has to stay within ClickHouse's bound of 256 KiB for a query. */
export const KNOWN_IDS_PER_QUERY_MAX = 4_096

interface StoredSequence {
  readonly partition: number
  readonly first: string
}

interface StoredOutcome extends Omit<KnownId, 'isUnderWay'> {
  readonly kind: number
}

const COLUMNS = 'transfer_id AS id, partition, sequence, kind, refusal, fingerprint, scale'
const { TransferReserved, TransferDebited, TransferCompleted, TransferCancelled, TransferCompensated } =
  EVENT_KINDS
const { HoldReserved, HoldConfirmed, HoldDrawn, HoldReleased, ReleaseCompleted } = EVENT_KINDS
const { ExpireHold, TimeStep } = COMMAND_KINDS
const BEGINS = [TransferReserved, TransferDebited, HoldReserved, HoldDrawn, HoldReleased] as const
const ENDS = [
  TransferCompleted,
  TransferCancelled,
  TransferCompensated,
  HoldConfirmed,
  ReleaseCompleted,
] as const
/** A release of a hold that no client has asked for has the hold's own id. */
const OF_CLIENT = `(kind NOT IN (${HoldReleased}, ${ReleaseCompleted}) OR transfer_id != related_id)`
/** Events that commands of clients made: no step of a crossing, and nothing that only time made. */
const OF_CLIENTS = `(kind < ${TransferReserved} OR kind IN (${BEGINS.join(', ')})) AND ${OF_CLIENT}
  AND command NOT IN (${ExpireHold}, ${TimeStep})`
const ID_TEXT = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/**
 * The outcomes of those ids that have one by `upTo`; at most 4,096 ids.
 * @param ids in lower case
 * @throws RangeError for too many, or for what is no id
 */
export async function knownIds(store: ViewStore, ids: readonly string[], upTo: Position): Promise<KnownId[]> {
  if (ids.length > KNOWN_IDS_PER_QUERY_MAX) throw new RangeError(`${ids.length} ids in one query`)
  if (ids.length === 0) return []
  const odd = ids.find((id) => !ID_TEXT.test(id))
  if (odd !== undefined) throw new RangeError(`not an id: ${JSON.stringify(odd)}`)
  const places = await store.query<StoredSequence>(
    `SELECT partition, min(sequence) AS first FROM {event_ids:Identifier}
     WHERE id IN ('${ids.join("','")}') AND ${within(upTo)} GROUP BY partition, id`,
  )
  if (places.length === 0) return []
  const found = await store.query<StoredOutcome>(
    `SELECT ${COLUMNS} FROM {events:Identifier} WHERE (${among(places)}) AND ${OF_CLIENTS}
     ORDER BY partition, sequence LIMIT 1 BY id`,
  )
  return withEnds(store, found, upTo)
}

/** The outcomes of these events: those of crossings are in later ones. */
async function withEnds(
  store: ViewStore,
  found: readonly StoredOutcome[],
  upTo: Position,
): Promise<KnownId[]> {
  const begun = found.filter(isBegun)
  const ends = new Map<string, StoredOutcome>()
  if (begun.length > 0) {
    const places = `SELECT partition, sequence FROM {event_ids:Identifier}
      WHERE id IN ('${begun.map(({ id }) => id).join("','")}') AND ${within(upTo)}`
    const rows = await store.query<StoredOutcome>(
      `SELECT ${COLUMNS} FROM {events:Identifier} WHERE (partition, sequence) IN (${places})
         AND kind IN (${ENDS.join(', ')}) AND ${OF_CLIENT} ORDER BY partition, sequence LIMIT 1 BY partition, sequence`,
    )
    for (const row of rows) ends.set(`${row.partition} ${row.id}`, row)
  }
  return found.map((first) => {
    const { kind: _kind, ...outcome } = first
    if (!isBegun(first)) return { ...outcome, isUnderWay: false }
    const end = ends.get(`${first.partition} ${first.id}`)
    if (end === undefined) return { ...outcome, isUnderWay: true }
    const isRefused = end.kind === TransferCancelled || end.kind === TransferCompensated
    const refusal = isRefused ? Number(BigInt(end.fingerprint) & 0xffn) : 0
    return { ...outcome, isUnderWay: false, refusal, sequence: end.sequence }
  })
}

function isBegun({ kind }: StoredOutcome): boolean {
  return BEGINS.some((begins) => begins === kind)
}

/**
 * Outcomes of whatever ids stand right behind a place in the log, by `upTo`. Rows that are imported in the order in which
 * they were loaded are found here without a search for each.
 * @param count events at most
 */
export async function idsBehind(
  store: ViewStore,
  place: { readonly partition: number; readonly sequence: bigint },
  count: number,
  upTo: Position,
): Promise<KnownId[]> {
  const last = place.sequence + BigInt(rowsOf(count))
  const found = await store.query<StoredOutcome>(
    `SELECT ${COLUMNS} FROM {events:Identifier}
     WHERE partition = ${whole(place.partition)} AND sequence > ${whole(place.sequence)} AND sequence <= ${whole(last)}
       AND ${OF_CLIENTS} AND ${within(upTo)} ORDER BY sequence LIMIT 1 BY sequence`,
  )
  return withEnds(store, found, upTo)
}

/** Sequences as whole numbers in the text, so that the primary key finds them. */
function among(places: readonly StoredSequence[]): string {
  const byPartition = new Map<number, string[]>()
  for (const { partition, first } of places) {
    const sequences = byPartition.get(partition) ?? []
    sequences.push(first)
    byPartition.set(partition, sequences)
  }
  return [...byPartition]
    .map(([partition, sequences]) => `(partition = ${partition} AND sequence IN (${sequences.join(',')}))`)
    .join(' OR ')
}
