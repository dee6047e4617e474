/** Checkpoints: how far each projection is in each partition, kept beside the views, written only after the rows are. */
import type { EventLog } from '../../eventlog/ports.ts'
import { HASH_BYTES } from '../../schemas/frames.ts'
import type { Position } from '../../schemas/positions.ts'
import type { Checkpoint } from './lanes/chain.ts'
import { dropTable } from '../clickhouse/layout.ts'
import type { Layout } from '../projection.ts'
import { checkpointsName, FORMER_CHECKPOINTS } from '../registry/tables.ts'
import type { ViewStore } from '../clickhouse/view-store.ts'

/** Version (`versionKey`) → partition → how far it is. What is missing holds nothing. */
export type Checkpoints = ReadonlyMap<string, ReadonlyMap<number, EpochCheckpoint>>

/** The checkpoint of views that hold nothing. */
export function noCheckpoint(partition: number): Checkpoint {
  return { partition, sequence: 0n, hash: new Uint8Array(HASH_BYTES), recordedAtNs: 0n, logOffset: 0n }
}

/** Which version of which projection a checkpoint speaks for. */
export interface VersionKey {
  readonly name: string
  readonly version: number
}

/** As it stands in `Checkpoints`. */
export function versionKey({ name, version }: VersionKey): string {
  return `${name} ${version}`
}

/** The highest epoch that was begun of a version's partition, and the checkpoint of that epoch. */
export interface EpochCheckpoint extends Checkpoint {
  readonly epoch: bigint
  /** Which tables hold the rows that it speaks for (`identityOf`); empty: nobody has said. */
  readonly parts: string
}

/** Reads the checkpoints of every version, also of those that do not run here. The table has to be there. */
export async function readCheckpoints(store: ViewStore): Promise<Checkpoints> {
  return byVersion(await readRows(store))
}

/**
 * As `readCheckpoints` of a store in which nothing may have been made yet, or of which the checkpoints still stand where an
 * earlier version of the program kept them.
 */
export async function readAnyCheckpoints(store: ViewStore): Promise<Checkpoints> {
  const there = await tablesThere(store, [checkpointsName(), FORMER_CHECKPOINTS])
  const rows = there.has(checkpointsName()) ? await readRows(store) : []
  if (there.has(FORMER_CHECKPOINTS)) rows.push(...(await readFormerRows(store)))
  return byVersion(rows)
}

/**
 * What all of these versions hold: for each partition the least far of their checkpoints. A partition of which one of them
 * holds nothing is missing.
 */
