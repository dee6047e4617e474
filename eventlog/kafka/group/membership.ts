/**
 * Who of several processes works on which partition: a consumer group, used for that alone. All its partitions are paused,
 * so it fetches nothing; kafkajs sends its heartbeats and joins again when the group changes. What it says is a hint and
 * not a lock: two may believe for a while that a partition is theirs, which the reader rule makes harmless.
 *
 * kafkajs ends a consumer for good at errors that it does not know, and may do so in silence: so it is never left to
 * restart itself. One that ends, or gives no sign of life, is replaced within a bound; then the membership has failed.
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
  /** How many there are to be shared out, from 0 on. Default: as many as the topic has. */
  readonly partitions?: number
  /** Called whenever the group has shared out anew, with all that is this member's from now on; maybe the same as before. */
  readonly onAssigned: (partitions: ReadonlySet<number>) => void
  /** Called once, if the membership cannot be kept up. */
  readonly onFailure: (error: Error) => void
  readonly log: Log
  /** A member that is silent for so long is replaced by the group. Within the broker's own bounds. Default: 10 seconds. */
  readonly sessionTimeoutMs?: number
  /**
   * Members show each other that they live, and have the group replace one that does not, without waiting for its session to
   * end (member-watch.ts). `standbyTopic`: a topic that is not shared out, where members without a share have theirs; this one
   * has to be let read both. Default: they do not.
   */
  readonly signsOfLife?: { readonly standbyTopic: string; readonly partitions: number } | undefined
  /** How long it is tried to join anew, before it is a failure. Default: 60 seconds. */
  readonly rejoinForMs?: number
  /** Ends the first joining, and leaves what was joined by then. A membership that is there stays. */
  readonly signal?: AbortSignal | undefined
}

export interface Membership {
  /** What is this member's, as far as it was told. */
  partitions(): ReadonlySet<number>
  /** Resolves when the group confirms this member the next time, and never if it is over. Until then it may have been replaced. */
  confirmed(): Promise<void>
  /** What keeps the group from confirming this member, if it has not for a session, in a sentence. */
  outage(): string | undefined
  /** Leaves the group, so that others take over at once. */
  leave(): Promise<void>
}

const SESSION_TIMEOUT_MS_DEFAULT = 10_000
const REJOIN_FOR_MS_DEFAULT = 60_000
/** Pause of the paused consumer's loop, behind which it looks whether a heartbeat is due. */
const LOOP_MS = 100
/** With a heartbeat a member hears that the group shares out anew, so it is often, and many to a session. */
const HEARTBEAT_MS = 200
/**
 * How long the group waits, when it shares out anew, for members to hear of it. One that does not by then has to join again;
 * one that is dead and was not missed yet keeps the others waiting for so long.
 */
const REBALANCE_MS = 3_000
/** Session timeouts without any sign of life until a consumer is taken for dead: the watch itself may have stood still. */
const SILENT_SESSIONS_MAX = 3
const PAUSE_MS_MIN = 200
const PAUSE_MS_MAX = 5_000
/** From this pause on it is told what keeps one from joining. */
const TOLD_PAUSE_MS_MIN = 1_000
const LEAVE_MS_MAX = 5_000

/**
 * Joins a group and returns when the group has shared out its partitions for the first time.
 * @throws LogError `kafka_unreachable` if it cannot join within the bound; `kafka_refused` or `kafka_untrusted` as soon as
 *   that is known: whoever starts wants to be told, and nothing runs yet that a pause could save; the signal's reason when
 *   it aborts
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
  /** Why it broke last, if the group has not answered since: as the end of a sentence. */
  private lastError = ''
  private readonly watch: NodeJS.Timeout
  /** Who waits for the group's next answer. */
  private waiters: (() => void)[] = []
  private retryTimer: NodeJS.Timeout | undefined
  private readonly lives: MemberWatch | undefined
  /** Who the group takes this one for; undefined: it is no member. */
  private memberId: string | undefined
  /** Which sharing out `held` comes from: the group says so with the first heartbeat behind it. */
  private generation: number | undefined
  /** The newest that the group has told. */
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

  /** A consumer of its own for each life: kafkajs's are not to be trusted after an error. */
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
      // Before its loop looks for the first time: from here on it fetches nothing.
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
      // An answer of the group as well, and over a connection that does not wait for a broker that is gone.
      onStored: () => {
        this.lastSignMs = performance.now()
      },
    })
  }

  /** One whom the group does not answer has nothing to say: whoever hears its signs would not know that it cannot be told anything. */
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

  /** Each break; of what keeps it from joining at all, each reason once, if it has not passed by itself soon. */
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

  /** Lets go of the consumer at hand. It may hang: nobody waits for it longer than a bound. */
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
        // One that was silent for longer than a session has been replaced: what it held is others' by now.
        const held = this.isFresh() ? [...this.held] : []
        // It has taken part in a sharing out that it was not told the number of yet.
        const generation = this.generation ?? this.lastGeneration + 1
        const userData = encodeClaim({ held, generation })
        return { name: 'purser-sticky', metadata: MemberMetadata.encode({ version: 1, topics, userData }) }
      },
    }
  }
}
