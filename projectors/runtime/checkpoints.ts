/** Checkpoints: how far each projection is in each partition, kept beside the views, written only after the rows are. */
import type { EventLog } from '../../eventlog/ports.ts'
import { HASH_BYTES } from '../../schemas/frames.ts'
import type { Position } from '../../schemas/positions.ts'
import type { Checkpoint } from './chain.ts'
import { checkpointsName, formerCheckpointsName } from '../clickhouse/view-tables.ts'
import type { Database, Layout, SqlProjection } from '../projection.ts'
import type { ViewStore } from '../clickhouse/view-store.ts'

/** Projection → partition → how far it is. What is missing holds nothing. */
export type Checkpoints = ReadonlyMap<string, ReadonlyMap<number, Checkpoint>>

/** Those that there were while one checkpoint stood for all. None that came later may be taken to hold what they did. */
const FORMER_PROJECTIONS = ['balances', 'history', 'audit'] as const

/** The checkpoint of views that hold nothing. */
export function noCheckpoint(partition: number): Checkpoint {
  return { partition, sequence: 0n, hash: new Uint8Array(HASH_BYTES), recordedAtNs: 0n, logOffset: 0n }
}

/** Reads every projection's checkpoints, also those of projections that do not run here. The table has to be there. */
export async function readCheckpoints(store: ViewStore, database: Database = ''): Promise<Checkpoints> {
  return byProjection(
    await readRows(store, checkpointsName(database), 'projection_name', 'argMax(place, sequence)'),
  )
}

/**
 * As `readCheckpoints` of a store in which nothing may have been made yet, or of which the checkpoints still stand where an
 * earlier version kept them.
 */
export async function readAnyCheckpoints(store: ViewStore): Promise<Checkpoints> {
  const there = await tablesThere(store, [checkpointsName(), formerCheckpointsName()])
  const rows = there.has(checkpointsName())
    ? await readRows(store, checkpointsName(), 'projection_name', 'argMax(place, sequence)')
    : []
  if (there.has(formerCheckpointsName()))
    for (const row of await readRows(store, formerCheckpointsName(), "''", '0'))
      rows.push(...FORMER_PROJECTIONS.map((name) => ({ ...row, projection_name: name })))
  return byProjection(rows)
}

/**
 * What all of these projections hold: for each partition the least far of their checkpoints. A partition of which one of
 * them holds nothing is missing.
 */
export function heldByAll(
  checkpoints: Checkpoints,
  projections: readonly Pick<SqlProjection, 'name'>[],
): ReadonlyMap<number, Checkpoint> {
  const [first, ...others] = projections.map(({ name }) => checkpoints.get(name) ?? new Map<number, Checkpoint>())
  const held = new Map<number, Checkpoint>()
  for (const [partition, checkpoint] of first ?? []) {
    const all = [checkpoint, ...others.map((other) => other.get(partition))]
    if (all.some((one) => one === undefined)) continue
    held.set(partition, (all as Checkpoint[]).reduce((least, one) => (one.sequence < least.sequence ? one : least)))
  }
  return held
} // prettier-ignore

/** Up to where some projection holds something: so far the log must reach at least. */
export function heldByAny(checkpoints: Checkpoints): Position {
  const position = new Map<number, bigint>()
  for (const own of checkpoints.values())
    for (const [partition, { sequence }] of own)
      if (sequence > (position.get(partition) ?? 0n)) position.set(partition, sequence)
  return position
}

/** The least of what is settled in each partition: later than a view's last event, something may still come. */
export function settledNsOf(
  logs: readonly Pick<EventLog, 'partition' | 'endSequence'>[],
  held: ReadonlyMap<number, Checkpoint>,
): bigint {
  const times = logs
    .filter((log) => log.endSequence() > 0n)
    .map(({ partition }) => held.get(partition)?.recordedAtNs ?? 0n)
  return times.reduce((least, time) => (time < least ? time : least), times[0] ?? 0n)
}

/**
 * Writes one checkpoint for each of these projections, all in one block. Writing it again changes nothing; an older one
 * that arrives late does not count.
 */
export async function writeCheckpoint(
  store: ViewStore,
  projections: readonly Pick<SqlProjection, 'name'>[],
  checkpoint: Checkpoint,
  database: Database = '',
): Promise<void> {
  await store.command(
    `INSERT INTO ${checkpointsName(database)} (projection_name, partition, sequence, hash, recorded_at, place)
     SELECT arrayJoin({projections:Array(String)}), {partition:UInt16}, {sequence:UInt64}, unhex({hash:String}),
       {recorded_at:Int64}, {place:UInt64}`,
    {
      projections: projections.map(({ name }) => name),
      partition: checkpoint.partition,
      sequence: String(checkpoint.sequence),
      hash: Buffer.from(checkpoint.hash).toString('hex'),
      recorded_at: String(checkpoint.recordedAtNs),
      place: String(checkpoint.logOffset),
    },
  )
}

/**
 * Takes over what an earlier version kept: one checkpoint for all the projections that it had. May end anywhere and be
 * repeated: the old table goes when all of it stands in the new one, which has to be there.
 */
export async function takeOverCheckpoints(store: ViewStore, { cluster }: Layout = {}): Promise<void> {
  // That version knew of no cluster.
  if (cluster !== undefined) return
  const former = formerCheckpointsName()
  if (!(await tablesThere(store, [former])).has(former)) return
  await store.command(
    `INSERT INTO ${checkpointsName()} (projection_name, partition, sequence, hash, recorded_at, place)
     SELECT arrayJoin({projections:Array(String)}), partition, sequence, hash, recorded_at, 0 FROM ${former}`,
    { projections: FORMER_PROJECTIONS },
  )
  await store.command(`DROP TABLE IF EXISTS ${former} SYNC`)
}

/** Which of these tables are there. */
export async function tablesThere(store: ViewStore, names: readonly string[]): Promise<ReadonlySet<string>> {
  const rows = await store.query<{ name: string }>(
    'SELECT name FROM system.tables WHERE database = currentDatabase() AND name IN {names:Array(String)}',
    { names },
  )
  return new Set(rows.map(({ name }) => name))
}

interface CheckpointRow {
  readonly projection_name: string
  readonly partition: number
  readonly newest: string
  readonly hash_text: string
  readonly recorded_at_ns: string
  readonly newest_place: string
}

async function readRows(
  store: ViewStore,
  table: string,
  projectionName: string,
  place: string,
): Promise<CheckpointRow[]> {
  return store.query<CheckpointRow>(
    `SELECT ${projectionName} AS projection_name, partition, max(sequence) AS newest, hex(argMax(hash, sequence)) AS hash_text,
       argMax(recorded_at, sequence) AS recorded_at_ns, toString(${place}) AS newest_place
     FROM ${table} GROUP BY projection_name, partition`,
  )
}

function byProjection(rows: readonly CheckpointRow[]): Checkpoints {
  const all = new Map<string, Map<number, Checkpoint>>()
  for (const row of rows) {
    const own = all.get(row.projection_name) ?? new Map<number, Checkpoint>()
    all.set(row.projection_name, own)
    const sequence = BigInt(row.newest)
    if ((own.get(row.partition)?.sequence ?? -1n) >= sequence) continue
    own.set(row.partition, {
      partition: row.partition,
      sequence,
      hash: Uint8Array.from(Buffer.from(row.hash_text, 'hex')),
      recordedAtNs: BigInt(row.recorded_at_ns),
      logOffset: BigInt(row.newest_place),
    })
  }
  return all
}
