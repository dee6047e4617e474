/**
 * The rows of a table at a place of the log, each key once, as SQL. Repeats are dropped by the key while the rows stream in
 * the order in which they are sorted, so that memory does not grow with the table, and no merge is waited for.
 */
import type { CodeTable, ColumnType } from '../code-projection.ts'
import { tableName, type Projection, type ProjectionTable } from '../projection.ts'
import type { Definition } from '../registry/versions.ts'
import { whole } from '../sql.ts'

/** A table of one version, wherever it stands. */
export interface StoredTable {
  /** As its projection calls it. */
  readonly table: string
  /** Its name in the store. */
  readonly name: string
  readonly columns: readonly (readonly [name: string, type: string])[]
  /** What names a row within its partition. */
  readonly key: readonly string[]
  /** Of the rows of one key only the one with the highest value in this column counts. */
  readonly highest?: string | undefined
  /** Name in the store of the table that has all rows of which this one has the highest alone. */
  readonly past?: string | undefined
}

/** One partition up to a sequence. */
export interface Place {
  readonly partition: number
  readonly sequence: bigint
}

/** A column as both sides of a comparison have it: those of another type on the other side are compared as text. */
export interface ComparedColumn {
  readonly name: string
  readonly asText: boolean
}

const TIME = "DateTime64(9, 'UTC')"

/**
 * The tables of a version of a projection: none of a sink.
 * @param nameOf says where a table stands, also one of another projection (`past`); by default where this version is
 */
export function storedTables(
  projection: Projection,
  nameOf: (table: string) => string = (table) => tableName(projection, table),
): readonly StoredTable[] {
  if (projection.kind === 'sink') return []
  if (projection.kind === 'sql') return projection.tables.map((table) => ofSql(table, nameOf))
  return Object.entries(projection.tables).map(([name, table]) => ofCode(name, table, nameOf))
}

/**
 * The same of what the registry says of a version.
 * @param elsewhere where a table of another projection stands; undefined: nowhere
 */
export function definedTables(
  { tables = [], codeTables = {} }: Pick<Definition, 'tables' | 'codeTables'>,
  version: number,
  elsewhere: (table: string) => string | undefined,
): readonly StoredTable[] {
  const own = new Set(tables.map(({ name }) => name))
  const nameOf = (table: string): string =>
    (own.has(table) ? undefined : elsewhere(table)) ?? tableName({ version }, table)
  const code = Object.entries(codeTables).map(([name, table]) =>
    ofCode(name, table, (one) => tableName({ version }, one)),
  )
  return [...tables.map((table) => ofSql(table, nameOf)), ...code]
}

function ofCode(
  table: string,
  { columns, key, latest = false }: CodeTable,
  nameOf: (table: string) => string,
): StoredTable {
  return {
    table,
    name: nameOf(table),
    columns: [
      ['partition', 'UInt16'],
      ['sequence', 'UInt64'],
      ...Object.entries(columns).map(([name, type]) => [name, storedType(type)] as const),
    ],
    key: latest ? key : [...key, 'sequence'],
    ...(latest ? { highest: 'sequence' } : {}),
  }
}

function ofSql({ name, columns, key, highest }: ProjectionTable, nameOf: (table: string) => string): StoredTable {
  const own = { table: name, name: nameOf(name), columns, key }
  return highest === undefined ? own : { ...own, highest: highest.column, past: nameOf(highest.past) }
} // prettier-ignore

function storedType(type: ColumnType): string {
  return type === 'Time' ? TIME : type
}

/** What all queries over whole tables say: they stream in sorted order, and what does not goes by way of the disk. */
export const STREAMED =
  'optimize_aggregation_in_order = 1, optimize_read_in_order = 1, max_block_size = 16384, max_bytes_before_external_group_by = 134217728, max_bytes_before_external_sort = 134217728'

/** Seconds that a query over a whole table may take. */
export const WHOLE_TABLE_SECONDS = 3_600

/** The key as a list of columns; of a table with one row in all, the partition. */
export function keyOf({ key }: StoredTable): readonly string[] {
  const within = key.filter((column) => column !== 'partition')
  return within.length === 0 ? ['partition'] : within
}

/** A hash of the key: the same for the same key in every version that has it in columns of these types. */
export function keyHash(table: StoredTable): string {
  return `cityHash64(${keyOf(table).join(', ')})`
}

