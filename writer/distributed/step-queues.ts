/** Where the coordinators of a process send steps: a queue for each partition of the deployment, opened when it is first used. */
import {
  openKafkaCommandQueue,
  type KafkaCommandQueue,
  type KafkaCommandQueueOptions,
} from '../../eventlog/kafka/commands/command-queue.ts'
import type { StepQueue } from '../coordinator/step-target.ts'

export class StepQueues {
  /** One per partition, in the order of their numbers. */
  readonly all: readonly StepQueue[]
  readonly #opened = new Map<number, KafkaCommandQueue>()
  #isClosed = false

  /** @param partitions of the deployment */
  constructor(partitions: number, options: Omit<KafkaCommandQueueOptions, 'partition' | 'isFollowed'>) {
    this.all = Array.from({ length: partitions }, (_, partition) => ({
      offer: (slots, count, stored) => {
        if (this.#isClosed) return { kind: 'stopped' }
        let queue = this.#opened.get(partition)
        if (queue === undefined) {
          // Whether a step was taken, its answer says in a log: nobody here waits for the place of one.
          queue = openKafkaCommandQueue({ ...options, partition, isFollowed: false })
          this.#opened.set(partition, queue)
        }
        return queue.offer(slots, count, stored)
      },
    }))
  }

  close(): void {
    this.#isClosed = true
    for (const queue of this.#opened.values()) queue.close()
    this.#opened.clear()
  }
}
