/**
 * Commands that were taken and whose outcome is not known yet, matched with what the feed brings.
 *
 * Events of a frame stand in the order of the commands, and a frame says up to which place commands are consumed with it.
 * So one walk over the frame and the waiting commands side by side settles them all: a command has its event, or it is
 * consumed without one, which means that its id was known before, or that a mark says why nobody decided it.
 *
 * Whose event is it, where two commands carry one id? The first one's that the frame consumes: an id makes one event, ever.
 * Walked in their order, the first one finds the row and the second finds none. That holds for as long as every command
 * that the frame consumed up to there waits here. Behind one that does not (it was given up, or some other door or gateway
 * offered it) a row may be the outcome of what that one asked, so it is handed over as found, and has to be compared.
 *
 * A queue out of this process tells late where an offer stands. A frame that may have consumed an offer on its way is kept
 * until that is known, with the walk over it as far as it has come; what stands before is settled at once. Frames kept are
 * bounded in bytes: beyond it the oldest are passed over, and what they consumed is found by its id, among the last events,
 * when its place comes to be known.
 */
import type { CommandOffset, OfferOffsets } from '../../eventlog/ports.ts'
import { consumedOf, isAtOffset, TopicTrail } from '../../eventlog/queue/offer-offsets.ts'
import { horizonBehind, type SkipReason } from '../../schemas/frame-notes.ts'
import { lastSequence, type Frame } from '../../schemas/frames.ts'
import type { Position } from '../../schemas/positions.ts'
import type { FrameListener } from '../live/feed.ts'
import { PassedOver } from './passed-over.ts'
import { RecentEvents, type FoundRow } from './recent-events.ts'
import { NO_ROW, RowMatcher } from './row-matcher.ts'
import type { Silence } from './settle-repeat.ts'
import { FrameRows, ID_WORDS } from '../../schemas/frame-rows.ts'

/** Commands of one offer, in order. */
export interface PendingBatch {
  readonly count: number
  /** Their ids, as rows.ts writes them. */
  readonly ids: Int32Array
  /** By a clock that nobody sets: `performance.now()`. */
  readonly offeredAtMs: number
  /** The event of the command at `index` begins at `byte` of the frame's payload. */
  onEvent(index: number, rows: FrameRows, byte: number): void
  /** The command at `index` made no event: its id had made this one before, which is therefore the id's outcome. */
  onEarlier(index: number, rows: FrameRows, byte: number): void
  /**
   * An event under the id of the command at `index`: its own, or that of another command with the same id. Body and time
   * of receipt tell.
   */
  onFound(index: number, rows: FrameRows, byte: number): void
  /**
   * The command at `index` was consumed, and no event of its id is known here.
   */
  onSilent(index: number, silence: Silence): void
  /** The log says that the command at `index` was passed over, and no event of its id is known here: it was not decided. */
  onPassedOver(index: number, reason: SkipReason): void
  /** The outcomes from `index` on will not be known in time, or never. */
  onUnknown(index: number): void
}

/** An offer whose outcomes are waited for. */
export interface PendingOffer {
  readonly batch: PendingBatch
  /** Offers are counted as they come, from 1. */
  readonly number: number
  /** Undefined as long as it is not known. */
  offsets: OfferOffsets | undefined
  /** Commands settled so far. */
  settled: number
  /** It waits no more: given up, or nobody knows where it stands. */
  isOver: boolean
  /** Its commands whose id an earlier one of them carries, once it was asked for. */
  repeats: ReadonlySet<number> | undefined
}

/** A frame, and how far it has been walked through. */
interface Walk {
  readonly frame: Frame
  /** Number of the last offer that it may have consumed. */
  lastOffer: number
  /** Made when the first command is settled by it. */
  matcher: RowMatcher | undefined
  hasBegun: boolean
  /** The place up to which it is walked through, if every command up to there waited here. */
  next: CommandOffset | undefined
  /** It waits for no place any more. */
  isPassedOver: boolean
}