function textOf(column: string): string {
  return `toString(${column})`
}

/** A hash of the columns that are compared; a constant if there are none. */
export function rowHash(columns: readonly ComparedColumn[]): string {
  const values = columns.map(({ name, asText }) => (asText ? textOf(name) : name))
  return values.length === 0 ? 'toUInt64(0)' : `cityHash64(${values.join(', ')})`
}

/** An expression that is carried along with each row, and its name. */
export interface Carried {
  readonly expression: string
  readonly as: string
}

/**
 * A SELECT of one row per key: the key's columns, `least__` and `most__` (the same hash, unless rows of one key contradict
 * each other), and whatever is carried along. A table of which only the highest row counts, and which has moved on, gives
 * what the table of its past has as the highest.
 * @param condition on the key's columns
 */
export function rowsAt(
  table: StoredTable,
  place: Place,
  columns: readonly ComparedColumn[],
  {
    carried = [],
    condition = '1',
  }: { readonly carried?: readonly Carried[]; readonly condition?: string } = {},
): string {
  const keys = keyOf(table).join(', ')
  const { highest } = table
  const where = `partition = ${whole(place.partition)} AND ${condition}`
  const upTo = `sequence <= ${whole(place.sequence)}`
  const scan = (name: string, bound: string): string => {
    const ranked = highest === undefined ? [] : [`${highest} AS rank__`, 'sequence AS sequence__']
    const others = carried.map(({ expression, as }) => `${expression} AS ${as}`)
    return `SELECT ${[keys, ...ranked, `${rowHash(columns)} AS hash__`, ...others].join(', ')}
      FROM ${name} WHERE ${where} AND ${bound}`
  }
  const picked = (pick: (column: string) => string): string =>
    carried.map(({ as }) => `, ${pick(as)} AS ${as}_`).join('')
  if (highest === undefined)
    return `SELECT ${keys}, min(hash__) AS least__, max(hash__) AS most__${picked((column) => `any(${column})`)}
      FROM (${scan(table.name, upTo)}) GROUP BY ${keys}`
  const newest = (rows: string): string =>
    `SELECT ${keys}, argMax(hash__, (rank__, bitNot(hash__))) AS least__, argMax(hash__, (rank__, hash__)) AS most__,
       argMax(sequence__, rank__) AS newest__${picked((column) => `argMax(${column}, rank__)`)}
     FROM (${rows}) GROUP BY ${keys}`
  const held = `SELECT * EXCEPT newest__ FROM (${newest(scan(table.name, '1'))}) WHERE newest__ <= ${whole(place.sequence)}`
  if (table.past === undefined) return held
  const moved = `(${keys}) IN (SELECT ${keys} FROM ${table.name} WHERE ${where} AND NOT ${upTo})`
  return `${held} UNION ALL SELECT * EXCEPT newest__ FROM (${newest(scan(table.past, `${upTo} AND ${moved}`))})`
}

/**
 * As `rowsAt`, in less than half the time: rows of one key that contradict each other are each a row of their own, or, where
 * no column is compared, any of them stands for all.
 */
export function streamedRowsAt(
  table: StoredTable,
  place: Place,
  columns: readonly ComparedColumn[],
  carried: readonly Carried[] = [],
): string {
  if (table.highest !== undefined) return rowsAt(table, place, columns, { carried })
  const hash = columns.length === 0 ? [] : ['hash__']
  const once = [...keyOf(table), ...hash].join(', ')
  const others = carried.map(({ expression, as }) => `${expression} AS ${as}_`)
  const hashes =
    columns.length === 0 ? [] : [`${rowHash(columns)} AS hash__`, 'hash__ AS least__', 'hash__ AS most__']
  return `SELECT ${[...keyOf(table), ...hashes, ...others].join(', ')} FROM ${table.name}
    WHERE partition = ${whole(place.partition)} AND sequence <= ${whole(place.sequence)}
    ORDER BY ${once} LIMIT 1 BY ${once}`
}

/** A query whether a table has rows behind the place: one row, `moved`, 1 or 0. */
export function movedOn({ name }: StoredTable, { partition, sequence }: Place): string {
  return `SELECT count() > 0 AS moved FROM (SELECT 1 FROM ${name}
    WHERE partition = ${whole(partition)} AND sequence > ${whole(sequence)} LIMIT 1)`
}
