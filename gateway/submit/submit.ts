/** The only code that reaches a writer: offers commands to their partition, and learns their outcomes from the feed. */
import type { EventRow } from '../../projectors/views/audit/events.ts'
import { encodeCommands, commandSlots, type Command } from '../../schemas/commands.ts'
import { decodeEvent } from '../../schemas/events.ts'
import { fingerprintOf } from '../../schemas/fingerprint.ts'
import type { SkipReason } from '../../schemas/frame-notes.ts'
import { lastSequence, type Frame } from '../../schemas/frames.ts'
import { formatId, type Id } from '../../schemas/ids.ts'
import { BATCH_COMMANDS_MAX, COMMAND_SLOT_BYTES } from '../../schemas/limits.ts'
import { refusalOf } from '../../schemas/refusals.ts'
import type { Writer } from '../../writer/writer.ts'
import type { GatewayLimits } from '../bounds.ts'
import { CommandHomes } from './command-homes.ts'
import { fault, type Fault } from '../errors.ts'
import { eventRowOf, idRefusal, type Outcome } from '../outcomes/outcomes.ts'
import { PendingCommands, type PendingBatch } from '../outcomes/pending.ts'
import type { FoundRow } from '../outcomes/recent-events.ts'
import type { FrameRows } from '../../schemas/frame-rows.ts'
import { ID_WORDS, putIdWords } from '../../schemas/frame-rows.ts'
import { isSameReversal } from '../outcomes/same-reversal.ts'
import { settleRepeat, type Silence } from '../outcomes/settle-repeat.ts'
import type { PartitionSequence } from '../positions/tokens.ts'
import { undecidedFault } from '../outcomes/undecided.ts'
import type { Views } from '../read/views.ts'

/** A command's outcome, or why it is not known. */
export type Settled = Outcome | Fault

const GIVE_UP_EVERY_MS = 500
/** When to come back to a queue that is full. */
export const RETRY_AFTER_MS = 100

export class Submitter {
  readonly #writers: readonly Writer[]
  readonly #views: Views
  readonly #limits: GatewayLimits
  readonly #pending: readonly PendingCommands[]
  readonly #sweeper: NodeJS.Timeout
  /** What the feed has brought. */
  readonly #reached = new Map<number, bigint>()
  /** When the feed brought something of a partition, by `performance.now()`. */
  readonly #reachedAtMs = new Map<number, number>()
  /** Which partition decides what. */
  readonly homes: CommandHomes
  #stopped: string | undefined
  /** Partitions that take nothing any more, and why. */
  readonly #stoppedOnes = new Map<number, string>()

  constructor(writers: readonly Writer[], views: Views, limits: GatewayLimits) {
    this.#writers = writers
    this.#views = views
    this.#limits = limits
    this.#pending = writers.map(() => new PendingCommands())
    this.homes = new CommandHomes({
      partitions: writers.length,
      views,
      elsewhereWaitMs: limits.elsewhereWaitMs,
      find: (ids) => this.#findRecent(ids),
      reached: () => new Map(this.#reached),
    })
    this.#sweeper = setInterval(() => {
      const beforeMs = performance.now() - limits.outcomeWaitMs
      for (const pending of this.#pending) pending.giveUp(beforeMs)
    }, GIVE_UP_EVERY_MS).unref()
  }

  /** Commands whose outcome is waited for. */
  get pending(): number {
    return this.#pending.reduce((sum, { count }) => sum + count, 0)
  }

  /** Offers whose outcomes are waited for, of all partitions. */
  get waiting(): number {
    return this.#pending.reduce((sum, { offers }) => sum + offers, 0)
  }

  /** How long commands of a partition have waited without any of them being decided, in ms; 0 if none wait. */
  undecidedMs(partition: number): number {
    const offeredAtMs = this.#pending[partition]!.oldestOfferedAtMs
    if (offeredAtMs === undefined) return 0
    return performance.now() - Math.max(offeredAtMs, this.#reachedAtMs.get(partition) ?? 0)
  }

  /** Gets each frame of the feed. */
  settle(frame: Frame): void {
    this.#reached.set(frame.partition, lastSequence(frame))
    this.#reachedAtMs.set(frame.partition, performance.now())
    this.#pending[frame.partition]?.settle(frame)
  }

  #findRecent(ids: Int32Array): FoundRow | undefined {
    for (const pending of this.#pending) {
      const found = pending.find(ids)
      if (found !== undefined) return found
    }
    return undefined
  }