/** Frames kept for places that are not known, in bytes. */
const KEPT_BYTES_MAX = 32 * 1024 * 1024
/** What a frame costs beside its bytes: so many small ones do not add up unseen. */
const FRAME_OVERHEAD_BYTES = 1_024

/** One partition's pending commands. Bounded by who adds to it. */
export class PendingCommands implements FrameListener {
  /** In the order of their offers, which is that of their places; those with a place come first. */
  #offers: PendingOffer[] = []
  #count = 0
  #added = 0
  /** The last frame that was walked through. */
  #walked: Frame | undefined
  /** Frames not yet walked through, in order. */
  #walks: Walk[] = []
  #keptBytes = 0
  /** The latest id horizon of the frames that were walked through. */
  #horizonMs = -1
  readonly #passedOver = new PassedOver()
  #isAdvancing = false
  /** Last sequence that the feed has brought, and when, by `performance.now()`. */
  #reached: bigint | undefined
  #reachedAtMs = 0
  readonly #keptBytesMax: number
  readonly #recent: RecentEvents
  readonly #trail = new TopicTrail()

  constructor(recent = new RecentEvents(), keptBytesMax = KEPT_BYTES_MAX) {
    this.#recent = recent
    this.#keptBytesMax = keptBytesMax
  }

  /** Commands whose outcome is waited for. */
  get count(): number {
    return this.#count
  }

  /** Offers whose outcomes are waited for. */
  get offers(): number {
    return this.#offers.length
  }

  /** Last sequence that the feed has brought; undefined: none since the start. */
  get reached(): bigint | undefined {
    return this.#reached
  }

