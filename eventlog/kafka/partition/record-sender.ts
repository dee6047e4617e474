/**
 * Sends records to one partition, one request at a time. A request without an answer is sent again, byte for byte, on a new
 * connection. So records may be stored twice, the second copies behind all of the first; readers have to recognize them. It
 * uses no producer of kafkajs: neither its retries nor the states that it gets stuck in.
 */
import { REQUEST_MS_MAX } from '../kafkajs/client.ts'
import { openPartitionLink, type PartitionLinkOptions } from './partition-link.ts'

const ALL_REPLICAS = -1

export interface RecordSender {
  /**
   * Stores values as one record batch on all in-sync replicas. One call at a time.
   * @returns the first one's offset, as it was answered; unanswered attempts may have stored them before
   * @throws KafkaUnreachableError: unknown whether they are stored; KafkaRefusedError: they are not; LogError
   *   `log_closed`
   */
  send(values: readonly Buffer[]): Promise<bigint>
  /** Cuts the connection; what is on its way may be stored or not. */
  close(): void
}

export function openRecordSender(options: PartitionLinkOptions): RecordSender {
  const { topic, partition } = options
  const link = openPartitionLink(options)
  // Connects now: a writer's first send is its opening frame, and no other writer should get ahead.
  link.connect()
  return {
    send: (values) =>
      link.ask((broker) =>
        broker.produce({ topic, partition, acks: ALL_REPLICAS, timeoutMs: REQUEST_MS_MAX, values }),
      ),
    close() {
      link.close()
    },
  }
}
