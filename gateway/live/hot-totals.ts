/**
 * Hot totals: the totals of accounts that were asked for lately. They are loaded from the view once, and the feed keeps
 * them current. This is a bounded, read-only state machine. Its position is that of the feed, which is never behind the
 * view's.
 *
 * An account is loaded in three steps. Its events are noted from now on. Its totals are read as soon as the views
 * include what the feed had brought so far. Noted events that the read did not include then move the totals on, as does
 * every later event.
 */
import { ROW_BYTE } from '../../schemas/events.ts'
import type { Frame } from '../../schemas/frames.ts'
import type { Position } from '../../schemas/positions.ts'
import type { BalanceRow } from '../../projectors/views/totals.ts'
import type { Feed, FrameListener } from './feed.ts'
import { LruMap } from '../read/lru.ts'
import { FrameRows } from '../../schemas/frame-rows.ts'
import { keyText, type AccountIdentity, type Views } from '../read/views.ts'

/** Totals at the feed's position. */
export interface HotBalance {
  readonly totals: BalanceRow
  readonly position: Position
}

interface Entry {
  /** Newest state known; undefined until an event or the read has brought one. */
  latest: BalanceRow | undefined
  /** True once the view's totals are loaded. From then on `latest` is complete. */
  ready: boolean
}

export class HotTotals implements FrameListener {
  readonly #entries: LruMap<string, Entry>
  /** The same entries by partition and account number, for the walk over a frame. */
  readonly #byNumber = new Map<number, Map<number, Entry>>()
  readonly #views: Views

  constructor(views: Views, accountsMax: number) {
    this.#views = views
    this.#entries = new LruMap(accountsMax, (key) => this.#forget(key))
  }

  /** The totals of an account. If they are not in memory, starts to load them and returns undefined. */
  read(identity: AccountIdentity, feed: Feed): HotBalance | undefined {
    const entry = this.#entries.get(keyText(identity))
    if (entry === undefined) {
      void this.#load(identity, feed)
      return undefined
    }
    if (!entry.ready || entry.latest === undefined) return undefined
    return { totals: entry.latest, position: feed.position() }
  }

  /** Moves the totals in memory on. */
  onFrame(frame: Frame): void {
    const entries = this.#byNumber.get(frame.partition)
    if (entries === undefined || entries.size === 0) return
    const rows = new FrameRows(frame)
    for (let byte = 0; byte < rows.end; byte = rows.after(byte)) {
      if (rows.refusal(byte) !== 0) continue
      const debit = entries.get(rows.debitAccount(byte))
      if (debit !== undefined)
        debit.latest = balanceAt(rows, byte, rows.debitAccount(byte), ROW_BYTE.debitVersion)
      const credit = entries.get(rows.creditAccount(byte))
      if (credit !== undefined)
        credit.latest = balanceAt(rows, byte, rows.creditAccount(byte), ROW_BYTE.creditVersion)
    }
  }

  async #load(identity: AccountIdentity, feed: Feed): Promise<void> {
    const entry: Entry = { latest: undefined, ready: false }
    const key = keyText(identity)
    this.#entries.set(key, entry)
    let numbers = this.#byNumber.get(identity.partition)
    if (numbers === undefined) this.#byNumber.set(identity.partition, (numbers = new Map<number, Entry>()))
    numbers.set(identity.account, entry)
    try {
      const point = await this.#views.points.at(feed.position())
      const stored = await this.#views.balance(point, identity)
      if (stored !== undefined && (entry.latest === undefined || entry.latest.version < stored.version))
        entry.latest = stored
      entry.ready = true
    } catch {
      // The views did not answer. The next read tries again.
      this.#entries.delete(key)
      if (numbers.get(identity.account) === entry) numbers.delete(identity.account)
    }
  }

  #forget(key: string): void {
    const [partition, account] = key.split(':').map(Number) as [number, number]
    this.#byNumber.get(partition)?.delete(account)
  }
}

/**
 * The balance of an account after the row.
 * @param side byte within the row at which the account's side begins
 */
function balanceAt(rows: FrameRows, byte: number, account: number, side: number): BalanceRow {
  return {
    ...rows.totalsAt(byte, side),
    partition: rows.frame.partition,
    account,
    version: rows.versionAt(byte, side),
    sequence: rows.sequence(byte),
    recordedAtNs: rows.recordedAtNs(byte),
  }
}
