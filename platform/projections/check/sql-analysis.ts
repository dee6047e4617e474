/**
 * What the engine says of an SQL projection without reading an event: whether its SELECTs can be understood, whether they
 * look at one event alone, and whether their columns are those that the tables have. It takes milliseconds, makes nothing, and
 * every start does it for the projections that come from outside.
 */
import type { ViewStore } from '../../../projectors/clickhouse/view-store.ts'
import type { ProjectionTable, SqlProjection } from '../../../projectors/projection.ts'
import { EVENT_COLUMNS } from '../../../schemas/events.ts'
import { messageOf } from '../../../schemas/errors.ts'
import type { AuthorFault, AuthorFile } from '../author-file.ts'

/** Events, as far as analysis goes: all columns and no row. */
const NO_EVENTS = `null('${EVENT_COLUMNS.map(([name, type]) => `${name} ${type}`)
  .join(', ')
  .replaceAll("'", "\\'")}')`
/** They look at other rows of a block, though they are called like functions of one. */
const BLOCK_FUNCTIONS =
  /^(neighbor|running\w+|rowNumber\w+|blockNumber|blockSize|blockSerializedSize|finalizeAggregation|arrayReduce\w*InRanges)$/
/** They know what stands elsewhere, and that changes. */
const OUTSIDE_FUNCTIONS = /^(dict\w+|joinGet\w*|currentDatabase|getSetting|getMacro|version|uptime)$/

/** How one table's rows are selected from whatever stands for events. */
export function selectOf({ select, where }: ProjectionTable, events: string): string {
  return `SELECT ${select} FROM ${events}${where === undefined ? '' : ` WHERE ${where}`}`
}

/**
 * Everything that is wrong with the SELECTs of a projection, as far as it can be told without events.
 * @throws OutageError if the engine cannot be asked
 */
export async function analyseSql(
  store: ViewStore,
  projection: SqlProjection,
  source: AuthorFile,
): Promise<readonly AuthorFault[]> {
  const faults: AuthorFault[] = []
  for (const table of projection.tables) faults.push(...(await analyseTable(store, table, source)))
  return faults
}

async function analyseTable(
  store: ViewStore,
  table: ProjectionTable,
  source: AuthorFile,
): Promise<readonly AuthorFault[]> {
  const statement = selectOf(table, NO_EVENTS)
  let columns: readonly Column[]
  let tree: readonly string[]
  try {
    columns = await store.query<Column>(`DESCRIBE (${statement})`)
    tree = (await store.query<{ explain: string }>(`EXPLAIN QUERY TREE ${statement}`)).map(
      ({ explain }) => explain,
    )
  } catch (error) {
    const { type } = error as { type?: unknown }
    // What a user of the server may not do is no fault of the author.
    if (type === undefined || type === 'ACCESS_DENIED') throw error
    return [faultOfEngine(error, table, source)]
  }
  const beyond = beyondOneEvent(tree) ?? (await notOfTheEvent(store, tree))
  if (beyond !== undefined)
    return [
      {
        file: source.file,
        line: source.lineOf(table.name, 'select', ...(beyond.word === undefined ? [] : [beyond.word])),
        problem: `Table ${table.name}: ${beyond.problem}`,
      },
    ]
  return columnFaults(table, columns, source)
}

interface Column {
  readonly name: string
  readonly type: string
}

interface Beyond {
  readonly problem: string
  readonly word?: string
}

const ONE_EVENT = 'A row has to follow from one event alone, whatever came in with it'
const ADD_UP = `${ONE_EVENT}: store a row for each, and let the query that reads them add up`

/** What of a query's tree reads more than the row at hand. */
function beyondOneEvent(tree: readonly string[]): Beyond | undefined {
  const is = (pattern: RegExp): RegExpExecArray | undefined =>
    tree.map((line) => pattern.exec(line)).find((match) => match !== null) ?? undefined
  const aggregate = is(/function_name: (\w+), function_type: aggregate/)?.[1]
  if (aggregate !== undefined)
    return {
      word: aggregate,
      problem: `${aggregate} reads several events at once. ${ADD_UP}.`,
    }
  const window = is(/function_name: (\w+), function_type: window/)?.[1]
  if (window !== undefined)
    return { word: window, problem: `${window} is a window function: it reads other events. ${ONE_EVENT}.` }
  if (is(/^ {2}GROUP BY/)) return { problem: `GROUP BY reads several events at once. ${ONE_EVENT}.` }
  if (is(/^QUERY id: 0.*is_distinct: 1/))
    return { problem: `DISTINCT compares events with each other. ${ONE_EVENT}.` }
  if (is(/^ {2}(ORDER BY|LIMIT|OFFSET)/))
    return {
      problem: `ORDER BY and LIMIT look at several events. ${ONE_EVENT}; tables keep their own order.`,
    }
  if (is(/^ +(JOIN|ARRAY_JOIN|CROSS_JOIN) id/))
    return { problem: `A join reads more than the event. ${ONE_EVENT}; for lists there is arrayJoin(…).` }
  if (is(/^ +UNION id|^UNION id|^ +QUERY id: [1-9]|^ +TABLE id/))
    return {
      problem: `It reads something beside the event: a subselect, a union or another table. ${ONE_EVENT}.`,
    }
  const outside = functionsIn(tree).find((name) => BLOCK_FUNCTIONS.test(name) || OUTSIDE_FUNCTIONS.test(name)) // prettier-ignore
  if (outside !== undefined)
    return { word: outside, problem: `${outside} knows more than the event. ${ONE_EVENT}.` }
  return undefined
}

