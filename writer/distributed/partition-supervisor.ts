/**
 * Runs a writer as long as this process holds a partition. A writer that is replaced or fails is started again, after pauses
 * that grow, while the group still gives the partition to this process. If access is denied, or partition counts differ, the
 * process exits: the group then gives the partition to another process, and a new start asks the log for the count.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { KafkaRefusedError, PartitionsDifferError } from '../../eventlog/kafka/errors.ts'
import { OutageWatch } from '../../eventlog/kafka/kafkajs/outage-watch.ts'
import { openTopicReader, type TopicReader } from '../../eventlog/kafka/partition/topic-reader.ts'
import { topicNames } from '../../eventlog/kafka/settings.ts'
import { Coordinator, CoordinatorBrokenError, type CoordinatorStatus } from '../coordinator/coordinator.ts'
import type { StepQueue } from '../coordinator/step-target.ts'
import type { HeadWitness } from '../snapshot-store/head-witness.ts'
import { withSeen, type CommandsSeen } from './commands/command-start.ts'
import { seenNow } from './commands/open-commands.ts'
import type { PartitionEnd } from './partition-end.ts'
import type { PartitionWriterStatus } from './partition-status.ts'
import { PartitionWriter, type PartitionWriterOptions } from './partition-writer.ts'

export interface PartitionSupervisorOptions extends Omit<
  PartitionWriterOptions,
  'outages' | 'lastKnown' | 'commandsSeen'
> {
  /** Resolves when the group next confirms this member: a writer that was replaced may have lost the partition. */
  readonly confirmed: () => Promise<void>
  /** Called if the process should exit: broken logic, denied access, or another partition count than the log's. */
  readonly onBroken: (error: Error) => void
  /** Where steps of transfers across partitions go, by partition. Left out: there is one partition. */
  readonly stepQueues?: readonly StepQueue[]
  /** First pause, in ms; each next one is twice as long. Default: 500. */
  readonly pauseMsMin?: number
}

export interface PartitionSupervisorStatus {
  readonly partition: number
  readonly state: 'starting' | 'serving' | 'waiting' | 'stopping' | 'stopped'
  /** Why it does not serve, or which outage it waits out; for people. */
  readonly reason: string | undefined
  /** Undefined unless it serves. */
  readonly writer: PartitionWriterStatus | undefined
  /** Undefined unless it serves, and with one partition. */
  readonly coordinator: CoordinatorStatus | undefined
  /** Records on the commands topic that are not consumed; undefined if unknown. */
  readonly recordsBehind: bigint | undefined
}

const PAUSE_MS_MIN = 500
const PAUSE_MS_MAX = 30_000
/** A life of at least this long resets the pause. */
const STEADY_MS = 60_000
const LAG_EVERY_MS = 2_000
/** Longest orderly stop of a writer whose partition has gone to another process. */
const STOP_MS_MAX = 20_000

export class PartitionSupervisor {
  private readonly options: PartitionSupervisorOptions
  private readonly outages = new OutageWatch()
  private isHeld = false
  private state: PartitionSupervisorStatus['state'] = 'stopped'
  private reason: string | undefined
  private writer: PartitionWriter | undefined
  /** While the writer serves. */
  private coordinator: Coordinator | undefined
  private running: Promise<void> | undefined
  private released = new AbortController()
  private commandsEnd: bigint | undefined
  /** How far its writers have seen each commands topic. */
  private commandsSeen: readonly CommandsSeen[] = []
  /** The newest frame that any of its writers has read: everything acknowledged is up to there. The log has to keep it. */
  private lastKnown: HeadWitness | undefined

  constructor(options: PartitionSupervisorOptions) {
    this.options = options
  }

  /** The group has given the partition to this process. */
  hold(): void {
    if (this.isHeld) return
    this.isHeld = true
    this.released = new AbortController()
    this.running = this.run(this.running, this.released.signal)
  }

  /** The group has taken it away. The writer makes durable what it took, if it still can, and ends. */
  async release(): Promise<void> {
    if (this.isHeld) {
      this.isHeld = false
      this.released.abort()
      await this.stopWriter()
    }
    await this.running
  }

  /** The writer, while it serves. */
  serving(): PartitionWriter | undefined {
    return this.state === 'serving' ? this.writer : undefined
  }

  status(): PartitionSupervisorStatus {
    const writer = this.serving()?.status()
    const { commandsEnd: end } = this
    const recordsBehind =
      writer === undefined || end === undefined
        ? undefined
        : end > writer.next.offset
          ? end - writer.next.offset
          : 0n
    return {
      partition: this.options.partition,
      state: this.state,
      reason: this.outages.outages()[0] ?? this.reason,
      writer,
      coordinator: writer && this.coordinator?.status(),
      recordsBehind,
    }
  }

  private async stopWriter(): Promise<void> {
    const { writer } = this
    if (writer === undefined) return
    if (this.state === 'serving') {
      this.state = 'stopping'
      await Promise.race([writer.stop(), sleep(STOP_MS_MAX, undefined, { ref: false })])
    }
    await writer.abandon()
  }

