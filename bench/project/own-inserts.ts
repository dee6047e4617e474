/**
 * What the projections are held against: ClickHouse's own INSERT … SELECT of the same rows from a file, once for each
 * projection, into the same tables with the same settings, durability included.
 */
import { createVersion, feedName } from '../../projectors/clickhouse/view-tables.ts'
import { BUILT_IN_PROJECTIONS } from '../../projectors/views/built-in.ts'
import type { BenchEngine } from './engine.ts'

/** How the statements are run. `default`: as ClickHouse does by itself. `tuned`: with what our own inserts say as well. */
export type OwnSettings = 'default' | 'tuned'

const SETTINGS: Readonly<Record<OwnSettings, string>> = {
  default: '',
  tuned: `SETTINGS optimize_on_insert = 0, parallel_view_processing = 1, input_format_parallel_parsing = 0,
    max_insert_block_size = 1048576, min_insert_block_size_rows = 1048576, min_insert_block_size_bytes = 1073741824`,
}

/** Statements that make the tables, and for each projection the one that fills them. */
export function ownStatements(
  rowsFile: string,
  settings: OwnSettings,
): { readonly create: readonly string[]; readonly insert: ReadonlyMap<string, string> } {
  const entries = BUILT_IN_PROJECTIONS.map((projection): [string, string] => [
    projection.name,
    `INSERT INTO ${feedName(projection)} SELECT * FROM file('${rowsFile}', 'RowBinary') ${SETTINGS[settings]}`,
  ])
  return {
    create: BUILT_IN_PROJECTIONS.flatMap((projection) => createVersion(projection)),
    insert: new Map(entries),
  }
}

/** Seconds by projection. */
export async function insertByItself(
  engine: BenchEngine,
  rowsFile: string,
  settings: OwnSettings,
): Promise<{ readonly seconds: Readonly<Record<string, number>>; readonly engineCpuSeconds: number }> {
  const { create, insert } = ownStatements(rowsFile, settings)
  for (const statement of create) await engine.store.command(statement)
  await engine.whenQuiet()
  const cpuBefore = engine.cpuSeconds()
  const seconds: Record<string, number> = {}
  for (const [name, statement] of insert) {
    const startedMs = performance.now()
    await engine.store.command(statement)
    seconds[name] = (performance.now() - startedMs) / 1_000
  }
  await engine.whenQuiet()
  return { seconds, engineCpuSeconds: engine.cpuSeconds() - cpuBefore }
}
