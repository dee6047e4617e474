/**
 * The event log of one partition on a Kafka topic. Every record is a frame. The broker does not decide who may write: the
 * reader rule judges each record, in the order of offsets. Void frames (a repeated send, a writer that was replaced) are
 * skipped and counted. A record that holds no whole frame is corruption and ends the reading.
 */
import { lastSequence, sameBytes, type Frame } from '../../../schemas/frames.ts'
import { LogError } from '../../errors.ts'
import type { EventLog, LogHead } from '../../ports.ts'
import { createReaderRule, emptyHead, headAfter, type Judgement, type VoidReason } from '../../reader-rule.ts'
import { WindowedLog } from '../../windowed-log.ts'
import type { Log } from '../kafkajs/client.ts'
import { BatchDamagedError, PartitionsDifferError, TopicCorruptError } from '../errors.ts'
import { readAnchor, type LogAnchor } from './log-anchor.ts'
import type { OutageWatch } from '../kafkajs/outage-watch.ts'
import { FrameIndex } from './frame-index.ts'
import { decodeTopicRecord } from './record.ts'
import { topicNames, type KafkaSettings } from '../settings.ts'
import {
  openTopicReader,
  type ReadOptions,
  type TopicReader,
  type TopicRecord,
} from '../partition/topic-reader.ts'

export interface KafkaEventLogOptions {
  readonly settings: KafkaSettings
  readonly partition: number
  /** Number of partitions. A frame that says another number ends the reading. Undefined: not checked. */
  readonly partitions?: number
  /** Begins behind this frame, which has to be at its offset. Default: at the first record. */
  readonly anchor?: LogAnchor
  /** Called with each accepted frame that is read while the log is opened. The next frame waits for its promise. */
  readonly onCatchUp?: (frame: Frame, logOffset: bigint) => Promise<void> | void
  /** Called with each void frame. */
  readonly onVoid?: (frame: Frame, logOffset: bigint, reason: VoidReason) => void
  /** False: reads to the end as of the call, and no further. Default: true. */
  readonly follows?: boolean
  readonly log: Log
  /** Bytes of frames kept in memory. Default: as of a process's only partition. */
  readonly windowBytesMax?: number
  /** How long Kafka may not answer. Default: OUTAGE_MS_MAX_DEFAULT. */
  readonly outageMsMax?: number
  /** Gets the requests and their ends, for health reports. Default: none. */
  readonly outages?: OutageWatch
  /** For tests: how often the leader may answer that it has no record at the anchor. */
  readonly anchorAnswersMax?: number
  /** For tests: a denser index. */
  readonly frameIndex?: FrameIndex
  /** Aborts the opening. A log that is open stays open. */
  readonly signal?: AbortSignal | undefined
}

/** Gets each frame that is read from the topic, in order, and the reader rule's judgement. */
export type RecordObserver = (frame: Frame, logOffset: bigint, judgement: Judgement) => void

/**
 * Opens a partition's log and reads it to its end as of now; then follows it, unless told not to.
 * @throws TopicCorruptError, BatchDamagedError naming topic, partition and offset; LogError `log_regressed` if the anchor's frame is not at its
 *   place; PartitionsDifferError; KafkaOffsetError, KafkaUnreachableError, KafkaRefusedError; what `onCatchUp` throws
 */
export function openKafkaEventLog(options: KafkaEventLogOptions): Promise<KafkaEventLog> {
  return begin(options, async (log, end) => {
    await log.catchUp(end)
    if (options.follows !== false) log.follow()
  })
}

/**
 * Opens a partition's log without reading its frames. Reading starts with the first tail, or with `currentHead`. Frames that
 * were stored before are read no faster than tails take them. Meanwhile `head` says how far it has read, `endSequence` what
 * the newest record says, and `currentHead` waits for the end.
 * @throws as `openKafkaEventLog`; what is found later ends the tails
 */
