/**
 * Commands looked at ahead, 256 at a time: where each one's slot is, and the hashes of its ids. While they are computed,
 * the memory that deciding will need is read once, so that the cache misses of many commands overlap instead of each
 * holding up the next. Reading ahead has no effect on any decision.
 */
import { SLOT, SLOT_WORDS } from '../../schemas/commands.ts'
import type { Desk } from './desk.ts'
import { hashId } from './hash-id.ts'
import { slotsTakenAt } from './row-writer.ts'
import type { CoreState } from './state.ts'

export const BLOCK_COMMANDS = 256

export class Block {
  /** First slot of each command; the one behind the last tells where the block ends. */
  readonly slots = new Int32Array(BLOCK_COMMANDS + 1)
  readonly idHashes = new Int32Array(BLOCK_COMMANDS)
  readonly debitHashes = new Int32Array(BLOCK_COMMANDS)
  readonly creditHashes = new Int32Array(BLOCK_COMMANDS)
  /** What was read ahead, folded, so that the reads are not optimised away. */
  touched = 0

  /** Looks at `commands` commands from `slot` on. */
  look(state: CoreState, desk: Desk, slot: number, commands: number): void {
    const { accounts, remembered } = state
    const { slots32 } = desk
    let next = slot
    let touched = 0
    for (let index = 0; index < commands; index++) {
      this.slots[index] = next
      const taken = slotsTakenAt(desk, next)
      const from = next * SLOT_WORDS * 2
      const idHash = hashId(slots32, from + SLOT.idHigh * 2)
      const debitHash = hashId(slots32, from + SLOT.debitHigh * 2)
      const creditHash = hashId(slots32, from + SLOT.creditHigh * 2)
      this.idHashes[index] = idHash
      this.debitHashes[index] = debitHash
      this.creditHashes[index] = creditHash
      touched ^= remembered.touch(idHash) ^ accounts.touchIndex(debitHash) ^ accounts.touchIndex(creditHash)
      next += taken
    }
    this.slots[commands] = next
    for (let index = 0; index < commands; index++)
      touched ^= accounts.touchLine(this.debitHashes[index]!) ^ accounts.touchLine(this.creditHashes[index]!)
    this.touched ^= touched
  }
}
