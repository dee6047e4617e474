/**
 * Takes a partition's commands from its topic to the core, in order: as many records at a time as came together and fit one
 * batch, and only when the core wants a batch. So no more is in memory than the reader fetches ahead, whatever waits on the
 * topic. A record that holds no commands (some other program wrote it) is skipped, counted and told: it consumes its offset
 * and makes no event. A command that no door lets through is passed over alone, or with what it is linked with: the others
 * of its record are decided. If no commands follow, a frame without events says so after a while: a successor does not find it again,
 * nor its place deleted from the topic. Records that were deleted before they were taken are passed over, loudly.
 */
import { BatchMemory } from '../../eventlog/batch-memory.ts'
import { decodeCommandRecord } from '../../eventlog/kafka/command-record.ts'
import { BatchDamagedError, KafkaOffsetError, TopicReplacedError } from '../../eventlog/kafka/errors.ts'
import type { TopicReader, TopicRecord } from '../../eventlog/kafka/topic-reader.ts'
import type { CommandPlace } from '../../eventlog/ports.ts'
import type { PassedOver } from '../../schemas/check-commands.ts'
import { byteOfCommand } from '../../schemas/commands.ts'
import { BATCH_COMMANDS_MAX } from '../../schemas/limits.ts'
import type { CommandPlaces } from './command-places.ts'

/** Records that cannot be read are told once in a while: a stranger may write a million of them. */
const TOLD_EVERY_MS = 10_000
const MARK_AFTER_MS_DEFAULT = 10_000

export interface CommandFeedPorts {
  readonly reader: Pick<TopicReader, 'read'>
  /** What is read, for the operator: `partition 0 of purser.commands`. */
  readonly source: string
  readonly places: CommandPlaces
  /**
   * Takes a batch to the core, in shared memory that stays as it is until `consumed` says that it may change. A batch of no
   * commands makes a frame without events.
   */
  send(slots: Uint8Array<SharedArrayBuffer>, count: number): void
  /** Takes a line for the operator. */
  notice(line: string): void
  nowMs(): number
  /** After so many ms what was passed over stands in a frame, if no command came. Default: 10 seconds. */
  readonly markAfterMs?: number
}

/** Commands of a record that stand one behind the other. */
interface Run {
  readonly firstIndex: number
  readonly slots: Uint8Array
  readonly count: number
}

/** Commands of one record, from the one to begin with. */
interface Wanted {
  readonly kind: 'wanted'
  readonly offset: bigint
  readonly runs: readonly Run[]
  /** Of all runs. */
  readonly count: number
  readonly bytes: number
  /** What stands between the runs. */
  readonly passedOver: readonly PassedOver[]
}

type Found = Wanted | { readonly kind: 'nothing'; readonly reason: string }

export class CommandFeed {
  /** Records skipped because they hold no commands. */
  skipped = 0
  /** Commands that no door lets through, in records whose others were taken. */
  passedOver = 0
  /** Records that were deleted from the topic before they were taken. */
  deleted = 0
  /** The offset behind the last record that was read, whatever became of it. */
  readTo: bigint
  private readonly ports: CommandFeedPorts
  private readonly start: CommandPlace
  private readonly memory = new BatchMemory()
  /** Batches that the core still has to be given. */
  private wantedBatches = 0
  private onWanted: () => void = () => undefined
  private onConsumed: () => void = () => undefined
  /** Sent and not yet consumed: the memory, and the offset of its last record. */
  private readonly sent: { readonly lastOffset: bigint; readonly memory: Uint8Array<SharedArrayBuffer> }[] =
    []
  private readonly over = new AbortController()
  private toldAtMs = -Infinity
  /** The offset behind what was passed over last, and the one that a durable frame says is consumed. */
  private passedTo: bigint
  private recordedTo: bigint
  private markTimer: NodeJS.Timeout | undefined
  /** The record looked at last: one that did not fit a batch is not decoded again for the next. */
  private looked: { readonly record: TopicRecord; readonly found: Found } | undefined

  /** @param start the first command to be given */
  constructor(start: CommandPlace, ports: CommandFeedPorts) {
    this.start = start
    this.ports = ports
    this.readTo = start.offset
    this.passedTo = start.offset
    this.recordedTo = start.offset
  }

