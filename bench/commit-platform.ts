/**
 * The platform of `commit`, a process of its own: a writer and the doors over it, wired as platform/embedded-platform.ts does, but without
 * engine and projections.
 */
import { acquireFolder } from '../eventlog/file/lock.ts'
import { createFileImportRegistry } from '../gateway/imports/import-registry.ts'
import { startGateway, type Gateway } from '../gateway/gateway.ts'
import { startEmbeddedWriter, type EmbeddedWriter } from '../writer/embedded.ts'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { answerParent } from './child.ts'
import { fillLog } from './filler.ts'
import { CommandGenerator } from './generator.ts'
import { queueLane } from './lanes.ts'
import { sendLoad, type Load, type LoadResult } from './load.ts'
import { processStatusBytes } from './machine.ts'
import { NO_PROJECTIONS, NO_STORE } from './no-views.ts'
import { RoleClock, type RoleCpu } from './role-cpu.ts'
import { SerialSet } from './serial-set.ts'
import { askHeaps, type RoleHeaps } from './thread-heaps.ts'
import { WORKLOADS } from './workloads.ts'

export interface OpenAsk {
  readonly dataDir: string
  readonly accounts: number
  readonly seed: number
  readonly unlimited: boolean
}

/** What the process has used so far. */
export interface Usage {
  readonly cpuSeconds: RoleCpu
  readonly rssBytes: number
  /** Bytes that it had the disk write: log and snapshots. */
  readonly diskBytes: number
}

export type PlatformDialogue = {
  /** Starts the platform and opens the accounts. Answers with its port. */
  readonly open: { readonly ask: OpenAsk; readonly answer: number }
  readonly usage: { readonly ask: object; readonly answer: Usage }
  /** Has every thread collect its heap. */
  readonly heaps: { readonly ask: object; readonly answer: RoleHeaps }
  /** Sends a load into the queue from within. */
  readonly load: { readonly ask: Load; readonly answer: LoadResult }
  /** Stops in order. Answers with the serials of the commands that were acknowledged within this process. */
  readonly stop: { readonly ask: object; readonly answer: Uint8Array }
}

/** The writer's state has to be one for all runs: it is there from `open` on. */
class BenchPlatform {
  readonly #clock = new RoleClock()
  readonly #acknowledged = new SerialSet()
  #writer: EmbeddedWriter | undefined
  #gateway: Gateway | undefined

  async open(ask: OpenAsk): Promise<number> {
    const { dataDir, accounts } = ask
    const lock = acquireFolder(dataDir)
    process.once('exit', () => lock.release())
    const log = (line: string): void => void process.stderr.write(`${line}\n`)
    const writer = await startEmbeddedWriter({ dataDir, core: { accountsInitial: accounts }, log })
    writer.onFailure((reason) => {
      log(reason)
      process.exit(1)
    })
    this.#writer = writer
    await fillLog(writer, new CommandGenerator(WORKLOADS[0]!, ask), accounts, 0)
    this.#gateway = await startGateway({
      writers: [writer],
      store: NO_STORE,
      views: [],
      projections: NO_PROJECTIONS,
      currencies: new Map(),
      imports: createFileImportRegistry(path.join(dataDir, 'imports')),
      host: '127.0.0.1',
      port: 0,
      graphiql: false,
      log,
    })
    return this.#gateway.port
  }

  usage(): Usage {
    return {
      cpuSeconds: this.#clock.now(),
      rssBytes: processStatusBytes('VmRSS'),
      diskBytes: diskBytesWritten(),
    }
  }

  async load(load: Load): Promise<LoadResult> {
    const lane = queueLane(this.#writer!)
    try {
      return await sendLoad([lane], load, this.#acknowledged)
    } finally {
      await lane.close()
    }
  }

  async stop(): Promise<Uint8Array> {
    await this.#gateway?.stop()
    await this.#writer?.stop()
    return this.#acknowledged.toBytes()
  }
}

/** 0 where the system does not tell. */
function diskBytesWritten(): number {
  try {
    return Number(/^write_bytes: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1] ?? 0)
  } catch {
    return 0
  }
}

const platform = new BenchPlatform()
answerParent<PlatformDialogue>({
  open: (ask) => platform.open(ask),
  usage: () => platform.usage(),
  heaps: () => askHeaps(['core', 'log']),
  load: (load) => platform.load(load),
  stop: () => platform.stop(),
})
