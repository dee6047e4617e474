/**
 * The command queue of one partition on Kafka. Waiting commands are sent as one record, one record at a time. So batches grow
 * with load, and the topic has the order of the offers.
 *
 * A record without an answer is sent again, byte for byte, within a bound. The topic may then hold it twice; ids take effect
 * once, so the second copy is a repeat. After the bound it is unknown whether the record is stored, and its offers are told so.
 */
import { mayBeSameTopic, topicPartOfId } from '../../../schemas/commands-topic.ts'
import { messageOf } from '../../../schemas/errors.ts'
import { BATCH_COMMANDS_MAX, COMMAND_SLOT_BYTES } from '../../../schemas/limits.ts'
import { consumedOf, TopicTrail, withinRecord, type Consumed } from '../../queue/offer-offsets.ts'
import type { CommandQueue, OfferOffsets, OfferStored } from '../../ports.ts'
import { QUEUE_SLOTS_MAX_DEFAULT } from '../../queue/memory-queue.ts'
import type { Log } from '../kafkajs/client.ts'
import { KafkaRefusedError } from '../errors.ts'
import { encodeCommandRecord } from './command-record.ts'
import type { OutageWatch } from '../kafkajs/outage-watch.ts'
import { openPartitionLink } from '../partition/partition-link.ts'
import { topicNames, type KafkaSettings } from '../settings.ts'

/** How long a record may go unanswered, by default. */
export const COMMAND_OUTAGE_MS_MAX = 20_000
/** How long a broker may take until all replicas that count have a record. */
const ACK_MS_MAX = 5_000
const ALL_REPLICAS = -1

export interface KafkaCommandQueueOptions {
  readonly settings: KafkaSettings
  readonly partition: number
  /** Bound of slots taken and not yet consumed. Default: QUEUE_SLOTS_MAX_DEFAULT. */
  readonly slotsMax?: number
  /**
   * False if nobody here follows the log that consumes the commands: they are let go of when they are stored. Default: true.
   */
  readonly isFollowed?: boolean
  /** Called each time that the broker does not let this user write. Default: only `log` is told. */
  readonly onRefused?: (error: KafkaRefusedError) => void
  /** How long a record may wait to be sent, and then for its answer, in ms. Default: COMMAND_OUTAGE_MS_MAX. */
  readonly outageMsMax?: number
  /** Gets the requests and their ends, for health reports. Default: none. */
  readonly outages?: OutageWatch
  /** Takes a line for the operator. */
  readonly log: Log
}

export interface KafkaCommandQueue extends CommandQueue {
  /** Frees the slots of commands that a durable frame, or the head of a log, has consumed. */
  consumed(frame: Consumed): void
  /** Asks which topic has the name now. Rejects as its requests do. */
  look(): Promise<void>
  /** A sentence while nothing is taken, because the log consumes another topic's commands; else undefined. */
  outage(): string | undefined
  /** Takes no more offers. What was taken is still sent. */
  stop(): void
  /** Resolves when every offer taken was told its offsets, or that they are unknown. */
  settled(): Promise<void>
  /** Cuts the connection. Offers that are not stored yet are told that it is unknown. */
  close(): void
}

/** Commands of whole offers, for one record. */
interface Gathered {
  bytes: Uint8Array<ArrayBuffer>
  usedBytes: number
  count: number
  readonly offers: { readonly count: number; readonly stored: OfferStored }[]
  /** When its first offer was made, by `performance.now()`. */
  readonly sinceMs: number
}

/** Commands that are stored and not consumed. */
interface Stored {
  readonly offsets: OfferOffsets
  readonly count: number
  readonly slots: number
}

/** What is known of a stored record. */
type RecordOf = Parameters<typeof withinRecord>[3]

const TAKEN = { kind: 'taken' } as const
const BYTES_MIN = 64 * COMMAND_SLOT_BYTES

export function openKafkaCommandQueue(options: KafkaCommandQueueOptions): KafkaCommandQueue {
  return new Queue(options)
}

