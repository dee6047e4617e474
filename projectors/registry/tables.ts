/**
 * The tables in which a deployment keeps what it knows of its projections: their versions, what operators said of them, what
 * they could not take, and how far they are. They stand beside the views, and outlive every one of them.
 */
import { createTables, DURABLE, type TableShape } from '../clickhouse/layout.ts'
import type { Database, Layout } from '../projection.ts'

export const VERSIONS_TABLE = 'projection_versions_v1'
export const SKIPS_TABLE = 'projection_skips_v1'
export const FAULTS_TABLE = 'projection_faults_v1'

/** Where a deployment keeps how far each version is: the row of the highest epoch and then sequence counts. */
export function checkpointsName(database: Database = ''): string {
  return `${database === '' ? '' : `${database}.`}checkpoints_v3`
}

/** All of them. */
export const REGISTRY_TABLES = [checkpointsName(), VERSIONS_TABLE, SKIPS_TABLE, FAULTS_TABLE] as const

/** Where checkpoints stood before they had versions and epochs: no more is written there. */
export const FORMER_CHECKPOINTS = 'checkpoints_v2'

/** Statements that make everything that is not there yet, in order. Safe to repeat. */
export function createRegistry(layout: Layout = {}): string[] {
  const { database = '' } = layout
  return shapes(database).flatMap((shape) => createTables(shape, layout))
}

function shapes(database: Database): readonly TableShape[] {
  const named = (name: string): string => `${database === '' ? '' : `${database}.`}${name}`
  const rows = (
    name: string,
    columns: TableShape['columns'],
    key: readonly string[],
    highest?: string,
  ): TableShape => ({
    name,
    // A distributed table finds the shard by this column: what belongs to no partition stands where the first one does.
    columns: columns.some(([column]) => column === 'partition')
      ? columns
      : [['partition', 'UInt16'], ...columns],
    engine: { kind: 'replacing', highest, key, settings: DURABLE, tokensRemembered: 0 },
  })
  return [
    rows(
      checkpointsName(database),
      [
        ['projection_name', 'LowCardinality(String)'],
        ['version', 'UInt32'],
        ['partition', 'UInt16'],
        ['epoch', 'UInt64'],
        ['sequence', 'UInt64'],
        ['hash', 'FixedString(32)'],
        ['recorded_at', 'Int64'],
        ['place', 'UInt64'],
        ['parts', 'String'],
      ],
      ['projection_name', 'version', 'partition', 'epoch'],
      'sequence',
    ),
    rows(
      named(VERSIONS_TABLE),
      [
        ['name', 'String'],
        ['version', 'UInt32'],
        ['revision', 'UInt64'],
        ['declared', 'UInt32'],
        ['role', 'LowCardinality(String)'],
        ['is_paused', 'UInt8'],
        ['share', 'Float64'],
        ['until', 'String'],
        ['definition', 'String'],
        ['reason', 'String'],
        ['at', 'Int64'],
      ],
      ['name', 'version'],
      'revision',
    ),
    rows(
      named(SKIPS_TABLE),
      [
        ['name', 'String'],
        ['version', 'UInt32'],
        ['partition', 'UInt16'],
        ['sequence', 'UInt64'],
        ['reason', 'String'],
        ['said_by', 'String'],
        ['at', 'Int64'],
      ],
      ['name', 'version', 'partition', 'sequence'],
      'at',
    ),
    rows(
      named(FAULTS_TABLE),
      [
        ['name', 'String'],
        ['version', 'UInt32'],
        ['partition', 'UInt16'],
        ['at', 'Int64'],
        ['sequence', 'UInt64'],
        ['cause', 'String'],
      ],
      ['name', 'version', 'partition'],
      'at',
    ),
  ]
}
