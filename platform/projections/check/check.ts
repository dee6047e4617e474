/** Everything that can be said of a view before it reads a real event: by name (`purser projections check`), and at a start. */
import type { View } from '../../../gateway/view.ts'
import { createViewStore } from '../../../projectors/clickhouse/clickhouse-store.ts'
import type { ViewStore } from '../../../projectors/clickhouse/view-store.ts'
import { startEngine } from '../../../projectors/engine/supervisor.ts'
import { BUILT_IN_VIEWS } from '../../../projectors/views/built-in.ts'
import { AuthorFile, type AuthorFault } from '../author-file.ts'
import { ProjectionUnfitError } from '../errors.ts'
import { faultsOf, type AuthoredView } from '../fitness.ts'
import { checkCode, type TrialBounds } from './code-check.ts'
import { sampleEvents } from './sample-events.ts'
import { analyseSql } from './sql-analysis.ts'
import { checkSql, type Checked } from './sql-check.ts'

/** Enough for a few dozen events. */
const ENGINE_MEMORY_BYTES = 512 * 1024 * 1024

export interface CheckReport extends Checked {
  readonly name: string
  readonly kind: View['projection']['kind']
  readonly version: number
  /** Sample events that it was tried on. */
  readonly events: number
}

/**
 * Tries a view that was loaded on sample events of every kind.
 * @param scratch an empty folder, for an engine that lasts as long as the check
 */
export async function checkView(
  authored: AuthoredView,
  scratch: string,
  bounds: TrialBounds = {},
): Promise<CheckReport> {
  const { projection } = authored.view
  const events = sampleEvents()
  const { name, kind, version } = projection
  const checked =
    projection.kind === 'sql'
      ? await withEngine(scratch, (store) => checkSql(store, projection, authored.source, events))
      : await checkCode(authored, events, bounds)
  return { name, kind, version, events: events.length, ...checked }
}

/**
 * At a start: views that come from outside are looked over once more, and their SELECTs analysed, which costs milliseconds;
 * functions are tried on the sample. Nothing is made in the store.
 * @throws ProjectionUnfitError with every fault
 */
export async function refuseUnfit(store: ViewStore, views: readonly View[]): Promise<void> {
  const builtIn = new Set(BUILT_IN_VIEWS)
  const outside = views
    .filter((view) => !builtIn.has(view))
    .map((view): AuthoredView => {
      const source = AuthorFile.ofModule(view.module, `projection ${view.projection.name}`)
      return { view, source, built: view.module ?? '' }
    })
  const faults: AuthorFault[] = faultsOf(
    outside,
    views.filter((view) => builtIn.has(view)),
  )
  if (faults.length === 0) for (const one of outside) faults.push(...(await faultsAtStart(store, one)))
  if (faults.length > 0) throw new ProjectionUnfitError(faults)
}

async function faultsAtStart(store: ViewStore, authored: AuthoredView): Promise<readonly AuthorFault[]> {
  const { projection, module } = authored.view
  if (projection.kind === 'sql') return analyseSql(store, projection, authored.source)
  if (module !== undefined) return (await checkCode(authored, sampleEvents())).faults
  const problem = `A ${projection.kind} projection runs in a thread that loads its file: name the file, in purser.config.ts or with --projection.`
  return [authored.source.fault(problem)]
}

async function withEngine<T>(scratch: string, work: (store: ViewStore) => Promise<T>): Promise<T> {
  const engine = await startEngine({ dataDir: scratch, memoryBytesMax: ENGINE_MEMORY_BYTES })
  const store = createViewStore(engine)
  try {
    return await work(store)
  } finally {
    await store.close()
    await engine.stop()
  }
}
