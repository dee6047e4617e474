/**
 * The views as the doors read them: with shared single reads, and with a bounded memory of accounts, all but their status.
 * The feed moves that memory on: what it holds of an account is never older than the feed.
 */
import {
  accountsByIds,
  accountsByNumbers,
  limitAtVersion,
  type AccountRow,
} from '../../projectors/views/balances/accounts.ts'
import { balancesOf, type Moment } from '../../projectors/views/balances/balances.ts'
import { ACCOUNTS_PER_QUERY_MAX, type AccountKey } from '../../projectors/sql.ts'
import {
  EVENTS_PER_QUERY_MAX,
  eventsByIds,
  consequencesOf,
  type PublicEvent,
} from '../../projectors/views/audit/events.ts'
import type { BalanceRow } from '../../projectors/views/totals.ts'
import { REVERSAL_KINDS } from '../../schemas/event-left.ts'
import { decodeEvent, EVENT_KINDS, type EventKind } from '../../schemas/events.ts'
import { FrameRows } from '../../schemas/frame-rows.ts'
import type { Frame } from '../../schemas/frames.ts'
import { formatId } from '../../schemas/ids.ts'
import type { ViewStore } from '../../projectors/clickhouse/view-store.ts'
import type { Feed, FrameListener } from '../live/feed.ts'
import { LruMap } from './lru.ts'
import type { ReadPoint, ReadPoints } from './read-points.ts'
import { SharedReads } from './read-sharing.ts'

/** An account without its status. Owner and overdraft limit are as of where it was read. */
export type AccountIdentity = Omit<AccountRow, 'status'>

const IDENTITIES_MAX = 200_000

/**
 * Events of other commands that change a transfer. Parts of it may be many; each says what is left, so the newest do.
 */
const CONSEQUENCES: readonly EventKind[] = [
  'HoldPosted',
  'HoldPostedInPart',
  'HoldVoided',
  'HoldDrawn',
  'HoldReleased',
  ...REVERSAL_KINDS,
]

export class Views implements FrameListener {
  readonly store: ViewStore
  readonly points: ReadPoints
  readonly #identities = new LruMap<string, AccountIdentity>(IDENTITIES_MAX)
  /** Sequence of the last change of an account, per partition: what was read before it is not remembered. */
  readonly #changedAt = new Map<number, bigint>()
  #feed: Pick<Feed, 'sequence'> | undefined
  readonly #ids = new LruMap<string, string>(IDENTITIES_MAX)
  readonly #accounts: SharedReads<ReadPoint, AccountRow>
  readonly #byNumber: SharedReads<ReadPoint, AccountRow>
  readonly #balances: SharedReads<ReadPoint, BalanceRow>
  readonly #events: SharedReads<ReadPoint, PublicEvent[]>
  readonly #related: SharedReads<ReadPoint, PublicEvent[]>

