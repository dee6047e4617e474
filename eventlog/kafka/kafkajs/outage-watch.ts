/**
 * Which Kafka requests are failing, for health reports. Links report their requests here, and how each ends. One answer ends
 * an outage. So does time after a request was given up: nobody may be asking any more, so nobody would see Kafka return.
 */
import { missingSentence, type TopicPartition } from '../errors.ts'
import { classifyError } from './classify-error.ts'

/** Silence that counts as an outage. A reader's request waits a second for records, on a slow machine longer. */
export const SILENT_MS_TOLD = 5_000
/** A missing topic is reported sooner: only a broker that is about to learn of it does not know it. */
const MISSING_MS_TOLD = 1_000
/** How long a request that was given up is reported. */
export const GIVEN_UP_MS_TOLD = 5_000

export class OutageWatch {
  readonly #links = new Set<WatchedLink>()
  readonly #nowMs: () => number

  /** @param nowMs milliseconds that only go forward */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs
  }

  /** Watches one more link, until it is closed. */
  add(to: TopicPartition): WatchedLink {
    const link = new WatchedLink(to, this.#nowMs, () => this.#links.delete(link))
    this.#links.add(link)
    return link
  }

  /** One sentence for each link in an outage; empty: none is. */
  outages(): readonly string[] {
    return [...this.#links].map((link) => link.outage()).filter((outage) => outage !== undefined)
  }
}

/** One watched link. It gets the beginning and the end of each request. */
export class WatchedLink {
  /** Ends the watch. */
  readonly close: () => void
  readonly #to: TopicPartition
  readonly #nowMs: () => number
  #requests = 0
  /** When the first request after the last answer was sent. */
  #unansweredSinceMs = 0
  #lastFailure: unknown
  #givenUp: { readonly message: string; readonly atMs: number } | undefined

  /** Use `OutageWatch.add`. */
  constructor(to: TopicPartition, nowMs: () => number, close: () => void) {
    this.#to = to
    this.#nowMs = nowMs
    this.close = close
  }

  asked(): void {
    // After a recent give-up, the outage goes on with the next request.
    if (this.#requests === 0 && !this.#isGivenUpOfLate()) this.#answeredUntilNow()
    this.#requests++
  }

  answered(): void {
    this.#requests--
    this.#answeredUntilNow()
  }

  /** An attempt failed; more follow. */
  failed(error: unknown): void {
    this.#lastFailure = error
  }

  /** No more attempts follow. */
  gaveUp(error: Error): void {
    this.#requests--
    this.#givenUp = { message: error.message, atMs: this.#nowMs() }
  }

  /** The caller aborted it. */
  withdrawn(): void {
    this.#requests--
  }

  outage(): string | undefined {
    const silentMs = this.#nowMs() - this.#unansweredSinceMs
    const toldMs = this.#isMissing() ? MISSING_MS_TOLD : SILENT_MS_TOLD
    if (this.#requests > 0 && silentMs >= toldMs) return this.#silence(silentMs)
    return this.#isGivenUpOfLate() ? this.#givenUp?.message : undefined
  }

  #silence(ms: number): string {
    const { topic, partition } = this.#to
    if (this.#isMissing()) return missingSentence({ topic, partition })
    const reason = this.#lastFailure === undefined ? '' : `: ${classifyError(this.#lastFailure).reason}`
    return `Kafka has not answered for partition ${partition} of ${topic} for ${Math.floor(ms / 1_000)} s${reason}.`
  }

  #isMissing(): boolean {
    return this.#lastFailure !== undefined && classifyError(this.#lastFailure).kind === 'missing'
  }

  #isGivenUpOfLate(): boolean {
    return this.#givenUp !== undefined && this.#nowMs() - this.#givenUp.atMs < GIVEN_UP_MS_TOLD
  }

  #answeredUntilNow(): void {
    this.#unansweredSinceMs = this.#nowMs()
    this.#lastFailure = undefined
    this.#givenUp = undefined
  }
}
