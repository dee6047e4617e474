/**
 * Several partitions in one process, for tests of coordinators: real cores, queues and frames; logs in memory, and a clock
 * that the test moves.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { MemoryLog, sealed } from '../../eventlog/memory-log.ts'
import { createMemoryQueue, type MemoryQueue } from '../../eventlog/queue/memory-queue.ts'
import { encodeCommands } from '../../schemas/command-codec.ts'
import type { Command } from '../../schemas/commands.ts'
import { parseCrossing } from '../../schemas/crossing.ts'
import { decodeEvents, type WalletEvent } from '../../schemas/events.ts'
import type { Id } from '../../schemas/ids.ts'
import { FRAME_BYTES_MAX } from '../../schemas/limits.ts'
import { partitionOf } from '../../schemas/partitions.ts'
import { accountIdOf, idOf, NOW_MS, NOW_NS } from '../core/harness.testing.ts'
import { createCore, type CoreOptions, type WalletCore } from '../core/core.ts'
import { Coordinator } from './coordinator.ts'

export interface TownsOptions extends Omit<Partial<CoreOptions>, 'partition' | 'partitions'> {
  readonly partitions: number
  /** Of each queue. */
  readonly slotsMax?: number
}

/** One partition: it decides what stands in its queue when it is told to. */
export class Town {
  readonly partition: number
  readonly core: WalletCore
  readonly log: MemoryLog
  readonly queue: MemoryQueue
  readonly #taken: { readonly slots: Uint8Array; readonly count: number }[] = []
  #decided = 0n
  readonly #out = new Uint8Array(FRAME_BYTES_MAX)

  constructor(partition: number, { slotsMax, ...core }: TownsOptions) {
    this.partition = partition
    this.core = createCore({ ...core, partition })
    this.log = new MemoryLog(partition)
    this.queue = createMemoryQueue({
      partition,
      nextOffset: 0n,
      core: { send: (slots, count) => this.#taken.push({ slots: slots.slice(), count }) },
      soon: (task) => task(),
      ...(slotsMax === undefined ? {} : { slotsMax }),
    })
    this.queue.wanted()
  }

  /** Does what is due, then decides one batch if there is one. Returns whether anything happened. */
  decide(nowNs: bigint): boolean {
    const due = this.core.expireDue(nowNs, this.#out, 0, this.#out.length)
    this.#append(due.bytes)
    const batch = this.#taken.shift()
    if (batch === undefined) return due.events > 0
    const done = this.core.decide(batch.slots, batch.count, nowNs, this.#out, 0, this.#out.length)
    if (done.commands !== batch.count) throw new Error('a batch did not fit')
    this.#append(done.bytes)
    this.#decided += BigInt(batch.count)
    this.queue.consumed(this.#decided)
    this.queue.wanted()
    return true
  }

  events(): WalletEvent[] {
    return this.log.frames.flatMap(({ payload }) => decodeEvents(payload))
  }

  #append(bytes: number): void {
    if (bytes === 0) return
    const { sequence, hash } = this.log.head()
    const events = decodeEvents(this.#out.subarray(0, bytes))
    this.log.push(sealed(this.partition, events, sequence + 1n, hash))
  }
}

/** A deployment. Accounts 0 to 4 of each partition are open, all with as much overdraft as they want. */
export class Towns {
  readonly all: readonly Town[]
  nowNs = NOW_NS
  readonly #accounts: readonly (readonly Id[])[]
  readonly #running: Coordinator[] = []
  #ids = 0

  constructor(options: TownsOptions) {
    const { partitions } = options
    this.all = Array.from({ length: partitions }, (_, partition) => new Town(partition, options))
    const ids = Array.from({ length: partitions * 100 }, (_, number) => accountIdOf(number + 1))
    this.#accounts = this.all.map(({ partition }) =>
      ids.filter((id) => partitionOf(id, partitions) === partition).slice(0, ACCOUNTS),
    )
    for (const { partition, queue } of this.all) {
      const opening = this.#accounts[partition]!.map((debit): Command => ({
        kind: 'OpenAccount', id: this.newId(), debit, system: true, currency: 'EUR', scale: 2,
      })) // prettier-ignore
      queue.offer(encodeCommands(opening), opening.length, () => undefined)
    }
    for (const town of this.all) while (town.decide(this.nowNs));
  }

