/** The two parts of a subscription: a bounded queue that the hub fills, and an iterator that lets go at once. */
import type { Share, SubscriberMemory } from './subscriber-memory.ts'

/** What a queue hands out: an item, word that it ran over (once, after what was queued before), or its end. */
export type Taken<Item> =
  { readonly kind: 'item'; readonly item: Item } | { readonly kind: 'lagged' } | { readonly kind: 'closed' }

/** What a queue's items count in the memory that all subscribers share. */
export interface QueueMemory<Item> {
  readonly memory: SubscriberMemory
  readonly bytesOf: (item: Item) => number
}

/**
 * A queue with one reader. At its own bound it takes nothing more, hands out what it has, and then says `lagged`. At the
 * bound of all subscribers it may have to drop what it has: it is `shed`, and says `lagged` at once.
 */
export class BoundedQueue<Item> {
  readonly #itemsMax: number
  readonly #share: Share | undefined
  readonly #bytesOf: (item: Item) => number
  #items: Item[] = []
  /** Bytes that the reader keeps beside the queue. */
  #beside = 0
  #lagged = false
  #shed = false
  #closed = false
  #waiting: ((taken: Taken<Item>) => void) | undefined

  /** @param counted without it, only the number of items is bounded */
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

  /** True once it had to drop what it had: its reader is behind for good. */
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

  /** Counts what the reader keeps beside the queue, in place of what it kept there before. */
  keepBeside(bytes: number): void {
    if (this.#shed || this.#closed) return
    this.#share?.remove(this.#beside)
    this.#beside = bytes
    this.#share?.add(bytes)
  }

  /** The next item, waited for. One call at a time. */
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

  /** Empties it and starts again: for a reader that has another way to what it missed. */
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

/** Ends a stream when `pull` answers it. */
export const END = Symbol('end of stream')

/**
 * An iterator over what `pull` brings, one after the other. Unlike an async generator it does not wait for a pull under way
 * when it is told to return: it releases at once, and the pull's answer is dropped.
 * @param release called once, at the end, however it comes
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
      // Calls that overlap are answered in order; `return` settles the one under way, and so all of them.
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
