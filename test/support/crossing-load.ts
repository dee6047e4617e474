/**
 * Transfers, holds and their posts across the partitions of a deployment on Kafka, straight onto the commands topic, while things fail behind them;
 * and what its logs say became of them. Needs writers and nothing else.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { newId } from '../../client/new-id.ts'
import { openKafkaCommandQueue, type KafkaCommandQueue } from '../../eventlog/kafka/commands/command-queue.ts'
import { openKafkaEventLog, type KafkaEventLog } from '../../eventlog/kafka/events/kafka-event-log.ts'
import type { KafkaSettings } from '../../eventlog/kafka/settings.ts'
import { encodeCommands } from '../../schemas/command-codec.ts'
import type { Command } from '../../schemas/commands.ts'
import { decodeEvents, type WalletEvent } from '../../schemas/events.ts'
import { formatId, type Id } from '../../schemas/ids.ts'
import { partitionOf } from '../../schemas/partitions.ts'
import { createCore, type WalletCore } from '../../writer/core/core.ts'

/** What became of a transfer, as the log of its debit account says. */
type End = 'applied' | 'refused'

interface Sent {
  readonly from: number
  readonly to: number
  readonly amount: bigint
  /** Undefined: it is not known yet, or will never be, whether it was stored. */
  isStored: boolean | undefined
}

const APPLIED: ReadonlySet<string> = new Set(['TransferCompleted'])
const REFUSED: ReadonlySet<string> = new Set(['TransferRefused', 'TransferCancelled', 'TransferCompensated'])
const TRANSFERS = 16
const EVERY_MS = 40
/** A hold is posted so many rounds behind its placing; one that it comes too early or too late for expires. */
const POSTED_AFTER = 25
const HOLD_TIMEOUT_NS = 3_000_000_000n
const END_MS_MAX = 90_000

export class CrossingLoad {
  readonly sent = new Map<string, Sent>()
  readonly ends = new Map<string, End[]>()
  /** Parts of holds that have arrived. */
  posted = 0
  /** Events of each partition, and a core that has applied them. */
  readonly events: readonly WalletEvent[][]
  readonly cores: readonly WalletCore[]
  readonly #settings: KafkaSettings
  readonly #queues: readonly KafkaCommandQueue[]
  readonly #logs: KafkaEventLog[] = []
  readonly #banks: readonly Id[]
  readonly #over = new AbortController()
  readonly #lastMs: number[]
  readonly #longestMs: number[]
  #sending: Promise<void>[] = []
  #isSending = false
  #failure: Error | undefined

