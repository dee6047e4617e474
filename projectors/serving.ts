/**
 * Which version of each projection readers read, and the store that reads it. Queries name tables as their authors do,
 * `FROM {history:Identifier}`; which table that is just now is bound when the query is sent.
 */
import type { Position } from '../schemas/positions.ts'
import { OutageError, type QueryParameters, type ViewStore } from './clickhouse/view-store.ts'
import { tableName, tablesOf, type Projection } from './projection.ts'

export interface Serving {
  /** The version of a projection that readers read; undefined: none serves yet. */
  versionOf(projection: string): number | undefined
  /** Logical table name → name in the store, in the store's own database; for all that serve. */
  tables(): Readonly<Record<string, string>>
  /** Up to where the serving version of a projection holds everything; empty where none serves. */
  positionOf(projection: string): Position
  /** Looks again at what serves, where that is not known by itself. */
  refresh?(): Promise<void>
}

/**
 * One version of each of these projections, for ever: for tests, and for proofs of views at rest. It knows no position.
 * @param version of all of them; by default each one's own, as declared
 */
export function fixedServing(projections: readonly Projection[], version?: number): Serving {
  const versions = new Map(projections.map((one) => [one.name, version ?? one.version]))
  const tables = Object.fromEntries(
    projections.flatMap((one) =>
      tablesOf(one).map((table) => [table, tableName({ version: version ?? one.version }, table)]),
    ),
  )
  return {
    versionOf: (projection) => versions.get(projection),
    tables: () => tables,
    positionOf: () => new Map(),
  }
}

/** A query names a table that no serving projection has: a mistake of whoever wrote it. */
export class TableNotServedError extends Error {
  override readonly name = 'TableNotServedError'
  readonly code = 'TABLE_NOT_SERVED'
}

const IDENTIFIER = /\{\s*([A-Za-z_]\w*)\s*:\s*Identifier\s*\}/g
/** ClickHouse's code of an unknown table. */
const UNKNOWN_TABLE = '60'

/**
 * The same store, except that queries and commands are bound to the tables that serve: exactly those that a text names, and
 * that its caller has not bound himself. A version that is dropped between binding and running costs a second try.
 * @throws (its calls) TableNotServedError; OutageError where nothing serves at all; as the store
 */
export function servedStore(store: ViewStore, serving: Serving): ViewStore {
  const bound = async <Result>(
    sql: string,
    own: QueryParameters | undefined,
    run: (parameters: QueryParameters | undefined) => Promise<Result>,
  ): Promise<Result> => {
    const names = tablesNamedIn(sql)
    if (names.length === 0) return run(own)
    const before = bindingOf(names, serving, own)
    try {
      return await run(before)
    } catch (error) {
      if (!isUnknownTable(error)) throw error
      await serving.refresh?.()
      const now = bindingOf(names, serving, own)
      if (names.every((name) => now[name] === before[name])) throw error
      return run(now)
    }
  }
  return {
    query: <Row extends object>(...[sql, own, options]: Parameters<ViewStore['query']>) =>
      bound(sql, own, (parameters) => store.query<Row>(sql, parameters, options)),
    command: (sql, own) => bound(sql, own, (parameters) => store.command(sql, parameters)),
    insertPayload: (...insert) => store.insertPayload(...insert),
    ping: (signal) => store.ping(signal),
    close: () => store.close(),
  }
}

/**
 * The identifiers that a text leaves open, in order; a name may come twice. Positions stand in the texts, so nearly every
 * text is another one: they are looked through, which costs less than to remember them.
 */
function tablesNamedIn(sql: string): readonly string[] {
  return Array.from(sql.matchAll(IDENTIFIER), (match) => match[1]!)
}

function bindingOf(
  names: readonly string[],
  serving: Serving,
  own: QueryParameters | undefined,
): QueryParameters {
  const tables = serving.tables()
  const binding: Record<string, QueryParameters[string]> = { ...own }
  for (const name of names)
    if (!Object.hasOwn(binding, name)) binding[name] = tables[name] ?? notServed(name, tables)
  return binding
}

function notServed(name: string, tables: Readonly<Record<string, string>>): never {
  const served = Object.keys(tables)
  if (served.length === 0) throw new OutageError('No version of any view serves yet.')
  throw new TableNotServedError(
    `No view that serves has a table ${name}. There are: ${served.sort().join(', ')}.`,
  )
}

/** Judged by the code: types are parsed from the server's message, and may be another word of it. */
function isUnknownTable(error: unknown): boolean {
  return error instanceof Error && (error as { readonly code?: unknown }).code === UNKNOWN_TABLE
}
