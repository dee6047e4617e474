/** How far the views in a store are, also where nobody has made them yet. */
import { heldByAll, heldByAny, readAnyCheckpoints } from '../projectors/runtime/checkpoints.ts'
import type { SqlProjection } from '../projectors/projection.ts'
import type { ViewStore } from '../projectors/clickhouse/view-store.ts'
import type { Position } from '../schemas/positions.ts'

/** Up to where all views of these projections hold everything. A partition that is missing stands at 0. */
export async function readViewsPosition(
  store: ViewStore,
  projections: readonly SqlProjection[],
): Promise<Position> {
  const held = heldByAll(await readAnyCheckpoints(store), projections)
  return new Map([...held].map(([partition, { sequence }]) => [partition, sequence]))
}

/** Up to where some view holds something: what the log is known to have had. */
export async function readViewsReach(store: ViewStore): Promise<Position> {
  return heldByAny(await readAnyCheckpoints(store))
}