  newId(): Id {
    return idOf(++this.#ids, NOW_MS)
  }

  account(partition: number, index: number): Id {
    return this.#accounts[partition]![index % ACCOUNTS]!
  }

  /** A transfer from one partition to another. */
  crossing(from: number, to: number, fields: Partial<Command> = {}): Command {
    return {
      kind: 'Transfer',
      id: this.newId(),
      debit: this.account(from, this.#ids),
      credit: this.account(to, this.#ids + 1),
      amount: 1n + BigInt(this.#ids % 7),
      currency: 'EUR',
      across: from !== to,
      receivedAtNs: this.nowNs,
      ...fields,
    }
  }

  /** As a door does it. */
  send(from: number, commands: readonly Command[]): void {
    const { kind } = this.all[from]!.queue.offer(encodeCommands(commands), commands.length, () => undefined)
    if (kind !== 'taken') throw new Error(`the queue is ${kind}`)
  }

  /** Starts a coordinator of one partition. */
  coordinate(partition: number, stepsMax?: number): Coordinator {
    const queues = this.all.map(({ queue }) => queue.steps)
    const coordinator = new Coordinator({
      log: this.all[partition]!.log,
      queues,
      ...(stepsMax === undefined ? {} : { stepsMax }),
    })
    void coordinator.run()
    this.#running.push(coordinator)
    return coordinator
  }

  coordinateAll(): Coordinator[] {
    return this.all.map(({ partition }) => this.coordinate(partition))
  }

  /** Each partition decides, and coordinators read, until nothing happens any more. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3;) {
      await turn()
      const moved = this.all.filter((town) => town.decide(this.nowNs)).length
      const waits = this.#running.some((one) => one.status().stepsWaiting > 0)
      quiet = moved > 0 || waits ? 0 : quiet + 1
    }
  }

  /** Time passes until the next open crossing is reminded of, and so on until none is open; at most so many times. */
  async heal(timesMax = 60): Promise<void> {
    await this.settle()
    for (let times = 0; this.open() > 0; times++) {
      if (times === timesMax) throw new Error(`${this.open()} crossings do not end`)
      const timers = this.all.map(({ core }) => core.nextDeadlineNs()).filter((at) => at > this.nowNs)
      this.nowNs = timers.reduce((first, at) => (at < first ? at : first), timers[0] ?? this.nowNs + 1n)
      await this.settle()
    }
  }

  /** Crossings that have begun and not ended, by their events. */
  open(): number {
    const count = (kinds: ReadonlySet<string>): number =>
      this.all.flatMap((town) => town.events()).filter(({ kind, command }) => kinds.has(kind) && !isHalfway(kind, command)).length // prettier-ignore
    return count(BEGIN) - count(END)
  }

  /** What stands on the transit accounts, over all partitions: zero when nothing is open. */
  inTransit(): bigint {
    let sum = 0n
    for (const { core } of this.all)
      for (let number = 1; number <= core.accounts(); number++) {
        const account = core.account(number)!
        if (this.#accounts.flat().some((id) => core.lookup(id) === number)) continue
        sum += account.creditsPosted - account.debitsPosted
        sum += account.creditsPending + account.debitsPending
      }
    return sum
  }

  async stop(): Promise<void> {
    await Promise.all(this.#running.splice(0).map((coordinator) => coordinator.stop()))
  }
}

const ACCOUNTS = 5
const BEGIN = new Set(['TransferReserved', 'TransferDebited'])
const END = new Set(['TransferCompleted', 'TransferCancelled', 'TransferCompensated', 'CancelAcknowledged'])

/** Cancelled by the deadline: the destination has yet to say that it knows. */
function isHalfway(kind: string, command: string): boolean {
  return kind === 'TransferCancelled' && command === 'TimeStep'
}

/** The events of each crossing, by its id, as text: of source and destination. */
export function storiesOf(towns: Towns): Map<string, readonly string[]> {
  const stories = new Map<string, string[]>()
  for (const town of towns.all)
    for (const event of town.events()) {
      if (parseCrossing(event.namedAccounts) === undefined) continue
      const key = `${event.transferId.high}:${event.transferId.low}`
      const story = stories.get(key) ?? []
      story.push(event.kind)
      stories.set(key, story)
    }
  return stories
}
