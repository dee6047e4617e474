/**
 * Two versions of a projection, side by side at one position: whether they say the same, and where they do not. Nothing is
 * written, whatever is found.
 *
 * What can be compared: every table that keeps all its rows, at any position that both versions hold. A table of which only
 * the newest row counts can be compared where both stand, or, of rows that have moved on since, by the table of their past;
 * one that has none and has moved on is told of, and the comparison does not hold.
 */
import { includesPosition, type Position } from '../../schemas/positions.ts'
import type { ViewStore } from '../clickhouse/view-store.ts'
import { differingRows, NAMED_MAX, type RowDifference, type TablePair } from './differing-rows.ts'
import { Digest, differingBuckets, digestBuckets } from './digest.ts'
import { keyOf, movedOn, type ComparedColumn, type Place, type StoredTable } from './rows-at.ts'
import { addedTotals, summedColumns, totalsOf, type Totals } from './totals.ts'

export interface VersionToCompare {
  readonly version: number
  /** Up to where it holds everything. */
  readonly position: Position
  /** As `storedTables` says them. */
  readonly tables: readonly StoredTable[]
}

export interface ComparisonRequest {
  readonly store: ViewStore
  readonly projection: string
  readonly left: VersionToCompare
  readonly right: VersionToCompare
  readonly at: Position
  /** Name in the store of the table that knows the currency of each account; undefined: none does. */
  readonly accounts?: string | undefined
  /** Differing rows that are named of each table: 1 to 64. Default: 20. */
  readonly namedMax?: number
  /** Called with each table that is done. */
  readonly progress?: (table: TableComparison) => void
  readonly signal?: AbortSignal
}

export interface Comparison {
  readonly projection: string
  /** Versions. */
  readonly left: number
  readonly right: number
  readonly at: Position
  /** True if every table has been compared, and is equal. */
  readonly equal: boolean
  readonly tables: readonly TableComparison[]
}

export interface TableComparison {
  readonly table: string
  readonly state: 'equal' | 'different' | 'only left' | 'only right' | 'not comparable'
  /** Why it is not equal, for people; undefined if it is. */
  readonly reason?: string
  readonly rows: { readonly left: bigint; readonly right: bigint }
  /** Of the columns that are compared; empty where nothing was. */
  readonly digests: { readonly left: string; readonly right: string }
  readonly totals: readonly CurrencyTotal[]
  /** The first by key. */
  readonly differences: readonly RowDifference[]
  /** True if more rows differ than are named. */
  readonly hasMore: boolean
  /** Columns that only one of them has. */
  readonly notCompared: readonly { readonly column: string; readonly only: 'left' | 'right' }[]
  /** Columns whose types differ: compared by their text. */
  readonly asText: readonly string[]
}

export interface CurrencyTotal {
  readonly currency: string
  readonly column: string
  readonly left: bigint
  readonly right: bigint
}

const NAMED_DEFAULT = 20
/** A row may move while it is looked at, which never hides a difference but can look like one: then it is looked at again. */
const LOOKS_MAX = 3

/**
 * Compares all tables.
 * @throws RangeError if one of the versions does not hold the position; OutageError; the signal's reason
 */
export async function compareVersions(request: ComparisonRequest): Promise<Comparison> {
  const { projection, left, right, at, namedMax = NAMED_DEFAULT, signal, progress } = request
  if (namedMax < 1 || namedMax > NAMED_MAX)
    throw new RangeError(`1 to ${NAMED_MAX} rows are named of a table`)
  for (const { version, position } of [left, right])
    if (!includesPosition(position, at))
      throw new RangeError(`version ${version} of ${projection} does not hold that position yet`)
  const tables: TableComparison[] = []
  for (const name of new Set([...left.tables, ...right.tables].map(({ table }) => table))) {
    signal?.throwIfAborted()
    const compared = await compareTables(request, tableOf(left, name), tableOf(right, name), namedMax)
    tables.push({ table: name, ...compared })
    progress?.(tables.at(-1)!)
  }
  return {
    projection,
    left: left.version,
    right: right.version,
    at,
    equal: tables.every(({ state }) => state === 'equal'),
    tables,
  }
}

function tableOf({ tables }: VersionToCompare, name: string): StoredTable | undefined {
  return tables.find(({ table }) => table === name)
}

type Compared = Omit<TableComparison, 'table'>

const NOTHING: Omit<Compared, 'state'> = {
  rows: { left: 0n, right: 0n },
  digests: { left: '', right: '' },
  totals: [],
  differences: [],
  hasMore: false,
  notCompared: [],
  asText: [],
}