  /** The core wants one more batch. */
  wanted(): void {
    this.wantedBatches++
    this.onWanted()
  }

  /** Commands before this place are durable: their memory may be used again. */
  consumed({ offset }: CommandPlace): void {
    this.recordedTo = offset
    while (this.sent.length > 0 && this.sent[0]!.lastOffset < offset)
      this.memory.give(this.sent.shift()!.memory)
    this.onConsumed()
  }

  /** Has a frame say what was passed over, unless one does, or one that is on its way will. */
  mark(): void {
    if (this.recordedTo >= this.passedTo || this.sent.length > 0 || this.wantedBatches === 0) return
    const memory = this.memory.take(0)
    this.sent.push({ lastOffset: this.passedTo - 1n, memory })
    this.wantedBatches--
    this.ports.send(memory.subarray(0, 0), 0)
  }

  /** Ends the feed: nothing is sent any more. */
  stop(): void {
    this.over.abort()
    clearTimeout(this.markTimer)
    this.onWanted()
    this.onConsumed()
  }

  /**
   * Feeds until it is stopped.
   * @throws what the reader throws, but for records that were deleted: nobody can decide them any more, and no later start
   *   would find them either. BatchDamagedError and TopicReplacedError come when all that was read before is consumed
   */
  async run(): Promise<void> {
    for (let from = this.start.offset; ;) {
      try {
        await this.feedFrom(from)
        return
      } catch (error) {
        // Whoever begins anew comes no further: what stands before it has to be decided now.
        if (error instanceof BatchDamagedError || error instanceof TopicReplacedError)
          await this.untilConsumed()
        if (!(error instanceof KafkaOffsetError) || error.code !== 'kafka_offset_gone') throw error
        this.passDeleted(error.offset, error.bounds.first)
        from = error.bounds.first
      }
    }
  }

  private async feedFrom(from: bigint): Promise<void> {
    const { signal } = this.over
    for await (const records of this.ports.reader.read(from, { signal })) {
      const last = records.at(-1)
      if (last !== undefined) this.readTo = last.unreadable?.end ?? last.offset + 1n
      for (let at = 0; at < records.length && !signal.aborted;) {
        await this.untilWanted()
        if (signal.aborted) return
        at = this.sendFrom(records, at)
      }
    }
  }

  private async untilWanted(): Promise<void> {
    while (this.wantedBatches === 0 && !this.over.signal.aborted)
      await new Promise<void>((resolve) => {
        this.onWanted = resolve
      })
  }

  private async untilConsumed(): Promise<void> {
    while (this.sent.length > 0 && !this.over.signal.aborted)
      await new Promise<void>((resolve) => {
        this.onConsumed = resolve
      })
  }

  /** Sends one batch of the records from `at` on. Returns the record to go on with. */
  private sendFrom(records: readonly TopicRecord[], at: number): number {
    const batch: Wanted[] = []
    let count = 0
    let bytes = 0
    let next = at
    for (; next < records.length; next++) {
      const found = this.look(records[next]!)
      if (found.kind === 'nothing') {
        // Its place is behind those of the batch at hand.
        if (batch.length > 0) break
        this.skip(records[next]!, found.reason)
        continue
      }
      if (count + found.count > BATCH_COMMANDS_MAX) break
      batch.push(found)
      count += found.count
      bytes += found.bytes
    }
    const last = batch.at(-1)
    if (last === undefined) return next
    const memory = this.memory.take(bytes)
    let byte = 0
    for (const record of batch) byte = this.handOver(record, memory, byte)
    this.sent.push({ lastOffset: last.offset, memory })
    this.wantedBatches--
    this.ports.send(memory.subarray(0, bytes), count)
    return next
  }

  /** Puts a record's commands into the memory from `byte` on, and notes their places. Returns the byte behind them. */
  private handOver(record: Wanted, memory: Uint8Array, byte: number): number {
    const { offset, runs, passedOver } = record
    const { places } = this.ports
    let end = byte
    for (const { firstIndex, slots, count } of runs) {
      memory.set(slots, end)
      end += slots.length
      if (firstIndex > 0) places.pass(offset, firstIndex)
      places.add(offset, firstIndex, count, { offset, index: firstIndex + count })
    }
    places.pass(offset + 1n)
    for (const passed of passedOver) this.tellPassedOver(offset, passed)
    return end
  }

