/** The hub: hands events of the feed to the subscribers of an account or a transfer. It keeps no events. */
import type { Frame } from '../../schemas/frames.ts'
import type { Id } from '../../schemas/ids.ts'
import type { FrameListener } from './feed.ts'
import { FrameRows, idWords } from '../../schemas/frame-rows.ts'

/** Gets each row that concerns it. It is called during the walk over a frame, so it may only queue. */
export type RowListener = (rows: FrameRows, byte: number) => void

interface TransferWatch {
  readonly words: Int32Array
  readonly listener: RowListener
}

export class Hub implements FrameListener {
  /** By partition, then account number. */
  readonly #accounts = new Map<number, Map<number, Set<RowListener>>>()
  /** By the key of the id (frame-rows.ts). Several ids may share a key. */
  readonly #transfers = new Map<number, Set<TransferWatch>>()
  #listeners = 0

  get listeners(): number {
    return this.#listeners
  }

  /**
   * Attaches to every event that moves an account: those that have it on either side and are no refusals.
   * @returns detaches
   */
  onAccount(partition: number, account: number, listener: RowListener): () => void {
    const accounts = getOrMake(this.#accounts, partition, () => new Map<number, Set<RowListener>>())
    const listeners = getOrMake(accounts, account, () => new Set<RowListener>())
    listeners.add(listener)
    return this.#attached(() => {
      listeners.delete(listener)
      if (listeners.size === 0) accounts.delete(account)
    })
  }

  /**
   * Attaches to the events of an id, and to those that follow from it: a hold posted, a transfer reversed.
   * @returns detaches
   */
  onTransfer(id: Id, listener: RowListener): () => void {
    const watch = { words: idWords(id), listener }
    const key = watch.words[2]!
    const watches = getOrMake(this.#transfers, key, () => new Set<TransferWatch>())
    watches.add(watch)
    return this.#attached(() => {
      watches.delete(watch)
      if (watches.size === 0) this.#transfers.delete(key)
    })
  }

  /** Hands each row of the frame to the listeners that it concerns. */
  onFrame(frame: Frame): void {
    if (this.#listeners === 0) return
    const rows = new FrameRows(frame)
    const accounts = this.#accounts.get(frame.partition)
    const anyTransfer = this.#transfers.size > 0
    const anyAccount = accounts !== undefined && accounts.size > 0
    for (let byte = 0; byte < rows.end; byte = rows.after(byte)) {
      if (anyAccount && rows.refusal(byte) === 0) {
        const debit = rows.debitAccount(byte)
        const credit = rows.creditAccount(byte)
        for (const listener of accounts.get(debit) ?? []) listener(rows, byte)
        if (credit !== debit) for (const listener of accounts.get(credit) ?? []) listener(rows, byte)
      }
      if (anyTransfer) {
        for (const watch of this.#transfers.get(rows.transferKey(byte)) ?? [])
          if (rows.isTransfer(byte, watch.words, 0)) watch.listener(rows, byte)
        for (const watch of this.#transfers.get(rows.relatedKey(byte)) ?? [])
          if (rows.isRelated(byte, watch.words, 0) && !rows.isTransfer(byte, watch.words, 0))
            watch.listener(rows, byte)
      }
    }
  }

  #attached(detach: () => void): () => void {
    this.#listeners++
    let attached = true
    return () => {
      if (!attached) return
      attached = false
      this.#listeners--
      detach()
    }
  }
}

function getOrMake<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  let value = map.get(key)
  if (value === undefined) map.set(key, (value = make()))
  return value
}