  constructor(store: ViewStore, points: ReadPoints) {
    this.store = store
    this.points = points
    this.#accounts = new SharedReads(async (point, ids) => {
      const rows = await accountsByIds(store, ids, point.upTo)
      return new Map(rows.map((row) => [row.accountId, this.#remember(row, point)]))
    }, ACCOUNTS_PER_QUERY_MAX)
    this.#byNumber = new SharedReads(async (point, keys) => {
      const rows = await accountsByNumbers(store, keys.map(parseKey), point.upTo)
      return new Map(rows.map((row) => [keyText(row), this.#remember(row, point)]))
    }, ACCOUNTS_PER_QUERY_MAX)
    this.#balances = new SharedReads(async (point, keys) => {
      const rows = await balancesOf(store, keys.map(parseKey), point.upTo)
      return new Map(rows.map((row) => [keyText(row), row]))
    }, ACCOUNTS_PER_QUERY_MAX)
    this.#events = new SharedReads(
      async (point, ids) => grouped(await eventsByIds(store, ids, point.upTo), (event) => event.transferId),
      EVENTS_PER_QUERY_MAX,
    )
    this.#related = new SharedReads(
      async (point, ids) =>
        grouped(await consequencesOf(store, ids, point.upTo, CONSEQUENCES), (event) => event.relatedId),
      Math.floor(EVENTS_PER_QUERY_MAX / 2),
    )
  }

  /** An account, with its status at the point. */
  account(point: ReadPoint, id: string): Promise<AccountRow | undefined> {
    return this.#accounts.read(point, id)
  }

  /** Says which feed brings the frames: nothing is remembered that could be newer. */
  follow(feed: Pick<Feed, 'sequence'>): void {
    this.#feed = feed
  }

  /** Moves what is remembered of accounts on. */
  onFrame(frame: Frame): void {
    const rows = new FrameRows(frame)
    for (let byte = 0; byte < rows.end; byte = rows.after(byte)) {
      if (rows.kind(byte) !== EVENT_KINDS.AccountChanged) continue
      const { sequence, relatedId, owner, amount, debit } = decodeEvent(frame.payload, byte)
      this.#changedAt.set(frame.partition, sequence)
      const known = this.#identities.get(formatId(relatedId))
      if (known === undefined || known.limitVersion >= debit.version) continue
      this.#identities.set(known.accountId, {
        ...known,
        overdraftLimit: amount,
        limitVersion: debit.version,
        owner: owner === '' ? known.owner : owner,
      })
    }
  }

  /** An account without its status; undefined if it is not open at the point. Its owner and limit may be newer. */
  async identity(point: ReadPoint, id: string): Promise<AccountIdentity | undefined> {
    const known = this.#identities.get(id)
    if (known === undefined) return this.#accounts.read(point, id)
    const upTo = point.upTo.get(known.partition) ?? 0n
    if (known.openedSequence > upTo) return undefined
    return this.#isFollowed(known.partition, upTo) ? known : this.#accounts.read(point, id)
  }

  /** The same from memory alone, without a query. */
  rememberedIdentity(id: string): AccountIdentity | undefined {
    return this.#identities.get(id)
  }

  /**
   * The account of a number that an event carries. Waits until the views know it.
   * @param sequence of the event, at least
   */
  async identityOf(key: AccountKey, sequence: bigint): Promise<AccountIdentity> {
    const id = this.#ids.get(keyText(key))
    const known = id === undefined ? undefined : this.#identities.get(id)
    if (known !== undefined && this.#isFollowed(key.partition, sequence)) return known
    const point = await this.points.atSequence({ partition: key.partition, sequence })
    const row = await this.#byNumber.read(point, keyText(key))
    if (row === undefined)
      throw new Error(`the views hold an event of account ${keyText(key)}, and no such account`)
    return row
  }

  /** The overdraft limit that an account had at a version of it; −1: unlimited. */
  async limitAt(identity: AccountIdentity, version: bigint): Promise<bigint> {
    return version >= identity.limitVersion
      ? identity.overdraftLimit
      : limitAtVersion(this.store, identity, version > 0n ? version : 1n)
  }

  /** The account id of a number, from memory if possible. */
  async accountIdOf(key: AccountKey, sequence: bigint): Promise<string> {
    return this.#ids.get(keyText(key)) ?? (await this.identityOf(key, sequence)).accountId
  }

  /** Remembers the id of an account number, as an event or a command stated it. */
  rememberId(key: AccountKey, id: string): void {
    this.#ids.set(keyText(key), id)
  }

  rememberIdentity(identity: AccountIdentity): void {
    this.#keep(identity, identity.openedSequence)
    this.#ids.set(keyText(identity), identity.accountId)
  }

  /** Totals at the point. Readers share the query. */
  balance(point: ReadPoint, key: AccountKey): Promise<BalanceRow | undefined> {
    return this.#balances.read(point, keyText(key))
  }

  /** Totals at an earlier moment. */
  async balanceAsOf(point: ReadPoint, key: AccountKey, moment: Moment): Promise<BalanceRow | undefined> {
    return (await balancesOf(this.store, [key], point.upTo, moment))[0]
  }

  /** The events of an id, in order. */
  async events(point: ReadPoint, id: string): Promise<readonly PublicEvent[]> {
    return (await this.#events.read(point, id)) ?? []
  }

  /** Events of other commands that follow from the id, the newest twenty in order: a hold posted or voided, a transfer reversed. */
  async related(point: ReadPoint, id: string): Promise<readonly PublicEvent[]> {
    return (await this.#related.read(point, id)) ?? []
  }

  #remember(row: AccountRow, { upTo }: ReadPoint): AccountRow {
    const { status: _status, ...identity } = row
    this.#keep(identity, upTo.get(row.partition) ?? 0n)
    this.#ids.set(keyText(row), row.accountId)
    return row
  }

  /** Remembers an account as it was at the sequence, unless it may have been changed since. */
  #keep(identity: AccountIdentity, sequence: bigint): void {
    if (sequence < (this.#changedAt.get(identity.partition) ?? 0n)) return
    this.#identities.set(identity.accountId, identity)
  }

  /** True if the feed has brought all up to the sequence: what is remembered is as new. */
  #isFollowed(partition: number, sequence: bigint): boolean {
    return this.#feed !== undefined && sequence <= this.#feed.sequence(partition)
  }
}

export function keyText(key: AccountKey): string {
  return `${key.partition}:${key.account}`
}

function parseKey(text: string): AccountKey {
  const [partition, account] = text.split(':').map(Number) as [number, number]
  return { partition, account }
}

function grouped(
  events: readonly PublicEvent[],
  idOf: (event: PublicEvent) => string | undefined,
): Map<string, PublicEvent[]> {
  const groups = new Map<string, PublicEvent[]>()
  for (const event of events) {
    const id = idOf(event)
    if (id === undefined) continue
    const group = groups.get(id)
    if (group === undefined) groups.set(id, [event])
    else group.push(event)
  }
  return groups
}
