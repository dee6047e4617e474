/**
 * Takes a partition's commands from its topic to the core, in order. The core asks for each batch, and gets the records that
 * came together and fit. So memory holds no more than the reader fetches ahead, however much waits on the topic.
 *
 * Three things are skipped, counted and reported: a record that holds no commands (another program wrote it), invalid commands
 * in a record, and records that were deleted before they were taken. A frame of its own, a skip (schemas/frame-notes.ts),
 * consumes them before any command behind them. So gateways learn from the log which of their commands nobody decided, and the
 * next writer does not find them again.
 */
import { BatchMemory } from '../../../eventlog/handoff/batch-memory.ts'
import { decodeCommandRecord } from '../../../eventlog/kafka/commands/command-record.ts'
import { BatchDamagedError, KafkaOffsetError, TopicReplacedError } from '../../../eventlog/kafka/errors.ts'
import type { TopicReader, TopicRecord } from '../../../eventlog/kafka/partition/topic-reader.ts'
import type { CommandOffset } from '../../../eventlog/ports.ts'
import { byteOfCommand } from '../../../schemas/commands.ts'
import type { SkipReason } from '../../../schemas/frame-notes.ts'
import { BATCH_COMMANDS_MAX } from '../../../schemas/limits.ts'
import type { CommandOffsetMap } from './command-offset-map.ts'

/** Pause between reports of unreadable records: a stranger may write a million of them. */
const TOLD_EVERY_MS = 10_000
const SKIP_AFTER_MS_DEFAULT = 250

export interface CommandIntakePorts {
  readonly reader: Pick<TopicReader, 'read'>
  /** What is read, for the operator: `partition 0 of purser.commands`. */
  readonly source: string
  readonly offsetMap: CommandOffsetMap
  /**
   * Takes a batch to the core, in shared memory that must not change before `consumed` releases it. A batch of no commands
   * makes a skip.
   */
  send(slots: Uint8Array<SharedArrayBuffer>, count: number): void
  /** Takes a line for the operator. */
  notice(line: string): void
  nowMs(): number
  /** After so many ms without a command, a skip is sent for what was skipped. Default: 250. */
  readonly skipAfterMs?: number
}

/** Consecutive commands of one record. */
interface Wanted {
  readonly kind: 'wanted'
  readonly offset: bigint
  readonly firstIndex: number
  readonly slots: Uint8Array
  readonly count: number
  /** False: more of the same record follows. */
  readonly isLast: boolean
}

/** A stretch that holds nothing for the core, up to `next`. */
interface Nothing {
  readonly kind: 'nothing'
  readonly next: CommandOffset
  readonly reason: SkipReason
  /** In words, for the operator. */
  readonly why: string
  /** Number of commands in it; 0: whole records without commands. */
  readonly commands: number
}

/** A record is one stretch, unless some of its commands are invalid. */
type Stretch = Wanted | Nothing

export class CommandIntake {
  /** Records skipped because they hold no commands. */
  skipped = 0
  /** Invalid commands, in records whose other commands were taken. */
  passedOver = 0
  /** Records that were deleted from the topic before they were taken. */
  deleted = 0
  /** The offset behind the last record that was read, taken or not. */
  readTo: bigint
  private readonly ports: CommandIntakePorts
  private readonly start: CommandOffset
  private readonly memory = new BatchMemory()
  /** Batches that the core has asked for and not got. */
  private wantedBatches = 0
  private onWanted: () => void = () => undefined
  private onConsumed: () => void = () => undefined
  /** Sent and not yet consumed: the memory, and the offset of its last record. */
  private readonly sent: { readonly lastOffset: bigint; readonly memory: Uint8Array<SharedArrayBuffer> }[] =
    []
  private readonly over = new AbortController()
  private toldAtMs = -Infinity
  /** The offset behind what was skipped last. */
  private passedTo: bigint
  private skipTimer: NodeJS.Timeout | undefined
  /** The last decoded record and its next stretch: what did not fit a batch is not decoded again. */
  private looked:
    { readonly record: TopicRecord; readonly stretches: readonly Stretch[]; next: number } | undefined

