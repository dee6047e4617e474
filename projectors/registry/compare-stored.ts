/** Two versions that the registry knows, compared where their tables stand. */
import type { ViewStore } from '../clickhouse/view-store.ts'
import type { CodeProjection } from '../code-projection.ts'
import { tableName, type Projection } from '../projection.ts'
import { compareVersions, type Comparison, type VersionToCompare } from '../proof/compare.ts'
import { storedTables } from '../proof/rows-at.ts'
import { readCheckpoints, type Checkpoints } from '../runtime/checkpoints.ts'
import type { Position } from '../../schemas/positions.ts'
import { heldBy } from './version-status.ts'
import { readVersions, tablesOfVersion, type Version } from './versions.ts'

/**
 * What compares two versions at a position.
 * @param accounts what readers call the table that knows the currency of each account; undefined: none does
 */
export function compareStored(
  store: ViewStore,
  accounts?: string,
): (left: Version, right: Version, at: Position) => Promise<Comparison> {
  return async (left, right, at) => {
    const serving = (await readVersions(store)).filter(({ role }) => role === 'serving')
    const served = Object.assign({}, ...serving.map(tablesOfVersion)) as Record<string, string>
    const checkpoints = await readCheckpoints(store)
    const sideOf = (one: Version): VersionToCompare => sideToCompare(one, served, checkpoints)
    return compareVersions({
      store,
      projection: left.name,
      left: sideOf(left),
      right: sideOf(right),
      at,
      accounts: accounts === undefined ? undefined : served[accounts],
    })
  }
}

/** @param served where tables of other projections stand, which a version may lean on */
function sideToCompare(
  one: Version,
  served: Readonly<Record<string, string>>,
  checkpoints: Checkpoints,
): VersionToCompare {
  const own = tablesOfVersion(one)
  const tables = storedTables(
    projectionOf(one),
    (table) => own[table] ?? served[table] ?? tableName(one, table),
  )
  return { version: one.version, position: heldBy(checkpoints, one), tables }
}

/** As much of the projection as says what its tables are. */
function projectionOf({ name, version, definition }: Version): Projection {
  if (definition.kind === 'sql') return { kind: 'sql', name, version, tables: definition.tables ?? [] }
  return { kind: 'code', name, version, tables: definition.codeTables ?? {} } as CodeProjection
}
