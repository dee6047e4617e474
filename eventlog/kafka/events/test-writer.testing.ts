/** What the core thread does, on this thread, against a log server on a real topic: opens an epoch, sends made-up frames. */
import { MessageChannel } from 'node:worker_threads'
import { EVENT_SCHEMA_VERSION } from '../../../schemas/events.ts'
import type { LogError } from '../../errors.ts'
import type { FrameReceipt, FrameToSeal, LogToCore } from '../../handoff/log-messages.ts'
import { createSlabShare, openSlabPool } from '../../handoff/slabs.ts'
import type { LogHead } from '../../ports.ts'
import { openKafkaEventLog, type KafkaEventLog } from './kafka-event-log.ts'
import { startKafkaLogServer, type KafkaLogServer } from './kafka-log-server.ts'
import type { KafkaSettings } from '../settings.ts'

/** Commands in one record of the queue, as the places of these writers count. */
export const COMMANDS_A_RECORD = 3n

export interface TestWriterOptions {
  readonly settings: KafkaSettings
  /** Default: 30 s. */
  readonly outageMsMax?: number
  /** What happens between reading to the end and sending the opening frame. */
  readonly beforeOpening?: () => Promise<void>
}

/** The writer of partition 0. */
export class TestWriter {
  readonly log: KafkaEventLog
  readonly server: KafkaLogServer
  readonly epoch: bigint
  /** Receipts, in the order in which they came. */
  readonly receipts: FrameReceipt[] = []
  /** What the server told of its end, and what the core was told. */
  readonly failures: LogError[] = []
  readonly coreFailures: string[] = []
  private readonly slabs
  private readonly port
  private next: bigint
  private commands = 0n
  private isEnded = false

  private constructor(log: KafkaEventLog, head: LogHead, { settings, outageMsMax }: TestWriterOptions) {
    const { partition } = log
    this.log = log
    this.epoch = head.epoch + 1n
    this.next = head.sequence + 1n
    const share = createSlabShare()
    this.slabs = openSlabPool(share)
    const { port1, port2 } = new MessageChannel()
    this.port = port2
    port2.on('message', (message: LogToCore) => {
      if (message.kind === 'failed') this.coreFailures.push(message.code)
      else this.receipts.push(...message.frames)
    })
    this.server = startKafkaLogServer({
      settings,
      partition,
      slabs: share,
      corePort: port1,
      log,
      head,
      offsetOfCount: (count) => ({
        offset: 100n + count / COMMANDS_A_RECORD,
        index: Number(count % COMMANDS_A_RECORD),
      }),
      onFailure: (failure) => this.failures.push(failure),
      notice: () => undefined,
      ...(outageMsMax === undefined ? {} : { outageMsMax }),
    })
  }

  /** Reads to the end and sends the frame that opens an epoch of its own. */
  static async start(options: TestWriterOptions): Promise<TestWriter> {
    const { settings, outageMsMax = 30_000 } = options
    const log = await openKafkaEventLog({ settings, partition: 0, log: () => undefined, outageMsMax })
    const head = log.head()
    await options.beforeOpening?.()
    const writer = new TestWriter(log, head, options)
    writer.send(0)
    return writer
  }

  /** Sends a frame of `count` events; false if no slab is free. */
  send(count: number, payload: Uint8Array = new Uint8Array(count * 100).fill(count)): boolean {
    const slab = this.slabs.claim()
    if (slab === undefined) return false
    this.slabs.payload(slab).set(payload)
    this.commands += BigInt(count)
    this.port.postMessage({
      kind: 'frame',
      slab,
      schemaVersion: EVENT_SCHEMA_VERSION,
      epoch: this.epoch,
      firstSequence: this.next,
      count,
      timeNs: 1n,
      nextCommandOffset: this.commands,
      nextCommandIndex: 0,
      payloadBytes: payload.length,
    } satisfies FrameToSeal)
    this.next += BigInt(count)
    return true
  }

  /**
   * Sends as soon as a slab is free, until the writer is over.
   * @param pauseMs between two frames
   */
  async sendAll(frames: number, count: number, pauseMs = 0): Promise<void> {
    for (let sent = 0; sent < frames && !this.isEnded && this.failures.length === 0;) {
      const isSent = this.send(count)
      if (isSent) sent++
      if (!isSent || pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, isSent ? pauseMs : 1))
    }
  }

  stop(): Promise<void> {
    this.port.postMessage({ kind: 'stop' })
    return this.server.stopped
  }

  /** Ends it where it stands. */
  end(): void {
    this.isEnded = true
    this.server.close()
    this.log.close()
    this.port.close()
  }
}
