/**
 * The wallet core: a pure state machine, `(state, command, time) → events`, then `apply(event)`.
 *
 * No clock, no chance, no I/O, no promise: time comes in, bytes come out. It knows nothing of frames, files or threads.
 * One core is one partition.
 */
import {
  ACCOUNTS_MAX,
  COMMAND_SLOT_BYTES,
  EVENT_ROW_BYTES,
  HOLDS_OPEN_MAX,
  ID_AHEAD_MS_MAX,
  PARTITIONS_MAX,
  TRANSFER_DEADLINE_MS_DEFAULT,
  TRANSFER_DEADLINE_MS_MAX,
} from '../../schemas/limits.ts'
import { COMMAND_KINDS, type Coordination } from '../../schemas/commands.ts'
import type { Id } from '../../schemas/ids.ts'
import { BLOCK_COMMANDS, Block } from './decide/block.ts'
import { CoreBrokenError } from './broken.ts'
import { applyRow } from './apply/apply.ts'
import { decideCrossing } from './crossing/decide-crossing.ts'
import { endsHoldAcross, writeRelease } from './crossing/end-hold.ts'
import { dueChannel, writeTimer } from './crossing/source.ts'
import { TIMER_ROW_BYTES } from './crossing/transit-row.ts'
import { decideCommand, isNewId, type CoreBounds } from './decide/decide.ts'
import { isDue, writeExpiry } from './decide/decide-hold.ts'
import { Decision } from './decide/decision.ts'
import { createCallBuffers, type CallBuffers } from './decide/call-buffers.ts'
import { HOLD, HOLD_WORDS } from './state/hold-words.ts'
import { LinkedGroup, beginsGroup } from './decide/linked.ts'
import { accountAt, lookUp, trialBalance, type AccountView } from './state/read-account.ts'
import { postPlainTransfer } from './decide/plain-transfers.ts'
import { replayRows } from './apply/replay-rows.ts'
import { isOfCrossingAt, rowBytesMaxAt } from './decide/row-writer.ts'
import {
  beginCopy,
  stateFromSections,
  sectionsOfState,
  type CoreSection,
  type StateCopy,
} from './copy/state-sections.ts'
import { CLOCK, createState, type CoreState } from './state/state.ts'
import { NS_PER_MS } from '../../schemas/time.ts'

export { CoreBrokenError } from './broken.ts'
export type { AccountView } from './state/read-account.ts'
export type { CoreSection, SectionLength, StateCopy } from './copy/state-sections.ts'

export interface CoreOptions {
  /** Number of the partition, 0 to 1023; stands in every event. */
  readonly partition: number
  /** Accounts that may be opened; at most and by default ACCOUNTS_MAX. */
  readonly accountsMax?: number
  /** Ids in one of the two remembered generations; 2²⁰ by default, for 64 MB in all. */
  readonly idsPerGeneration?: number
  /** Holds that may be open at a time; at most and by default HOLDS_OPEN_MAX. */
  readonly holdsMax?: number
  /** Accounts for which room is made at the start, so that nothing need grow until there are more; 1,023 by default. */
  readonly accountsInitial?: number
  /**
   * Partitions of the deployment; by default this one is the last. Decides the ids of transit accounts, which have to live
   * in their own partition; a replay does not need it.
   */
  readonly partitions?: number
  /** How long a crossing waits for its credit side before it is cancelled; TRANSFER_DEADLINE_MS_DEFAULT by default. */
  readonly transferDeadlineMs?: number
  /** How a crossing is coordinated whose transfer does not say; by default 'tcc'. */
  readonly coordination?: Coordination
}

export interface DecideResult {
  /** Commands consumed, whether or not they made an event. */
  readonly commands: number
  /** Slots consumed. */
  readonly slots: number
  readonly events: number
  /** Bytes written to the output. */
  readonly bytes: number
}

