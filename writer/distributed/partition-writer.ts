/**
 * The writer of one partition on Kafka: the core in a thread of its own, everything that talks to Kafka in this one.
 *
 *   commands topic ──▶ intake ──batches──▶ core thread ──frames, by shared memory──▶ log server ──▶ events topic
 *                                               ▲──────────receipts, once read back──────┘◀── log ◀──┘
 *
 * It starts from the newest snapshot it can get, replays the log's tail, and serves once its opening frame came back accepted.
 * It acknowledges only what it has read back. If another writer's frame is accepted, or an own frame is not, it has been
 * replaced, and stops at once.
 */
import { MessageChannel } from 'node:worker_threads'
import { LogError } from '../../eventlog/errors.ts'
import { createSlabShare } from '../../eventlog/handoff/slabs.ts'
import type { KafkaEventLog } from '../../eventlog/kafka/events/kafka-event-log.ts'
import { openKafkaEventLog } from '../../eventlog/kafka/events/kafka-event-log.ts'
import { startKafkaLogServer, type KafkaLogServer } from '../../eventlog/kafka/events/kafka-log-server.ts'
import type { OutageWatch } from '../../eventlog/kafka/kafkajs/outage-watch.ts'
import type { PartitionLinkOptions } from '../../eventlog/kafka/partition/partition-link.ts'
import { topicNames, type KafkaSettings } from '../../eventlog/kafka/settings.ts'
import type { TopicReader } from '../../eventlog/kafka/partition/topic-reader.ts'
import type { LogHead } from '../../eventlog/ports.ts'
import { topicPartOfId } from '../../schemas/commands-topic.ts'
import type { Frame } from '../../schemas/frames.ts'
import { STATUS, STATUS_WORDS, type LoadedSnapshot } from '../thread/core-messages.ts'
import { CoreThreadHandle } from '../thread/core-thread-handle.ts'
import type { CoreOptions } from '../core/core.ts'
import { SNAPSHOT_RULE_DISTRIBUTED, type SnapshotRuleOptions } from '../snapshots/snapshot-rule.ts'
import { standsIn, type HeadWitness } from '../snapshot-store/head-witness.ts'
import { WitnessPublisher } from '../snapshot-store/publish-witness.ts'
import { SnapshotPublisher } from '../snapshot-store/publisher.ts'
import type { SnapshotStore } from '../snapshot-store/snapshot-store.ts'
import { startFromStore } from '../snapshot-store/start-from-store.ts'
import { SNAPSHOTS_KEPT_DEFAULT } from '../snapshots/snapshot-folder.ts'
import { CommandIntake } from './commands/command-intake.ts'
import { CommandOffsetMap } from './commands/command-offset-map.ts'
import type { CommandsSeen } from './commands/command-start.ts'
import { KnownFrames, NOTHING_WRITTEN, requireHeld, type KnownFrame } from './known-frames.ts'
import { openCommands, type OpenCommands } from './commands/open-commands.ts'
import { endOf, errorOf, type PartitionEnd } from './partition-end.ts'
import { snapshotStatus, type PartitionRecovery, type PartitionWriterStatus } from './partition-status.ts'

export interface PartitionWriterOptions {
  readonly settings: KafkaSettings
  readonly partition: number
  /** Number of partitions. Its frames state it, and it refuses a log whose frames state another number. */
  readonly partitions: number
  /** Holds this machine's snapshots; created if missing. For one writer of a partition at a time. */
  readonly scratchDir: string
  readonly store: SnapshotStore
  /** When a snapshot is due; what is left out is as in SNAPSHOT_RULE_DISTRIBUTED. */
  readonly snapshots?: Partial<SnapshotRuleOptions>
  /** Snapshots to keep here and in the store, the newest included. Default: SNAPSHOTS_KEPT_DEFAULT. */
  readonly snapshotsKept?: number
  /** The newest frame that an earlier writer here has read: the log still has to hold it. */
  readonly lastKnown?: HeadWitness
  /** The last known ends of commands topics, to count what is lost with one. */
  readonly commandsSeen?: readonly CommandsSeen[]
  /** The core's capacities: the same for every writer of a partition. */
  readonly core?: Omit<CoreOptions, 'partition' | 'partitions'>
  /** After so many ms a frame says what was skipped on the commands topic, if no command came. Default: as in CommandIntake. */
  readonly skipAfterMs?: number
  /** Called with each own frame that was read back as accepted: from then on it is acknowledged. */
  readonly onDurable?: (frame: Frame) => void
  /** Pause before the store is asked again for what failed, in ms. Default: one minute. */
  readonly storeRetryMs?: number
  /** How long Kafka may not answer, in ms. Default: OUTAGE_MS_MAX_DEFAULT. */
  readonly outageMsMax?: number
  /** Gets the requests to Kafka and their ends, for health reports. Default: none. */
  readonly outages?: OutageWatch
  /** Takes a line for the operator. */
  readonly log: (line: string) => void
}

