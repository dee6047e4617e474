/**
 * One writer on a log that others can write to as well: the real core server and loop, frames sealed as the log thread seals
 * them, and the rules of the design for such a log: read to the end, open an epoch of one's own, acknowledge nothing that has
 * not been read back as accepted, and stop at the first frame of one's own that is void.
 */
import { nodeDigests } from '../../eventlog/hashing.ts'
import type { CoreToLog, FrameReceipt } from '../../eventlog/handoff/log-messages.ts'
import { seal } from '../../eventlog/handoff/seal.ts'
import { chainAfter, emptyChain, type ChainEnd } from '../../eventlog/file/layout/segments.ts'
import { SharedAppender } from '../../eventlog/kafka/events/shared-appender.ts'
import { createMemoryQueue, type MemoryQueue } from '../../eventlog/queue/memory-queue.ts'
import { createReaderRule, type ReaderRule } from '../../eventlog/reader-rule.ts'
import type { Offer, OfferStored } from '../../eventlog/ports.ts'
import { lastSequence, readFrame, type Frame } from '../../schemas/frames.ts'
import { createCore, type WalletCore } from '../../writer/core/core.ts'
import { CoreServer } from '../../writer/thread/core-server.ts'
import type { CommandBatch } from '../../writer/thread/loop.ts'
import type { Door } from './clients.ts'
import { PARTITION } from './file-writer.ts'
import { insist } from './insist.ts'
import type { SeedOptions } from './options.ts'
import { Channel, Process } from './threads.ts'
import type { WallClock } from './wall-clock.ts'
import type { SinkListener, SnapshotSink } from '../../writer/snapshots/snapshot-keeper.ts'
import type { World } from './world.ts'

/** What every writer and reader sees: frames in the order in which they arrived. */
export interface SharedLog {
  readonly entries: readonly Uint8Array[]
  /** Sends bytes on their way: they arrive later, maybe twice, even if the sender is gone by then. */
  send(bytes: Uint8Array): void
}

export interface SharedWriterListener {
  decided(frame: CoreToLog & { kind: 'frame' }): void
  /** A frame of its own was read back as accepted. */
  durable(frame: Frame): void
  /** It ended: replaced, stopped, or broken by what is given. */
  ended(error: unknown): void
}

/** Frames that may be on their way. */
const SLABS = 8

/** Nobody starts from a snapshot here: the log is all that writers share. */
const NEVER = { everyEvents: Number.MAX_SAFE_INTEGER, logRatio: 0, quietMs: 0 }

/** Takes the snapshot of a stop, and keeps nothing of it. */
function forget(listener: SinkListener): SnapshotSink {
  const room = new Uint8Array(4_096)
  return {
    claim: () => room,
    send: () => undefined,
    finish: () => {
      listener.saved(0)
    },
    abandon: () => undefined,
  }
}

export class SharedWriter implements Door {
  epoch = 0n
  readonly core: WalletCore
  readonly process: Process
  private readonly world: World
  private readonly clock: WallClock
  private readonly options: SeedOptions
  private readonly log: SharedLog
  private readonly listener: SharedWriterListener
  private readonly rule: ReaderRule = createReaderRule(PARTITION)
  private appender = new SharedAppender(emptyChain(PARTITION))
  private readonly slabs = new Set<number>(Array.from({ length: SLABS }, (_, index) => index))
  private readonly memory: readonly Uint8Array[]
  private readonly toCore: Channel<FrameReceipt>
  private read = 0
  private server: CoreServer | undefined
  private queue: MemoryQueue | undefined
  private isServing = false
  private isReadDue = false

  constructor(
    world: World,
    clock: WallClock,
    options: SeedOptions,
    log: SharedLog,
    listener: SharedWriterListener,
  ) {
    this.world = world
    this.clock = clock
    this.options = options
    this.log = log
    this.listener = listener
    this.core = createCore({ partition: PARTITION, ...options.core })
    this.memory = Array.from({ length: SLABS }, () => new Uint8Array(options.writer.payloadBytes))
    this.process = new Process(world, options.writer.latencyNs, (error) => {
      listener.ended(error)
    })
    this.toCore = new Channel(this.process, 'read back → core', (receipt) => {
      this.server!.onLog({ kind: 'durable', frames: [receipt] })
    })
    this.process.schedule(this.process.latency(), 'a writer reads to the end', () => {
      this.takeOver()
    })
  }

  /** Where its own frames end, accepted or not. */
  get chain(): ChainEnd {
    return this.appender.chain()
  }

  isReady(): boolean {
    return this.process.isAlive() && this.isServing
  }

