/**
 * Transfers through every gateway of a deployment and every door, while things fail behind them, and what the clients know:
 * what they were told, and what they sent and were told nothing of. Careful clients send the same again, under the same id
 * and to another gateway, until they know; careless ones never ask again.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { connectBulk, type BulkClient } from '../../client/client.ts'
import { BulkError } from '../../client/errors.ts'
import { graphql } from '../../cli/graphql-client.ts'
import { decodePosition } from '../../gateway/positions/tokens.ts'
import { encodeCommands } from '../../schemas/command-codec.ts'
import type { Command } from '../../schemas/commands.ts'
import { newId, newIdFor } from '../../client/new-id.ts'
import { formatId, parseId, type Id } from '../../schemas/ids.ts'
import { partitionOf } from '../../schemas/partitions.ts'
import { sendCommands } from './json-lane.ts'
import { rounds } from './rounds.ts'

/** A bank and a customer in one partition: the customer has as much as transfers have happened. */
export interface Pair {
  readonly partition: number
  readonly bank: Id
  readonly customer: Id
}

/** What a client was told of a transfer. */
export interface Told {
  readonly partition: number
  /** Of the event, or of something behind it. */
  readonly sequence: bigint
  readonly isExact: boolean
}

const CURRENCY = 'EUR'
const TRANSFER = `mutation($input: TransferInput!) { result: transfer(input: $input) {
  __typename ... on TransferApplied { position } ... on Refused { code message } } }`
const BULK_COMMANDS = 48
const JSON_COMMANDS = 8
/** Between two requests of one client: faults are to be met, and not a full machine. Long rounds meet each more often. */
/** Of clients that go to several. */
const NO_PARTITION = -1
const PAUSE_MS = rounds(400, 200)
/** A careless client waits no longer for an answer. */
const CARELESS_MS = 2_000
const RETRY_MS = 100
const BULK_TIMES = { connectMs: 3_000, answerMs: 15_000, patienceMs: 3_000 }
/** Longest time until every careful client knows what became of what it sent. */
const SETTLE_MS_MAX = 90_000

type TransferAnswer =
  | { readonly __typename: 'TransferApplied'; readonly position: string }
  | { readonly __typename: string; readonly code?: string; readonly message?: string }

/** What `/commands` answers. */
interface LaneAnswer {
  readonly position?: string
  readonly results?: readonly { readonly status: string; readonly code?: string }[]
  readonly error?: { readonly code: string }
}

export class DeploymentLoad {
  readonly pairs: readonly Pair[]
  /** Every id that was ever sent, and its partition. */
  readonly sent = new Map<string, number>()
  readonly acknowledged = new Map<string, Told>()
  /** Refusals: there may be none. */
  readonly refused: string[] = []
  readonly #urls: () => readonly string[]
  readonly #counts: number[]
  readonly #lastMs: number[]
  readonly #longestMs: number[]
  #clients: { readonly partition: number; readonly over: Promise<void> }[] = []
  #isEnding = false
  #settleByMs = Infinity

  /** @param urls gateways that can be asked now */
  constructor(partitions: number, urls: () => readonly string[]) {
    this.#urls = urls
    this.pairs = Array.from({ length: partitions }, (_, partition) => pairIn(partition, partitions))
    this.#counts = this.pairs.map(() => 0)
    this.#lastMs = this.pairs.map(() => performance.now())
    this.#longestMs = this.pairs.map(() => 0)
  }

