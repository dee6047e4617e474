/**
 * Commands looked at ahead, 64 at a time: where each one's slot is, and the hashes of its ids. While they are computed,
 * the memory that deciding will need is read once, so that the cache misses of many commands overlap instead of each
 * holding up the next. Reading ahead has no effect on any decision.
 */
import { SLOT, SLOT_WORDS, isStepKind, isStepToDestination } from '../../../schemas/commands.ts'
import type { CallBuffers } from './call-buffers.ts'
import { hashId } from '../state/hash-id.ts'
import { isOfCrossingAt, slotsTakenAt } from './row-writer.ts'
import type { CoreState } from '../state/state.ts'

export const BLOCK_COMMANDS = 64

/**
 * In place of the hash of an id that is not looked up: an account that lives in another partition, and what the channel of a
 * crossing knows. All of them read the same memory, so that they cost no cache miss.
 */
const UNUSED = 0

export class Block {
  /** First slot of each command; the one behind the last tells where the block ends. */
  readonly slots = new Int32Array(BLOCK_COMMANDS + 1)
  readonly idHashes = new Int32Array(BLOCK_COMMANDS)
  readonly debitHashes = new Int32Array(BLOCK_COMMANDS)
  readonly creditHashes = new Int32Array(BLOCK_COMMANDS)
  /** Numbers of the accounts as far as their tags tell: to be confirmed. 0 where there was none when the block began. */
  readonly debits = new Int32Array(BLOCK_COMMANDS)
  readonly credits = new Int32Array(BLOCK_COMMANDS)
  /** 1 where the id is known not to stand in the older generation of remembered ids, nor will by the block's end. */
  readonly notOld = new Uint8Array(BLOCK_COMMANDS)
  /** What was read ahead, folded, so that the reads are not optimised away. */
  touched = 0

  /** Looks at `commands` commands from `slot` on. */
  look(state: CoreState, buffers: CallBuffers, slot: number, commands: number): void {
    const { slots32 } = buffers
    let next = slot
    for (let index = 0; index < commands; index++) {
      this.slots[index] = next
      const from = next * SLOT_WORDS * 2
      if (isOfCrossingAt(buffers, next)) this.hashForCrossing(slots32, from, index)
      else {
        this.idHashes[index] = hashId(slots32, from + SLOT.idHigh * 2)
        this.debitHashes[index] = hashId(slots32, from + SLOT.debitHigh * 2)
        this.creditHashes[index] = hashId(slots32, from + SLOT.creditHigh * 2)
      }
      next += slotsTakenAt(buffers, next)
    }
    this.slots[commands] = next
    // Loops of little else than loads: the processor has many of them under way at a time.
    const { accounts, remembered } = state
    this.touched ^=
      remembered.touch(this.idHashes, commands) ^
      accounts.touchIndex(this.debitHashes, commands) ^
      accounts.touchIndex(this.creditHashes, commands)
    this.touched ^=
      accounts.guess(this.debitHashes, this.debits, commands) ^
      accounts.guess(this.creditHashes, this.credits, commands)
    // A generation that is dropped within the block would make what is known of the older one wrong.
    if (remembered.isNearlyFull(commands * 2)) this.notOld.fill(0)
    else
      for (let index = 0; index < commands; index++) {
        const id = (this.slots[index]! * SLOT_WORDS + SLOT.idHigh) * 2
        this.notOld[index] = remembered.isOld(this.idHashes[index]!, slots32, id) ? 0 : 1
      }
  }

  /** The hashes of what is looked up of a crossing here: of its beginning all but the credit account; of a step at most that. */
  private hashForCrossing(slots32: Int32Array, from: number, index: number): void {
    const kind = slots32[from]! & 0xff
    const begins = !isStepKind(kind)
    this.idHashes[index] = begins ? hashId(slots32, from + SLOT.idHigh * 2) : UNUSED
    this.debitHashes[index] = begins ? hashId(slots32, from + SLOT.debitHigh * 2) : UNUSED
    this.creditHashes[index] = isStepToDestination(kind)
      ? hashId(slots32, from + SLOT.creditHigh * 2)
      : UNUSED
  }
}
