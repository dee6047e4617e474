/**
 * Which segments of a data folder may be archived, and the moving of them: at rest under the folder's lock, or beside a
 * platform that runs, which keeps writing meanwhile. How far the views are is asked, never guessed.
 */
import { existsSync, realpathSync, statSync } from 'node:fs'
import path from 'node:path'
import { LogArchiveUnfitError } from '../eventlog/errors.ts'
import { archiveSegments, planArchive, type SegmentMove } from '../eventlog/file/archive.ts'
import { nodeDisk } from '../eventlog/disk/disk.ts'
import { acquireFolder } from '../eventlog/file/lock.ts'
import { logFolder } from '../eventlog/file/layout/segments.ts'
import { decodePosition } from '../gateway/positions/tokens.ts'
import { createViewStore } from '../projectors/clickhouse/clickhouse-store.ts'
import { startEngine } from '../projectors/engine/supervisor.ts'
import type { SqlProjection } from '../projectors/projection.ts'
import { earliestPosition, formatPosition, type Position } from '../schemas/positions.ts'
import { oldestSnapshotSequence } from '../writer/snapshots/snapshot-folder.ts'
import { CommandFailure } from './output/failure.ts'
import { graphql } from './graphql-client.ts'
import { VIEWS_FOLDER } from '../platform/embedded-platform.ts'
import { knownPartitionCount } from '../platform/partition-count.ts'
import { readViewsPosition } from '../platform/views-position.ts'

export interface ArchiveRequest {
  readonly dataDir: string
  /** Where to. */
  readonly archive: string
  /** Moves nothing, changes nothing. */
  readonly dryRun: boolean
  /** The platform that runs on the data folder, if one does. */
  readonly url: string | undefined
  readonly engineMemoryBytes: number
  /** Those of the deployment. */
  readonly projections: readonly SqlProjection[]
  readonly log: (line: string) => void
}

export interface ArchiveReport {
  /** What was moved, or would be, partition after partition. */
  readonly segments: readonly (SegmentMove & { readonly partition: number })[]
  /** Where the oldest snapshot kept of each partition stands, in its inside form (`0:1042,1:7`); sequence 0: there is none. */
  readonly oldestSnapshot: string
  /** Up to where every view holds everything, likewise; sequence 0: nothing yet. */
  readonly views: string
}

/**
 * Moves every segment that neither a start from the oldest snapshot nor any view has to read again.
 * @throws LogError of the log or the archive; CommandFailure; whatever the views answer if they cannot be read
 */
export async function archiveLog(request: ArchiveRequest): Promise<ArchiveReport> {
  const { dataDir, archive, dryRun, url } = request
  const count = knownPartitionCount(dataDir)
  const partitions = Array.from({ length: count }, (_, partition) => partition)
  const locks = [...(url === undefined ? [acquireFolder(dataDir)] : [])]
  try {
    // Beside a platform that runs, this lock alone keeps a second one of us out.
    locks.push(acquireFolder(path.join(dataDir, 'log')))
    refuseSameFolder(dataDir, archive, dryRun, partitions)
    const views = url === undefined ? await viewsAtRest(request) : await viewsRunning(url)
    const snapshots: Position = new Map(
      partitions.map((partition) => [partition, oldestSnapshotSequence(nodeDisk, dataDir, partition)]),
    )
    const segments = partitions.flatMap((partition) => {
      const neededFrom = lesser(views.get(partition) ?? 0n, snapshots.get(partition)!)
      const moves = dryRun
        ? planArchive(nodeDisk, dataDir, partition, neededFrom)
        : archiveSegments(nodeDisk, dataDir, partition, archive, neededFrom)
      return moves.map((move) => ({ partition, ...move }))
    })
    const held: Position = new Map(partitions.map((partition) => [partition, views.get(partition) ?? 0n]))
    return { segments, oldestSnapshot: formatPosition(snapshots), views: formatPosition(held) }
  } finally {
    for (const lock of locks.reverse()) lock.release()
  }
}

function lesser(one: bigint, other: bigint): bigint {
  return one < other ? one : other
}

/** A copy "into" its own folder, by whatever name, would be taken for done, and the original removed. */
function refuseSameFolder(
  dataDir: string,
  archive: string,
  dryRun: boolean,
  partitions: readonly number[],
): void {
  if (!dryRun) nodeDisk.makeFolder(archive)
  for (const part of ['.', ...partitions.map(logFolder)]) {
    const [here, there] = [path.join(dataDir, part), path.join(archive, part)]
    if (!existsSync(here) || !existsSync(there)) continue
    const [one, other] = [statSync(here), statSync(there)]
    if (realpathSync(here) === realpathSync(there) || (one.dev === other.dev && one.ino === other.ino))
      throw new LogArchiveUnfitError(archive, 'it is the data folder itself')
  }
}

/** How far the views of a folder at rest are: only their engine can read them. */
async function viewsAtRest({
  dataDir,
  engineMemoryBytes,
  projections,
  log,
}: ArchiveRequest): Promise<Position> {
  const folder = path.join(dataDir, VIEWS_FOLDER)
  if (!existsSync(folder)) return new Map()
  const engine = await startEngine({ dataDir: folder, memoryBytesMax: engineMemoryBytes, log })
  const store = createViewStore(engine)
  try {
    return await readViewsPosition(store, projections)
  } finally {
    await store.close()
    await engine.stop()
  }
}

/** How far the views of a running platform are: in each partition the one that is furthest behind. */
async function viewsRunning(url: string): Promise<Position> {
  const { projections } = await graphql<{ projections: readonly { position: string }[] }>(
    url,
    '{ projections { position } }',
  )
  const positions = projections.map(({ position }) => {
    const decoded = decodePosition(position)
    if (decoded === undefined)
      throw new CommandFailure(
        'platform_unavailable',
        `The platform at ${url} answered a position that cannot be read.`,
      )
    return decoded
  })
  return earliestPosition(positions)
}