  /** Harmless if they are open. */
  async openAccounts(): Promise<void> {
    const commands = this.pairs.flatMap(({ bank, customer }) => [
      { kind: 'openAccount', accountId: formatId(bank), currency: CURRENCY, system: true },
      { kind: 'openAccount', accountId: formatId(customer), currency: CURRENCY },
    ])
    const results = await sendCommands(this.#urls()[0]!, commands, () => undefined)
    const wrong = results.filter(({ kind }) => kind !== 'accepted')
    if (wrong.length > 0) throw new Error(`accounts were not opened: ${JSON.stringify(wrong)}`)
  }

  /** Starts the clients: of each door, for each gateway and partition. */
  start(): void {
    this.#isEnding = false
    this.#settleByMs = Infinity
    this.mark()
    this.#clients = this.#urls().flatMap((_, gateway) =>
      this.pairs.flatMap((pair) =>
        [
          this.#graphqlClient(gateway, pair),
          this.#bulkClient(gateway, pair),
          this.#carelessClient(gateway, pair),
        ].map((over) => ({ partition: pair.partition, over })),
      ),
    )
    // It waits for every partition.
    if (this.pairs.length > 1) this.#clients.push({ partition: NO_PARTITION, over: this.#racingClient() })
    // Whoever ends the load finds out; until then nobody does.
    for (const { over } of this.#clients) over.catch(() => undefined)
  }

  /**
   * Sends nothing new, and returns when every careful client knows what became of what it sent.
   * @param only clients of other partitions are given up as they are
   */
  async end(only?: number): Promise<void> {
    this.#isEnding = true
    this.#settleByMs = performance.now() + SETTLE_MS_MAX
    const waitedFor = this.#clients.filter(({ partition }) => only === undefined || partition === only)
    await Promise.all(waitedFor.map(({ over }) => over))
    // Those that are left have nobody to wait for.
    this.#settleByMs = only === undefined ? Infinity : 0
    this.#clients = []
  }

  /** Measures anew from here. */
  mark(): void {
    for (const { partition } of this.pairs) {
      this.#lastMs[partition] = performance.now()
      this.#longestMs[partition] = 0
    }
  }

  /** Longest time since the mark in which nobody was told of a transfer of some partition, in seconds. */
  awaySeconds(): number {
    const nowMs = performance.now()
    const longest = this.pairs.map(({ partition }) =>
      Math.max(this.#longestMs[partition]!, nowMs - this.#lastMs[partition]!),
    )
    return Math.round(Math.max(...longest) / 100) / 10
  }

  /** Acknowledged of a partition until now. */
  count(partition: number): number {
    return this.#counts[partition]!
  }

  /** The code of the fault that answers so many transfers; undefined if they are decided. Their sender never asks again. */
  async faultAt(url: string, partition: number, count = 1): Promise<string | undefined> {
    const { answer } = await this.#post(url, this.pairs[partition]!, count)
    const [result] = answer.results ?? []
    return answer.error?.code ?? (result?.status === 'error' ? result.code : undefined)
  }

  /** The last event of each partition that a client was told of by its own place. */
  told(): ReadonlyMap<number, bigint> {
    const told = new Map<number, bigint>()
    for (const { partition, sequence, isExact } of this.acknowledged.values())
      if (isExact && sequence > (told.get(partition) ?? 0n)) told.set(partition, sequence)
    return told
  }

  acknowledge(id: string, told: Told): void {
    const nowMs = performance.now()
    const { partition } = told
    this.#longestMs[partition] = Math.max(this.#longestMs[partition]!, nowMs - this.#lastMs[partition]!)
    this.#lastMs[partition] = nowMs
    if (!this.acknowledged.has(id)) this.#counts[partition]!++
    this.acknowledged.set(id, told)
  }

  /** Slots of new transfers, which count as sent. */
  newBatch(
    { partition, bank, customer }: Pair,
    count: number,
  ): { slots: Uint8Array; ids: readonly string[] } {
    const commands = Array.from({ length: count }, (): Command => ({
      kind: 'Transfer', id: this.#newId(bank), receivedAtNs: 0n, debit: bank, credit: customer, amount: 1n, currency: CURRENCY,
    })) // prettier-ignore
    const ids = commands.map(({ id }) => formatId(id))
    for (const id of ids) this.sent.set(id, partition)
    return { slots: encodeCommands(commands), ids }
  }

  /**
   * Sends a batch over the binary lane until it is known what became of each of its transfers.
   * @param first the gateway to begin with
   */
  async settleBatch(first: number, batch: { slots: Uint8Array; ids: readonly string[] }): Promise<void> {
    let client: BulkClient | undefined
    try {
      for (let attempt = 0; ; attempt++) {
        try {
          client ??= await connectBulk({ url: this.#url(first + attempt), ...BULK_TIMES })
          if (await this.#sendBatch(client, batch)) return
        } catch (error) {
          if (!(error instanceof BulkError)) throw error
          await client?.close()
          client = undefined
        }
        await this.#again(`${batch.ids.length} transfers over the binary lane`)
      }
    } finally {
      await client?.close()
    }
  }

  /** True if every one of them is known. */
  async #sendBatch(
    client: BulkClient,
    { slots, ids }: { slots: Uint8Array; ids: readonly string[] },
  ): Promise<boolean> {
    const results = await client.submitSlots(slots, ids.length)
    let faults = 0
    ids.forEach((id, index) => {
      const result = results.at(index)
      if (result === undefined || result.status === 'fault') faults++
      else if (result.status === 'refused') this.refused.push(`${id}: ${result.code}`)
      else this.acknowledge(id, { partition: result.partition, sequence: result.sequence, isExact: true })
    })
    return faults === 0
  }

  async #bulkClient(gateway: number, pair: Pair): Promise<void> {
    while (!this.#isEnding) {
      await this.settleBatch(gateway, this.newBatch(pair, BULK_COMMANDS))
      await pause(PAUSE_MS)
    }
  }

  async #graphqlClient(gateway: number, pair: Pair): Promise<void> {
    while (!this.#isEnding) {
      await this.#settleOne(gateway, pair)
      await pause(PAUSE_MS)
    }
  }

  async #settleOne(gateway: number, pair: Pair): Promise<void> {
    const id = formatId(this.#newId(pair.bank))
    this.sent.set(id, pair.partition)
    for (let attempt = 0; ; attempt++) {
      try {
        const { result } = await graphql<{ result: TransferAnswer }>(this.#url(gateway + attempt), TRANSFER, {
          input: transferInput(pair, id),
        })
        if ('position' in result) this.acknowledge(id, toldBy(result.position, pair.partition))
        else this.refused.push(`${id}: ${result.code}`)
        return
      } catch {
        await this.#again('a transfer over GraphQL')
      }
    }
  }

  /** JSON, and never again. */
  async #carelessClient(gateway: number, pair: Pair): Promise<void> {
    while (!this.#isEnding) {
      try {
        const { ids, answer } = await this.#post(this.#url(gateway), pair, JSON_COMMANDS)
        answer.results?.forEach(({ status, code }, index) => {
          if (status === 'accepted') this.acknowledge(ids[index]!, toldBy(answer.position!, pair.partition))
          else if (status === 'refused') this.refused.push(`${ids[index]!}: ${code}`)
        })
      } catch {
        // Nobody will ever ask again.
      }
      await pause(PAUSE_MS)
    }
  }

