/** What serves in a store whose views nobody fills just now. */
import type { ViewStore } from '../clickhouse/view-store.ts'
import type { Projection } from '../projection.ts'
import { tablesThere } from '../runtime/checkpoints.ts'
import { fixedServing, type Serving } from '../serving.ts'
import { VERSIONS_TABLE } from './tables.ts'
import { readVersions, servingOf, type Version } from './versions.ts'

/** All versions that there ever were, of a store in which nothing may have been made yet. */
export async function readAnyVersions(store: ViewStore): Promise<readonly Version[]> {
  return (await tablesThere(store, [VERSIONS_TABLE])).size > 0 ? readVersions(store) : []
}

/** As the registry says; where it has nothing to say, as declared. */
export async function servingAtRest(store: ViewStore, projections: readonly Projection[]): Promise<Serving> {
  const versions = await readAnyVersions(store)
  return fixedServing(
    projections.map((one) => ({ ...one, version: servingOf(versions, one.name)?.version ?? one.version })),
  )
}