export interface WalletCore {
  /**
   * Decides up to `count` commands of `slots`, from slot 0, at time `nowNs`; applies each; writes event rows into
   * `out[outByte … outEnd)`. Stops before a command (or a linked group) whose rows might not fit: 0 commands consumed
   * with an empty frame means that the frame is too small for it. A group that does not end within `count` is refused,
   * so always offer all that is left. Throws CoreBrokenError on slots that no door lets pass.
   * @param out begins at a multiple of 8 bytes, as `slots` and `outByte` do
   */
  decide(
    slots: Uint8Array,
    count: number,
    nowNs: bigint,
    out: Uint8Array,
    outByte: number,
    outEnd: number,
  ): DecideResult
  /**
   * Writes an event for the expiry of each hold that is due, then what its timer makes of each crossing that has waited too
   * long for the other side; as many as fit. To be called before `decide`.
   */
  expireDue(nowNs: bigint, out: Uint8Array, outByte: number, outEnd: number): DecideResult
  /** When `expireDue` has something to do next, nanoseconds since 1970; 0n: nothing waits for a time. */
  nextDeadlineNs(): bigint
  /** Replays event rows. Throws CoreBrokenError if they do not continue the state: sequence, times, versions, accounts. */
  apply(payload: Uint8Array): void
  /** Sequence of the last event, 0n before the first. */
  sequence(): bigint
  /** Time of the last event. */
  recordedAtNs(): bigint
  /** Time up to which ids that were never used are refused for ever, milliseconds since 1970; −1: none was ever forgotten. */
  idHorizonMs(): number
  /** Accounts ever opened. */
  accounts(): number
  holdsOpen(): number
  /** Transfers and holds to other partitions that wait for these; a hold that is held does not. */
  crossingsOpen(): number
  /** A copy of the whole state for a snapshot: equal histories give equal bytes. */
  save(): readonly CoreSection[]
  /**
   * Begins a copy of the state as it stands now, whose bytes will be those of `save`, to be made a slice at a time while
   * the core goes on. Throws CoreBrokenError if one is under way; `end` ends it.
   */
  beginCopy(): StateCopy
  /** Sum of credits posted less debits posted per currency. Anything but zero is broken logic. */
  trialBalance(): ReadonlyMap<string, bigint>
  /** The account with this number, or undefined. */
  account(number: number): AccountView | undefined
  /** The number of the account with this id, or undefined. */
  lookup(id: Id): number | undefined
}

/** An empty core. Throws RangeError on options out of range. */
export function createCore(options: CoreOptions): WalletCore {
  const ids = options.idsPerGeneration ?? 2 ** 20
  checkRange('idsPerGeneration', ids, 1, 2 ** 26)
  checkRange('accountsInitial', options.accountsInitial ?? 0, 0, ACCOUNTS_MAX)
  return new Core(boundsOf(options), createState(options.accountsInitial ?? 1_023, ids))
}

/**
 * The core that `save` described. Throws RangeError if the sections are not whole, or of a core with another partition
 * or other `idsPerGeneration`: then replay from the start.
 */
export function loadCore(options: CoreOptions, sections: readonly CoreSection[]): WalletCore {
  const ids = options.idsPerGeneration ?? 2 ** 20
  const bounds = boundsOf(options)
  return new Core(bounds, stateFromSections(sections, bounds.partition, ids, options.accountsInitial ?? 0))
}

function boundsOf(options: CoreOptions): CoreBounds {
  const { partition, accountsMax = ACCOUNTS_MAX, holdsMax = HOLDS_OPEN_MAX } = options
  const { partitions = partition + 1 } = options
  const { transferDeadlineMs = TRANSFER_DEADLINE_MS_DEFAULT, coordination = 'tcc' } = options
  checkRange('partition', partition, 0, PARTITIONS_MAX - 1)
  checkRange('accountsMax', accountsMax, 0, ACCOUNTS_MAX)
  checkRange('holdsMax', holdsMax, 0, HOLDS_OPEN_MAX)
  checkRange('partitions', partitions, partition + 1, PARTITIONS_MAX)
  checkRange('transferDeadlineMs', transferDeadlineMs, 1, TRANSFER_DEADLINE_MS_MAX)
  const deadlineNs = new BigInt64Array([BigInt(transferDeadlineMs) * NS_PER_MS])
  return { partition, accountsMax, holdsMax, partitions, deadlineNs, coordination }
}

