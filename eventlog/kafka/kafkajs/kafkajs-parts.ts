/** Types for the inner parts of kafkajs that we use. */
import type { Broker } from './client.ts'

/** kafkajs's view of a cluster: metadata and connections, under its producers and consumers. */
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

/** The broker that keeps a group: the requests that we use. */
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
  /** The versions it accepts, by Kafka's request numbers. */
  readonly versions: Readonly<Record<number, { readonly maxVersion: number } | undefined>> | null
  readonly connectionPool: {
    send<Answer>(call: {
      readonly request: object
      readonly response: ResponseOfKafkajs<Answer>
    }): Promise<Answer>
  }
}

/** Decodes an answer, then checks it for errors. */
export interface ResponseOfKafkajs<Answer> {
  decode(bytes: Buffer): Promise<Answer>
  parse(answer: Answer): Promise<Answer>
}