  /** @param start the first command to be given */
  constructor(start: CommandOffset, ports: CommandIntakePorts) {
    this.start = start
    this.ports = ports
    this.readTo = start.offset
    this.passedTo = start.offset
  }

  /** The core wants one more batch. */
  wanted(): void {
    this.wantedBatches++
    this.onWanted()
  }

  /** Commands before this offset are durable: their memory may be used again. */
  consumed({ offset }: CommandOffset): void {
    while (this.sent.length > 0 && this.sent[0]!.lastOffset < offset)
      this.memory.give(this.sent.shift()!.memory)
    this.onConsumed()
  }

  /** Sends a skip for what was skipped, unless one is on its way or the core wants no batch. */
  sendSkip(): void {
    if (!this.ports.offsetMap.hasUnsentSkip() || this.wantedBatches === 0) return
    const memory = this.memory.take(0)
    this.sent.push({ lastOffset: this.passedTo - 1n, memory })
    this.wantedBatches--
    this.ports.offsetMap.sendSkip()
    this.ports.send(memory.subarray(0, 0), 0)
  }

  /** Ends the intake: nothing is sent any more. */
  stop(): void {
    this.over.abort()
    clearTimeout(this.skipTimer)
    this.onWanted()
    this.onConsumed()
  }

  /**
   * Runs until `stop`.
   * @throws what the reader throws, but not for deleted records: no later start would find them either. BatchDamagedError and
   *   TopicReplacedError are thrown when everything that was read before is consumed
   */
  async run(): Promise<void> {
    for (let from = this.start.offset; ;) {
      try {
        await this.takeFrom(from)
        return
      } catch (error) {
        // A new start would get no further, so what was read before has to be decided now.
        if (error instanceof BatchDamagedError || error instanceof TopicReplacedError)
          await this.untilConsumed()
        if (!(error instanceof KafkaOffsetError) || error.code !== 'kafka_offset_gone') throw error
        this.passDeleted(error.offset, error.bounds.first)
        from = error.bounds.first
      }
    }
  }