export function followKafkaEventLog(
  options: Omit<KafkaEventLogOptions, 'onCatchUp' | 'follows'>,
): Promise<KafkaEventLog> {
  return begin(options, async (log, end) => log.followWithFirstTail(end))
}

/** @param read reads what is stored, up to before the offset `end` */
async function begin(
  options: KafkaEventLogOptions,
  read: (log: KafkaEventLog, end: bigint) => Promise<void>,
): Promise<KafkaEventLog> {
  const { events } = topicNames(options.settings)
  const openReader = (): TopicReader => openTopicReader({ ...options, topic: events, isPinned: true })
  const reader = openReader()
  try {
    const start =
      options.anchor === undefined
        ? { head: emptyHead(options.partition), next: 0n, headHasEvents: false }
        : await findAnchor(reader, events, options, options.anchor)
    const log = new KafkaEventLog(options, { topic: events, reader, openReader, ...start })
    const { end } = await reader.bounds(options.signal)
    await read(log, end)
    return log
  } catch (error) {
    reader.close()
    throw error
  }
}

interface Start {
  readonly topic: string
  readonly reader: TopicReader
  /** Opens another reader, with connections of its own. */
  readonly openReader: () => TopicReader
  readonly head: LogHead
  /** The offset from which to read. */
  readonly next: bigint
  readonly headHasEvents: boolean
}

/** A frame that was read, and what the reader rule says of it. */
interface Taken {
  readonly frame: Frame
  readonly judgement: Judgement
  readonly logOffset: bigint
}

