/**
 * One request of the lane, from its header to its answer: a batch that collects a result of 16 bytes for each command.
 */
import { decodeCommands } from '../../schemas/command-codec.ts'
import { COMMAND_KINDS, commandBounds, SLOT, type Command } from '../../schemas/commands.ts'
import { fingerprintOf } from '../../schemas/fingerprint.ts'
import type { SkipReason } from '../../schemas/frame-notes.ts'
import {
  LANE_ACROSS,
  LANE_FAULTS,
  LANE_ID_REFUSALS,
  LANE_REPLAYED,
  LANE_RESULT_BYTES,
  LANE_RESULT_WORDS,
  LANE_STATUS,
  laneRefusalNumber,
  type LaneFault,
} from '../../schemas/lane-results.ts'
import { LANE_HEADER_BYTES, writeLaneHeader, type LaneHeader } from '../../schemas/lane.ts'
import { COMMAND_SLOT_BYTES } from '../../schemas/limits.ts'
import { eventAt, otherOf, type Outcome } from '../outcomes/outcomes.ts'
import type { PendingBatch } from '../outcomes/pending-batch.ts'
import type { FrameRows } from '../../schemas/frame-rows.ts'
import { isSameReversal } from '../outcomes/same-reversal.ts'
import { settleRepeat, type EventlessCommand, type RepeatContext } from '../outcomes/settle-repeat.ts'
import { undecidedLaneFault } from '../outcomes/undecided.ts'
import type { RequestMemory } from './memory.ts'

const { accepted, refused, fault } = LANE_STATUS
const REPLAYED = LANE_REPLAYED << 8
const ACROSS = LANE_ACROSS << 8
const REUSED = refused | (LANE_ID_REFUSALS.id_reused << 16)

export class LaneRequest implements PendingBatch {
  readonly count: number
  readonly ids: Int32Array
  readonly offeredAtMs = performance.now()
  readonly memory: RequestMemory
  readonly #header: LaneHeader
  readonly #context: RepeatContext
  readonly #onDone: (request: LaneRequest) => void
  #left: number
  /** The other sides of crossings, as the answer says them behind the results: four words each. */
  readonly #others: number[] = []
  /** Byte at which each command begins. Made when first needed, and only if some command has a text. */
  #bounds: Uint32Array | undefined

  /** @param onDone called once, when every command has its result */
  constructor(
    header: LaneHeader,
    memory: RequestMemory,
    context: RepeatContext,
    onDone: (request: LaneRequest) => void,
  ) {
    this.count = header.count
    this.ids = memory.ids
    this.memory = memory
    this.#header = header
    this.#context = context
    this.#onDone = onDone
    this.#left = header.count
  }

  get id(): number {
    return this.#header.requestId
  }

  get partition(): number {
    return this.#header.partition
  }

