/** What an earlier version of the program filled its tables with. Left where they are, these would fill nothing, and nobody would know. */
import type { Layout } from '../projection.ts'
import { dropTable } from './layout.ts'
import type { ViewStore } from './view-store.ts'

/** Statements that remove it. The tables stay: they are the first versions of their projections. */
export async function formerViews(store: ViewStore, layout: Layout = {}): Promise<string[]> {
  const { database = '', cluster } = layout
  const views = await store.query<{ name: string }>(
    `SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'MaterializedView'
       AND name LIKE '%\\_from\\_feed%'`,
  )
  const on = cluster === undefined ? '' : ` ON CLUSTER '${cluster}'`
  const named = (name: string): string => (database === '' ? name : `${database}.${name}`)
  return [
    ...views.map(({ name }) => `DROP VIEW IF EXISTS ${named(name)}${on} SYNC`),
    ...dropTable(named('feed_v1'), layout),
  ]
}
