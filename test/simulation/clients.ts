/**
 * The clients: they offer commands, wait for what becomes of them, and know three kinds of their own: acknowledged, refused
 * at the door, and unknown, because the writer fell before it answered. What is unknown they send again, mostly.
 */
import { encodeCommands } from '../../schemas/command-codec.ts'
import type { Command } from '../../schemas/commands.ts'
import { horizonAfter } from '../../schemas/frame-notes.ts'
import type { Frame } from '../../schemas/frames.ts'
import { formatId, uuidV7TimeMs } from '../../schemas/ids.ts'
import type { Offer, OfferOffsets, OfferStored } from '../../eventlog/ports.ts'
import { publicEvent } from '../../gateway/outcomes/outcomes.ts'
import { settleRepeat } from '../../gateway/outcomes/settle-repeat.ts'
import type { Views } from '../../gateway/read/views.ts'
import { keyOf } from '../model/wallet.ts'
import { insist } from './insist.ts'
import { Load } from './load.ts'
import type { SeedOptions } from './options.ts'
import type { Truth } from './truth.ts'
import type { World } from './world.ts'

/** What the clients offer to: the queue of the writer of this epoch. */
export interface Door {
  readonly epoch: bigint
  offer(slots: Uint8Array, count: number, stored: OfferStored): Offer
}

interface Request {
  readonly commands: readonly Command[]
  readonly door: Door
  readonly epoch: bigint
  readonly firstOffset: bigint
  readonly endOffset: bigint
}

export class Clients {
  /** Offers made; the same commands again count again. */
  offers = 0
  private readonly world: World
  private readonly truth: Truth
  private readonly load: Load
  private readonly nowMs: () => number
  private readonly fail: (error: unknown) => void
  private pending: Request[] = []
  /** Commands whose answer never came. */
  private unknown: (readonly Command[])[] = []
  private hasOpened = false
  /** The latest id horizon that acknowledged frames have said. */
  private horizonMs = -1
  /** Ids that made an event and were acknowledged. */
  private readonly acknowledged = new Set<string>()

  constructor(
    world: World,
    options: SeedOptions,
    truth: Truth,
    nowNs: () => bigint,
    fail: (error: unknown) => void,
  ) {
    this.world = world
    this.truth = truth
    this.load = new Load(world.random, options, truth.model, nowNs)
    this.nowMs = () => Number(nowNs() / 1_000_000n)
    this.fail = fail
  }

  /** Offers something new, or something unknown again. */
  offer(door: Door): void {
    const { random } = this.world
    if (!this.hasOpened) this.hasOpened = this.send(door, this.load.opening())
    else if (this.unknown.length > 0 && random.chance(0.5)) this.sendUnknown(door)
    else {
      this.offers++
      this.send(door, this.load.offer())
    }
  }

  /** Sends again what is unknown, and ends every open hold: what is left to do once all is well. */
  finish(door: Door): void {
    if (this.unknown.length > 0) this.sendUnknown(door)
    else {
      const voids = this.load.voids()
      if (voids.length > 0) this.send(door, voids.slice(0, 8))
    }
  }

  /** True if no answer is awaited, and none was lost. */
  isSettled(): boolean {
    return this.pending.length === 0 && this.unknown.length === 0
  }

  /** A writer acknowledged a frame: it is accepted and durable. */
  acknowledge(frame: Frame): void {
    this.horizonMs = horizonAfter(this.horizonMs, frame)
    const answered = this.pending.filter(
      (request) => request.epoch === frame.epoch && request.endOffset <= frame.nextCommandOffset,
    )
    if (answered.length === 0) return
    this.pending = this.pending.filter((request) => !answered.includes(request))
    for (const request of answered)
      request.commands.forEach((command, index) => {
        this.settle(command, request.epoch, request.firstOffset + BigInt(index), frame)
      })
  }

