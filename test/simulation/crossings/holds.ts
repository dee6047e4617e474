/**
 * What the durable events of all partitions say of holds: how much each side holds, what its posts have taken, and that both
 * let go of the same. Written apart from the core, from docs/coordination.md. Between any two frames this is a consistent cut.
 */
import { parseCrossing, type CrossingText } from '../../../schemas/crossing.ts'
import type { Totals, WalletEvent } from '../../../schemas/events.ts'
import { partitionOf } from '../../../schemas/partitions.ts'
import { refusalOf } from '../../../schemas/refusals.ts'
import { keyOf } from '../../model/wallet.ts'
import { insist } from '../insist.ts'
import type { Books } from './books.ts'
import { turnOf, type Channels } from './channels.ts'
import type { CountedIds } from './ids.ts'

/** A hold, or a post of one: each has a channel's turn. */
interface Way {
  readonly first: WalletEvent
  readonly text: CrossingText
  readonly destination: number
  /** The hold that this is a post of; undefined: it is one itself. */
  readonly of: Hold | undefined
  last: bigint
  reminders: number
  isOver: boolean
}
export interface Hold extends Way {
  phase: 'holding' | 'held' | 'cancelled' | 'released'
  /** What the source and the destination still hold, and what the source has let go of. */
  held: bigint
  expected: bigint
  released: bigint
  isReserved: boolean
  isCancelledThere: boolean
  posts: number
  refusal: string | undefined
}
interface Post extends Way {
  readonly of: Hold
  isCredited: boolean
}

/** Kinds that only holds have; the others tell by their turn. */
const BEGINS = new Set(['HoldReserved', 'HoldDrawn'])
type Added = Partial<Record<keyof Totals, bigint>>

export class HoldLedger {
  readonly holds = new Map<string, Hold>()
  readonly #ways = new Map<string, Hold | Post>()
  readonly #books: readonly Books[]
  readonly #channels: Channels
  readonly #ids: CountedIds
  readonly #cover: (mark: string) => void

  constructor(books: readonly Books[], channels: Channels, ids: CountedIds, cover: (mark: string) => void) {
    this.#books = books
    this.#channels = channels
    this.#ids = ids
    this.#cover = cover
  }

  /** True if the event is of a hold or of a post, and was taken in. */
  take(partition: number, event: WalletEvent): boolean {
    const text = parseCrossing(event.namedAccounts)!
    if (BEGINS.has(event.kind)) this.#begin(partition, event, text)
    const way = this.#ways.get(turnOf(text))
    if (way === undefined) return false
    const place = ({ debit, credit }: CrossingText): string => [keyOf(debit), keyOf(credit)].join()
    insist(place(text) === place(way.text), `accounts of ${event.kind} as begun`, place(text))
    insist(event.currency === way.first.currency && event.scale === way.first.scale, 'its currency', event.currency) // prettier-ignore
    if (event.kind === 'TransferReminded') this.#remind(event, way)
    else if (event.kind !== 'StepAnswered') this.#happen(partition, event, way)
    return true
  }

  /** Holds that wait for their clients and for nothing else. */
  open(): Hold[] {
    return [...this.holds.values()].filter(({ phase, isOver }) => phase === 'held' && !isOver)
  }

  isAtRest(): boolean {
    return [...this.#ways.values()].every(({ isOver }) => isOver)
  }

  /** Posted at sources, and not yet at destinations. */
  inTransit(currency: string): bigint {
    let sum = 0n
    for (const way of this.#ways.values())
      if (isPost(way) && !way.isCredited && way.first.currency === currency) sum += way.first.amount
    return sum
  }

  #begin(partition: number, event: WalletEvent, text: CrossingText): void {
    insist(text.source === partition, 'a hold that begins at its source', partition)
    this.#channels.begin(text)
    this.#ids.take(partition, event)
    const destination = partitionOf(text.credit, this.#books.length)
    const way = { first: event, text, destination, last: event.sequence, reminders: 0, isOver: false }
    const amount = event.amount
    if (event.kind === 'HoldReserved') {
      const hold: Hold = { ...way, of: undefined, phase: 'holding', held: amount, expected: 0n, released: 0n, isReserved: false, isCancelledThere: false, posts: 0, refusal: undefined } // prettier-ignore
      this.holds.set(keyOf(event.transferId), hold)
      this.#ways.set(turnOf(text), hold)
      this.#move(partition, event, { debitsPending: amount }, { creditsPending: amount })
      return
    }
    const hold = this.holds.get(keyOf(event.relatedId))
    insist(hold?.phase === 'held' && amount <= hold.held, 'a post of what a hold has', amount)
    hold.held -= amount
    hold.posts += 1
    insist(event.expiresAtNs === hold.held, `${hold.held} left of the hold`, event.expiresAtNs)
    this.#ways.set(turnOf(text), { ...way, of: hold, isCredited: false })
    this.#move(partition, event, { debitsPending: -amount, debitsPosted: amount }, { creditsPending: -amount, creditsPosted: amount }) // prettier-ignore
  }

  #happen(partition: number, event: WalletEvent, way: Hold | Post): void {
    const { kind, amount } = event
    const isThere = kind.startsWith('Credit')
    insist(partition === (isThere ? way.destination : way.text.source), `${kind} on its side`, partition)
    if (isPost(way)) this.#happenToPost(partition, event, way)
    else if (isThere) this.#happenThere(partition, event, way)
    else if (kind !== 'HoldReserved') this.#happenHere(partition, event, way)
    if (isThere) return
    insist(kind === 'HoldReleased' || amount === (isPost(way) || way.phase !== 'released' ? way.first.amount : way.released), `the amount of ${kind}`, amount) // prettier-ignore
    way.last = event.sequence
    way.reminders = 0
  }

  #happenToPost(partition: number, event: WalletEvent, post: Post): void {
    const { kind, amount } = event
    if (kind === 'HoldDrawn') return
    if (kind === 'CreditDrawn') {
      const hold = post.of
      insist(!post.isCredited && amount === post.first.amount, 'a post credited once, and as it is', amount)
      post.isCredited = true
      hold.expected -= amount
      insist(hold.isReserved && hold.expected >= 0n, 'a post of what is reserved', hold.expected)
      if (hold.isCancelledThere) this.#cover('a post behind its release')
      this.#move(partition, event, { debitsPending: -amount, debitsPosted: amount }, { creditsPending: -amount, creditsPosted: amount }) // prettier-ignore
      return
    }
    insist(
      kind === 'TransferCompleted' && post.isCredited,
      'a post told as completed once it was credited',
      kind,
    )
    post.of.posts -= 1
    this.#over(post)
    this.#noSides(event)
  }

