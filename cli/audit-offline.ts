/** The audit of a data folder on which nothing runs. It takes the folder's lock, so that nothing starts meanwhile. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { nodeDisk } from '../eventlog/file/disk.ts'
import { FileEventLog } from '../eventlog/file/file-event-log.ts'
import { acquireFolder } from '../eventlog/file/lock.ts'
import { createViewStore } from '../projectors/clickhouse-store.ts'
import { startEngine } from '../projectors/engine/supervisor.ts'
import { replayLog, type Replay } from '../writer/replay.ts'
import { CommandFailure } from './failure.ts'
import { VIEWS_FOLDER } from './platform.ts'
import { checkViews, conclude, type Check, type Proof } from './proof.ts'

const PARTITION = 0

/** Proves a data folder. Log and snapshots are only read; the views are opened, because only their engine can read them. */
export async function auditOffline(
  dataDir: string,
  engineMemoryBytes: number,
  log: (line: string) => void,
): Promise<Proof> {
  if (!existsSync(path.join(dataDir, 'log')))
    throw new CommandFailure('file_unreadable', `There is no log in ${dataDir}. Check --data.`)
  const startedAtMs = performance.now()
  const lock = acquireFolder(dataDir)
  try {
    const replay = replayLog(dataDir, PARTITION)
    const views = await openAndCheckViews(dataDir, engineMemoryBytes, replay, log)
    return conclude(replay, [views], startedAtMs)
  } finally {
    lock.release()
  }
}

async function openAndCheckViews(
  dataDir: string,
  memoryBytesMax: number,
  { head }: Replay,
  log: (line: string) => void,
): Promise<Check> {
  const folder = path.join(dataDir, VIEWS_FOLDER)
  if (!existsSync(folder)) return { name: 'views', holds: true, finding: 'there are none yet' }
  const engine = await startEngine({ dataDir: folder, memoryBytesMax, log })
  const store = createViewStore(engine)
  try {
    const events = new FileEventLog({ disk: nodeDisk, dir: dataDir, partition: PARTITION, head })
    return await checkViews(store, events, head)
  } finally {
    await store.close()
    await engine.stop()
  }
}
