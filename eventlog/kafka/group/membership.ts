/**
 * Shares partitions out among processes by a consumer group, which is used for nothing else. All its partitions are paused, so
 * it fetches nothing; kafkajs sends the heartbeats and rejoins when the group changes. A share is a hint, not a lock: two
 * processes may believe for a while that a partition is theirs, which the reader rule makes harmless.
 *
 * kafkajs ends a consumer for good at errors that it does not know, sometimes in silence, so it never restarts itself here. A
 * consumer that ends or falls silent is replaced, within a bound; after it the membership has failed.
 */
import type { Assigner, Cluster, Consumer, Kafka } from 'kafkajs'
import { unlessAborted } from '../../abort.ts'
import { LogError } from '../../errors.ts'
import { AssignerProtocol, createKafka, type Log } from '../kafkajs/client.ts'
import { userOf } from '../errors.ts'
import { watchMembers, type MemberWatch, type OwnMember } from './member-watch.ts'
import type { KafkaSettings } from '../settings.ts'
import { assignSticky, decodeClaim, encodeClaim } from './sticky-assigner.ts'
import { isLasting, classifyError, type KafkaErrorClass } from '../kafkajs/classify-error.ts'

const { MemberAssignment, MemberMetadata } = AssignerProtocol

export interface MembershipOptions {
  readonly groupId: string
  /** The topic whose partitions are shared out. */
  readonly topic: string
  /** Number of partitions to share out, from 0 on. Default: as many as the topic has. */
  readonly partitions?: number
  /** Called after each rebalance with all partitions of this member, which may be the same as before. */
  readonly onAssigned: (partitions: ReadonlySet<number>) => void
  /** Called once, if the membership cannot be kept up. */
  readonly onFailure: (error: Error) => void
  readonly log: Log
  /** Silence after which the group replaces a member. Within the broker's own bounds. Default: 10 seconds. */
  readonly sessionTimeoutMs?: number
  /**
   * Members watch each other, and have the group replace a silent one before its session ends (member-watch.ts).
   * `standbyTopic`: a topic that is not shared out, for the signs of members without a share. This user needs the right to
   * read both. Default: no watch.
   */
  readonly signsOfLife?: { readonly standbyTopic: string; readonly partitions: number } | undefined
  /** How long it tries to rejoin before it fails. Default: 60 seconds. */
  readonly rejoinForMs?: number
  /** Aborts the first join, and leaves the group. A membership that exists stays. */
  readonly signal?: AbortSignal | undefined
}

export interface Membership {
  /** This member's partitions, as last told. */
  partitions(): ReadonlySet<number>
  /** Resolves when the group next confirms this member; never after its end. Until then it may have been replaced. */
  confirmed(): Promise<void>
  /** A sentence if the group has not confirmed this member for a session: why. */
  outage(): string | undefined
  /** Leaves the group, so that others take over at once. */
  leave(): Promise<void>
}

const SESSION_TIMEOUT_MS_DEFAULT = 10_000
const REJOIN_FOR_MS_DEFAULT = 60_000
/** Pause of the paused consumer's loop, after which it checks whether a heartbeat is due. */
const LOOP_MS = 100
/** Heartbeats also tell a member of a rebalance, so there are many to a session. */
const HEARTBEAT_MS = 200
/**
 * How long the group waits in a rebalance for its members. A member that is late has to join again; a dead one that was not
 * missed yet keeps the others waiting for so long.
 */
const REBALANCE_MS = 3_000
/** Session timeouts without a sign until a consumer counts as dead: the watch itself may have stood still. */
const SILENT_SESSIONS_MAX = 3
const PAUSE_MS_MIN = 200
const PAUSE_MS_MAX = 5_000
/** From this pause on the reason for not joining is reported. */
const TOLD_PAUSE_MS_MIN = 1_000
const LEAVE_MS_MAX = 5_000

/**
 * Joins a group and returns when the group has shared out its partitions for the first time.
 * @throws LogError `kafka_unreachable` if it cannot join within the bound; `kafka_refused` or `kafka_untrusted` at once,
 *   because nothing runs yet that a retry could save; the signal's reason when it aborts
 */
export async function joinGroup(settings: KafkaSettings, options: MembershipOptions): Promise<Membership> {
  options.signal?.throwIfAborted()
  const member = new Member(settings, options)
  try {
    await unlessAborted(options.signal, () => member.firstJoin)
    return member
  } catch (error) {
    await member.leave()
    throw error
  }
}

