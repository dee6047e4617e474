/** The tables of a code projection: those that it declares, and the one that keeps its states. */
import { createTables, OF_VIEWS, type TableShape } from '../clickhouse/layout.ts'
import type { CodeProjection, CodeTable } from '../code-projection.ts'
import { tableName, type Layout } from '../projection.ts'
import { COLUMNS } from './values/columns.ts'

/** What is declared of a code projection: all but its functions. */
export type DeclaredCode = Pick<CodeProjection, 'kind' | 'name' | 'version' | 'partitioning' | 'tables'> & {
  /** Whether it keeps states: whether its file has `keysOf`. */
  readonly isStateful: boolean
}

/** What is declared of a projection that has been loaded. */
export function declaredOf(projection: CodeProjection): DeclaredCode {
  const { kind, name, version, partitioning, tables } = projection
  return {
    kind,
    name,
    version,
    ...(partitioning === undefined ? {} : { partitioning }),
    tables,
    isStateful: projection.keysOf !== undefined,
  }
}

/** A table's name in ClickHouse. @param version counted by the store, not by the author */
export function codeTableName(table: string, version: number, { database = '' }: Layout = {}): string {
  return tableName({ version }, table, database)
}

export function stateTableName(projection: Pick<DeclaredCode, 'name'>, version: number, layout: Layout = {}): string {
  return codeTableName(`${projection.name}_state`, version, layout)
} // prettier-ignore

/** Names of all tables of a version, without their database. */
export function codeTableNames(projection: DeclaredCode, version: number): readonly string[] {
  return [
    ...Object.keys(projection.tables).map((table) => codeTableName(table, version)),
    ...(projection.isStateful ? [stateTableName(projection, version)] : []),
  ]
}

/** Statements that make what is not there yet. Safe to repeat. */
export function createCodeTables(projection: DeclaredCode, version: number, layout: Layout): string[] {
  return shapesOf(projection, version, layout).flatMap((shape) => createTables(shape, layout))
}

function shapesOf(projection: DeclaredCode, version: number, layout: Layout): TableShape[] {
  return [
    ...Object.entries(projection.tables).map(([name, table]) =>
      tableShape(codeTableName(name, version, layout), table),
    ),
    ...(projection.isStateful ? [stateShape(stateTableName(projection, version, layout))] : []),
  ]
}

function tableShape(name: string, { columns, key, latest = false }: CodeTable): TableShape {
  return {
    name,
    columns: [
      ['partition', 'UInt16'],
      ['sequence', 'UInt64'],
      ...Object.entries(columns).map(([column, type]) => [column, COLUMNS[type].type] as const),
    ],
    engine: {
      kind: 'replacing',
      highest: latest ? 'sequence' : undefined,
      partitionBy: 'partition',
      // The rows of an event are alike for ever, so any of a repeat may stay; of what only the newest counts, the newest.
      key: latest ? (key.length === 0 ? ['partition'] : key) : [...key, 'sequence'],
      // A token would keep out the rows of a range of which a part has been emptied by hand.
      tokensRemembered: 0,
      settings: OF_VIEWS,
    },
  }
}

/**
 * Divided by partition, so that the states of one range, which are of one partition, are one part: all of them appear, or
 * none. The empty key is the mark: its sequence is that of the last event that all states of the partition include.
 */
function stateShape(name: string): TableShape {
  return {
    name,
    columns: [
      ['partition', 'UInt16'],
      ['key', 'String'],
      ['sequence', 'UInt64'],
      ['state', 'String'],
    ],
    engine: {
      kind: 'replacing',
      highest: 'sequence',
      partitionBy: 'partition',
      key: ['key'],
      tokensRemembered: 0,
      settings: OF_VIEWS,
    },
  }
}
