/** The public bulk lane as an import uses it: a chunk in one request, with the patience that an import has. */
import { setTimeout as delay } from 'node:timers/promises'
import { connectBulk, type BulkClient } from '../../client/client.ts'
import { BulkError } from '../../client/errors.ts'
import { encodeCommands } from '../../schemas/command-codec.ts'
import type { Command } from '../../schemas/commands.ts'
import { LANE_FAULT_MEANINGS, type CommandResult, type LaneResults } from '../../schemas/lane-results.ts'
import { BATCH_COMMANDS_MAX, LINKED_TRANSFERS_MAX } from '../../schemas/limits.ts'
import { CommandFailure } from '../output/failure.ts'
import { CHUNK_LINES } from './chunks.ts'
import { PATIENCE_MS, RetryBudget } from './retry.ts'

/** What became of one command. */
export type LaneResult =
  | { readonly kind: 'accepted'; readonly replayed: boolean }
  /** `replayed`: it had been refused before. */
  | { readonly kind: 'refused'; readonly code: string; readonly replayed: boolean }
  /** Its id is older than all that the core remembers, and nothing has happened under it up to `at`. */
  | { readonly kind: 'expired'; readonly at: bigint }
  /** Its id lies ahead of the clock that looks at it: nobody decided it. */
  | { readonly kind: 'ahead' }
  /** The command is wrong as it stands: never an event. */
  | { readonly kind: 'wrong'; readonly message: string }

const PAUSE_MS = 250
/** Until it is known that a platform answers at the address, in ms: who mistyped it should not have to wait. */
const FIRST_CONNECT_MS = 4_000

/** Errors that pass: a platform that is full, stopping, starting, or out of reach. */
const PASSING: ReadonlySet<string> = new Set(['busy', 'stopped', 'unreachable', 'connection_lost'])

if (CHUNK_LINES + LINKED_TRANSFERS_MAX > BATCH_COMMANDS_MAX)
  throw new Error('a chunk does not fit into one request of the bulk lane')

export class ImportLane {
  readonly #url: string
  readonly #log: (line: string) => void
  #client: BulkClient | undefined

  /**
   * @param url of the platform
   * @param log gets sentences for people
   */
  constructor(url: string, log: (line: string) => void) {
    this.#url = url
    this.#log = log
  }

  /**
   * Finds out at once whether a platform answers.
   * @returns its partitions
   * @throws CommandFailure `platform_unavailable`
   */
  async open(): Promise<number> {
    try {
      this.#client = await connectBulk({ url: this.#url, patienceMs: PATIENCE_MS, connectMs: FIRST_CONNECT_MS })
      return this.#client.partitions
    } catch (error) {
      if (!(error instanceof BulkError)) throw error
      throw new CommandFailure('platform_unavailable', `${error.message} Check --url, and that the platform runs.`)
    }
  } // prettier-ignore

  /**
   * Sends the commands of a chunk in order and returns what became of each. Waits while the platform is busy or away; repeats
   * the request where an outcome is not known, or nothing was decided, with the same ids.
   * @param reached gets the last place of the log that an outcome speaks of, for each answer and partition
   * @throws CommandFailure `platform_unavailable`
   */
  async send(
    commands: readonly Command[],
    reached: (partition: number, sequence: bigint) => void,
  ): Promise<LaneResult[]> {
    const slots = encodeCommands(commands)
    const settled = new Array<LaneResult | undefined>(commands.length).fill(undefined)
    const waiting = new RetryBudget(this.#url, this.#log)
    for (;;) {
      const results = await this.#submit(slots, commands.length)
      let open = 0
      for (let index = 0; index < settled.length; index++) {
        // What an earlier answer said stands: by now the same command would only be called a repeat.
        settled[index] ??= this.#toResult(results.at(index))
        if (settled[index] === undefined) open++
      }
      tellReached(results, reached)
      if (open === 0) return settled as LaneResult[]
      const reason = `does not say what became of ${open} commands`
      if (waiting.isOver(reason)) throw this.#unavailable(reason)
      await delay(PAUSE_MS)
    }
  }

  async close(): Promise<void> {
    await this.#client?.close()
  }

  async #submit(slots: Uint8Array, count: number): Promise<LaneResults> {
    const waiting = new RetryBudget(this.#url, this.#log)
    for (;;) {
      try {
        this.#client ??= await connectBulk({ url: this.#url, patienceMs: PATIENCE_MS })
        return await this.#client.submitSlots(slots, count)
      } catch (error) {
        if (!(error instanceof BulkError)) throw error
        const reason = `does not take the import (${error.message})`
        if (!PASSING.has(error.code) || waiting.isOver(reason)) throw this.#unavailable(reason)
        await delay(PAUSE_MS)
      }
    }
  }

  /**
   * Undefined where the outcome is not known yet.
   * @throws CommandFailure where the platform is at fault: no line is bad because of that
   */
  #toResult(result: CommandResult | undefined): LaneResult | undefined {
    switch (result?.status) {
      case 'accepted':
        return { kind: 'accepted', replayed: result.replayed }
      case 'refused':
        if (result.code === 'id_expired') return { kind: 'expired', at: result.sequence }
        return { kind: 'refused', code: result.code, replayed: result.replayed }
      case 'fault': {
        const { retryable, message } = LANE_FAULT_MEANINGS[result.code]
        // Whose clock runs ahead would have to wait for too long.
        if (result.code === 'id_in_future') return { kind: 'ahead' }
        if (result.code === 'internal') throw this.#unavailable('failed at a command; its log says why')
        return retryable ? undefined : { kind: 'wrong', message }
      }
      case undefined:
        throw this.#unavailable('answers in words of another version')
    }
  }

  #unavailable(reason: string): CommandFailure {
    return new CommandFailure(
      'platform_unavailable',
      `The platform at ${this.#url} ${reason}. Run the same import again when it is well: it goes on where it was.`,
    )
  }
}

function tellReached(results: LaneResults, reached: (partition: number, sequence: bigint) => void): void {
  const last = new Map<number, bigint>()
  for (let index = 0; index < results.count; index++) {
    const sequence = results.sequence(index)
    const partition = results.partition(index)
    // A fault speaks of no place: its sequence is 0.
    if (sequence > (last.get(partition) ?? 0n)) last.set(partition, sequence)
  }
  for (const [partition, sequence] of last) reached(partition, sequence)
}
