/** A partition's log as one process follows it: its durable frames, each some time after it was, for as long as the process lives. */
import type { EventLog } from '../../../eventlog/ports.ts'
import { lastSequence, type Frame } from '../../../schemas/frames.ts'
import { Channel, type Process } from '../threads.ts'

export class FollowedLog implements Pick<EventLog, 'partition' | 'head' | 'read' | 'tail'> {
  readonly partition: number
  readonly #process: Process
  /** Of the partition, all of them. */
  readonly #frames: readonly Frame[]
  readonly #channel: Channel<number>
  /** Frames that this process knows of. */
  #known: number
  #wake: () => void = () => undefined

  constructor(partition: number, process: Process, frames: readonly Frame[]) {
    this.partition = partition
    this.#process = process
    this.#frames = frames
    this.#known = frames.length
    this.#channel = new Channel(process, 'a coordinator hears of a frame', (known) => {
      this.#known = known
      this.#wake()
    })
  }

  /** One more frame is durable. */
  accepted(): void {
    this.#channel.post(this.#frames.length)
  }

  head(): ReturnType<EventLog['head']> {
    const last = this.#frames[this.#known - 1]
    return { sequence: last === undefined ? 0n : lastSequence(last) } as ReturnType<EventLog['head']>
  }

  async *read(fromSequence: bigint): AsyncGenerator<Frame, void, undefined> {
    const end = this.#known
    for (let at = this.#from(fromSequence); at < end; at++) {
      await this.#takesTime()
      yield this.#frames[at]!
    }
  }

  async *tail(fromSequence: bigint, signal: AbortSignal): AsyncGenerator<Frame, void, undefined> {
    for (let at = this.#from(fromSequence); !signal.aborted; at++) {
      while (at >= this.#known)
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      yield this.#frames[at]!
    }
  }

  /** The first frame that holds the sequence, or has it behind it. */
  #from(sequence: bigint): number {
    const found = this.#frames.findIndex((frame) => lastSequence(frame) >= sequence)
    return found < 0 ? this.#known : found
  }

  /** Never over if the process dies meanwhile. */
  #takesTime(): Promise<void> {
    return new Promise((resolve) => {
      this.#process.schedule(this.#process.latency(), 'a coordinator reads again', resolve)
    })
  }
}
