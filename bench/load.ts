/** Sends a load through lanes and measures what comes back: at full speed, or at a given rate. */
import { setTimeout as delay } from 'node:timers/promises'
import { SLOT_WORDS } from '../schemas/commands.ts'
import { COMMAND_SLOT_BYTES } from '../schemas/limits.ts'
import { CommandGenerator, type Made } from './generator.ts'
import { Histogram } from './histogram.ts'
import type { Lane } from './lanes.ts'
import { Schedule } from './schedule.ts'
import type { SerialSet } from './serial-set.ts'
import { workloadOf } from './workloads.ts'

export interface Load {
  readonly workload: string
  readonly accounts: number
  readonly seed: number
  readonly unlimited: boolean
  /** Serial number of the first command: behind those of every other load on the same log. */
  readonly firstSerial: number
  /** Commands in a message. */
  readonly batch: number
  /** Messages under way on each lane: sent and not answered. */
  readonly inFlight: number
  readonly seconds: number
  /** At full speed, commands sent at least, however long that takes. */
  readonly commandsMin: number
  /** Messages a second over all lanes, sent when they are due; undefined: each as soon as one is answered. */
  readonly messagesPerSecond: number | undefined
}

export interface LoadResult {
  readonly messages: number
  /** From the first message to the last answer. */
  readonly wallSeconds: number
  readonly made: Made
  readonly nextSerial: number
  readonly decided: number
  readonly refused: number
  readonly repeated: number
  readonly buckets: Float64Array
  readonly maxMs: number
}

/**
 * Sends a load and waits for all its answers.
 * @param acknowledged gets the serial of every command that was answered; undefined: the lanes decide nothing
 */
export async function sendLoad(
  lanes: readonly Lane[],
  load: Load,
  acknowledged: SerialSet | undefined,
): Promise<LoadResult> {
  const sender = new Sender(load, acknowledged)
  const startMs = performance.now()
  if (load.messagesPerSecond === undefined)
    await Promise.all(
      lanes.flatMap((lane) => Array.from({ length: load.inFlight }, () => sender.keepSending(lane, startMs))),
    )
  else await sender.sendOnTime(lanes, new Schedule(startMs, load.messagesPerSecond), startMs)
  return sender.result((performance.now() - startMs) / 1_000)
}

class Sender {
  readonly #load: Load
  readonly #acknowledged: SerialSet | undefined
  readonly #generator: CommandGenerator
  readonly #histogram = new Histogram()
  #messages = 0
  #decided = 0
  #refused = 0
  #repeated = 0

  constructor(load: Load, acknowledged: SerialSet | undefined) {
    this.#load = load
    this.#acknowledged = acknowledged
    this.#generator = new CommandGenerator(workloadOf(load.workload), load)
  }

  /** One message after the other until the time is over. */
  async keepSending(lane: Lane, startMs: number): Promise<void> {
    const slots = new Uint8Array(this.#load.batch * COMMAND_SLOT_BYTES)
    const { seconds, commandsMin } = this.#load
    const endMs = startMs + seconds * 1_000
    for (;;) {
      const nowMs = performance.now()
      if (nowMs >= endMs && this.#generator.made().commands >= commandsMin) return
      await this.#sendOne(lane, slots, nowMs)
    }
  }

  /** Each message when it is due, over the lanes in turn; if as many as may be are under way, as soon as one is answered. */
  async sendOnTime(lanes: readonly Lane[], schedule: Schedule, startMs: number): Promise<void> {
    const { batch, seconds, inFlight } = this.#load
    const free = Array.from(
      { length: lanes.length * inFlight },
      () => new Uint8Array(batch * COMMAND_SLOT_BYTES),
    )
    const underWay = new Set<Promise<void>>()
    const endMs = startMs + seconds * 1_000
    for (let sent = 0; schedule.intendedMs(sent) < endMs; sent++) {
      const intendedMs = schedule.intendedMs(sent)
      while (performance.now() < intendedMs) await delay(intendedMs - performance.now())
      while (free.length === 0) await Promise.race(underWay)
      const slots = free.pop()!
      const sending = this.#sendOne(lanes[sent % lanes.length]!, slots, intendedMs).finally(() => {
        free.push(slots)
        underWay.delete(sending)
      })
      // Whoever awaits the set hears of a failure.
      sending.catch(() => undefined)
      underWay.add(sending)
    }
    await Promise.all(underWay)
  }

  result(wallSeconds: number): LoadResult {
    return {
      messages: this.#messages,
      wallSeconds,
      made: this.#generator.made(),
      nextSerial: this.#generator.nextSerial(),
      decided: this.#decided,
      refused: this.#refused,
      repeated: this.#repeated,
      buckets: this.#histogram.buckets(),
      maxMs: this.#histogram.max(),
    }
  }

  async #sendOne(lane: Lane, slots: Uint8Array, fromMs: number): Promise<void> {
    const { batch } = this.#load
    this.#generator.fill(slots, batch, Date.now())
    const answer = await lane.send(slots, batch)
    this.#histogram.record(performance.now() - fromMs)
    this.#messages += 1
    this.#decided += answer.decided
    this.#refused += answer.refused
    this.#repeated += answer.repeated
    if (this.#acknowledged !== undefined) this.#acknowledge(slots, this.#acknowledged)
  }

  #acknowledge(slots: Uint8Array, acknowledged: SerialSet): void {
    const words = new Uint32Array(slots.buffer, slots.byteOffset, slots.length / 4)
    for (let word = 1; word < words.length; word += SLOT_WORDS * 2) acknowledged.add(words[word]!)
  }
}
