/** Totals per currency of whatever a table counts: what people check first when two versions differ. */
import { EVENT_KINDS } from '../../schemas/events.ts'
import type { ViewStore } from '../clickhouse/view-store.ts'
import { whole } from '../sql.ts'
import {
  keyOf,
  STREAMED,
  streamedRowsAt,
  WHOLE_TABLE_SECONDS,
  type Place,
  type StoredTable,
} from './rows-at.ts'

/** Currency → column → sum. Sums may exceed 64 bits. */
export type Totals = ReadonlyMap<string, ReadonlyMap<string, bigint>>

const SUMMED = /^(LowCardinality\()?U?Int64\)?$/

/** The columns that are added up: 64-bit numbers, except those that name a row or its place. */
export function summedColumns({ columns, key, highest }: StoredTable): readonly string[] {
  return columns
    .filter(([name, type]) => SUMMED.test(type) && !key.includes(name) && name !== highest && name !== 'sequence')
    .map(([name]) => name)
} // prettier-ignore

/** How the rows of a table come to a currency; undefined: they do not. */
export function currencySource({ columns }: StoredTable, accounts: string | undefined): 'own' | 'account' | undefined {
  const names = columns.map(([name]) => name)
  if (names.includes('currency')) return 'own'
  return names.includes('account') && accounts !== undefined ? 'account' : undefined
} // prettier-ignore

/**
 * The totals of these columns in one partition, at the place. Rows of an account that is not known are under ''.
 * @param accounts name in the store of the table that knows the currency of each account
 */
export async function totalsOf(
  store: ViewStore,
  table: StoredTable,
  place: Place,
  summed: readonly string[],
  accounts: string | undefined,
): Promise<Totals> {
  const source = currencySource(table, accounts)
  if (source === undefined || summed.length === 0) return new Map()
  const carried = summed.map((column) => ({ expression: column, as: `value_${column}` }))
  const each = (sql: (column: string) => string): string => summed.map(sql).join(', ')
  const sums = each((column) => `sum(toInt128(value_${column}_)) AS sum_${column}`)
  const money = 'toStringCutToZero(toString(currency))'
  const own = `SELECT money_ AS money, ${sums} FROM (
    ${streamedRowsAt(table, place, [], [...carried, { expression: money, as: 'money' }])}) GROUP BY money`
  // No join: what it would have to remember of every account has no bound, and a grouping has one.
  const isKey = keyOf(table).includes('account')
  const numbers = isKey ? [] : [{ expression: 'account', as: 'account' }]
  const byAccount = `SELECT max(known) AS money, ${each((column) => `sum(toInt128(of_${column})) AS value_${column}_`)} FROM (
      SELECT ${isKey ? 'account' : 'account_'} AS number, '' AS known, ${each((column) => `value_${column}_ AS of_${column}`)}
      FROM (${streamedRowsAt(table, place, [], [...carried, ...numbers])})
      UNION ALL
      SELECT account AS number, ${money} AS known, ${each((column) => `0 AS of_${column}`)}
      FROM ${accounts} WHERE partition = ${whole(place.partition)} AND kind = ${EVENT_KINDS.AccountOpened}
    ) GROUP BY number`
  const query = source === 'own' ? own : `SELECT money, ${sums} FROM (${byAccount}) GROUP BY money`
  const rows = await store.query<Record<string, string>>(
    `SELECT money, ${summed.map((name) => `toString(sum_${name}) AS text_${name}`).join(', ')} FROM (${query})
     ORDER BY money SETTINGS ${STREAMED}`,
    {},
    { timeoutSeconds: WHOLE_TABLE_SECONDS },
  )
  return new Map(
    rows.map((row) => [row['money']!, new Map(summed.map((name) => [name, BigInt(row[`text_${name}`]!)]))]),
  )
}

/** Both, added up. */
export function addedTotals(left: Totals, right: Totals): Totals {
  const sums = new Map([...left].map(([currency, own]) => [currency, new Map(own)]))
  for (const [currency, own] of right) {
    const sum = sums.get(currency) ?? new Map<string, bigint>()
    sums.set(currency, sum)
    for (const [column, value] of own) sum.set(column, (sum.get(column) ?? 0n) + value)
  }
  return sums
}
