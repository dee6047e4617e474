/**
 * The embedded platform, wired by hand: folder lock, engine and view store, a writer per partition, with several partitions a
 * coordinator for each, projections, and at last the doors.
 * Stopped in the opposite order. Nothing else in the repository knows all the parts.
 */
import path from 'node:path'
import { frameBytesOf } from '../eventlog/frame-budget.ts'
import { acquireFolder, type FolderLock } from '../eventlog/file/lock.ts'
import { makeFolders } from '../eventlog/disk/make-folders.ts'
import { createFileImportRegistry } from '../gateway/imports/import-registry.ts'
import { lagLimit } from '../gateway/bounds.ts'
import { startGateway, type Gateway } from '../gateway/gateway.ts'
import { createViewStore } from '../projectors/clickhouse/clickhouse-store.ts'
import { startEngine, type Engine } from '../projectors/engine/supervisor.ts'
import { startProjections, type RunningProjections } from '../projectors/runtime/runtime.ts'
import type { ViewStore } from '../projectors/clickhouse/view-store.ts'
import { projectionsOf, requiredOf, type View } from '../gateway/view.ts'
import type { Currency } from '../schemas/money.ts'
import type { Position } from '../schemas/positions.ts'
import type { Coordinator } from '../writer/coordinator/coordinator.ts'
import { startCoordinators } from '../writer/coordinator/embedded-coordinators.ts'
import { startEmbeddedWriter, type EmbeddedWriter, type EmbeddedWriterOptions } from '../writer/embedded.ts'
import { DOOR_DEFAULTS, defaultEngineMemory } from './defaults.ts'
import { PlatformError } from './errors.ts'
import { failureOf, startAsPlatform } from './known-errors.ts'
import { settlePartitionCount } from './partition-count.ts'
import { assembleOf, Parts, startTogether, stopTogether } from './parts.ts'
import { codeTargets } from './projections/code-targets.ts'
import { refuseUnfit } from './projections/check/check.ts'
import { operationsOf } from './projections/operations.ts'
import { readViewsReach } from './views-position.ts'
import { allTogether } from '../projectors/projection.ts'
import { BUILT_IN_VIEWS } from '../projectors/views/built-in.ts'

export interface PlatformOptions {
  /** Folder that holds log, snapshots and views; made if it is not there. One process works on it at a time. */
  readonly dataDir: string
  /** Address to listen on. Default: 127.0.0.1. */
  readonly host?: string
  /** Names beside those of loopback and `host` by which clients may call it. Default: none. */
  readonly allowHosts?: readonly string[]
  /** Default: 0, which takes a free one: `url` says which. */
  readonly port?: number
  /** Those that accounts may be opened in without saying the scale, by code. Default: those of ISO 4217. */
  readonly currencies?: ReadonlyMap<string, Currency>
  /** Serves a console for browsers at `/graphql`. Default: false. */
  readonly graphiql?: boolean
  /** Memory for the embedded ClickHouse. Default: a quarter of the machine's, 4 GiB at most. */
  readonly engineMemoryBytes?: number
  /** What is made of the log to be read. Default: the built-in views. */
  readonly views?: readonly View[]
  /** How long the views may lack an event before reads are refused, in seconds. Default: as gateway/bounds.ts says. */
  readonly viewsLagSecondsMax?: number
  /** Partitions of a new data folder, and those that an existing one has to have. Default: as the folder is; 1 if new. */
  readonly partitions?: number | undefined
  /** How each core is dimensioned; by default as large as it may be. */
  readonly core?: NonNullable<EmbeddedWriterOptions['core']>
  /** When snapshots are due and segments full; by default as writer/embedded.ts says. */
  readonly writer?: Pick<EmbeddedWriterOptions, 'snapshots' | 'segmentBytesMax'>
  /** Gets a line for the operator. Default: nobody does. */
  readonly log?: (line: string) => void
}

/** A running platform. */
export interface Platform {
  /** Where it serves: `http://127.0.0.1:4000`. */
  readonly url: string
  readonly dataDir: string
  /** One per partition, in the order of their numbers. */
  readonly writers: readonly EmbeddedWriter[]
  /** One per partition, in the order of their numbers; none if there is one partition. */
  readonly coordinators: readonly Coordinator[]
  readonly store: ViewStore
  readonly views: readonly View[]
  readonly projections: RunningProjections
  /** Everything that the log holds now. */
  position(): Position
  /** Resolves with what it fails of if a part fails for good: say so, and stop it. It never rejects. */
  readonly failed: Promise<PlatformError>
  /** Stops in order: doors, writer (what was taken is committed), views, engine. Idempotent. */
  stop(): Promise<void>
}

/** The subfolder of the data folder that belongs to the engine. */
export const VIEWS_FOLDER = 'views'
const ENGINE_GAVE_UP =
  'The embedded view engine does not come up again. Nothing that was acknowledged is lost: start again, and look at the lines above.'
/** How long a stop waits for the views to take in the last events; a start would catch up all the same. */
const CATCH_UP_MS_MAX = 5_000

/**
 * Starts the platform and returns once commands are taken and views are read. It reads no environment, takes no signals and
 * writes nothing but its folder: whoever embeds it decides when to stop.
 * @throws PlatformError, with nothing left running: `folder_in_use`, `port_in_use`, `log_corrupt` … (platform/errors.ts)
 */
export function startPlatform(options: PlatformOptions): Promise<Platform> {
  return startAsPlatform(() => assembleOf(new PlatformParts(), (parts) => assemble(options, parts)))
}

