/**
 * What can be said of a view without an event and without an engine: names, tables, columns, keys, functions. Told before
 * anything starts, all at once, with the author's lines.
 */
import type { View } from '../../gateway/view.ts'
import type { CodeProjection, CodeTable } from '../../projectors/code-projection.ts'
import { COLUMNS } from '../../projectors/code/values/columns.ts'
import { tablesOf, type ProjectionTable, type SqlProjection } from '../../projectors/projection.ts'
import type { AuthorFault, AuthorFile } from './author-file.ts'
import { isColumnType } from './column-types.ts'

/** Room is left for what the platform puts around a name: `feed_NAME_v12`. */
const NAME = /^[a-z][a-z0-9_]{0,47}$/
const COLUMN = /^[A-Za-z_][A-Za-z0-9_]{0,62}$/
const NAME_WANTED = 'lower-case letters, digits and underscores, a letter first, 48 at most'
const VERSION_MAX = 65_535
/** Tables of the platform's own begin so. */
const RESERVED = /^(feed|checkpoints|projection|imports)(_|$)/

const FIELDS = {
  sql: ['kind', 'name', 'version', 'partitioning', 'tables'],
  code: ['kind', 'name', 'version', 'partitioning', 'tables', 'keysOf', 'initial', 'fold', 'project'],
  sink: ['kind', 'name', 'version', 'project', 'open'],
} as const
const SQL_TABLE = ['name', 'columns', 'key', 'highest', 'select', 'where', 'indexes', 'mergedPartBytesMax']
const CODE_TABLE = ['columns', 'key', 'latest']

/** A view, and the file that it stands in. */
export interface AuthoredView {
  readonly view: View
  readonly source: AuthorFile
  /** URL of the module that holds the author's code: what his stacks name. */
  readonly built: string
}

type Say = (problem: string, ...words: readonly string[]) => void
/** What an author handed over: its type is what he claims. */
type Given = Readonly<Record<string, unknown>>

/**
 * Everything that is wrong with these views, alone and beside each other.
 * @param others views that are there already; nothing is said of those
 */
export function faultsOf(views: readonly AuthoredView[], others: readonly View[]): AuthorFault[] {
  const faults: AuthorFault[] = []
  const names = new Set(others.map(({ projection }) => projection.name))
  const tables = new Map(others.flatMap(({ projection }) => tablesOf(projection).map((table) => [table, projection.name] as const))) // prettier-ignore
  for (const { view, source } of views) {
    const before = faults.length
    const say: Say = (problem, ...words) => faults.push(source.fault(problem, ...words))
    checkView(view as unknown as Given, say)
    if (faults.length > before) continue
    const { projection } = view
    if (names.has(projection.name))
      say(`There is a projection ${projection.name} already. Give this one another name.`, projection.name)
    names.add(projection.name)
    for (const table of tablesOf(projection)) {
      const owner = tables.get(table)
      if (owner !== undefined)
        say(`The projection ${owner} has a table ${table} already. Give this one another name.`, table)
      tables.set(table, projection.name)
    }
  }
  return faults
}

