/**
 * The model: it follows the accepted frames, knows the commands that each one consumed, and checks that every event is what
 * the rules say, in every field, and that every command without an event may have none.
 */
import type { Command } from '../../schemas/commands.ts'
import { decodeEvents, type WalletEvent } from '../../schemas/events.ts'
import { insist } from './insist.ts'
import { isSameBody, checkAsked, checkSide } from './model-events.ts'
import type { Frame } from '../../schemas/frames.ts'
import { formatId, isUuidV7, sameId, uuidV7TimeMs, type Id } from '../../schemas/ids.ts'
import { ID_AHEAD_MS_MAX, LINKED_TRANSFERS_MAX } from '../../schemas/limits.ts'
import type { IdRefusal, Refusal } from '../../schemas/refusals.ts'
import { availableOf, isAboutAccount, judge, refused, type ModelBounds, type Verdict } from './model-rules.ts'
import { copyWallet, emptyWallet, keyOf, UsedIds, type ModelAccount, type Wallet } from './model-state.ts'

/** What a command came to. */
export type ModelOutcome =
  | { readonly kind: 'event'; readonly event: WalletEvent }
  /** No event: it is a repeat of what made this event, or its id is refused. */
  | { readonly kind: 'repeat'; readonly event: WalletEvent }
  | { readonly kind: 'id'; readonly refusal: IdRefusal | 'id_in_future' }

export class Model {
  readonly bounds: ModelBounds
  readonly used: UsedIds
  /** Every event so far, from sequence 1 on. */
  readonly events: WalletEvent[] = []
  private state: Wallet = emptyWallet()
  private readonly cover: (event: string) => void
  /** Events of the frame in hand that no command has claimed. */
  private rest: WalletEvent[] = []

  constructor(bounds: ModelBounds, cover: (event: string) => void) {
    this.bounds = bounds
    this.used = new UsedIds(bounds.idsPerGeneration)
    this.cover = cover
  }

  get wallet(): Wallet {
    return this.state
  }

  /**
   * Takes the next accepted frame. Throws if an event is not what it should be.
   * @param commands those that the frame consumed, in order
   * @param nowNs wall time at which they were decided
   */
  takeFrame(frame: Frame, commands: readonly Command[], nowNs: bigint): ModelOutcome[] {
    this.rest = decodeEvents(frame.payload)
    insist(this.rest.length === frame.count, `${frame.count} events in the frame`, this.rest.length)
    this.takeExpiries(nowNs)
    const outcomes: ModelOutcome[] = []
    while (outcomes.length < commands.length) {
      const group = groupAt(commands, outcomes.length)
      if (group === undefined) outcomes.push(this.takeAlone(commands[outcomes.length]!, nowNs))
      else outcomes.push(...this.takeGroup(group.members, group.isWhole, nowNs))
    }
    const left = this.rest[0]
    if (left !== undefined) throw new Error(`event ${left.sequence} (${left.kind}) answers no command`)
    return outcomes
  }

  /** Every currency's sum, which is zero, and every account's available amount, which is not below it. */
  checkWhole(): void {
    const sums = new Map<string, bigint>()
    let pending = 0n
    for (const account of this.state.accounts.values()) {
      const sum = sums.get(account.currency) ?? 0n
      sums.set(account.currency, sum + account.creditsPosted - account.debitsPosted)
      pending += account.debitsPending
      if (account.overdraft !== -1n && availableOf(account) < 0n)
        insist(false, `account ${account.number} covered`, availableOf(account))
    }
    for (const [currency, sum] of sums) insist(sum === 0n, `${currency} sums to zero`, sum)
    let held = 0n
    for (const hold of this.state.holds.values()) held += hold.amount
    insist(held === pending, `${pending} pending, as the holds say`, held)
  }

