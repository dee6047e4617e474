/**
 * A simulated coordinator: it is told of durable frames, and sends the steps that follow, as the real one makes them. It is killed and
 * begins anew at the end of the logs; what it had read and not sent is gone. Several run at a time.
 */
import { FrameRows } from '../../../schemas/frame-rows.ts'
import type { Frame } from '../../../schemas/frames.ts'
import { StepBatch } from '../../../writer/coordinator/step-batch.ts'
import {
  attemptOf,
  meaningOf,
  remindedSequence,
  stepOfRow,
  StepWriter,
} from '../../../writer/coordinator/step-of.ts'
import { Channel, Process } from '../threads.ts'
import type { World } from '../world.ts'
import type { Network } from './network.ts'

/** How long it takes to read a frame. */
const LATENCY_NS = 1_000_000
const RESTART_NS_MAX = 400_000_000

/** Finds an event in a partition's log again; undefined if it is not there. */
export type Reread = (
  partition: number,
  sequence: bigint,
) => { readonly rows: FrameRows; readonly byte: number } | undefined

export class SimulatedCoordinator {
  readonly #world: World
  readonly #partitions: number
  readonly #network: Network
  readonly #reread: Reread
  readonly #fail: (error: unknown) => void
  readonly #writer: StepWriter
  #process!: Process
  #logs: readonly Channel<Frame>[] = []

  constructor(
    world: World,
    partitions: number,
    network: Network,
    reread: Reread,
    fail: (error: unknown) => void,
  ) {
    this.#world = world
    this.#partitions = partitions
    this.#network = network
    this.#reread = reread
    this.#fail = fail
    this.#writer = new StepWriter(partitions)
    this.#start()
  }

  /** A frame is durable. It reads each log in order, and every log by itself. */
  accepted(partition: number, frame: Frame): void {
    if (this.#process.isAlive() && frame.count > 0) this.#logs[partition]!.post(frame)
  }

  kill(): void {
    if (!this.#process.isAlive()) return
    this.#world.fault('coordinator killed')
    this.#process.end()
    this.#world.schedule(BigInt(this.#world.random.below(RESTART_NS_MAX)), 'a coordinator starts', () => {
      this.#start()
    })
  }

  pause(): void {
    this.#world.fault('coordinator paused')
    this.#process.pause(BigInt(this.#world.random.below(RESTART_NS_MAX)))
  }

  #start(): void {
    const process = new Process(this.#world, LATENCY_NS, this.#fail)
    this.#process = process
    this.#logs = Array.from(
      { length: this.#partitions },
      (_, partition) =>
        new Channel<Frame>(process, 'a coordinator reads', (frame) => {
          this.#read(partition, frame)
        }),
    )
  }

  #read(partition: number, frame: Frame): void {
    const batches = Array.from({ length: this.#partitions }, () => new StepBatch())
    const rows = new FrameRows(frame)
    for (let byte = 0; byte < rows.end; byte = rows.after(byte)) {
      const meaning = meaningOf(rows, byte)
      if (meaning === 'step') this.#put(rows, byte, 0, batches)
      if (meaning !== 'reminder') continue
      const found = this.#reread(partition, remindedSequence(rows, byte))
      if (found !== undefined) this.#put(found.rows, found.byte, attemptOf(rows, byte), batches)
    }
    for (const [to, batch] of batches.entries())
      if (batch.count > 0) this.#network.send(to, { slots: batch.slots(), count: batch.count })
  }

  #put(rows: FrameRows, byte: number, attempt: number, batches: readonly StepBatch[]): void {
    const step = stepOfRow(rows, byte)
    if (step === undefined) return
    const to = this.#writer.target(rows, byte, step)
    this.#writer.put(rows, byte, step, attempt, batches[to]!)
  }
}