export function heldByAll(
  checkpoints: Checkpoints,
  versions: readonly VersionKey[],
): ReadonlyMap<number, Checkpoint> {
  const [first, ...others] = versions.map(
    (one) => checkpoints.get(versionKey(one)) ?? new Map<number, Checkpoint>(),
  )
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

/** Up to where these checkpoints say that everything is held. */
export function positionOf(checkpoints: ReadonlyMap<number, Checkpoint>): Position {
  return new Map([...checkpoints].map(([partition, { sequence }]) => [partition, sequence]))
}

/** Up to where a version holds everything. */
export function heldBy(checkpoints: Checkpoints, version: VersionKey): Position {
  return positionOf(checkpoints.get(versionKey(version)) ?? new Map<number, Checkpoint>())
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
 * Writes one checkpoint for each of these versions under its epoch, all in one block. Writing it again changes nothing; one of
 * an older epoch, or an older one that arrives late, does not count.
 */
export async function writeCheckpoint(
  store: ViewStore,
  versions: readonly (VersionKey &
    Pick<EpochCheckpoint, 'epoch'> &
    Partial<Pick<EpochCheckpoint, 'parts'>>)[],
  checkpoint: Checkpoint,
): Promise<void> {
  await store.command(
    `INSERT INTO ${checkpointsName()} (projection_name, version, partition, epoch, sequence, hash, recorded_at, place, parts)
     SELECT names, versions, {partition:UInt16}, epochs, {sequence:UInt64}, unhex({hash:String}),
       {recorded_at:Int64}, {place:UInt64}, parts
     FROM (SELECT {names:Array(String)} AS all_names, {versions:Array(UInt32)} AS all_versions, {epochs:Array(UInt64)} AS all_epochs,
       {parts:Array(String)} AS all_parts)
     ARRAY JOIN all_names AS names, all_versions AS versions, all_epochs AS epochs, all_parts AS parts`,
    {
      names: versions.map(({ name }) => name),
      versions: versions.map(({ version }) => version),
      epochs: versions.map(({ epoch }) => Number(epoch)),
      parts: versions.map(({ parts = '' }) => parts),
      partition: checkpoint.partition,
      sequence: String(checkpoint.sequence),
      hash: Buffer.from(checkpoint.hash).toString('hex'),
      recorded_at: String(checkpoint.recordedAtNs),
      place: String(checkpoint.logOffset),
    },
  )
}

/**
 * Takes over what an earlier version of the program kept: a checkpoint for each projection, of the only version that it had.
 * May end anywhere and be repeated: the old table goes when all of it stands in the new one, which has to be there.
 * @returns false if there was none
 */
export async function takeOverCheckpoints(store: ViewStore, layout: Layout = {}): Promise<boolean> {
  const former = FORMER_CHECKPOINTS
  if (!(await tablesThere(store, [former])).has(former)) return false
  const { database = '' } = layout
  await store.command(
    `INSERT INTO ${checkpointsName(database)} (projection_name, version, partition, epoch, sequence, hash, recorded_at, place)
     SELECT projection_name, 1, partition, 0, sequence, hash, recorded_at, place FROM ${former}`,
  )
  for (const statement of dropTable(`${database === '' ? '' : `${database}.`}${former}`, layout))
    await store.command(statement)
  return true
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
  readonly version: number
  readonly partition: number
  readonly newest_epoch: string
  readonly newest: string
  readonly hash_text: string
  readonly recorded_at_ns: string
  readonly newest_place: string
  readonly newest_parts?: string
}

/** Of two of one sequence, one says that the version has ended there (`endedAt`): it counts, whichever is read first. */
async function readRows(store: ViewStore): Promise<CheckpointRow[]> {
  return store.query<CheckpointRow>(
    `SELECT projection_name, version, partition, max(epoch) AS newest_epoch, argMax(sequence, (epoch, sequence)) AS newest,
       hex(argMax(hash, (epoch, sequence, hash))) AS hash_text, argMax(recorded_at, (epoch, sequence)) AS recorded_at_ns,
       argMax(place, (epoch, sequence)) AS newest_place,
       argMax(parts, (epoch, sequence)) AS newest_parts
     FROM ${checkpointsName()} GROUP BY projection_name, version, partition`,
  )
}

async function readFormerRows(store: ViewStore): Promise<CheckpointRow[]> {
  return store.query<CheckpointRow>(
    `SELECT projection_name, 1 AS version, partition, toUInt64(0) AS newest_epoch, max(sequence) AS newest,
       hex(argMax(hash, sequence)) AS hash_text, argMax(recorded_at, sequence) AS recorded_at_ns,
       argMax(place, sequence) AS newest_place
     FROM ${FORMER_CHECKPOINTS} GROUP BY projection_name, partition`,
  )
}

function byVersion(rows: readonly CheckpointRow[]): Checkpoints {
  const all = new Map<string, Map<number, EpochCheckpoint>>()
  for (const row of rows) {
    const key = versionKey({ name: row.projection_name, version: row.version })
    const own = all.get(key) ?? new Map<number, EpochCheckpoint>()
    all.set(key, own)
    const sequence = BigInt(row.newest)
    if ((own.get(row.partition)?.sequence ?? -1n) >= sequence) continue
    own.set(row.partition, {
      partition: row.partition,
      epoch: BigInt(row.newest_epoch),
      sequence,
      hash: Uint8Array.from(Buffer.from(row.hash_text, 'hex')),
      recordedAtNs: BigInt(row.recorded_at_ns),
      logOffset: BigInt(row.newest_place),
      parts: row.newest_parts ?? '',
    })
  }
  return all
}
