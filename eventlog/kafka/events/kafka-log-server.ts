/**
 * The writer's side of a partition's log on Kafka. It speaks to the core thread as the log thread does (log-messages.ts):
 * takes frames from slabs, seals and sends them, and gives a receipt for each that was read back as accepted, never earlier.
 * Frames that wait go in one record batch; one request is under way at a time, and is sent again, as it is, until it is
 * answered. The writer is over for good when it has been replaced, or when Kafka is out of reach.
 */
import type { MessagePort } from 'node:worker_threads'
import { SKIP_REASONS, type SkipReason } from '../../../schemas/frame-notes.ts'
import { lastSequence, type Frame } from '../../../schemas/frames.ts'
import { LogError } from '../../errors.ts'
import type { CoreToLog, FrameReceipt, FrameToSeal, LogToCore } from '../../handoff/log-messages.ts'
import { createFrameMemoryShare, FrameMemory, FrameViews } from '../../handoff/frame-memory.ts'
import { sealFromSlab } from '../../handoff/seal.ts'
import { openSlabPool, type SlabShare } from '../../handoff/slabs.ts'
import type { CommandOffset, LogHead } from '../../ports.ts'
import type { Log } from '../kafkajs/client.ts'
import type { KafkaEventLog } from './kafka-event-log.ts'
import type { OutageWatch } from '../kafkajs/outage-watch.ts'
import { encodeFrameRecord } from './record.ts'
import { openRecordSender } from '../partition/record-sender.ts'
import { RECORD_BATCH_BYTES_MAX, topicNames, type KafkaSettings } from '../settings.ts'
import { replacedError, SharedAppender } from './shared-appender.ts'

/** Bytes of values in one record batch: what the batch and its records cost beside them stays free. */
const GROUP_BYTES_MAX = RECORD_BATCH_BYTES_MAX / 2
const GROUP_FRAMES_MAX = 64
/** Memory of frames that were sent and not read back, used again: 32 MiB. */
const CHUNKS = 8

export interface KafkaLogServerOptions {
  readonly settings: KafkaSettings
  readonly partition: number
  /** Where the core builds its frames. A slab is free again when its frame was read back: so the core does not run ahead. */
  readonly slabs: SlabShare
  /** The other end of the core's port. */
  readonly corePort: MessagePort
  /** The same partition's log, followed: it reads back. Frames say of how many partitions it is one. */
  readonly log: KafkaEventLog
  /** Where the core stands. If the log has gone on since, the opening frame will come back void. */
  readonly head: LogHead
  /** Which topic the places are in that its frames say, as schemas/commands-topic.ts has it. Default: 0, not said. */
  readonly commandsTopic?: number
  /** The place in the command queue behind so many commands that the core has consumed. */
  readonly offsetOfCount: (count: bigint) => CommandOffset
  /**
   * The place behind what was passed over next, behind so many commands: where a frame of the core stands that is a mark. Why
   * it was passed over, unless nothing was. Default: nothing ever is.
   */
  readonly offsetOfSkip?: (count: bigint) => { readonly offset: CommandOffset; readonly reason?: SkipReason }
  /** Told once if the writer is over: `log_replaced`, `kafka_unreachable` and others. The core has been told too. */
  readonly onFailure: (failure: LogError) => void
  /** Told of each frame of this writer that was read back as accepted. */
  readonly onDurable?: (frame: Frame, logOffset: bigint) => void
  /** Takes a line for the operator. */
  readonly notice: Log
  /** How long Kafka may not answer. Default: OUTAGE_MS_MAX_DEFAULT. */
  readonly outageMsMax?: number
  /** Told of what is sent and answered. Default: nobody is. */
  readonly outages?: OutageWatch
}

export interface KafkaLogServer {
  /** Resolves after the core's `stop`, when everything sent was read back; rejects if the writer failed before. */
  readonly stopped: Promise<void>
  /** Ends it where it stands, without a failure: what is under way may be stored or not. The log is the caller's. */
  close(): void
}

export function startKafkaLogServer(options: KafkaLogServerOptions): KafkaLogServer {
  const server = new Server(options)
  return {
    stopped: server.stopped,
    close: () => {
      server.end(undefined)
    },
  }
}

class Server {
  readonly stopped: Promise<void>
  private readonly options: KafkaLogServerOptions
  private readonly slabs
  private readonly takeMemory
  private readonly sender
  private readonly appender: SharedAppender
  private readonly endObserving: () => void
  /** Records to be sent. */
  private waiting: Buffer[] = []
  /** Slabs of frames that were not read back, in order. */
  private readonly slabsInUse: number[] = []
  private receipts: FrameReceipt[] = []
  private isSending = false
  private isStopping = false
  private isOver = false
  private resolveStopped: () => void = () => undefined
  private rejectStopped: (failure: LogError) => void = () => undefined

