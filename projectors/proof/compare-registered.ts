/** Compares versions as the registry knows them: their tables as they were defined when they were made. */
import type { Position } from '../../schemas/positions.ts'
import type { ViewStore } from '../clickhouse/view-store.ts'
import type { Version } from '../registry/versions.ts'
import { heldBy, readCheckpoints, type Checkpoints } from '../runtime/checkpoints.ts'
import type { Serving } from '../serving.ts'
import { compareVersions, type Comparison, type VersionToCompare } from './compare.ts'
import { definedTables } from './rows-at.ts'

/** The table that knows the currency of each account, as its projection calls it. */
const ACCOUNTS = 'accounts'

/**
 * Compares two versions of one projection at a position.
 * @param serving says where tables of other projections stand: those of the past, and that of the accounts
 * @throws (its calls) RangeError if one of them does not hold the position; OutageError
 */
export function comparerOf(
  store: ViewStore,
  serving: Pick<Serving, 'tables'>,
): (left: Version, right: Version, at: Position) => Promise<Comparison> {
  return async (left, right, at) => {
    const checkpoints = await readCheckpoints(store)
    return compareVersions({
      store,
      projection: left.name,
      left: versionOf(left, checkpoints, serving),
      right: versionOf(right, checkpoints, serving),
      at,
      accounts: serving.tables()[ACCOUNTS],
    })
  }
}

function versionOf(
  one: Version,
  checkpoints: Checkpoints,
  serving: Pick<Serving, 'tables'>,
): VersionToCompare {
  const { version, definition } = one
  return {
    version,
    position: heldBy(checkpoints, one),
    tables: definedTables(definition, version, (table) => serving.tables()[table]),
  }
}
