/**
 * Linked groups: transfers and holds that all happen or none.
 *
 * A group is a run of commands with the linked flag and the first one without it. It is decided member by member on the
 * state itself; if one is refused, the state goes back to what it was, line by line, and every member is refused: that
 * one for its own reason, the others as `linked_failed`. Ids are remembered only once the outcome is certain, so nothing
 * of that memory ever has to be taken back. A member whose id makes no event fails the group, unless all are such.
 *
 * An account command is never part of a group: its own flag means nothing, and a group that runs into one has not ended.
 */
import { COMMAND_KINDS, SLOT, SLOT_WORDS, standsAlone } from '../../../schemas/commands.ts'
import { EVENT_KINDS, ROW } from '../../../schemas/events.ts'
import { EVENT_ROW_BYTES, LINKED_TRANSFERS_MAX } from '../../../schemas/limits.ts'
import { REFUSAL_CODES } from '../../../schemas/refusals.ts'
import { LINE_WORDS, SIDE_WORDS } from '../state/account-lines.ts'
import {
  applyRow,
  changeState,
  creditNumber,
  debitNumber,
  kindOf,
  refusalNumberOf,
  rememberRow,
} from '../apply/apply.ts'
import { CoreBrokenError } from '../broken.ts'
import { decideCommand, isNewId, type CoreBounds } from './decide.ts'
import { creditHere } from './decide-hold.ts'
import { refuse } from './decide-transfer.ts'
import type { Decision } from './decision.ts'
import type { CallBuffers } from './call-buffers.ts'
import { hashId, sameIdAt } from '../state/hash-id.ts'
import { HOLD, HOLD_KEPT_WORDS, HOLD_WORDS } from '../state/hold-words.ts'
import { commandKindAt, isLinkedAt, rowBytesMaxAt, slotsTakenAt } from './row-writer.ts'
import type { CoreState } from '../state/state.ts'

const LINK_INDEX_MAX = 0xffff

/** True if a linked group begins with the command at `slot`. */
export function beginsGroup(buffers: CallBuffers, slot: number): boolean {
  return isLinkedAt(buffers, slot) && !standsAlone(commandKindAt(buffers, slot))
}

export class LinkedGroup {
  /** What the last group took and wrote. */
  commands = 0
  slots = 0
  events = 0
  bytes = 0
  private readonly state: CoreState
  private readonly bounds: CoreBounds
  private readonly decision: Decision
  private ended = false
  private readonly memberSlots = new Int32Array(LINKED_TRANSFERS_MAX)
  private readonly memberRows = new Int32Array(LINKED_TRANSFERS_MAX)
  private readonly fresh = new Uint8Array(LINKED_TRANSFERS_MAX)
  private readonly clockBefore: BigInt64Array
  /** Before-images: both accounts' versions and totals per member, and the hold that it ended or posted a part of. */
  private readonly sidesBefore = new BigInt64Array(LINKED_TRANSFERS_MAX * 2 * SIDE_WORDS)
  private readonly numbersBefore = new Int32Array(LINKED_TRANSFERS_MAX * 2)
  private readonly holdsBefore = new BigInt64Array(LINKED_TRANSFERS_MAX * HOLD_KEPT_WORDS)
  private readonly holdsBefore32 = new Int32Array(this.holdsBefore.buffer)
  private readonly kinds = new Uint8Array(LINKED_TRANSFERS_MAX)

  constructor(state: CoreState, bounds: CoreBounds, decision: Decision) {
    this.decision = decision
    this.state = state
    this.bounds = bounds
    this.clockBefore = new BigInt64Array(state.clock.length)
  }

  /**
   * Decides and applies the group that begins at `slot`, of at most `offered` commands.
   * @returns false if its rows might not fit before `outEnd`: then nothing has happened
   */
  decide(buffers: CallBuffers, slot: number, offered: number, at: number, outEnd: number): boolean {
    const bytesMax = this.measure(buffers, slot, offered)
    this.events = 0
    this.bytes = 0
    if (!this.ended || this.commands > LINKED_TRANSFERS_MAX) {
      if (at + this.commands * EVENT_ROW_BYTES > outEnd) return false
      this.refuseTooLong(buffers, slot, at)
      return true
    }
    if (at + bytesMax > outEnd) return false
    const fresh = this.findFresh(buffers)
    if (fresh === 0) return true
    const failed = fresh === this.commands ? this.attempt(buffers, at) : 0
    if (failed !== 0 || fresh < this.commands) this.refuseAll(buffers, at, failed)
    return true
  }

