/**
 * Digests of views at a position: what two sets of views must have in common to be the same, whatever the ranges, repeats
 * and merges were by which they came about. Computed over rows without repeats, in no particular order.
 */
import type { Position } from '../../schemas/positions.ts'
import type { ViewStore } from '../clickhouse/view-store.ts'
import { tableNameAmong, type SqlProjection } from '../projection.ts'
import {
  keyHash,
  streamedRowsAt,
  storedTables,
  STREAMED,
  WHOLE_TABLE_SECONDS,
  type ComparedColumn,
  type Place,
  type StoredTable,
} from './rows-at.ts'

export interface ViewDigest {
  readonly projection: string
  readonly version: number
  readonly table: string
  readonly rows: bigint
  /**
   * Two 64-bit sums over the rows' hashes (CityHash, plain and hashed again), hexadecimal. It proves equality against
   * accidents, not against forgers: the log's SHA-256 chain does that.
   */
  readonly digest: string
}

/** The name in the store of the table that a projection calls so. @throws RangeError if there is none */
export type NameOf = (table: string) => string

/**
 * Digests of the views of these projections, bounded by `upTo`.
 * @param nameOf says where tables stand; by default those of the versions as declared
 * @throws RangeError if a table is not there, or one that it leans on (`past`)
 */
export async function digestViews(
  store: ViewStore,
  projections: readonly SqlProjection[],
  upTo: Position,
  nameOf: NameOf = (table) => tableNameAmong(projections, table),
): Promise<ViewDigest[]> {
  const digests: ViewDigest[] = []
  for (const projection of projections)
    for (const table of storedTables(projection, nameOf)) {
      const columns = table.columns.map(([name]) => ({ name, asText: false }))
      const whole = new Digest()
      for (const [partition, sequence] of upTo)
        for (const bucket of (await digestBuckets(store, table, { partition, sequence }, columns)).values())
          whole.add(bucket)
      const { name, version } = projection
      digests.push({ projection: name, version, table: table.table, rows: whole.rows, digest: whole.text })
    }
  return digests
}

/** Rows, and sums of their hashes, that add up. */
export class Digest {
  rows = 0n
  #sums: BucketDigest['sums'] = [0n, 0n]

  add({ rows, sums }: BucketDigest): void {
    this.rows += rows
    this.#sums = [wrapped(this.#sums[0] + sums[0]), wrapped(this.#sums[1] + sums[1])]
  }

  get text(): string {
    return this.#sums.map((sum) => sum.toString(16).padStart(16, '0')).join('')
  }
}

function wrapped(sum: bigint): bigint {
  return BigInt.asUintN(64, sum)
}

/** Keys are dealt out over so many buckets by their hash, so that what differs is found without a look at all the rest. */
export const BUCKETS = 4_096

/** In which bucket a key is, as SQL. */
export function bucketOf(table: StoredTable): string {
  return `${keyHash(table)} % ${BUCKETS}`
}

/** What the rows of a bucket come to. */
export interface BucketDigest {
  readonly rows: bigint
  readonly sums: readonly [bigint, bigint]
}

interface StoredBucket {
  readonly bucket: number
  readonly row_count: string
  readonly plain: string
  readonly again: string
}

/**
 * Digests of the buckets of one partition of a table that have rows, bounded by the place.
 * @throws what the store says of a table that is not there
 */
export async function digestBuckets(
  store: ViewStore,
  table: StoredTable,
  place: Place,
  columns: readonly ComparedColumn[],
): Promise<ReadonlyMap<number, BucketDigest>> {
  const rows = await store.query<StoredBucket>(
    `SELECT toUInt16(${bucketOf(table)}) AS bucket, count() AS row_count, sum(least__) AS plain,
       sum(intHash64(most__)) AS again
     FROM (${streamedRowsAt(table, place, columns)}) GROUP BY bucket SETTINGS ${STREAMED}`,
    {},
    { timeoutSeconds: WHOLE_TABLE_SECONDS },
  )
  return new Map(
    rows.map(({ bucket, row_count, plain, again }) => [
      bucket,
      { rows: BigInt(row_count), sums: [BigInt(plain), BigInt(again)] },
    ]),
  )
}

/** Buckets whose rows differ, ascending. */
export function differingBuckets(
  left: ReadonlyMap<number, BucketDigest>,
  right: ReadonlyMap<number, BucketDigest>,
): readonly number[] {
  const all = new Set([...left.keys(), ...right.keys()])
  return [...all]
    .filter((bucket) => !isSame(left.get(bucket), right.get(bucket)))
    .sort((one, other) => one - other)
}

function isSame(left: BucketDigest | undefined, right: BucketDigest | undefined): boolean {
  return left?.rows === right?.rows && left?.sums[0] === right?.sums[0] && left?.sums[1] === right?.sums[1]
}
