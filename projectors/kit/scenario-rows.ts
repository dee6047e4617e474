/** The rows that readers of a view see, and whether they are those that a scenario expects. */
import type { ViewStore } from '../clickhouse/view-store.ts'
import type { Projection } from '../projection.ts'
import { within } from '../sql.ts'
import type { Position } from '../../schemas/positions.ts'
import { ScenarioError } from './scenario-commands.ts'

export type Row = Readonly<Record<string, unknown>>
/** Rows by table, in the order of the log, then of the key. */
export type RowsByTable = Readonly<Record<string, readonly Row[]>>

/** @param nameOf the name in the store of a table that the projection calls so */
export async function readRows(
  store: ViewStore,
  projection: Projection,
  nameOf: (table: string) => string,
  upTo: Position,
): Promise<RowsByTable> {
  const rows: Record<string, Row[]> = {}
  for (const { name, key, newest, times } of shapesOf(projection)) {
    const replaced = times.map((column) => `toUnixTimestamp64Nano(${column}) AS ${column}`).join(', ')
    const columns = replaced === '' ? '*' : `* REPLACE (${replaced})`
    const one = ['partition', ...key].join(', ')
    // Repeats are dropped by the key, as every reader does it.
    rows[name] = await store.query(
      `SELECT ${columns} FROM (
         SELECT * FROM ${nameOf(name)} WHERE ${within(upTo)}
         ORDER BY ${one}${newest === undefined ? '' : `, ${newest} DESC`} LIMIT 1 BY ${one})
       ORDER BY ${[...new Set(['partition', 'sequence', ...key])].join(', ')}`,
    )
  }
  return rows
}

interface Shape {
  readonly name: string
  /** What names a row within its partition. */
  readonly key: readonly string[]
  /** The column whose highest value counts. */
  readonly newest?: string | undefined
  /** Columns that are told in nanoseconds, as authors write them. */
  readonly times: readonly string[]
}

function shapesOf(projection: Projection): readonly Shape[] {
  if (projection.kind === 'sink') return []
  if (projection.kind === 'sql')
    return projection.tables.map(({ name, key, highest }) => ({ name, key, newest: highest?.column, times: [] }))
  return Object.entries(projection.tables).map(([name, { columns, key, latest }]) => ({
    name,
    key: latest === true ? key : ['sequence', ...key],
    newest: latest === true ? 'sequence' : undefined,
    times: Object.keys(columns).filter((column) => columns[column] === 'Time'),
  }))
} // prettier-ignore

/**
 * Compares the columns that are expected; others may hold anything. Numbers and times are compared as text.
 * @throws ScenarioError that shows the first row that differs
 */
export function expectRows(run: string, found: RowsByTable, expected: RowsByTable): void {
  for (const [table, rows] of Object.entries(expected)) {
    const there = found[table]
    if (there === undefined)
      throw new ScenarioError(
        `The view has no table ${table}. It has: ${Object.keys(found).join(', ') || 'none'}.`,
      )
    for (let index = 0; index < Math.max(rows.length, there.length); index++) {
      const [wanted, is] = [rows[index], there[index]]
      const isSame = wanted !== undefined && is !== undefined && Object.keys(wanted).every((column) => textOf(wanted[column]) === textOf(is[column])) // prettier-ignore
      if (isSame) continue
      throw new ScenarioError(
        `${run}: row ${index + 1} of ${table} is ${shown(is)}; expected is ${shown(wanted)}.`,
      )
    }
  }
}

/** @throws ScenarioError for the first row in which a run differs from the first one */
export function expectSame(run: string, found: RowsByTable, first: RowsByTable): void {
  for (const [table, rows] of Object.entries(first)) {
    const there = found[table] ?? []
    const at = rows.findIndex((row, index) => shown(row) !== shown(there[index]))
    const differs = at === -1 && there.length > rows.length ? rows.length : at
    if (differs === -1) continue
    throw new ScenarioError(
      `${run}: row ${differs + 1} of ${table} is ${shown(there[differs])}; at first it was ${shown(rows[differs])}.`,
    )
  }
}

function textOf(value: unknown): string {
  return typeof value === 'object' && value !== null ? shown(value) : String(value)
}

/** A value as a sentence shows it. */
export function shown(value: unknown): string {
  if (value === undefined) return 'not there'
  return JSON.stringify(value, (_name, one: unknown) => (typeof one === 'bigint' ? one.toString() : one))
}
