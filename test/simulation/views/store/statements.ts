/** The statements that the views' runtime and its operators send, understood; any other is a fault of the simulation and throws. */
import type { QueryParameters } from '../../../../projectors/clickhouse/view-store.ts'
import {
  checkpointsName,
  FAULTS_TABLE,
  FORMER_CHECKPOINTS,
  SKIPS_TABLE,
  VERSIONS_TABLE,
} from '../../../../projectors/registry/tables.ts'
import { checkpointRows, faultRow, skipRow, versionRows } from './registry-rows.ts'
import type { TableRow } from './tables.ts'

export type Statement =
  | CreateTable
  | CreateView
  | { readonly kind: 'drop'; readonly name: string }
  | { readonly kind: 'insert'; readonly name: string }
  | { readonly kind: 'put'; readonly name: string; readonly what: string; readonly rows: readonly TableRow[] }
  | { readonly kind: 'forget'; readonly name: string; readonly sequence: bigint }
  | { readonly kind: 'read'; readonly name: string }
  | { readonly kind: 'which tables' | 'what stands' | 'guard'; readonly names: readonly string[] }
  | { readonly kind: 'shared feeds' }
  | { readonly kind: 'states'; readonly name: string; readonly keys: readonly string[] }

export interface CreateTable {
  readonly kind: 'create table'
  readonly name: string
  readonly columns: readonly (readonly [name: string, type: string])[]
  /** What is written to it goes only to the views behind it. */
  readonly isNull: boolean
  readonly key: readonly string[]
  /** Of one key only the row with the highest of this column counts. */
  readonly highest: string | undefined
}

export interface CreateView {
  readonly kind: 'create view'
  readonly name: string
  readonly target: string
  readonly source: string
  /** From SELECT to the end, without the source. */
  readonly select: string
}

const CREATE = /^CREATE TABLE IF NOT EXISTS (\w+) \((.*)\)\s+ENGINE = (Null|ReplacingMergeTree\((\w*)\))/s
const VIEW =
  /^CREATE MATERIALIZED VIEW IF NOT EXISTS (\w+) TO (\w+)\s+AS SELECT (.*) FROM (\w+)( WHERE .*)?$/s
const DROP = /^DROP (?:TABLE|VIEW) IF EXISTS (\w+) SYNC$/
const INSERT = /^INSERT INTO (\w+) FORMAT RowBinary$/
const FORGET =
  /^ALTER TABLE (\w+) DELETE WHERE partition = \{partition:UInt16\} AND sequence = \{sequence:UInt64\}/
const STATES =
  /^SELECT key, toString\(max\(sequence\)\) AS newest, base64Encode\(argMax\(own\.state, sequence\)\) AS state\s+FROM (\w+) AS own WHERE partition = .* AND key IN \((.*)\) GROUP BY key$/s

export const CHECKPOINTS = checkpointsName()

/** What begins a statement, and what it means. */
const KNOWN: readonly (readonly [begins: string, means: (parameters: QueryParameters) => Statement])[] = [
  [`INSERT INTO ${CHECKPOINTS} (projection_name, version, partition, epoch,`, (given) => ({ kind: 'put', name: CHECKPOINTS, what: `checkpoint ${String(given['sequence'])}`, rows: checkpointRows(given) })],
  [`INSERT INTO ${VERSIONS_TABLE}\n`, (given) => ({ kind: 'put', name: VERSIONS_TABLE, what: 'versions', rows: versionRows(given) })],
  [`INSERT INTO ${SKIPS_TABLE} (`, (given) => ({ kind: 'put', name: SKIPS_TABLE, what: 'skip', rows: [skipRow(given)] })],
  [`INSERT INTO ${FAULTS_TABLE} (`, (given) => ({ kind: 'put', name: FAULTS_TABLE, what: 'fault', rows: [faultRow(given)] })],
  ['SELECT projection_name, version, partition, max(epoch) AS newest_epoch,', () => ({ kind: 'read', name: CHECKPOINTS })],
  ['SELECT name, version, revision, declared, role,', () => ({ kind: 'read', name: VERSIONS_TABLE })],
  ['SELECT name, version, partition, sequence, reason, said_by, at', () => ({ kind: 'read', name: SKIPS_TABLE })],
  ['SELECT name, version, partition, sequence, cause, at FROM', () => ({ kind: 'read', name: FAULTS_TABLE })],
  ['SELECT name FROM system.tables WHERE database = currentDatabase() AND name IN', whichTables],
  ['SELECT name FROM system.tables WHERE database = currentDatabase() AND startsWith(name, ', () => ({ kind: 'shared feeds' })],
  ["SELECT 'part' AS what, name, if(uuid", (given) => ({ kind: 'what stands', names: given['names'] as readonly string[] })],
  ["SELECT 'epoch' AS what, concat(", (given) => ({ kind: 'guard', names: given['names'] as readonly string[] })],
] // prettier-ignore

function whichTables({ names }: QueryParameters): Statement {
  return {
    kind: 'which tables',
    names: (names as readonly string[]).filter((name) => name !== FORMER_CHECKPOINTS),
  }
}

export function understand(sql: string, parameters: QueryParameters = {}): Statement {
  const known = KNOWN.find(([begins]) => sql.startsWith(begins))
  if (known !== undefined) return known[1](parameters)
  const dropped = DROP.exec(sql)
  if (dropped !== null) return { kind: 'drop', name: dropped[1]! }
  const inserted = INSERT.exec(sql)
  if (inserted !== null) return { kind: 'insert', name: inserted[1]! }
  const created = CREATE.exec(sql)
  if (created !== null) {
    const [, name, columns, engine, highest = ''] = created
    return {
      kind: 'create table',
      name: name!,
      columns: columnsOf(columns!),
      isNull: engine === 'Null',
      key: /ORDER BY \(([^)]*)\)/.exec(sql)?.[1]?.split(', ') ?? [],
      highest: highest === '' ? undefined : highest,
    }
  }
  const view = VIEW.exec(sql)
  if (view !== null) {
    const [, name, target, select, source, where = ''] = view
    return { kind: 'create view', name: name!, target: target!, source: source!, select: `${select!}${where}` }
  }
  const forgotten = FORGET.exec(sql)
  if (forgotten !== null)
    return { kind: 'forget', name: forgotten[1]!, sequence: BigInt(String(parameters['sequence'])) }
  const states = STATES.exec(sql)
  if (states !== null)
    return { kind: 'states', name: states[1]!, keys: [...states[2]!.matchAll(/'([^']*)'/g)].map(([, key]) => key!) }
  throw new Error(`the simulated store does not know the statement ${sql}`)
} // prettier-ignore

/** `a UInt8, b Enum8('x' = 1, 'y' = 2), INDEX …` as names and types. */
function columnsOf(list: string): [string, string][] {
  const parts: string[] = ['']
  let depth = 0
  for (const character of list) {
    if (character === '(') depth++
    if (character === ')') depth--
    if (character === ',' && depth === 0) parts.push('')
    else parts[parts.length - 1] += character
  }
  return parts
    .map((part) => part.trim())
    .filter((part) => !part.startsWith('INDEX '))
    .map((part) => [part.slice(0, part.indexOf(' ')), part.slice(part.indexOf(' ') + 1)])
}
