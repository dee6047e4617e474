/**
 * Hot totals: the totals of accounts that were asked for lately, loaded from the view once and moved on by the feed. A
 * bounded, read-only state machine with a position like any other: that of the feed, which is never behind the view's.
 *
 * An account comes in in three steps: from now on its events are noted; once the views include what the feed had brought
 * by then, its totals are read; the noted events that the read did not include move them on. From there every event does.
 */
import { ROW_BYTE } from '../../schemas/events.ts'
import type { Frame } from '../../schemas/frames.ts'
import type { Position } from '../../schemas/positions.ts'
import type { BalanceRow } from '../../projectors/views/totals.ts'
import type { Feed, FrameListener } from './feed.ts'
import { LruMap } from '../read/lru.ts'
import { FrameRows } from '../../schemas/frame-rows.ts'
import { keyText, type AccountIdentity, type Views } from '../read/views.ts'

/** Totals by the log, at the feed's position. */
export interface HotBalance {
  readonly totals: BalanceRow
  readonly position: Position
}

interface Entry {
  /** Newest state known; undefined until an event or the read has told. */
  latest: BalanceRow | undefined
  /** True once the view's totals are in: from then on `latest` is complete. */
  ready: boolean
}

export class HotTotals implements FrameListener {
  readonly #entries: LruMap<string, Entry>
  /** The same entries by partition and number, for the walk over the feed. */
  readonly #byNumber = new Map<number, Map<number, Entry>>()
  readonly #views: Views

  constructor(views: Views, accountsMax: number) {
    this.#views = views
    this.#entries = new LruMap(accountsMax, (key) => this.#forget(key))
  }

  /** Totals of an account, if they are in memory; else it starts to load them and answers undefined. */
  read(identity: AccountIdentity, feed: Feed): HotBalance | undefined {
    const entry = this.#entries.get(keyText(identity))
    if (entry === undefined) {
      void this.#load(identity, feed)
      return undefined
    }
    if (!entry.ready || entry.latest === undefined) return undefined
    return { totals: entry.latest, position: feed.position() }
  }

  /** Moves what is in memory on. */
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
      // The views did not answer: whoever asks next tries again.
      this.#entries.delete(key)
      if (numbers.get(identity.account) === entry) numbers.delete(identity.account)
    }
  }

  #forget(key: string): void {
    const [partition, account] = key.split(':').map(Number) as [number, number]
    this.#byNumber.get(partition)?.delete(account)
  }
}

/** The balance after the row. @param side where the account's side begins in it */
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
