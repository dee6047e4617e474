/**
 * The model of one partition: commands and a time in, events out, written from the design, docs/refusals.md and
 * docs/decisions/, to be obviously right rather than quick. What decides, keeps or shows events is held against it.
 */
import type { Command } from '../../schemas/commands.ts'
import type { WalletEvent } from '../../schemas/events.ts'
import { isUuidV7 } from '../../schemas/ids.ts'
import { LINKED_TRANSFERS_MAX } from '../../schemas/limits.ts'
import type { IdRefusal, Refusal } from '../../schemas/refusals.ts'
import { decideAcross, decideStep, decideTimely } from './decide-crossing.ts'
import { endAcross, releaseOf } from './hold-across.ts'
import { eventOf, expiryOf } from './event-of.ts'
import { isAboutAccount, isEnding, refusalOf, type ModelBounds } from './rules.ts'
import { isSameBody } from './same-body.ts'
import { isAhead, UsedIds } from './used-ids.ts'
import { keyOf, Wallet } from './wallet.ts'

/** What a command comes to. */
export type Outcome =
  | { readonly kind: 'event'; readonly event: WalletEvent }
  /** No event: it repeats what made this one. */
  | { readonly kind: 'repeat'; readonly event: WalletEvent }
  /** No event: its id is the reason. */
  | { readonly kind: 'id'; readonly refusal: IdRefusal | 'id_in_future' }
  /** No event: a step of a crossing that changes nothing. */
  | { readonly kind: 'nothing' }

const LINK_INDEX_MAX = 65_535

export class Model {
  /** Every event so far, from sequence 1 on. */
  readonly events: WalletEvent[] = []
  readonly used: UsedIds
  readonly #partition: number
  readonly #bounds: ModelBounds
  #wallet = new Wallet()

  constructor(partition: number, bounds: ModelBounds) {
    this.#partition = partition
    this.#bounds = bounds
    this.used = new UsedIds(bounds.idsPerGeneration)
  }

  get wallet(): Wallet {
    return this.#wallet
  }

