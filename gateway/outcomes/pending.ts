/**
 * Commands that were taken and wait for their outcomes. Frames of the feed settle them.
 *
 * The events of a frame stand in the order of the commands. A frame also says up to which offset it consumes commands.
 * So one walk over the frame and the waiting commands, side by side, settles them all. A command has its event, or it
 * was consumed without one. In that case its id was known before, or a skip frame says why nobody decided it.
 *
 * Two commands may carry the same id. The event then belongs to the first one that the frame consumes, because an id
 * makes one event ever. In a walk in order the first command finds the row, and the second finds none. This needs every
 * command that the frame consumed so far to wait here. Some may not: it was given up, or another door or gateway
 * offered it. Behind such a command a row may be that command's outcome. It is then handed over as "found", and the
 * batch compares it.
 *
 * A transfer across partitions has its outcome in a later row than its own. From its own row on it waits among the
 * crossings under way (crossings/under-way.ts).
 *
 * A queue outside this process tells late where it stored an offer. A frame that may have consumed such an offer is
 * kept, together with the walk over it, until the offsets are known. Everything before that offer is settled at once.
 * The bytes of kept frames are bounded. Beyond the bound the oldest are given up: their commands are later looked up by
 * id among the recent events, once their offsets are known.
 */
import type { CommandOffset, OfferOffsets } from '../../eventlog/ports.ts'
import { consumedOf, isAtOffset, TopicTrail } from '../../eventlog/queue/offer-offsets.ts'
import { EVENT_KINDS } from '../../schemas/events.ts'
import { horizonAfter } from '../../schemas/frame-notes.ts'
import { lastSequence, type Frame } from '../../schemas/frames.ts'
import type { Position } from '../../schemas/positions.ts'
import type { FrameListener } from '../live/feed.ts'
import { CrossingsUnderWay } from './crossings/under-way.ts'
import { SkippedCommands } from './skipped-commands.ts'
import type { PendingBatch } from './pending-batch.ts'
import { RecentEvents, type FoundRow } from './recent-events.ts'
import { NO_ROW, RowMatcher } from './row-matcher.ts'
import { FrameRows, ID_WORDS } from '../../schemas/frame-rows.ts'

/** An offer that waits for outcomes. */
export interface PendingOffer {
  readonly batch: PendingBatch
  /** Offers are numbered as they come, from 1. */
  readonly number: number
  /** Where the queue stored it. Undefined while that is not known. */
  offsets: OfferOffsets | undefined
  /** Commands settled so far. */
  settled: number
  /** True once it no longer waits: it was given up, or nobody knows where it is stored. */
  isOver: boolean
  /** Indexes of commands that repeat an id of an earlier command in the same offer. Made when first needed. */
  repeats: ReadonlySet<number> | undefined
}

/** A frame, and how far the walk over it has come. */
interface Walk {
  readonly frame: Frame
  /** Number of the last offer that the frame may have consumed. */
  lastOffer: number
  /** Made when the frame settles its first command. */
  matcher: RowMatcher | undefined
  hasBegun: boolean
  /** The offset up to which the walk has come. Undefined once some command before it did not wait here. */
  next: CommandOffset | undefined
  /** True once the walk no longer waits for offsets. */
  isGivenUp: boolean
}

/** Frames kept until offsets are known, in bytes. */
const KEPT_BYTES_MAX = 32 * 1024 * 1024
/** Memory that a frame takes besides its bytes, so that many small frames count too. */
const FRAME_OVERHEAD_BYTES = 1_024

/** One partition's pending commands. The caller of `add` bounds their number. */
export class PendingCommands implements FrameListener {
  /**
   * In the order in which they were offered, which is the order of their offsets. Those with known offsets come first.
   */
  #offers: PendingOffer[] = []
  #count = 0
  #added = 0
  /** The last frame whose walk is over. */
  #walked: Frame | undefined
  /** Frames whose walk is not over, in order. */
  #walks: Walk[] = []
  #keptBytes = 0
  /** The latest id horizon that a walked frame says. Milliseconds since 1970; −1: none did. */
  #horizonMs = -1
  readonly #skipped = new SkippedCommands()
  readonly #underWay = new CrossingsUnderWay()
  /** The last frame that has come. */
  #newest: Frame | undefined
  /** True once nothing will be told any more. */
  #isOver = false
  #isAdvancing = false
  /** Last sequence that the feed has brought, and when it did, by `performance.now()`. */
  #reached: bigint | undefined
  #reachedAtMs = 0
  readonly #keptBytesMax: number
  readonly #recent: RecentEvents
  readonly #trail = new TopicTrail()

