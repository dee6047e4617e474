/**
 * A pump: frames of one partition from the log, proven to continue what its views hold, gathered into ranges, written, then
 * the checkpoint, then the word that the views are further. One range gathers while the one before is written, so memory is
 * bounded by two. An outage is retried with the same bytes until it ends; anything else stops the pump, loudly.
 */
import { messageOf } from '../../../schemas/errors.ts'
import type { EventLog } from '../../../eventlog/ports.ts'
import { ChainProof, type Checkpoint } from './chain.ts'
import type { Clock } from '../ports.ts'
import { RangeBuffer, RANGES, type Range, type RangeLimits } from './range.ts'
import { OutageError } from '../../clickhouse/view-store.ts'
import { Wake } from './wake.ts'

export interface PumpOptions extends RangeLimits {
  readonly log: EventLog
  readonly from: Checkpoint
  readonly clock: Clock
  /** How long the first frame of a range waits for more, in ms, while nobody waits for it. */
  readonly lingerMs: number
  /** Whether anybody waits for this partition's views now. Who begins to wait calls `hurry`. */
  readonly isAwaited: () => boolean
  readonly report: (line: string) => void
  /**
   * Stores a range's rows for good, or as much of it as there is to be.
   * @returns the checkpoint to which they lead
   */
  readonly write: (range: Range) => Promise<Checkpoint>
  /** Stores how far the views are. */
  readonly settle: (checkpoint: Checkpoint) => Promise<void>
  /** Looks whether all is there that the views stand in, while there is nothing to write. */
  readonly look: (signal: AbortSignal) => Promise<void>
  /** Of the time, how much it may spend on filling while it is behind: above 0, at most 1. */
  readonly share: number
  /** Called after each range that the views hold. */
  readonly advanced: () => void
  /** Called once if it stops by a failure. */
  readonly failed: (error: unknown) => void
}

export type PumpState = 'catching-up' | 'live' | 'paused' | 'retrying' | 'stalled' | 'stopped'

/** An answer of the store that takes longer than this, in ms, is told of: a full range takes a second or two. */
export const STALLED_MS = 10_000

/** Longest sleep, so that a pump with nothing to do still shows that it lives. */
const IDLE_LOOK_MS = 500
/** How often it is looked whether all is there still. Each range does so by itself. */
const LOOK_EVERY_MS = 2_500
const LINGER_MS_MAX = 200
/** Longest rest between two ranges of a throttled pump. */
const REST_MS_MAX = 5_000
/** A throttled pump draws breath each time that it has read so many bytes: what reads and verifies them answers commands too. */
const BREATH_BYTES = 512 * 1024
const BREATH_MS = 5
const RETRY_MS_MIN = 50
const RETRY_MS_MAX = 2_000

export class Pump {
  readonly #options: PumpOptions
  readonly #buffer: RangeBuffer
  readonly #chain: ChainProof
  readonly #stop = new AbortController()
  readonly #wake: Wake
  /** Nothing but the end of the pump wakes it: frames that come in during an outage are no reason to ask again sooner. */
  readonly #backOff: Wake
  /** What there was when it started; undefined: not known yet. */
  #headAtStart: bigint | undefined
  #checkpoint: Checkpoint
  #writing: Range | undefined
  #writingOldestNs: bigint | undefined
  #isFull = false
  #paused = false
  /** Where it is to hold, once it is there. */
  #holdsAt: bigint | undefined
  /** Since when the store has owed an answer, by the monotonic clock; undefined: it owes none. */
  #askedAtMs: number | undefined
  /** What is being tried again, and why. */
  #outage: string | undefined
  /** Why it stopped. */
  #failure: string | undefined
  /** How long the last range took to write. */
  #writeMs = 0
  #movedAtMs: number
  #lookedAtMs: number
  #ended: Promise<void> | undefined

  constructor(options: PumpOptions) {
    this.#options = options
    this.#wake = new Wake(options.clock)
    this.#backOff = new Wake(options.clock)
    this.#movedAtMs = options.clock.monotonicMs()
    this.#lookedAtMs = this.#movedAtMs
    this.#buffer = new RangeBuffer(options)
    this.#chain = new ChainProof(options.from)
    this.#checkpoint = options.from
  }

  get checkpoint(): Checkpoint {
    return this.#checkpoint
  }

  get failure(): string | undefined {
    return this.#failure ?? this.#outage ?? this.#silence()
  }

  /** What the store has not answered for too long, if so. */
  #silence(): string | undefined {
    if (this.#askedAtMs === undefined) return undefined
    const waitedMs = this.#options.clock.monotonicMs() - this.#askedAtMs
    if (waitedMs <= STALLED_MS) return undefined
    const { partition, sequence } = this.#checkpoint
    return `behind ${partition}:${sequence}, the view store has not answered for ${Math.floor(waitedMs / 1_000)} s`
  }

