/** The audit of a data folder on which nothing runs. It takes the folder's lock, so that nothing starts meanwhile. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { nodeDisk } from '../../eventlog/disk/disk.ts'
import { FileEventLog } from '../../eventlog/file/file-event-log.ts'
import { acquireFolder } from '../../eventlog/file/lock.ts'
import { createViewStore } from '../../projectors/clickhouse/clickhouse-store.ts'
import { startEngine } from '../../projectors/engine/supervisor.ts'
import { readAnySkips } from '../../projectors/registry/skips.ts'
import { projectionsOf, type View } from '../../gateway/view.ts'
import { runsCodeOf } from './code-views.ts'
import type { ViewStore } from '../../projectors/clickhouse/view-store.ts'
import { replayLog } from '../../writer/recovery/replay-log.ts'
import { knownPartitionCount } from '../../platform/partition-count.ts'
import { VIEWS_FOLDER } from '../../platform/embedded-platform.ts'
import { checkViews, conclude, skippedEvents, type Check, type PartitionProof, type Proof } from './proof.ts'

/**
 * Proves a data folder. Logs and snapshots are only read; the views are opened, because only their engine can read them.
 * @param views those of the deployment
 */
export async function auditOffline(
  dataDir: string,
  engineMemoryBytes: number,
  views: readonly View[],
  log: (line: string) => void,
): Promise<Proof> {
  const partitions = knownPartitionCount(dataDir)
  const startedAtMs = performance.now()
  const lock = acquireFolder(dataDir)
  try {
    return await withViews(dataDir, engineMemoryBytes, log, async (store) => {
      const proofs: PartitionProof[] = []
      for (let partition = 0; partition < partitions; partition++)
        proofs.push(await provePartition(dataDir, partition, { store, views, partitions }))
      const skips = store === undefined ? [] : await readAnySkips(store)
      return conclude(proofs, startedAtMs, skippedEvents(skips))
    })
  } finally {
    lock.release()
  }
}

async function provePartition(
  dataDir: string,
  partition: number,
  { store, views, partitions }: { store: ViewStore | undefined; views: readonly View[]; partitions: number },
): Promise<PartitionProof> {
  const { core: _, ...replay } = replayLog(dataDir, partition)
  const { head } = replay
  const log = new FileEventLog({ disk: nodeDisk, dir: dataDir, partition, head })
  const checked: Check =
    store === undefined
      ? { name: 'views', holds: true, finding: 'there are none yet' }
      : await checkViews({
          store,
          log,
          head,
          projections: projectionsOf(views),
          runsCode: runsCodeOf(store, views, partitions),
        })
  return { replay, checks: [checked] }
}

/** Opens the views for a piece of work; undefined where there are none. */
async function withViews<Value>(
  dataDir: string,
  memoryBytesMax: number,
  log: (line: string) => void,
  work: (store: ViewStore | undefined) => Promise<Value>,
): Promise<Value> {
  const folder = path.join(dataDir, VIEWS_FOLDER)
  if (!existsSync(folder)) return work(undefined)
  const engine = await startEngine({ dataDir: folder, memoryBytesMax, log })
  const store = createViewStore(engine)
  try {
    return await work(store)
  } finally {
    await store.close()
    await engine.stop()
  }
}
