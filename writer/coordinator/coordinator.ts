/**
 * A coordinator: it follows the log of one partition, and sends the step that follows from each event of a crossing to the
 * partition that the step is for. Which step that is, next-step.ts says.
 *
 * It keeps nothing. It begins where the log ends at its start, and may die anywhere: what it did not send, the source reminds
 * of (TransferReminded), and steps that are sent twice do nothing. So any number of them may follow one log.
 *
 * It reads frames that are accepted and durable, and no others: a step never tells of what could still be lost.
 */
import type { EventLog } from '../../eventlog/ports.ts'
import { messageOf } from '../../schemas/errors.ts'
import { FrameRows } from '../../schemas/frame-rows.ts'
import type { Frame } from '../../schemas/frames.ts'
import { EVENT_ROW_BYTES } from '../../schemas/limits.ts'
import { MACHINE_CLOCK } from './machine-clock.ts'
import { readEvents } from './reread.ts'
import { attemptOf, meaningOf, remindedSequence, stepOfRow, StepWriter } from './step-of.ts'
import { StepTarget, type StepClock, type StepQueue } from './step-target.ts'

export interface CoordinatorOptions {
  /** The partition whose events it goes by. */
  readonly log: Pick<EventLog, 'partition' | 'head' | 'read' | 'tail'>
  /** Where steps go, by partition: one each for all of the deployment. */
  readonly queues: readonly StepQueue[]
  /** The sequence behind which it begins. Default: the log's last one of now. */
  readonly after?: bigint
  /** Steps that may wait for one partition. Default: as many as one offer may have. */
  readonly stepsMax?: number
  /** Default: the machine's. */
  readonly clock?: StepClock
}

export interface CoordinatorStatus {
  readonly partition: number
  /** Sequence up to which it has read. */
  readonly sequence: bigint
  /** Steps sent, those that were reminded of included. */
  readonly stepsSent: number
  /** Steps that wait because the queue of their partition is busy. */
  readonly stepsWaiting: number
  /** Steps let go of because a partition was away: they are reminded of. */
  readonly stepsDropped: number
  /** Steps that were sent again because the source reminded of them. */
  readonly stepsReminded: number
}

/** Broken logic: the process should end. */
export class CoordinatorBrokenError extends Error {
  override readonly name = 'CoordinatorBrokenError'

  constructor(partition: number, cause: unknown) {
    super(
      `What carries the transfers of partition ${partition} to other partitions has broken down: ${messageOf(cause)}. ` +
        'Nothing is lost: a new start goes on with them. Please report it.',
      { cause },
    )
  }
}

/** A partition and a source's word for it that it waits, by its event's sequence and the attempt. */
export interface Reminder {
  readonly sequence: bigint
  readonly attempt: number
}

export class Coordinator {
  readonly #log: CoordinatorOptions['log']
  readonly #writer: StepWriter
  readonly #targets: readonly StepTarget[]
  readonly #over = new AbortController()
  #sequence: bigint
  #reminded = 0
  #running: Promise<void> | undefined

  constructor({ log, queues, after, stepsMax, clock = MACHINE_CLOCK }: CoordinatorOptions) {
    this.#log = log
    this.#writer = new StepWriter(queues.length)
    this.#targets = queues.map((queue) => new StepTarget(queue, stepsMax, clock))
    this.#sequence = after ?? log.head().sequence
  }

  /**
   * Follows the log. Once.
   * @returns resolves when it was stopped or the log has ended; rejects with what ended the reading, or with broken logic
   */
  run(): Promise<void> {
    return (this.#running ??= this.#follow().finally(() => this.#end()))
  }

  status(): CoordinatorStatus {
    const sum = (of: (target: StepTarget) => number): number =>
      this.#targets.reduce((total, target) => total + of(target), 0)
    return {
      partition: this.#log.partition,
      sequence: this.#sequence,
      stepsSent: sum((target) => target.sent),
      stepsWaiting: sum((target) => target.batch.count),
      stepsDropped: sum((target) => target.dropped),
      stepsReminded: this.#reminded,
    }
  }

  /** Sends nothing more. Resolves when it has ended, whatever ended it. */
  async stop(): Promise<void> {
    this.#over.abort()
    this.#end()
    await this.#running?.catch(() => undefined)
  }

  async #follow(): Promise<void> {
    const { signal } = this.#over
    for await (const frame of this.#log.tail(this.#sequence + 1n, signal)) {
      if (signal.aborted) return
      if (mayHoldCrossings(frame)) await this.#take(frame)
      this.#sequence = frame.firstSequence + BigInt(frame.count) - 1n
    }
  }

  async #take(frame: Frame): Promise<void> {
    const rows = new FrameRows(frame)
    const reminders: Reminder[] = []
    for (let byte = 0; byte < rows.end; byte = rows.after(byte)) {
      const meaning = meaningOf(rows, byte)
      if (meaning === 'nothing') continue
      if (meaning === 'step') {
        const full = this.#put(rows, byte, 0)
        if (full !== undefined) await full.room()
        if (this.#over.signal.aborted) return
      } else reminders.push({ sequence: remindedSequence(rows, byte), attempt: attemptOf(rows, byte) })
    }
    this.#offer()
    if (reminders.length > 0) await this.#remind(reminders)
  }

  /** Sends again the steps of events that the source reminds of. */
  async #remind(reminders: readonly Reminder[]): Promise<void> {
    const attempts = new Map(reminders.map(({ sequence, attempt }) => [sequence, attempt]))
    for await (const { rows, byte, sequence } of readEvents(this.#log, [...attempts.keys()])) {
      const full = this.#put(rows, byte, attempts.get(sequence)!)
      this.#reminded += 1
      if (full !== undefined) await full.room()
      if (this.#over.signal.aborted) return
    }
    this.#offer()
  }

  /** Writes the step of a row into the batch of its partition. Returns the target if that is full now. */
  #put(rows: FrameRows, byte: number, attempt: number): StepTarget | undefined {
    const step = stepOfRow(rows, byte)
    if (step === undefined) return undefined
    const target = this.#targets[this.#writer.target(rows, byte, step)]!
    this.#writer.put(rows, byte, step, attempt, target.batch)
    return target.batch.isFull ? target : undefined
  }

  #offer(): void {
    for (const target of this.#targets) target.offer()
  }

  #end(): void {
    for (const target of this.#targets) target.stop()
  }
}

/** Rows of crossings have a text, and a row without any is as long as another: nearly all frames are told by that. */
function mayHoldCrossings({ payload, count }: Pick<Frame, 'payload' | 'count'>): boolean {
  return payload.length !== count * EVENT_ROW_BYTES
}
