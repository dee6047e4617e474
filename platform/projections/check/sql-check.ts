/**
 * An SQL projection tried on sample events, on a real engine: alone and all together, an event has to make the same rows; rows
 * carry the place of their event; and no two of them have one key.
 */
import type { ViewStore } from '../../../projectors/clickhouse/view-store.ts'
import type { ProjectionTable, SqlProjection } from '../../../projectors/projection.ts'
import { encodeEvent } from '../../../schemas/encode-event.ts'
import { EVENT_COLUMNS, type WalletEvent } from '../../../schemas/events.ts'
import { messageOf } from '../../../schemas/errors.ts'
import type { AuthorFault, AuthorFile } from '../author-file.ts'
import { analyseSql, selectOf } from './sql-analysis.ts'

const EVENTS = 'check_events'

/** What a check has looked at, for who wants to know that it was not nothing. */
export interface Checked {
  readonly faults: readonly AuthorFault[]
  /** Rows that the sample made, by table. */
  readonly rows: Readonly<Record<string, number>>
}

/**
 * Tries a projection on events.
 * @param store an engine of its own: a table is made in it
 */
export async function checkSql(
  store: ViewStore,
  projection: SqlProjection,
  source: AuthorFile,
  events: readonly WalletEvent[],
): Promise<Checked> {
  const faults = [...(await analyseSql(store, projection, source))]
  const rows: Record<string, number> = {}
  if (faults.length > 0) return { faults, rows }
  const columns = EVENT_COLUMNS.map(([name, type]) => `${name} ${type}`).join(', ')
  await store.command(`CREATE OR REPLACE TABLE ${EVENTS} (${columns}) ENGINE = Memory`)
  await store.insertPayload(`INSERT INTO ${EVENTS} FORMAT RowBinary`, events.map(encodeEvent))
  for (const table of projection.tables) {
    const { fault, count } = await tryTable(store, table, events)
    rows[table.name] = count
    if (fault !== undefined)
      faults.push(source.fault(`Table ${table.name}: ${fault.problem}`, table.name, fault.word))
  }
  return { faults, rows }
}

type Row = Readonly<Record<string, unknown>>

async function tryTable(
  store: ViewStore,
  table: ProjectionTable,
  events: readonly WalletEvent[],
): Promise<{ readonly count: number; readonly fault?: { readonly problem: string; readonly word: string } }> {
  const ask = (from: string): Promise<Row[]> => store.query<Row>(selectOf(table, from))
  let together: Row[]
  try {
    together = await ask(EVENTS)
  } catch (error) {
    const problem = `it fails on a sample event: ${messageOf(error)}`
    return { count: 0, fault: { problem, word: 'select' } }
  }
  const count = together.length
  const place = together.find(({ partition, sequence }) => events[Number(sequence) - 1]?.partition !== partition)
  if (place !== undefined)
    return {
      count,
      fault: { problem: 'partition and sequence of a row have to be those of its event.', word: 'select' },
    }
  for (const { sequence, kind } of events) {
    const alone = await ask(`(SELECT * FROM ${EVENTS} WHERE sequence = ${sequence})`)
    const among = together.filter((row) => String(row['sequence']) === String(sequence))
    if (textOf(alone) === textOf(among)) continue
    const problem = `the event ${sequence} (${kind}) makes other rows alone than among others: ${textOf(alone)} and ${textOf(among)}. A row has to follow from one event alone.`
    return { count, fault: { problem, word: 'select' } }
  }
  const twice = sameKey(table, together)
  if (twice === undefined) return { count }
  const problem = `the key (${table.key.join(', ')}) does not tell two rows apart: ${twice}. Add columns to it until it does.`
  return { count, fault: { problem, word: 'key' } }
} // prettier-ignore

/** Two rows of one key, if there are any. Where only the highest counts, rows of one key are what is wanted. */
function sameKey({ key, highest }: ProjectionTable, rows: readonly Row[]): string | undefined {
  const seen = new Map<string, Row>()
  const columns = ['partition', ...key, ...(highest === undefined ? [] : [highest.column])]
  for (const row of rows) {
    const name = JSON.stringify(columns.map((column) => row[column]))
    const other = seen.get(name)
    if (other !== undefined) return `${JSON.stringify(other)} and ${JSON.stringify(row)}`
    seen.set(name, row)
  }
  return undefined
}

/** Rows in an order of their own, so that two lists of them can be compared. */
function textOf(rows: readonly Row[]): string {
  return `[${rows
    .map((row) => JSON.stringify(row))
    .sort()
    .join(', ')}]`
}