  /** @param before the life before this one: two must not use one scratch folder */
  private async run(before: Promise<void> | undefined, released: AbortSignal): Promise<void> {
    await before
    let pauseMs = this.options.pauseMsMin ?? PAUSE_MS_MIN
    while (!released.aborted) {
      const startedMs = performance.now()
      const end = await this.live()
      const hasServed = this.state === 'serving'
      if (released.aborted) break
      if (end.kind === 'broken' || (end.kind === 'failed' && isAboutProcess(end.error))) {
        this.state = 'stopped'
        this.reason = end.error.message
        this.options.onBroken(end.error)
        return
      }
      if (performance.now() - startedMs > STEADY_MS) pauseMs = this.options.pauseMsMin ?? PAUSE_MS_MIN
      await this.pause(end, pauseMs, released)
      // A writer that was overtaken while it started did not fail: the former holder is about to let go.
      if (hasServed || end.kind !== 'replaced') pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX)
    }
    this.state = 'stopped'
    this.reason = undefined
  }

  /** Runs one writer, from its start to its end. */
  private async live(): Promise<PartitionEnd> {
    const { log, partition } = this.options
    this.state = 'starting'
    const { lastKnown, commandsSeen, outages } = this
    const writer = new PartitionWriter({
      ...this.options,
      outages,
      ...(lastKnown === undefined ? {} : { lastKnown }),
      commandsSeen,
    })
    this.writer = writer
    const watching = new AbortController()
    try {
      await writer.start()
      this.state = 'serving'
      this.reason = undefined
      const { replayed, head, milliseconds, snapshot } = writer.recovery
      log(
        `Partition ${partition} is served from here: epoch ${head.epoch + 1n}, sequence ${head.sequence}, ` +
          `${snapshot === undefined ? 'no snapshot' : `snapshot at ${snapshot.sequence}`}, ${replayed.events} events replayed, ${milliseconds} ms.`,
      )
      void this.watchLag(watching.signal)
      this.coordinate(writer)
      return await writer.ended
    } catch {
      // `ended` has the same error.
      return await writer.ended
    } finally {
      watching.abort()
      // Not waited for: it may be reading from a Kafka that does not answer, and sends nothing more.
      void this.coordinator?.stop()
      this.coordinator = undefined
      this.lastKnown = writer.lastKnown()
      const seen = writer.commandsSeen()
      if (seen !== undefined) this.commandsSeen = withSeen(this.commandsSeen, seen)
      this.commandsEnd = undefined
      this.writer = undefined
    }
  }

  /** Has the steps sent that follow from what the writer has decided, from where it took over. */
  private coordinate(writer: PartitionWriter): void {
    const { stepQueues: queues, partition, onBroken } = this.options
    if (queues === undefined) return
    const coordinator = new Coordinator({ log: writer.log, queues, after: writer.recovery.head.sequence })
    this.coordinator = coordinator
    coordinator.run().catch(async (error: unknown) => {
      // If the log cannot be read any more, the writer has ended of that.
      const hasEnded = await Promise.race([writer.ended.then(() => true), sleep(0, false)])
      if (!hasEnded) onBroken(new CoordinatorBrokenError(partition, error))
    })
  }

  private async pause(end: PartitionEnd, pauseMs: number, released: AbortSignal): Promise<void> {
    const { partition, log, confirmed } = this.options
    this.state = 'waiting'
    this.reason =
      end.kind === 'failed' ? end.error.message : `Another writer has taken over partition ${partition}.`
    log(
      `Partition ${partition} is not served from here any more: ${this.reason} Trying again while it is ours.`,
    )
    // Without this, two processes that both believe to hold it would replace each other for ever.
    if (end.kind === 'replaced')
      await new Promise<void>((resolve) => {
        const go = (): void => {
          released.removeEventListener('abort', go)
          resolve()
        }
        released.addEventListener('abort', go)
        void confirmed().then(go)
      })
    await sleep(pauseMs, undefined, { signal: released }).catch(() => undefined)
  }

  /** Asks for the end of the commands topic, over its own connection. */
  private async watchLag(signal: AbortSignal): Promise<void> {
    const { settings, partition } = this.options
    const topic = topicNames(settings).commands
    let reader: TopicReader | undefined
    while (!signal.aborted) {
      try {
        reader ??= openTopicReader({ settings, topic, partition, log: () => undefined })
        const seen = await seenNow(reader, signal)
        this.commandsSeen = withSeen(this.commandsSeen, seen)
        this.commandsEnd = seen.end
      } catch {
        // The writer's intake reports what is wrong with the topic.
        this.commandsEnd = undefined
        reader?.close()
        reader = undefined
      }
      await sleep(LAG_EVERY_MS, undefined, { signal, ref: false }).catch(() => undefined)
    }
    reader?.close()
  }
}

/** True if another process may succeed: it may have the rights, or know the count. This one has to let go of the partition. */
function isAboutProcess(error: Error): boolean {
  return (error instanceof KafkaRefusedError && error.isAboutUser) || error instanceof PartitionsDifferError
}