class Queue implements KafkaCommandQueue {
  readonly partition: number
  readonly #slotsMax: number
  readonly #isFollowed: boolean
  readonly #onRefused: (error: KafkaRefusedError) => void
  readonly #outageMsMax: number
  readonly #topic: string
  readonly #log: Log
  readonly #link
  /** Not yet sent, in order; the last one gathers. */
  #gathered: Gathered[] = []
  /** In order. */
  #stored: Stored[] = []
  #consumed: Consumed | undefined
  readonly #trail = new TopicTrail()
  #slotsTaken = 0
  /** Commands gathered, on their way, or stored and not wholly consumed. */
  #commandsTaken = 0
  #isSending = false
  #isStopped = false
  /** The last record that was sent may not be stored. */
  #isAway = false
  #whenSettled: (() => void)[] = []

  constructor(options: KafkaCommandQueueOptions) {
    const { settings, partition, log, outages } = options
    this.partition = partition
    this.#slotsMax = options.slotsMax ?? QUEUE_SLOTS_MAX_DEFAULT
    this.#isFollowed = options.isFollowed ?? true
    this.#onRefused = options.onRefused ?? (() => undefined)
    this.#outageMsMax = options.outageMsMax ?? COMMAND_OUTAGE_MS_MAX
    this.#topic = topicNames(settings).commands
    this.#log = log
    this.#link = openPartitionLink({
      settings,
      topic: this.#topic,
      partition,
      log,
      outageMsMax: this.#outageMsMax,
      ...(outages === undefined ? {} : { outages }),
    })
  }

  offer(slots: Uint8Array, count: number, stored: OfferStored): ReturnType<CommandQueue['offer']> {
    const slotCount = slots.length / COMMAND_SLOT_BYTES
    if (!Number.isInteger(slotCount) || count < 1 || count > BATCH_COMMANDS_MAX || slotCount < count)
      throw new RangeError(`not an offer of ${count} commands: ${slots.length} bytes`)
    if (this.#isStopped || this.#isElsewhere()) return { kind: 'stopped' }
    if (this.#slotsTaken + slotCount > this.#slotsMax) return { kind: 'busy' }
    this.#gather(slots, count, stored)
    this.#slotsTaken += slotCount
    this.#commandsTaken += count
    this.#sendSoon()
    return TAKEN
  }

  waiting(): number {
    const [first] = this.#stored
    // Only the first one can be consumed in part.
    return this.#commandsTaken - (first === undefined ? 0 : consumedOf(first.offsets, this.#consumed))
  }

  consumed(frame: Consumed): void {
    this.#consumed = frame
    const isLost = this.#trail.next(frame)
    if (isLost !== undefined) this.#forget(isLost)
    this.#freeConsumed()
  }

  async look(): Promise<void> {
    await this.#link.ask(() => Promise.resolve())
  }

  outage(): string | undefined {
    if (!this.#isElsewhere()) return undefined
    return (
      `The log of partition ${this.partition} goes by the commands of another topic than the ${this.#topic} that is there now: ` +
      'its writer has to take that one up first, and says at its own readiness if it cannot.'
    )
  }

  /** True if the topic is known to be another one than the log consumes. */
  #isElsewhere(): boolean {
    return !mayBeSameTopic(this.#trail.part, topicPartOfId(this.#link.topicId()))
  }

  /** Frees the slots of what was stored in a topic that is gone. */
  #forget(isLost: (place: OfferOffsets) => boolean): void {
    for (const { count, slots } of this.#stored.filter(({ offsets }) => isLost(offsets)))
      this.#free(count, slots)
    this.#stored = this.#stored.filter(({ offsets }) => !isLost(offsets))
  }

  #freeConsumed(): void {
    let done = 0
    for (const { offsets, count, slots } of this.#stored) {
      if (consumedOf(offsets, this.#consumed) < count) break
      this.#free(count, slots)
      done++
    }
    if (done > 0) this.#stored = this.#stored.slice(done)
  }

  stop(): void {
    this.#isStopped = true
  }

  settled(): Promise<void> {
    if (!this.#isSending) return Promise.resolve()
    return new Promise((resolve) => this.#whenSettled.push(resolve))
  }

  close(): void {
    this.stop()
    this.#link.close()
  }

  #gather(slots: Uint8Array, count: number, stored: OfferStored): void {
    const batch = this.#batchFor(count)
    const bytesNeeded = batch.usedBytes + slots.length
    if (bytesNeeded > batch.bytes.length) {
      const grown = new Uint8Array(Math.max(bytesNeeded, batch.bytes.length * 2))
      grown.set(batch.bytes.subarray(0, batch.usedBytes))
      batch.bytes = grown
    }
    batch.bytes.set(slots, batch.usedBytes)
    batch.usedBytes = bytesNeeded
    batch.count += count
    batch.offers.push({ count, stored })
  }

  #batchFor(count: number): Gathered {
    const last = this.#gathered.at(-1)
    if (last !== undefined && last.count + count <= BATCH_COMMANDS_MAX) return last
    const batch = {
      bytes: new Uint8Array(BYTES_MIN),
      usedBytes: 0,
      count: 0,
      offers: [],
      sinceMs: performance.now(),
    }
    this.#gathered.push(batch)
    return batch
  }

  /** Sends at the end of this turn, so that its offers share a record. While a record is on its way, when that is stored. */
  #sendSoon(): void {
    if (this.#isSending) return
    this.#isSending = true
    setImmediate(() => void this.#sendAll())
  }

  async #sendAll(): Promise<void> {
    for (let batch = this.#gathered.shift(); batch !== undefined; batch = this.#gathered.shift())
      await this.#send(batch)
    this.#isSending = false
    const whenSettled = this.#whenSettled
    this.#whenSettled = []
    for (const resolve of whenSettled) resolve()
  }

  async #send(batch: Gathered): Promise<void> {
    const slots = batch.usedBytes / COMMAND_SLOT_BYTES
    let attempts = 0
    try {
      // What waited too long behind an outage is not sent: nobody waits for it any more.
      if (performance.now() - batch.sinceMs > this.#outageMsMax) throw new Error('they waited for too long')
      const value = encodeCommandRecord(batch.bytes.subarray(0, batch.usedBytes), batch.count)
      const { partition } = this
      const before = topicPartOfId(this.#link.topicId())
      const consumed = this.#consumed
      const offset = await this.#link.ask((broker) => {
        attempts++
        return broker.produce({
          topic: this.#topic,
          partition,
          acks: ALL_REPLICAS,
          timeoutMs: ACK_MS_MAX,
          values: [value],
        })
      })
      this.#recovered()
      const topic = topicPartOfId(this.#link.topicId())
      // The topic changed meanwhile, so it is unknown which one holds them.
      if (before !== 0 && before !== topic) throw new Error('the topic was made anew meanwhile')
      const of = { recordCount: batch.count, isRepeated: attempts > 1, topic }
      if (isBehind(withinRecord(offset, 0, batch.count, of), consumed))
        throw new Error('the topic ends before what the log has consumed of it')
      this.#place(batch, offset, slots, of)
    } catch (error) {
      this.#lost(batch, slots, error)
    }
  }

  #place(batch: Gathered, offset: bigint, slots: number, of: RecordOf): void {
    const isLeft = this.#trail.isLeft(withinRecord(offset, 0, batch.count, of))
    if (this.#isFollowed && !isLeft) this.#keep(batch, offset, slots, of)
    else this.#free(batch.count, slots)
    let index = 0
    for (const { count, stored } of batch.offers) {
      stored(withinRecord(offset, index, count, of))
      index += count
    }
    // Its frame may have arrived before the answer.
    this.#freeConsumed()
  }

  #keep(batch: Gathered, offset: bigint, slots: number, of: RecordOf): void {
    this.#stored.push({ offsets: withinRecord(offset, 0, batch.count, of), count: batch.count, slots })
  }

  #lost(batch: Gathered, slots: number, error: unknown): void {
    const reason = messageOf(error)
    if (!this.#isAway && !this.#isStopped)
      this.#log(`kafka: commands of partition ${this.partition} cannot be stored: ${reason}`)
    this.#isAway = true
    this.#free(batch.count, slots)
    for (const { stored } of batch.offers) stored(undefined)
    if (error instanceof KafkaRefusedError && error.isAboutUser) this.#onRefused(error)
  }

  #recovered(): void {
    if (!this.#isAway) return
    this.#isAway = false
    this.#log(`kafka: commands of partition ${this.partition} are stored again`)
  }

  #free(count: number, slots: number): void {
    this.#slotsTaken -= slots
    this.#commandsTaken -= count
  }
}

/** True if a record is stored before what the log had consumed when it was sent. */
function isBehind(place: OfferOffsets, consumed: Consumed | undefined): boolean {
  return consumedOf(place, consumed) > 0
}
