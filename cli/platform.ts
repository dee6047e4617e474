/**
 * The embedded platform, wired by hand: folder lock, engine and view store, writer, projections, and at last the doors.
 * Stopped in the opposite order. Nothing else in the repository knows all the parts.
 */
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { acquireFolder, type FolderLock } from '../eventlog/file/lock.ts'
import { createFileImportRegistry } from '../gateway/import-registry.ts'
import { startGateway, type Gateway } from '../gateway/gateway.ts'
import { createViewStore } from '../projectors/clickhouse-store.ts'
import { startEngine, type Engine } from '../projectors/engine/supervisor.ts'
import { startProjections, type RunningProjections } from '../projectors/runtime.ts'
import type { ViewStore } from '../projectors/view-store.ts'
import type { Currency } from '../schemas/money.ts'
import type { Position } from '../schemas/positions.ts'
import { startEmbeddedWriter, type EmbeddedWriter, type EmbeddedWriterOptions } from '../writer/embedded.ts'
import { readViewsPosition } from './views-position.ts'

export interface PlatformOptions {
  readonly dataDir: string
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  readonly currencies: ReadonlyMap<string, Currency>
  readonly graphiql: boolean
  readonly engineMemoryBytes: number
  /** How the core is dimensioned; by default as large as it may be. */
  readonly core?: NonNullable<EmbeddedWriterOptions['core']>
  /** Gets a line for the operator. */
  readonly log: (line: string) => void
}

/** A running platform. */
export interface Platform {
  /** Where it serves: `http://127.0.0.1:4000`. */
  readonly url: string
  readonly dataDir: string
  readonly writer: EmbeddedWriter
  readonly store: ViewStore
  readonly projections: RunningProjections
  /** Everything that the log holds now. */
  position(): Position
  /** Resolves with the reason if a part fails for good; the process should say so and end. */
  readonly failed: Promise<string>
  /** Stops in order: doors, writer (what was taken is committed), views, engine. Idempotent. */
  stop(): Promise<void>
}

/** The subfolder of the data folder that belongs to the engine. */
export const VIEWS_FOLDER = 'views'
/** How long a stop waits for the views to take in the last events; a start would catch up all the same. */
const CATCH_UP_MS_MAX = 5_000

/**
 * Starts the platform and returns once commands are taken and views are read.
 * @throws LogFolderInUseError if another process has the folder; WriterFailedError, also if the views know more than the
 *   log; EngineStartError
 */
export async function startPlatform(options: PlatformOptions): Promise<Platform> {
  const parts = new Parts()
  try {
    return await assemble(options, parts)
  } catch (error) {
    // Why it did not start says more than why it could not be stopped.
    await parts.stop().catch(() => undefined)
    throw error
  }
}

/** What runs by now, in the order in which it was started. */
class Parts {
  lock: FolderLock | undefined
  engine: Engine | undefined
  writer: EmbeddedWriter | undefined
  store: ViewStore | undefined
  projections: RunningProjections | undefined
  gateway: Gateway | undefined
  #stopping: Promise<void> | undefined

  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop())
  }

  async #stop(): Promise<void> {
    const { gateway, writer, projections, store, engine, lock } = this
    const steps: (() => unknown)[] = [
      () => gateway?.stop(),
      // After the doors, before the log ends: so the views hold everything that the last answers told of.
      () => writer?.status().state === 'ready' && projections?.waitFor(headOf(writer), CATCH_UP_MS_MAX),
      () => projections?.stop(),
      () => writer?.stop(),
      () => store?.close(),
      () => engine?.stop(),
      () => lock?.release(),
    ]
    // A part that has failed does not keep the others running: the process has to end.
    const failures: unknown[] = []
    for (const step of steps)
      try {
        await step()
      } catch (error) {
        failures.push(error)
      }
    if (failures.length > 0) throw failures[0]
  }
}

async function assemble(options: PlatformOptions, parts: Parts): Promise<Platform> {
  const { log } = options
  const dataDir = path.resolve(options.dataDir)
  mkdirSync(dataDir, { recursive: true })
  const lock = (parts.lock = acquireFolder(dataDir))

  // The views say what the log must hold at least: so a log that lost its end is refused before anything of it is repaired.
  const engine = (parts.engine = await startEngine({
    dataDir: path.join(dataDir, VIEWS_FOLDER),
    memoryBytesMax: options.engineMemoryBytes,
    log,
  }))
  const { url, username, password } = engine
  const store = (parts.store = createViewStore({ url, username, password }))
  const viewsPosition = await readViewsPosition(store)
  const core = options.core === undefined ? {} : { core: options.core }
  const writer = (parts.writer = await startEmbeddedWriter({ dataDir, viewsPosition, log, ...core }))
  const projections = (parts.projections = await startProjections({ store, logs: [writer.log], log }))
  const gateway = (parts.gateway = await startGateway({
    writers: [writer],
    store,
    projections,
    currencies: options.currencies,
    host: options.host,
    port: options.port,
    graphiql: options.graphiql,
    imports: createFileImportRegistry(path.join(dataDir, 'imports')),
    log,
  }))
  lock.update({ url: gateway.url })
  return {
    url: gateway.url,
    dataDir,
    writer,
    store,
    projections,
    position: () => headOf(writer),
    failed: failureOf(writer, engine),
    stop: () => parts.stop(),
  }
}

function failureOf(writer: EmbeddedWriter, engine: Engine): Promise<string> {
  return new Promise((resolve) => {
    writer.onFailure(resolve)
    engine.onState((state) => {
      if (state === 'failed')
        resolve('The embedded view engine does not come up again. Nothing that was acknowledged is lost: start again, and look at the lines above.')
    })
  })
} // prettier-ignore

function headOf({ log }: EmbeddedWriter): Position {
  const { partition, sequence } = log.head()
  return new Map([[partition, sequence]])
}
