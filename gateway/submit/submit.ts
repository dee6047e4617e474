/**
 * The only code that reaches a writer. It offers commands to the queue of their partition, within the bounds of what
 * may wait. The outcomes come back with the feed: to outcomes/pending.ts, and from there to the batch. An id that lives
 * in another partition is claimed there first (claims.ts).
 */
import type { Command } from '../../schemas/commands.ts'
import { BATCH_COMMANDS_MAX } from '../../schemas/limits.ts'
import type { Writer } from '../../writer/writer.ts'
import type { GatewayLimits } from '../bounds.ts'
import { badInput, fault } from '../errors.ts'
import type { Outcome } from '../outcomes/outcomes.ts'
import type { PendingBatch } from '../outcomes/pending-batch.ts'
import type { PendingCommands } from '../outcomes/pending.ts'
import type { RepeatContext } from '../outcomes/settle-repeat.ts'
import type { Views } from '../read/views.ts'
import { ClaimBatch, homesAway, type Denied, type Homes } from './claims.ts'
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
   * The outcomes of commands, in their order. They are offered together and decided one right behind the other. Of a
   * linked group with an id that is denied nothing is offered.
   * @throws Fault BUSY, WRITER_STOPPED: nothing was taken
   */
  async all(commands: readonly Command[], partition: number): Promise<Settled[]> {
    if (commands.length > BATCH_COMMANDS_MAX) throw new RangeError(`${commands.length} commands in one offer`)
    const batch = this.#batchOf(commands)
    const homes = this.homesAway(batch, partition)
    if (homes.size === 0) return this.#settled(batch, partition)
    const denied = await this.claim(batch, homes, partition, commands[0]!.receivedAtNs ?? 0n)
    if (denied.size === 0) return this.#settled(batch, partition)
    const settled = withGroups(commands, denied)
    const granted = commands.filter((_command, index) => settled[index] === undefined)
    const outcomes = granted.length === 0 ? [] : await this.#settled(this.#batchOf(granted), partition)
    let next = 0
    return settled.map((one) => one ?? outcomes[next++]!)
  }

  /** The homes of the ids of commands that a partition is to decide, as far as it is not their home itself. */
  homesAway({ ids, count }: Pick<PendingBatch, 'ids' | 'count'>, partition: number): Homes {
    return homesAway(ids, count, partition, this.partitions)
  }

  /**
   * Claims ids at their homes. Nothing is decided with them yet.
   * @param homes of the ids, from `homesAway`
   * @param partition that is to decide the commands
   * @returns why ids may not be used, by their index; all others may
   * @throws Fault BUSY, WRITER_STOPPED if one of the homes takes no claim
   */
  async claim({ ids }: Pick<PendingBatch, 'ids'>, homes: Homes, partition: number, receivedAtNs: bigint): Promise<ReadonlyMap<number, Settled>> {
    const offered = [...homes].map(([home, indexes]) => {
      const batch = new ClaimBatch(ids, indexes, home, partition, receivedAtNs, this.#context())
      this.#offerOrThrow(batch, home)
      return batch.settled.then((denied) => indexes.map((index, own) => [index, denied[own]] as const))
    })
    const denied = (await Promise.all(offered)).flat()
    return new Map(denied.filter((one): one is [number, Exclude<Denied, undefined>] => one[1] !== undefined))
  } // prettier-ignore

  #batchOf(commands: readonly Command[]): CommandBatch {
    return new CommandBatch(commands, this.#context())
  }

  #context(): RepeatContext {
    const { views, limits } = this.#ports
    return { views, outcomeWaitMs: limits.outcomeWaitMs, partitions: this.partitions }
  }

  #settled(batch: CommandBatch, partition: number): Promise<Settled[]> {
    this.#offerOrThrow(batch, partition)
    return batch.settled
  }

  #offerOrThrow(batch: CommandBatch | ClaimBatch, partition: number): void {
    switch (this.offer(batch.slots, partition, batch)) {
      case 'taken':
        return
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

/** What is known of commands before they are offered: of a group with an id that is denied, all is. */
function withGroups(
  commands: readonly Command[],
  denied: ReadonlyMap<number, Settled>,
): (Settled | undefined)[] {
  const settled = commands.map((_command, index) => denied.get(index))
  for (let first = 0; first < commands.length;) {
    let last = first
    while (commands[last]!.linked === true) last++
    const isDenied = settled.slice(first, last + 1).some((one) => one !== undefined)
    for (let index = first; index <= last && isDenied; index++)
      settled[index] ??= badInput(
        undefined,
        'Linked with a command whose id cannot be used. Nothing happened.',
      )
    first = last + 1
  }
  return settled
}
