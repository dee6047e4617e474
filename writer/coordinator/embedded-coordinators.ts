/** The coordinators of an embedded platform: one for each partition, beside the doors, sending into the queues of this process. */
import type { EmbeddedWriter } from '../embedded.ts'
import { Coordinator, CoordinatorBrokenError } from './coordinator.ts'

/**
 * Starts a coordinator for each writer, from where its log stood before it served. With one partition there is nothing to
 * coordinate, and none is started.
 * @param writers of all partitions, in the order of their numbers
 * @param onBroken called if one ends by itself while its writer runs: the process should end
 */
export function startCoordinators(
  writers: readonly EmbeddedWriter[],
  onBroken: (error: Error) => void,
): readonly Coordinator[] {
  if (writers.length === 1) return []
  const queues = writers.map(({ queue }) => queue.steps)
  return writers.map((writer) => {
    const after = writer.recovery.head.sequence
    const coordinator = new Coordinator({ log: writer.log, queues, after })
    coordinator.run().catch((error: unknown) => {
      // Of a writer that has failed its log says so to all its readers.
      if (writer.status().state === 'ready')
        onBroken(new CoordinatorBrokenError(writer.queue.partition, error))
    })
    return coordinator
  })
}
