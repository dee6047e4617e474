/** Whether this process may write to a topic, asked before it has anything to write. */
import { KafkaRefusedError } from '../errors.ts'
import { openPartitionLink, type PartitionLinkOptions } from './partition-link.ts'

const ALL_REPLICAS = -1
const ANSWER_MS_MAX = 5_000

/**
 * Sends a batch of no records. A broker looks at the rights first, and then refuses the batch, so nothing is ever written.
 * @throws KafkaRefusedError if the user may not write there; KafkaUnreachableError; the signal's reason when it aborts
 */
export async function requireWriteRight(options: PartitionLinkOptions, signal?: AbortSignal): Promise<void> {
  const { topic, partition } = options
  const link = openPartitionLink(options)
  try {
    await link.ask(
      (broker) =>
        broker.produce({ topic, partition, acks: ALL_REPLICAS, timeoutMs: ANSWER_MS_MAX, values: [] }),
      signal,
    )
  } catch (error) {
    if (!(error instanceof KafkaRefusedError) || error.isAboutUser) throw error
  } finally {
    link.close()
  }
}
