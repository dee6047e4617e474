/** The two parts of a subscription: a bounded queue that the hub fills, and an iterator that lets go at once. */

/** What a queue hands out: an item, word that it ran over (once, after what was queued before), or its end. */
export type Taken<Item> =
  { readonly kind: 'item'; readonly item: Item } | { readonly kind: 'lagged' } | { readonly kind: 'closed' }

/** A queue with one reader. At its bound it takes nothing more, hands out what it has, and then says `lagged`. */
export class BoundedQueue<Item> {
  readonly #itemsMax: number
  #items: Item[] = []
  #lagged = false
  #closed = false
  #waiting: ((taken: Taken<Item>) => void) | undefined

  constructor(itemsMax: number) {
    this.#itemsMax = itemsMax
  }

  get lagged(): boolean {
    return this.#lagged
  }

  get size(): number {
    return this.#items.length
  }

  push(item: Item): void {
    if (this.#closed || this.#lagged) return
    if (this.#waiting !== undefined) this.#answer({ kind: 'item', item })
    else if (this.#items.length < this.#itemsMax) this.#items.push(item)
    else this.#lagged = true
  }

  /** The next item, waited for. One call at a time. */
  take(): Promise<Taken<Item>> {
    const item = this.#closed ? undefined : this.#items.shift()
    if (item !== undefined) return Promise.resolve({ kind: 'item', item })
    if (this.#closed) return Promise.resolve({ kind: 'closed' })
    if (this.#lagged) return Promise.resolve({ kind: 'lagged' })
    return new Promise((resolve) => (this.#waiting = resolve))
  }

  /** Empties it and starts again: for a reader that has another way to what it missed. */
  restart(): void {
    this.#items = []
    this.#lagged = false
  }

  close(): void {
    this.#closed = true
    this.#items = []
    if (this.#waiting !== undefined) this.#answer({ kind: 'closed' })
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
