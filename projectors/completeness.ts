/** Whether what the checkpoints speak for is there: tables that are gone must not come back empty behind a checkpoint. */
import { readCheckpoints } from './checkpoints.ts'
import { viewTableNames } from './feed.ts'
import type { SqlProjection } from './projection.ts'
import { TABLES } from './tables.ts'
import type { ViewStore } from './view-store.ts'

/** Tables are missing of views that hold events: somebody has to say that they are to be made anew. */
export class ViewsIncompleteError extends Error {
  override readonly name = 'ViewsIncompleteError'
  readonly code = 'VIEWS_INCOMPLETE'
}

/**
 * To be called before anything is made.
 * @throws ViewsIncompleteError if there are checkpoints, and a table or what fills it is not there
 */
export async function refuseIncomplete(
  store: ViewStore,
  projections: readonly SqlProjection[],
): Promise<void> {
  const names = viewTableNames(projections)
  const rows = await store.query<{ name: string }>(
    'SELECT name FROM system.tables WHERE database = currentDatabase() AND name IN {names:Array(String)}',
    { names: [TABLES.checkpoints, ...names] },
  )
  const there = new Set(rows.map(({ name }) => name))
  const missing = names.filter((name) => !there.has(name))
  if (!there.has(TABLES.checkpoints) || missing.length === 0) return
  const [held] = (await readCheckpoints(store)).values()
  if (held === undefined) return
  throw new ViewsIncompleteError(
    `The views hold everything up to ${held.partition}:${held.sequence}, but ${missing.join(', ')} is not there. ` +
      `Bring it back from a copy, or drop ${TABLES.checkpoints}: then all views are filled again from the beginning of the log.`,
  )
}