function checkRange(name: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most)
    throw new RangeError(`${name} is ${value}, not a whole number from ${least} to ${most}`)
}

class Core implements WalletCore {
  private readonly bounds: CoreBounds
  private readonly state: CoreState
  private readonly block = new Block()
  private readonly decision = new Decision()
  private readonly group: LinkedGroup
  /** Events of the call at hand that came before the one of their command: the openings of transit accounts, and parts of holds. */
  private eventsBefore = 0

  constructor(bounds: CoreBounds, state: CoreState) {
    this.bounds = bounds
    this.state = state
    this.group = new LinkedGroup(state, bounds, this.decision)
  }

  decide(
    slots: Uint8Array,
    count: number,
    nowNs: bigint,
    out: Uint8Array,
    outByte: number,
    outEnd: number,
  ): DecideResult {
    checkOut(out, outByte, outEnd)
    if (slots.length % COMMAND_SLOT_BYTES !== 0) throw new CoreBrokenError('commands are not whole slots')
    const { state, bounds, block } = this
    this.setTime(nowNs)
    const idTimeMaxMs = Number(nowNs / NS_PER_MS) + ID_AHEAD_MS_MAX
    const buffers = createCallBuffers(slots, out, bounds.partition, idTimeMaxMs)
    const { group } = this
    let consumed = 0
    let slot = 0
    let at = outByte
    let events = 0
    let fits = true
    this.eventsBefore = 0
    while (fits && consumed < count) {
      const commands = Math.min(BLOCK_COMMANDS, count - consumed)
      block.look(state, buffers, slot, commands)
      let index = 0
      while (index < commands) {
        if (beginsGroup(buffers, slot)) {
          // A group may reach beyond the block; the next block then begins behind it.
          fits = group.decide(buffers, slot, count - consumed - index, at, outEnd)
          if (!fits) break
          at += group.bytes
          events += group.events
          slot += group.slots
          index += group.commands
          continue
        }
        fits = at + rowBytesMaxAt(buffers, slot) <= outEnd
        if (!fits) break
        const isPosted =
          block.notOld[index] === 1 &&
          postPlainTransfer(
            state,
            buffers,
            slot,
            at,
            block.idHashes[index]!,
            block.debits[index]!,
            block.credits[index]!,
          )
        const bytes = isPosted ? EVENT_ROW_BYTES : this.decideOne(buffers, index, at)
        if (bytes > 0) {
          at += bytes
          events += 1
        }
        index += 1
        slot = block.slots[index]!
      }
      consumed += index
    }
    return { commands: consumed, slots: slot, events: events + this.eventsBefore, bytes: at - outByte }
  }

  expireDue(nowNs: bigint, out: Uint8Array, outByte: number, outEnd: number): DecideResult {
    checkOut(out, outByte, outEnd)
    const { state } = this
    this.setTime(nowNs)
    const buffers = createCallBuffers(undefined, out, this.bounds.partition, 0)
    let at = outByte
    let events = 0
    for (;;) {
      const hold = state.holds.heap.first()
      if (hold < 0 || !isDue(state, hold)) break
      const isAcross = state.holds.channel(hold) > 0
      if (at + (isAcross ? TIMER_ROW_BYTES : EVENT_ROW_BYTES) > outEnd) break
      const bytes = isAcross
        ? writeRelease(state, buffers, at, hold, COMMAND_KINDS.ExpireHold)
        : writeExpiry(state, buffers, at, hold)
      applyRow(state, buffers.rows, at >>> 3)
      at += bytes
      events += 1
    }
    for (;;) {
      const channel = dueChannel(state)
      if (channel === 0 || at + TIMER_ROW_BYTES > outEnd) break
      at += writeTimer(state, buffers, at, channel)
      events += 1
    }
    return { commands: 0, slots: 0, events, bytes: at - outByte }
  }

