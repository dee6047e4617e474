/**
 * The audit of a deployment on Kafka, at rest or while it runs: every partition of the events topic is replayed from its
 * first record up to where it ends, and the views are compared with a replay up to where they stood before.
 */
import { settledPartitions } from '../../eventlog/kafka/topics/topics.ts'
import { readAnyCheckpoints, type Checkpoints } from '../../projectors/runtime/checkpoints.ts'
import { createViewStore } from '../../projectors/clickhouse/clickhouse-store.ts'
import { readAnySkips } from '../../projectors/registry/skips.ts'
import { projectionsOf, type View } from '../../gateway/view.ts'
import { runsCodeOf } from './code-views.ts'
import type { ViewStore } from '../../projectors/clickhouse/view-store.ts'
import { replayTopic } from '../../writer/distributed/replay-topic.ts'
import type { AuditConfig } from '../../platform/configuration/config.ts'
import { checkViews, conclude, skippedEvents, type PartitionProof, type Proof } from './proof.ts'

/** What stands in the server, and what of it is to be proven. */
interface Stored {
  readonly store: ViewStore
  readonly checkpoints: Checkpoints
}

/**
 * Proves a deployment, one partition after the other. Where no server of views is given, they are not among the checks.
 * @param views those of the deployment
 * @throws TopicCorruptError, BatchDamagedError, KafkaOffsetError, naming topic, partition and offset; other LogErrors;
 *   CoreBrokenError; OutageError if the view store does not answer
 */
export async function auditTopics(
  { kafka, clickhouse }: AuditConfig,
  views: readonly View[],
  log: (line: string) => void,
): Promise<Proof> {
  const startedAtMs = performance.now()
  const partitions = await settledPartitions(kafka, log)
  const prove = async (stored: Stored | undefined): Promise<Proof> => {
    const proofs: PartitionProof[] = []
    for (let partition = 0; partition < partitions; partition++) {
      const {
        core: _,
        log: events,
        ...replay
      } = await replayTopic({ settings: kafka, partition, partitions, log })
      try {
        const { head } = replay
        const checks =
          stored === undefined
            ? []
            : [
                await checkViews({
                  ...stored,
                  projections: projectionsOf(views),
                  runsCode: runsCodeOf(stored.store, views, partitions),
                  log: events,
                  head,
                }),
              ]
        proofs.push({ replay, checks })
      } finally {
        events.close()
      }
    }
    const skips = stored === undefined ? [] : await readAnySkips(stored.store)
    return conclude(proofs, startedAtMs, skippedEvents(skips))
  }
  if (clickhouse === undefined) {
    log('The views are not compared: --clickhouse-url says where they are.')
    return prove(undefined)
  }
  const store = createViewStore(clickhouse)
  try {
    // Before the end of any partition is looked at: so far the log has to reach.
    return await prove({ store, checkpoints: await readAnyCheckpoints(store) })
  } finally {
    await store.close()
  }
}