  /** When it last moved, or found nothing to do, by the monotonic clock. */
  get movedAtMs(): number {
    return this.#movedAtMs
  }

  /** Events in the log that the views do not hold, also those that have not been read yet. */
  get lagEvents(): bigint {
    const lag = this.#options.log.endSequence() - this.#checkpoint.sequence
    return lag > 0n ? lag : 0n
  }

  /** The writer's time of the oldest event that the views do not hold, as far as it has been read. */
  get oldestNs(): bigint | undefined {
    return this.#writingOldestNs ?? this.#buffer.oldestNs
  }

  get state(): PumpState {
    if (this.#ended === undefined || this.#stop.signal.aborted) return 'stopped'
    if (this.#outage !== undefined) return 'retrying'
    if (this.#silence() !== undefined) return 'stalled'
    if (this.#paused) return 'paused'
    const isBehind = this.#isBehindStart() || this.lagEvents > BigInt(this.#options.rangeEventsMax)
    return isBehind ? 'catching-up' : 'live'
  }

  /** Starts, maybe paused; what goes wrong later is seen in `state` and `failure`. */
  start(isPaused = false): void {
    this.#paused = isPaused
    // A log that fails tells its readers.
    this.#lookAhead().catch(() => undefined)
    this.#ended = Promise.all([this.#guard(this.#read()), this.#guard(this.#write())]).then(() => undefined)
  }

  async #lookAhead(): Promise<void> {
    const { sequence } = await this.#options.log.currentHead(this.#stop.signal)
    this.#headAtStart = sequence
  }

  /** Stops reading and writing; resolves when no insert is under way, or it has been resumed. */
  async pause(): Promise<void> {
    this.#paused = true
    this.#wake.now()
    while (this.#paused && this.#writing !== undefined && !this.#stop.signal.aborted)
      await this.#wake.sleep(IDLE_LOOK_MS)
  }

  resume(): void {
    this.#paused = false
    this.#holdsAt = undefined
    this.#wake.now()
  }

  /** Somebody has begun to wait: looks again how long the range at hand may grow. */
  hurry(): void {
    this.#wake.now()
  }

  /**
   * Goes on to the frame that ends with `sequence`, and no further until it is resumed.
   * @returns false if it is not there within `waitMs`, or has stopped: it then goes on as before
   */
  async goTo(sequence: bigint, waitMs: number): Promise<boolean> {
    const { clock } = this.#options
    this.#holdsAt = sequence
    this.#wake.now()
    const untilMs = clock.monotonicMs() + waitMs
    while (this.#checkpoint.sequence < sequence && !this.#stop.signal.aborted) {
      const leftMs = untilMs - clock.monotonicMs()
      if (leftMs <= 0) break
      await this.#wake.sleep(Math.min(leftMs, IDLE_LOOK_MS))
    }
    const isThere = this.#checkpoint.sequence === sequence && !this.#stop.signal.aborted
    if (!isThere) this.#holdsAt = undefined
    return isThere
  }

  /** Ends the pump; an insert under way ends first. */
  async stop(): Promise<void> {
    this.#end()
    await this.#ended
  }

  #end(): void {
    this.#stop.abort()
    this.#wake.now()
    this.#backOff.now()
  }

  /** A failure of either half ends both, and says at which position. */
  async #guard(half: Promise<void>): Promise<void> {
    try {
      await half
    } catch (error) {
      if (!this.#stop.signal.aborted) {
        const { partition, sequence } = this.#checkpoint
        const cause = messageOf(error)
        this.#failure = `stopped behind ${partition}:${sequence}: ${cause}`
        this.#end()
        this.#options.failed(error)
      }
      this.#end()
      this.#options.advanced()
    }
  }

  async #read(): Promise<void> {
    const { log } = this.#options
    const { signal } = this.#stop
    let unbreathed = 0
    for await (const frame of log.tail(this.#chain.readFrom, signal)) {
      if (signal.aborted) return
      unbreathed += frame.payload.length
      if (this.#isThrottled() && unbreathed >= BREATH_BYTES) {
        unbreathed = 0
        await this.#backOff.sleep(BREATH_MS)
      }
      if (!this.#chain.continues(frame) || frame.count === 0) continue
      while (!this.#buffer.hasRoom(frame)) {
        this.#isFull = true
        this.#wake.now()
        await this.#wake.sleep(IDLE_LOOK_MS)
        if (signal.aborted) return
      }
      this.#buffer.push(frame, this.#options.clock.monotonicMs(), log.logOffsetOf(frame) ?? 0n)
      this.#wake.now()
    }
    if (!signal.aborted) throw new Error('the log ended')
  }

  async #write(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      const waitMs = this.#msUntilRange()
      if (waitMs > 0) {
        await this.#wake.sleep(waitMs)
        if (this.#buffer.isEmpty && this.lagEvents === 0n) this.#movedAtMs = this.#options.clock.monotonicMs()
        await this.#look()
        continue
      }
      this.#writingOldestNs = this.#buffer.oldestNs
      const range = this.#buffer.take(this.#holdsAt)
      if (range === undefined) {
        this.#writingOldestNs = undefined
        await this.#wake.sleep(IDLE_LOOK_MS)
        continue
      }
      this.#writing = range
      this.#isFull = false
      this.#wake.now()
      const startedMs = this.#options.clock.monotonicMs()
      const checkpoint = await this.#persist(range)
      this.#writeMs = this.#options.clock.monotonicMs() - startedMs
      this.#checkpoint = checkpoint
      this.#writing = undefined
      this.#writingOldestNs = undefined
      this.#movedAtMs = this.#options.clock.monotonicMs()
      this.#lookedAtMs = this.#movedAtMs
      this.#wake.now()
      this.#options.advanced()
      await this.#rest()
    }
  }

  async #look(): Promise<void> {
    const nowMs = this.#options.clock.monotonicMs()
    if (this.#stop.signal.aborted || nowMs - this.#lookedAtMs < LOOK_EVERY_MS) return
    this.#lookedAtMs = nowMs
    try {
      await this.#options.look(this.#stop.signal)
    } catch (error) {
      // What passes is told of by whoever has something to write.
      if (!(error instanceof OutageError) && !this.#stop.signal.aborted) throw error
    }
  }

  /** Leaves the rest of the time to others, while it is behind. */
  async #rest(): Promise<void> {
    const { share } = this.#options
    if (!this.#isThrottled()) return
    await this.#backOff.sleep(Math.min(REST_MS_MAX, this.#writeMs * (1 / share - 1)))
  }

  /** One that is level with the log costs little, and is not to fall behind. */
  #isThrottled(): boolean {
    return this.#options.share < 1 && this.state === 'catching-up'
  }

  /** 0: take a range now. */
  #msUntilRange(): number {
    if (this.#paused || this.#buffer.isEmpty || this.#isHeld()) return IDLE_LOOK_MS
    if (this.#holdsAt !== undefined) return 0
    if (this.#isFull) return 0
    // Small inserts cost nearly as much as large ones: a busy store is given more at a time, not more often.
    const lingerMs = Math.max(this.#patienceMs(), Math.min(this.#writeMs, LINGER_MS_MAX))
    return Math.max(0, this.#buffer.sinceMs + lingerMs - this.#options.clock.monotonicMs())
  }

  #patienceMs(): number {
    const { lingerMs, isAwaited } = this.#options
    const isPatient = !isAwaited() && !this.#isBehindStart()
    return isPatient ? lingerMs : Math.min(lingerMs, RANGES.lingerAwaitedMs)
  }

  #isBehindStart(): boolean {
    return this.#headAtStart === undefined || this.#checkpoint.sequence < this.#headAtStart
  }

  #isHeld(): boolean {
    return this.#holdsAt !== undefined && this.#checkpoint.sequence >= this.#holdsAt
  }

  async #persist(range: Range): Promise<Checkpoint> {
    const { write, settle } = this.#options
    const checkpoint = await this.#untilDone(() => write(range), `${range.first} to ${range.last}`)
    await this.#untilDone(() => settle(checkpoint), `checkpoint ${checkpoint.sequence}`)
    return checkpoint
  }

  /** Repeats a step for as long as the store is out; each attempt has the store's own bound. Nothing is ever skipped. */
  async #untilDone<Result>(step: () => Promise<Result>, what: string): Promise<Result> {
    const { report, from } = this.#options
    for (let pauseMs = RETRY_MS_MIN; ; pauseMs = Math.min(RETRY_MS_MAX, pauseMs * 2)) {
      try {
        this.#askedAtMs = this.#options.clock.monotonicMs()
        const result = await step().finally(() => (this.#askedAtMs = undefined))
        if (this.#outage !== undefined)
          report(`projections: partition ${from.partition}, ${what}: written after all`)
        this.#outage = undefined
        return result
      } catch (error) {
        // Outages have a code of their own; all else means that the statement or the bytes are wrong.
        if (!(error instanceof OutageError) || this.#stop.signal.aborted) throw error
        const outage = `partition ${from.partition}, ${what}: ${error.message}`
        if (this.#outage === undefined) report(`projections: ${outage} Trying again.`)
        this.#outage = outage
        await this.#backOff.sleep(pauseMs)
        this.#stop.signal.throwIfAborted()
      }
    }
  }
}
