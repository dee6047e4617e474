/** The two parts of a subscription: a bounded queue that the hub fills, and an iterator that releases at once. */
import type { MemoryShare, SubscriberMemory } from './subscriber-memory.ts'

/** What a queue hands out: an item; once, that it overflowed (after the items queued before); or its end. */
export type Taken<Item> =
  { readonly kind: 'item'; readonly item: Item } | { readonly kind: 'lagged' } | { readonly kind: 'closed' }

/** How a queue's items count against the memory that all subscribers share. */
export interface QueueMemory<Item> {
  readonly memory: SubscriberMemory
  readonly bytesOf: (item: Item) => number
}

/**
 * A queue with one reader. At its own bound it takes nothing more, hands out what it has, and then says `lagged`. At
 * the bound that all subscribers share it may have to drop its items. It is `shed` then, and says `lagged` at once.
 */
export class BoundedQueue<Item> {
  readonly #itemsMax: number
  readonly #share: MemoryShare | undefined
  readonly #bytesOf: (item: Item) => number
  #items: Item[] = []
  /** Bytes that the reader keeps outside the queue. */
  #beside = 0
  #lagged = false
  #shed = false
  #closed = false
  #waiting: ((taken: Taken<Item>) => void) | undefined

  /** @param counted undefined: only the number of items is bounded */
  constructor(itemsMax: number, counted?: QueueMemory<Item>) {
    this.#itemsMax = itemsMax
    this.#bytesOf = counted?.bytesOf ?? (() => 0)
    this.#share = counted?.memory.join(() => {
      this.#items = []
      this.#beside = 0
      this.#lagged = this.#shed = true
    })
  }

  get lagged(): boolean {
    return this.#lagged
  }

  /** True once it had to drop its items: the reader lags for good. */
  get shed(): boolean {
    return this.#shed
  }

  get size(): number {
    return this.#items.length
  }

  push(item: Item): void {
    if (this.#closed || this.#lagged) return
    if (this.#waiting !== undefined) return this.#answer({ kind: 'item', item })
    if (this.#items.length >= this.#itemsMax) return void (this.#lagged = true)
    this.#items.push(item)
    this.#share?.add(this.#bytesOf(item))
  }

  /** Sets the bytes that the reader keeps outside the queue. */
  keepBeside(bytes: number): void {
    if (this.#shed || this.#closed) return
    this.#share?.remove(this.#beside)
    this.#beside = bytes
    this.#share?.add(bytes)
  }

  /** Waits for the next item. One call at a time. */
  take(): Promise<Taken<Item>> {
    const item = this.#closed ? undefined : this.#items.shift()
    if (item !== undefined) {
      this.#share?.remove(this.#bytesOf(item))
      return Promise.resolve({ kind: 'item', item })
    }
    if (this.#closed) return Promise.resolve({ kind: 'closed' })
    if (this.#lagged) return Promise.resolve({ kind: 'lagged' })
    return new Promise((resolve) => (this.#waiting = resolve))
  }

  /** Empties the queue and starts again, for a reader that can get the lost items in another way. */
  restart(): void {
    if (this.#shed) return
    this.#drop()
    this.#lagged = false
  }

  close(): void {
    this.#closed = true
    this.#drop()
    this.#share?.close()
    if (this.#waiting !== undefined) this.#answer({ kind: 'closed' })
  }

  #drop(): void {
    for (const item of this.#items) this.#share?.remove(this.#bytesOf(item))
    this.#items = []
  }

  #answer(taken: Taken<Item>): void {
    const waiting = this.#waiting!
    this.#waiting = undefined
    waiting(taken)
  }
}

/** The answer of `pull` that ends a stream. */
export const END = Symbol('end of stream')

/**
 * An iterator over the answers of `pull`, one after the other. An async generator would finish the pull under way
 * before it returns. This one releases at once and drops that pull's answer.
 * @param release called once, when the stream ends for any reason
 */
export function pullStream<Item>(
  pull: () => Promise<Item | typeof END>,
  release: () => void,
): AsyncGenerator<Item, undefined, undefined> {
  const end = { value: undefined, done: true } as const
  let open = true
  /** Settles the `next` under way, if there is one. */
  let finish: (() => void) | undefined
  let last: Promise<unknown> = Promise.resolve()

  const close = (): void => {
    if (!open) return
    open = false
    release()
    finish?.()
  }
  const pullOnce = (): Promise<IteratorResult<Item, undefined>> =>
    new Promise((resolve, reject) => {
      if (!open) return resolve(end)
      finish = () => resolve(end)
      pull().then(
        (item) => {
          finish = undefined
          if (item === END) close()
          resolve(item === END || !open ? end : { value: item, done: false })
        },
        (error: unknown) => {
          finish = undefined
          close()
          reject(error instanceof Error ? error : new Error(String(error)))
        },
      )
    })
  return {
    next: () => {
      // Overlapping calls are answered in order. `return` settles the one under way, and with it all of them.
      const answer = last.then(pullOnce)
      last = answer.catch(() => undefined)
      return answer
    },
    return: () => {
      close()
      return Promise.resolve(end)
    },
    throw: (error: unknown) => {
      close()
      return Promise.reject(error instanceof Error ? error : new Error(String(error)))
    },
    [Symbol.asyncIterator]() {
      return this
    },
    [Symbol.asyncDispose]: async () => close(),
  }
}
