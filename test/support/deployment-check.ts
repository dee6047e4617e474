/**
 * What has to hold of a deployment after any fault: every transfer that a client was told of stands once in the accepted
 * chain, what nobody was told of once or not at all; sequences and versions have no gap, and totals are what the model's
 * wallet sums; the books balance; a replay gives what the gateways answer, and the views are that replay, row for row.
 */
import { expect } from 'vitest'
import { graphql } from '../../cli/graphql-client.ts'
import { openKafkaEventLog, type KafkaEventLog } from '../../eventlog/kafka/events/kafka-event-log.ts'
import type { LogHead } from '../../eventlog/ports.ts'
import type { KafkaSettings } from '../../eventlog/kafka/settings.ts'
import { encodePosition } from '../../gateway/positions/tokens.ts'
import { proveByReplay } from '../../projectors/proof/prove.ts'
import { BUILT_IN_PROJECTIONS } from '../../projectors/views/built-in.ts'
import { decodeEvents, type WalletEvent } from '../../schemas/events.ts'
import { formatId } from '../../schemas/ids.ts'
import type { Frame } from '../../schemas/frames.ts'
import { createCore, type WalletCore } from '../../writer/core/core.ts'
import { TailReplay } from '../../writer/recovery/load-state.ts'
import { digestSections } from '../../writer/recovery/state-digest.ts'
import { eventsDifference, stateDifference } from '../model/differences.ts'
import { Wallet } from '../model/wallet.ts'
import type { Deployment } from './deployment.ts'
import type { DeploymentLoad, Pair } from './deployment-load.ts'

const BALANCE = `query($id: UUID!, $at: Position!) {
  balance(accountId: $id, at: { position: $at }, after: $at) { balance { minor } } }`
const ANSWER_MS_MAX = 60_000

/** What was read of one partition. */
export interface ChainSeen {
  readonly partition: number
  readonly events: bigint
  readonly transfers: number
  /** Frames that stand in the topic and are no part of its history. */
  readonly voids: number
  /** Opening frames: how often a writer took over, and the first one. */
  readonly epoch: bigint
  /** SHA-256 of the state that follows from it. */
  readonly digest: string
}

/**
 * Runs every check; the load has to have ended. Returns what was read.
 * @param only the one partition that is checked; default: all
 */
export async function expectExact(deployment: Deployment, load: DeploymentLoad, only?: number): Promise<readonly ChainSeen[]> {
  expect(load.refused).toEqual([])
  const seen: ChainSeen[] = []
  const pairs = load.pairs.filter(({ partition }) => only === undefined || partition === only)
  for (const pair of pairs) {
    const chain = await Chain.read(deployment.kafka, pair.partition)
    try {
      expectOnce(chain, load)
      chain.expectSound()
      await expectBalances(deployment, pair, chain)
      await expectViews(deployment, chain)
      seen.push(chain.seen())
    } finally {
      chain.log.close()
    }
  }
  return seen
} // prettier-ignore

/**
 * What clients were told of a partition before a record that nobody can read: each transfer stands once in front of it, the
 * books balance there, and behind it nothing is read.
 * @param place how readers name that record: `offset 7 of partition 1 of …`
 */
export async function expectExactBefore(
  deployment: Deployment,
  load: DeploymentLoad,
  partition: number,
  place: string,
): Promise<void> {
  const chain = await Chain.readTo(deployment.kafka, partition, place)
  expectOnce(chain, load)
  chain.expectSound()
}

/** The accepted chain of a partition, read from the topic's first record, and folded by a core of its own. */
class Chain {
  readonly partition: number
  readonly core: WalletCore
  /** Transfer → its sequence. */
  readonly transfers = new Map<string, bigint>()
  readonly twice: string[] = []
  log!: KafkaEventLog
  /** Where it ended when it was read. */
  head!: LogHead
  readonly #tail: TailReplay
  readonly #wallet = new Wallet()

  private constructor(partition: number) {
    this.partition = partition
    this.core = createCore({ partition })
    this.#tail = new TailReplay({ core: this.core, snapshot: undefined, unusable: [] })
  }

  static async read(settings: KafkaSettings, partition: number): Promise<Chain> {
    const chain = new Chain(partition)
    chain.log = await chain.#open(settings)
    chain.head = chain.log.head()
    chain.#tail.end(chain.head)
    return chain
  }

