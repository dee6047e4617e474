/**
 * Keeps a member's sign of life fresh, and looks after those of the others. A group misses a member only when its session is
 * over: ten seconds, and no broker allows less than six unless it is told to. Here the others miss it after less than two seconds,
 * and tell the group to forget it, which then shares out its partitions at once, as if it had left. So the group stays the one
 * that says who should have a partition, and who was believed dead by mistake joins it again.
 *
 * Signs stand where the group keeps its offsets: on the broker that would have to share out, needing no right, topic or port
 * that a member does not have. While that broker is away, nobody sees a sign, and nobody can be forgotten either.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../kafkajs/log-lines.ts'
import type { TopicPartition } from '../errors.ts'
import { connectToCoordinator, type GroupCoordinator, type GroupMember } from './group-coordinator.ts'
import type { KafkaSettings } from '../settings.ts'
import { decodeSign, encodeSign, SilenceJudge, type Sighting } from './signs-of-life.ts'
import { classifyError } from '../kafkajs/classify-error.ts'

/** Between one sign and the next. */
export const SIGN_EVERY_MS = 250
/** Longest wait for the coordinator's answer: another broker may have taken its place. */
const ANSWER_MS_MAX = 2_000
/** Before a round that came to nothing is tried again: the others are counting. */
const RETRY_MS = 100
/** After so many rounds that came to nothing it is told, once. */
const FAILURES_TOLD = 100

/** This process, as a member. */
export interface OwnMember extends GroupMember {
  readonly partitions: ReadonlySet<number>
}

export interface LifeWatchOptions {
  readonly settings: KafkaSettings
  readonly groupId: string
  /** Whose partitions are shared out. A member's sign stands beside the first one of its own. */
  readonly topic: string
  readonly partitions: number
  /** Beside partition 0 of it, where nobody has a share, stand the signs of members that have none. */
  readonly standbyTopic: string
  /** Undefined while this process is no member. */
  readonly own: () => OwnMember | undefined
  /** Told when the group has taken a sign of this process: it knows the member. */
  readonly onStored: () => void
  readonly log: Log
}

export interface MemberWatch {
  /** No more signs are given, and nobody is looked after. */
  close(): void
}

export function watchMembers(options: LifeWatchOptions): MemberWatch {
  const watch = new Watch(options)
  void watch.run()
  return watch
}

class Watch implements MemberWatch {
  private readonly options: LifeWatchOptions
  private readonly judge = new SilenceJudge()
  /** Where signs may stand. */
  private readonly partitionsOf: ReadonlyMap<string, readonly number[]>
  private readonly over = new AbortController()
  private coordinator: GroupCoordinator | undefined
  private attempts = 0
  /** Rounds that came to nothing, one after the other. */
  private failures = 0
  /** Another one for each sign, also of a process that was started again. */
  private count = BigInt(Date.now()) * 1_000n

  constructor(options: LifeWatchOptions) {
    const { topic, partitions, standbyTopic } = options
    this.options = options
    this.partitionsOf = new Map([
      [topic, Array.from({ length: partitions }, (_, partition) => partition)],
      [standbyTopic, [0]],
    ])
  }

  close(): void {
    this.over.abort()
    this.drop()
  }

  /** Until it is closed. What fails is tried again. */
  async run(): Promise<void> {
    const { signal } = this.over
    while (!signal.aborted) {
      try {
        await this.round(await this.connected())
        this.failures = 0
      } catch (error) {
        this.drop()
        this.judge.reset()
        this.failed(error)
      }
      await sleep(this.failures > 0 ? RETRY_MS : SIGN_EVERY_MS, undefined, { signal, ref: false }).catch(
        () => undefined,
      )
    }
  }

  private async connected(): Promise<GroupCoordinator> {
    if (this.coordinator !== undefined) return this.coordinator
    const { settings, groupId } = this.options
    const made = await connectToCoordinator({
      settings,
      groupId,
      log: () => undefined,
      attempt: this.attempts++,
      requestMsMax: ANSWER_MS_MAX,
    })
    if (this.over.signal.aborted) made.close()
    return (this.coordinator = made)
  }

  private async round(coordinator: GroupCoordinator): Promise<void> {
    const own = this.options.own()
    const look = await this.giveSign(coordinator, own)
    const texts = await coordinator.texts(this.partitionsOf)
    const signs = texts.map(decodeSign).filter((sign) => sign !== undefined)
    for (const memberId of this.judge.look(signs, own?.memberId, look))
      await this.remove(coordinator, memberId)
  }

  private async giveSign(coordinator: GroupCoordinator, own: OwnMember | undefined): Promise<Sighting> {
    if (own === undefined) return 'outside'
    const sign = encodeSign({ memberId: own.memberId, count: this.count++ })
    if (!(await coordinator.put(own, this.topicPartitionOf(own), sign))) return 'nothing'
    this.options.onStored()
    return 'stored'
  }

  private topicPartitionOf({ partitions }: OwnMember): TopicPartition {
    const { topic, standbyTopic } = this.options
    if (partitions.size === 0) return { topic: standbyTopic, partition: 0 }
    return { topic, partition: Math.min(...partitions) }
  }

  private async remove(coordinator: GroupCoordinator, memberId: string): Promise<void> {
    const wasMember = await coordinator.remove(memberId)
    this.judge.forgotten(memberId)
    if (!wasMember) return
    const { groupId, log } = this.options
    log(
      `Member ${memberId} of group ${groupId} has given no sign of life for a while: its partitions are shared out anew. ` +
        'If it lives, it joins again.',
    )
  }

  /** Of a broker that is away the membership tells; this is told where the membership goes on all the same. */
  private failed(error: unknown): void {
    const { groupId, log, own } = this.options
    this.failures++
    if (this.failures !== FAILURES_TOLD || own() === undefined || this.over.signal.aborted) return
    log(
      `Members of group ${groupId} cannot show each other that they live: ${classifyError(error).reason}. ` +
        'Until they can, one that dies is missed only when its session is over.',
    )
  }

  private drop(): void {
    this.coordinator?.close()
    this.coordinator = undefined
  }
}
