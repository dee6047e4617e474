/** What is used of kafkajs's inner parts, which it has no types for. */
import type { Broker } from './client.ts'

/** kafkajs's own view of a cluster: metadata and connections, which its producers and consumers are built on. */
export interface Cluster {
  connect(): Promise<void>
  addTargetTopic(topic: string): Promise<void>
  refreshMetadata(): Promise<void>
  findLeaderForPartitions(
    topic: string,
    partitions: readonly number[],
  ): Readonly<Record<string, readonly number[]>>
  findTopicPartitionMetadata(topic: string): readonly { readonly leader: number }[]
  findBroker(which: { readonly nodeId: string }): Promise<BrokerOfKafkajs>
  findGroupCoordinator(which: { readonly groupId: string }): Promise<CoordinatorOfKafkajs>
}

/** The broker that keeps a group: what is asked of it here. */
export interface CoordinatorOfKafkajs {
  offsetCommit(request: {
    readonly groupId: string
    readonly groupGenerationId: number
    readonly memberId: string
    readonly topics: readonly {
      readonly topic: string
      readonly partitions: readonly {
        readonly partition: number
        readonly offset: string
        readonly metadata: string
      }[]
    }[]
  }): Promise<unknown>
  offsetFetch(request: {
    readonly groupId: string
    readonly topics: readonly {
      readonly topic: string
      readonly partitions: readonly { readonly partition: number }[]
    }[]
  }): Promise<{
    readonly responses: readonly {
      readonly partitions: readonly { readonly partition: number; readonly metadata: string | null }[]
    }[]
  }>
  leaveGroup(request: { readonly groupId: string; readonly memberId: string }): Promise<unknown>
}

/** A broker as kafkajs has it: its requests, and the connections under them. */
export type BrokerOfKafkajs = Pick<Broker, 'listOffsets'> & {
  /** What it takes, by the numbers of Kafka's requests. */
  readonly versions: Readonly<Record<number, { readonly maxVersion: number } | undefined>> | null
  readonly connectionPool: {
    send<Answer>(call: {
      readonly request: object
      readonly response: ResponseOfKafkajs<Answer>
    }): Promise<Answer>
  }
}

/** How an answer's bytes are read, and then looked at for errors. */
export interface ResponseOfKafkajs<Answer> {
  decode(bytes: Buffer): Promise<Answer>
  parse(answer: Answer): Promise<Answer>
}
