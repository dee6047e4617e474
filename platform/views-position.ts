/** How far the views in a store are, also where nobody has made them yet. */
import { heldByAll, heldByAny, positionOf, readAnyCheckpoints } from '../projectors/runtime/checkpoints.ts'
import { servingAtRest } from '../projectors/registry/serving-at-rest.ts'
import type { SqlProjection } from '../projectors/projection.ts'
import type { ViewStore } from '../projectors/clickhouse/view-store.ts'
import type { Position } from '../schemas/positions.ts'

/** Up to where all views of these projections hold everything. A partition that is missing stands at 0. */
export async function readViewsPosition(
  store: ViewStore,
  projections: readonly SqlProjection[],
): Promise<Position> {
  const serving = await servingAtRest(store, projections)
  const versions = projections.map(({ name, version }) => ({
    name,
    version: serving.versionOf(name) ?? version,
  }))
  return positionOf(heldByAll(await readAnyCheckpoints(store), versions))
}

/** Up to where some view holds something: what the log is known to have had. */
export async function readViewsReach(store: ViewStore): Promise<Position> {
  return heldByAny(await readAnyCheckpoints(store))
}
