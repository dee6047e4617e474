/** Rows of the registry as the simulated store keeps them: what was inserted, as text, and the answers that ClickHouse's JSON gives. */
import type { QueryParameters } from '../../../../projectors/clickhouse/view-store.ts'
import { FAULTS_TABLE, SKIPS_TABLE, VERSIONS_TABLE } from '../../../../projectors/registry/tables.ts'
import type { TableRow } from './tables.ts'

/** A checkpoint, as it stands. */
export interface StoredCheckpoint {
  readonly projection_name: string
  readonly version: number
  readonly partition: number
  readonly epoch: number
  readonly sequence: string
  readonly hash: string
  readonly recorded_at: string
  readonly place: string
}

export function checkpointRows(given: QueryParameters): TableRow[] {
  const { partition, sequence, hash, recorded_at, place } = given
  return (given['names'] as readonly string[]).map((name, index) => {
    const version = (given['versions'] as readonly number[])[index]!
    const epoch = (given['epochs'] as readonly number[])[index]!
    const row = { projection_name: name, version, partition, epoch, sequence, hash, recorded_at, place }
    return stored(`${name} ${version}/${String(partition)}/${epoch}`, sequence, row)
  })
} // prettier-ignore

export function versionRows(given: QueryParameters): TableRow[] {
  const count = Object.keys(given).filter((key) => /^name\d+$/.test(key)).length
  return Array.from({ length: count }, (_, index) => {
    const of = (key: string): unknown => given[`${key}${index}`]
    const row = {
      name: of('name'), version: of('version'), revision: of('revision'), declared: of('declared'), role: of('role'),
      is_paused: of('paused'), share: of('share'), until: of('until'), definition: of('definition'), reason: of('reason'),
    }
    return stored(`${String(row.name)} ${String(row.version)}`, row.revision, row)
  })
} // prettier-ignore

export function skipRow(given: QueryParameters): TableRow {
  const { name, version, partition, sequence, reason, by, at } = given
  const row = { name, version, partition, sequence, reason, said_by: by, at }
  return stored(`${String(name)} ${String(version)}/${String(partition)}/${String(sequence)}`, 0, row)
}

export function faultRow(given: QueryParameters): TableRow {
  const { name, version, partition, sequence, cause, at } = given
  const row = { name, version, partition, sequence, cause, at }
  return stored(`${String(name)} ${String(version)}/${String(partition)}`, Math.trunc(Number(at)), row)
}

/** A fault as its INSERT has it: behind all that was said before, also by a wall clock that was ahead. */
export function faultBehind(row: TableRow, before: TableRow | undefined): TableRow {
  return before === undefined || before.version < row.version ? row : { ...row, version: before.version + 1n }
}

function stored(key: string, version: unknown, row: object): TableRow {
  return { key, sequence: 0n, version: BigInt(String(version)), text: JSON.stringify(row) }
}

const parsed = new WeakMap<TableRow, object>()

/** What the row says, in full. */
export function said<Said extends object>(row: TableRow): Said {
  const known = parsed.get(row)
  if (known !== undefined) return known as Said
  const made = JSON.parse(row.text) as Said
  parsed.set(row, made)
  return made
}

/** The checkpoint that counts of each version and partition. */
export function newestCheckpoints(rows: readonly TableRow[]): StoredCheckpoint[] {
  const newest = new Map<string, StoredCheckpoint>()
  for (const one of rows) {
    const row = said<StoredCheckpoint>(one)
    const key = `${row.projection_name} ${row.version}/${row.partition}`
    const other = newest.get(key)
    if (other === undefined || row.epoch > other.epoch) newest.set(key, row)
  }
  return [...newest.values()]
}

/** What a SELECT of one of the registry's tables answers. */
export function registryAnswer(table: string, rows: readonly TableRow[]): object[] {
  const sorted = [...rows].sort((left, right) => (left.key < right.key ? -1 : 1))
  const all = sorted.map((row) => said<Record<string, unknown>>(row))
  if (table === VERSIONS_TABLE || table === SKIPS_TABLE) return all
  if (table === FAULTS_TABLE) return all.filter(({ cause }) => cause !== '')
  return newestCheckpoints(sorted).map((one) => ({
    projection_name: one.projection_name,
    version: one.version,
    partition: one.partition,
    newest_epoch: String(one.epoch),
    newest: one.sequence,
    hash_text: one.hash.toUpperCase(),
    recorded_at_ns: one.recorded_at,
    newest_place: one.place,
  }))
}

/** The highest epoch of each version in a partition, as the guard asks for it. */
export function epochAnswer(rows: readonly TableRow[]): object[] {
  return newestCheckpoints(rows).map((one) => ({
    what: 'epoch',
    name: `${one.projection_name} ${one.version}`,
    value: String(one.epoch),
  }))
}