  /** Up to a record that nobody can read, as every reader comes to it. */
  static async readTo(settings: KafkaSettings, partition: number, place: string): Promise<Chain> {
    const chain = new Chain(partition)
    await expect(chain.#open(settings)).rejects.toMatchObject({
      code: 'log_corrupt',
      message: expect.stringContaining(place) as string,
    })
    return chain
  }

  #open(settings: KafkaSettings): Promise<KafkaEventLog> {
    const { partition } = this
    const onCatchUp = (frame: Frame): void => {
      this.#take(frame)
    }
    return openKafkaEventLog({ settings, partition, log: () => undefined, onCatchUp })
  }

  seen(): ChainSeen {
    return {
      partition: this.partition,
      events: this.#wallet.sequence,
      transfers: this.transfers.size,
      voids: this.log.voids(),
      epoch: this.head.epoch,
      digest: digestSections(this.core.save()),
    }
  }

  #take(frame: Frame): void {
    for (const event of decodeEvents(frame.payload)) this.#count(event)
    this.#tail.apply(frame)
  }

  #count(event: WalletEvent): void {
    const { sequence, kind, transferId } = event
    const difference = eventsDifference([event], [this.#wallet.take(event)])
    if (difference !== undefined) throw new Error(difference)
    if (event.refusal !== undefined) throw new Error(`${sequence} is refused: ${event.refusal}`)
    if (kind !== 'TransferPosted') return
    const id = formatId(transferId)
    if (this.transfers.has(id)) this.twice.push(id)
    this.transfers.set(id, sequence)
  }

  /** The books balance, and the core that took in the chain knows what the model's wallet knows. */
  expectSound(): void {
    expect(this.#wallet.fault()).toBeUndefined()
    expect(stateDifference(this.core, this.#wallet)).toBeUndefined()
    expect([...this.core.trialBalance()]).toEqual([['EUR', 0n]])
  }
}

function expectOnce(chain: Chain, load: DeploymentLoad): void {
  const { partition } = chain
  expect(chain.twice).toEqual([])
  const missing: string[] = []
  const misplaced: string[] = []
  for (const [id, told] of load.acknowledged) {
    if (load.sent.get(id) !== partition) continue
    const sequence = chain.transfers.get(id)
    if (sequence === undefined) missing.push(id)
    else if (told.partition !== partition || (told.isExact ? told.sequence !== sequence : told.sequence < sequence))
      misplaced.push(`${id} at ${sequence}, told ${told.partition}:${told.sequence}`)
  }
  expect({ missing, misplaced }).toEqual({ missing: [], misplaced: [] })
  // Nobody asked for these.
  expect([...chain.transfers.keys()].filter((id) => load.sent.get(id) !== partition)).toEqual([])
} // prettier-ignore

/** Every gateway says of both accounts what the replay says, as of the end of the log. */
async function expectBalances(deployment: Deployment, pair: Pair, chain: Chain): Promise<void> {
  const { partition, sequence } = chain.head
  const at = encodePosition(new Map([[partition, sequence]]))
  for (const url of deployment.urls())
    for (const id of [pair.bank, pair.customer].map(formatId)) {
      let told = ''
      await deployment.until(`a gateway answers for account ${id}`, async () => {
        try {
          const { balance } = await graphql<{ balance: { balance: { minor: string } } }>(url, BALANCE, {
            id,
            at,
          })
          told = balance.balance.minor
          return true
        } catch {
          return false
        }
      }, ANSWER_MS_MAX)
      expect(told).toBe(String(balanceIn(chain.core, id)))
    }
} // prettier-ignore

function balanceIn(core: WalletCore, id: string): bigint | undefined {
  for (let number = 1; number <= core.accounts(); number++) {
    const account = core.account(number)!
    if (formatId(account.id) === id) return account.creditsPosted - account.debitsPosted
  }
  return undefined
}

async function expectViews(deployment: Deployment, { log, head }: Chain): Promise<void> {
  const { store } = deployment
  const { partition, sequence: upTo } = head
  await deployment.untilViewed(new Map([[partition, upTo]]))
  const { differences } = await proveByReplay({ store, log, upTo, projections: BUILT_IN_PROJECTIONS })
  expect(differences).toEqual([])
}
