/**
 * What stopped a version in a partition, as whoever fills it has said: for those who ask elsewhere. What is said last counts,
 * whatever the clocks say: each word stands behind all that were said of the same version and partition before.
 */
import type { ViewStore } from '../clickhouse/view-store.ts'
import type { VersionKey } from '../runtime/checkpoints.ts'
import { FAULTS_TABLE } from './tables.ts'

export interface Fault extends VersionKey {
  readonly partition: number
  /** The event that could not be taken; 0: it was none. */
  readonly sequence: bigint
  readonly cause: string
  /** When, in ms since 1970; later where a clock that was ahead has said something before. */
  readonly atMs: number
}

/** Those that stand now. */
export async function readFaults(store: ViewStore): Promise<Fault[]> {
  const rows = await store.query<{
    name: string
    version: number
    partition: number
    sequence: string
    cause: string
    at: string
  }>(
    `SELECT name, version, partition, sequence, cause, at FROM
       (SELECT * FROM ${FAULTS_TABLE} ORDER BY name, version, partition, at DESC LIMIT 1 BY name, version, partition)
     WHERE cause != ''`,
  )
  return rows.map(({ sequence, at, ...rest }) => ({ ...rest, sequence: BigInt(sequence), atMs: Number(at) }))
}

/**
 * @param fault of an empty cause: it goes on
 * @throws OutageError
 */
export async function writeFault(store: ViewStore, { name, version, partition, sequence, cause, atMs }: Fault): Promise<void> {
  await store.command(
    `INSERT INTO ${FAULTS_TABLE} (name, version, partition, at, sequence, cause)
     SELECT {name:String}, {version:UInt32}, {partition:UInt16},
       greatest({at:Int64}, (SELECT max(at) + 1 FROM ${FAULTS_TABLE}
         WHERE name = {name:String} AND version = {version:UInt32} AND partition = {partition:UInt16})),
       {sequence:UInt64}, {cause:String}`,
    { name, version, partition, at: String(atMs), sequence: String(sequence), cause },
  )
} // prettier-ignore
