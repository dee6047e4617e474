/** A bounded map. The entry that was not used for longest makes room. */
export class LruMap<Key, Value> {
  readonly #entriesMax: number
  readonly #entries = new Map<Key, Value>()
  readonly #onDrop: ((key: Key, value: Value) => void) | undefined

  constructor(entriesMax: number, onDrop?: (key: Key, value: Value) => void) {
    this.#entriesMax = entriesMax
    this.#onDrop = onDrop
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: Key): Value | undefined {
    const value = this.#entries.get(key)
    if (value === undefined) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, value)
    return value
  }

  set(key: Key, value: Value): void {
    this.#entries.delete(key)
    this.#entries.set(key, value)
    if (this.#entries.size <= this.#entriesMax) return
    const [oldest, dropped] = this.#entries.entries().next().value!
    this.#entries.delete(oldest)
    this.#onDrop?.(oldest, dropped)
  }

  delete(key: Key): void {
    this.#entries.delete(key)
  }
}