  constructor(options: KafkaLogServerOptions) {
    const { settings, partition, log, corePort, outageMsMax, outages, notice } = options
    this.options = options
    this.slabs = openSlabPool(options.slabs)
    this.takeMemory = reusedMemory()
    this.appender = new SharedAppender({ ...options.head, timeNs: 0n })
    this.sender = openRecordSender({
      settings,
      topic: topicNames(settings).events,
      partition,
      log: notice,
      ...(outageMsMax === undefined ? {} : { outageMsMax }),
      ...(outages === undefined ? {} : { outages }),
    })
    this.stopped = new Promise((resolve, reject) => {
      this.resolveStopped = resolve
      this.rejectStopped = reject
    })
    // Told through `onFailure` as well: a caller that does not look at it must not crash on it.
    this.stopped.catch(() => undefined)
    this.endObserving = log.observe((frame, logOffset, judgement) => {
      const meaning = this.appender.readBack(frame, judgement)
      if (meaning === 'durable') this.durable(frame, logOffset)
      else if (meaning !== 'ignored') this.end(replacedError(this.appender.chain()))
    })
    log.onFailure((failure) => {
      this.end(failure)
    })
    corePort.on('message', (message: CoreToLog) => {
      this.take(message)
    })
  }

  private take(message: CoreToLog): void {
    if (this.isOver) return
    if (message.kind === 'stop') {
      this.isStopping = true
      this.stopIfDone()
      return
    }
    try {
      this.append(message)
    } catch (error) {
      this.end(error instanceof LogError ? error : broken(error))
      return
    }
    void this.send()
  }

  private append(message: FrameToSeal): void {
    const { log, offsetOfCount, offsetOfSkip, commandsTopic = 0 } = this.options
    const count = message.nextCommandOffset
    const { offset, reason } =
      message.isSkip === true && offsetOfSkip !== undefined
        ? offsetOfSkip(count)
        : { offset: offsetOfCount(count) }
    const { partitions = 0 } = log
    const { offset: nextCommandOffset, index: nextCommandIndex } = offset
    const skip = reason === undefined ? {} : { skip: SKIP_REASONS[reason] }
    const placed = {
      ...message,
      partitions,
      commandsTopic,
      nextCommandOffset,
      nextCommandIndex,
      ...skip,
    }
    this.appender.append((chain, durable) => {
      const sealed = sealFromSlab(this.slabs, placed, chain, durable, this.takeMemory)
      const value = encodeFrameRecord(sealed.frame.bytes)
      this.waiting.push(value)
      this.options.log.expect(value, sealed.frame)
      return sealed.frame
    })
    this.slabsInUse.push(message.slab)
  }

  /** Sends what waits, group by group, until nothing does. */
  private async send(): Promise<void> {
    if (this.isSending) return
    this.isSending = true
    try {
      while (this.waiting.length > 0 && !this.isOver) await this.sender.send(this.nextGroup())
    } catch (error) {
      this.end(error instanceof LogError ? error : broken(error))
    } finally {
      this.isSending = false
    }
  }

  private nextGroup(): Buffer[] {
    let bytes = 0
    let count = 0
    for (const value of this.waiting) {
      bytes += value.length
      if (count > 0 && (bytes > GROUP_BYTES_MAX || count === GROUP_FRAMES_MAX)) break
      count++
    }
    return this.waiting.splice(0, count)
  }

  private durable(frame: Frame, logOffset: bigint): void {
    this.slabs.release(this.slabsInUse.shift()!)
    this.options.onDurable?.(frame, logOffset)
    this.receipts.push({
      isIdleFrame: false,
      sequence: lastSequence(frame),
      hash: frame.hash.slice(),
      nextCommandOffset: frame.nextCommandOffset,
      nextCommandIndex: frame.nextCommandIndex,
      logOffset,
    })
    // Those that were read together are told together.
    if (this.receipts.length === 1)
      queueMicrotask(() => {
        this.tellDurable()
      })
  }

  private tellDurable(): void {
    if (this.isOver) return
    const frames = this.receipts
    this.receipts = []
    this.tellCore({ kind: 'durable', frames })
    this.stopIfDone()
  }

  private stopIfDone(): void {
    if (!this.isStopping || this.appender.pending() > 0) return
    this.end(undefined)
    this.resolveStopped()
  }

  private tellCore(message: LogToCore): void {
    this.options.corePort.postMessage(message)
  }

  /** Nothing is sent, acknowledged or told after it. */
  end(failure: LogError | undefined): void {
    if (this.isOver) return
    this.isOver = true
    this.endObserving()
    this.sender.close()
    if (failure !== undefined) {
      this.tellCore({ kind: 'failed', code: failure.code, message: failure.message })
      this.rejectStopped(failure)
    }
    this.options.corePort.close()
    if (failure !== undefined) this.options.onFailure(failure)
  }
}

/** Both sides of the memory that threads share, in one thread: V8 does not count it, and calls the collector less often. */
function reusedMemory(): (bytes: number) => Uint8Array {
  const share = createFrameMemoryShare(CHUNKS)
  const memory = new FrameMemory(share)
  const views = new FrameViews(share)
  return (bytes) => views.at(memory.refOf(memory.take(bytes)))
}

function broken(error: unknown): LogError {
  return new LogError('log_broken', `The writer of the log broke: ${String(error)}`, { cause: error })
}
