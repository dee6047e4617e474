/**
 * Commands that a door offers together. They are encoded once, told their outcomes one by one, and answered when all
 * outcomes are known.
 */
import { encodeCommands } from '../../schemas/command-codec.ts'
import { commandBounds, type Command } from '../../schemas/commands.ts'
import { fingerprintOf } from '../../schemas/fingerprint.ts'
import type { SkipReason } from '../../schemas/frame-notes.ts'
import { ID_WORDS, putIdWords, type FrameRows } from '../../schemas/frame-rows.ts'
import { formatId } from '../../schemas/ids.ts'
import { fault, type Fault } from '../errors.ts'
import { eventAt, idRefusal, outcomeAt, outcomeOf, sequenceAt, type Outcome } from '../outcomes/outcomes.ts'
import type { PendingBatch } from '../outcomes/pending-batch.ts'
import { isSameReversal } from '../outcomes/same-reversal.ts'
import { settleRepeat, type EventlessCommand, type RepeatContext } from '../outcomes/settle-repeat.ts'
import { undecidedFault } from '../outcomes/undecided.ts'

/** A command's outcome, or why it is not known. */
export type Settled = Outcome | Fault

export class CommandBatch implements PendingBatch {
  readonly count: number
  readonly ids: Int32Array
  readonly offeredAtMs = performance.now()
  /** The encoded commands. */
  readonly slots: Uint8Array
  /** The outcomes, in the order of the commands. Never rejects. */
  readonly settled: Promise<Settled[]>
  readonly #commands: readonly Command[]
  readonly #context: RepeatContext
  readonly #outcomes: Settled[]
  #left: number
  /** Byte at which each command begins. Made when a repeated id first needs it. */
  #bounds: Uint32Array | undefined
  #resolve!: (settled: Settled[]) => void

  constructor(commands: readonly Command[], context: RepeatContext) {
    this.count = commands.length
    this.ids = new Int32Array(commands.length * ID_WORDS)
    this.slots = encodeCommands(commands)
    this.settled = new Promise((resolve) => (this.#resolve = resolve))
    this.#commands = commands
    this.#context = context
    this.#outcomes = new Array<Settled>(commands.length)
    this.#left = commands.length
    commands.forEach(({ id }, index) => putIdWords(this.ids, index * ID_WORDS, id))
  }

  onFound(index: number, rows: FrameRows, byte: number): void {
    if (this.whose(index, rows, byte) === 'own') this.onEvent(index, rows, byte)
    else this.onEarlier(index, rows, byte)
  }

  whose(index: number, rows: FrameRows, byte: number): 'own' | 'repeated' | 'other' {
    if (!this.#isSameBody(index, rows, byte)) return 'other'
    const receivedAt = this.#commands[index]!.receivedAtNs ?? 0n
    const isReceipt = rows.isReceivedAt(
      byte,
      Number(BigInt.asIntN(32, receivedAt)),
      Number(BigInt.asIntN(32, receivedAt >> 32n)),
    )
    return isReceipt ? 'own' : 'repeated'
  }

  onEnded(index: number, isRepeat: boolean, rows: FrameRows, byte: number): void {
    const { id } = this.#commands[index]!
    this.#settle(index, outcomeOf(id, eventAt(rows, byte), isRepeat, this.#context.partitions))
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

  onSkipped(index: number, reason: SkipReason): void {
    this.#settle(index, undecidedFault(this.#commands[index]!.id, { undecided: reason }))
  }

  onEventless(index: number, eventless: EventlessCommand, awaitEnd: (isRepeat: boolean) => void): void {
    const command = this.#commands[index]!
    settleRepeat(this.#context, command, eventless, Date.now).then(
      (found) => {
        if ('underWay' in found) awaitEnd(found.isRepeat)
        else this.#settle(index, 'undecided' in found ? undecidedFault(command.id, found) : found)
      },
      // If the views fail, the outcome stays unknown. The same id, sent again, will tell.
      () => this.#settle(index, unknownOutcome(command)),
    )
  }

  onUnknown(index: number, end: number): void {
    for (let rest = index; rest < end; rest++) this.#settle(rest, unknownOutcome(this.#commands[rest]!))
  }

  #isSameBody(index: number, rows: FrameRows, byte: number): boolean {
    const bounds = (this.#bounds ??= commandBounds(this.slots, this.count))
    const body = this.slots.subarray(bounds[index], bounds[index + 1])
    if (rows.fingerprint(byte) === fingerprintOf(body)) return true
    const command = this.#commands[index]!
    return command.kind === 'ReverseTransfer' && isSameReversal(command, eventAt(rows, byte))
  }

  #settle(index: number, settled: Settled): void {
    this.#outcomes[index] = settled
    if (--this.#left === 0) this.#resolve(this.#outcomes)
  }
}

function unknownOutcome(command: Command): Fault {
  return fault(
    'OUTCOME_UNKNOWN',
    'The command was taken, and its outcome is not known yet. Send it again with the same id: it takes effect once at most.',
    { id: formatId(command.id) },
  )
}