  /** The encoded commands. */
  get slots(): Uint8Array<ArrayBuffer> {
    return this.memory.bytes.subarray(0, this.#header.length - LANE_HEADER_BYTES)
  }

  onFound(index: number, rows: FrameRows, byte: number): void {
    if (this.whose(index, rows, byte) === 'own') this.onEvent(index, rows, byte)
    else this.onEarlier(index, rows, byte)
  }

  whose(index: number, rows: FrameRows, byte: number): 'own' | 'repeated' | 'other' {
    if (!this.#isSameBody(index, rows, byte)) return 'other'
    return this.#isReceipt(index, rows, byte) ? 'own' : 'repeated'
  }

  onEnded(index: number, isRepeat: boolean, rows: FrameRows, byte: number): void {
    const refusal = rows.toldRefusal(byte)
    const first = (refusal === 0 ? accepted : refused | (refusal << 16)) | (isRepeat ? REPLAYED : 0)
    const other = otherOf(rows, byte, this.#context.partitions)
    if (other !== undefined) this.#others.push(index, other.partition, ...halves(other.sequence))
    this.#putPlace(index, other === undefined ? first : first | ACROSS, rows, byte)
  }

  onEvent(index: number, rows: FrameRows, byte: number): void {
    const refusal = rows.refusal(byte)
    this.#putPlace(index, refusal === 0 ? accepted : refused | (refusal << 16), rows, byte)
  }

  onEarlier(index: number, rows: FrameRows, byte: number): void {
    const refusal = rows.refusal(byte)
    const first = refusal === 0 ? accepted | REPLAYED : refused | REPLAYED | (refusal << 16)
    this.#putPlace(index, this.#isSameBody(index, rows, byte) ? first : REUSED, rows, byte)
  }

  onSkipped(index: number, reason: SkipReason): void {
    this.fail(index, undecidedLaneFault({ undecided: reason }))
  }

  onEventless(index: number, eventless: EventlessCommand, awaitEnd: (isRepeat: boolean) => void): void {
    const [command] = decodeCommands(this.#slotsOf(index))
    settleRepeat(this.#context, command!, eventless, Date.now).then(
      (found) => {
        if ('underWay' in found) awaitEnd(found.isRepeat)
        else if ('undecided' in found) this.fail(index, undecidedLaneFault(found))
        else this.settle(index, found)
      },
      // If the views fail, the outcome stays unknown. The same id, sent again, will tell.
      () => this.fail(index, 'outcome_unknown'),
    )
  }

  onUnknown(index: number, end: number): void {
    for (let rest = index; rest < end; rest++) this.fail(rest, 'outcome_unknown')
  }

  /** The commands, decoded as other doors have them. */
  commands(): Command[] {
    return decodeCommands(this.slots)
  }

  settle(index: number, { refusal, replayed, at, other }: Outcome): void {
    const status = refusal === undefined ? accepted : refused
    const code = refusal === undefined ? 0 : laneRefusalNumber(refusal)
    const flags = (replayed ? REPLAYED : 0) | (other === undefined ? 0 : ACROSS)
    if (other !== undefined) this.#others.push(index, other.partition, ...halves(other.sequence))
    this.#put(index, status | flags | (code << 16), at.partition, at.sequence)
  }

  fail(index: number, why: LaneFault): void {
    this.#put(index, fault | (LANE_FAULTS[why] << 16), 0, 0n)
  }

  #isSameBody(index: number, rows: FrameRows, byte: number): boolean {
    const slots = this.#slotsOf(index)
    if (rows.fingerprint(byte) === fingerprintOf(slots)) return true
    if (slots[0] !== COMMAND_KINDS.ReverseTransfer) return false
    return isSameReversal(decodeCommands(slots)[0]!, eventAt(rows, byte))
  }

  /** True if the event's command has the same time of receipt as this one. */
  #isReceipt(index: number, rows: FrameRows, byte: number): boolean {
    const { words } = this.memory
    const word = this.#firstByteOf(index) / 4 + SLOT.receivedAt * 2
    return rows.isReceivedAt(byte, words[word]!, words[word + 1]!)
  }

  /**
   * Writes the result that an event states. It allocates neither an object nor a bigint, because nearly every result
   * passes here.
   */
  #putPlace(index: number, first: number, rows: FrameRows, byte: number): void {
    const { results } = this.memory
    const at = index * LANE_RESULT_WORDS
    const word = byte >>> 2
    results[at] = first
    results[at + 1] = rows.frame.partition
    results[at + 2] = rows.words[word]!
    results[at + 3] = rows.words[word + 1]!
    if (--this.#left === 0) this.#onDone(this)
  }

  #put(index: number, first: number, partition: number, sequence: bigint): void {
    const { results } = this.memory
    const at = index * LANE_RESULT_WORDS
    results[at] = first
    results[at + 1] = partition
    ;[results[at + 2], results[at + 3]] = halves(sequence)
    if (--this.#left === 0) this.#onDone(this)
  }

  get answerBytes(): number {
    return LANE_HEADER_BYTES + this.count * LANE_RESULT_BYTES + this.#others.length * 4
  }

  /** Writes the answer at `out[at]`. */
  writeAnswer(out: Uint8Array, at: number): void {
    const { requestId, count, partition } = this.#header
    writeLaneHeader(out, at, { kind: 'results', length: this.answerBytes, requestId, count, partition })
    const { results } = this.memory
    const resultBytes = count * LANE_RESULT_BYTES
    out.set(new Uint8Array(results.buffer, 0, resultBytes), at + LANE_HEADER_BYTES)
    if (this.#others.length === 0) return
    const others = Int32Array.from(this.#others)
    out.set(new Uint8Array(others.buffer), at + LANE_HEADER_BYTES + resultBytes)
  }

  #slotsOf(index: number): Uint8Array {
    return this.memory.bytes.subarray(this.#firstByteOf(index), this.#firstByteOf(index + 1))
  }

  /** Byte at which a command begins; for the index behind the last one, where that one ends. */
  #firstByteOf(index: number): number {
    // Without texts each command takes one slot.
    if (this.slots.length === this.count * COMMAND_SLOT_BYTES) return index * COMMAND_SLOT_BYTES
    this.#bounds ??= commandBounds(this.slots, this.count)
    return this.#bounds[index]!
  }
}

/** Low and high half of a sequence, as results have it. */
function halves(sequence: bigint): [number, number] {
  return [Number(BigInt.asIntN(32, sequence)), Number(BigInt.asIntN(32, sequence >> 32n))]
}