function isObject(value: unknown): value is Given {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function checkView({ projection, addToSchema, ...rest }: Given, say: Say): void {
  const unknown = Object.keys(rest).filter((key) => key !== 'required' && key !== 'module')
  for (const key of unknown) say(`A view has no field ${key}.`, key)
  if (addToSchema !== undefined && typeof addToSchema !== 'function')
    say('addToSchema is a function that is given the kit of the schema.', 'addToSchema')
  if (!isObject(projection)) return say('A view has a projection: `{ projection, addToSchema }`.')
  const { kind, name, version, partitioning } = projection
  if (kind !== 'sql' && kind !== 'code' && kind !== 'sink')
    return say(`The kind of a projection is 'sql', 'code' or 'sink', not ${show(kind)}.`, 'kind')
  for (const key of unknownIn(projection, FIELDS[kind]))
    say(`A projection of the kind ${kind} has no field ${key}.`, key)
  if (typeof name !== 'string' || !NAME.test(name))
    say(`The name of a projection has ${NAME_WANTED}; ${show(name)} is none.`, 'name')
  if (!Number.isInteger(version) || (version as number) < 1 || (version as number) > VERSION_MAX)
    say(`The version is a whole number from 1 to ${VERSION_MAX}, not ${show(version)}.`, 'version')
  if (partitioning !== undefined && partitioning !== 'account' && partitioning !== 'whole')
    say(`The partitioning is 'account' or 'whole', not ${show(partitioning)}.`, 'partitioning')
  if (kind === 'sql') checkSql(projection as unknown as SqlProjection, say)
  else if (kind === 'code') checkCode(projection as unknown as CodeProjection, say)
  else checkSink(projection, say)
}

function checkSql({ tables }: SqlProjection, say: Say): void {
  if (!isList(tables) || tables.length === 0)
    return say('An SQL projection has one table at least.', 'tables')
  const names = tables.map((table) =>
    isObject(table) ? (table as unknown as ProjectionTable).name : undefined,
  )
  for (const [index, table] of tables.entries()) {
    if (!isObject(table)) return say(`Table ${index + 1} is ${show(table)}, no table.`, 'tables')
    if (!checkTableName(table.name, say)) continue
    if (names.indexOf(table.name) !== index)
      say(`The table ${table.name} is there twice. Give one another name.`, table.name)
    checkSqlTable(table, names, (problem, ...words) =>
      say(`Table ${table.name}: ${problem}`, table.name, ...words),
    )
  }
}

function checkSqlTable(table: ProjectionTable, tables: readonly unknown[], say: Say): void {
  for (const key of unknownIn(table as unknown as Given, SQL_TABLE)) say(`A table has no field ${key}.`, key)
  const { columns, key, select, where, highest, indexes } = table
  if (!isList(columns) || columns.some((one) => !isList(one) || one.length !== 2))
    return say("columns are pairs of name and type: [['partition', 'UInt16'], …].", 'columns')
  const names = columns.map(([name]) => name)
  for (const [index, [name, type]] of columns.entries()) {
    if (typeof name !== 'string' || !COLUMN.test(name))
      say(`${show(name)} is no name for a column.`, 'columns')
    else if (names.indexOf(name) !== index) say(`The column ${name} is there twice.`, name)
    if (typeof type !== 'string' || !isColumnType(type))
      say(`The column ${name} has the type ${show(type)}, which ClickHouse does not know.`, 'columns', name)
  }
  if (columns[0]?.[0] !== 'partition' || columns[0][1] !== 'UInt16')
    say("The first column has to be ['partition', 'UInt16'].", 'columns')
  if (!columns.some(([name, type]) => name === 'sequence' && type === 'UInt64'))
    say(
      "The column ['sequence', 'UInt64'] is missing: without it no query can be pinned to a position.",
      'columns',
    )
  if (!isList(key) || key.length === 0)
    say('key names the columns that tell rows of a partition apart; most end in sequence.', 'key')
  else
    for (const name of key)
      if (!names.includes(name)) say(`The key names ${show(name)}, which is no column.`, 'key', String(name))
  if (typeof select !== 'string' || select.trim() === '')
    say('select is what stands between SELECT and FROM.', 'select')
  if (where !== undefined && typeof where !== 'string') say('where is a text.', 'where')
  if (indexes !== undefined && !(isList(indexes) && indexes.every((one) => typeof one === 'string')))
    say('indexes are texts: INDEX … clauses.', 'indexes')
  if (highest === undefined) return
  if (!names.includes(highest.column))
    say(`highest names the column ${show(highest.column)}, which is none.`, 'highest')
  if (!tables.includes(highest.past) || highest.past === table.name)
    say(
      `highest names the table ${show(highest.past)} as the one that keeps every row; it has to be another table of this projection.`,
      'highest',
    )
}

function checkCode(projection: CodeProjection, say: Say): void {
  const { tables } = projection
  if (typeof projection.project !== 'function')
    say('project is missing: it makes the rows of an event.', 'project')
  const stateful = (['keysOf', 'initial', 'fold'] as const).filter((name) => projection[name] !== undefined)
  for (const name of stateful) if (typeof projection[name] !== 'function') say(`${name} is a function.`, name)
  if (stateful.length !== 0 && stateful.length !== 3)
    say(
      `keysOf, initial and fold come together, or none of them: here there is only ${stateful.join(' and ')}.`,
      stateful[0]!,
    )
  if (!isObject(tables) || Object.keys(tables).length === 0)
    return say('A code projection has one table at least.', 'tables')
  for (const [name, table] of Object.entries(tables)) {
    if (!checkTableName(name, say)) continue
    if (!isObject(table)) {
      say(`The table ${name} has columns and a key.`, name)
      continue
    }
    checkCodeTable(table, (problem, ...words) => say(`Table ${name}: ${problem}`, 'tables', name, ...words))
  }
}

function checkCodeTable(table: CodeTable, say: Say): void {
  for (const key of unknownIn(table as unknown as Given, CODE_TABLE)) say(`A table has no field ${key}.`, key)
  const { columns, key, latest } = table
  if (!isObject(columns) || Object.keys(columns).length === 0)
    return say('columns are missing: { amount: "Int64", … }.', 'columns')
  for (const [name, type] of Object.entries(columns as Readonly<Record<string, unknown>>)) {
    if (name === 'partition' || name === 'sequence')
      say(`The runtime puts a column ${name} there by itself. Leave it away.`, name)
    else if (!COLUMN.test(name)) say(`${show(name)} is no name for a column.`, name)
    if (!Object.hasOwn(COLUMNS, String(type)))
      say(
        `The column ${name} has the type ${show(type)}. There are: ${Object.keys(COLUMNS).join(', ')}.`,
        name,
      )
  }
  if (!isList(key)) say('key names the columns that tell the rows of one event apart.', 'key')
  else
    for (const name of key)
      if (!Object.hasOwn(columns, name))
        say(`The key names ${show(name)}, which is no column.`, 'key', String(name))
  if (latest !== undefined && typeof latest !== 'boolean') say('latest is true or false.', 'latest')
}

function checkSink({ project, open }: Given, say: Say): void {
  if (typeof project !== 'function') say('project is missing: it makes the messages of an event.', 'project')
  if (typeof open !== 'function') say('open is missing: it opens the way to where messages go.', 'open')
}

/** Says nothing to the compiler: what an author claims stays his claim. */
function isList(value: unknown): boolean {
  return Array.isArray(value)
}

function checkTableName(name: unknown, say: Say): boolean {
  const isFit = typeof name === 'string' && NAME.test(name) && !RESERVED.test(name)
  if (!isFit)
    say(
      typeof name === 'string' && RESERVED.test(name)
        ? `Tables of the platform's own are called like ${name}. Choose another name.`
        : `The name of a table has ${NAME_WANTED}; ${show(name)} is none.`,
      'tables',
      String(name),
    )
  return isFit
}

function unknownIn(given: Given, known: readonly string[]): string[] {
  return Object.keys(given).filter((key) => !known.includes(key))
}

function show(value: unknown): string {
  if (typeof value === 'string') return `"${value}"`
  if (typeof value === 'bigint' || typeof value === 'number' || typeof value === 'boolean')
    return String(value)
  return value === undefined ? 'nothing' : isList(value) ? 'a list' : `a value of type ${typeof value}`
}
