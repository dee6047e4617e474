/**
 * What the accepted log says, frame by frame, and who had asked for what: the model fed with every frame that the reader
 * rule accepts, the rule itself written a second time, and every acknowledged frame remembered for ever.
 */
import type { Command } from '../../schemas/commands.ts'
import type { FrameToSeal } from '../../eventlog/handoff/log-messages.ts'
import { HASH_BYTES, lastSequence, sameBytes, type Frame } from '../../schemas/frames.ts'
import { Model, type Outcome } from '../model/model.ts'
import type { ModelBounds } from '../model/rules.ts'
import { checkFrame } from './check-frame.ts'
import { insist } from './insist.ts'

export interface AcceptedFrame {
  readonly frame: Frame
  /** Outcomes of the commands that it consumed, in order. */
  readonly outcomes: readonly Outcome[]
  readonly firstOffset: bigint
}

export class Truth {
  readonly model: Model
  readonly frames: AcceptedFrame[] = []
  epoch = 0n
  sequence = 0n
  hash: Uint8Array = new Uint8Array(HASH_BYTES)
  nextCommandOffset = 0n
  private readonly partition: number
  private readonly cover: (event: string) => void
  /** Sequence at which the epoch began. */
  private epochBegan = 0n
  /** Sequence at which the wallet was last looked at as a whole. */
  private checked = 0n
  private readonly places = new Map<string, number>()
  /** Commands by the epoch of the writer whose queue took them, and their offset. */
  private readonly taken = new Map<string, Command>()
  private readonly outcomes = new Map<string, Outcome>()
  /** When a writer decided a frame. */
  private readonly decided = new Map<string, bigint>()

  constructor(partition: number, bounds: ModelBounds, cover: (event: string) => void) {
    this.partition = partition
    this.cover = cover
    this.model = new Model(partition, bounds)
  }

  /** A queue took commands for the writer of this epoch. */
  take(epoch: bigint, firstOffset: bigint, commands: readonly Command[]): void {
    commands.forEach((command, index) => this.taken.set(`${epoch}:${firstOffset + BigInt(index)}`, command))
  }

  /** A writer decided a frame at this wall time. */
  decide(frame: FrameToSeal, nowNs: bigint): void {
    this.decided.set(
      decisionKey(frame.epoch, frame.nextCommandOffset, frame.firstSequence, frame.count),
      nowNs,
    )
  }

  /** The outcome of a command, if the frame that consumed it was accepted. */
  outcomeOf(epoch: bigint, offset: bigint): Outcome | undefined {
    return this.outcomes.get(`${epoch}:${offset}`)
  }

  /** Sums, available amounts and holds, as the model has them now. */
  checkWhole(): void {
    const { wallet } = this.model
    if (wallet.sequence === this.checked) return
    this.checked = wallet.sequence
    const fault = wallet.fault()
    if (fault !== undefined) insist(false, 'a sound wallet', fault)
  }

  /** The reader rule, once more: only what continues the chain is accepted. */
  continues(frame: Frame): boolean {
    return (
      frame.partition === this.partition &&
      frame.firstSequence === this.sequence + 1n &&
      sameBytes(frame.previousHash, this.hash) &&
      frame.epoch >= this.epoch
    )
  }

  /** The place of a frame in the accepted chain; undefined if it is not there. */
  placeOf(hash: Uint8Array): number | undefined {
    return this.places.get(hashKey(hash))
  }

  /** Takes the next accepted frame. Throws if it does not continue the chain, or says what is not so. */
  accept(frame: Frame): AcceptedFrame {
    insist(
      this.continues(frame),
      `a frame that continues ${this.sequence} of epoch ${this.epoch}`,
      describe(frame),
    )
    insist(frame.durableSequence <= this.sequence, 'durable at most what came before', frame.durableSequence)
    const firstOffset = this.nextCommandOffset
    const commands: Command[] = []
    for (let offset = firstOffset; offset < frame.nextCommandOffset; offset++) {
      const command = this.taken.get(`${frame.epoch}:${offset}`)
      insist(command !== undefined, `command ${offset} of epoch ${frame.epoch} offered`, 'nobody offered it')
      commands.push(command)
    }
    insist(frame.nextCommandOffset >= firstOffset, 'offsets that go on', frame.nextCommandOffset)
    const key = decisionKey(frame.epoch, frame.nextCommandOffset, frame.firstSequence, frame.count)
    const isEmpty = frame.count === 0 && commands.length === 0
    const nowNs = this.decided.get(key)
    insist(isEmpty || nowNs !== undefined, 'a frame that a writer decided', describe(frame))
    if (frame.epoch > this.epoch) this.epochBegan = this.sequence
    else if (isEmpty) this.cover('idle mark')
    const outcomes = checkFrame(this.model, frame, commands, nowNs ?? 0n, this.cover)
    outcomes.forEach((outcome, index) =>
      this.outcomes.set(`${frame.epoch}:${firstOffset + BigInt(index)}`, outcome),
    )
    for (const outcome of outcomes)
      if (outcome.kind === 'repeat' && outcome.event.sequence <= this.epochBegan)
        this.cover('repeated id after a restart')
    if (this.model.used.horizonMs >= 0) this.cover('id generations dropped')
    this.sequence = lastSequence(frame)
    this.hash = frame.hash.slice()
    this.epoch = frame.epoch
    this.nextCommandOffset = frame.nextCommandOffset
    const accepted = { frame, outcomes, firstOffset }
    this.places.set(hashKey(frame.hash), this.frames.length)
    this.frames.push(accepted)
    return accepted
  }
}

function decisionKey(epoch: bigint, offset: bigint, firstSequence: bigint, count: number): string {
  return `${epoch}:${offset}:${firstSequence}:${count}`
}

function hashKey(hash: Uint8Array): string {
  return String.fromCharCode(...hash)
}

export function describe(frame: Frame): string {
  return `frame ${frame.firstSequence}+${frame.count} of epoch ${frame.epoch}, offset ${frame.nextCommandOffset}`
}