/** Bytes of frames kept in memory: nobody reads this log but the writer itself, and with several partitions a coordinator. */
const WINDOW_BYTES_MAX = 1024 * 1024
const WINDOW_BYTES_MAX_COORDINATED = 16 * 1024 * 1024
/** How long an orderly stop waits for the last snapshot to be in the store. */
const PUBLISH_MS_MAX = 15_000

/**
 * Starts the writer of one partition and returns once it serves.
 * @throws LogError: `log_replaced` if another writer took over meanwhile (start again, if the partition is still one's own);
 *   what is wrong with the log or with Kafka. WriterBrokenError
 */
export async function startPartitionWriter(options: PartitionWriterOptions): Promise<PartitionWriter> {
  const writer = new PartitionWriter(options)
  await writer.start()
  return writer
}

export class PartitionWriter {
  readonly partition: number
  /** Resolves once, when this writer has ended. */
  readonly ended: Promise<PartitionEnd>
  private onEnded: (end: PartitionEnd) => void = () => undefined
  private readonly options: PartitionWriterOptions
  /** Options of every link to Kafka. */
  private readonly link: Omit<PartitionLinkOptions, 'topic'>
  private readonly words: BigInt64Array
  private readonly publisher: SnapshotPublisher
  /** From the opening frame on. */
  private witness: WitnessPublisher | undefined
  private core: CoreThreadHandle | undefined
  private events: KafkaEventLog | undefined
  private server: KafkaLogServer | undefined
  private intake: CommandIntake | undefined
  private commands: TopicReader | undefined
  private recovered: PartitionRecovery | undefined
  /** Offset of the newest accepted frame; undefined while there is none. */
  private headOffset: bigint | undefined
  /** True if this deployment's writers have served this very events topic, so it is no copy elsewhere. */
  private isHome = false
  private end: PartitionEnd | undefined
  /** Aborts what the start waits for, when this writer ends. */
  private readonly over = new AbortController()
  private stopping: Promise<void> | undefined

  /** Use `startPartitionWriter`. */
  constructor(options: PartitionWriterOptions) {
    const { store, scratchDir, partition, snapshotsKept: kept = SNAPSHOTS_KEPT_DEFAULT, log } = options
    const { settings, outageMsMax, outages, storeRetryMs: retryMs } = options
    this.options = options
    this.link = {
      settings,
      partition,
      log,
      ...(outageMsMax === undefined ? {} : { outageMsMax }),
      ...(outages === undefined ? {} : { outages }),
    }
    this.partition = partition
    this.words = new BigInt64Array(new SharedArrayBuffer(STATUS_WORDS * BigInt64Array.BYTES_PER_ELEMENT))
    this.publisher = new SnapshotPublisher({
      store,
      scratchDir,
      partition,
      kept,
      notice: log,
      // Snapshots of a log that went backwards would push out those of the lost log.
      ready: async () => this.witness?.published(),
      ...(retryMs === undefined ? {} : { retryMs }),
    })
    this.ended = new Promise((resolve) => {
      this.onEnded = resolve
    })
  }

  /** How it came to its state. */
  get recovery(): PartitionRecovery {
    return this.recovered!
  }

  /** The partition's events, as this writer reads them. */
  get log(): KafkaEventLog {
    return this.events!
  }

  /** The newest frame of the log that this writer has read; if none, the one from its options. */
  lastKnown(): HeadWitness | undefined {
    const { events, headOffset, options } = this
    if (events === undefined || headOffset === undefined) return options.lastKnown
    const { partition, epoch, sequence, hash } = events.head()
    const topicId = this.isHome ? events.topicId : undefined
    return { partition, epoch, sequence, hash, logOffset: headOffset, ...(topicId && { topicId }) }
  }

  /** How far it has read the commands topic; undefined before it did. */
  commandsSeen(): CommandsSeen | undefined {
    const { intake, commands } = this
    return intake && commands && { topicPart: topicPartOfId(commands.topicId()), end: intake.readTo }
  }

  status(): PartitionWriterStatus {
    const { words, publisher } = this
    const { epoch, sequence, nextCommandOffset: offset, nextCommandIndex: index } = this.log.head()
    return {
      epoch,
      sequence,
      accounts: Number(words[STATUS.accounts]),
      holdsOpen: Number(words[STATUS.holdsOpen]),
      next: { offset, index },
      recordsSkipped: this.intake!.skipped,
      commandsPassedOver: this.intake!.passedOver,
      recordsDeleted: this.intake!.deleted,
      voids: this.log.voids(),
      snapshot: snapshotStatus(words, publisher),
    }
  }