  private async takeFrom(from: bigint): Promise<void> {
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

  /** Sends one batch of the records from `at` on, or a skip. Returns the record to go on with. */
  private sendFrom(records: readonly TopicRecord[], at: number): number {
    const batch: Wanted[] = []
    let commands = 0
    let next = at
    let isFull = false
    while (next < records.length && !isFull) {
      const looked = this.look(records[next]!)
      for (; looked.next < looked.stretches.length && !isFull; looked.next += isFull ? 0 : 1) {
        const stretch = looked.stretches[looked.next]!
        // A skip comes behind the batch at hand, and commands behind it wait for the skip.
        if (stretch.kind === 'nothing') {
          isFull = batch.length > 0
          if (!isFull) this.skip(records[next]!, stretch)
          continue
        }
        isFull = commands + stretch.count > BATCH_COMMANDS_MAX || this.ports.offsetMap.hasUnsentSkip()
        if (isFull) continue
        batch.push(stretch)
        commands += stretch.count
      }
      if (!isFull) next++
    }
    if (batch.length > 0) this.send(batch, commands)
    else if (isFull) this.sendSkip()
    return next
  }

  private send(batch: readonly Wanted[], commands: number): void {
    const memory = this.memory.take(batch.reduce((bytes, { slots }) => bytes + slots.length, 0))
    let byte = 0
    for (const { offset, firstIndex, slots, count, isLast } of batch) {
      memory.set(slots, byte)
      byte += slots.length
      this.ports.offsetMap.add(offset, firstIndex, count, isLast)
    }
    this.sent.push({ lastOffset: batch.at(-1)!.offset, memory })
    this.wantedBatches--
    this.ports.send(memory.subarray(0, byte), commands)
  }

  /** The record's stretches that are not consumed, and which comes next. */
  private look(record: TopicRecord): NonNullable<CommandIntake['looked']> {
    if (this.looked?.record !== record) this.looked = { record, stretches: this.stretchesOf(record), next: 0 }
    return this.looked
  }

  private stretchesOf({ offset, value, unreadable }: TopicRecord): readonly Stretch[] {
    const nothing = (why: string): Stretch[] => [
      {
        kind: 'nothing',
        next: { offset: unreadable?.end ?? offset + 1n, index: 0 },
        reason: 'unreadable',
        why,
        commands: 0,
      },
    ]
    if (unreadable !== undefined) return nothing(unreadable.reason)
    const record = decodeCommandRecord(value)
    if (record.kind === 'bad') return nothing(record.reason)
    const firstIndex = offset === this.start.offset ? this.start.index : 0
    if (firstIndex >= record.count) return nothing('all of its commands are consumed')
    const invalid = record.invalid.map(({ first, end, index, field, why }) => ({
      first,
      end,
      why: `command ${index}: ${field} ${why}`,
    }))
    return stretchesWithin(offset, firstIndex, record.slots, record.count, invalid)
  }

  private skip({ offset }: TopicRecord, { next, reason, why, commands }: Nothing): void {
    this.pass(next, reason)
    if (commands === 0) this.skipped += Number(next.offset - offset)
    this.passedOver += commands
    const nowMs = this.ports.nowMs()
    if (nowMs - this.toldAtMs < TOLD_EVERY_MS) return
    this.toldAtMs = nowMs
    if (commands > 0) {
      this.ports.notice(
        `The record at offset ${offset} of ${this.ports.source} holds a command that no gateway lets through: ${why}. ` +
          `It is passed over, with what it is linked with (${this.passedOver} so far); the others of the record are decided. ` +
          'Gateways of an older version may have written it.',
      )
      return
    }
    this.ports.notice(
      `The record at offset ${offset} of ${this.ports.source} holds no commands: ${why}. It is skipped (${this.skipped} so far). ` +
        'Only gateways should be able to write to this topic.',
    )
  }

  private passDeleted(offset: bigint, first: bigint): void {
    this.pass({ offset: first, index: 0 }, 'deleted')
    this.deleted += Number(first - offset)
    this.ports.notice(
      `The records at offsets ${offset} to ${first - 1n} of ${this.ports.source} were deleted before a writer took them ` +
        `(${this.deleted} so far). Commands among them are lost: they were never decided, and the same ids may be sent again. ` +
        'Keep this topic for longer than any time without a writer (retention.ms=-1), and delete nothing from it by hand.',
    )
  }

  /** Skips everything before `next`. */
  private pass(next: CommandOffset, reason: SkipReason): void {
    this.ports.offsetMap.pass(next, reason)
    this.passedTo = next.index === 0 ? next.offset : next.offset + 1n
    this.skipLater()
  }

  private skipLater(): void {
    if (this.over.signal.aborted) return
    this.skipTimer ??= setTimeout(() => {
      this.skipTimer = undefined
      if (!this.ports.offsetMap.hasUnsentSkip()) return
      this.sendSkip()
      this.skipLater()
    }, this.ports.skipAfterMs ?? SKIP_AFTER_MS_DEFAULT).unref()
  }
}

/** Invalid commands of a record: from `first` to the one before `end`. */
export interface InvalidStretch {
  readonly first: number
  readonly end: number
  readonly why: string
}

/**
 * Splits a record's commands from `firstIndex` on into stretches: for the core, and skipped ones.
 * @param slots all of its commands
 * @param invalid in order
 */
export function stretchesWithin(
  offset: bigint,
  firstIndex: number,
  slots: Uint8Array,
  count: number,
  invalid: readonly InvalidStretch[],
): Stretch[] {
  const stretches: Stretch[] = []
  let index = firstIndex
  let byte = byteOfCommand(slots, firstIndex)
  const take = (end: number): void => {
    if (end <= index) return
    const rest = slots.subarray(byte)
    const bytes = byteOfCommand(rest, end - index)
    const isLast = end === count
    stretches.push({
      kind: 'wanted',
      offset,
      firstIndex: index,
      slots: rest.subarray(0, bytes),
      count: end - index,
      isLast,
    })
    index = end
    byte += bytes
  }
  for (const { first, end, why } of invalid) {
    if (end <= index) continue
    take(first)
    const next = end === count ? { offset: offset + 1n, index: 0 } : { offset, index: end }
    stretches.push({ kind: 'nothing', next, reason: 'malformed', why, commands: end - index })
    byte += byteOfCommand(slots.subarray(byte), end - index)
    index = end
  }
  take(count)
  return stretches
}