  #happenThere(partition: number, event: WalletEvent, hold: Hold): void {
    const { kind, amount } = event
    insist(!hold.isCancelledThere && hold.refusal === undefined, `${kind} before its end there`, kind)
    if (kind === 'CreditRefused') {
      hold.refusal = event.refusal
      return
    }
    if (kind === 'CreditReserved') {
      insist(!hold.isReserved && amount === hold.first.amount, 'a hold reserved once', amount)
      hold.isReserved = true
      hold.expected = amount
      this.#move(partition, event, { debitsPending: amount }, { creditsPending: amount })
      return
    }
    insist(kind === 'CreditCancelled' && amount === hold.released, `${hold.released} let go of`, amount)
    insist(hold.phase === 'released' || hold.phase === 'cancelled', 'let go of there after here', hold.phase)
    hold.isCancelledThere = true
    if (!hold.isReserved || amount === 0n) return this.#noSides(event)
    hold.expected -= amount
    this.#move(partition, event, { debitsPending: -amount }, { creditsPending: -amount })
  }

  #happenHere(partition: number, event: WalletEvent, hold: Hold): void {
    const { kind, amount, command } = event
    switch (kind) {
      case 'HoldConfirmed':
        insist(hold.phase === 'holding' && hold.isReserved, 'both sides to hold', hold.phase)
        hold.phase = 'held'
        return this.#noSides(event)
      case 'TransferCancelled': {
        insist(hold.phase === 'holding', 'cancelled while it was not answered for', hold.phase)
        const told = refusalOf(Number(event.fingerprint))
        insist(told === (command === 'TimeStep' ? 'transfer_timed_out' : hold.refusal), 'its reason', told)
        hold.phase = 'cancelled'
        hold.released = hold.held
        hold.held = 0n
        this.#move(partition, event, { debitsPending: -amount }, { creditsPending: -amount })
        if (command !== 'TimeStep') this.#over(hold)
        return
      }
      case 'CancelAcknowledged':
        insist(hold.phase === 'cancelled', 'a cancel told as acknowledged', hold.phase)
        this.#over(hold)
        return this.#noSides(event)
      case 'HoldReleased':
        insist(hold.phase === 'held' && amount === hold.held, `${hold.held} released`, amount)
        if (command === 'VoidHold') this.#ids.take(partition, event)
        else this.#cover(command === 'ExpireHold' ? 'a hold expired' : 'a post closed its hold')
        hold.phase = 'released'
        hold.released = amount
        hold.held = 0n
        if (amount === 0n) return this.#noSides(event)
        return this.#move(partition, event, { debitsPending: -amount }, { creditsPending: -amount })
      default:
        insist(kind === 'ReleaseCompleted' && hold.phase === 'released', 'a release told as completed', kind)
        insist(hold.isCancelledThere && hold.posts === 0 && hold.expected === 0n, 'all of it let go of', hold.posts) // prettier-ignore
        this.#over(hold)
        this.#noSides(event)
    }
  }

  #remind({ fingerprint, linkIndex, debit }: WalletEvent, way: Hold | Post): void {
    way.reminders++
    insist(!way.isOver && (isPost(way) || way.phase !== 'held'), 'a reminder of what waits', 'another')
    insist(fingerprint === way.last, `a reminder of event ${way.last}`, fingerprint)
    insist(linkIndex === way.reminders && debit.number === 0, `attempt ${way.reminders}`, linkIndex)
  }

  #over(way: Hold | Post): void {
    way.isOver = true
    this.#channels.end(way.text)
  }

  #move(partition: number, event: WalletEvent, onDebit: Added, onCredit: Added): void {
    this.#books[partition]!.move(event.debit, onDebit)
    this.#books[partition]!.move(event.credit, onCredit)
  }

  #noSides({ kind, debit, credit }: WalletEvent): void {
    insist(debit.number === 0 && credit.number === 0, `${kind} without sides`, debit.number)
  }
}

function isPost(way: Hold | Post): way is Post {
  return way.of !== undefined
}
