/**
 * Whether the view store answers: asked in the background, so that whoever wants to know is told at once, whatever hangs
 * behind the address. One question is under way at a time; one that hangs is given up and asked again on another connection.
 */
import type { Clock } from '../runtime/ports.ts'
import type { ProjectionStatus } from '../runtime/status.ts'
import { systemClock } from '../runtime/system-clock.ts'
import type { ViewStore } from './view-store.ts'

export interface StoreWatchOptions {
  /** Pause between an answer and the next question, in ms; default 1,000. */
  readonly everyMs?: number
  /** How long it may answer nothing before it counts as away, in ms; default 3,000. */
  readonly silentMsMax?: number
  /** Default: the machine's. */
  readonly clock?: Clock
}

const EVERY_MS = 1_000
/** After a question that was not answered. */
const AGAIN_MS = 250
const SILENT_MS_MAX = 3_000

export class StoreWatch {
  readonly #store: Pick<ViewStore, 'ping'>
  readonly #everyMs: number
  readonly #silentMsMax: number
  readonly #clock: Clock
  readonly #listeners = new Set<() => void>()
  #over = false
  #callOff: () => void = () => undefined
  #underWay: AbortController | undefined
  readonly #beganAtMs: number
  /** By the monotonic clock: when it answered last; undefined: never. */
  #answeredAtMs: number | undefined
  /** When the question was asked that has no answer yet; undefined: none is under way. */
  #askedAtMs: number | undefined
  /** True if the newest question that is over was not answered. */
  #isFailing = false

  /** Asks for the first time at once. */
  constructor(store: Pick<ViewStore, 'ping'>, options: StoreWatchOptions = {}) {
    this.#store = store
    this.#everyMs = options.everyMs ?? EVERY_MS
    this.#silentMsMax = options.silentMsMax ?? SILENT_MS_MAX
    this.#clock = options.clock ?? systemClock
    this.#beganAtMs = this.#clock.monotonicMs()
    void this.#ask()
  }

  /**
   * Why nothing can be read just now, in a sentence; undefined if the store answers. One that is back within the bound was
   * not away: who reads tries as long as that himself.
   */
  outage(): string | undefined {
    const silentMs = this.silentMs()
    if (this.#answeredAtMs !== undefined && silentMs <= this.#silentMsMax) return undefined
    const askedAtMs = this.#askedAtMs
    const isHanging = askedAtMs !== undefined && this.#clock.monotonicMs() - askedAtMs > this.#silentMsMax
    if (!this.#isFailing && !isHanging) return undefined
    return `The view store has not answered for ${Math.max(1, Math.floor(silentMs / 1_000))} s.`
  }

  /** Since when it has not answered, in ms: no more than a pause and an answer as long as it does. */
  silentMs(): number {
    return Math.max(0, this.#clock.monotonicMs() - (this.#answeredAtMs ?? this.#beganAtMs))
  }

  /** Resolves with the first answer, or when it is known that there is none. */
  async settled(): Promise<void> {
    if (this.#askedAtMs === undefined) return
    await new Promise<void>((resolve) => {
      const stopListening = this.onAnswer(() => {
        stopListening()
        resolve()
      })
    })
  }

  /** Called when a question is over, answered or not; returns the way to stop. */
  onAnswer(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  stop(): void {
    this.#over = true
    this.#callOff()
    this.#underWay?.abort()
  }

  async #ask(): Promise<void> {
    this.#askedAtMs = this.#clock.monotonicMs()
    const underWay = (this.#underWay = new AbortController())
    const late = new Promise<false>((resolve) => {
      this.#callOff = this.#clock.after(this.#silentMsMax, () => resolve(false))
    })
    const isThere = await Promise.race([this.#store.ping(underWay.signal).catch(() => false), late])
    this.#callOff()
    underWay.abort()
    if (this.#over) return
    this.#askedAtMs = undefined
    this.#isFailing = !isThere
    if (isThere) this.#answeredAtMs = this.#clock.monotonicMs()
    const pauseMs = isThere ? this.#everyMs : Math.min(this.#everyMs, AGAIN_MS)
    this.#callOff = this.#clock.after(pauseMs, () => void this.#ask())
    for (const listener of [...this.#listeners]) listener()
  }
}

/**
 * What the projections say of themselves, and what the store says of them: whoever has nothing to write does not notice
 * that nobody would take it.
 */
export function seenWithStore(
  statuses: readonly ProjectionStatus[],
  watch: Pick<StoreWatch, 'outage' | 'silentMs'>,
): readonly ProjectionStatus[] {
  const outage = watch.outage()
  if (outage === undefined) return statuses
  return statuses.map((status) => ({
    ...status,
    state: status.state === 'live' || status.state === 'catching-up' ? 'stalled' : status.state,
    pumpAgeSeconds: Math.max(status.pumpAgeSeconds, watch.silentMs() / 1_000),
    failure: status.failure ?? outage,
  }))
}