  constructor(settings: KafkaSettings, partitions: number) {
    this.#settings = settings
    const all = Array.from({ length: partitions }, (_, partition) => partition)
    this.events = all.map(() => [])
    this.cores = all.map((partition) => createCore({ partition, partitions }))
    this.#banks = all.map((partition) => bankOf(partition, partitions))
    this.#queues = all.map((partition) =>
      openKafkaCommandQueue({ settings, partition, isFollowed: false, log: () => undefined }),
    )
    this.#lastMs = all.map(() => performance.now())
    this.#longestMs = all.map(() => 0)
  }

  /** Opens one account in each partition, and follows the logs. */
  async open(): Promise<void> {
    for (const [partition, queue] of this.#queues.entries()) {
      const log = await openKafkaEventLog({ settings: this.#settings, partition, log: () => undefined })
      this.#logs.push(log)
      this.#follow(log).catch((error: Error) => (this.#failure = error))
      const debit = this.#banks[partition]!
      const opening: Command = { kind: 'OpenAccount', id: newId(), debit, system: true, currency: 'EUR', scale: 2, receivedAtNs: nowNs() } // prettier-ignore
      queue.offer(encodeCommands([opening]), 1, () => undefined)
    }
    while (this.events.some((events) => events.length === 0)) await pause(50)
  }

  start(): void {
    this.#isSending = true
    this.#sending = this.#queues.map((_, from) => this.#keepSending(from))
  }

  /** Measures anew from here. */
  mark(): void {
    this.#lastMs.fill(performance.now())
    this.#longestMs.fill(0)
  }

  /** Longest time since the mark in which no transfer of some partition ended, in seconds. */
  awaySeconds(): number {
    return Math.round(Math.max(...this.#longestMs) / 100) / 10
  }

  /** Transfers from a partition that were applied. */
  applied(from: number): number {
    return [...this.ends].filter(([id, [end]]) => end === 'applied' && this.sent.get(id)!.from === from).length // prettier-ignore
  }

  /** Waits until so many more from each partition have been applied. */
  async untilApplied(more: number): Promise<void> {
    const wanted = this.#queues.map((_, from) => this.applied(from) + more)
    await this.#until(`${more} transfers from each partition are applied`, () =>
      wanted.every((count, from) => this.applied(from) >= count),
    )
  }

  /** Sends nothing new, and waits until whatever is stored, or may be, has ended. */
  async end(): Promise<void> {
    this.#isSending = false
    await Promise.all(this.#sending)
    await Promise.all(this.#queues.map((queue) => queue.settled()))
    await this.#until('every transfer that is stored has ended', () =>
      [...this.sent].every(([id, { isStored }]) => isStored === false || this.ends.has(id)),
    )
    await this.#until('nothing is in transit', () => this.inTransit() === 0n)
  }

  /** Money in transit, and what is held for it, over all partitions. */
  inTransit(): bigint {
    let sum = 0n
    for (const [partition, core] of this.cores.entries())
      for (let number = 1; number <= core.accounts(); number++) {
        const account = core.account(number)!
        if (number === core.lookup(this.#banks[partition]!)) continue
        sum += account.creditsPosted - account.debitsPosted + account.creditsPending + account.debitsPending
      }
    return sum
  }

  /** Balance of a partition's account. */
  balance(partition: number): bigint {
    const core = this.cores[partition]!
    const { creditsPosted, debitsPosted } = core.account(core.lookup(this.#banks[partition]!)!)!
    return creditsPosted - debitsPosted
  }

  /** What that has to be, by the transfers that were applied. */
  expected(partition: number): bigint {
    let sum = 0n
    for (const [id, [end]] of this.ends) {
      const { from, to, amount } = this.sent.get(id)!
      if (end !== 'applied') continue
      if (from === partition) sum -= amount
      if (to === partition) sum += amount
    }
    return sum
  }

  close(): void {
    this.#isSending = false
    this.#over.abort()
    for (const one of [...this.#queues, ...this.#logs]) one.close()
  }

  async #keepSending(from: number): Promise<void> {
    const partitions = this.#queues.length
    const holds: { readonly id: Id; readonly to: number; readonly amount: bigint }[] = []
    for (let round = 0; this.#isSending; round++) {
      const to = (from + 1 + (round % (partitions - 1))) % partitions
      const commands = Array.from({ length: TRANSFERS }, (_, index): Command => ({
        kind: 'Transfer',
        id: newId(),
        debit: this.#banks[from]!,
        credit: this.#banks[to]!,
        amount: BigInt(1 + (index % 7)),
        currency: 'EUR',
        across: true,
        coordination: index % 2 === 0 ? 'tcc' : 'saga',
        receivedAtNs: nowNs(),
      }))
      const { id, debit, credit, amount, currency, across, receivedAtNs } = { ...commands[0]!, id: newId() }
      commands.push({ kind: 'PlaceHold', id, debit, credit, amount, currency, across, receivedAtNs, timeoutNs: HOLD_TIMEOUT_NS }) // prettier-ignore
      holds.push({ id, to, amount: amount! })
      const due = holds.length > POSTED_AFTER ? holds.shift()! : undefined
      if (due !== undefined)
        commands.push({ kind: 'PostHold', id: newId(), related: due.id, amount: due.amount, receivedAtNs })
      const { kind } = this.#queues[from]!.offer(encodeCommands(commands), commands.length, (offsets) => {
        for (const { id } of commands)
          if (this.sent.has(formatId(id)))
            this.sent.get(formatId(id))!.isStored = offsets === undefined ? false : true
      })
      if (kind === 'taken')
        for (const command of commands)
          if (command.kind !== 'PlaceHold')
            this.sent.set(formatId(command.id), { from, to: command.kind === 'PostHold' ? due!.to : to, amount: command.amount!, isStored: undefined }) // prettier-ignore
      await pause(EVERY_MS)
    }
  }

  async #follow(log: KafkaEventLog): Promise<void> {
    const { partition } = log
    for await (const frame of log.tail(1n, this.#over.signal)) {
      if (frame.count === 0) continue
      this.cores[partition]!.apply(frame.payload)
      for (const event of decodeEvents(frame.payload)) {
        this.events[partition]!.push(event)
        if (event.kind === 'CreditDrawn') this.posted++
        if (APPLIED.has(event.kind)) this.#ended(event, 'applied')
        else if (REFUSED.has(event.kind)) this.#ended(event, 'refused')
      }
    }
  }

  #ended({ transferId, partition }: WalletEvent, end: End): void {
    const id = formatId(transferId)
    // A hold's own end moves nothing: its posts do.
    if (!this.sent.has(id)) return
    this.ends.set(id, [...(this.ends.get(id) ?? []), end])
    const nowMs = performance.now()
    this.#longestMs[partition] = Math.max(this.#longestMs[partition]!, nowMs - this.#lastMs[partition]!)
    this.#lastMs[partition] = nowMs
  }

  async #until(what: string, holds: () => boolean): Promise<void> {
    const byMs = performance.now() + END_MS_MAX
    while (!holds()) {
      if (this.#failure !== undefined) throw this.#failure
      if (performance.now() > byMs)
        throw new Error(`It did not come that ${what}, within ${END_MS_MAX / 1_000} s.`)
      await pause(50)
    }
  }
}

function nowNs(): bigint {
  return BigInt(Date.now()) * 1_000_000n
}

/** An account that lives there. */
function bankOf(partition: number, partitions: number): Id {
  for (let low = 1n; ; low++) {
    const id = { high: 0x8000n, low: 0x8000_0000_0000_0000n | low }
    if (partitionOf(id, partitions) === partition) return id
  }
}
