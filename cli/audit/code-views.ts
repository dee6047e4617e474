/** The views of an audit that are code: their functions are run anew over the log, and what differs is named. */
import type { EventLog } from '../../eventlog/ports.ts'
import type { View } from '../../gateway/view.ts'
import { codeTargets } from '../../platform/projections/code-targets.ts'
import type { ViewStore } from '../../projectors/clickhouse/view-store.ts'
import { ProjectionLoadError } from '../../projectors/code/author/port.ts'
import { proveCode } from '../../projectors/proof/prove-code.ts'
import type { Comparison, TableComparison } from '../../projectors/proof/compare.ts'
import type { RowDifference } from '../../projectors/proof/differing-rows.ts'
import type { Layout, Projection } from '../../projectors/projection.ts'
import type { Skip } from '../../projectors/registry/skips.ts'
import type { Version } from '../../projectors/registry/versions.ts'
import { versionKey, type Checkpoints } from '../../projectors/runtime/checkpoints.ts'
import { EventFault, type Target } from '../../projectors/runtime/lanes/target.ts'
import type { Replayable } from './replayable.ts'

/** Runs the code of a version into tables that stand there. */
export type RunsCode = (version: Version, projection: Projection, layout: Layout) => Target

/** Runs each view's code as a platform does: in a process of its own, within the same bounds. */
export function runsCodeOf(store: ViewStore, views: readonly View[], partitions: number): RunsCode {
  return (version, projection, layout) =>
    codeTargets({ store, layout, views, partitions, log: () => undefined })(version, projection)
}

/** What is said of one view, or of some. */
export interface Finding {
  readonly holds: boolean
  readonly text: string
}

export interface CodeToCheck {
  readonly store: ViewStore
  readonly log: EventLog
  readonly code: Replayable['code']
  readonly checkpoints: Checkpoints
  readonly skips: readonly Skip[]
  /** Undefined: nothing here runs code. */
  readonly runsCode: RunsCode | undefined
}

/** Rows that are told of each table. */
const NAMED_MAX = 3

/** Proves each of them in one partition, one after the other, as far as it is filled. */
export async function checkCode(given: CodeToCheck): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (const one of given.code) findings.push(await checkOne(given, one))
  return findings
}

async function checkOne(
  { store, log, checkpoints, skips, runsCode }: CodeToCheck,
  { projection, version }: Replayable['code'][number],
): Promise<Finding> {
  const { name } = projection
  const upTo = checkpoints.get(versionKey(version))?.get(log.partition)?.sequence ?? 0n
  if (upTo === 0n) return { holds: true, text: `not compared as long as it is not filled: ${name}` }
  if (runsCode === undefined)
    return { holds: true, text: `not replayed: ${name}, because nothing here runs code` }
  const left = skips.filter((skip) => versionKey(skip) === versionKey(version)).map(({ sequence }) => sequence)
  const without = left.length === 0 ? '' : `, without what operators left out (${left.map((sequence) => `${log.partition}:${sequence}`).join(', ')})`
  try {
    const comparison = await proveCode({
      store,
      log,
      upTo,
      projection,
      version: version.version,
      targetIn: (layout) => runsCode(version, projection, layout),
      without: new Set(left),
    })
    return { holds: comparison.tables.every(({ state }) => state === 'equal' || state === 'not comparable'), text: `${textOf(comparison, upTo)}${without}` }
  } catch (error) {
    if (error instanceof ProjectionLoadError) return { holds: true, text: `not replayed: ${name}, because ${error.message}` }
    if (!(error instanceof EventFault)) throw error
    return { holds: false, text: `${name} cannot be replayed: at ${error.partition}:${error.sequence}, ${error.message}` }
  }
} // prettier-ignore

function textOf({ projection, tables }: Comparison, upTo: bigint): string {
  const of = (state: TableComparison['state']): readonly TableComparison[] =>
    tables.filter((one) => one.state === state)
  const said = [
    of('different').length === 0
      ? `${projection}: ${of('equal').length} tables equal what its code gives for events 1 to ${upTo}, row for row`
      : `${projection} differs from what its code gives for events 1 to ${upTo}: ${of('different').map(differencesOf).join(', ')}`,
    ...of('not comparable').map(({ table }) => `${table} is not compared, because its rows have moved on`),
  ]
  return said.join(', ')
}

function differencesOf({ table, differences, hasMore }: TableComparison): string {
  const named = differences.slice(0, NAMED_MAX).map((one) => `${table} ${rowText(one)}`)
  const more = hasMore || differences.length > NAMED_MAX ? [`further rows of ${table}`] : []
  return [...named, ...more].join(', ')
}

/** On the left is what the code gives. */
function rowText({ key, left, right }: RowDifference): string {
  const rows = (all: RowDifference['left']): string =>
    all.length === 0 ? 'nothing' : all.map((row) => JSON.stringify(row)).join(' and ')
  return `${JSON.stringify(key)} holds ${rows(right)} in the place of ${rows(left)}`
}
