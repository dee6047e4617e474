/**
 * The table in which gateways keep the base times of imports (gateway/imports/store-import-registry.ts). It is no view: nothing in
 * the log says what stands in it, so it is made to outlive a power cut, and no rebuild touches it.
 */
import { createTables, DURABLE } from './layout.ts'
import type { Layout } from '../projection.ts'
import type { ViewStore } from './view-store.ts'

export const IMPORTS_TABLE = 'imports_v1'

/** Makes the table where it is not there yet. */
export async function createImportsTable(store: ViewStore, layout: Layout = {}): Promise<void> {
  const { database = '' } = layout
  const statements = createTables(
    {
      name: database === '' ? IMPORTS_TABLE : `${database}.${IMPORTS_TABLE}`,
      columns: [
        ['partition', 'UInt16'],
        ['import_name', 'String'],
        ['chunk', 'UInt32'],
        ['ordinal', 'UInt16'],
        ['token', 'String'],
        ['base_ms', 'Int64'],
        ['has_anchor', 'UInt8'],
        ['anchor', 'String'],
      ],
      engine: {
        kind: 'replacing',
        highest: undefined,
        key: ['import_name', 'chunk', 'ordinal', 'token'],
        settings: DURABLE,
        tokensRemembered: 0,
      },
    },
    layout,
  )
  for (const statement of statements) await store.command(statement)
}
