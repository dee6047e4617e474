/**
 * One life of the embedded writer on the simulated disk: the real core server, log server, queue and readers, joined by
 * simulated threads the way writer/embedded.ts joins real ones.
 */
import type { FileLogServerPorts } from '../../eventlog/file/file-log-server.ts'
import { FileLogServer } from '../../eventlog/file/file-log-server.ts'
import { FileEventLog } from '../../eventlog/file/file-event-log.ts'
import type { CoreToLog, LogToCore, LogToMain } from '../../eventlog/handoff/log-messages.ts'
import { createSlabShare, openSlabPool, type SlabPool } from '../../eventlog/handoff/slabs.ts'
import { createMemoryQueue, type MemoryQueue } from '../../eventlog/queue/memory-queue.ts'
import type { LogHead, Offer, OfferStored } from '../../eventlog/ports.ts'
import type { Frame } from '../../schemas/frames.ts'
import { CoreServer, newestSnapshotIn, type CoreServerPorts } from '../../writer/thread/core-server.ts'
import type { CommandBatch, Slab } from '../../writer/thread/loop.ts'
import { loadNewestState, replayTail, type LoadedState } from '../../writer/recovery/load-state.ts'
import { removeUnfinishedSnapshots } from '../../writer/snapshots/snapshot-folder.ts'
import type { CoreOptions, WalletCore } from '../../writer/core/core.ts'
import type { CutDebris } from '../../eventlog/file/recovery/open-log.ts'
import type { Door } from './clients.ts'
import type { SeedOptions } from './options.ts'
import type { SimulatedDisk } from './simulated-disk.ts'
import { simulateSnapshotThread } from './snapshot-thread.ts'
import { BusyThread, Channel, Process } from './threads.ts'
import type { WallClock } from './wall-clock.ts'
import type { World } from './world.ts'

export const DATA_FOLDER = 'data'
export const PARTITION = 0
/** The memory of slabs is kept for every writer of this process, by partition: only one of each lives at a time. */
const slabBytes = new Map<number, SharedArrayBuffer>()

function slabBytesOf(partition: number): SharedArrayBuffer {
  const bytes = slabBytes.get(partition) ?? createSlabShare(6).bytes
  slabBytes.set(partition, bytes)
  return bytes
}

/** Of a seed's options, those that a writer is made with. */
export interface FileWriterOptions extends Pick<SeedOptions, 'writer'> {
  /** Bounds, and what else is said to a core. */
  readonly core: Omit<CoreOptions, 'partition'>
}

/** What a writer tells of its life. */
export interface FileWriterListener {
  /** The log is open, and everything up to its head is durable. */
  opened(log: FileEventLog, head: LogHead, cut: CutDebris | undefined): void
  decided(frame: CoreToLog & { kind: 'frame' }): void
  /** A frame came back from the log, accepted and durable. */
  durable(frame: Frame): void
  recovered(core: WalletCore, state: LoadedState): void
  /** It died: of a failed disk, of broken logic, or because its log was refused. */
  died(error: unknown): void
  /** It stopped as it was told to. */
  stopped(core: WalletCore): void
}

export class FileWriter implements Door {
  epoch = 0n
  core: WalletCore | undefined
  log: FileEventLog | undefined
  readonly process: Process
  private readonly partition: number
  private readonly world: World
  private readonly clock: WallClock
  private readonly options: FileWriterOptions
  private readonly disk: SimulatedDisk
  private readonly listener: FileWriterListener
  private readonly slabs: SlabPool
  private readonly toMain: Channel<LogToMain>
  private readonly over = new AbortController()
  private queue: MemoryQueue | undefined
  private server: CoreServer | undefined
  private logServer: FileLogServer | undefined
  private state: LoadedState | undefined
  private isServing = false
  private isStopping = false