async function compareTables(
  request: ComparisonRequest,
  left: StoredTable | undefined,
  right: StoredTable | undefined,
  namedMax: number,
): Promise<Compared> {
  if (left === undefined || right === undefined) {
    const state = left === undefined ? 'only right' : 'only left'
    return { ...NOTHING, state, reason: `${state === 'only left' ? 'the right' : 'the left'} version has no such table` }
  } // prettier-ignore
  if (keyText(left) !== keyText(right))
    return {
      ...NOTHING,
      state: 'different',
      reason: `its rows are named by (${keyText(left)}) and by (${keyText(right)})`,
    }
  const places = [...request.at].map(([partition, sequence]): Place => ({ partition, sequence }))
  for (const table of [left, right]) {
    const moved = await placeMovedOn(request.store, table, places)
    if (moved !== undefined)
      return {
        ...NOTHING,
        state: 'not comparable',
        reason: `only the newest row of each key counts, and ${table.name} has moved on behind ${moved.partition}:${moved.sequence}: compare it where both stand`,
      }
  }
  for (let look = 1; ; look++) {
    const compared = await compareRows(request, pairOf(left, right), places, namedMax)
    const mayHaveMoved = left.highest !== undefined || right.highest !== undefined
    if (compared.state === 'equal' || !mayHaveMoved || look === LOOKS_MAX) return compared
  }
}

function keyText(table: StoredTable): string {
  const types = new Map(table.columns)
  return keyOf(table)
    .map((column) => `${column} ${plain(types.get(column) ?? '')}`)
    .join(', ')
}

/** Where rows were that nothing knows any more; undefined: nowhere. */
async function placeMovedOn(
  store: ViewStore,
  table: StoredTable,
  places: readonly Place[],
): Promise<Place | undefined> {
  if (table.highest === undefined || table.past !== undefined) return undefined
  for (const place of places)
    if ((await store.query<{ moved: number }>(movedOn(table, place)))[0]?.moved === 1) return place
  return undefined
}

function pairOf(left: StoredTable, right: StoredTable): TablePair {
  const types = new Map(right.columns)
  const columns = left.columns
    .filter(([name]) => types.has(name))
    .map(([name, type]): ComparedColumn => ({ name, asText: plain(type) !== plain(types.get(name)!) }))
  return { left, right, columns: columns.sort((one, other) => (one.name < other.name ? -1 : 1)) }
}

function plain(type: string): string {
  return type.replace(/^LowCardinality\((.*)\)$/, '$1')
}

/** Partition after partition, so that no query is about more than one. */
async function compareRows(
  { store, accounts, signal }: ComparisonRequest,
  pair: TablePair,
  places: readonly Place[],
  namedMax: number,
): Promise<Compared> {
  const { left, right, columns } = pair
  const digests = { left: new Digest(), right: new Digest() }
  let totals: { readonly left: Totals; readonly right: Totals } = { left: new Map(), right: new Map() }
  const summed = summedColumns(left).filter((column) => summedColumns(right).includes(column))
  const differences: RowDifference[] = []
  let hasMore = false
  for (const place of places) {
    signal?.throwIfAborted()
    const ours = await digestBuckets(store, left, place, columns)
    const theirs = await digestBuckets(store, right, place, columns)
    for (const bucket of ours.values()) digests.left.add(bucket)
    for (const bucket of theirs.values()) digests.right.add(bucket)
    const buckets = differingBuckets(ours, theirs)
    const own = await totalsOf(store, left, place, summed, accounts)
    // Rows that are equal have equal totals.
    const other = buckets.length === 0 ? own : await totalsOf(store, right, place, summed, accounts)
    totals = { left: addedTotals(totals.left, own), right: addedTotals(totals.right, other) }
    const room = namedMax - differences.length
    if (buckets.length > 0 && room === 0) hasMore = true
    if (buckets.length === 0 || room === 0) continue
    const found = await differingRows(store, pair, place, buckets, room)
    differences.push(...found.rows)
    hasMore ||= found.hasMore
  }
  const rows = { left: digests.left.rows, right: digests.right.rows }
  const texts = { left: digests.left.text, right: digests.right.text }
  const isEqual = rows.left === rows.right && texts.left === texts.right
  return {
    state: isEqual ? 'equal' : 'different',
    ...(isEqual ? {} : { reason: reasonOf(rows, differences.length, hasMore) }),
    rows,
    digests: texts,
    totals: sideBySide(totals.left, totals.right),
    differences,
    hasMore,
    notCompared: [...onlyIn(left, right, 'left'), ...onlyIn(right, left, 'right')],
    asText: columns.filter(({ asText }) => asText).map(({ name }) => name),
  }
}

function reasonOf(rows: TableComparison['rows'], named: number, hasMore: boolean): string {
  const counts = rows.left === rows.right ? `${rows.left} rows each` : `${rows.left} and ${rows.right} rows`
  return `${counts}; ${hasMore ? `more than ${named}` : named} differ`
}

function onlyIn(
  one: StoredTable,
  other: StoredTable,
  side: 'left' | 'right',
): readonly { readonly column: string; readonly only: 'left' | 'right' }[] {
  const known = other.columns.map(([name]) => name)
  return one.columns.flatMap(([column]) => (known.includes(column) ? [] : [{ column, only: side }]))
}

function sideBySide(left: Totals, right: Totals): readonly CurrencyTotal[] {
  const all = addedTotals(left, right)
  return [...all].sort(byText).flatMap(([currency, columns]) =>
    [...columns.keys()].map((column) => ({
      currency,
      column,
      left: left.get(currency)?.get(column) ?? 0n,
      right: right.get(currency)?.get(column) ?? 0n,
    })),
  )
}

function byText([one]: readonly [string, unknown], [other]: readonly [string, unknown]): number {
  return one < other ? -1 : 1
}