  /** This writer is gone: what it did not answer is unknown. */
  lose(door: Door): void {
    const lost = this.pending.filter((request) => request.door === door)
    this.pending = this.pending.filter((request) => request.door !== door)
    if (lost.length > 0) this.world.cover('outcome unknown')
    for (const { commands } of lost) this.unknown.push(commands)
  }

  /** Compares what clients were told with a whole log. */
  checkAgainst(
    frames: readonly Frame[],
    eventsOf: (frame: Frame) => Iterable<{ transferId: { high: bigint; low: bigint }; kind: string }>,
  ): void {
    const times = new Map<string, number>()
    for (const frame of frames)
      for (const event of eventsOf(frame))
        if (event.kind !== 'HoldExpired') {
          const key = keyOf(event.transferId)
          times.set(key, (times.get(key) ?? 0) + 1)
        }
    for (const [key, count] of times) insist(count === 1, `id ${key} once in the log`, count)
    for (const key of this.acknowledged) insist(times.has(key), `acknowledged id ${key} in the log`, 'absent')
  }

  private sendUnknown(door: Door): void {
    const at = this.world.random.below(this.unknown.length)
    const [commands] = this.unknown.splice(at, 1)
    this.world.cover('unknown sent again')
    if (!this.send(door, commands!)) this.unknown.push(commands!)
  }

  private send(door: Door, commands: readonly Command[]): boolean {
    let stands: OfferOffsets | undefined
    const offer = door.offer(encodeCommands(commands), commands.length, (place) => (stands = place))
    this.world.trace(`offer of ${commands.length}: ${offer.kind}`)
    if (offer.kind !== 'taken') {
      this.world.cover(offer.kind)
      return false
    }
    const firstOffset = stands!.offset
    this.truth.take(door.epoch, firstOffset, commands)
    const endOffset = firstOffset + BigInt(commands.length)
    this.pending.push({ commands, door, epoch: door.epoch, firstOffset, endOffset })
    return true
  }

  private settle(command: Command, epoch: bigint, offset: bigint, frame: Frame): void {
    const outcome = this.truth.outcomeOf(epoch, offset)
    insist(outcome !== undefined && outcome.kind !== 'nothing', `an outcome of command ${offset}`, 'none')
    if (outcome.kind === 'event') {
      this.acknowledged.add(keyOf(command.id))
      return
    }
    // The answer that the gateway would give, from a view that holds the frame.
    const { horizonMs } = this
    const silence = { frame, mayBeOwn: false, horizonMs }
    const context = { views: this.viewsFor(command), outcomeWaitMs: 0, partitions: 1 }
    settleRepeat(context, command, silence, () => this.nowMs()).then(
      (answer) => {
        try {
          insist(!('underWay' in answer), 'an outcome, where nothing crosses', 'one under way')
          const expected = outcome.kind === 'id' ? outcome.refusal : outcome.event.refusal
          if ('undecided' in answer) {
            // The id counts once its time has come; or the frames so far do not prove that it never will.
            const isExpired = expected === 'id_expired' && uuidV7TimeMs(command.id) > horizonMs
            insist(
              isExpired || expected === 'id_in_future',
              `${formatId(command.id)} answered ${expected}`,
              'not',
            )
            return
          }
          insist(answer.refusal === expected, `${formatId(command.id)} answered ${expected}`, answer.refusal)
          insist(answer.replayed === (outcome.kind === 'repeat'), 'a repeat told as one', answer.replayed)
        } catch (error) {
          this.fail(error)
        }
      },
      (error: unknown) => {
        this.fail(error)
      },
    )
  }

  /** The views as the gateway asks them about this command: here the model's own memory. */
  private viewsFor({ id }: Command): Views {
    const first = this.truth.model.used.first.get(keyOf(id))
    const views = {
      points: { atSequence: () => Promise.resolve(undefined) },
      events: () => Promise.resolve(first === undefined ? [] : [publicEvent(first.event)]),
    }
    return views as unknown as Views
  }
}
