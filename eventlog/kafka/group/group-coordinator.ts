/**
 * Own connections to the broker that keeps a consumer group. A group's offsets are a small map that all members may read and
 * write. Each entry has a text beside the offset; signs of life are in these texts.
 */
import { brokersInTurn, openCluster, REQUEST_MS_MAX, type Log, type OwnCluster } from '../kafkajs/client.ts'
import type { TopicPartition } from '../errors.ts'
import type { CoordinatorOfKafkajs } from '../kafkajs/kafkajs-parts.ts'
import type { KafkaSettings } from '../settings.ts'
import { rootOf } from '../kafkajs/classify-error.ts'

/** The asking member, as the group knows it. */
export interface GroupMember {
  readonly memberId: string
  /** The generation of the member's last share. */
  readonly generation: number
}

export interface GroupCoordinator {
  /**
   * Puts a text beside a partition's offset.
   * @returns false if the group rejects it now: it rebalances, or does not know the member
   */
  put(member: GroupMember, topicPartition: TopicPartition, text: string): Promise<boolean>
  /** The texts beside these partitions, by topic, where there are any. */
  texts(partitionsOf: ReadonlyMap<string, readonly number[]>): Promise<readonly string[]>
  /** Has the group forget a member, and rebalance. @returns false if the group does not know it */
  remove(memberId: string): Promise<boolean>
  /** Cuts the connections; requests under way reject. */
  close(): void
}

/** The group's errors for a member that it does not accept now, or any more. */
const NOT_NOW = new Set(['UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION', 'REBALANCE_IN_PROGRESS'])
/** The offset means nothing: frames state what was consumed. */
const NO_OFFSET = '0'

export interface CoordinatorOptions {
  readonly settings: KafkaSettings
  readonly groupId: string
  readonly log: Log
  /** Counts attempts: each begins with another broker. */
  readonly attempt: number
  /** Longest wait for an answer, in ms. Default: REQUEST_MS_MAX. */
  readonly requestMsMax?: number
}

/** Finds the coordinator and connects to it, without retries. After any failure, close it and connect again. */
export async function connectToCoordinator(options: CoordinatorOptions): Promise<GroupCoordinator> {
  const { settings, groupId, log, attempt, requestMsMax = REQUEST_MS_MAX } = options
  const own = openCluster(settings, brokersInTurn(settings, attempt), log, requestMsMax)
  try {
    await own.cluster.connect()
    // Only then does it know any broker beside the first one.
    await own.cluster.refreshMetadata()
    return coordinatorOver(await own.cluster.findGroupCoordinator({ groupId }), groupId, own)
  } catch (error) {
    own.destroy()
    throw error
  }
}

function coordinatorOver(
  broker: CoordinatorOfKafkajs,
  groupId: string,
  { destroy }: OwnCluster,
): GroupCoordinator {
  return {
    async put({ memberId, generation }, { topic, partition }, text) {
      const partitions = [{ partition, offset: NO_OFFSET, metadata: text }]
      return unless(NOT_NOW, () =>
        broker.offsetCommit({
          groupId,
          memberId,
          groupGenerationId: generation,
          topics: [{ topic, partitions }],
        }),
      )
    },
    async texts(partitionsOf) {
      const topics = [...partitionsOf].map(([topic, partitions]) => ({
        topic,
        partitions: partitions.map((partition) => ({ partition })),
      }))
      const { responses } = await broker.offsetFetch({ groupId, topics })
      const all = responses.flatMap((response) => response.partitions.map(({ metadata }) => metadata ?? ''))
      return all.filter((text) => text !== '')
    },
    remove: (memberId) =>
      unless(new Set(['UNKNOWN_MEMBER_ID']), () => broker.leaveGroup({ groupId, memberId })),
    close: destroy,
  }
}

/** False if the answer is one of these errors. */
async function unless(types: ReadonlySet<string>, ask: () => Promise<unknown>): Promise<boolean> {
  try {
    await ask()
    return true
  } catch (error) {
    const root = rootOf(error)
    if (root instanceof Error && 'type' in root && types.has(String(root.type))) return false
    throw error
  }
}
