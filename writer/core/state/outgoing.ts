/**
 * The crossings that began here and are under way: one channel each, the lowest free one first (schemas/crossing.ts).
 *
 * A channel is 16 words of 64 bits. All but its turn is zero while it is free; the turn stays. Channels that wait for the
 * other side stand in one queue, in the order of their last events: a first reminder comes a constant time after each. Those
 * that wait longer, or only until their deadline, stand in a heap beside it. All open ones wait but those of holds that are
 * held: they wait for their clients.
 */
import { CHANNELS_MAX } from '../../../schemas/limits.ts'
import type { EntriesCopy } from '../copy/copy-entries.ts'
import { SOURCE_STATES } from '../crossing/table-numbers.ts'
import { GrowingMemory } from './growing-memory.ts'
import { LowestFree } from './lowest-free.ts'
import { TimerHeap, type Timers } from './timer-heap.ts'

export const CHANNEL_WORDS = 16
/** Words of a channel. The last one and `debitCode` are pairs of 32 bits: debit account and code; turn, and state with attempt above it. */
export const CHANNEL = {
  idHigh: 0,
  idLow: 1,
  amount: 2,
  deadline: 3,
  /** Of the last event that is no reminder. */
  sequence: 4,
  /** When its timer comes: a reminder, or the deadline where that is earlier and decides something. */
  remindAt: 5,
  creditHigh: 6,
  creditLow: 7,
  referenceHigh: 8,
  referenceLow: 9,
  effectiveAt: 10,
  receivedAt: 11,
  debitCode: 12,
  /** Of a hold that is not answered for yet: its timeout in ns, 0 for none. */
  timeout: 13,
  /** Of a hold: how many of its posts are under way. Of a post: its hold's turn, and 32 bits up its hold's channel. */
  draws: 14,
  turnState: 15,
} as const
/** Bits of a channel's state, and where its attempt stands above them. */
const STATE_MASK = 0xff
const ATTEMPT_SHIFT = 8
export const ATTEMPT_MAX = 0xffff
/** A channel that has had so many turns is not used again: the next would look like the first. */
const TURN_MAX = 0xffff_ffff
const CHANNELS_INITIAL = 64

export class Outgoing implements Timers {
  /** Channels ever used; the highest number given. */
  count = 0
  /** Crossings under way: those that wait for the other side. */
  open = 0
  /** Holds among them that may yet become open ones. */
  holding = 0
  words: BigInt64Array
  words32: Int32Array
  /** While the channels are copied: who is told before one changes. */
  copy: EntriesCopy | undefined
  private readonly memory: GrowingMemory
  private capacity = CHANNELS_INITIAL
  private readonly free = new LowestFree()
  /** Those that have been reminded of, or wait for their deadline. */
  private readonly heap = new TimerHeap(this)
  /**
   * The queue of all others that wait: channel before and behind each, 0 for none; at place 0 its last and its first. Behind
   * one that is in the heap: its place there, plus one, negative.
   */
  private before = new Int32Array(CHANNELS_INITIAL + 1)
  private behind = new Int32Array(CHANNELS_INITIAL + 1)

  constructor() {
    this.memory = new GrowingMemory(CHANNELS_INITIAL * CHANNEL_WORDS * 8)
    this.words = wordsOver(this.memory, CHANNELS_INITIAL)
    this.words32 = new Int32Array(this.words.buffer, this.words.byteOffset, this.words.length * 2)
  }

  /** The channel that the next crossing takes; 0 if none is free. */
  next(): number {
    const free = this.free.lowest()
    if (free > 0) return free
    return this.count < CHANNELS_MAX ? this.count + 1 : 0
  }

  /** Turn of a channel as an unsigned number, 0 of one that was never used. */
  turn(channel: number): number {
    return channel > this.count ? 0 : this.words32[turnAt(channel)]! >>> 0
  }

  /** Number of a channel's state (crossing/table-numbers.ts), 0 of one that is free or was never used. */
  state(channel: number): number {
    return channel < 1 || channel > this.count ? 0 : this.words32[turnAt(channel) + 1]! & STATE_MASK
  }

  attempt(channel: number): number {
    return this.words32[turnAt(channel) + 1]! >>> ATTEMPT_SHIFT
  }

  /** True if an open channel's crossing is in this state and this turn. */
  isIn(channel: number, turn: number, state: number): boolean {
    return this.state(channel) === state && this.turn(channel) === turn
  }

  /** Posts under way of the hold that has this channel. */
  draws(channel: number): number {
    return this.words32[(this.wordOf(channel) + CHANNEL.draws) * 2]!
  }

  /** One more post of the hold that has this channel is under way, or one less. */
  countDraws(channel: number, more: 1 | -1): void {
    this.copy?.keep(channel - 1)
    this.words32[(this.wordOf(channel) + CHANNEL.draws) * 2]! += more
  }

  /** Number of an open channel's debit account. */
  debit(channel: number): number {
    return this.words32[(this.wordOf(channel) + CHANNEL.debitCode) * 2]!
  }

  /** The caller's own classification of an open channel's transfer, as 32 bits. */
  code(channel: number): number {
    return this.words32[(this.wordOf(channel) + CHANNEL.debitCode) * 2 + 1]!
  }

  /** The channel whose timer comes first, 0 if none waits. */
  firstWaiting(): number {
    const queued = this.behind[0]!
    const other = this.heap.first()
    return other > 0 && (queued === 0 || this.isEarlier(other, queued)) ? other : queued
  }

