/**
 * A partition that this process may hold: as long as it is held, a writer runs. One that is replaced or fails is started
 * again after a pause, with growing pauses, for as long as the group still gives the partition to this process. One whom
 * Kafka does not let, or who was told another number of partitions, ends the process: the group then gives the partition to
 * another, and whoever starts asks the log for the number.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { KafkaRefusedError, PartitionsDifferError } from '../../eventlog/kafka/errors.ts'
import { OutageWatch } from '../../eventlog/kafka/kafkajs/outage-watch.ts'
import { openTopicReader, type TopicReader } from '../../eventlog/kafka/partition/topic-reader.ts'
import { topicNames } from '../../eventlog/kafka/settings.ts'
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
  /** Resolves when the group confirms that this process is a member: one that was replaced may have lost the partition. */
  readonly confirmed: () => Promise<void>
  /** Broken logic, Kafka does not let this process, or it goes by another number of partitions than the log: it should end. */
  readonly onBroken: (error: Error) => void
  /** First pause, in ms; each is twice as long as the one before. Default: 500. */
  readonly pauseMsMin?: number
}

export interface PartitionSupervisorStatus {
  readonly partition: number
  readonly state: 'starting' | 'serving' | 'waiting' | 'stopping' | 'stopped'
  /** Why it does not serve, or what keeps it from it while it would, for people. */
  readonly reason: string | undefined
  /** Undefined unless it serves. */
  readonly writer: PartitionWriterStatus | undefined
  /** Records on the commands topic that are not consumed; undefined if it is not known. */
  readonly recordsBehind: bigint | undefined
}

const PAUSE_MS_MIN = 500
const PAUSE_MS_MAX = 30_000
/** One that has served for so long begins anew with short pauses. */
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
  private running: Promise<void> | undefined
  private released = new AbortController()
  private commandsEnd: bigint | undefined
  /** The furthest that its writers have seen of commands topics. */
  private commandsSeen: readonly CommandsSeen[] = []
  /** The newest frame that any of its writers has read: what was acknowledged stands before it, and is not forgotten. */
  private lastKnown: HeadWitness | undefined

  constructor(options: PartitionSupervisorOptions) {
    this.options = options
  }

  /** The partition is this process's. */
  hold(): void {
    if (this.isHeld) return
    this.isHeld = true
    this.released = new AbortController()
    this.running = this.run(this.running, this.released.signal)
  }

  /** It is not any more: what was taken is made durable, if it can still be, and the writer ends. */
  async release(): Promise<void> {
    if (this.isHeld) {
      this.isHeld = false
      this.released.abort()
      await this.stopWriter()
    }
    await this.running
  }

  /** The writer, if it serves. */
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

  /** @param before the life before this one: two never work on one scratch folder */
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
      // One that was overtaken while it started has not failed: whoever held the partition is about to let go.
      if (hasServed || end.kind !== 'replaced') pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX)
    }
    this.state = 'stopped'
    this.reason = undefined
  }

  /** One writer, from its start to its end. */
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
      return await writer.ended
    } catch {
      // What it failed with is how it ended.
      return await writer.ended
    } finally {
      watching.abort()
      this.lastKnown = writer.lastKnown()
      const seen = writer.commandsSeen()
      if (seen !== undefined) this.commandsSeen = withSeen(this.commandsSeen, seen)
      this.commandsEnd = undefined
      this.writer = undefined
    }
  }

  private async pause(end: PartitionEnd, pauseMs: number, released: AbortSignal): Promise<void> {
    const { partition, log, confirmed } = this.options
    this.state = 'waiting'
    this.reason =
      end.kind === 'failed' ? end.error.message : `Another writer has taken over partition ${partition}.`
    log(
      `Partition ${partition} is not served from here any more: ${this.reason} Trying again while it is ours.`,
    )
    // Without this, two that both believe to hold it would replace each other for ever.
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

  /** Asks how long the commands topic is, over a connection of its own. */
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
        // The feed of the writer tells what is wrong with the topic.
        this.commandsEnd = undefined
        reader?.close()
        reader = undefined
      }
      await sleep(LAG_EVERY_MS, undefined, { signal, ref: false }).catch(() => undefined)
    }
    reader?.close()
  }
}

/** Another process may have the rights, or know the number: as long as this one keeps the partition, nobody serves it. */
function isAboutProcess(error: Error): boolean {
  return (error instanceof KafkaRefusedError && error.isAboutUser) || error instanceof PartitionsDifferError
}