  /** Finds out how far the group reaches. Returns the bytes that its rows take at most. */
  private measure(buffers: CallBuffers, from: number, offered: number): number {
    let slot = from
    let bytesMax = 0
    this.commands = 0
    this.ended = false
    while (!this.ended && this.commands < offered) {
      const taken = slotsTakenAt(buffers, slot)
      const kind = commandKindAt(buffers, slot)
      if (standsAlone(kind)) break
      if (
        kind < COMMAND_KINDS.Transfer ||
        kind > COMMAND_KINDS.ReverseTransfer ||
        kind === COMMAND_KINDS.ExpireHold
      )
        throw new CoreBrokenError(`a door let command kind ${kind} pass`)
      if (this.commands < LINKED_TRANSFERS_MAX) this.memberSlots[this.commands] = slot
      bytesMax += rowBytesMaxAt(buffers, slot)
      this.ended = !isLinkedAt(buffers, slot)
      this.commands += 1
      slot += taken
    }
    this.slots = slot - from
    return bytesMax
  }

  /** Refuses every member. Their rows carry no text, so that a run of any length fits one frame. */
  private refuseTooLong(buffers: CallBuffers, from: number, at: number): void {
    let slot = from
    for (let index = 0; index < this.commands; index++) {
      if (isNewId(this.state, buffers, slot, this.idHash(buffers, slot))) {
        const linkIndex = Math.min(index + 1, LINK_INDEX_MAX)
        this.writeRefusal(buffers, slot, at + this.bytes, REFUSAL_CODES.linked_too_long, linkIndex)
      }
      slot += slotsTakenAt(buffers, slot)
    }
  }

  /** Notes which members' ids are new, to the core and within the group. Returns how many are. */
  private findFresh(buffers: CallBuffers): number {
    let count = 0
    for (let index = 0; index < this.commands; index++) {
      const slot = this.memberSlots[index]!
      const isFresh =
        isNewId(this.state, buffers, slot, this.idHash(buffers, slot)) && !this.earlierHas(buffers, index)
      this.fresh[index] = isFresh ? 1 : 0
      if (isFresh) count += 1
    }
    return count
  }

  /** True if a member before `index` carries the same id. */
  private earlierHas(buffers: CallBuffers, index: number): boolean {
    const at = (this.memberSlots[index]! * SLOT_WORDS + SLOT.idHigh) * 2
    for (let earlier = 0; earlier < index; earlier++) {
      const other = (this.memberSlots[earlier]! * SLOT_WORDS + SLOT.idHigh) * 2
      if (sameIdAt(buffers.slots32, at, buffers.slots32, other)) return true
    }
    return false
  }

  /** What the members before `index` have reversed of the transfer that it reverses. */
  private earlierReversal(buffers: CallBuffers, index: number): 'whole' | 'part' | undefined {
    const at = (this.memberSlots[index]! * SLOT_WORDS + SLOT.relatedHigh) * 2
    for (let earlier = index - 1; earlier >= 0; earlier--) {
      const slot = this.memberSlots[earlier]!
      if (commandKindAt(buffers, slot) !== COMMAND_KINDS.ReverseTransfer) continue
      const other = (slot * SLOT_WORDS + SLOT.relatedHigh) * 2
      if (!sameIdAt(buffers.slots32, at, buffers.slots32, other)) continue
      return buffers.rows.words[this.memberRows[earlier]! + ROW.expiresAt] === 0n ? 'whole' : 'part'
    }
    return undefined
  }

  /**
   * Decides the members one after the other, each on what those before it have left. Returns 0 if all happened; else the
   * number of the refusal with the member's index above it (bits 8 and up), the state being what it was.
   */
  private attempt(buffers: CallBuffers, at: number): number {
    const { state } = this
    copyWords(state.clock, 0, this.clockBefore, 0, state.clock.length)
    let rowByte = at
    for (let index = 0; index < this.commands; index++) {
      const slot = this.memberSlots[index]!
      const reversal =
        commandKindAt(buffers, slot) === COMMAND_KINDS.ReverseTransfer
          ? this.earlierReversal(buffers, index)
          : undefined
      const from = slot * SLOT_WORDS
      const { decision } = this
      decision.slot = slot
      decision.rowByte = rowByte
      decision.debitHash = hashId(buffers.slots32, (from + SLOT.debitHigh) * 2)
      decision.creditHash = hashId(buffers.slots32, (from + SLOT.creditHigh) * 2)
      decision.linkIndex = index + 1
      decision.isReversedInGroup = reversal === 'whole'
      decision.isPartReversedInGroup = reversal === 'part'
      const bytes = decideCommand(state, buffers, this.bounds, decision)
      const row = rowByte >>> 3
      const refusal = refusalNumberOf(buffers.rows, row)
      if (refusal !== 0) {
        this.undo(buffers, index)
        return refusal | (index << 8)
      }
      this.memberRows[index] = row
      this.keepBefore(buffers, index, row)
      changeState(state, buffers.rows, row)
      rowByte += bytes
    }
    // From here on it must succeed.
    for (let index = 0; index < this.commands; index++)
      rememberRow(state, buffers.rows, this.memberRows[index]!)
    this.events = this.commands
    this.bytes = rowByte - at
    return 0
  }