  /** The commands of a record, as far as they are not consumed. */
  private look(record: TopicRecord): Found {
    if (this.looked?.record === record) return this.looked.found
    const found = this.decode(record)
    this.looked = { record, found }
    return found
  }

  private decode({ offset, value, unreadable }: TopicRecord): Found {
    if (unreadable !== undefined) return { kind: 'nothing', reason: unreadable.reason }
    const record = decodeCommandRecord(value)
    if (record.kind === 'bad') return { kind: 'nothing', reason: record.reason }
    const { slots, count } = record
    const firstIndex = offset === this.start.offset ? this.start.index : 0
    if (firstIndex >= count) return { kind: 'nothing', reason: 'all of its commands are consumed' }
    const passedOver = record.passedOver.filter(({ end }) => end > firstIndex)
    const runs = runsBetween(passedOver, slots, firstIndex, count)
    const [wrong] = passedOver
    if (runs.length === 0)
      return { kind: 'nothing', reason: `command ${wrong!.index}: ${wrong!.field} ${wrong!.why}` }
    const commands = runs.reduce((sum, run) => sum + run.count, 0)
    const bytes = runs.reduce((sum, run) => sum + run.slots.length, 0)
    return { kind: 'wanted', offset, runs, count: commands, bytes, passedOver }
  }

  private tellPassedOver(offset: bigint, { first, end, index, field, why }: PassedOver): void {
    this.passedOver += end - first
    const nowMs = this.ports.nowMs()
    if (nowMs - this.toldAtMs < TOLD_EVERY_MS) return
    this.toldAtMs = nowMs
    this.ports.notice(
      `Command ${index} of the record at offset ${offset} of ${this.ports.source} is none that a gateway lets through: ` +
        `${field} ${why}. ${end - first === 1 ? 'It is' : `The ${end - first} commands that it is linked with are`} passed over, ` +
        `the others of the record are decided (${this.passedOver} so far). Gateways of an older version may have written it.`,
    )
  }

  private skip({ offset, unreadable }: TopicRecord, reason: string): void {
    const end = unreadable?.end ?? offset + 1n
    this.pass(end)
    this.skipped += Number(end - offset)
    const nowMs = this.ports.nowMs()
    if (nowMs - this.toldAtMs < TOLD_EVERY_MS) return
    this.toldAtMs = nowMs
    this.ports.notice(
      `The record at offset ${offset} of ${this.ports.source} holds no commands: ${reason}. It is skipped (${this.skipped} so far). ` +
        'Only gateways should be able to write to this topic.',
    )
  }

  private passDeleted(offset: bigint, first: bigint): void {
    this.pass(first)
    this.deleted += Number(first - offset)
    this.ports.notice(
      `The records at offsets ${offset} to ${first - 1n} of ${this.ports.source} were deleted before a writer took them ` +
        `(${this.deleted} so far). Commands among them are lost: they were never decided, and the same ids may be sent again. ` +
        'Keep this topic for longer than any time without a writer (retention.ms=-1), and delete nothing from it by hand.',
    )
  }

  /** Nothing for the core stands before this offset. */
  private pass(next: bigint): void {
    this.ports.places.pass(next)
    this.passedTo = next
    this.markLater()
  }

  private markLater(): void {
    if (this.over.signal.aborted) return
    this.markTimer ??= setTimeout(() => {
      this.markTimer = undefined
      if (this.recordedTo >= this.passedTo) return
      this.mark()
      this.markLater()
    }, this.ports.markAfterMs ?? MARK_AFTER_MS_DEFAULT).unref()
  }
}

/** The commands from `firstIndex` on that are not passed over. */
function runsBetween(
  passedOver: readonly PassedOver[],
  slots: Uint8Array,
  firstIndex: number,
  count: number,
): Run[] {
  const runs: Run[] = []
  let from = firstIndex
  for (const { first, end } of [...passedOver, { first: count, end: count }]) {
    if (first > from) {
      const run = slots.subarray(byteOfCommand(slots, from), byteOfCommand(slots, first))
      runs.push({ firstIndex: from, slots: run, count: first - from })
    }
    from = Math.max(from, end)
  }
  return runs
}
