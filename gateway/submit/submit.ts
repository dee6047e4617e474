/**
 * The only code that reaches a writer. It offers commands to the queue of their partition, within the bounds of what
 * may wait. The outcomes come back with the feed: to outcomes/pending.ts, and from there to the batch.
 */
import type { Command } from '../../schemas/commands.ts'
import { BATCH_COMMANDS_MAX } from '../../schemas/limits.ts'
import type { Writer } from '../../writer/writer.ts'
import type { GatewayLimits } from '../bounds.ts'
import { fault } from '../errors.ts'
import type { Outcome } from '../outcomes/outcomes.ts'
import type { PendingBatch } from '../outcomes/pending-batch.ts'
import type { PendingCommands } from '../outcomes/pending.ts'
import type { Views } from '../read/views.ts'
import { CommandBatch, type Settled } from './command-batch.ts'
import type { CommandRouter } from './command-router.ts'

const GIVE_UP_EVERY_MS = 500
/** When a client should come back to a full queue. */
export const RETRY_AFTER_MS = 100
const BUSY_MESSAGE = 'More commands wait than fit. Nothing was taken: send it again, with the same id.'

export interface SubmitterPorts {
  /** One per partition, in the order of their numbers. */
  readonly writers: readonly Writer[]
  /** Likewise. Commands that were taken wait here for their outcomes, which come with the feed. */
  readonly pending: readonly PendingCommands[]
  readonly router: CommandRouter
  readonly views: Views
  readonly limits: GatewayLimits
}

export class Submitter {
  readonly #ports: SubmitterPorts
  readonly #sweeper: NodeJS.Timeout
  #stopped: string | undefined
  /** Partitions that take nothing more, and why. */
  readonly #stoppedOnes = new Map<number, string>()

  constructor(ports: SubmitterPorts) {
    this.#ports = ports
    const { pending, limits } = ports
    this.#sweeper = setInterval(() => {
      const beforeMs = performance.now() - limits.outcomeWaitMs
      for (const one of pending) one.giveUp(beforeMs)
    }, GIVE_UP_EVERY_MS).unref()
  }

  get partitions(): number {
    return this.#ports.writers.length
  }

  /** Commands that wait for their outcomes, of all partitions. */
  get pending(): number {
    return this.#ports.pending.reduce((sum, { count }) => sum + count, 0)
  }

  /** Offers that wait for outcomes, of all partitions. */
  get waiting(): number {
    return this.#ports.pending.reduce((sum, { offers }) => sum + offers, 0)
  }

  /** The outcome of one command. @throws Fault */
  async one(command: Command, path: string): Promise<Outcome> {
    const routed = await this.#ports.router.route(command, path)
    const [settled] = await this.all([routed.command], routed.partition)
    if (settled instanceof Error) throw settled
    return settled!
  }

  /**
   * The outcomes of commands, in their order. They are offered together and decided one right behind the other.
   * @throws Fault BUSY, WRITER_STOPPED: nothing was taken
   */
  all(commands: readonly Command[], partition: number): Promise<Settled[]> {
    if (commands.length > BATCH_COMMANDS_MAX) throw new RangeError(`${commands.length} commands in one offer`)
    const { views, limits } = this.#ports
    const { outcomeWaitMs } = limits
    const batch = new CommandBatch(commands, { views, outcomeWaitMs, partitions: this.partitions })
    switch (this.offer(batch.slots, partition, batch)) {
      case 'taken':
        return batch.settled
      case 'busy':
        throw fault('BUSY', BUSY_MESSAGE, { retryAfterMs: RETRY_AFTER_MS })
      case 'stopped':
        throw fault(
          'WRITER_STOPPED',
          `No commands are taken: ${this.stopReason(partition)} Send it again later, with the same id.`,
        )
    }
  }

  /**
   * Offers a batch's commands; the batch is told their outcomes. Unless the answer is `taken`, nothing has happened.
   * @param slots whole commands, checked, the last one not linked; copied
   */
  offer(slots: Uint8Array, partition: number, batch: PendingBatch): 'taken' | 'busy' | 'stopped' {
    const { writers, limits } = this.#ports
    const pending = this.#ports.pending[partition]!
    if (this.#stopped !== undefined || this.#stoppedOnes.has(partition)) return 'stopped'
    if (pending.count + batch.count > limits.pendingCommandsMax) return 'busy'
    if (pending.offers >= limits.operationsMax) return 'busy'
    const offer = pending.add(batch)
    const { kind } = writers[partition]!.queue.offer(slots, batch.count, (offsets) =>
      pending.stored(offer, offsets),
    )
    if (kind !== 'taken') pending.withdraw(offer)
    return kind
  }

  /** The reason why a partition takes no commands: a sentence. */
  stopReason(partition: number): string {
    const known = this.#stopped ?? this.#stoppedOnes.get(partition)
    if (known !== undefined) return known
    const { failure } = this.#ports.writers[partition]!.status()
    return failure === undefined ? 'The writer has stopped.' : `${failure}.`
  }

  /**
   * Takes no more commands of one partition. Those that wait there are told that their outcomes will not be known here.
   */
  stopPartition(partition: number, reason: string): void {
    this.#stoppedOnes.set(partition, reason)
    this.#ports.pending[partition]!.giveUp(Infinity)
  }

  /** Takes no more commands. Those that wait are told that their outcomes will not be known here. */
  stop(reason: string): void {
    this.#stopped = reason
    clearInterval(this.#sweeper)
    for (const pending of this.#ports.pending) pending.giveUp(Infinity)
  }
}
