/**
 * What the model knows: plain maps, written from the design, docs/refusals.md and docs/decisions/, apart from the core.
 * Nothing here shares a line with what it checks but the words (schemas/).
 */
import type { Command } from '../../schemas/commands.ts'
import type { WalletEvent } from '../../schemas/events.ts'
import { uuidV7TimeMs, type Id } from '../../schemas/ids.ts'

export interface ModelAccount {
  readonly id: Id
  readonly number: number
  readonly currency: string
  readonly scale: number
  /** −1n: unlimited. */
  readonly overdraft: bigint
  readonly status: 'open' | 'frozen' | 'closed'
  readonly version: bigint
  readonly debitsPosted: bigint
  readonly debitsPending: bigint
  readonly creditsPosted: bigint
  readonly creditsPending: bigint
}

export interface ModelHold {
  readonly id: Id
  readonly debit: string
  readonly credit: string
  readonly amount: bigint
  /** 0n: never. */
  readonly expiresAt: bigint
  readonly sequence: bigint
}

/** The part that a linked group may have to take back. Its values are never changed, only replaced. */
export interface Wallet {
  readonly accounts: Map<string, ModelAccount>
  readonly scales: Map<string, number>
  readonly holds: Map<string, ModelHold>
  sequence: bigint
  recordedAt: bigint
}

export function emptyWallet(): Wallet {
  return { accounts: new Map(), scales: new Map(), holds: new Map(), sequence: 0n, recordedAt: 0n }
}

export function copyWallet(wallet: Wallet): Wallet {
  return {
    accounts: new Map(wallet.accounts),
    scales: new Map(wallet.scales),
    holds: new Map(wallet.holds),
    sequence: wallet.sequence,
    recordedAt: wallet.recordedAt,
  }
}

/** A map key for an id. */
export function keyOf(id: Id): string {
  return `${id.high.toString(36)}.${id.low.toString(36)}`
}

/** An id's one outcome. */
export interface Used {
  readonly command: Command
  readonly event: WalletEvent
}

/**
 * Every id that ever made an event. The core may forget all but the last `idsPerGeneration` keys, and has to refuse what
 * is not younger than what it forgot; how it does so is its own business, so the model only knows the two bounds.
 */
export class UsedIds {
  readonly first = new Map<string, Used>()
  /** Sequence of the event that reversed a transfer, by the transfer's key. */
  readonly reversed = new Map<string, bigint>()
  private readonly remembered: number
  /** One for each key that takes room: events' ids, and reversed transfers. */
  private readonly keys: { readonly timeMs: number; readonly sequence: bigint }[] = []
  private forgottenMs = -1

  constructor(idsPerGeneration: number) {
    this.remembered = idsPerGeneration
  }

  add(command: Command, event: WalletEvent): void {
    this.first.set(keyOf(command.id), { command, event })
    this.push(uuidV7TimeMs(command.id), event.sequence)
    if (event.kind !== 'TransferReversed') return
    this.reversed.set(keyOf(event.relatedId), event.sequence)
    this.push(-1, event.sequence)
  }

  /** True if an unused id of this time may be refused as too old. */
  mayBeExpired(timeMs: number): boolean {
    return timeMs <= this.forgottenMs
  }

  /** Sequence up to which a reversal may have been forgotten; 0 if none can have been. */
  forgottenSequence(): bigint {
    return this.keys.at(-this.remembered - 1)?.sequence ?? 0n
  }

  /** True if something has been forgotten: two generations are kept. */
  hasDropped(): boolean {
    return this.keys.length > 2 * this.remembered
  }

  private push(timeMs: number, sequence: bigint): void {
    this.keys.push({ timeMs, sequence })
    const forgotten = this.keys.at(-this.remembered - 1)
    if (forgotten !== undefined && forgotten.timeMs > this.forgottenMs) this.forgottenMs = forgotten.timeMs
  }
}
