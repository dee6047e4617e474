/** Whether what the checkpoints speak for is there: tables that are gone must not come back empty behind a checkpoint. */
import { heldByAny, readAnyCheckpoints, tablesThere } from './checkpoints.ts'
import { feedName, viewTableNames } from '../clickhouse/feed.ts'
import type { SqlProjection } from '../projection.ts'
import { TABLES } from '../views/tables.ts'
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
export async function refuseIncomplete(
  store: ViewStore,
  projections: readonly SqlProjection[],
): Promise<void> {
  const checkpoints = await readAnyCheckpoints(store)
  const holding = projections.filter(({ name }) => checkpoints.has(name))
  if (holding.length === 0) return
  const feed = feedName(projections)
  const { tables } = viewTableNames(holding)
  const { tables: all, views } = viewTableNames(projections)
  const there = await tablesThere(store, [feed, ...tables, ...views])
  const filling = there.has(feed) ? views.filter((_, index) => tables.includes(all[index]!)) : []
  const missing = [...tables, ...filling].filter((name) => !there.has(name))
  if (missing.length === 0) return
  const [held] = heldByAny(new Map(holding.map(({ name }) => [name, checkpoints.get(name)!])))
  throw new ViewsIncompleteError(
    `The views hold everything up to ${held?.join(':')}, but ${missing.join(', ')} is not there. ` +
      `Bring it back from a copy, or drop ${TABLES.checkpoints}: then all views are filled again from the beginning of the log.`,
  )
}