class Member implements Membership {
  /** Resolves with the first assignment. */
  readonly firstJoin: Promise<void>
  private onFirstJoin: () => void = () => undefined
  private onNoJoin: (error: Error) => void = () => undefined
  private readonly kafka: Kafka
  private readonly settings: KafkaSettings
  private readonly user: string
  private readonly options: MembershipOptions
  private readonly sessionMs: number
  private held: ReadonlySet<number> = new Set()
  private hasJoined = false
  private consumer: Consumer | undefined
  private isOver = false
  /** Monotonic time of the last answer of the group. */
  private lastSignMs = 0
  private silentTicks = 0
  /** The last error since the group's last answer, as the end of a sentence. */
  private lastError = ''
  private readonly watch: NodeJS.Timeout
  /** Resolve at the group's next answer. */
  private waiters: (() => void)[] = []
  private retryTimer: NodeJS.Timeout | undefined
  private readonly lives: MemberWatch | undefined
  /** The group's id for this member; undefined: it is none. */
  private memberId: string | undefined
  /** Generation of `held`. The first heartbeat after a rebalance tells it. */
  private generation: number | undefined
  /** The newest generation that the group has told. */
  private lastGeneration = 0
  private pauseMs = PAUSE_MS_MIN
  private toldReason: string | undefined
  /** Monotonic time at which trying to join ends. */
  private giveUpMs: number

  constructor(settings: KafkaSettings, options: MembershipOptions) {
    this.kafka = createKafka(settings, options.log)
    this.settings = settings
    this.user = userOf(settings.sasl)
    this.options = options
    this.sessionMs = options.sessionTimeoutMs ?? SESSION_TIMEOUT_MS_DEFAULT
    this.giveUpMs = performance.now() + this.rejoinForMs()
    this.firstJoin = new Promise((resolve, reject) => {
      this.onFirstJoin = resolve
      this.onNoJoin = reject
    })
    this.watch = setInterval(() => {
      this.look()
    }, this.sessionMs)
    this.lives = this.watchLives()
    this.start()
  }

  partitions(): ReadonlySet<number> {
    return this.held
  }

  confirmed(): Promise<void> {
    return new Promise((resolve) => this.waiters.push(resolve))
  }

  outage(): string | undefined {
    const silentMs = performance.now() - this.lastSignMs
    if (this.isOver || silentMs < this.sessionMs) return undefined
    const { groupId } = this.options
    return `Kafka's group ${groupId} has not answered for ${Math.floor(silentMs / 1_000)} s${this.lastError}.`
  }

  async leave(): Promise<void> {
    this.end()
    await this.drop()
  }

  private rejoinForMs(): number {
    return this.options.rejoinForMs ?? REJOIN_FOR_MS_DEFAULT
  }