  /**
   * Ends the holds that are due, the earliest deadline first, then does what time makes of crossings: `most` events at most.
   * Returns the events.
   */
  expireDue(nowNs: bigint, most = Infinity): WalletEvent[] {
    const events: WalletEvent[] = []
    while (events.length < most) {
      const atNs = this.#nextRecordedAt(nowNs)
      const [due] = [...this.#wallet.holds.values()]
        .filter(({ expiresAtNs }) => expiresAtNs !== 0n && expiresAtNs <= atNs)
        .sort((a, b) => Number(a.expiresAtNs - b.expiresAtNs || a.sequence - b.sequence))
      if (due === undefined) break
      const at = { wallet: this.#wallet, partition: this.#partition, atNs }
      const event =
        due.channel === undefined
          ? expiryOf(due, this.#wallet, this.#partition, atNs)
          : releaseOf(due, 'ExpireHold', at)
      events.push(this.#wallet.take(event))
    }
    for (;;) {
      const event = events.length < most ? decideTimely(this.#place(nowNs)) : undefined
      if (event === undefined) break
      events.push(event)
    }
    this.events.push(...events)
    return events
  }

  /** Decides a batch of commands at one time. One outcome a command. */
  decide(commands: readonly Command[], nowNs: bigint): Outcome[] {
    const outcomes: Outcome[] = []
    while (outcomes.length < commands.length) {
      const group = groupAt(commands, outcomes.length)
      if (group === undefined) outcomes.push(this.#decideAlone(commands[outcomes.length]!, nowNs))
      else if (group.isWhole) outcomes.push(...this.#decideGroup(group.members, nowNs))
      else outcomes.push(...this.#refuseTooLong(group.members, nowNs))
    }
    return outcomes
  }

  #decideAlone(command: Command, nowNs: bigint): Outcome {
    if (command.step !== undefined) return this.#decideStep(command, nowNs)
    if (!this.used.isNew(command.id, nowNs)) return this.#withoutEvent(command, nowNs)
    if ((command.kind === 'Transfer' || command.kind === 'PlaceHold') && command.across === true) {
      const events = decideAcross(command, this.#place(nowNs))
      this.events.push(...events.slice(0, -1))
      return this.#keep(command, events.at(-1)!)
    }
    const refusal = this.#refusal(command, nowNs)
    if (isEnding(command.kind) && refusal === undefined) {
      const ended = endAcross(command, this.#place(nowNs))
      if (ended !== undefined) {
        const outcome = this.#keep(command, ended[0])
        this.events.push(...ended.slice(1))
        return outcome
      }
    }
    return this.#keep(command, this.#happen(command, refusal, 0, nowNs))
  }

  /** A step has no id of its own: what it makes is of the transfer's. */
  #decideStep(command: Command, nowNs: bigint): Outcome {
    const events = decideStep(command, this.#place(nowNs))
    this.events.push(...events)
    const event = events.at(-1)
    return event === undefined ? { kind: 'nothing' } : { kind: 'event', event }
  }

  #place(nowNs: bigint): Parameters<typeof decideStep>[1] {
    const atNs = (): bigint => this.#nextRecordedAt(nowNs)
    return { wallet: this.#wallet, partition: this.#partition, bounds: this.#bounds, atNs }
  }

  /** All members happen, or none: then the first that cannot is refused for its own reason, the others as `linked_failed`. */
  #decideGroup(members: readonly Command[], nowNs: bigint): Outcome[] {
    const keys = members.map(({ id }) => keyOf(id))
    const fresh = members.map(({ id }, index) => this.used.isNew(id, nowNs) && keys.indexOf(keys[index]!) === index) // prettier-ignore
    let culprit = -1
    let reason: Refusal = 'linked_failed'
    if (fresh.every(Boolean)) {
      const before = this.#wallet.copy()
      const reversed = new Map<string, boolean>()
      const events: WalletEvent[] = []
      for (const [index, command] of members.entries()) {
        const refusal = this.#refusal(command, nowNs, reversed, true)
        if (refusal !== undefined) {
          culprit = index
          reason = refusal
          break
        }
        events.push(this.#happen(command, undefined, index + 1, nowNs))
        if (command.kind === 'ReverseTransfer')
          reversed.set(keyOf(command.related!), events.at(-1)!.expiresAtNs === 0n)
      }
      // Its ids are used from when it is certain that the group happens.
      if (culprit < 0) return members.map((command, index) => this.#keep(command, events[index]!))
      this.#wallet = before
    }
    return members.map((command, index) => {
      if (!fresh[index]!) return this.#withoutEvent(command, nowNs)
      const refusal = index === culprit ? reason : 'linked_failed'
      return this.#keep(command, this.#happen(command, refusal, index + 1, nowNs))
    })
  }

  /** A group that is too long, or has no end, is refused one by one; and its ids are used one by one. */
  #refuseTooLong(members: readonly Command[], nowNs: bigint): Outcome[] {
    return members.map((command, index) => {
      if (!this.used.isNew(command.id, nowNs)) return this.#withoutEvent(command, nowNs)
      const linkIndex = Math.min(index + 1, LINK_INDEX_MAX)
      return this.#keep(command, this.#happen(command, 'linked_too_long', linkIndex, nowNs))
    })
  }

  #refusal(
    command: Command,
    nowNs: bigint,
    reversedInGroup: ReadonlyMap<string, boolean> = new Map(),
    isMember = false,
  ): Refusal | undefined {
    const atNs = this.#nextRecordedAt(nowNs)
    const bounds = this.#bounds
    const refusal = refusalOf(command, { wallet: this.#wallet, used: this.used, bounds, reversedInGroup, isMember, atNs }) // prettier-ignore
    return refusal ?? (isMember ? undefined : noChannelFor(command, this.#wallet))
  }

  #happen(command: Command, refusal: Refusal | undefined, linkIndex: number, nowNs: bigint): WalletEvent {
    const atNs = this.#nextRecordedAt(nowNs)
    const verdict = { refusal, partition: this.#partition, atNs, linkIndex }
    return this.#wallet.take(eventOf(command, this.#wallet, verdict))
  }

  #keep(command: Command, event: WalletEvent): Outcome {
    this.used.add(command, event)
    this.events.push(event)
    return { kind: 'event', event }
  }

  #withoutEvent(command: Command, nowNs: bigint): Outcome {
    const first = this.used.first.get(keyOf(command.id))
    if (first !== undefined)
      return isSameBody(command, first)
        ? { kind: 'repeat', event: first.event }
        : { kind: 'id', refusal: 'id_reused' }
    const isOfFuture = isUuidV7(command.id) && isAhead(command.id, nowNs)
    return { kind: 'id', refusal: isOfFuture ? 'id_in_future' : 'id_expired' }
  }

  /** Recorded times rise strictly, whatever the clock does. */
  #nextRecordedAt(nowNs: bigint): bigint {
    const { recordedAtNs } = this.#wallet
    return nowNs > recordedAtNs ? nowNs : recordedAtNs + 1n
  }
}

/** A post of a hold across partitions goes its own way, if there is one. */
function noChannelFor({ kind, related }: Command, wallet: Wallet): Refusal | undefined {
  if (kind !== 'PostHold' || wallet.holds.get(keyOf(related!))?.channel === undefined) return undefined
  return wallet.crossings.freeChannel() === undefined ? 'too_many_in_transit' : undefined
}

/** The linked group that begins at `from`, if one does; `isWhole` unless it has no end or too many members. */
function groupAt(
  commands: readonly Command[],
  from: number,
): { readonly members: readonly Command[]; readonly isWhole: boolean } | undefined {
  const isMember = (command: Command | undefined): boolean =>
    command !== undefined && !isAboutAccount(command.kind) && command.kind !== 'ClaimId'
  const isLinked = (command: Command | undefined): boolean => isMember(command) && command!.linked === true
  if (!isLinked(commands[from])) return undefined
  let end = from
  while (isLinked(commands[end])) end++
  const hasEnd = isMember(commands[end])
  const members = commands.slice(from, hasEnd ? end + 1 : end)
  return { members, isWhole: hasEnd && members.length <= LINKED_TRANSFERS_MAX }
}
