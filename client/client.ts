/** The client of the bulk lane: docs/bulk-lane.md. */
import type { Command } from '../schemas/commands.ts'
import { ANY_PARTITION, LANE_HEADER_BYTES } from '../schemas/lane.ts'
import type { CommandResult, LaneResults } from '../schemas/lane-results.ts'
import { COMMAND_SLOT_BYTES, COMMAND_SLOTS_MAX } from '../schemas/limits.ts'
import { partitionOf } from '../schemas/partitions.ts'
import { Batches, commonPartition } from './batches.ts'
import { encodeGroup } from './encode.ts'
import { BusyError, ClosedError, RefusedError } from './errors.ts'
import { InFlightLimit } from './in-flight-limit.ts'
import { Sender, type SenderTimes } from './sender.ts'

export interface BulkOptions extends Partial<SenderTimes> {
  /** Where the platform answers: `http://127.0.0.1:4000`. */
  readonly url: string
  /** Commands under way at a time, waiting ones included; one more is refused as busy. */
  readonly commandsMax?: number
}

/** In ms. The platform itself tells within 30 s that it does not know an outcome. */
const TIMES: SenderTimes = { connectMs: 10_000, answerMs: 60_000, patienceMs: 60_000 }
const COMMANDS_MAX = 131_072

/**
 * Connects to a platform's bulk lane.
 * @throws ConnectionError `unreachable`, ProtocolError `version`, `protocol`
 */
export async function connectBulk(options: BulkOptions): Promise<BulkClient> {
  const { connectMs, answerMs, patienceMs } = { ...TIMES, ...options }
  const sender = await Sender.open(new URL(options.url), { connectMs, answerMs, patienceMs })
  return new BulkClient(sender, new InFlightLimit(options.commandsMax ?? COMMANDS_MAX))
}

export class BulkClient {
  readonly #sender: Sender
  readonly #inFlight: InFlightLimit
  readonly #batches: Batches
  #isClosed = false

  /** Made by connectBulk. */
  constructor(sender: Sender, room: InFlightLimit) {
    this.#sender = sender
    this.#inFlight = room
    this.#batches = new Batches(sender)
  }

  /** Partitions of the platform. */
  get partitions(): number {
    return this.#sender.hello.partitions
  }

  /** Commands in one request at most. */
  get commandsPerRequestMax(): number {
    return this.#sender.hello.commandsPerRequestMax
  }

  /** Commands taken from the caller and not settled yet. */
  get underWay(): number {
    return this.#inFlight.taken
  }

  /** Resolves as soon as so many commands more are taken. */
  ready(count = 1): Promise<void> {
    return this.#inFlight.ready(count)
  }

  /**
   * Sends commands that are encoded already (schemas/commands.ts) as one request. Nothing is made for a single command: the
   * slots go out as they stand, and the results are read where they arrived.
   * @param slots whole slots of exactly `count` commands; they may not change until the promise is settled
   * @param partition to which all of them belong; left out, the platform finds out for each
   * @throws BulkError, as a rejection: `busy`, `malformed`, `wrong_partition`, `stopped`, `connection_lost`, `closed` …
   */
  submitSlots(slots: Uint8Array, count: number, partition?: number): Promise<LaneResults> {
    const refusal = this.#refusalOf(slots, count)
    if (refusal !== undefined) return Promise.reject(refusal)
    this.#inFlight.take(count)
    return this.#sender
      .send(slots, count, partition ?? (this.partitions === 1 ? 0 : ANY_PARTITION))
      .finally(() => this.#inFlight.give(count))
  }

  /**
   * Sends one command, together with others that are submitted in the same turn or while requests are under way.
   * @throws BulkError, as a rejection; `malformed` concerns this command alone
   */
  async submit(command: Command): Promise<CommandResult> {
    const [result] = await this.#submitGroup([command])
    return result!
  }

  /**
   * Sends up to 64 commands of which all take effect or none, in one request. Their flags are set here.
   * @throws BulkError, as a rejection; `malformed` concerns this group alone
   */
  async submitLinked(commands: readonly Command[]): Promise<CommandResult[]> {
    return this.#submitGroup(commands)
  }

  #submitGroup(group: readonly Command[]): Promise<CommandResult[]> {
    const slots = encodeGroup(group)
    const count = group.length
    const refusal = this.#refusalOf(slots, count)
    if (refusal !== undefined) throw refusal
    this.#inFlight.take(count)
    const settled = new Promise<CommandResult[]>((resolve, reject) => {
      this.#batches.add(this.#partitionOf(group), { slots, count, resolve, reject })
    })
    return settled.finally(() => this.#inFlight.give(count))
  }

  /** Where a group goes: commands that name no account (a hold's end, a reversal) are looked up by the platform. */
  #partitionOf(group: readonly Command[]): number {
    const { partitions } = this
    if (partitions === 1) return 0
    return commonPartition(
      group.map(({ debit }) => (debit === undefined ? ANY_PARTITION : partitionOf(debit, partitions))),
    )
  }

  /** Takes nothing more, waits until all that is under way is settled, and ends the connection. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#inFlight.empty()
    this.#sender.end()
  }

  #refusalOf(slots: Uint8Array, count: number): Error | undefined {
    const slotCount = slots.length / COMMAND_SLOT_BYTES
    const { commandsPerRequestMax, bytesPerRequestMax } = this.#sender.hello
    if (!Number.isInteger(count) || count < 1 || count > commandsPerRequestMax)
      return new RefusedError(
        'malformed',
        `A request has 1 to ${commandsPerRequestMax} commands, not ${count}.`,
      )
    if (!Number.isInteger(slotCount) || slotCount < count || slotCount > count * COMMAND_SLOTS_MAX)
      return new RefusedError('malformed', `${slots.length} bytes are not the slots of ${count} commands.`)
    if (slots.length + LANE_HEADER_BYTES > bytesPerRequestMax)
      return new RefusedError(
        'malformed',
        `A request has at most ${bytesPerRequestMax} bytes, its header included.`,
      )
    if (this.#isClosed) return new ClosedError('This client was closed: connect again.')
    if (this.#inFlight.has(count)) return undefined
    return new BusyError(
      `${this.#inFlight.taken} commands are under way, as many as may be. Wait for ready().`,
    )
  }
}