  private takeExpiries(nowNs: bigint): void {
    for (let event = this.rest[0]; event?.kind === 'HoldExpired'; event = this.rest[0]) {
      const atNs = this.nextRecordedAt(nowNs)
      const due = [...this.state.holds.values()]
        .filter((hold) => hold.expiresAt !== 0n && hold.expiresAt <= atNs)
        .sort((a, b) => Number(a.expiresAt - b.expiresAt || a.sequence - b.sequence))[0]
      if (due === undefined) throw new Error(`event ${event.sequence}: a hold expires that is not due`)
      insist(
        sameId(event.relatedId, due.id),
        `hold ${formatId(due.id)} expires first`,
        formatId(event.relatedId),
      )
      insist(
        sameId(event.transferId, due.id),
        'an expiry carries its hold as its id',
        formatId(event.transferId),
      )
      insist(event.command === 'ExpireHold', 'an expiry is asked for by the timer', event.command)
      this.rest.shift()
      const verdict: Verdict = { kind: 'HoldExpired', refusal: undefined, debit: due.debit, credit: due.credit, amount: due.amount, expiresAt: due.expiresAt } // prettier-ignore
      this.checkEvent(event, verdict, nowNs, 0)
      this.endHold(keyOf(due.id), 0n)
      this.checkSides(event, verdict)
      this.cover('hold expired')
    }
  }

  private takeAlone(command: Command, nowNs: bigint): ModelOutcome {
    const event = this.claim(command, nowNs)
    if (event === undefined) return this.withoutEvent(command, nowNs)
    const verdict = this.judgeNow(command, event, nowNs, new Set())
    this.perform(command, event, verdict, nowNs, 0)
    this.used.add(command, event)
    return { kind: 'event', event }
  }

  private takeGroup(members: readonly Command[], isWhole: boolean, nowNs: bigint): ModelOutcome[] {
    // A run that is too long is refused one by one, and its ids are remembered one by one.
    if (!isWhole) {
      this.cover('linked group too long')
      return members.map((command, index) => {
        const event = this.claim(command, nowNs)
        if (event === undefined) return this.withoutEvent(command, nowNs)
        this.refuse(command, event, 'linked_too_long', nowNs, index)
        this.used.add(command, event)
        return { kind: 'event', event }
      })
    }
    const inGroup = new Set<string>()
    const events = members.map((command) => {
      const event = this.claim(command, nowNs, inGroup)
      inGroup.add(keyOf(command.id))
      return event
    })
    const isFresh = events.every((event) => event !== undefined)
    const culprit = isFresh ? this.attemptGroup(members, events, nowNs) : { index: -1, refusal: undefined }
    if (culprit === undefined) this.cover('linked group done')
    else if (events.some((event) => event !== undefined)) this.cover('linked group refused')
    const happened = culprit === undefined
    members.forEach((command, index) => {
      const event = events[index]
      if (event !== undefined && !happened)
        this.refuse(
          command,
          event,
          index === culprit.index ? culprit.refusal! : 'linked_failed',
          nowNs,
          index,
        )
    })
    // Ids are remembered when the group's outcome is certain; a member that repeats another one's is told of that one's.
    members.forEach((command, index) => {
      const event = events[index]
      if (event !== undefined) this.used.add(command, event)
    })
    return members.map((command, index) => {
      const event = events[index]
      return event === undefined ? this.withoutEvent(command, nowNs) : { kind: 'event', event }
    })
  }

  /** Performs the members one after the other. If one is refused: which and why, the state being what it was. */
  private attemptGroup(
    members: readonly Command[],
    events: readonly (WalletEvent | undefined)[],
    nowNs: bigint,
  ): { readonly index: number; readonly refusal: Refusal | undefined } | undefined {
    const before = copyWallet(this.state)
    const reversed = new Set<string>()
    // Whether it happens is known before an event is compared: refused groups' events show the state as it was.
    for (const [index, command] of members.entries()) {
      const event = events[index]!
      const verdict = this.judgeNow(command, event, nowNs, reversed)
      if (verdict.refusal !== undefined) {
        this.state = before
        return { index, refusal: verdict.refusal }
      }
      const done = events[0]!.refusal === undefined
      if (done) this.perform(command, event, verdict, nowNs, index + 1)
      else {
        const recordedAt = this.nextRecordedAt(nowNs)
        this.change(command, verdict)
        this.state.sequence += 1n
        this.state.recordedAt = recordedAt
      }
      if (command.kind === 'ReverseTransfer') reversed.add(keyOf(command.related!))
    }
    insist(events[0]!.refusal === undefined, 'the linked group happens', events[0]!.refusal)
    return undefined
  }