function functionsIn(tree: readonly string[]): string[] {
  const names = tree.map((line) => /FUNCTION id: \d+, function_name: (\w+)/.exec(line)?.[1])
  return [...new Set(names.filter((name) => name !== undefined))]
}

/** Clocks and chance: the engine knows which of its functions they are. It counts arrayJoin among them, which makes rows. */
async function notOfTheEvent(store: ViewStore, tree: readonly string[]): Promise<Beyond | undefined> {
  const names = functionsIn(tree)
  if (names.length === 0) return undefined
  const found = await store.query<{ name: string }>(
    `SELECT name FROM system.functions WHERE deterministic = 0 AND name != 'arrayJoin' AND name IN ({names:Array(String)})`,
    { names },
  )
  const name = found[0]?.name
  if (name === undefined) return undefined
  return {
    word: name,
    problem: `${name} answers otherwise each time. ${ONE_EVENT}; recorded_at says when it was.`,
  }
}

function columnFaults(
  table: ProjectionTable,
  selected: readonly Column[],
  source: AuthorFile,
): readonly AuthorFault[] {
  const fault = (problem: string, ...words: readonly string[]): AuthorFault =>
    source.fault(`Table ${table.name}: ${problem}`, table.name, ...words)
  for (const [index, [name, type]] of table.columns.entries()) {
    const found = selected[index]
    const elsewhere = selected.findIndex((column) => column.name === name)
    if (elsewhere === -1)
      return [
        fault(`the SELECT gives no column ${name}. Add it at place ${index + 1}: \`… AS ${name}\`.`, 'columns', name),
      ]
    if (found!.name !== name)
      return [
        fault(
          `the SELECT has ${found!.name} at place ${index + 1} where columns has ${name}. Bring both into one order.`,
          'columns',
          name,
        ),
      ]
    if (found!.type !== type)
      return [
        fault(
          `the SELECT gives ${name} as ${found!.type}, and columns says ${type}. Change one of them, or convert: \`CAST(…, '${type.replaceAll("'", "\\'")}') AS ${name}\`.`,
          'columns',
          name,
        ),
      ]
  }
  const more = selected[table.columns.length]
  if (more === undefined) return []
  return [fault(`the SELECT gives ${more.name}, which columns does not have. Add it there, or leave it away.`, 'select')]
} // prettier-ignore

/** What the engine says of a statement, without the events' columns, on the author's line. */
function faultOfEngine(error: unknown, table: ProjectionTable, source: AuthorFile): AuthorFault {
  const said = messageOf(error)
    .replaceAll(NO_EVENTS, 'events')
    .replaceAll(/`?null`?\('[^]*?\\'UTC\\'\)[^]*?(String'\)|\.\.\.)/g, 'events')
    .replace(/ in scope .*$/s, '')
    .replace(/: While .*$/s, '')
    .trim()
  const below = Number(/\(line (\d+), col/.exec(said)?.[1] ?? 1) - 1
  const unknown = /(?:identifier|function(?: with name)?) [`'"]?(\w+)/i.exec(said)?.[1] ?? '\0'
  const inSelect = table.select.indexOf(unknown)
  const line =
    inSelect === -1 && table.where?.includes(unknown) === true
      ? source.lineOf(table.name, 'where')
      : source.lineWithin(table.select, Math.max(0, inSelect), table.name, 'select') + below
  const short = said
    .replace(/: failed at position \d+ /, ' at ')
    .replace(/ \(line \d+, col \d+\)/, '')
    .replace(/ Expected one of.*$/s, '')
    .replace(/[.\s]*$/, '')
  const problem = /under aggregate function|Aggregate function .* is found/i.test(said)
    ? `it adds up over several events. ${ADD_UP}. (ClickHouse: ${short}.)`
    : `ClickHouse does not take the SELECT: ${short}.`
  return { file: source.file, line, problem: `Table ${table.name}: ${problem}` }
}
