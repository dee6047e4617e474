/**
 * Renews a member's sign of life, and watches the signs of the others. A group misses a member when its session is over: ten
 * seconds, and brokers allow no less than six by default. Here the others miss it after less than two seconds, and have the
 * group forget it. The group then shares out its partitions at once, as if it had left. So the group alone decides who gets a
 * partition, and a member that was taken for dead by mistake rejoins.
 *
 * Signs are kept with the group's offsets: on the broker that would rebalance, with the rights and ports that a member has
 * anyway. While that broker is away, nobody sees a sign, and nobody can be forgotten either.
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
/** Longest wait for the coordinator's answer: another broker may be coordinator by now. */
const ANSWER_MS_MAX = 2_000
/** Pause after a failed round. It is short: the others are counting. */
const RETRY_MS = 100
/** Failed rounds in a row after which it is reported, once. */
const FAILURES_TOLD = 100

/** This process, as a member. */
export interface OwnMember extends GroupMember {
  readonly partitions: ReadonlySet<number>
}

export interface LifeWatchOptions {
  readonly settings: KafkaSettings
  readonly groupId: string
  /** The topic that is shared out. A member's sign is at the first of its own partitions. */
  readonly topic: string
  readonly partitions: number
  /** The topic that is not shared out. Signs of members without a share are at its partition 0. */
  readonly standbyTopic: string
  /** Undefined while this process is no member. */
  readonly own: () => OwnMember | undefined
  /** Called when the group has stored a sign of this process, so it knows the member. */
  readonly onStored: () => void
  readonly log: Log
}

export interface MemberWatch {
  /** Ends the signs and the watch. */
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
  /** Where signs may be. */
  private readonly partitionsOf: ReadonlyMap<string, readonly number[]>
  private readonly over = new AbortController()
  private coordinator: GroupCoordinator | undefined
  private attempts = 0
  /** Failed rounds in a row. */
  private failures = 0
  /** Different for each sign, also after a restart of the process. */
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

  /** Runs until it is closed, and retries what fails. */
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

  /** Reports failures only while the membership goes on: it reports a broker that is away itself. */
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