  /** How long commands have waited without any of them being decided, in ms; 0 if none wait. */
  get undecidedMs(): number {
    const oldest = this.#offers[0]
    return oldest === undefined
      ? 0
      : performance.now() - Math.max(oldest.batch.offeredAtMs, this.#reachedAtMs)
  }

  /** Bytes of frames that wait for the place of an offer. */
  get keptBytes(): number {
    return this.#keptBytes
  }

  /** The event of an id, if it is among the last ones. */
  find(ids: Int32Array): FoundRow | undefined {
    return this.#recent.find(ids, 0)
  }

  /** Takes an offer that is about to be made. */
  add(batch: PendingBatch): PendingOffer {
    const offer: PendingOffer = {
      batch, number: ++this.#added, offsets: undefined, settled: 0, isOver: false, repeats: undefined,
    } // prettier-ignore
    this.#offers.push(offer)
    this.#count += batch.count
    return offer
  }

  /** The last offer was not taken after all. */
  withdraw(offer: PendingOffer): void {
    if (this.#offers.pop() !== offer) throw new Error('only the last offer can be withdrawn')
    this.#count -= offer.batch.count
    offer.isOver = true
  }

  /** An offer stands at this place; undefined: nobody knows where, or whether at all. Offers are placed in order. */
  stored(offer: PendingOffer, place: OfferOffsets | undefined): void {
    // One record is on its way at a time: what waits behind its last offer cannot have been consumed by any frame that is here.
    if (this.#walks.length > 0 && (place === undefined || place.end.index === 0))
      for (const walk of this.#walks) walk.lastOffer = Math.min(walk.lastOffer, offer.number)
    if (!offer.isOver) {
      if (place === undefined || this.#trail.isLeft(place)) this.#lose(offer)
      else offer.offsets = place
    }
    // Nearly always it is placed before any frame that consumes it.
    if (this.#walks.length > 0 || (place !== undefined && reachOf(place, this.#walked) > 0)) this.#advance()
  }

  /** Takes the feed's next frame, and settles what it decides. */
  onFrame(frame: Frame): void {
    this.#reached = lastSequence(frame)
    this.#reachedAtMs = performance.now()
    const isLost = this.#trail.next(frame)
    if (isLost !== undefined) this.#loseThose(isLost)
    this.#recent.add(frame)
    this.#passedOver.add(frame)
    this.#walks.push({
      frame, lastOffer: this.#added, matcher: undefined, hasBegun: false, next: undefined, isPassedOver: false,
    }) // prettier-ignore
    this.#keptBytes += costOf(frame)
    this.#advance()
    while (this.#keptBytes > this.#keptBytesMax && this.#walks.length > 0) {
      this.#walks[0]!.isPassedOver = true
      this.#advance()
    }
  }

  /** Gives up on offers from before `beforeMs`; offers are in order of age. */
  giveUp(beforeMs: number): void {
    let done = 0
    while ((this.#offers[done]?.batch.offeredAtMs ?? Infinity) < beforeMs) {
      const offer = this.#offers[done++]!
      offer.isOver = true
      this.#count -= offer.batch.count - offer.settled
      offer.batch.onUnknown(offer.settled)
    }
    if (done === 0) return
    this.#offers = this.#offers.slice(done)
    this.#advance()
  }

  /** Commands whose topic is gone: whatever frames consumed of it, they have been settled by. */
  #loseThose(isLost: (place: OfferOffsets) => boolean): void {
    for (const offer of this.#offers.filter(({ offsets }) => offsets !== undefined && isLost(offsets)))
      this.#lose(offer)
  }

  #lose(offer: PendingOffer): void {
    offer.isOver = true
    this.#offers.splice(this.#offers.indexOf(offer), 1)
    this.#count -= offer.batch.count - offer.settled
    offer.batch.onUnknown(offer.settled)
  }

  /** Settles what can be settled now. */
  #advance(): void {
    // Whoever is told of an outcome may offer the next command.
    if (this.#isAdvancing) return
    this.#isAdvancing = true
    let walked = 0
    let done = this.#settleLate(0)
    for (let walk = this.#walks[0]; walk !== undefined; walk = this.#walks[walked]) {
      done = this.#walk(walk, done)
      if (this.#waitsForOffsets(walk, this.#offers[done])) break
      walked++
      this.#keptBytes -= costOf(walk.frame)
      this.#walked = walk.frame
      done = this.#settleLate(done)
    }
    if (walked > 0) this.#walks = this.#walks.slice(walked)
    if (done > 0) this.#offers = this.#offers.slice(done)
    this.#isAdvancing = false
  }

  /** True if `offer`, the first one that the walk has not settled, may be among what its frame consumed. */
  #waitsForOffsets({ frame, lastOffer, isPassedOver }: Walk, offer: PendingOffer | undefined): boolean {
    if (offer === undefined || offer.offsets !== undefined || offer.number > lastOffer || isPassedOver)
      return false
    const start = this.#walked
    return (
      start === undefined || !isAtOffset(nextOffset(start), frame.nextCommandOffset, frame.nextCommandIndex)
    )
  }

  /** Settles the offers from `done` on, as far as their places are known and the frame reaches. @returns offers done */
  #walk(walk: Walk, done: number): number {
    const { frame } = walk
    if (!walk.hasBegun) {
      walk.hasBegun = true
      this.#horizonMs = horizonBehind(this.#horizonMs, frame)
      walk.next = this.#walked === undefined ? undefined : nextOffset(this.#walked)
    }
    for (let at = done; ; at++) {
      const offer = this.#offers[at]
      if (offer?.offsets === undefined || offer.number > walk.lastOffer) return at
      const { offsets } = offer
      const end = reachOf(offsets, frame)
      if (end <= offer.settled) return at
      if (
        offer.settled === 0 &&
        !(walk.next !== undefined && isAtOffset(walk.next, offsets.offset, offsets.index))
      )
        walk.next = undefined
      this.#settleOffer(offer, end, walk)
      if (end < offer.batch.count) return at
      if (walk.next !== undefined) walk.next = offsets.end
    }
  }

  #settleOffer(offer: PendingOffer, end: number, walk: Walk): void {
    const { batch } = offer
    const { frame } = walk
    const matcher = (walk.matcher ??= new RowMatcher(new FrameRows(frame)))
    const isOurs = walk.next !== undefined
    const { isRepeated } = offer.offsets!
    const from = offer.settled
    offer.settled = end
    this.#count -= end - from
    for (let index = from; index < end; index++) {
      const at = index * ID_WORDS
      const byte = isOurs ? matcher.next(batch.ids, at) : matcher.find(batch.ids, at)
      if (byte === NO_ROW) this.#settleWithoutRow(offer, index, frame, !isOurs || isRepeated)
      else if (isOurs) batch.onEvent(index, matcher.rows, byte)
      else batch.onFound(index, matcher.rows, byte)
    }
  }

  /** @param mayBeOwn false: the command has made no event itself */
  #settleWithoutRow(offer: PendingOffer, index: number, frame: Frame, mayBeOwn: boolean): void {
    const { batch } = offer
    const found = this.#recent.find(batch.ids, index * ID_WORDS)
    const isPossible = mayBeOwn && !isRepeatWithin(offer, index)
    // What a later frame holds is not the reason why this one holds nothing.
    if (found === undefined || found.rows.frame.firstSequence > frame.firstSequence) {
      const reason = this.#passedOver.reasonFor(offer.offsets!, index)
      if (reason !== undefined) return batch.onPassedOver(index, reason)
      return batch.onSilent(index, { frame, mayBeOwn: isPossible, horizonMs: this.#horizonMs })
    }
    if (isPossible) batch.onFound(index, found.rows, found.byte)
    else batch.onEarlier(index, found.rows, found.byte)
  }

  /** Settles offers whose place has come to be known when frames that consumed them were passed over. @returns offers done */
  #settleLate(done: number): number {
    const frame = this.#walked
    if (frame === undefined) return done
    for (let at = done; ; at++) {
      const offer = this.#offers[at]
      if (offer?.offsets === undefined) return at
      const from = offer.settled
      const end = reachOf(offer.offsets, frame)
      if (end <= from) return at
      offer.settled = end
      this.#count -= end - from
      for (let index = from; index < end; index++) this.#settleWithoutRow(offer, index, frame, true)
      if (end < offer.batch.count) return at
    }
  }
}

/** What the feed has brought to those who wait, each partition at its own index. */
export function reachedBy(pending: readonly PendingCommands[]): Position {
  const reached = new Map<number, bigint>()
  pending.forEach((one, partition) => {
    if (one.reached !== undefined) reached.set(partition, one.reached)
  })
  return reached
}

/** The event of an id, if it is among the last ones of any partition. */
export function findRecent(pending: readonly PendingCommands[], ids: Int32Array): FoundRow | undefined {
  for (const one of pending) {
    const found = one.find(ids)
    if (found !== undefined) return found
  }
  return undefined
}

/** How many commands of an offer a frame has consumed, it and those before it. */
function reachOf(place: OfferOffsets, frame: Frame | undefined): number {
  return consumedOf(place, frame)
}

function nextOffset(frame: Frame): CommandOffset {
  return { offset: frame.nextCommandOffset, index: frame.nextCommandIndex }
}

/** True if an earlier command of the same offer carries the same id: the event is that one's, then. */
function isRepeatWithin(offer: PendingOffer, index: number): boolean {
  return (offer.repeats ??= repeatsIn(offer.batch)).has(index)
}

function repeatsIn({ ids, count }: PendingBatch): ReadonlySet<number> {
  const repeats = new Set<number>()
  const seen = new Set<string>()
  for (let index = 0; index < count; index++) {
    const id = ids.subarray(index * ID_WORDS, (index + 1) * ID_WORDS).join()
    if (seen.has(id)) repeats.add(index)
    else seen.add(id)
  }
  return repeats
}

function costOf(frame: Frame): number {
  return frame.bytes.length + FRAME_OVERHEAD_BYTES
}