  constructor(
    world: World,
    clock: WallClock,
    options: FileWriterOptions,
    disk: SimulatedDisk,
    listener: FileWriterListener,
    durableAtLeast: bigint,
    partition = PARTITION,
  ) {
    this.partition = partition
    this.world = world
    this.clock = clock
    this.options = options
    this.disk = disk
    this.listener = listener
    this.process = new Process(world, options.writer.latencyNs, (error) => {
      this.over.abort()
      listener.died(error)
    })
    const states = new SharedArrayBuffer(options.writer.slabs * Int32Array.BYTES_PER_ELEMENT)
    this.slabs = openSlabPool({ bytes: slabBytesOf(partition), states })
    this.toMain = new Channel<LogToMain>(this.process, 'log → main', (message) => {
      this.onMain(message)
    })
    this.process.schedule(this.process.latency(), 'the writer starts', () => {
      removeUnfinishedSnapshots(disk.disk, DATA_FOLDER, partition)
      this.state = loadNewestState(disk.disk, DATA_FOLDER, { partition, ...options.core })
      for (const { file, reason } of this.state.unusable) {
        world.trace(`snapshot ${file} passed over: ${reason}`)
        world.cover('snapshot passed over')
      }
      const loaded = this.state.snapshot?.position.sequence ?? 0n
      this.startLog(loaded > durableAtLeast ? loaded : durableAtLeast)
    })
  }

  isReady(): boolean {
    return this.process.isAlive() && this.isServing
  }

  offer(slots: Uint8Array, count: number, stored: OfferStored): Offer {
    return this.queue!.offer(slots, count, stored)
  }

  /** Takes no more commands, and ends when all is durable. */
  stop(): void {
    if (this.isStopping) return
    this.isStopping = true
    this.queue!.stop()
    this.stopIfDrained()
  }

  /** Ends it where it stands. What the log had said by then may still be heard. */
  end(): void {
    while (this.toMain.hasWaiting() && this.world.random.chance(0.5))
      this.process.run(() => {
        this.toMain.take()
      })
  }

  /** After `end`, when what was heard has been passed on. */
  bury(): void {
    this.process.end()
    this.over.abort()
    this.log?.close()
  }

  private startLog(durableAtLeast: bigint): void {
    const { process, options, world } = this
    const { syncNs, idleFrameMs } = options.writer
    let syncEndsNs = 0n
    const busyNs = (): bigint => {
      const ns = BigInt(1 + world.random.below(syncNs))
      syncEndsNs = world.nowNs() + ns
      return ns
    }
    const left = (): bigint => (syncEndsNs > world.nowNs() ? syncEndsNs - world.nowNs() : 0n)
    const quiet = process.timer('the log is quiet')
    const toCore = new Channel<LogToCore>(process, 'log → core', (message) => {
      this.server?.onLog(message)
    })
    const ports: FileLogServerPorts = {
      disk: this.disk.disk,
      slabs: this.slabs,
      tellCore: (message) => {
        toCore.post(message, left())
      },
      tellMain: (message) => {
        this.toMain.post(message, left())
      },
      next: () => {
        const message = this.thread?.next()
        if (message?.kind === 'frame') world.cover('frames under one sync')
        return message
      },
      whenQuiet: (task) => {
        quiet(task === undefined ? undefined : BigInt(idleFrameMs) * 1_000_000n, task ?? (() => undefined))
      },
      ended: () => undefined,
    }
    this.thread = new BusyThread<CoreToLog>(process, busyNs, (first) => {
      this.logServer!.take(first)
    })
    this.logServer = new FileLogServer(
      {
        dir: DATA_FOLDER,
        partition: this.partition,
        segmentBytesMax: options.writer.segmentBytesMax,
        durableAtLeast,
      },
      ports,
    )
  }
  private thread: BusyThread<CoreToLog> | undefined

  private onMain(message: LogToMain): void {
    switch (message.kind) {
      case 'ready':
        this.open(message.head, message.recovery.cut)
        return
      case 'frames':
        for (const frame of message.frames) this.log!.deliver(frame)
        return
      case 'failed':
        throw Object.assign(new Error(message.message), { code: message.code })
      case 'stopped':
        this.log!.close()
        this.process.end()
        this.listener.stopped(this.core!)
        return
    }
  }