  constructor(recent = new RecentEvents(), keptBytesMax = KEPT_BYTES_MAX) {
    this.#recent = recent
    this.#keptBytesMax = keptBytesMax
  }

  /** Commands that wait for their outcomes. */
  get count(): number {
    return this.#count + this.#underWay.count
  }

  /** Offers that wait for outcomes. */
  get offers(): number {
    return this.#offers.length
  }

  /** Last sequence that the feed has brought; undefined if it has brought nothing since the start. */
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

  /** Bytes of frames that are kept until offsets are known. */
  get keptBytes(): number {
    return this.#keptBytes
  }

  /** The event that a client's command with this id made; undefined if it is not among the newest events. */
  find(ids: Int32Array): FoundRow | undefined {
    return this.#recent.find(ids, 0)
  }

  /** Adds an offer that is about to be made. */
  add(batch: PendingBatch): PendingOffer {
    const offer: PendingOffer = {
      batch, number: ++this.#added, offsets: undefined, settled: 0, isOver: false, repeats: undefined,
    } // prettier-ignore
    this.#offers.push(offer)
    this.#count += batch.count
    return offer
  }

  /** Removes the last offer, because the queue did not take it. */
  withdraw(offer: PendingOffer): void {
    if (this.#offers.pop() !== offer) throw new Error('only the last offer can be withdrawn')
    this.#count -= offer.batch.count
    offer.isOver = true
  }

  /**
   * Says where an offer is stored; undefined: nobody knows where, or whether it is at all. Called in the order of the
   * offers.
   */
  stored(offer: PendingOffer, place: OfferOffsets | undefined): void {
    // Only one record is on its way at a time. What waits behind its last offer cannot have been consumed by a frame
    // that has already come.
    if (this.#walks.length > 0 && (place === undefined || place.end.index === 0))
      for (const walk of this.#walks) walk.lastOffer = Math.min(walk.lastOffer, offer.number)
    if (!offer.isOver) {
      if (place === undefined || this.#trail.isLeft(place)) this.#lose(offer)
      else offer.offsets = place
    }
    // Nearly always the offsets are known before any frame consumes the offer.
    if (this.#walks.length > 0 || (place !== undefined && reachOf(place, this.#walked) > 0)) this.#advance()
  }

  /** Takes the feed's next frame, and settles what it decides. */
  onFrame(frame: Frame): void {
    this.#reached = lastSequence(frame)
    this.#reachedAtMs = performance.now()
    const isLost = this.#trail.next(frame)
    if (isLost !== undefined) this.#loseThose(isLost)
    this.#newest = frame
    this.#recent.add(frame)
    this.#skipped.add(frame)
    this.#walks.push({
      frame, lastOffer: this.#added, matcher: undefined, hasBegun: false, next: undefined, isGivenUp: false,
    }) // prettier-ignore
    this.#keptBytes += costOf(frame)
    this.#advance()
    while (this.#keptBytes > this.#keptBytesMax && this.#walks.length > 0) {
      this.#walks[0]!.isGivenUp = true
      this.#advance()
    }
    if (this.#underWay.count > 0) this.#underWay.settle(new FrameRows(frame))
  }

  /** Gives up offers made before `beforeMs`. Offers are in order of age. */
  giveUp(beforeMs: number): void {
    this.#isOver ||= beforeMs === Infinity
    this.#underWay.giveUp(beforeMs)
    let done = 0
    while ((this.#offers[done]?.batch.offeredAtMs ?? Infinity) < beforeMs) {
      const offer = this.#offers[done++]!
      offer.isOver = true
      this.#count -= offer.batch.count - offer.settled
      offer.batch.onUnknown(offer.settled, offer.batch.count)
    }
    if (done === 0) return
    this.#offers = this.#offers.slice(done)
    this.#advance()
  }

  /** The topic of these offers is gone. Every frame that consumed some of their commands has settled those already. */
  #loseThose(isLost: (place: OfferOffsets) => boolean): void {
    for (const offer of this.#offers.filter(({ offsets }) => offsets !== undefined && isLost(offsets)))
      this.#lose(offer)
  }

  #lose(offer: PendingOffer): void {
    offer.isOver = true
    this.#offers.splice(this.#offers.indexOf(offer), 1)
    this.#count -= offer.batch.count - offer.settled
    offer.batch.onUnknown(offer.settled, offer.batch.count)
  }

  #advance(): void {
    // A batch that is told its outcome may offer the next command at once, and so come back here.
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

  /**
   * True if the walk has to wait for the offsets of `offer`, the first offer that it has not settled: its frame may
   * have consumed it.
   */
  #waitsForOffsets({ frame, lastOffer, isGivenUp }: Walk, offer: PendingOffer | undefined): boolean {
    if (offer === undefined || offer.offsets !== undefined || offer.number > lastOffer || isGivenUp)
      return false
    const start = this.#walked
    return (
      start === undefined || !isAtOffset(nextOffset(start), frame.nextCommandOffset, frame.nextCommandIndex)
    )
  }

  /**
   * Settles the offers from `done` on, as far as their offsets are known and the frame has consumed them.
   * @returns offers done
   */
  #walk(walk: Walk, done: number): number {
    const { frame } = walk
    if (!walk.hasBegun) {
      walk.hasBegun = true
      this.#horizonMs = horizonAfter(this.#horizonMs, frame)
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
      else if (matcher.rows.beginsCrossing(byte))
        this.#settleBegun(
          batch,
          index,
          matcher.rows,
          byte,
          isOurs ? 'own' : batch.whose(index, matcher.rows, byte),
        )
      else if (isOurs) batch.onEvent(index, matcher.rows, byte)
      else batch.onFound(index, matcher.rows, byte)
    }
  }

  /** @param mayBeOwn false if the command certainly made no event itself */
  #settleWithoutRow(offer: PendingOffer, index: number, frame: Frame, mayBeOwn: boolean): void {
    const { batch } = offer
    const found = this.#recent.find(batch.ids, index * ID_WORDS)
    const isPossible = mayBeOwn && !isRepeatWithin(offer, index)
    // An event in a later frame does not explain why this frame holds none.
    if (found === undefined || found.rows.frame.firstSequence > frame.firstSequence) {
      const reason = this.#skipped.reasonFor(offer.offsets!, index)
      if (reason !== undefined) return batch.onSkipped(index, reason)
      const silence = { frame, mayBeOwn: isPossible, horizonMs: this.#horizonMs }
      return batch.onEventless(index, silence, (isRepeat) => this.#awaitEnd(batch, index, isRepeat))
    }
    if (found.rows.beginsCrossing(found.byte)) {
      const whose = batch.whose(index, found.rows, found.byte)
      this.#settleBegun(
        batch,
        index,
        found.rows,
        found.byte,
        whose === 'own' && !isPossible ? 'repeated' : whose,
      )
    } else if (isPossible) batch.onFound(index, found.rows, found.byte)
    else batch.onEarlier(index, found.rows, found.byte)
  }

  /** The row at `byte` begins the crossing of the command at `index`, unless it is of another body. */
  #settleBegun(
    batch: PendingBatch,
    index: number,
    rows: FrameRows,
    byte: number,
    whose: 'own' | 'repeated' | 'other',
  ): void {
    if (whose === 'other') batch.onEarlier(index, rows, byte)
    // Nothing ends in the frame in which it begins.
    else if (rows.frame === this.#newest) this.#underWay.add(batch, index, whose === 'repeated')
    else this.#awaitEnd(batch, index, whose === 'repeated')
  }

  /** The crossing of the command at `index` is under way, or has ended by now. */
  #awaitEnd(batch: PendingBatch, index: number, isRepeat: boolean): void {
    const ended = this.#recent.findEnd(batch.ids, index * ID_WORDS)
    if (ended !== undefined) batch.onEnded(index, isRepeat, ended.rows, ended.byte)
    else if (this.#isOver) batch.onUnknown(index, index + 1)
    else this.#underWay.add(batch, index, isRepeat)
  }

  /**
   * Settles offers whose offsets came to be known only after the frames that consumed them were given up.
   * @returns offers done
   */
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

/** The position up to which the feed has come. Each partition stands at its own index. */
export function reachedBy(pending: readonly PendingCommands[]): Position {
  const reached = new Map<number, bigint>()
  pending.forEach((one, partition) => {
    if (one.reached !== undefined) reached.set(partition, one.reached)
  })
  return reached
}

/** The event that a client's command with this id made; undefined if it is not among the newest events of any partition. */
export function findRecent(pending: readonly PendingCommands[], ids: Int32Array): FoundRow | undefined {
  let claim: FoundRow | undefined
  for (const one of pending) {
    const found = one.find(ids)
    if (found !== undefined && found.rows.kind(found.byte) !== EVENT_KINDS.IdClaimed) return found
    claim ??= found
  }
  return claim
}

/** How many commands of an offer were consumed by this frame and those before it. */
function reachOf(place: OfferOffsets, frame: Frame | undefined): number {
  return consumedOf(place, frame)
}

function nextOffset(frame: Frame): CommandOffset {
  return { offset: frame.nextCommandOffset, index: frame.nextCommandIndex }
}

/** True if an earlier command of the same offer carries the same id. The event is then that of the earlier one. */
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