  /** The event that answers the command, if the next one does, and if the id's rules let there be one. */
  private claim(command: Command, nowNs: bigint, inGroup?: ReadonlySet<string>): WalletEvent | undefined {
    const next = this.rest[0]
    if (next === undefined || next.kind === 'HoldExpired') return undefined
    if (!sameId(next.transferId, command.id) || next.command !== command.kind) return undefined
    const key = keyOf(command.id)
    if (this.used.first.has(key) || inGroup?.has(key) === true)
      throw new Error(`event ${next.sequence}: id ${formatId(command.id)} takes effect a second time`)
    insist(isUuidV7(command.id), 'an event under a UUIDv7', formatId(command.id))
    insist(!isAhead(command.id, nowNs), 'no event under an id of the future', formatId(command.id))
    this.rest.shift()
    return next
  }

  private withoutEvent(command: Command, nowNs: bigint): ModelOutcome {
    const first = this.used.first.get(keyOf(command.id))
    if (first !== undefined) {
      const isSame = isSameBody(command, first)
      this.cover(isSame ? 'repeated id' : 'id_reused')
      return isSame ? { kind: 'repeat', event: first.event } : { kind: 'id', refusal: 'id_reused' }
    }
    if (isUuidV7(command.id) && isAhead(command.id, nowNs)) {
      this.cover('id_in_future')
      return { kind: 'id', refusal: 'id_in_future' }
    }
    const isAllowed = !isUuidV7(command.id) || this.used.mayBeExpired(uuidV7TimeMs(command.id))
    insist(isAllowed, `an event for the new id ${formatId(command.id)} (${command.kind})`, 'none')
    this.cover('id_expired')
    return { kind: 'id', refusal: 'id_expired' }
  }

  private judgeNow(
    command: Command,
    event: WalletEvent,
    nowNs: bigint,
    reversedInGroup: ReadonlySet<string>,
  ): Verdict {
    const { state: wallet, used, bounds } = this
    return judge(command, {
      wallet,
      used,
      bounds,
      reversedInGroup,
      atNs: this.nextRecordedAt(nowNs),
      seen: event.refusal,
    })
  }

  private refuse(command: Command, event: WalletEvent, refusal: Refusal, nowNs: bigint, index: number): void {
    const { state: wallet, used, bounds } = this
    const judging = { wallet, used, bounds, reversedInGroup: new Set<string>(), atNs: 0n, seen: undefined }
    this.perform(command, event, refused(command, judging, refusal), nowNs, index + 1)
  }

  private perform(
    command: Command,
    event: WalletEvent,
    verdict: Verdict,
    nowNs: bigint,
    linkIndex: number,
  ): void {
    this.checkEvent(event, verdict, nowNs, linkIndex)
    checkAsked(command, event, verdict.refusal, this.state.accounts)
    this.change(command, verdict)
    this.checkSides(event, verdict)
    this.cover(verdict.refusal ?? verdict.kind)
  }

  /** What the event says of itself. Moves sequence and time on. */
  private checkEvent(event: WalletEvent, verdict: Verdict, nowNs: bigint, linkIndex: number): void {
    const { state } = this
    const what = `event ${event.sequence}`
    insist(event.sequence === state.sequence + 1n, `event ${state.sequence + 1n} next`, event.sequence)
    insist(
      event.refusal === verdict.refusal,
      `${what}: ${verdict.refusal ?? verdict.kind}`,
      event.refusal ?? event.kind,
    )
    insist(event.kind === verdict.kind, `${what}: ${verdict.kind}`, event.kind)
    const recordedAt = this.nextRecordedAt(nowNs)
    insist(event.recordedAtNs === recordedAt, `${what} recorded at ${recordedAt}`, event.recordedAtNs)
    insist(event.amount === verdict.amount, `${what} of amount ${verdict.amount}`, event.amount)
    insist(
      event.expiresAtNs === verdict.expiresAt,
      `${what} expiring at ${verdict.expiresAt}`,
      event.expiresAtNs,
    )
    insist(event.linkIndex === linkIndex, `${what} with link index ${linkIndex}`, event.linkIndex)
    state.sequence = event.sequence
    state.recordedAt = recordedAt
    this.events.push(event)
  }

