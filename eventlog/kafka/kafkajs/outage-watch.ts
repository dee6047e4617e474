/**
 * What of Kafka does not answer just now, for whoever is asked how a role is. Links report here what they ask and what
 * becomes of it. One answer ends an outage, and so does time: what was given up may have come back without anybody who asks.
 */
import { missingSentence, type TopicPartition } from '../errors.ts'
import { classifyError } from './classify-error.ts'

/** Unanswered for so long is told of: a reader's request waits a second for records, and a slow machine for more. */
export const SILENT_MS_TOLD = 5_000
/** A topic that is not there is told of sooner: only a broker that has just learned of it does not know it. */
const MISSING_MS_TOLD = 1_000
/** What was given up is told of for so long. */
export const GIVEN_UP_MS_TOLD = 5_000

export class OutageWatch {
  readonly #links = new Set<WatchedLink>()
  readonly #nowMs: () => number

  /** @param nowMs milliseconds that only go forward */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs
  }

  /** One more link, until it is closed. */
  add(to: TopicPartition): WatchedLink {
    const link = new WatchedLink(to, this.#nowMs, () => this.#links.delete(link))
    this.#links.add(link)
    return link
  }

  /** What does not answer, in sentences, link by link; empty: all that was asked of late was answered. */
  outages(): readonly string[] {
    return [...this.#links].map((link) => link.outage()).filter((outage) => outage !== undefined)
  }
}

/** A link as it is watched: told of each request's beginning and of its end, whichever it is. */
export class WatchedLink {
  /** Ends the watch. */
  readonly close: () => void
  readonly #to: TopicPartition
  readonly #nowMs: () => number
  #requests = 0
  /** Of the first request since the last answer. */
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
    // The next one to be tried goes on with the outage that the last one was given up in.
    if (this.#requests === 0 && !this.#isGivenUpOfLate()) this.#answeredUntilNow()
    this.#requests++
  }

  answered(): void {
    this.#requests--
    this.#answeredUntilNow()
  }

  /** An attempt failed; there will be more. */
  failed(error: unknown): void {
    this.#lastFailure = error
  }

  /** There will be no more attempts. */
  gaveUp(error: Error): void {
    this.#requests--
    this.#givenUp = { message: error.message, atMs: this.#nowMs() }
  }

  /** Whoever asked does not want to know any more. */
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
