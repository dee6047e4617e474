/**
 * Claims of ids at their homes, before commands leave for other partitions (docs/decisions/0032). An id lives in the
 * partition that its hash says. Commands that are decided there need no claim, nor does a deployment of one partition.
 */
import { encodeCommands } from '../../schemas/command-codec.ts'
import { SLOT } from '../../schemas/commands.ts'
import { EVENT_KINDS } from '../../schemas/events.ts'
import type { SkipReason } from '../../schemas/frame-notes.ts'
import { ID_WORDS, idAt, type FrameRows } from '../../schemas/frame-rows.ts'
import { formatId, NIL_ID, type Id } from '../../schemas/ids.ts'
import { COMMAND_SLOT_BYTES } from '../../schemas/limits.ts'
import { partitionOfWords } from '../../schemas/partitions.ts'
import { fault, type Fault } from '../errors.ts'
import { idRefusal, sequenceAt, type Outcome } from '../outcomes/outcomes.ts'
import type { PendingBatch } from '../outcomes/pending-batch.ts'
import { settleClaim } from '../outcomes/settle-claim.ts'
import type { EventlessCommand, RepeatContext } from '../outcomes/settle-repeat.ts'
import { undecidedFault } from '../outcomes/undecided.ts'

/** Why an id may not be used by the command that it was claimed for; undefined: it may. */
export type Denied = Outcome | Fault | undefined

/** Home partition → indexes of the ids that live there. */
export type Homes = ReadonlyMap<number, readonly number[]>

const NO_HOMES: Homes = new Map()

/**
 * The homes of those ids that live elsewhere than where their commands are decided.
 * @param ids as frame-rows.ts writes them
 * @param partition that decides all of the commands
 */
export function homesAway(ids: Int32Array, count: number, partition: number, partitions: number): Homes {
  if (partitions === 1) return NO_HOMES
  let homes: Map<number, number[]> | undefined
  for (let index = 0; index < count; index++) {
    const home = partitionOfWords(ids, index * ID_WORDS, partitions)
    if (home === partition) continue
    homes ??= new Map()
    const known = homes.get(home)
    if (known === undefined) homes.set(home, [index])
    else known.push(index)
  }
  return homes ?? NO_HOMES
}

/** Claims of one home, offered together. */
export class ClaimBatch implements PendingBatch {
  readonly count: number
  readonly ids: Int32Array
  readonly offeredAtMs = performance.now()
  readonly slots: Uint8Array
  /** In the order of the ids. Never rejects. */
  readonly settled: Promise<readonly Denied[]>
  readonly #home: number
  readonly #partition: number
  readonly #context: RepeatContext
  readonly #denied: Denied[]
  #left: number
  #resolve!: (denied: readonly Denied[]) => void

  /**
   * @param ids of commands, as frame-rows.ts writes them
   * @param indexes of those that live at `home`
   * @param partition that is to decide the commands
   */
  constructor(ids: Int32Array, indexes: readonly number[], home: number, partition: number, receivedAtNs: bigint, context: RepeatContext) {
    this.count = indexes.length
    this.ids = idsAt(ids, indexes)
    this.slots = claimSlots(this.ids, partition, receivedAtNs)
    this.settled = new Promise((resolve) => (this.#resolve = resolve))
    this.#home = home
    this.#partition = partition
    this.#context = context
    this.#denied = new Array<Denied>(indexes.length)
    this.#left = indexes.length
  } // prettier-ignore

  onEvent(index: number, rows: FrameRows, byte: number): void {
    this.#judge(index, rows, byte)
  }

  onEarlier(index: number, rows: FrameRows, byte: number): void {
    this.#judge(index, rows, byte)
  }

  onFound(index: number, rows: FrameRows, byte: number): void {
    this.#judge(index, rows, byte)
  }

  /** Asked only of rows that begin a crossing, which a claim never does. */
  whose(): 'other' {
    return 'other'
  }

  onEnded(): void {
    throw new Error('a claim begins no crossing')
  }

  onSkipped(index: number, reason: SkipReason): void {
    this.#settle(index, undecidedFault(this.#idOf(index), { undecided: reason }))
  }

  onEventless(index: number, eventless: EventlessCommand): void {
    const id = this.#idOf(index)
    settleClaim(this.#context, { id, partition: this.#partition }, eventless, Date.now).then(
      (found) =>
        this.#settle(index, found !== undefined && 'undecided' in found ? undecidedFault(id, found) : found),
      // If the views fail, it stays unknown. The same id, sent again, will tell.
      () => this.onUnknown(index, index + 1),
    )
  }

  onUnknown(index: number, end: number): void {
    for (let rest = index; rest < end; rest++) this.#settle(rest, unanswered(this.#idOf(rest), this.#home))
  }

  /** The id is this claim's, whoever made it, if the row claims it for the same partition. */
  #judge(index: number, rows: FrameRows, byte: number): void {
    const isGranted = rows.kind(byte) === EVENT_KINDS.IdClaimed && rows.code(byte) === this.#partition
    this.#settle(index, isGranted ? undefined : idRefusal(this.#idOf(index), 'id_reused', sequenceAt(rows, byte)))
  } // prettier-ignore

  #idOf(index: number): Id {
    return idAt(this.ids, index * ID_WORDS)
  }

  #settle(index: number, denied: Denied): void {
    this.#denied[index] = denied
    if (--this.#left === 0) this.#resolve(this.#denied)
  }
}

/** Those ids alone, in the order of the indexes. */
export function idsAt(ids: Int32Array, indexes: readonly number[]): Int32Array {
  const own = new Int32Array(indexes.length * ID_WORDS)
  indexes.forEach((index, at) =>
    own.set(ids.subarray(index * ID_WORDS, (index + 1) * ID_WORDS), at * ID_WORDS),
  )
  return own
}

/**
 * Claims of ids, encoded. All are alike but for their ids: one is encoded, and copied.
 * @param ids as frame-rows.ts writes them
 * @param partition that is to decide with them
 */
export function claimSlots(ids: Int32Array, partition: number, receivedAtNs: bigint): Uint8Array {
  const claim = encodeCommands([{ kind: 'ClaimId', id: NIL_ID, code: partition, receivedAtNs }])
  const count = ids.length / ID_WORDS
  const words = new Int32Array((count * COMMAND_SLOT_BYTES) / 4)
  const slots = new Uint8Array(words.buffer)
  for (let index = 0; index < count; index++) {
    slots.set(claim, index * COMMAND_SLOT_BYTES)
    words.set(
      ids.subarray(index * ID_WORDS, (index + 1) * ID_WORDS),
      (index * COMMAND_SLOT_BYTES) / 4 + SLOT.idHigh * 2,
    )
  }
  return slots
}

function unanswered(id: Id, home: number): Fault {
  return fault(
    'OUTCOME_UNKNOWN',
    `Partition ${home}, which keeps this id, has not answered. The command was not sent on. Send it again with the same id: it takes effect once at most.`,
    { id: formatId(id) },
  )
}
