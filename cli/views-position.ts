/** How far the views in a store are, also where nobody has made them yet. */
import { readCheckpoints } from '../projectors/checkpoints.ts'
import { checkpointsName } from '../projectors/feed.ts'
import type { ViewStore } from '../projectors/view-store.ts'
import type { Position } from '../schemas/positions.ts'

/** Up to where the views hold everything. A partition that is missing stands at 0. */
export async function readViewsPosition(store: ViewStore): Promise<Position> {
  const tables = await store.query(
    'SELECT name FROM system.tables WHERE database = currentDatabase() AND name = {name:String}',
    { name: checkpointsName('') },
  )
  if (tables.length === 0) return new Map()
  return new Map(
    [...(await readCheckpoints(store))].map(([partition, { sequence }]) => [partition, sequence]),
  )
}
