/**
 * Shared reads. A column store answers few queries per second, but each may be about many keys. Single reads that
 * arrive while a query runs wait and share the next one. Nothing is delayed on purpose: an idle store is asked at once.
 */

/** Loads the values of several keys at one read point. Keys without a value are left out. */
export type Load<Point, Value> = (
  point: Point,
  keys: readonly string[],
) => Promise<ReadonlyMap<string, Value>>

interface Waiting<Value> {
  readonly promise: Promise<Value | undefined>
  readonly resolve: (value: Value | undefined) => void
  readonly reject: (reason: unknown) => void
}

export class SharedReads<Point, Value> {
  readonly #load: Load<Point, Value>
  readonly #keysMax: number
  readonly #queriesMax: number
  /** By read point, because each query is answered at one point. In order of arrival. */
  readonly #waiting = new Map<Point, Map<string, Waiting<Value>>>()
  #running = 0

  /**
   * @param keysMax keys of one query
   * @param queriesMax queries under way at a time; reads that arrive meanwhile share the next one
   */
  constructor(load: Load<Point, Value>, keysMax: number, queriesMax = 2) {
    this.#load = load
    this.#keysMax = keysMax
    this.#queriesMax = queriesMax
  }

  /** The value of one key at one point. Equal reads share one query. */
  read(point: Point, key: string): Promise<Value | undefined> {
    let group = this.#waiting.get(point)
    if (group === undefined) this.#waiting.set(point, (group = new Map<string, Waiting<Value>>()))
    let waiting = group.get(key)
    if (waiting === undefined) {
      waiting = makeWaiting<Value>()
      group.set(key, waiting)
      // In the next microtask, so that all keys that one request asks for at once share even the first query.
      if (this.#running < this.#queriesMax) queueMicrotask(() => this.#next())
    }
    return waiting.promise
  }

  #next(): void {
    while (this.#running < this.#queriesMax) {
      const first = this.#waiting.entries().next().value
      if (first === undefined) return
      const [point, group] = first
      const taken = [...group].slice(0, this.#keysMax)
      if (taken.length === group.size) this.#waiting.delete(point)
      else for (const [key] of taken) group.delete(key)
      this.#running++
      void this.#run(point, taken)
    }
  }

  async #run(point: Point, taken: readonly (readonly [string, Waiting<Value>])[]): Promise<void> {
    try {
      const values = await this.#load(
        point,
        taken.map(([key]) => key),
      )
      for (const [key, { resolve }] of taken) resolve(values.get(key))
    } catch (error) {
      for (const [, { reject }] of taken) reject(error)
    }
    this.#running--
    this.#next()
  }
}

function makeWaiting<Value>(): Waiting<Value> {
  let resolve!: Waiting<Value>['resolve']
  let reject!: Waiting<Value>['reject']
  const promise = new Promise<Value | undefined>((onValue, onError) => {
    resolve = onValue
    reject = onError
  })
  return { promise, resolve, reject }
}