  /** The outcome of one command. @throws Fault */
  async one(command: Command, path: string): Promise<Outcome> {
    const [settled] = await this.all([command], await this.homes.of(command, path))
    if (settled instanceof Error) throw settled
    return settled!
  }

  /**
   * The outcomes of commands that are offered together and decided one right behind the other, in their order.
   * @throws Fault BUSY, WRITER_STOPPED: nothing was taken
   */
  all(commands: readonly Command[], partition: number): Promise<Settled[]> {
    if (commands.length > BATCH_COMMANDS_MAX) throw new RangeError(`${commands.length} commands in one offer`)
    const slots = encodeCommands(commands)
    let settle: (settled: Settled[]) => void = () => undefined
    const settled = new Promise<Settled[]>((resolve) => (settle = resolve))
    const batch = new Batch(commands, slots, this.#views, this.#limits, settle)
    switch (this.offer(slots, partition, batch)) {
      case 'taken':
        return settled
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
   * Offers a batch's commands and has the batch told of their outcomes. Unless they are taken, nothing has happened.
   * @param slots whole commands, checked, the last one not linked; copied
   */
  offer(slots: Uint8Array, partition: number, batch: PendingBatch): 'taken' | 'busy' | 'stopped' {
    const pending = this.#pending[partition]!
    if (this.#stopped !== undefined || this.#stoppedOnes.has(partition)) return 'stopped'
    if (pending.count + batch.count > this.#limits.pendingCommandsMax) return 'busy'
    if (pending.offers >= this.#limits.operationsMax) return 'busy'
    const offer = pending.add(batch)
    const { kind } = this.#writers[partition]!.queue.offer(slots, batch.count, (place) =>
      pending.stored(offer, place),
    )
    if (kind !== 'taken') pending.withdraw(offer)
    return kind
  }

  /** Why no commands of a partition are taken, where that is so: a sentence. */
  stopReason(partition: number): string {
    const known = this.#stopped ?? this.#stoppedOnes.get(partition)
    if (known !== undefined) return known
    const { failure } = this.#writers[partition]!.status()
    return failure === undefined ? 'The writer has stopped.' : `${failure}.`
  }

  /** Partitions of this deployment. */
  get partitions(): number {
    return this.#writers.length
  }

  /** Takes no more of one partition; those who wait for an outcome there are told that it will not be known here. */
  stopPartition(partition: number, reason: string): void {
    this.#stoppedOnes.set(partition, reason)
    this.#pending[partition]!.giveUp(Infinity)
  }

  /** Takes no more, and tells those who wait that their outcome will not be known here. */
  stop(reason: string): void {
    this.#stopped = reason
    clearInterval(this.#sweeper)
    for (const pending of this.#pending) pending.giveUp(Infinity)
  }
}

const BUSY_MESSAGE = 'More commands wait than fit. Nothing was taken: send it again, with the same id.'

function unknownOutcome(command: Command): Fault {
  return fault(
    'OUTCOME_UNKNOWN',
    'The command was taken, and its outcome is not known yet. Send it again with the same id: it takes effect once at most.',
    { id: formatId(command.id) },
  )
}

/** One offer under way. */
class Batch implements PendingBatch {
  readonly count: number
  readonly ids: Int32Array
  readonly offeredAtMs = performance.now()
  readonly #commands: readonly Command[]
  readonly #slots: Uint8Array
  /** Slot at which each command begins; a text takes slots of its own. */
  readonly #slotOf: Uint32Array
  readonly #views: Views
  readonly #limits: GatewayLimits
  readonly #resolve: (settled: Settled[]) => void
  readonly #settled: Settled[]
  #left: number

  constructor(
    commands: readonly Command[],
    slots: Uint8Array,
    views: Views,
    limits: GatewayLimits,
    resolve: (settled: Settled[]) => void,
  ) {
    this.count = commands.length
    this.ids = new Int32Array(commands.length * ID_WORDS)
    this.#commands = commands
    this.#slots = slots
    this.#slotOf = new Uint32Array(commands.length + 1)
    this.#views = views
    this.#limits = limits
    this.#resolve = resolve
    this.#settled = new Array<Settled>(commands.length)
    this.#left = commands.length
    const view = new DataView(slots.buffer, slots.byteOffset, slots.byteLength)
    commands.forEach((command, index) => {
      putIdWords(this.ids, index * ID_WORDS, command.id)
      const slot = this.#slotOf[index]!
      const text = slot * COMMAND_SLOT_BYTES + 136
      this.#slotOf[index + 1] =
        slot + commandSlots(view.getUint16(text, true), view.getUint16(text + 2, true))
    })
  }

  onFound(index: number, rows: FrameRows, byte: number): void {
    const receivedAt = this.#commands[index]!.receivedAtNs ?? 0n
    const isReceipt = rows.isReceivedAt(
      byte,
      Number(BigInt.asIntN(32, receivedAt)),
      Number(BigInt.asIntN(32, receivedAt >> 32n)),
    )
    if (isReceipt && this.#isSameBody(index, rows, byte)) this.onEvent(index, rows, byte)
    else this.onEarlier(index, rows, byte)
  }

  onEvent(index: number, rows: FrameRows, byte: number): void {
    this.#settle(index, outcomeAt(this.#commands[index]!.id, rows, byte, false))
  }

  onEarlier(index: number, rows: FrameRows, byte: number): void {
    const { id } = this.#commands[index]!
    this.#settle(
      index,
      this.#isSameBody(index, rows, byte)
        ? outcomeAt(id, rows, byte, true)
        : idRefusal(id, 'id_reused', sequenceAt(rows, byte)),
    )
  }

  onPassedOver(index: number, reason: SkipReason): void {
    this.#settle(index, undecidedFault(this.#commands[index]!.id, { undecided: reason }))
  }

  onSilent(index: number, silence: Silence): void {
    const { outcomeWaitMs } = this.#limits
    const command = this.#commands[index]!
    settleRepeat(this.#views, command, silence, outcomeWaitMs, Date.now).then(
      (found) => this.#settle(index, 'undecided' in found ? undecidedFault(command.id, found) : found),
      // A fault of the views leaves the outcome unknown: the same id, sent again, will tell.
      () => this.#settle(index, unknownOutcome(this.#commands[index]!)),
    )
  }

  onUnknown(index: number): void {
    for (let rest = index; rest < this.count; rest++)
      this.#settle(rest, unknownOutcome(this.#commands[rest]!))
  }

  #isSameBody(index: number, rows: FrameRows, byte: number): boolean {
    const from = this.#slotOf[index]! * COMMAND_SLOT_BYTES
    const end = this.#slotOf[index + 1]! * COMMAND_SLOT_BYTES
    if (rows.fingerprint(byte) === fingerprintOf(this.#slots.subarray(from, end))) return true
    const command = this.#commands[index]!
    return command.kind === 'ReverseTransfer' && isSameReversal(command, eventAt(rows, byte))
  }

  #settle(index: number, settled: Settled): void {
    this.#settled[index] = settled
    if (--this.#left === 0) this.#resolve(this.#settled)
  }
}

function sequenceAt(rows: FrameRows, byte: number): PartitionSequence {
  return { partition: rows.frame.partition, sequence: rows.sequence(byte) }
}

/** The outcome that the row at `byte` states. */
function outcomeAt(id: Id, rows: FrameRows, byte: number, replayed: boolean): Outcome {
  const refusal = rows.refusal(byte)
  return {
    id,
    at: sequenceAt(rows, byte),
    refusal: refusal === 0 ? undefined : refusalOf(refusal),
    replayed,
    event: () => eventAt(rows, byte),
  }
}

function eventAt(rows: FrameRows, byte: number): EventRow {
  return eventRowOf(decodeEvent(rows.frame.payload, byte))
}