  isEarlier(left: number, right: number): boolean {
    const leftAt = this.words[this.wordOf(left) + CHANNEL.remindAt]!
    const rightAt = this.words[this.wordOf(right) + CHANNEL.remindAt]!
    return leftAt === rightAt ? left < right : leftAt < rightAt
  }

  setPlace(channel: number, place: number): void {
    this.behind[channel] = -place
  }

  /** When that one is to be reminded, nanoseconds since 1970; 0n if none waits. */
  firstRemindAt(): bigint {
    const channel = this.firstWaiting()
    return channel === 0 ? 0n : this.words[this.wordOf(channel) + CHANNEL.remindAt]!
  }

  /** Word at which a channel begins. */
  wordOf(channel: number): number {
    return (channel - 1) * CHANNEL_WORDS
  }

  /** Begins the next turn of `channel`, which `next` gave, in this state. The caller fills in the rest of its words. */
  begin(channel: number, state: number): void {
    if (channel > this.capacity) this.grow()
    if (channel > this.count) this.count = channel
    else {
      this.copy?.keep(channel - 1)
      this.free.remove(channel)
    }
    this.words32[turnAt(channel)]! += 1
    this.words32[turnAt(channel) + 1] = state
    if (state === SOURCE_STATES.holding) this.holding += 1
    this.wait(channel)
  }

  /** Puts an open channel into a state, and behind all others that wait, if it does. To be called before its other words change. */
  move(channel: number, state: number, attempt: number): void {
    this.copy?.keep(channel - 1)
    const before = this.state(channel)
    this.words32[turnAt(channel) + 1] = state | (attempt << ATTEMPT_SHIFT)
    if (before !== SOURCE_STATES.held) this.waitNoMore(channel)
    if (before === SOURCE_STATES.holding && state !== before) this.holding -= 1
    if (state !== SOURCE_STATES.held) this.wait(channel)
  }

  /** Sets the timer of a channel that waits, which has just been begun or moved. Its deadline has to be set. */
  wakeAt(channel: number, at: bigint): void {
    const word = this.wordOf(channel)
    this.words[word + CHANNEL.remindAt] = at
    if (this.attempt(channel) === 0 && at !== this.words[word + CHANNEL.deadline]) return
    this.unlink(channel)
    this.heap.push(channel)
  }

  /** Ends the turn of a channel that waits. */
  end(channel: number): void {
    this.copy?.keep(channel - 1)
    this.waitNoMore(channel)
    if (this.state(channel) === SOURCE_STATES.holding) this.holding -= 1
    const word = this.wordOf(channel)
    for (let at = word; at < word + CHANNEL.turnState; at++) this.words[at] = 0n
    this.words32[turnAt(channel) + 1] = 0
    this.setFree(channel)
  }

  /** Puts channels back that a snapshot kept: 1 to `count`. */
  restore(kept: BigInt64Array, count: number): void {
    while (this.capacity < count) this.grow()
    this.words.set(kept)
    this.count = count
    const waiting: number[] = []
    for (let channel = 1; channel <= count; channel++)
      if (this.state(channel) === SOURCE_STATES.free) this.setFree(channel)
      else if (this.state(channel) !== SOURCE_STATES.held) waiting.push(channel)
    const remindAt = (channel: number): bigint => this.words[this.wordOf(channel) + CHANNEL.remindAt]!
    waiting.sort((left, right) => (remindAt(left) < remindAt(right) ? -1 : 1))
    for (const channel of waiting) {
      this.wait(channel)
      if (this.state(channel) === SOURCE_STATES.holding) this.holding += 1
    }
    for (const channel of waiting) this.wakeAt(channel, remindAt(channel))
  }

  private setFree(channel: number): void {
    if (this.turn(channel) < TURN_MAX) this.free.add(channel)
  }

  private wait(channel: number): void {
    this.open += 1
    const last = this.before[0]!
    this.before[channel] = last
    this.behind[channel] = 0
    this.behind[last] = channel
    this.before[0] = channel
  }

  private waitNoMore(channel: number): void {
    this.open -= 1
    this.unlink(channel)
  }

  private unlink(channel: number): void {
    if (this.behind[channel]! < 0) {
      this.heap.remove(-this.behind[channel]! - 1)
      return
    }
    const before = this.before[channel]!
    const behind = this.behind[channel]!
    this.behind[before] = behind
    this.before[behind] = before
  }

  private grow(): void {
    this.capacity = Math.min(this.capacity * 2, CHANNELS_MAX)
    this.memory.grow(this.capacity * CHANNEL_WORDS * 8)
    this.words = wordsOver(this.memory, this.capacity)
    this.words32 = new Int32Array(this.words.buffer, this.words.byteOffset, this.words.length * 2)
    this.heap.grow(this.capacity)
    this.before = grown(this.before, this.capacity + 1)
    this.behind = grown(this.behind, this.capacity + 1)
  }
}

/** The 32-bit word of a channel's turn; its state stands behind it. */
function turnAt(channel: number): number {
  return ((channel - 1) * CHANNEL_WORDS + CHANNEL.turnState) * 2
}

function wordsOver(memory: GrowingMemory, channels: number): BigInt64Array {
  return new BigInt64Array(memory.buffer, memory.byteOffset, channels * CHANNEL_WORDS)
}

function grown(links: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const more = new Int32Array(length)
  more.set(links)
  return more
}