  offer(slots: Uint8Array, count: number, stored: OfferStored): Offer {
    return this.queue!.offer(slots, count, stored)
  }

  /** Something has arrived at the log. */
  arrived(): void {
    if (this.isReadDue || this.server === undefined) return
    this.isReadDue = true
    this.process.schedule(this.process.latency(), 'a writer reads on', () => {
      this.isReadDue = false
      this.readOn()
    })
  }

  end(): void {
    this.process.end()
  }

  private takeOver(): void {
    let chain = emptyChain(PARTITION)
    for (; this.read < this.log.entries.length; this.read++) {
      const frame = frameOf(this.log.entries[this.read]!)
      if (this.rule.judge(frame).kind === 'void') continue
      if (frame.count > 0) this.core.apply(frame.payload)
      chain = chainAfter(frame)
    }
    this.appender = new SharedAppender(chain)
    const head = this.rule.head()
    this.epoch = head.epoch + 1n
    const toServer = new Channel<CommandBatch>(this.process, 'commands', (batch) => {
      this.server!.take(batch)
    })
    this.queue = createMemoryQueue({
      partition: PARTITION,
      nextOffset: head.nextCommandOffset,
      slotsMax: this.options.writer.queueSlotsMax,
      soon: (task) => {
        this.process.schedule(this.process.latency(), 'the queue sends', task)
      },
      core: {
        send: (slots, count) => {
          toServer.post({ slots, count })
        },
      },
    })
    this.openServer(head)
    this.arrived()
  }

  private openServer(head: ReturnType<ReaderRule['head']>): void {
    const { process, world, memory, slabs } = this
    const wanted = new Channel<'wanted'>(process, 'core → main', () => {
      this.queue!.wanted()
    })
    const wake = process.timer('the core wakes')
    this.server = new CoreServer(
      { partition: PARTITION, core: this.core, head, snapshotRule: NEVER, newestSnapshot: undefined },
      {
        nowNs: () => this.clock.nowNs(),
        nowMs: () => Number(world.nowNs()) / 1e6,
        claim: () => {
          const [index] = slabs
          if (index === undefined) return undefined
          slabs.delete(index)
          return { index, payload: memory[index]! }
        },
        toLog: (message) => {
          this.append(message)
        },
        serving: () => {
          this.isServing = true
          world.cover('serving')
        },
        wanted: () => {
          wanted.post('wanted')
        },
        stopped: () => undefined,
        changed: () => undefined,
        notice: () => undefined,
        soon: (task) => {
          process.schedule(process.latency(), 'the core steps', task)
        },
        wakeAfter: (ms, task) => {
          wake(ms === undefined ? undefined : BigInt(ms) * 1_000_000n, task)
        },
        beginSnapshot: (_position, _sections, listener) => forget(listener),
      },
    )
  }

  private append(message: CoreToLog): void {
    if (message.kind !== 'frame') return
    this.listener.decided(message)
    const { slab, payloadBytes, kind: _, ...described } = message
    const payload = this.memory[slab]!.subarray(0, payloadBytes)
    const frame = this.appender.append((chain, durable) => seal({ ...described, payload }, chain, durable))
    this.slabs.add(slab)
    this.log.send(frame.bytes)
  }

  private readOn(): void {
    for (; this.read < this.log.entries.length && this.process.isAlive(); this.read++) {
      const frame = frameOf(this.log.entries[this.read]!)
      const meaning = this.appender.readBack(frame, this.rule.judge(frame))
      if (meaning === 'durable') this.acknowledge(frame)
      else if (meaning !== 'ignored') this.giveUp(meaning)
    }
  }

  private acknowledge(frame: Frame): void {
    this.listener.durable(frame)
    this.queue!.consumed(frame.nextCommandOffset)
    this.toCore.post({
      isIdleFrame: false,
      sequence: lastSequence(frame),
      hash: frame.hash.slice(),
      nextCommandOffset: frame.nextCommandOffset,
      nextCommandIndex: frame.nextCommandIndex,
      logOffset: BigInt(this.read),
    })
  }

  /** Another writer's frame was accepted, or one of its own was not: it has been replaced. */
  private giveUp(seen: 'successor' | 'void'): void {
    this.world.cover(seen === 'successor' ? 'writer saw its successor' : 'writer saw a void frame of its own')
    this.process.end()
    this.listener.ended(undefined)
  }
}

/** The frame that an entry holds. */
export function frameOf(bytes: Uint8Array): Frame {
  const reading = readFrame(bytes, 0, nodeDigests)
  insist(reading.kind === 'frame', 'a whole frame', reading.kind)
  return reading.frame
}