  private checkSides(event: WalletEvent, { debit, credit }: Verdict): void {
    const { accounts } = this.state
    checkSide(event, event.debit, debit === undefined ? undefined : accounts.get(debit))
    checkSide(event, event.credit, credit === undefined ? undefined : accounts.get(credit))
  }

  private change(command: Command, verdict: Verdict): void {
    const { accounts, scales, holds } = this.state
    const { amount } = verdict
    switch (verdict.kind) {
      case 'AccountOpened':
        scales.set(command.currency!, command.scale ?? 0)
        accounts.set(verdict.debit!, {
          id: command.debit!,
          number: accounts.size + 1,
          currency: command.currency!,
          scale: command.scale ?? 0,
          overdraft: amount,
          status: 'open',
          version: 1n,
          debitsPosted: 0n,
          debitsPending: 0n,
          creditsPosted: 0n,
          creditsPending: 0n,
        })
        return
      case 'AccountFrozen':
        this.update(verdict.debit!, { status: 'frozen' })
        return
      case 'AccountUnfrozen':
        this.update(verdict.debit!, { status: 'open' })
        return
      case 'AccountClosed':
        this.update(verdict.debit!, { status: 'closed' })
        return
      case 'TransferPosted':
      case 'TransferReversed':
        this.update(verdict.debit!, { debitsPosted: accounts.get(verdict.debit!)!.debitsPosted + amount })
        this.update(verdict.credit!, { creditsPosted: accounts.get(verdict.credit!)!.creditsPosted + amount })
        return
      case 'HoldPlaced':
        this.update(verdict.debit!, { debitsPending: accounts.get(verdict.debit!)!.debitsPending + amount })
        this.update(verdict.credit!, {
          creditsPending: accounts.get(verdict.credit!)!.creditsPending + amount,
        })
        holds.set(keyOf(command.id), {
          id: command.id,
          debit: verdict.debit!,
          credit: verdict.credit!,
          amount,
          expiresAt: verdict.expiresAt,
          sequence: this.state.sequence,
        })
        return
      case 'HoldPosted':
      case 'HoldVoided':
        this.endHold(keyOf(command.related!), verdict.kind === 'HoldPosted' ? amount : 0n)
        return
      case 'HoldExpired':
      case 'AccountRefused':
      case 'TransferRefused':
        return
    }
  }

  private endHold(key: string, posted: bigint): void {
    const { accounts, holds } = this.state
    const hold = holds.get(key)!
    const debit = accounts.get(hold.debit)!
    const debitsPending = debit.debitsPending - hold.amount
    this.update(hold.debit, { debitsPending, debitsPosted: debit.debitsPosted + posted })
    const credit = accounts.get(hold.credit)!
    const creditsPending = credit.creditsPending - hold.amount
    this.update(hold.credit, { creditsPending, creditsPosted: credit.creditsPosted + posted })
    holds.delete(key)
  }

  private update(key: string, change: Partial<ModelAccount>): void {
    const account = this.state.accounts.get(key)!
    this.state.accounts.set(key, { ...account, ...change, version: account.version + 1n })
  }

  private nextRecordedAt(nowNs: bigint): bigint {
    return nowNs > this.state.recordedAt ? nowNs : this.state.recordedAt + 1n
  }
}

/** The linked group that begins at `from`, if one does; `isWhole` unless it has no end or too many members. */
function groupAt(
  commands: readonly Command[],
  from: number,
): { readonly members: readonly Command[]; readonly isWhole: boolean } | undefined {
  const first = commands[from]!
  if (first.linked !== true || isAboutAccount(first.kind)) return undefined
  let end = from
  while (end < commands.length && !isAboutAccount(commands[end]!.kind) && commands[end]!.linked === true)
    end++
  const hasEnd = end < commands.length && !isAboutAccount(commands[end]!.kind)
  const members = commands.slice(from, hasEnd ? end + 1 : end)
  return { members, isWhole: hasEnd && members.length <= LINKED_TRANSFERS_MAX }
}

function isAhead(id: Id, nowNs: bigint): boolean {
  return uuidV7TimeMs(id) > Number(nowNs / 1_000_000n) + ID_AHEAD_MS_MAX
}