  private keepBefore(buffers: CallBuffers, index: number, row: number): void {
    const { holds } = this.state
    this.keepSide(debitNumber(buffers.rows, row), index * 2)
    this.keepSide(creditNumber(buffers.rows, row), index * 2 + 1)
    const kind = kindOf(buffers.rows, row)
    this.kinds[index] = kind
    if (!isOfHold(kind)) return
    const hold = holds.find(buffers.slots32, (this.memberSlots[index]! * SLOT_WORDS + SLOT.relatedHigh) * 2)
    copyWords(holds.words, hold * HOLD_WORDS, this.holdsBefore, index * HOLD_KEPT_WORDS, HOLD_KEPT_WORDS)
  }

  private keepSide(number: number, side: number): void {
    this.numbersBefore[side] = number
    copyWords(this.state.accounts.words, number * LINE_WORDS, this.sidesBefore, side * SIDE_WORDS, SIDE_WORDS)
  }

  /** Takes back the first `members` members, last one first. */
  private undo(buffers: CallBuffers, members: number): void {
    const { accounts, holds, clock } = this.state
    for (let index = members - 1; index >= 0; index--) {
      for (let side = 1; side >= 0; side--) {
        const from = (index * 2 + side) * SIDE_WORDS
        const line = this.numbersBefore[index * 2 + side]! * LINE_WORDS
        copyWords(this.sidesBefore, from, accounts.words, line, SIDE_WORDS)
      }
      const kind = this.kinds[index]!
      if (kind === EVENT_KINDS.HoldPlaced)
        holds.remove(holds.find(buffers.slots32, (this.memberSlots[index]! * SLOT_WORDS + SLOT.idHigh) * 2))
      else if (kind === EVENT_KINDS.HoldPostedInPart)
        holds.keepOnly(
          holds.find(this.holdsBefore32, index * HOLD_KEPT_WORDS * 2),
          this.holdsBefore,
          index * HOLD_KEPT_WORDS + HOLD.amount,
        )
      else if (isOfHold(kind)) holds.place(this.holdsBefore, index * HOLD_KEPT_WORDS)
    }
    copyWords(this.clockBefore, 0, clock, 0, clock.length)
  }

  /** @param failed what `attempt` returned; 0 if a member's id was the reason */
  private refuseAll(buffers: CallBuffers, at: number, failed: number): void {
    for (let index = 0; index < this.commands; index++) {
      if (this.fresh[index] === 0) continue
      const own = failed !== 0 && failed >>> 8 === index
      const refusal = own ? failed & 0xff : REFUSAL_CODES.linked_failed
      this.writeRefusal(buffers, this.memberSlots[index]!, at + this.bytes, refusal, index + 1)
    }
  }

  private writeRefusal(
    buffers: CallBuffers,
    slot: number,
    rowByte: number,
    refusal: number,
    linkIndex: number,
  ): void {
    const { state } = this
    const from = slot * SLOT_WORDS
    const kind = commandKindAt(buffers, slot)
    const { decision } = this
    decision.slot = slot
    decision.rowByte = rowByte
    decision.linkIndex = linkIndex
    decision.debit = 0
    decision.credit = 0
    if (kind === COMMAND_KINDS.PostHold || kind === COMMAND_KINDS.VoidHold) {
      const hold = state.holds.find(buffers.slots32, (from + SLOT.relatedHigh) * 2)
      if (hold >= 0) {
        decision.debit = state.holds.debit(hold)
        decision.credit = creditHere(state, hold)
      }
    } else {
      decision.debit = this.accountAt(buffers, from + SLOT.debitHigh)
      decision.credit = this.accountAt(buffers, from + SLOT.creditHigh)
    }
    this.bytes += refuse(state, buffers, decision, refusal)
    applyRow(state, buffers.rows, rowByte >>> 3)
    this.events += 1
  }

  private accountAt(buffers: CallBuffers, word: number): number {
    return this.state.accounts.find(hashId(buffers.slots32, word * 2), buffers.slots32, word * 2)
  }

  private idHash(buffers: CallBuffers, slot: number): number {
    return hashId(buffers.slots32, (slot * SLOT_WORDS + SLOT.idHigh) * 2)
  }
}

/** True for events that end a hold, or a part of one. */
function isOfHold(kind: number): boolean {
  return (
    kind === EVENT_KINDS.HoldPosted ||
    kind === EVENT_KINDS.HoldPostedInPart ||
    kind === EVENT_KINDS.HoldVoided
  )
}

/** A loop, and not `set` of a `subarray`: views would be made, and left to be collected, for every transfer. */
function copyWords(
  from: BigInt64Array,
  fromAt: number,
  to: BigInt64Array,
  toAt: number,
  count: number,
): void {
  for (let index = 0; index < count; index++) to[toAt + index] = from[fromAt + index]!
}
