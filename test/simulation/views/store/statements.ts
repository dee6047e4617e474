/** The statements that the views' runtime sends, understood; any other is a fault of the simulation and throws. */
import {
  createStatements,
  dropStatements,
  insertStatement,
} from '../../../projectors/clickhouse/view-tables.ts'
import type { QueryParameters } from '../../../projectors/clickhouse/view-store.ts'
import type { TableRow } from './tables.ts'
import { CHECKPOINTS, PROJECTIONS } from './rows.ts'

export type Statement =
  | { readonly kind: 'create' | 'drop'; readonly name: string }
  | { readonly kind: 'checkpoint'; readonly rows: readonly TableRow[] }
  | { readonly kind: 'insert' }
  | { readonly kind: 'read checkpoints' }
  | { readonly kind: 'which tables'; readonly names: readonly string[] }

const CREATE = /^CREATE (?:TABLE|MATERIALIZED VIEW) IF NOT EXISTS (\w+)\s/
const DROP = /^DROP (?:TABLE|VIEW) IF EXISTS (\w+) SYNC$/
const known = new Set([...createStatements(PROJECTIONS), ...dropStatements(PROJECTIONS)])

export function understand(sql: string, parameters: QueryParameters = {}): Statement {
  if (known.has(sql)) {
    const created = CREATE.exec(sql)?.[1]
    if (created !== undefined) return { kind: 'create', name: created }
    const dropped = DROP.exec(sql)?.[1]
    if (dropped !== undefined) return { kind: 'drop', name: dropped }
  }
  if (sql === insertStatement(PROJECTIONS)) return { kind: 'insert' }
  if (sql.startsWith(`INSERT INTO ${CHECKPOINTS} (projection_name,`)) {
    const { projections, partition, sequence, hash, recorded_at: recordedAt } = parameters
    const newest = BigInt(String(sequence))
    return {
      kind: 'checkpoint',
      rows: (projections as readonly string[]).map((projection) => ({
        key: `${projection}/${String(partition)}`,
        sequence: newest,
        version: newest,
        text: `${String(hash)} ${String(recordedAt)}`,
      })),
    }
  }
  if (
    sql.startsWith('SELECT projection_name AS projection_name, partition, max(sequence) AS newest,') &&
    sql.includes(`FROM ${CHECKPOINTS} `)
  )
    return { kind: 'read checkpoints' }
  if (sql.startsWith('SELECT name FROM system.tables WHERE database = currentDatabase() AND name IN '))
    return { kind: 'which tables', names: parameters['names'] as readonly string[] }
  throw new Error(`the simulated store does not know the statement ${sql}`)
}
