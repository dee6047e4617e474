/**
 * The ids that were used, by docs/decisions/0002, 0003 and 0021: every one with its first outcome, as a door can look it up,
 * and which of them a writer still remembers.
 */
import type { Command } from '../../schemas/commands.ts'
import { isReversal, leftOf } from '../../schemas/event-left.ts'
import type { WalletEvent } from '../../schemas/events.ts'
import { isUuidV7, uuidV7TimeMs, type Id } from '../../schemas/ids.ts'
import { ID_AHEAD_MS_MAX } from '../../schemas/limits.ts'
import { keyOf } from './wallet.ts'

/** An id's one outcome. */
export interface Used {
  readonly command: Command
  readonly event: WalletEvent
}

interface Generation {
  /** Ids of events, and of transfers that were reversed, each kind under keys of its own. */
  readonly keys: Set<string>
  /** Latest time of its ids of events, milliseconds since 1970. */
  latestMs: number
  /** Sequence of the last event before its first one. */
  readonly began: bigint
}

/** Two generations are remembered; the third drops the first, and with it every id up to its latest time is too old. */
export class UsedIds {
  readonly first = new Map<string, Used>()
  /** What was reversed of each transfer, in order, by the transfer's key. */
  readonly reversals = new Map<string, readonly { readonly sequence: bigint; readonly amount: bigint }[]>()
  /** Sequence of the event that left nothing of a transfer, by the transfer's key. */
  readonly reversed = new Map<string, bigint>()
  /** Latest time of an id that was forgotten, milliseconds since 1970; −1 if none was. */
  horizonMs = -1
  readonly #perGeneration: number
  readonly #generations: Generation[] = [{ keys: new Set(), latestMs: -1, began: 0n }]

  /** @param perGeneration keys that one generation holds: ids of events, and reversed transfers */
  constructor(perGeneration: number) {
    this.#perGeneration = perGeneration
  }

  /** True if a command with this id makes an event. */
  isNew(id: Id, nowNs: bigint): boolean {
    if (!isUuidV7(id) || isAhead(id, nowNs)) return false
    return uuidV7TimeMs(id) > this.horizonMs && !this.isRemembered(id)
  }

  isRemembered(id: Id): boolean {
    return this.#has(keyOf(id))
  }

  /** True if the transfer is remembered as reversed. */
  isReversed(id: Id): boolean {
    return this.#has(`reversed ${keyOf(id)}`)
  }

  /** True if a reversal of a part of the transfer is remembered that found so much left. */
  isPartReversed(id: Id, found: bigint): boolean {
    return this.#has(`reversed ${keyOf(id)} of ${found}`)
  }

  /** True if a use or a reversal behind this sequence may have been forgotten. */
  mayHaveForgotten(sequence: bigint): boolean {
    return sequence < this.#generations[0]!.began
  }

  add(command: Command, event: WalletEvent): void {
    this.first.set(keyOf(command.id), { command, event })
    const generation = this.#put(keyOf(command.id), event.sequence)
    generation.latestMs = Math.max(generation.latestMs, uuidV7TimeMs(command.id))
    if (!isReversal(event)) return
    const { relatedId, amount, sequence } = event
    const transfer = keyOf(relatedId)
    const left = leftOf(event) ?? 0n
    this.reversals.set(transfer, [...(this.reversals.get(transfer) ?? []), { sequence, amount }])
    if (left === 0n) this.reversed.set(transfer, sequence)
    this.#put(left === 0n ? `reversed ${transfer}` : `reversed ${transfer} of ${left + amount}`, sequence)
  }

  #has(key: string): boolean {
    return this.#generations.some(({ keys }) => keys.has(key))
  }

  #put(key: string, sequence: bigint): Generation {
    if (this.#generations.at(-1)!.keys.size >= this.#perGeneration)
      this.#generations.push({ keys: new Set(), latestMs: -1, began: sequence - 1n })
    if (this.#generations.length > 2)
      this.horizonMs = Math.max(this.horizonMs, this.#generations.shift()!.latestMs)
    const generation = this.#generations.at(-1)!
    generation.keys.add(key)
    return generation
  }
}

/** True if the id's time lies further ahead of the writer's clock than is allowed. */
export function isAhead(id: Id, nowNs: bigint): boolean {
  return uuidV7TimeMs(id) > Number(nowNs / 1_000_000n) + ID_AHEAD_MS_MAX
}
