/** Events that operators have left out of a view, with the reason: auditors read it, and so does whoever fills the view. */
import type { ViewStore } from '../clickhouse/view-store.ts'
import { tablesThere, type VersionKey } from '../runtime/checkpoints.ts'
import { SKIPS_TABLE } from './tables.ts'

export interface Skip extends VersionKey {
  readonly partition: number
  readonly sequence: bigint
  readonly reason: string
  /** Who said so, as they named themselves. */
  readonly by: string
  /** When, in ms since 1970. */
  readonly atMs: number
}

/** All that were ever said, in the order of their places. */
export async function readSkips(store: ViewStore): Promise<Skip[]> {
  const rows = await store.query<{
    name: string
    version: number
    partition: number
    sequence: string
    reason: string
    said_by: string
    at: string
  }>(
    `SELECT name, version, partition, sequence, reason, said_by, at FROM ${SKIPS_TABLE}
     ORDER BY name, version, partition, sequence, at LIMIT 1 BY name, version, partition, sequence`,
  )
  return rows.map(({ said_by: by, at, sequence, ...rest }) => ({
    ...rest,
    sequence: BigInt(sequence),
    by,
    atMs: Number(at),
  }))
}

/** Partition → the sequences that are left out of it. */
export function byPartition(skips: readonly Skip[]): ReadonlyMap<number, ReadonlySet<bigint>> {
  const all = new Map<number, Set<bigint>>()
  for (const { partition, sequence } of skips)
    all.set(partition, (all.get(partition) ?? new Set()).add(sequence))
  return all
}

/** All of a store in which nothing may have been made yet. */
export async function readAnySkips(store: ViewStore): Promise<Skip[]> {
  return (await tablesThere(store, [SKIPS_TABLE])).size > 0 ? readSkips(store) : []
}

export async function writeSkip(store: ViewStore, skip: Skip): Promise<void> {
  await store.command(
    `INSERT INTO ${SKIPS_TABLE} (name, version, partition, sequence, reason, said_by, at)
     SELECT {name:String}, {version:UInt32}, {partition:UInt16}, {sequence:UInt64}, {reason:String}, {by:String}, {at:Int64}`,
    {
      name: skip.name,
      version: skip.version,
      partition: skip.partition,
      sequence: String(skip.sequence),
      reason: skip.reason,
      by: skip.by,
      at: String(skip.atMs),
    },
  )
}
