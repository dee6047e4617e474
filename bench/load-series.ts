/** The loads of one session on one log: each has ids of its own, and serial numbers behind those of all before it. */
import type { Load, LoadResult } from './load.ts'

/** What all loads of a session have in common. */
export interface LoadSizes {
  readonly accounts: number
  readonly seed: number
  readonly unlimited: boolean
}

/** What a load takes of its shape. */
export interface LoadShape {
  readonly batch: number
  readonly inFlight: number
  readonly seconds: number
  readonly commandsMin: number
  readonly warmUpSeconds: number
}

export class LoadSeries {
  /** Commands sent so far, warm-up included, and those among them that repeat another. */
  sent = 0
  repeated = 0
  readonly #sizes: LoadSizes
  #nextSerial = 0
  #loads = 0

  constructor(sizes: LoadSizes) {
    this.#sizes = sizes
  }

  /** @param messagesPerSecond undefined: as many as there are answers */
  next(shape: LoadShape, workload: string, isWarmUp: boolean, messagesPerSecond: number | undefined): Load {
    const { accounts, seed, unlimited } = this.#sizes
    const { batch, inFlight } = shape
    return {
      workload,
      accounts,
      unlimited,
      seed: seed + 1 + this.#loads++,
      firstSerial: this.#nextSerial,
      batch,
      inFlight,
      seconds: isWarmUp ? shape.warmUpSeconds : shape.seconds,
      commandsMin: isWarmUp ? 0 : shape.commandsMin,
      messagesPerSecond,
    }
  }

  /** To be told what came of each load before the next one is made. */
  counted<Result extends LoadResult>(result: Result): Result {
    this.#nextSerial = result.nextSerial
    this.sent += result.made.commands
    this.repeated += result.made.repeated
    return result
  }
}
