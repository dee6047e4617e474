/** The only code that reaches a writer: offers commands to their partition, and learns their outcomes from the feed. */
import { encodeCommands, commandSlots, type Command } from '../schemas/commands.ts'
import { decodeEvent } from '../schemas/events.ts'
import { fingerprintOf } from '../schemas/fingerprint.ts'
import { lastSequence, type Frame } from '../schemas/frames.ts'
import { formatId, isNilId, NIL_ID, uuidV7TimeMs, type Id } from '../schemas/ids.ts'
import { BATCH_COMMANDS_MAX, COMMAND_SLOT_BYTES } from '../schemas/limits.ts'
import { partitionOf } from '../schemas/partitions.ts'
import { refusalOf } from '../schemas/refusals.ts'
import type { Writer } from '../writer/writer.ts'
import type { GatewayLimits } from './bounds.ts'
import { fault, type Fault } from './errors.ts'
import { eventRowOf, idRefusal, type Outcome } from './outcomes.ts'
import { PendingCommands, type PendingBatch } from './pending.ts'
import type { FrameRows } from './rows.ts'
import { ID_WORDS, idWords, putIdWords } from './rows.ts'
import { settleRepeat } from './settle-repeat.ts'
import type { Place } from './tokens.ts'
import type { Views } from './views.ts'

/** A command's outcome, or why it is not known. */
export type Settled = Outcome | Fault

const GIVE_UP_EVERY_MS = 500
const ELSEWHERE_CHECK_MS = 10
/** An id that was made longer ago is in the views, or nowhere. */
const OF_NOW_MS = 10_000
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
  #stopped: string | undefined
  /** Partitions that take nothing any more, and why. */
  readonly #stoppedOnes = new Map<number, string>()

  constructor(writers: readonly Writer[], views: Views, limits: GatewayLimits) {
    this.#writers = writers
    this.#views = views
    this.#limits = limits
    this.#pending = writers.map(() => new PendingCommands())
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

  /**
   * The partition that decides a command.
   * @throws Fault CROSS_PARTITION where its accounts live in different ones
   */
  async partitionOf(command: Command, path: string): Promise<number> {
    const partitions = this.#writers.length
    if (partitions === 1) return 0
    if (command.debit !== undefined && !isNilId(command.debit)) {
      const partition = partitionOf(command.debit, partitions)
      const credit = command.credit ?? NIL_ID
      if (!isNilId(credit) && partitionOf(credit, partitions) !== partition)
        throw this.crossPartition(`${path}.creditAccountId`)
      return partition
    }
    // A hold is posted and voided where it was placed. One that nobody knows is refused wherever it goes: so the views have
    // to include all that anybody may have been told of it.
    const related = command.related ?? NIL_ID
    const recent = await this.recentPartitionOf(related)
    if (recent !== undefined) return recent
    const { points } = this.#views
    const known = await this.#views.events(points.current(), formatId(related))
    if (known[0] !== undefined) return known[0].partition
    const now = await this.#views.events(await points.at(new Map(this.#reached)), formatId(related))
    return now[0]?.partition ?? partitionOf(related, partitions)
  }

  /**
   * The partition among whose last events this id is. Where there are other gateways, an id that was made a moment ago is
   * waited for: one of them may have told of it before this one heard of it.
   */
  async recentPartitionOf(id: Id): Promise<number | undefined> {
    const words = idWords(id)
    const find = (): number | undefined => {
      const found = this.#pending.findIndex((pending) => pending.find(words) !== undefined)
      return found < 0 ? undefined : found
    }
    const untilMs = performance.now() + this.#limits.elsewhereWaitMs
    for (;;) {
      const found = find()
      if (found !== undefined || performance.now() >= untilMs || !isOfNow(id)) return found
      await new Promise((resolve) => setTimeout(resolve, ELSEWHERE_CHECK_MS))
    }
  }

  /** The answer to a command whose accounts do not live together. */
  crossPartition(field: string): Fault {
    return fault('CROSS_PARTITION', 'The accounts live in different partitions. Nothing happened.', { field })
  }

  /** The outcome of one command. @throws Fault */
  async one(command: Command, path: string): Promise<Outcome> {
    const [settled] = await this.all([command], await this.partitionOf(command, path))
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
      pending.place(offer, place),
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

/** True if an id was made a moment ago, by its own time. */
function isOfNow(id: Id): boolean {
  return Math.abs(Date.now() - uuidV7TimeMs(id)) < OF_NOW_MS
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
        : idRefusal(id, 'id_reused', placeAt(rows, byte)),
    )
  }

  onSilent(index: number, frame: Frame, mayBeOwn: boolean): void {
    const { outcomeWaitMs } = this.#limits
    settleRepeat(this.#views, this.#commands[index]!, frame, outcomeWaitMs, Date.now, mayBeOwn).then(
      (outcome) => this.#settle(index, outcome),
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
    return rows.fingerprint(byte) === fingerprintOf(this.#slots.subarray(from, end))
  }

  #settle(index: number, settled: Settled): void {
    this.#settled[index] = settled
    if (--this.#left === 0) this.#resolve(this.#settled)
  }
}

function placeAt(rows: FrameRows, byte: number): Place {
  return { partition: rows.frame.partition, sequence: rows.sequence(byte) }
}

/** The outcome that the row at `byte` states. */
function outcomeAt(id: Id, rows: FrameRows, byte: number, replayed: boolean): Outcome {
  const refusal = rows.refusal(byte)
  return {
    id,
    place: placeAt(rows, byte),
    refusal: refusal === 0 ? undefined : refusalOf(refusal),
    replayed,
    event: () => eventRowOf(decodeEvent(rows.frame.payload, byte)),
  }
}