class PlatformParts extends Parts {
  lock: FolderLock | undefined
  engine: Engine | undefined
  writers: readonly EmbeddedWriter[] = []
  coordinators: readonly Coordinator[] = []
  store: ViewStore | undefined
  projections: RunningProjections | undefined
  gateway: Gateway | undefined

  protected steps(): readonly (() => unknown)[] {
    const { gateway, writers, coordinators, projections, store, engine, lock } = this
    return [
      // With what it waits for: transfers across partitions come to their end while it stops.
      () => gateway?.stop(),
      () => stopTogether(coordinators),
      // After the doors, before the log ends: so the views hold everything that the last answers told of.
      () =>
        writers.every((writer) => writer.status().state === 'ready') &&
        projections?.waitFor(headOf(writers), CATCH_UP_MS_MAX),
      () => projections?.stop(),
      () => stopTogether(writers),
      () => store?.close(),
      () => engine?.stop(),
      () => lock?.release(),
    ]
  }
}

async function assemble(options: PlatformOptions, parts: PlatformParts): Promise<Platform> {
  const { host, port, currencies, graphiql, log } = { ...DOOR_DEFAULTS, ...options }
  const { views = BUILT_IN_VIEWS } = options
  const dataDir = path.resolve(options.dataDir)
  makeFolders(dataDir)
  const lock = (parts.lock = acquireFolder(dataDir))
  const partitions = settlePartitionCount(dataDir, options.partitions)

  // The views say what the log must hold at least: so a log that lost its end is refused before anything of it is repaired.
  const engine = (parts.engine = await startEngine({
    dataDir: path.join(dataDir, VIEWS_FOLDER),
    memoryBytesMax: options.engineMemoryBytes ?? defaultEngineMemory(),
    log,
  }))
  const { url, username, password } = engine
  const store = (parts.store = createViewStore({ url, username, password }))
  await refuseUnfit(store, views)
  const viewsPosition = await readViewsReach(store)
  refuseForeignViews(viewsPosition, partitions)
  const writers = (parts.writers = await startWriters(partitions, {
    dataDir,
    viewsPosition,
    log,
    core: options.core,
    ...options.writer,
  }))
  let onBroken: (error: Error) => void = () => undefined
  const broken = new Promise<Error>((resolve) => (onBroken = resolve))
  const coordinators = (parts.coordinators = startCoordinators(writers, onBroken))
  const projections = (parts.projections = await startProjections({
    store,
    projections: allTogether(projectionsOf(views)),
    targetOfCode: codeTargets({ store, views, partitions, log }),
    required: requiredOf(views),
    logs: writers.map((writer) => writer.log),
    log,
  }))
  const gateway = (parts.gateway = await startGateway({
    writers,
    store,
    views,
    projections,
    operations: operationsOf({
      serving: projections.serving(),
      store,
      views,
      head: () => headOf(writers),
      changed: () => projections.refresh(),
    }),
    currencies,
    host,
    allowHosts: options.allowHosts ?? [],
    port,
    graphiql,
    imports: createFileImportRegistry(path.join(dataDir, 'imports')),
    coordinators,
    limits: lagLimit(options.viewsLagSecondsMax),
    log,
  }))
  lock.update({ url: gateway.url })
  return {
    url: gateway.url,
    dataDir,
    writers,
    coordinators,
    store,
    views,
    projections,
    position: () => headOf(writers),
    failed: whatEnds(writers, broken, engine),
    stop: () => parts.stop(),
  }
}

interface WritersOptions extends NonNullable<PlatformOptions['writer']> {
  readonly dataDir: string
  readonly viewsPosition: Position
  readonly log: (line: string) => void
  readonly core: PlatformOptions['core']
}

/** Starts all at a time: each reads its own part of the disk in threads of its own. One that fails ends the others. */
async function startWriters(partitions: number, options: WritersOptions): Promise<EmbeddedWriter[]> {
  const { core, log: tell, ...rest } = options
  const starting = Array.from({ length: partitions }, (_, partition) => {
    const log = partitions === 1 ? tell : (line: string) => tell(`partition ${partition}: ${line}`)
    return startEmbeddedWriter({
      windowBytesMax: frameBytesOf(partitions),
      ...rest,
      partition,
      log,
      core: { ...core, partitions },
    })
  })
  return startTogether(starting, stopTogether)
}

/** Views of a partition that there is not come from another deployment. */
function refuseForeignViews(views: Position, partitions: number): void {
  const foreign = [...views.keys()].find((partition) => partition >= partitions)
  if (foreign === undefined) return
  throw new PlatformError(
    'views_ahead',
    `The views hold events of partition ${foreign}, but the data folder has ${partitions === 1 ? 'one partition' : `${partitions} partitions`}: ` +
      'they belong to another folder. Bring back the right ones, or remove the views so that they are made anew.',
  )
}

function whatEnds(
  writers: readonly EmbeddedWriter[],
  coordinatorBroken: Promise<Error>,
  engine: Engine,
): Promise<PlatformError> {
  return new Promise((resolve) => {
    void coordinatorBroken.then((error) => resolve(failureOf(error, 'coordinator_failed')))
    for (const writer of writers)
      writer.onFailure((reason) => resolve(new PlatformError('writer_failed', reason)))
    engine.onState((state) => {
      if (state === 'failed') resolve(new PlatformError('views_failed', ENGINE_GAVE_UP))
    })
  })
}

function headOf(writers: readonly EmbeddedWriter[]): Position {
  return new Map(
    writers.map(({ log }) => {
      const { partition, sequence } = log.head()
      return [partition, sequence]
    }),
  )
}
