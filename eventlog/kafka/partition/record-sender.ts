/**
 * Sends records to one partition, one request at a time: a request that was not answered is sent again, byte for byte, on a
 * connection of its own. So records may stand twice, the second time behind all of the first; readers have to be able to
 * tell. No producer of kafkajs is involved: neither its retries nor the states it does not come out of.
 */
import { REQUEST_MS_MAX } from '../kafkajs/client.ts'
import { openPartitionLink, type PartitionLinkOptions } from './partition-link.ts'

const ALL_REPLICAS = -1

export interface RecordSender {
  /**
   * Stores values as one record batch, on all replicas that count. One call at a time.
   * @returns the first one's offset, as it was answered; unanswered attempts may have stored them before
   * @throws KafkaUnreachableError: it cannot be known whether they are stored; KafkaRefusedError: they are not; LogError
   *   `log_closed`
   */
  send(values: readonly Buffer[]): Promise<bigint>
  /** Cuts the connection; what is being sent may be stored or not. */
  close(): void
}

export function openRecordSender(options: PartitionLinkOptions): RecordSender {
  const { topic, partition } = options
  const link = openPartitionLink(options)
  // The first send of a writer is its opening frame, which others must not get ahead of.
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
