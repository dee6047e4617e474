/** A projection that an operator sends to a platform that runs: looked over as one that comes from a file. */
import type { View } from '../../../gateway/view.ts'
import type { ViewStore } from '../../../projectors/clickhouse/view-store.ts'
import type { SqlProjection } from '../../../projectors/projection.ts'
import { readVersions } from '../../../projectors/registry/versions.ts'
import { AuthorFile } from '../author-file.ts'
import { faultsOf } from '../fitness.ts'
import { analyseSql } from './sql-analysis.ts'

/**
 * What looks a projection over, beside those of the deployment and those that operators added before.
 * @returns throws RangeError with everything that is wrong, fit for its author; OutageError
 */
export function checkAdded(
  store: ViewStore,
  views: readonly View[],
): (projection: SqlProjection) => Promise<void> {
  return async (projection) => {
    const source = new AuthorFile(projection.name, '')
    const added = (await readVersions(store))
      .filter(({ role, definition }) => role !== 'dropped' && definition.kind === 'sql')
      .map(({ name, version, definition }): View => {
        const { tables = [] } = definition
        return { projection: { kind: 'sql', name, version, tables } }
      })
    const known = new Set(views.map(({ projection: { name } }) => name))
    const others = [...views, ...added.filter((one) => !known.has(one.projection.name))]
    const faults = faultsOf([{ view: { projection }, source, built: '' }], others)
    if (faults.length === 0) faults.push(...(await analyseSql(store, projection, source)))
    if (faults.length > 0) throw new RangeError(faults.map(({ problem }) => problem).join(' '))
  }
}
