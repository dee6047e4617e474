/**
 * The one loop that orders: commands in, frames out. It owns no clock, no memory and no wire; all of them are handed in,
 * and each `step` is one call that ends. So a thread drives it in production, and a simulator can drive it by seed.
 *
 * A step expires what is due, decides what waits, and hands one frame over. Nobody waits for that frame to be durable
 * before the next is begun: apply runs ahead of durability, outcomes do not, because only the log tells them.
 */
import { EVENT_SCHEMA_VERSION } from '../../schemas/events.ts'
import { encodeHorizonAge, encodeHorizonRest } from '../../schemas/frame-notes.ts'
import { BATCH_COMMANDS_MAX, COMMAND_SLOT_BYTES } from '../../schemas/limits.ts'
import type { FrameToSeal } from '../../eventlog/handoff/log-messages.ts'
import type { WalletCore } from '../core/core.ts'

/** Commands of one offer, in order. */
export interface CommandBatch {
  /** Whole slots as of schemas/commands.ts; its memory begins at a multiple of 8 bytes. */
  readonly slots: Uint8Array
  readonly count: number
}

/** Memory for one frame's event rows. */
export interface Slab {
  readonly index: number
  /** Begins at a multiple of 8 bytes. */
  readonly payload: Uint8Array
}

/** The world, as the loop sees it. */
export interface LoopPorts {
  /** Wall time, nanoseconds since 1970. It may stand still or go back. */
  nowNs(): bigint
  /** A free slab, or undefined if all are on their way to the disk. */
  claim(): Slab | undefined
  /** Hands a frame and its slab to the log. */
  toLog(frame: FrameToSeal): void
}

export interface LoopStart {
  readonly core: WalletCore
  /** The epoch of all frames from now on: above the log's last. */
  readonly epoch: bigint
  /** Commands consumed so far, exclusive: the offset of the first command taken. */
  readonly nextCommandOffset: bigint
}

/** What a step did. `idle`: there was nothing to do. `blocked`: no slab is free; try again when one may be. */
export type Step = 'idle' | 'blocked' | 'framed'

/** What one frame holds so far. */
interface Filling {
  readonly payload: Uint8Array
  bytes: number
  events: number
  commands: number
  /** It answers a batch of no commands, and no other. */
  isSkip: boolean
}

export class WriterLoop {
  /** Frames handed over so far. */
  frames = 0
  /** Batches decided to their end so far. */
  batchesDecided = 0
  private readonly core: WalletCore
  private readonly epoch: bigint
  private readonly ports: LoopPorts
  private nextCommandOffset: bigint
  private readonly batches: CommandBatch[] = []
  /** Commands and slots of the first batch that are decided. */
  private commandsDone = 0
  private slotsDone = 0

  constructor(start: LoopStart, ports: LoopPorts) {
    this.core = start.core
    this.epoch = start.epoch
    this.nextCommandOffset = start.nextCommandOffset
    this.ports = ports
  }

  /** Hands over the frame that opens this writer's epoch. False if no slab is free. */
  open(): boolean {
    const slab = this.ports.claim()
    if (slab === undefined) return false
    this.close(slab, { payload: slab.payload, bytes: 0, events: 0, commands: 0, isSkip: false })
    return true
  }

  /**
   * Takes commands in. How many may wait is the queue's business: it answers for what it lets through. A batch of none makes
   * a frame of its own, in its turn: by it the log learns what was passed over behind the commands before it.
   */
  take(batch: CommandBatch): void {
    this.batches.push(batch)
  }

  /** True while commands wait that are not decided. */
  hasCommands(): boolean {
    return this.batches.length > 0
  }

  /** When the next hold is to be expired, nanoseconds since 1970; 0 if none will be. */
  nextDeadlineNs(): bigint {
    return this.core.nextDeadlineNs()
  }

  /** Fills and hands over one frame, if there is anything to put into it. */
  step(): Step {
    const nowNs = this.ports.nowNs()
    if (!this.isDue(nowNs) && !this.hasCommands()) return 'idle'
    const slab = this.ports.claim()
    if (slab === undefined) return 'blocked'
    const filling: Filling = { payload: slab.payload, bytes: 0, events: 0, commands: 0, isSkip: false }
    this.expire(filling, nowNs)
    const batches = this.decide(filling, nowNs)
    if (filling.events === 0 && filling.commands === 0 && batches === 0)
      throw new Error('a step made no progress: neither a due hold nor a command fitted an empty frame')
    this.close(slab, filling)
    return 'framed'
  }

  /** True if a hold ends before anything that is decided now. Events' times may run ahead of the clock by a little. */
  private isDue(nowNs: bigint): boolean {
    const deadlineNs = this.core.nextDeadlineNs()
    return deadlineNs !== 0n && (deadlineNs <= nowNs || deadlineNs <= this.core.recordedAtNs())
  }

  private expire(filling: Filling, nowNs: bigint): void {
    if (!this.isDue(nowNs)) return
    const { payload } = filling
    const done = this.core.expireDue(nowNs, payload, filling.bytes, payload.length)
    filling.bytes += done.bytes
    filling.events += done.events
  }

  /**
   * Decides batch after batch until none waits, the frame is full, or it holds as many commands as one batch may. A batch of
   * no commands shares a frame with no other. Returns how many came to their end.
   */
  private decide(filling: Filling, nowNs: bigint): number {
    const { payload } = filling
    // An offer may be the last one's rest; a hold that could not be expired yet must not be overtaken.
    let batches = 0
    while (batches < this.batches.length && filling.commands < BATCH_COMMANDS_MAX && !this.isDue(nowNs)) {
      const batch = this.batches[batches]!
      if (batch.count === 0) {
        if (batches > 0 || filling.commands > 0) break
        filling.isSkip = true
        batches++
        break
      }
      const slots = batch.slots.subarray(this.slotsDone * COMMAND_SLOT_BYTES)
      const left = batch.count - this.commandsDone
      const done = this.core.decide(slots, left, nowNs, payload, filling.bytes, payload.length)
      filling.bytes += done.bytes
      filling.events += done.events
      filling.commands += done.commands
      this.commandsDone += done.commands
      this.slotsDone += done.slots
      // Full: the rest of this batch goes into the next frame.
      if (done.commands < left) break
      this.commandsDone = 0
      this.slotsDone = 0
      batches++
    }
    this.batches.splice(0, batches)
    this.batchesDecided += batches
    this.nextCommandOffset += BigInt(filling.commands)
    return batches
  }

  private close(slab: Slab, filling: Filling): void {
    const nowNs = this.ports.nowNs()
    const recordedAtNs = this.core.recordedAtNs()
    const timeNs = nowNs > recordedAtNs ? nowNs : recordedAtNs
    const horizonMs = this.core.idHorizonMs()
    const idHorizon =
      this.frames % 2 === 0 ? encodeHorizonAge(timeNs, horizonMs) : encodeHorizonRest(horizonMs)
    this.frames++
    this.ports.toLog({
      kind: 'frame',
      slab: slab.index,
      schemaVersion: EVENT_SCHEMA_VERSION,
      epoch: this.epoch,
      firstSequence: this.core.sequence() - BigInt(filling.events) + 1n,
      count: filling.events,
      timeNs,
      nextCommandOffset: this.nextCommandOffset,
      nextCommandIndex: 0,
      payloadBytes: filling.bytes,
      ...(idHorizon === 0 ? {} : { idHorizon }),
      ...(filling.isSkip ? { isSkip: true } : {}),
    })
  }
}