  /** Makes a new consumer for each life: one of kafkajs is not to be trusted after an error. */
  private start(): void {
    const { groupId, topic } = this.options
    const consumer = this.kafka.consumer({
      groupId,
      sessionTimeout: this.sessionMs,
      rebalanceTimeout: Math.min(REBALANCE_MS, this.sessionMs),
      heartbeatInterval: HEARTBEAT_MS,
      maxWaitTimeInMs: LOOP_MS,
      partitionAssigners: [({ cluster }) => this.assigner(cluster)],
      allowAutoTopicCreation: false,
      retry: { retries: 3, initialRetryTime: 100, maxRetryTime: 1_000, restartOnFailure: async () => false },
    })
    this.consumer = consumer
    this.silentTicks = 0
    const isCurrent = (): boolean => this.consumer === consumer && !this.isOver
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      if (!isCurrent()) return
      // Pause before its loop runs for the first time, so that it never fetches.
      consumer.pause([{ topic }])
      this.memberId = payload.memberId
      this.generation = undefined
      this.joined(new Set(payload.memberAssignment[topic] ?? []))
    })
    consumer.on(consumer.events.HEARTBEAT, ({ payload }) => {
      if (!isCurrent()) return
      this.memberId = payload.memberId
      this.generation = this.lastGeneration = payload.groupGenerationId
      this.sign()
    })
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      if (isCurrent()) this.restart(payload.error)
    })
    const run = async (): Promise<void> => {
      await consumer.connect()
      await consumer.subscribe({ topic })
      await consumer.run({ autoCommit: false, eachBatch: async () => undefined })
    }
    run().catch((error: unknown) => {
      if (isCurrent()) this.restart(error)
    })
  }

  private watchLives(): MemberWatch | undefined {
    const { signsOfLife, groupId, topic, log } = this.options
    if (signsOfLife === undefined) return undefined
    const { settings } = this
    return watchMembers({
      ...signsOfLife,
      settings,
      groupId,
      topic,
      log,
      own: () => this.ownLife(),
      // A stored sign is an answer of the group too, over a connection that does not wait for a lost broker.
      onStored: () => {
        this.lastSignMs = performance.now()
      },
    })
  }

  /** A member that the group does not answer gives no sign: others must not take it for reachable. */
  private ownLife(): OwnMember | undefined {
    const { memberId, held: partitions } = this
    const generation = this.generation ?? this.lastGeneration
    if (memberId === undefined || !this.isFresh()) return undefined
    return { memberId, generation, partitions }
  }

  /** The group has answered within a session. */
  private isFresh(): boolean {
    return performance.now() - this.lastSignMs < this.sessionMs
  }

  /** The group has answered. */
  private sign(): void {
    this.lastSignMs = performance.now()
    this.silentTicks = 0
    this.lastError = ''
    for (const waiter of this.waiters.splice(0)) waiter()
  }

  private joined(partitions: ReadonlySet<number>): void {
    this.held = partitions
    this.hasJoined = true
    this.pauseMs = PAUSE_MS_MIN
    this.giveUpMs = Infinity
    this.options.onAssigned(partitions)
    this.sign()
    this.onFirstJoin()
  }

  private look(): void {
    this.silentTicks++
    if (this.silentTicks > SILENT_SESSIONS_MAX) this.restart(new Error('it gives no sign of life'))
  }

  private restart(cause: unknown): void {
    const nowMs = performance.now()
    if (this.giveUpMs === Infinity) this.giveUpMs = nowMs + this.rejoinForMs()
    const classified = classifyError(cause)
    this.lastError = `: ${classified.reason}`
    if (nowMs + this.pauseMs > this.giveUpMs || (!this.hasJoined && isLasting(classified))) {
      this.fail(classified)
      return
    }
    this.tell(classified)
    void this.drop()
    clearTimeout(this.retryTimer)
    this.retryTimer = setTimeout(() => {
      this.start()
    }, this.pauseMs)
    this.pauseMs = Math.min(this.pauseMs * 2, PAUSE_MS_MAX)
  }

  /** Reports each break. While it cannot join, reports each reason once, unless it passes soon. */
  private tell({ reason }: KafkaErrorClass): void {
    const { groupId, log } = this.options
    if (this.hasJoined) {
      log(`The membership in group ${groupId} broke: ${reason}. Joining again.`)
      return
    }
    if (this.pauseMs < TOLD_PAUSE_MS_MIN || reason === this.toldReason) return
    this.toldReason = reason
    log(`Group ${groupId} cannot be joined yet: ${reason}. Trying again.`)
  }

  private fail(classified: KafkaErrorClass): void {
    const { groupId, topic } = this.options
    const { reason, remedy } = classified
    this.end()
    void this.drop()
    const error = isLasting(classified)
      ? new LogError(
          classified.code,
          `Kafka's group ${groupId} on topic ${topic} cannot be joined by ${this.user}: ${reason}. ${remedy}`,
        )
      : new LogError(
          'kafka_unreachable',
          `Kafka's group ${groupId} on topic ${topic} could not be joined for ${this.rejoinForMs() / 1_000} seconds: ${reason}. ` +
            (classified.kind === 'refused'
              ? 'Check that the brokers run, and that the topic exists.'
              : remedy),
        )
    if (this.hasJoined) this.options.onFailure(error)
    else this.onNoJoin(error)
  }

  private end(): void {
    this.isOver = true
    this.lives?.close()
    clearInterval(this.watch)
    clearTimeout(this.retryTimer)
  }

  /** Drops the consumer. It may hang, so nobody waits for it beyond a bound. */
  private async drop(): Promise<void> {
    const { consumer } = this
    this.consumer = undefined
    this.memberId = undefined
    if (consumer === undefined) return
    let timer: NodeJS.Timeout | undefined
    const bound = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, LEAVE_MS_MAX)
    })
    await Promise.race([consumer.disconnect().catch(() => undefined), bound])
    clearTimeout(timer)
  }

  private assigner(cluster: Cluster): Assigner {
    const { topic } = this.options
    return {
      name: 'purser-sticky',
      version: 1,
      assign: async ({ members }) => {
        const claimants = members.map(({ memberId, memberMetadata }) => ({
          memberId,
          ...decodeClaim(MemberMetadata.decode(memberMetadata)?.userData ?? new Uint8Array(0)),
        }))
        const { partitions = cluster.findTopicPartitionMetadata(topic).length } = this.options
        return [...assignSticky(claimants, partitions)].map(([memberId, assigned]) => ({
          memberId,
          memberAssignment: MemberAssignment.encode({
            version: 1,
            assignment: { [topic]: [...assigned] },
            userData: Buffer.alloc(0),
          }),
        }))
      },
      protocol: ({ topics }) => {
        // After a session of silence the member was replaced: others hold its partitions by now.
        const held = this.isFresh() ? [...this.held] : []
        // It took part in a rebalance whose generation it does not know yet.
        const generation = this.generation ?? this.lastGeneration + 1
        const userData = encodeClaim({ held, generation })
        return { name: 'purser-sticky', metadata: MemberMetadata.encode({ version: 1, topics, userData }) }
      },
    }
  }
}