  private open(head: LogHead, cut: CutDebris | undefined): void {
    const { process, options } = this
    this.log = new FileEventLog({
      disk: this.disk.disk,
      dir: DATA_FOLDER,
      partition: this.partition,
      head,
      windowBytesMax: options.writer.windowBytesMax,
    })
    this.epoch = head.epoch + 1n
    this.listener.opened(this.log, head, cut)
    const toCore = new Channel<CommandBatch>(process, 'commands', (batch) => {
      this.server!.take(batch)
    })
    this.queue = createMemoryQueue({
      partition: this.partition,
      nextOffset: head.nextCommandOffset,
      slotsMax: options.writer.queueSlotsMax,
      soon: (task) => {
        process.schedule(process.latency(), 'the queue sends', task)
      },
      core: {
        send: (slots, count) => {
          toCore.post({ slots, count })
        },
      },
    })
    this.follow(this.log, head).catch((error: unknown) => {
      process.fail(error)
    })
    process.schedule(process.latency(), 'the core recovers', () => {
      this.recover(head)
    })
  }

  private recover(head: LogHead): void {
    const { options, state } = this
    replayTail(this.disk.disk, DATA_FOLDER, this.partition, state!, head)
    this.core = state!.core
    this.listener.recovered(this.core, state!)
    this.server = new CoreServer(
      {
        partition: this.partition,
        core: this.core,
        head,
        snapshotRule: options.writer.snapshotRule,
        newestSnapshot: newestSnapshotIn(state!),
      },
      this.corePorts(),
    )
  }

  private corePorts(): CoreServerPorts {
    const { process, world, options } = this
    const toLog = new Channel<CoreToLog>(process, 'core → log', (message) => {
      this.thread!.deliver(message)
    })
    const wanted = new Channel<'wanted'>(process, 'core → main', () => {
      this.queue!.wanted()
    })
    const slabs: readonly Slab[] = Array.from({ length: options.writer.slabs }, (_, index) => ({
      index,
      payload: this.slabs.payload(index).subarray(0, options.writer.payloadBytes),
    }))
    const wake = process.timer('the core wakes')
    return {
      nowNs: () => this.clock.nowNs(),
      nowMs: () => Number(world.nowNs()) / 1e6,
      claim: () => {
        const index = this.slabs.claim()
        return index === undefined ? undefined : slabs[index]
      },
      toLog: (message) => {
        if (message.kind === 'frame') this.listener.decided(message)
        toLog.post(message)
      },
      serving: () => {
        this.isServing = true
        world.cover('serving')
      },
      wanted: () => {
        wanted.post('wanted')
      },
      stopped: () => {
        world.cover('clean stop')
      },
      changed: () => undefined,
      notice: (line) => {
        world.trace(line)
      },
      soon: (task) => {
        process.schedule(process.latency(), 'the core steps', task)
      },
      wakeAfter: (ms, task) => {
        wake(ms === undefined ? undefined : BigInt(ms) * 1_000_000n, task)
      },
      beginSnapshot: (position, sections, listener) => {
        const unusable = this.state!.unusable.map(({ sequence }) => sequence)
        const start = {
          dataDir: DATA_FOLDER,
          position,
          sections,
          kept: options.writer.snapshotsKept,
          unusable,
        }
        return simulateSnapshotThread(
          process,
          this.disk.disk,
          start,
          options.writer.snapshotRoomBytes,
          listener,
        )
      },
    }
  }

  /** Frees the queue's room as its commands come back from the log, and passes on what came back. */
  private async follow(log: FileEventLog, head: LogHead): Promise<void> {
    for await (const frame of log.tail(head.sequence + 1n, this.over.signal)) {
      if (!this.process.isAlive()) return
      // A frame without events at the very sequence after the head may stand before it, already known.
      this.listener.durable(frame)
      this.queue!.consumed(frame.nextCommandOffset)
      this.stopIfDrained()
    }
  }

  private stopIfDrained(): void {
    if (!this.isStopping || this.queue!.waiting() > 0 || this.isTold) return
    this.isTold = true
    this.process.schedule(this.process.latency(), 'main tells the core to stop', () => {
      this.server!.stop()
    })
  }
  private isTold = false
}
