/** A store as if nothing had ever been made in it. */
import type { ViewStore } from './view-store.ts'

/** Drops every table and view of the store's database: first what fills others. */
export async function dropAll(store: ViewStore): Promise<void> {
  const tables = await store.query<{ name: string; engine: string }>(
    `SELECT name, engine FROM system.tables WHERE database = currentDatabase() ORDER BY engine = 'MaterializedView' DESC, name`,
  )
  for (const { name, engine } of tables)
    await store.command(`DROP ${engine === 'MaterializedView' ? 'VIEW' : 'TABLE'} IF EXISTS \`${name}\` SYNC`)
}