  async #post(url: string, pair: Pair, count: number): Promise<{ ids: readonly string[]; answer: LaneAnswer }> {
    const ids = Array.from({ length: count }, () => formatId(this.#newId(pair.bank)))
    for (const id of ids) this.sent.set(id, pair.partition)
    const response = await fetch(`${url}/commands`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ commands: ids.map((id) => ({ kind: 'transfer', ...transferInput(pair, id) })) }),
      signal: AbortSignal.timeout(CARELESS_MS),
    })
    return { ids, answer: (await response.json()) as LaneAnswer }
  } // prettier-ignore

  /** An id that waits for no other partition than that of the account. */
  #newId(account: Id): Id {
    return newIdFor(account, this.pairs.length)
  }

  /** Two senders at two gateways with one id, each with a debit account of its own partition: one of them is told that it is in use. */
  async #racingClient(): Promise<void> {
    while (!this.#isEnding) {
      const id = formatId(newId())
      const told = await Promise.all(this.pairs.map((pair, gateway) => this.#settleRaced(gateway, pair, id)))
      const [winner, ...more] = told.filter((one) => one !== undefined)
      if (winner === undefined || more.length > 0)
        this.refused.push(`${id}: taken ${told.filter((one) => one !== undefined).length} times`)
      if (winner !== undefined) this.sent.set(id, winner.partition)
      await pause(PAUSE_MS)
    }
  }

  /** Where it happened; undefined: the id is in use. */
  async #settleRaced(gateway: number, pair: Pair, id: string): Promise<Told | undefined> {
    for (let attempt = 0; ; attempt++) {
      try {
        const { result } = await graphql<{ result: TransferAnswer }>(this.#url(gateway + attempt), TRANSFER, {
          input: transferInput(pair, id),
        })
        if (!('position' in result)) {
          if (result.code !== 'id_reused') this.refused.push(`${id}: ${result.code}`)
          return undefined
        }
        const told = toldBy(result.position, pair.partition)
        this.acknowledge(id, told)
        return told
      } catch {
        await this.#again('a transfer that races for its id')
      }
    }
  }

  #url(gateway: number): string {
    const urls = this.#urls()
    return urls[gateway % urls.length] ?? 'http://127.0.0.1:9'
  }

  async #again(what: string): Promise<void> {
    if (performance.now() > this.#settleByMs)
      throw new Error(`It did not become known what became of ${what}, within ${SETTLE_MS_MAX / 1_000} s.`)
    await pause(RETRY_MS)
  }
}

function toldBy(position: string, partition: number): Told {
  const sequence = decodePosition(position)?.get(partition)
  if (sequence === undefined) throw new Error(`the position ${position} does not say where partition ${partition} is`)
  return { partition, sequence, isExact: false }
} // prettier-ignore

function transferInput({ bank, customer }: Pair, id: string): Record<string, string> {
  const [debitAccountId, creditAccountId] = [formatId(bank), formatId(customer)]
  return { id, debitAccountId, creditAccountId, amount: '1', currency: CURRENCY }
}

/** The first two accounts that live there. */
function pairIn(partition: number, partitions: number): Pair {
  const found: Id[] = []
  for (let number = 1; found.length < 2; number++) {
    const id = parseId(`00000000-0000-8000-8000-${String(number).padStart(12, '0')}`)!
    if (partitionOf(id, partitions) === partition) found.push(id)
  }
  return { partition, bank: found[0]!, customer: found[1]! }
}