  /** SHA-256 of the core's current state. Copies the state: for auditors and tests. */
  digest(): Promise<string> {
    return this.core!.digest()
  }

  /**
   * Takes no more commands, makes durable what was taken, keeps a snapshot and publishes it. Ends at once if that fails.
   */
  stop(): Promise<void> {
    return (this.stopping ??= this.stopOnce())
  }

  /** Ends at once, starting or serving: like a kill, but within this process. */
  async abandon(): Promise<void> {
    this.finish({ kind: 'stopped' })
    await this.core?.end()
  }

  /** Once. */
  async start(): Promise<void> {
    const startedMs = performance.now()
    try {
      const { core, loaded, witness } = await this.load()
      this.core = core
      this.throwIfEnded()
      const head = await this.openLog(core, loaded, witness)
      this.throwIfEnded()
      const commands = await this.openCommands(head, witness)
      this.throwIfEnded()
      const serving = await this.serve(core, head, commands)
      this.leaveWitness()
      const { file, sequence, unusable } = loaded
      this.recovered = {
        snapshot: file === undefined ? undefined : { file, sequence },
        unusable,
        replayed: serving.replayed,
        head,
        milliseconds: Math.round(performance.now() - startedMs),
      }
      // The log server may have ended it meanwhile.
      this.throwIfEnded()
    } catch (error) {
      this.finish(endOf(error))
      this.close()
      await this.core?.end()
      // Report the first reason: this error may only follow from it.
      this.throwIfEnded()
      throw error
    }
  }

  private load(): ReturnType<typeof startFromStore> {
    const { store, scratchDir, partition, partitions, core, snapshots, snapshotsKept, log } = this.options
    return startFromStore({
      store,
      scratchDir,
      partition,
      notice: log,
      signal: this.over.signal,
      startCore: () => {
        const worker = new CoreThreadHandle(
          {
            dataDir: scratchDir,
            core: { ...core, partition, partitions },
            snapshotRule: { ...SNAPSHOT_RULE_DISTRIBUTED, ...snapshots },
            snapshotsKept: snapshotsKept ?? SNAPSHOTS_KEPT_DEFAULT,
            status: this.words.buffer as SharedArrayBuffer,
          },
          {
            notice: log,
            kept: (sequence) => this.publisher.kept(sequence),
            failed: (error) => {
              if (this.core === worker) this.fail(error)
            },
          },
        )
        return worker
      },
    })
  }

  /**
   * Reads the log to its end and replays in the core what is behind its snapshot. Returns the log's head.
   * @param witness what the store knows of the log
   */
  private async openLog(
    core: CoreThreadHandle,
    { anchor }: LoadedSnapshot,
    witness: HeadWitness | undefined,
  ): Promise<LogHead> {
    const { settings, partitions, lastKnown } = this.options
    const all: readonly KnownFrame[] = [
      ...(lastKnown === undefined ? [] : [{ head: lastKnown, knownTo: 'the writer before this one' }]),
      ...(witness === undefined ? [] : [{ head: witness, knownTo: 'the snapshot store' }]),
    ]
    const isBefore = ({ head }: KnownFrame): boolean =>
      anchor !== undefined && head.logOffset <= anchor.logOffset
    // The snapshot may be of a log that had already lost the frame.
    for (const one of all.filter(isBefore))
      await requireHeld(one, this.link, NOTHING_WRITTEN, this.over.signal)
    const known = new KnownFrames(all.filter((one) => !isBefore(one)))
    let headOffset = anchor?.logOffset
    const events = await openKafkaEventLog({
      ...this.link,
      partitions,
      windowBytesMax: partitions === 1 ? WINDOW_BYTES_MAX : WINDOW_BYTES_MAX_COORDINATED,
      onCatchUp: (frame, logOffset) => {
        known.saw(frame)
        headOffset = logOffset
        return core.replay(frame)
      },
      ...(anchor === undefined ? {} : { anchor }),
    })
    this.events = events
    known.check(topicNames(settings).events)
    // Only after the check: the head of a log that went backwards must not become the known one.
    this.headOffset = headOffset
    events.observe((_frame, logOffset, { kind }) => {
      if (kind === 'accepted') this.headOffset = logOffset
    })
    events.onFailure((error) => this.fail(error))
    // Before anything else is read: this is exactly the core's state.
    return events.head()
  }