  nextDeadlineNs(): bigint {
    const { holds, outgoing } = this.state
    const hold = holds.heap.first()
    const expiry = hold < 0 ? 0n : holds.words[hold * HOLD_WORDS + HOLD.expiresAt]!
    const reminder = outgoing.firstRemindAt()
    return expiry === 0n || (reminder !== 0n && reminder < expiry) ? reminder : expiry
  }

  apply(payload: Uint8Array): void {
    replayRows(this.state, this.bounds.partition, payload)
  }

  sequence(): bigint {
    return this.state.clock[CLOCK.sequence]!
  }

  recordedAtNs(): bigint {
    return this.state.clock[CLOCK.recordedAt]!
  }

  idHorizonMs(): number {
    return this.state.remembered.horizonMs
  }

  accounts(): number {
    return this.state.accounts.count
  }

  holdsOpen(): number {
    return this.state.holds.count
  }

  crossingsOpen(): number {
    return this.state.outgoing.open
  }

  save(): readonly CoreSection[] {
    return sectionsOfState(this.state, this.bounds.partition)
  }

  beginCopy(): StateCopy {
    return beginCopy(this.state, this.bounds.partition)
  }

  trialBalance(): ReadonlyMap<string, bigint> {
    return trialBalance(this.state)
  }

  account(number: number): AccountView | undefined {
    return accountAt(this.state, number)
  }

  lookup(id: Id): number | undefined {
    return lookUp(this.state, id)
  }

  /** Decides and applies the block's command `index`. Returns the bytes of its row; 0 if its id makes no event. */
  private decideOne(buffers: CallBuffers, index: number, at: number): number {
    const { state, block } = this
    const slot = block.slots[index]!
    if (isOfCrossingAt(buffers, slot) || endsHoldAcross(state, buffers, slot))
      return this.decideCrossing(buffers, index, at)
    if (!isNewId(state, buffers, slot, block.idHashes[index]!)) return 0
    const { decision } = this
    decision.slot = slot
    decision.rowByte = at
    decision.debitHash = block.debitHashes[index]!
    decision.creditHash = block.creditHashes[index]!
    decision.linkIndex = 0
    decision.isReversedInGroup = false
    decision.isPartReversedInGroup = false
    const bytes = decideCommand(state, buffers, this.bounds, decision)
    // From here on it must succeed.
    applyRow(state, buffers.rows, at >>> 3)
    return bytes
  }

  /** As `decideOne`, for what goes to another partition or comes from there; a transit account's opening may come first. */
  private decideCrossing(buffers: CallBuffers, index: number, at: number): number {
    const { state, block, decision } = this
    const slot = block.slots[index]!
    decision.slot = slot
    decision.rowByte = at
    decision.debitHash = block.debitHashes[index]!
    decision.creditHash = block.creditHashes[index]!
    decision.linkIndex = 0
    const bytes = decideCrossing(state, buffers, this.bounds, decision, block.idHashes[index]!)
    if (bytes === 0) return 0
    // From here on it must succeed.
    applyRow(state, buffers.rows, decision.rowByte >>> 3)
    if (decision.rowByte !== at) this.eventsBefore += 1
    return decision.rowByte + bytes - at
  }

  /** The next event is recorded now, or a nanosecond after the last one where the clock has not moved on. */
  private setTime(nowNs: bigint): void {
    const { clock } = this.state
    const next = clock[CLOCK.recordedAt]! + 1n
    clock[CLOCK.nextRecordedAt] = nowNs > next ? nowNs : next
  }
}

function checkOut(out: Uint8Array, outByte: number, outEnd: number): void {
  if (outByte % 8 !== 0 || outByte < 0 || outEnd > out.length)
    throw new CoreBrokenError('event rows are asked for outside the memory given')
}