export class KafkaEventLog extends WindowedLog implements EventLog {
  readonly #topic: string
  readonly #reader: TopicReader
  readonly #history: { readonly open: () => TopicReader; opened: TopicReader | undefined }
  readonly #options: KafkaEventLogOptions
  readonly #index: FrameIndex
  readonly #logOffsets = new WeakMap<Frame, bigint>()
  readonly #observers = new Set<RecordObserver>()
  /** Records that this process sends, in order, and the frames in them. */
  readonly #expected: { readonly value: Buffer; readonly frame: Frame }[] = []
  readonly #failureListeners: ((failure: LogError) => void)[] = []
  #failure: LogError | undefined
  #isClosed = false
  #followLater: (() => void) | undefined
  /** The newest record at the opening: its last sequence, and the offset behind it. */
  #newest = { sequence: 0n, end: 0n }
  /** The offset to read next. */
  #next: bigint
  /** Not every offset has a record. */
  readonly #passed = (next: bigint): void => {
    this.#next = next
    this.wake()
  }

  /** Use `openKafkaEventLog`. */
  constructor(options: KafkaEventLogOptions, start: Start) {
    super({
      partition: options.partition,
      head: start.head,
      headHasEvents: start.headHasEvents,
      ...(options.windowBytesMax === undefined ? {} : { windowBytesMax: options.windowBytesMax }),
      readStored: (from, head, signal) => this.#readStored(from, head, signal),
    })
    this.#options = options
    this.#topic = start.topic
    this.#reader = start.reader
    this.#history = { open: start.openReader, opened: undefined }
    this.#index = options.frameIndex ?? new FrameIndex()
    if (start.headHasEvents) this.#index.begin({ before: start.head, logOffset: start.next })
    this.#next = start.next
  }

  /** Number of partitions; undefined: not told. */
  get partitions(): number | undefined {
    return this.#options.partitions
  }

  /** The id of the topic that is read; undefined where brokers give none. */
  get topicId(): Uint8Array | undefined {
    return this.#reader.topicId()
  }

  /** Offset of a delivered frame's record. */
  logOffsetOf(frame: Frame): bigint | undefined {
    return this.#logOffsets.get(frame)
  }

  /** Calls the observer with each frame from now on, before readers get it. @returns ends that */
  observe(observer: RecordObserver): () => void {
    this.#observers.add(observer)
    return () => this.#observers.delete(observer)
  }

  /**
   * Announces a record that this process is about to send, so that reading it back does not unpack and verify it once more.
   * The record is known by its bytes. Its frame is judged as any other is; records with other bytes are read as usual.
   * Records are announced in the order in which they are sent.
   * @param value must not change until it is read back
   * @param frame verified or sealed here, in memory of its own
   */
  expect(value: Buffer, frame: Frame): void {
    this.#expected.push({ value, frame })
  }

  /** Calls the listener once if following fails: the log is corrupt, or Kafka is out of reach. Tails reject with the same. */
  onFailure(listener: (failure: LogError) => void): void {
    if (this.#failure === undefined) this.#failureListeners.push(listener)
    else listener(this.#failure)
  }

  /** Ends every tail and cuts the connections. */
  close(): void {
    this.#isClosed = true
    this.#reader.close()
    this.#history.opened?.close()
    this.end()
  }

  /** Reads up to before an offset. For who opens the log. */
  async catchUp(end: bigint): Promise<void> {
    const { onCatchUp, signal } = this.#options
    await this.#read({ upTo: end, signal }, async ({ frame, judgement, logOffset }) => {
      if (judgement.kind === 'accepted') await onCatchUp?.(frame, logOffset)
    })
    signal?.throwIfAborted()
  }

  /** Reads until closed. Before the offset `pacedTo`, no faster than tails take frames. For who opens the log. */
  follow(pacedTo = this.#next): void {
    this.#followLater = undefined
    const following = async (): Promise<void> => {
      await this.#read({ upTo: pacedTo }, () => this.pace())
      await this.#read({})
    }
    following().catch((error: unknown) => {
      this.#fail(error)
    })
  }

  /** Starts following at the first `tail` or `currentHead`. For who opens the log. */
  async followWithFirstTail(pacedTo: bigint): Promise<void> {
    this.#newest = { sequence: await this.#sequenceBefore(pacedTo), end: pacedTo }
    this.#followLater = () => this.follow(pacedTo)
  }

  /** Last sequence of the newest unread record before `end`; 0 if unknown. */
  async #sequenceBefore(end: bigint): Promise<bigint> {
    const { signal } = this.#options
    if (this.#next >= end) return 0n
    let sequence = 0n
    try {
      for await (const [record] of this.#reader.read(end - 1n, { upTo: end, emptyAnswersMax: 1, signal })) {
        const read = decodeTopicRecord(record!)
        if (read.kind === 'frame') sequence = lastSequence(read.frame)
      }
    } catch (error) {
      // Ignored here: normal reading reports this batch in order.
      if (!(error instanceof BatchDamagedError)) throw error
    }
    signal?.throwIfAborted()
    return sequence
  }

  override tail(fromSequence: bigint, signal: AbortSignal): AsyncIterable<Frame> {
    this.#followLater?.()
    return super.tail(fromSequence, signal)
  }

  /** Reads record by record. The next one waits for the promise of `made`. */
  async #read(
    options: Pick<ReadOptions, 'upTo' | 'signal'>,
    made?: (taken: Taken) => Promise<void>,
  ): Promise<void> {
    for await (const records of this.#reader.read(this.#next, { ...options, passed: this.#passed }))
      for (const record of records) {
        const taken = this.#accept(record)
        if (made !== undefined) await made(taken)
      }
  }

  /** Waits until everything that is stored at the call has been read, others' records included. */
  override async currentHead(signal?: AbortSignal): Promise<LogHead> {
    this.#followLater?.()
    // A failure of the reading cuts this connection: that failure is the reason.
    const { end } = await this.#reader.bounds(signal).catch((error: unknown) => {
      throw this.#failure ?? error
    })
    while (this.#next < end) {
      signal?.throwIfAborted()
      if (this.#failure !== undefined) throw this.#failure
      if (this.#isClosed)
        throw new LogError('log_closed', `The log of partition ${this.partition} was closed from this side.`)
      await this.news(signal)
    }
    return this.head()
  }

  override endSequence(): bigint {
    const { sequence } = this.head()
    const { sequence: newest, end } = this.#newest
    return this.#next < end && newest > sequence ? newest : sequence
  }

  #accept(record: TopicRecord): Taken {
    const before = this.head()
    const frame = this.#expectedIn(record) ?? this.#frameIn(record, before)
    const { offset } = record
    this.#next = offset + 1n
    this.#logOffsets.set(frame, offset)
    // Only a frame that continues the chain is checked: any other is void.
    if (sameBytes(frame.previousHash, before.hash)) checkPartitions(this.#options, this.#topic, frame)
    const judgement = this.take(frame)
    if (judgement.kind === 'accepted') this.#index.add(before, offset)
    else this.#options.onVoid?.(frame, offset, judgement.reason)
    for (const observer of [...this.#observers]) observer(frame, offset, judgement)
    return { frame, judgement, logOffset: offset }
  }

  #expectedIn({ value }: TopicRecord): Frame | undefined {
    if (this.#expected[0]?.value.equals(value) !== true) return undefined
    return this.#expected.shift()!.frame
  }

  #frameIn(record: TopicRecord, head: LogHead): Frame {
    const read = decodeTopicRecord(record)
    if (read.kind === 'frame') return read.frame
    const { partition } = this
    throw new TopicCorruptError(
      { topic: this.#topic, partition },
      record.offset,
      head.sequence + 1n,
      read.reason,
    )
  }

  /** Reads again from the last index entry before `from`, by the reader rule: only accepted frames come again. */
  async *#readStored(
    from: bigint,
    head: LogHead,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Frame, void, undefined> {
    const end = this.#next
    const start = this.#index.entryBefore(from)
    const rule = createReaderRule(this.partition, start?.before)
    const reader = (this.#history.opened ??= this.#history.open())
    for await (const records of reader.read(start?.logOffset ?? 0n, { upTo: end, signal }))
      for (const record of records) {
        const frame = this.#frameIn(record, rule.head())
        if (rule.judge(frame).kind === 'void') continue
        this.#logOffsets.set(frame, record.offset)
        yield frame
        if (sameBytes(frame.hash, head.hash)) return
      }
    if (this.#isClosed || signal?.aborted === true) return
    throw new LogError(
      'log_regressed',
      `Partition ${this.partition} of ${this.#topic} does not hold the frame with sequence ${head.sequence} any more, which was ` +
        'read before: the topic went backwards, or another one stands in its place.',
    )
  }

  #fail(error: unknown): void {
    if (this.#isClosed || this.#failure !== undefined) return
    this.#failure =
      error instanceof LogError
        ? error
        : new LogError('log_broken', `Reading ${this.#topic} broke: ${String(error)}`, { cause: error })
    this.#reader.close()
    this.end(this.#failure)
    for (const listener of this.#failureListeners) listener(this.#failure)
  }
}

function checkPartitions(
  { partitions, partition }: KafkaEventLogOptions,
  topic: string,
  { partitions: said }: Frame,
): void {
  if (partitions !== undefined && said !== 0 && said !== partitions)
    throw new PartitionsDifferError(`Partition ${partition} of ${topic}`, said, partitions)
}

/** The chain's head behind the anchor's frame. */
async function findAnchor(
  reader: TopicReader,
  topic: string,
  options: KafkaEventLogOptions,
  anchor: LogAnchor,
): Promise<Pick<Start, 'head' | 'next' | 'headHasEvents'>> {
  const { partition, signal, anchorAnswersMax: answersMax } = options
  const read = await readAnchor(reader, anchor, { answersMax, signal })
  if (read.kind === 'frame') {
    const { frame } = read
    checkPartitions(options, topic, frame)
    return { head: headAfter(frame), next: anchor.logOffset + 1n, headHasEvents: frame.count > 0 }
  }
  throw new LogError(
    'log_regressed',
    `Offset ${anchor.logOffset} of partition ${partition} of ${topic} holds ${read.found}, not the frame that a snapshot or a checkpoint knows ` +
      'to stand there: the topic went backwards, or another one stands in its place. Nothing was changed.',
  )
}
