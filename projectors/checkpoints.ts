/** Checkpoints: how far the views are, kept beside them, written only after the rows are. */
import { HASH_BYTES } from '../schemas/frames.ts'
import type { Checkpoint } from './chain.ts'
import { checkpointsName } from './feed.ts'
import type { Database } from './projection.ts'
import type { ViewStore } from './view-store.ts'

/** The checkpoint of views that hold nothing. */
export function noCheckpoint(partition: number): Checkpoint {
  return { partition, sequence: 0n, hash: new Uint8Array(HASH_BYTES), recordedAtNs: 0n }
}

/** Reads all partitions' checkpoints; those without one are missing. */
export async function readCheckpoints(
  store: ViewStore,
  database: Database = '',
): Promise<ReadonlyMap<number, Checkpoint>> {
  const rows = await store.query<{
    partition: number
    newest: string
    hash_text: string
    recorded_at_ns: string
  }>(
    `SELECT partition, max(sequence) AS newest, hex(argMax(hash, sequence)) AS hash_text,
       argMax(recorded_at, sequence) AS recorded_at_ns
     FROM ${checkpointsName(database)} GROUP BY partition`,
  )
  return new Map(
    rows.map((row) => [
      row.partition,
      {
        partition: row.partition,
        sequence: BigInt(row.newest),
        hash: Uint8Array.from(Buffer.from(row.hash_text, 'hex')),
        recordedAtNs: BigInt(row.recorded_at_ns),
      },
    ]),
  )
}

/** Writes one. Writing it again changes nothing; an older one that arrives late does not count. */
export async function writeCheckpoint(
  store: ViewStore,
  checkpoint: Checkpoint,
  database: Database = '',
): Promise<void> {
  await store.command(
    `INSERT INTO ${checkpointsName(database)}
     SELECT {partition:UInt16}, {sequence:UInt64}, unhex({hash:String}), {recorded_at:Int64}`,
    {
      partition: checkpoint.partition,
      sequence: String(checkpoint.sequence),
      hash: Buffer.from(checkpoint.hash).toString('hex'),
      recorded_at: String(checkpoint.recordedAtNs),
    },
  )
}