  /** Leaves a witness of the opening frame: from now on every reader's log has to reach it. */
  private leaveWitness(): void {
    this.isHome = true
    const { store, log: notice, storeRetryMs: retryMs } = this.options
    this.witness = new WitnessPublisher(this.lastKnown()!, {
      store,
      requireHeld: (found) => this.requireHeld(found),
      notice,
      signal: this.over.signal,
      ...(retryMs === undefined ? {} : { retryMs }),
    })
    void this.witness.keepTrying()
  }

  /** Asks the store again if it did not answer at the start: its witness may still end this writer. */
  private async requireHeld(head: HeadWitness): Promise<void> {
    const written =
      'What this writer has written since it started stands in this topic only: keep a copy of it.'
    try {
      await requireHeld({ head, knownTo: 'the snapshot store' }, this.link, written, this.over.signal)
    } catch (error) {
      if (error instanceof LogError && error.code === 'log_regressed') {
        // Forget what it read, so that a restored log is not refused for it.
        this.headOffset = undefined
        this.fail(error)
      }
      throw error
    }
  }

  /**
   * Opens the commands at the start offset. Nothing is written before they are known to be there.
   * @param witness what the store knows of the log
   */
  private async openCommands(head: LogHead, witness: HeadWitness | undefined): Promise<OpenCommands> {
    const { lastKnown, commandsSeen: seen = [], log: notice } = this.options
    const { topicId } = this.events!
    this.isHome = [lastKnown, witness].some((known) => standsIn(known, topicId))
    const { isHome, over } = this
    const opened = await openCommands(this.link, { head, isHome, seen, notice, signal: over.signal })
    this.commands = opened.reader
    return opened
  }

  /** Has the core append its opening frame and starts the intake. Returns when that frame was read back. */
  private async serve(
    core: CoreThreadHandle,
    head: LogHead,
    { reader, start: { start: start, commandsTopic }, source, lost }: OpenCommands,
  ): ReturnType<CoreThreadHandle['recover']> {
    const { log, onDurable, skipAfterMs } = this.options
    const events = this.events!
    const offsetMap = new CommandOffsetMap(start)
    const slabs = createSlabShare()
    const { port1: corePort, port2: serverPort } = new MessageChannel()
    this.server = startKafkaLogServer({
      ...this.link,
      slabs,
      corePort: serverPort,
      log: events,
      head,
      commandsTopic,
      offsetOfCount: (count) => offsetMap.offsetOf(count),
      offsetOfSkip: (count) => offsetMap.offsetOfSkip(count),
      onFailure: (error) => this.fail(error),
      onDurable: (frame) => onDurable?.(frame),
      notice: log,
    })
    const intake = new CommandIntake(start, {
      reader,
      source,
      offsetMap,
      send: (slots, count) => core.send(slots, count),
      notice: log,
      nowMs: () => performance.now(),
      ...(skipAfterMs === undefined ? {} : { skipAfterMs }),
    })
    intake.deleted = Number(lost)
    this.intake = intake
    core.takeFrom(intake)
    events.observe((_frame, _place, { kind }) => {
      const { nextCommandOffset: offset, nextCommandIndex: index } = events.head()
      if (kind === 'accepted') intake.consumed({ offset, index })
    })
    // The core counts commands from 0; `offsetOfCount` maps counts to offsets.
    const from = { ...head, nextCommandOffset: 0n, nextCommandIndex: 0 }
    const recovering = core.recover(from, slabs, corePort, 'fed')
    const serving = await Promise.race([recovering, this.ended.then(() => undefined)])
    if (serving === undefined) this.throwIfEnded()
    intake.run().catch((error: unknown) => this.fail(error))
    return serving!
  }

  private throwIfEnded(): void {
    if (this.end !== undefined) throw errorOf(this.end, this.partition)
  }

  private async stopOnce(): Promise<void> {
    if (this.end !== undefined) return
    this.intake!.sendSkip()
    this.intake!.stop()
    const { core } = this
    // If the writer is replaced or fails meanwhile, its core ends, and so does this wait.
    const isOrderly = await core!.stop().then(
      () => true,
      () => false,
    )
    if (isOrderly && this.end === undefined) await this.publisher.finish(PUBLISH_MS_MAX)
    this.finish({ kind: 'stopped' })
  }

  private fail(error: unknown): void {
    const end = endOf(error)
    if (this.end !== undefined) return
    this.finish(end)
    void this.core?.end()
  }

  /** Ends the writer: from here on nothing is sent or acknowledged. */
  private finish(end: PartitionEnd): void {
    if (this.end !== undefined) return
    this.end = end
    this.over.abort()
    this.close()
    this.onEnded(end)
  }

  private close(): void {
    this.intake?.stop()
    this.server?.close()
    this.commands?.close()
    this.events?.close()
    this.publisher.end()
  }
}
