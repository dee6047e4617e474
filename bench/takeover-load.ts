/**
 * Transfers through every gateway of a deployment into every partition, over the binary lane, by clients that send the same
 * again, to the next gateway, until they know what became of it. Each transfer has a serial number of its partition, by which
 * the log is held against what was told.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { connectBulk, type BulkClient } from '../client/client.ts'
import { BulkError } from '../client/errors.ts'
import { newIdFor } from '../client/new-id.ts'
import { encodeCommands } from '../schemas/command-codec.ts'
import type { Command } from '../schemas/commands.ts'
import { DeploymentLoad, type Pair } from '../test/support/deployment-load.ts'
import { SerialSet } from './serial-set.ts'

export interface Pace {
  /** Transfers in a batch. */
  readonly batch: number
  /** Between a batch's answer and the next one, in ms. */
  readonly pauseMs: number
}

const CURRENCY = 'EUR'
const RETRY_MS = 20
const TIMES = { connectMs: 2_000, answerMs: 15_000, patienceMs: 2_000 }
/** Longest time until it is known what became of a batch. */
const KNOWN_MS_MAX = 120_000

export class TakeoverLoad {
  /** Of each partition: what clients were told is durable. */
  readonly acknowledged: readonly SerialSet[]
  readonly #pairs: readonly Pair[]
  readonly #urls: () => readonly string[]
  readonly #opening: DeploymentLoad
  readonly #sent: number[]
  readonly #lastMs: number[]
  readonly #longestMs: number[]
  #clients: Promise<void>[] = []
  #isEnding = false

  /** @param urls gateways that run */
  constructor(partitions: number, urls: () => readonly string[]) {
    this.#opening = new DeploymentLoad(partitions, urls)
    this.#pairs = this.#opening.pairs
    this.#urls = urls
    this.acknowledged = this.#pairs.map(() => new SerialSet())
    this.#sent = this.#pairs.map(() => 0)
    this.#lastMs = this.#pairs.map(() => 0)
    this.#longestMs = this.#pairs.map(() => 0)
  }

  openAccounts(): Promise<void> {
    return this.#opening.openAccounts()
  }

  /** Transfers that clients were told of until now. */
  count(): number {
    return this.acknowledged.reduce((sum, serials) => sum + serials.count(), 0)
  }

  /** Starts a client for each gateway and partition. */
  start(pace: Pace): void {
    this.#isEnding = false
    this.#lastMs.fill(performance.now())
    this.mark()
    this.#clients = this.#urls().flatMap((_, gateway) =>
      this.#pairs.map((pair) => this.#client(gateway, pair, pace)),
    )
    for (const client of this.#clients) client.catch(() => undefined)
  }

  /** Sends nothing new; resolves when all that was sent is known. @throws what a client could not find out */
  async end(): Promise<void> {
    this.#isEnding = true
    await Promise.all(this.#clients)
  }

  /** Measures anew from here: a time without service counts from the last answer before. */
  mark(): void {
    this.#longestMs.fill(0)
  }

  /** Longest time since the mark between one answer and the next of some partition, in ms. */
  longestGapMs(): number {
    const nowMs = performance.now()
    return Math.max(...this.#lastMs.map((lastMs, partition) => Math.max(this.#longestMs[partition]!, nowMs - lastMs)))
  } // prettier-ignore

  /** When the partition that has waited longest had its last answer, by `performance.now()`. */
  oldestAnswerMs(): number {
    return Math.min(...this.#lastMs)
  }

  #answered(partition: number): void {
    const nowMs = performance.now()
    this.#longestMs[partition] = Math.max(this.#longestMs[partition]!, nowMs - this.#lastMs[partition]!)
    this.#lastMs[partition] = nowMs
  }

  async #client(first: number, pair: Pair, { batch, pauseMs }: Pace): Promise<void> {
    let client: BulkClient | undefined
    let gateway = first
    while (!this.#isEnding) {
      const serials = this.#nextSerials(pair.partition, batch)
      const slots = transfers(pair, this.#pairs.length, serials)
      const deadlineMs = performance.now() + KNOWN_MS_MAX
      for (;;) {
        try {
          client ??= await connectBulk({ url: this.#url(gateway), ...TIMES })
          if (await this.#isKnown(client, slots, serials, pair.partition)) break
        } catch (error) {
          if (!(error instanceof BulkError)) throw error
          // It may wait for what it cannot have any more.
          void client?.close().catch(() => undefined)
          client = undefined
          gateway++
        }
        if (performance.now() > deadlineMs) throw new Error(`It did not become known what became of ${batch} transfers.`)
        await sleep(RETRY_MS)
      }
      if (pauseMs > 0) await sleep(pauseMs)
    }
    await client?.close()
  } // prettier-ignore

  /** Sends a batch. @returns true if it is known of each transfer that it is durable */
  async #isKnown(
    client: BulkClient,
    slots: Uint8Array,
    serials: readonly number[],
    partition: number,
  ): Promise<boolean> {
    const results = await client.submitSlots(slots, serials.length, partition)
    let known = 0
    serials.forEach((serial, index) => {
      const result = results.at(index)
      if (result === undefined || result.status === 'fault') return
      if (result.status === 'refused') throw new Error(`transfer ${serial} was refused: ${result.code}`)
      this.acknowledged[partition]!.add(serial)
      known++
    })
    if (known > 0) this.#answered(partition)
    return known === serials.length
  }

  #nextSerials(partition: number, count: number): readonly number[] {
    const first = this.#sent[partition]!
    this.#sent[partition] = first + count
    return Array.from({ length: count }, (_, index) => first + index)
  }

  #url(gateway: number): string {
    const urls = this.#urls()
    return urls[gateway % urls.length]!
  }
}

/** Their ids live beside the account that is debited, so that a partition's outage is felt there alone. */
function transfers({ bank, customer }: Pair, partitions: number, serials: readonly number[]): Uint8Array {
  return encodeCommands(
    serials.map((serial): Command => ({
      kind: 'Transfer', id: newIdFor(bank, partitions), receivedAtNs: 0n,
      debit: bank, credit: customer, amount: 1n, currency: CURRENCY, code: serial,
    })), // prettier-ignore
  )
}
