/** The registry where somebody has taken away from it: who runs the views knows their versions, and says them again. */
import type { ViewStore } from '../clickhouse/view-store.ts'
import type { Layout } from '../projection.ts'
import { tablesThere, versionKey } from '../runtime/checkpoints.ts'
import { createRegistry, REGISTRY_TABLES } from './tables.ts'
import { readVersions, writeVersions, type Version } from './versions.ts'

export interface RestoreOptions {
  readonly store: ViewStore
  readonly layout?: Layout | undefined
  /** Gets a line for each thing that was gone. */
  readonly report: (line: string) => void
  readonly nowMs: () => number
}

/**
 * Reads the versions. Tables of the registry that are gone are made again, and what it does not know any more is said again.
 * @param known those that were read before
 * @throws OutageError
 */
export async function readRestored(options: RestoreOptions, known: readonly Version[]): Promise<readonly Version[]> {
  const { store, layout, report, nowMs } = options
  const there = await tablesThere(store, REGISTRY_TABLES)
  const gone = REGISTRY_TABLES.filter((name) => !there.has(name))
  if (gone.length > 0) {
    for (const statement of createRegistry(layout)) await store.command(statement)
    report(`projections: ${gone.join(', ')} was gone, and is made again.`)
  }
  for (;;) {
    const versions = await readVersions(store)
    const keys = new Set(versions.map(versionKey))
    const lost = known.filter((one) => !keys.has(versionKey(one)))
    if (lost.length === 0) return versions
    // Somebody else may have said a part of it at the same moment: then the rest is left.
    if (!(await writeVersions(store, lost, nowMs()))) continue
    const names = lost.map(({ name, version }) => `${name} version ${version}`).join(', ')
    report(`projections: the registry did not know ${names} any more, and is told again.`)
  }
} // prettier-ignore
