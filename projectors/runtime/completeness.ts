/** Whether what the checkpoints speak for is there: tables that are gone must not come back empty behind a checkpoint. */
import { heldByAny, readAnyCheckpoints, tablesThere } from './checkpoints.ts'
import { checkpointsName, inputTableName, viewTableNames } from '../clickhouse/view-tables.ts'
import type { ProjectionSet } from '../projection.ts'
import type { ViewStore } from '../clickhouse/view-store.ts'

/** Tables are missing of views that hold events: somebody has to say that they are to be made anew. */
export class ViewsIncompleteError extends Error {
  override readonly name = 'ViewsIncompleteError'
  readonly code = 'VIEWS_INCOMPLETE'
}

/**
 * To be called before anything is made.
 * @throws ViewsIncompleteError if a projection has checkpoints, and a table of it is not there, or what fills it from the
 *   feed; a feed that is not there at all has never been used, or its next insert would have failed
 */
export async function refuseIncomplete(store: ViewStore, projections: ProjectionSet): Promise<void> {
  const checkpoints = await readAnyCheckpoints(store)
  const holding = projections.running.filter(({ name }) => checkpoints.has(name))
  if (holding.length === 0) return
  const feed = inputTableName(projections)
  const named = holding.map((projection) => viewTableNames(projections, projection))
  const tables = named.flatMap((one) => one.tables)
  const views = named.flatMap((one) => one.views)
  const there = await tablesThere(store, [feed, ...tables, ...views])
  const missing = [...tables, ...(there.has(feed) ? views : [])].filter((name) => !there.has(name))
  if (missing.length === 0) return
  const [held] = heldByAny(new Map(holding.map(({ name }) => [name, checkpoints.get(name)!])))
  throw new ViewsIncompleteError(
    `The views hold everything up to ${held?.join(':')}, but ${missing.join(', ')} is not there. ` +
      `Bring it back from a copy, or drop ${checkpointsName()}: then all views are filled again from the beginning of the log.`,
  )
}
