/**
 * The writer's side of a partition's log on Kafka. It speaks to the core thread as the log thread does (log-messages.ts): it
 * takes frames from slabs, seals and sends them. A frame gets its receipt when it was read back as accepted, never earlier.
 * Waiting frames share one record batch. One request is under way at a time, and is repeated byte for byte until it is
 * answered. The writer ends for good when it is replaced, or when Kafka is out of reach.
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

/** Bytes of values in one record batch. The rest of the limit is for the headers of the batch and its records. */
const GROUP_BYTES_MAX = RECORD_BATCH_BYTES_MAX / 2
const GROUP_FRAMES_MAX = 64
/** Reused memory for frames that were sent and not read back: 32 MiB. */
const CHUNKS = 8

export interface KafkaLogServerOptions {
  readonly settings: KafkaSettings
  readonly partition: number
  /** Where the core builds its frames. A slab is free when its frame was read back, so the core cannot run ahead. */
  readonly slabs: SlabShare
  /** The other end of the core's port. */
  readonly corePort: MessagePort
  /** The same partition's log, followed: it reads frames back. Frames state its number of partitions. */
  readonly log: KafkaEventLog
  /** The core's head. If the log has gone on since, the opening frame comes back void. */
  readonly head: LogHead
  /** The commands topic that its frames name (schemas/commands-topic.ts). Default: 0, none named. */
  readonly commandsTopic?: number
  /** The queue's offset behind the first `count` commands that the core has consumed. */
  readonly offsetOfCount: (count: bigint) => CommandOffset
  /**
   * For a frame that is a skip, behind `count` commands: the offset behind what it skips, and why it was skipped. No reason:
   * nothing was. Default: nothing is ever skipped.
   */
  readonly offsetOfSkip?: (count: bigint) => { readonly offset: CommandOffset; readonly reason?: SkipReason }
  /** Called once if the writer fails: `log_replaced`, `kafka_unreachable` and others. The core is told as well. */
  readonly onFailure: (failure: LogError) => void
  /** Called with each own frame that was read back as accepted. */
  readonly onDurable?: (frame: Frame, logOffset: bigint) => void
  /** Takes a line for the operator. */
  readonly notice: Log
  /** How long Kafka may not answer. Default: OUTAGE_MS_MAX_DEFAULT. */
  readonly outageMsMax?: number
  /** Gets the requests and their ends, for health reports. Default: none. */
  readonly outages?: OutageWatch
}

export interface KafkaLogServer {
  /** Resolves after the core's `stop`, when everything sent was read back; rejects if the writer failed before. */
  readonly stopped: Promise<void>
  /** Ends at once, without a failure. What is under way may be stored or not. The log stays open: it is the caller's. */
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
    // `onFailure` tells it as well: a caller that ignores this promise must not crash on it.
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
    // One message for all frames that were read together.
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

/** Both sides of the threads' shared memory, in one thread. V8 does not count shared memory, so it collects less often. */
function reusedMemory(): (bytes: number) => Uint8Array {
  const share = createFrameMemoryShare(CHUNKS)
  const memory = new FrameMemory(share)
  const views = new FrameViews(share)
  return (bytes) => views.at(memory.refOf(memory.take(bytes)))
}

function broken(error: unknown): LogError {
  return new LogError('log_broken', `The writer of the log broke: ${String(error)}`, { cause: error })
}
